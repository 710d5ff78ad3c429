//! Products by OT (Gilboa; MASCOT, eprint 2016/505 Fig. 7, steps 2 to 4), in pieces: a party computes and hashes one
//! piece while another travels, and what it works on stays in the cache.
//!
//! Towards every peer a party is sender, with its b, and receiver, with the bits of its a.

use super::cope::RAW_BYTES;
use super::multiply::{Extension, Multiplier, Products};
use super::simd::{self, Kernel};
use super::softspoken::BLOCK;
use super::{Limbs, MascotField};
use crate::error::{Error, Malformed, Result};
use crate::party::{Outgoing, PartyIndex, Pieces};
use crate::step::Step;
use zeroize::Zeroize;

/// Blocks of OTs in one piece of a message: 128 KiB.
const PIECE: usize = 64;

/// The round of d: to every peer, and −t into c; of every peer, and q into c.
pub(super) struct Gilboa<'a, F: MascotField> {
    multiplier: &'a Multiplier<F>,
    extension: &'a Extension,
    products: &'a mut Products<F>,
    /// By party.
    sent: Vec<Place<'a, F>>,
    received: Vec<Place<'a, F>>,
}

/// How far the products with one peer in one direction are.
struct Place<'a, F: MascotField> {
    /// The next block of OTs.
    block: usize,
    bits: Bits<'a, F>,
    sum: Limbs,
}

impl<'a, F: MascotField> Gilboa<'a, F> {
    pub fn new(multiplier: &'a Multiplier<F>, extension: &'a Extension, products: &'a mut Products<F>) -> Self {
        let place = |_: &_| Place { block: 0, bits: Bits::new(&multiplier.weights), sum: Limbs::default() };
        let places = || multiplier.pairs.iter().map(place).collect();
        Self { multiplier, extension, products, sent: places(), received: places() }
    }

    fn ots(&self) -> usize {
        self.products.b.len() * self.multiplier.ots()
    }

    /// OTs in the piece that begins with this block.
    fn piece(&self, block: usize) -> usize {
        (self.ots() - block * BLOCK).min(PIECE * BLOCK)
    }

    /// As sender to `peer`: d into the places of the next OTs, and −t into c.
    fn send(&mut self, peer: usize, places: &mut [[u8; RAW_BYTES]]) {
        let Self { multiplier, extension, products, sent, .. } = self;
        let Place { block, bits, sum } = &mut sent[peer];
        let pair = multiplier.pairs[peer].as_ref().expect("a pair with each peer");
        let columns = extension.sent[peer].as_ref().expect("an extension with each peer");
        let delta = pair.sender.delta();
        let (mut zeros, mut ones) = ([[0; 2]; BLOCK], [[0; 2]; BLOCK]);
        for places in places.chunks_mut(BLOCK) {
            let mut rows = columns.rows(*block);
            let first = *block * BLOCK;
            let tweak = multiplier.used + first as u64;
            pair.sender_hash.hash(tweak, &rows, &mut zeros);
            rows.iter_mut().for_each(|row| *row ^= delta);
            pair.sender_hash.hash(tweak, &rows, &mut ones);
            let zeros = &zeros[..places.len()];
            multiplier.mask(first, places, [zeros, &ones], &products.b);
            simd::run(Send { field: &multiplier.field, zeros, bits, sum, c: &mut products.c });
            *block += 1;
        }
        zeros.zeroize();
        ones.zeroize();
    }

    /// As receiver from `peer`: q of the next OTs into c. Says whether all of the message was canonical.
    fn receive(&mut self, peer: usize, places: &[[u8; RAW_BYTES]]) -> bool {
        let Self { multiplier, extension, products, received, .. } = self;
        let Place { block, bits, sum } = &mut received[peer];
        let pair = multiplier.pairs[peer].as_ref().expect("a pair with each peer");
        let columns = extension.received[peer].as_ref().expect("an extension with each peer");
        let mut hashes = [[0; 2]; BLOCK];
        let mut canonical = true;
        for places in places.chunks(BLOCK) {
            pair.receiver_hash.hash(multiplier.used + (*block * BLOCK) as u64, &columns.rows(*block), &mut hashes);
            let (choices, c) = (extension.choices[peer][*block], &mut products.c);
            let field = &multiplier.field;
            canonical &= simd::run(Receive { field, places, hashes: &hashes, choices, bits, sum, c });
            *block += 1;
        }
        hashes.zeroize();
        canonical
    }
}

impl<F: MascotField> Pieces for Gilboa<'_, F> {
    type Error = Error;

    fn count(&self) -> usize {
        self.ots().div_ceil(PIECE * BLOCK)
    }

    fn make(&mut self, outgoing: &mut Outgoing<'_>) -> Result<()> {
        outgoing.to_each(|peer, message| {
            let start = message.len();
            message.resize(start + self.piece(self.sent[peer.get()].block) * RAW_BYTES, 0);
            self.send(peer.get(), message[start..].as_chunks_mut().0);
        });
        Ok(())
    }

    fn take(&mut self, _: usize, peer: PartyIndex, message: &[u8]) -> Result<()> {
        let malformed = |what| Err(Error::Malformed { peer, step: Step::MascotMultiply, what });
        if message.len() != self.piece(self.received[peer.get()].block) * RAW_BYTES {
            return malformed(Malformed::Length);
        }
        if self.receive(peer.get(), message.as_chunks().0) { Ok(()) } else { malformed(Malformed::Element) }
    }

    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

