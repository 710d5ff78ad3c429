//! The offline generator MASCOT (Keller, Orsini, Scholl, eprint 2016/505), for any number of parties,
//! with up to n−1 of them malicious, over SoftSpoken OT and block COPEe ("MASCOT-SS").
//!
//! A [`Setup`] holds what parties share to generate: it is made once per session ([`Setup::establish`]:
//! base OTs, puncturable PRFs, the key link) and then makes tuples ([`Setup::generate`]). All parties
//! call the same functions with the same kinds and counts in the same order.
//!
//! | layer | file |
//! |---|---|
//! | base OTs | `base_ot` |
//! | puncturable PRFs | `ggm` |
//! | OT extension and its check | `softspoken` |
//! | oblivious products with αᵢ | `cope` |
//! | authenticated inputs | `authenticate`, bits in characteristic 2: `bit_inputs` |
//! | products by OT | `multiply`, `gilboa` |
//! | triples | `triple` |
//! | ties between setups under one MAC key | `key_link` |
//! | squares, inverses, bits, randoms, masks | `derive` |
//! | AND triples | `and_triple` |
//! | daBits and edaBits | `dabit` |
//!
//! Security: 128 bits computational; statistical as [`Params::statistical`] says, but never better
//! than the field: every check accepts a lie with probability about 1/|F|, so that small fields are
//! for tests. **GF(2^40)**, which MP-SPDZ's programs may ask for, is such a field: its MAC key has 40 bits, so that a
//! lie passes a check, and the key is guessed, with probability 2^-40 ([`statistical_of`]), whatever the parameters;
//! what triples reveal of themselves stays below 2^-statistical, because τ follows from the field. **Aborts**: whether a consistency check passes can depend on a guess at secret bits of
//! this setup, so any error ends it (I17): its secrets are erased, [`Error::SetupOver`] is the answer from
//! then on. The same holds if a future of these functions is dropped. The Δ of the OT extension is fresh for every setup
//! and peer and independent of the MAC key share, which is the Δ of COPEe and of the inputs of bits. The MAC key share
//! outlives the setup, so a failed check that depends on it burns the key (I46): a failed MAC check, and a failed check
//! of the trees that are punctured at its digits ([`crate::port::Gate::key_dependent_check`]).

mod and_triple;
mod assembly;
mod authenticate;
mod base_ot;
mod bit_inputs;
mod coins;
mod cope;
mod dabit;
mod derive;
mod field;
mod gf128;
mod ggm;
mod gilboa;
mod key_link;
mod matrix;
mod multiply;
mod product;
mod simd;
mod softspoken;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
#[cfg(any(test, feature = "timing"))]
pub(crate) mod timing;
mod triple;

use crate::bit_tuples::{BitKind, BitPool};
use crate::digest::{Hash, Transcript};
use crate::error::{Error, Result};
use crate::field::{BinaryField, Field, PrimeField};
use crate::mac_check::MacCheck;
use crate::party::Party;
use crate::share::Shares;
use crate::tuples::{InputMasks, Kind, MatrixTriples, Pool, Shape, Triples};
use authenticate::Authenticator;
use coins::Coins;
pub use dabit::{World, dabits_fit, generate_dabits, generate_edabits};
pub use field::MascotField;
pub(crate) use gf128::Wide as Product;
use multiply::Multiplier;
pub use simd::Limbs;
use std::collections::BTreeMap;

/// Choices of a setup, the same at all parties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Params {
    /// Bits of statistical security, from which the number of components of a triple follows.
    pub statistical: u32,
    /// Bits of Δ in one tree of the OT extension, 1 to 8: fewer bytes and more computation.
    pub ot_width: usize,
    /// Bits of the MAC key share in one tree of COPEe, 1 to 8; 1 is MASCOT's own COPEe.
    pub cope_width: usize,
    /// OTs of one tile with all peers together; bounds memory and messages.
    pub tile_ots: usize,
}

impl Default for Params {
    fn default() -> Self {
        Self { statistical: 64, ot_width: 4, cope_width: 3, tile_ots: 192 << 10 }
    }
}

/// Most OTs of a tile: keeps every message below the longest frame.
const TILE_OTS_MAX: usize = 2 << 20;
/// Values of a tile of inputs with all peers together.
const TILE_VALUES: usize = 16 << 10;
/// Bits of a tile of inputs of bits with all peers together.
const TILE_BITS: usize = 64 << 10;

impl Params {
    /// 32 bytes that all parties must agree on.
    fn digest<F: Field>(&self, field: &F, linked: bool) -> Hash {
        let transcript = Transcript::new("mascot/parameters").bytes(&field.id()).number(self.statistical as u64);
        let transcript = transcript.number(self.ot_width as u64).number(self.cope_width as u64);
        transcript.number(self.tile_ots as u64).number(linked as u64).finish()
    }

