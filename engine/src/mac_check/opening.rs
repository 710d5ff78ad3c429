//! The one way to open: all parties send their shares of the values, each adds up what came, and the sums wait with
//! their MACs for the next check.

use super::{MacCheck, Unchecked};
use crate::error::{Error, Malformed, Result};
use crate::field::{BinaryField, ELEMENT_BYTES, Field, Gf2n};
use crate::party::{Party, PartyIndex, Pieces};
use crate::port::GateError;
use crate::share::Shares;
use crate::step::Step;
use std::marker::PhantomData;
use std::ops::Range;

/// How values are opened, and what products with open values cost.
pub trait Form<F: Field> {
    const STEP: Step;
    /// Products in one piece of a message; each has two openings.
    const PRODUCTS: usize;

    /// Bytes that carry `count` values.
    fn bytes(count: usize) -> usize;
    /// Appends shares.
    fn encode(f: &F, shares: &[F::Element], message: &mut Vec<u8>);
    /// Adds the shares that stand in a message of the right length. False if one is not canonical.
    fn add(f: &F, sums: &mut [F::Element], message: &[u8]) -> bool;
    /// sum + ε·y + δ·a in place, element-wise.
    fn add_products(f: &F, sums: &mut [F::Element], epsilon_y: [&[F::Element]; 2], delta_a: [&[F::Element]; 2]);
}

/// Elements of the field.
pub enum Whole {}

impl<F: Field> Form<F> for Whole {
    const STEP: Step = Step::Open;
    const PRODUCTS: usize = 2048;

    fn bytes(count: usize) -> usize {
        count * ELEMENT_BYTES
    }

    fn encode(f: &F, shares: &[F::Element], message: &mut Vec<u8>) {
        f.encode_raw_all(shares, message);
    }

    fn add(f: &F, sums: &mut [F::Element], message: &[u8]) -> bool {
        f.add_raw_all(sums, message)
    }

    fn add_products(f: &F, sums: &mut [F::Element], epsilon_y: [&[F::Element]; 2], delta_a: [&[F::Element]; 2]) {
        f.add_products(sums, epsilon_y, delta_a);
    }
}

/// Bits whose value shares are bits, eight to a byte; the last byte is filled up with zeros.
pub enum Bits {}

impl Form<BinaryField> for Bits {
    const STEP: Step = Step::OpenBits;
    const PRODUCTS: usize = 8192;

    fn bytes(count: usize) -> usize {
        count.div_ceil(8)
    }

    fn encode(f: &BinaryField, shares: &[Gf2n], message: &mut Vec<u8>) {
        message.extend(shares.chunks(8).map(|eight| {
            let bits = eight.iter().enumerate().map(|(i, &bit)| ((f.to_raw(bit) & 1) as u8) << i);
            bits.fold(0, |byte, bit| byte | bit)
        }));
    }

    fn add(f: &BinaryField, sums: &mut [Gf2n], message: &[u8]) -> bool {
        let mut beyond = 0;
        for (eight, &byte) in sums.chunks_mut(8).zip(message) {
            beyond |= u32::from(byte) >> eight.len();
            for (i, sum) in eight.iter_mut().enumerate() {
                *sum = f.add(*sum, f.cut(u128::from(byte >> i & 1)));
            }
        }
        beyond == 0
    }

    /// Selections in place of products.
    fn add_products(_: &BinaryField, sums: &mut [Gf2n], [epsilon, y]: [&[Gf2n]; 2], [delta, a]: [&[Gf2n]; 2]) {
        for ((((sum, epsilon), y), delta), a) in sums.iter_mut().zip(epsilon).zip(y).zip(delta).zip(a) {
            *sum = sum.plus_if(*y, *epsilon).plus_if(*a, *delta);
        }
    }
}

/// Values on their way to being open. Dropped before [`Opening::keep`], it leaves nothing behind.
pub(crate) struct Opening<'a, F: Field, W: Form<F>> {
    pub field: F,
    mac: &'a mut MacCheck<F>,
    /// Where its values begin among the pending ones.
    start: usize,
    kept: bool,
    form: PhantomData<fn() -> W>,
}

impl<F: Field, W: Form<F>> Drop for Opening<'_, F, W> {
    fn drop(&mut self) {
        if !self.kept {
            self.mac.values.truncate(self.start);
            self.mac.macs.truncate(self.start);
        }
    }
}

impl<'a, F: Field, W: Form<F>> Opening<'a, F, W> {
    /// Starts an opening of `count` values.
    pub fn new(mac: &'a mut MacCheck<F>, count: usize) -> Result<Self> {
        if mac.failed {
            return Err(GateError::Compromised.into());
        }
        mac.values.reserve(count);
        mac.macs.reserve(count);
        let start = mac.values.len();
        Ok(Self { field: mac.field.clone(), mac, start, kept: false, form: PhantomData })
    }

    /// Values that were added so far.
    pub fn len(&self) -> usize {
        self.mac.values.len() - self.start
    }

    /// Adds own shares.
    fn push(&mut self, shares: &Shares<F>, range: Range<usize>) {
        self.mac.values.extend_from_slice(&shares.values[range.clone()]);
        self.mac.macs.extend_from_slice(&shares.macs[range]);
    }

    /// Adds own shares of x − a.
    pub fn push_differences(&mut self, x: &Shares<F>, a: &Shares<F>) {
        self.field.extend_differences(&x.values, &a.values, &mut self.mac.values);
        self.field.extend_differences(&x.macs, &a.macs, &mut self.mac.macs);
    }