impl<F: MascotField> Multiplier<F> {
    /// d = s₀ − s₁ + b for the OTs from number `first` of the tile on.
    fn mask(&self, first: usize, places: &mut [[u8; RAW_BYTES]], [zeros, ones]: [&[[u128; 2]]; 2], b: &[F::Element]) {
        let mut at = 0;
        while at < places.len() {
            let triple = (first + at) / self.ots();
            let end = places.len().min((triple + 1) * self.ots() - first);
            self.field.mask_all(&mut places[at..end], [&zeros[at..end], &ones[at..end]], b[triple]);
            at = end;
        }
    }
}

/// Bits that are summed up before they are reduced: a sum of terms below 2^33, shifted by up to 27.
const GROUP: usize = 28;

/// OTs one after the other that are for bits of the same component and are summed up together.
struct Run<F: MascotField> {
    element: usize,
    /// Place of the first bit in its group.
    shift: u32,
    len: usize,
    /// The weight of the group, where it ends.
    weight: Option<F::Element>,
}

/// The bits of all components in order.
struct Bits<'a, F: MascotField> {
    weights: &'a [F::Element],
    bit: usize,
    element: usize,
}

impl<'a, F: MascotField> Bits<'a, F> {
    fn new(weights: &'a [F::Element]) -> Self {
        Self { weights, bit: 0, element: 0 }
    }

    /// The next OTs, `most` at most.
    #[inline(always)]
    fn advance(&mut self, most: usize) -> Run<F> {
        let shift = self.bit % GROUP;
        let first = self.bit - shift;
        let end = (first + GROUP).min(self.weights.len());
        let len = most.min(end - self.bit);
        let element = self.element;
        self.bit += len;
        let weight = (self.bit == end).then(|| self.weights[first]);
        if self.bit == self.weights.len() {
            (self.bit, self.element) = (0, self.element + 1);
        }
        Run { element, shift: shift as u32, len, weight }
    }
}

/// Up to 128 OTs at the sender: −t into c.
struct Send<'a, 'b, F: MascotField> {
    field: &'a F,
    zeros: &'a [[u128; 2]],
    bits: &'a mut Bits<'b, F>,
    sum: &'a mut Limbs,
    c: &'a mut [F::Element],
}

impl<F: MascotField> Kernel for Send<'_, '_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let f = self.field;
        let (mut sum, mut at) = (*self.sum, 0);
        while at < self.zeros.len() {
            let run = self.bits.advance(self.zeros.len() - at);
            for (&zero, shift) in self.zeros[at..at + run.len].iter().zip(run.shift..) {
                f.accumulate(&mut sum, &f.limbs(zero), 1, shift);
            }
            at += run.len;
            if let Some(weight) = run.weight {
                let t = f.mul(weight, f.reduce(&std::mem::take(&mut sum)));
                self.c[run.element] = f.sub(self.c[run.element], t);
            }
        }
        *self.sum = sum;
    }
}

/// Up to 128 OTs at the receiver: q into c. Says whether all of the message was canonical.
struct Receive<'a, 'b, F: MascotField> {
    field: &'a F,
    places: &'a [[u8; RAW_BYTES]],
    hashes: &'a [[u128; 2]; BLOCK],
    choices: u128,
    bits: &'a mut Bits<'b, F>,
    sum: &'a mut Limbs,
    c: &'a mut [F::Element],
}

impl<F: MascotField> Kernel for Receive<'_, '_, F> {
    type Output = bool;

    #[inline(always)]
    fn run(self) -> bool {
        let f = self.field;
        let (mut choices, mut canonical) = (self.choices, true);
        let (mut sum, mut at) = (*self.sum, 0);
        while at < self.places.len() {
            let run = self.bits.advance(self.places.len() - at);
            let ots = at..at + run.len;
            at = ots.end;
            for ((place, &hash), shift) in self.places[ots.clone()].iter().zip(&self.hashes[ots]).zip(run.shift..) {
                let d = u128::from_le_bytes(*place);
                canonical &= f.from_raw(d).is_some();
                let chosen = d & (choices & 1).wrapping_neg();
                f.accumulate(&mut sum, &f.with_raw(&f.limbs(hash), chosen), 1, shift);
                choices >>= 1;
            }
            if let Some(weight) = run.weight {
                let q = f.mul(weight, f.reduce(&std::mem::take(&mut sum)));
                self.c[run.element] = f.add(self.c[run.element], q);
            }
        }
        *self.sum = sum;
        canonical
    }
}

/// The receiver's side of 128 OTs, for [`crate::timing`].
#[cfg(any(test, feature = "timing"))]
pub(super) fn timing(name: &'static str) -> crate::timing::Probe {
    use crate::field::{Field as _, PrimeField};
    use crate::port::Rng;
    use crate::timing::{Class, Probe};
    use rand_core::Rng as _;
    let f = PrimeField::carbyne();
    let weights: Vec<_> = (0..f.bits()).map(|h| f.weight(h)).collect();
    let word = |rng: &mut Rng| (rng.next_u64() as u128) << 64 | rng.next_u64() as u128;
    let prepare = move |rng: &mut Rng, class| {
        let hashes: [[u128; 2]; BLOCK] = std::array::from_fn(|_| [word(rng), word(rng)]);
        (if class == Class::Fixed { 0 } else { word(rng) }, hashes)
    };
    Probe::new(name, prepare, move |(choices, hashes)| {
        let (mut bits, mut sum, mut c) = (Bits::<PrimeField>::new(&weights), Limbs::default(), [f.zero()]);
        let places = &[[0x5a; RAW_BYTES]; BLOCK];
        let (bits, sum, choices) = (&mut bits, &mut sum, *choices);
        let canonical = simd::run(Receive { field: &f, places, hashes, choices, bits, sum, c: &mut c });
        (canonical, c)
    })
}
