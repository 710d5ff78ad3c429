//! The offline generator LowGear (Keller, Pastro, Rotaru: Overdrive, eprint 2017/1230 §3), for any number of
//! parties, with up to n−1 of them malicious, over BGV with our own parameters.
//!
//! A [`Setup`] holds what parties share to generate: it is made once per session ([`Setup::establish`]: keys, their
//! proofs, the key link) and then makes tuples ([`Setup::generate`]). All parties call the same functions with the
//! same kinds and counts in the same order.
//!
//! | layer | file |
//! |---|---|
//! | limbs and transforms | `modulus`, `ntt`, `simd` |
//! | the ring, its encoding, secret polynomials | `ring`, `packing`, `sampling`, `wide` |
//! | plaintexts in slots | `slots` |
//! | encryption, drowned and switched products | `bgv` |
//! | parameters with their proved noise budget | `params` |
//! | zero-knowledge proofs | `proof` |
//! | keys of all parties | `setup` |
//! | shares of products, MACs | `pairwise` |
//! | triples and randoms | `triple` |
//! | inputs, ties between setups under one MAC key | `inputs` |
//! | all kinds in the numbers asked for | `derive`, `stock` |
//!
//! Differences from the paper: proofs are TopGear's, non-interactive with aborts; products are switched to a third of
//! the modulus; the sacrifice takes two a for one b, as MASCOT does; all shares of a batch pass a linear check
//! before their sacrifice.
//!
//! Security: ring learning with errors far above 128 bits (degree 32768, 500 bits), random oracles for the proofs,
//! enhanced CPA security as in the paper (`pairwise`); statistical as [`Params::statistical`] says for the drowning
//! of all products of a setup together, and 2/p for each check. **Aborts**: whether a check passes can depend on a
//! guess at secrets of this setup, so any error ends it (I17): its secrets are erased, [`Error::SetupOver`] is the
//! answer from then on, and whoever drives it decides by [`Error::severity`] and its own journal what to do about
//! the MAC key. The same holds if a future of these functions is dropped.

mod bgv;
mod derive;
mod inputs;
mod modulus;
mod ntt;
mod packing;
mod pairwise;
mod params;
mod proof;
mod ring;
mod sampling;
mod setup;
mod simd;
mod slots;
mod stock;
#[cfg(test)]
mod tests;
#[cfg(any(test, feature = "timing"))]
pub(crate) mod timing;
mod triple;
mod wide;

use crate::error::{Error, Result};
use crate::field::{Field, PrimeField};
use crate::mac_check::MacCheck;
use crate::party::Party;
use crate::share::Shares;
use crate::tuples::{InputMasks, Kind, MatrixTriples, Shape};
use crate::workers::Workers;
pub use params::Params;
use setup::Live;

/// ⟦anchor⟧ of a MAC key: made by its first setup, of whichever generator, kept as long as the key, never opened.
pub type Anchor = Shares<PrimeField>;

/// What the parties of a session share to generate tuples under one MAC key.
pub struct Setup {
    field: PrimeField,
    /// Taken out while it is being used, so that an error or a dropped future ends the setup.
    live: Option<Live>,
}

impl Setup {
    /// Makes a setup for the key of `mac`, and links it to the earlier setups under that key by
    /// their `anchor`; without one this is the key's first setup. Returns the anchor, which the
    /// caller keeps beside its key share. About 16 rounds and 30 MB in each direction. All that the setup computes
    /// it computes on `workers`, whose number is this party's own affair.
    ///
    /// # Errors
    /// Any; nothing of the attempt may be used again. [`Error::MacCheckFailed`] burns the key.
    ///
    /// # Panics
    /// If `params` are not for this field.
    pub async fn establish(
        party: &mut Party,
        field: PrimeField,
        mac: &mut MacCheck<PrimeField>,
        params: Params,
        anchor: Option<&Anchor>,
        workers: &Workers,
    ) -> Result<(Self, Anchor)> {
        let mut live = Live::establish(party, field, mac.key(), params, anchor.is_some(), workers).await?;
        let anchor = live.link(party, mac, anchor).await?;
        Ok((Self { field, live: Some(live) }, anchor))
    }

    /// Makes `count` tuples, covered by a MAC check: a column for each element of the kind.
    /// `Kind::InputMask` gives masks that nobody knows; see [`Self::generate_input_masks`]. What a batch makes
    /// beyond `count` serves the next calls.
    ///
    /// # Errors
    /// Any error ends the setup.
    ///
    /// # Panics
    /// If `mac` is under another key than the setup.
    pub async fn generate(
        &mut self,
        party: &mut Party,
        mac: &mut MacCheck<PrimeField>,
        kind: Kind,
        count: usize,
    ) -> Result<Vec<Shares<PrimeField>>> {
        let mut live = self.begin(mac)?;
        let columns = live.generate(party, mac, kind, count).await?;
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
        mac: &mut MacCheck<PrimeField>,
        owner: usize,
        count: usize,
    ) -> Result<InputMasks<PrimeField>> {
        assert!(owner < party.n(), "masks belong to a party");
        let mut live = self.begin(mac)?;
        let masks = live.input_masks(party, mac, owner, count).await?;
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
        mac: &mut MacCheck<PrimeField>,
        shape: Shape,
        count: usize,
    ) -> Result<MatrixTriples<PrimeField>> {
        let mut live = self.begin(mac)?;
        let matrices = live.matrices(party, mac, shape, count).await?;
        self.live = Some(live);
        Ok(matrices)
    }

    /// Whether an error has ended this setup.
    pub fn is_over(&self) -> bool {
        self.live.is_none()
    }

    fn begin(&mut self, mac: &MacCheck<PrimeField>) -> Result<Live> {
        let live = self.live.take().ok_or(Error::SetupOver)?;
        let difference = self.field.sub(mac.key().alpha(), live.key.alpha());
        assert!(difference == self.field.zero(), "a setup generates for the MAC key it was made for");
        Ok(live)
    }
}