    fn assert_valid(&self) {
        assert!((1..=128).contains(&self.statistical), "1 to 128 bits of statistical security");
        assert!((1..=8).contains(&self.ot_width), "trees of the OT extension have 1 to 8 levels");
        assert!((1..=8).contains(&self.cope_width), "trees of COPEe have 1 to 8 levels");
        assert!((1..=TILE_OTS_MAX).contains(&self.tile_ots), "a tile has 1 to {TILE_OTS_MAX} OTs");
    }
}

/// ⟦anchor⟧ of a MAC key: made by its first setup, kept as long as the key, never opened.
pub type Anchor<F> = Shares<F>;

/// What the parties of a session share to generate tuples under one MAC key.
pub struct Setup<F: MascotField> {
    field: F,
    /// Taken out while it is being used, so that an error or a dropped future ends the setup.
    live: Option<Live<F>>,
}

struct Live<F: MascotField> {
    field: F,
    params: Params,
    multiplier: Multiplier<F>,
    authenticator: Authenticator<F>,
    coins: Coins,
}

impl<F: MascotField> Live<F> {
    fn triples_of_tile(&self, n: usize) -> usize {
        (self.params.tile_ots / (n - 1) / self.multiplier.ots()).max(1)
    }

    fn inputs_of_tile(&self, what: derive::What, n: usize) -> usize {
        let all = match what {
            derive::What::Elements => TILE_VALUES,
            derive::What::Bits => TILE_BITS,
        };
        (all / (n - 1)).max(1)
    }
}

impl<F: MascotField> Setup<F> {
    /// Makes a setup for the key of `mac`, and links it to the earlier setups under that key by
    /// their `anchor`; without one this is the key's first setup. Returns the anchor, which the
    /// caller keeps beside its key share. About 13 rounds.
    ///
    /// # Errors
    /// Any; nothing of the attempt may be used again. [`Error::MacCheckFailed`] burns the key.
    ///
    /// # Panics
    /// If `params` are out of their ranges.
    pub async fn establish(
        party: &mut Party,
        field: F,
        mac: &mut MacCheck<F>,
        params: Params,
        anchor: Option<&Anchor<F>>,
    ) -> Result<(Self, Anchor<F>)> {
        let mut live = Live::establish(party, field.clone(), mac, params, anchor.is_some()).await?;
        let anchor = key_link::link(&mut live.authenticator, &mut live.coins, party, mac, anchor).await?;
        Ok((Self { field, live: Some(live) }, anchor))
    }

    /// Makes `count` tuples, covered by a MAC check: a column for each element of the kind.
    /// `Kind::InputMask` gives masks that nobody knows; see [`Self::generate_input_masks`].
    ///
    /// # Errors
    /// Any error ends the setup.
    ///
    /// # Panics
    /// If `mac` is under another key than the setup.
    pub async fn generate(
        &mut self,
        party: &mut Party,
        mac: &mut MacCheck<F>,
        kind: Kind,
        count: usize,
    ) -> Result<Vec<Shares<F>>> {
        let mut live = self.begin(mac)?;
        let columns = derive::generate(&mut live, party, mac, kind, count).await?;
        self.live = Some(live);
        Ok(columns)
    }

    /// Makes `count` masks that `owner` knows, covered by a MAC check.
    ///
    /// # Errors
    /// Any error ends the setup.
    ///
    /// # Panics
    /// If `mac` is under another key than the setup, or `owner` is no party.
    pub async fn generate_input_masks(
        &mut self,
        party: &mut Party,
        mac: &mut MacCheck<F>,
        owner: usize,
        count: usize,
    ) -> Result<InputMasks<F>> {
        assert!(owner < party.n(), "masks belong to a party");
        let mut live = self.begin(mac)?;
        let masks = derive::input_masks(&mut live, party, mac, owner, count).await?;
        self.live = Some(live);
        Ok(masks)
    }

    /// Makes `count` matrix triples, covered by a MAC check; see [`crate::from_triples`].
    ///
    /// # Errors
    /// Any error ends the setup.
    ///
    /// # Panics
    /// If `mac` is under another key than the setup.
    pub async fn generate_matrices(
        &mut self,
        party: &mut Party,
        mac: &mut MacCheck<F>,
        shape: Shape,
        count: usize,
    ) -> Result<MatrixTriples<F>> {
        let mut live = self.begin(mac)?;
        let matrices = derive::matrices(&mut live, party, mac, shape, count).await?;
        self.live = Some(live);
        Ok(matrices)
    }

    /// Whether an error has ended this setup.
    pub fn is_over(&self) -> bool {
        self.live.is_none()
    }