    /// Appends what goes to the peers for the shares from `from` on.
    pub fn encode(&self, from: usize, message: &mut Vec<u8>) {
        W::encode(&self.field, &self.mac.values[self.start + from..], message);
    }

    /// Adds the shares that `peer` has sent for the values of `range`.
    pub fn add(&mut self, range: Range<usize>, peer: PartyIndex, message: &[u8]) -> Result<()> {
        let malformed = |what| Err(Error::Malformed { peer, step: W::STEP, what });
        if message.len() != W::bytes(range.len()) {
            return malformed(Malformed::Length);
        }
        let sums = &mut self.mac.values[self.start + range.start..self.start + range.end];
        if W::add(&self.field, sums, message) { Ok(()) } else { malformed(Malformed::Element) }
    }

    /// The values of `range`, open when all parties' shares have been added.
    pub fn values(&self, range: Range<usize>) -> &[F::Element] {
        &self.mac.values[self.start + range.start..self.start + range.end]
    }

    /// All values are open: they wait for the next check.
    pub fn keep(mut self) {
        self.kept = true;
        self.mac.opened += self.len() as u64;
    }
}

/// Opens runs (first, length) of shares.
pub(super) async fn reveal<'a, F: Field, W: Form<F>>(
    mac: &'a mut MacCheck<F>,
    party: &mut Party,
    shares: &Shares<F>,
    runs: &[(usize, usize)],
) -> Result<Unchecked<&'a [F::Element]>> {
    let count = runs.iter().map(|(_, len)| len).sum();
    let mut opening = Opening::<F, W>::new(mac, count)?;
    let start = opening.start;
    party.exchange_pieces(W::STEP, &mut Reveal { opening: &mut opening, shares, runs, used: 0, left: count }).await?;
    opening.keep();
    Ok(Unchecked { value: &mac.values[start..], until: mac.opened })
}

/// The round of an opening: runs of shares, in pieces.
struct Reveal<'r, 'a, F: Field, W: Form<F>> {
    opening: &'r mut Opening<'a, F, W>,
    shares: &'r Shares<F>,
    runs: &'r [(usize, usize)],
    /// How much of the first run that is left has been sent.
    used: usize,
    /// Values that are not sent yet.
    left: usize,
}

impl<F: Field, W: Form<F>> Reveal<'_, '_, F, W> {
    const PIECE: usize = 2 * W::PRODUCTS;
}

impl<F: Field, W: Form<F>> Pieces for Reveal<'_, '_, F, W> {
    type Error = Error;

    fn count(&self) -> usize {
        self.left.div_ceil(Self::PIECE)
    }

    fn make(&mut self, message: &mut Vec<u8>) -> Result<()> {
        let from = self.opening.len();
        let mut room = self.left.min(Self::PIECE);
        self.left -= room;
        while room > 0 {
            let (first, len) = self.runs[0];
            let part = room.min(len - self.used);
            self.opening.push(self.shares, first + self.used..first + self.used + part);
            self.used += part;
            room -= part;
            if self.used == len {
                (self.runs, self.used) = (&self.runs[1..], 0);
            }
        }
        self.opening.encode(from, message);
        Ok(())
    }

    fn take(&mut self, piece: usize, peer: PartyIndex, message: &[u8]) -> Result<()> {
        let start = piece * Self::PIECE;
        self.opening.add(start..self.opening.len().min(start + Self::PIECE), peer, message)
    }

    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bit_tuples::mac_field;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn packed_bits_come_back(own: Vec<bool>, theirs: Vec<bool>) {
            let f = mac_field();
            let count = own.len().min(theirs.len());
            let bits = |bits: &[bool]| -> Vec<Gf2n> { bits[..count].iter().map(|&bit| f.cut(bit.into())).collect() };
            let mut message = Vec::new();
            Bits::encode(&f, &bits(&theirs), &mut message);
            prop_assert_eq!(message.len(), Bits::bytes(count));
            let mut sums = bits(&own);
            prop_assert!(Bits::add(&f, &mut sums, &message));
            let expected: Vec<bool> = (0..count).map(|i| own[i] ^ theirs[i]).collect();
            prop_assert_eq!(sums, bits(&expected));
            if count % 8 != 0 {
                *message.last_mut().unwrap() |= 1 << (count % 8);
                prop_assert!(!Bits::add(&f, &mut bits(&own), &message), "nothing stands beyond the last bit");
            }
        }

        #[test]
        fn selections_are_products_with_bits(words: [Vec<u128>; 3], bits: [Vec<bool>; 2]) {
            let f = mac_field();
            let count = words.iter().map(Vec::len).chain(bits.iter().map(Vec::len)).min().unwrap_or(0);
            let [mut sums, y, a] = words.map(|words| words[..count].iter().map(|&word| f.cut(word)).collect::<Vec<_>>());
            let [epsilon, delta] = bits.map(|bits| bits[..count].iter().map(|&bit| f.cut(bit.into())).collect::<Vec<_>>());
            let mut expected = sums.clone();
            Bits::add_products(&f, &mut sums, [&epsilon, &y], [&delta, &a]);
            f.add_products(&mut expected, [&epsilon, &y], [&delta, &a]);
            prop_assert_eq!(sums, expected);
        }
    }
}