    fn begin(&mut self, mac: &MacCheck<F>) -> Result<Live<F>> {
        let live = self.live.take().ok_or(Error::SetupOver)?;
        let difference = self.field.sub(mac.key().alpha(), live.authenticator.key.alpha());
        assert!(difference == self.field.zero(), "a setup generates for the MAC key it was made for");
        Ok(live)
    }
}

/// Bits of statistical security that values over a field have under these parameters: those of the parameters, or of
/// the MAC key if it is shorter.
pub fn statistical_of<F: Field>(params: &Params, field: &F) -> u32 {
    params.statistical.min(field.bits())
}

impl Setup<BinaryField> {
    /// Makes `count` triples (a, b, a∧b) of bits whose value shares are bits, covered by a MAC check.
    ///
    /// # Errors
    /// Any error ends the setup.
    ///
    /// # Panics
    /// If `mac` is under another key than the setup.
    pub async fn generate_and_triples(
        &mut self,
        party: &mut Party,
        mac: &mut MacCheck<BinaryField>,
        count: usize,
    ) -> Result<Triples<BinaryField>> {
        let mut live = self.begin(mac)?;
        let triples = and_triple::generate(&mut live, party, mac, count).await?;
        self.live = Some(live);
        Ok(triples)
    }

    /// Makes `count` masks of one bit that `owner` knows, covered by a MAC check.
    ///
    /// # Errors
    /// Any error ends the setup.
    ///
    /// # Panics
    /// If `mac` is under another key than the setup, or `owner` is no party.
    pub async fn generate_bit_masks(
        &mut self,
        party: &mut Party,
        mac: &mut MacCheck<BinaryField>,
        owner: usize,
        count: usize,
    ) -> Result<InputMasks<BinaryField>> {
        assert!(owner < party.n(), "masks belong to a party");
        let mut live = self.begin(mac)?;
        let masks = derive::bit_masks(&mut live, party, mac, owner, count).await?;
        self.live = Some(live);
        Ok(masks)
    }
}

/// Tuples to be made at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bill {
    /// How many of each kind.
    pub tuples: Vec<(Kind, usize)>,
    /// How many masks each party shall know.
    pub masks: Vec<(usize, usize)>,
}

/// Bit tuples to be made at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BitBill(pub BTreeMap<(BitKind, Option<usize>), usize>);

/// Generates all bit tuples on the bill; of input masks the second part of the key is who knows them.
///
/// # Errors
/// [`Error::PrimeTooSmall`] if there are daBits on the bill; any other ends both setups.
pub async fn fill_bits(
    prime: World<'_, PrimeField>,
    binary: World<'_, BinaryField>,
    party: &mut Party,
    bill: &BitBill,
) -> Result<BitPool> {
    let mut pool = BitPool::default();
    let (prime_setup, prime_mac, setup, mac) = (prime.setup, prime.mac, binary.setup, binary.mac);
    for (&(kind, owner), &count) in bill.0.iter().filter(|(_, count)| **count > 0) {
        match kind {
            BitKind::Triple => pool.add_triples(setup.generate_and_triples(party, mac, count).await?),
            BitKind::Bit => pool.add_bits(setup.generate(party, mac, Kind::Bit, count).await?.swap_remove(0)),
            BitKind::InputMask => {
                let owner = owner.expect("masks on a bill name who knows them");
                pool.add_masks(owner, setup.generate_bit_masks(party, mac, owner, count).await?);
            }
            BitKind::DaBit => {
                let prime = World { setup: &mut *prime_setup, mac: &mut *prime_mac };
                let binary = World { setup: &mut *setup, mac: &mut *mac };
                pool.add_dabits(generate_dabits(prime, binary, party, count).await?);
            }
            BitKind::EdaBit { bits } => {
                let prime = World { setup: &mut *prime_setup, mac: &mut *prime_mac };
                let binary = World { setup: &mut *setup, mac: &mut *mac };
                pool.add_edabits(generate_edabits(prime, binary, party, bits, count).await?);
            }
        }
    }
    Ok(pool)
}

/// Generates everything on the bill.
///
/// # Errors
/// Any error ends the setup.
pub async fn fill<F: MascotField>(
    setup: &mut Setup<F>,
    party: &mut Party,
    mac: &mut MacCheck<F>,
    bill: &Bill,
) -> Result<Pool<F>> {
    let mut pool = Pool::new();
    for &(kind, count) in bill.tuples.iter().filter(|(_, count)| *count > 0) {
        pool.add(kind, setup.generate(party, mac, kind, count).await?);
    }
    for &(owner, count) in bill.masks.iter().filter(|(_, count)| *count > 0) {
        pool.add_masks(owner, setup.generate_input_masks(party, mac, owner, count).await?);
    }
    Ok(pool)
}
