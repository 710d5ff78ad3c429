//! The MAC check of SPDZ (eprint 2012/642 Fig. 10; MASCOT, eprint 2016/505 Fig. 9), one at a time
//! per key and journalled (see [`crate::port::Gate`]).
//!
//! Order of messages, for opened values y₁..y_m with MAC shares γ:
//! 1. the gate is entered with a digest of session, number of the check and all yₕ;
//! 2. coin toss for χ, whose commitment round carries a digest of the yₕ: parties that opened
//!    different values part here, where nothing has been revealed;
//! 3. σᵢ = Σχₕγₕ,ᵢ − αᵢ·Σχₕyₕ; it is durable, then its commitment is broadcast (echoed for n ≥ 3);
//! 4. all commitments are durable, then σᵢ is opened; Σσᵢ must be 0.
//!
//! A wrong y passes with probability at most 3/|F|. The coin is open only after every honest party has fixed its yₕ and
//! sent the digest of them, so χ is independent of the errors δₕ ≠ 0 of the values and εₕ of the MACs. For the check to
//! pass, Σχₕεₕ must be α·Σχₕδₕ: either Σχₕδₕ = 0, which for uniform words χₕ that name field elements (see
//! [`Field::combine`]) happens with probability below 2/|F|, or α is guessed, 1/|F|. That all honest parties hold the
//! same yₕ rests on the collision resistance of BLAKE3 over their representations in memory, in the order of opening.
//! It keeps accidents from burning a key; a party that tells two parties different values would fail the check anyway.
//!
//! **If Σσᵢ ≠ 0 the opening has revealed the key** to whoever caused it: failure is terminal and durable. Up to and
//! including the sending of the commitment, an abort reveals nothing.

use crate::coin;
use crate::commitment;
use crate::digest::{Hash, Transcript};
use crate::error::{Error, Result};
use crate::field::{BinaryField, ELEMENT_BYTES, Field};
use crate::party::{Party, PartyIndex};
use crate::port::{Gate, GateError, OwnSigma, Verdict};
use crate::prg::Prg;
use crate::share::{BitShares, BitVec, MacKeyShare, Shares};
use crate::step::Step;

mod opening;

pub use opening::Openable;
pub(crate) use opening::Opening;

/// Opened, not yet MAC-checked: may be computed with, must not leave.
#[must_use = "an opening that nothing uses need not be made"]
pub struct Unchecked<T> {
    value: T,
    /// The number of openings after this one; checked when that many are.
    until: u64,
}

impl<T> Unchecked<T> {
    /// The value, for computing shares with it only (the openings of a Beaver multiplication):
    /// whatever leaves the secret domain must be a [`Checked`].
    pub(crate) fn for_shares(&self) -> &T {
        &self.value
    }

    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Unchecked<U> {
        Unchecked { value: f(self.value), until: self.until }
    }
}

/// Opened, and a MAC check of it and of all earlier openings has passed.
pub struct Checked<T>(T);

impl<T> Checked<T> {
    pub fn into_inner(self) -> T {
        self.0
    }
}

/// The pending openings of a session (or VM thread) and the way to check them. What is opened are elements of the field,
/// or bits.
pub struct MacCheck<F: Field, S: Openable<F> = Shares<F>> {
    field: F,
    key: MacKeyShare<F>,
    gate: Box<dyn Gate>,
    pending: S,
    opened: u64,
    checked: u64,
    /// As many openings as there were when values last became known to a program.
    revealed: u64,
    checks: u64,
    failed: bool,
}

impl<F: Field, S: Openable<F>> MacCheck<F, S> {
    pub fn new(field: F, key: MacKeyShare<F>, gate: Box<dyn Gate>) -> Self {
        let (opened, checked, revealed, checks) = (0, 0, 0, 0);
        Self { field, key, gate, pending: S::default(), opened, checked, revealed, checks, failed: false }
    }

    pub fn key(&self) -> &MacKeyShare<F> {
        &self.key
    }

    /// Openings that no check has covered yet.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Whether values that a program knows wait for a check.
    pub fn revealed_waits(&self) -> bool {
        self.revealed > self.checked
    }

    /// Before a program's opening: everything opened so far has been checked.
    fn begin_reveal(&self) {
        assert!(self.pending.is_empty(), "a check comes before every opening that a program asks for");
    }

    /// Checks that have passed.
    pub fn checks(&self) -> u64 {
        self.checks
    }

    /// Checks everything pending, then vouches for `value`.
    pub async fn confirm<T>(&mut self, party: &mut Party, value: Unchecked<T>) -> Result<Checked<T>> {
        if value.until > self.checked {
            self.check(party).await?;
        }
        assert!(value.until <= self.checked, "a check covers all openings before it");
        Ok(Checked(value.value))
    }

    /// Checks everything pending. After an error the session is over.
    pub async fn check(&mut self, party: &mut Party) -> Result<()> {
        if self.failed {
            return Err(GateError::Compromised.into());
        }
        if self.pending.is_empty() {
            return Ok(());
        }
        // Until the verdict says otherwise: a future dropped in the middle must not be forgotten.
        self.failed = true;
        let statement = self.statement(party);
        self.gate.enter(statement).await?;
        let sigma = match self.combine(party, statement).await {
            Ok(sigma) => sigma,
            Err(error) => {
                self.gate.verdict(Verdict::Benign).await?;
                return Err(error);
            }
        };
        self.open_sigma(party, sigma).await?;
        self.failed = false;
        self.checked = self.opened;
        self.checks += 1;
        self.pending.truncate(0);
        Ok(())
    }

    /// Records the outcome of a check that depends on the own key share; see [`Gate::key_dependent_check`].
    ///
    /// # Errors
    /// [`GateError::Compromised`] if the key was burned before.
    pub(crate) async fn key_dependent_check(&mut self, passed: bool) -> Result<()> {
        self.failed |= !passed;
        Ok(self.gate.key_dependent_check(passed).await?)
    }

    /// What this check covers, equal at all parties that opened the same.
    fn statement(&self, party: &Party) -> [u8; 32] {
        let mut hash = blake3::Hasher::new_derive_key("polyyne/1 opened values");
        self.pending.hash_values(&self.field, &mut hash);
        let count = self.pending.len() as u64;
        party.transcript("mac check").number(self.checks).number(count).bytes(hash.finalize().as_bytes()).finish()
    }

    /// Steps 2 and 3 up to σᵢ.
    async fn combine(&mut self, party: &mut Party, statement: [u8; 32]) -> Result<F::Element> {
        let (seed, statements) = coin::toss_with(party, Step::CheckCoinCommit, Step::CheckCoinOpen, &statement).await?;
        for peer in party.peers() {
            if statements[peer.get()] != statement {
                return Err(Error::OpeningsDiffer { peer });
            }
        }
        let f = &self.field;
        let mut prg = Prg::new(Transcript::new("mac check coefficients").bytes(&seed).finish());
        let [opened, mac] = self.pending.weighted_sums(f, &mut prg);
        Ok(f.sub(mac, f.mul(self.key.alpha(), opened)))
    }

    /// Step 3 from the commitment on, and step 4.
    async fn open_sigma(&mut self, party: &mut Party, sigma: F::Element) -> Result<()> {
        let counter = commitment::next(party);
        let own = commitment::commit(party, counter, &self.field.to_bytes(sigma));
        self.gate.commit(OwnSigma { counter, commitment: own.commitment, opening: own.bytes.clone() }).await?;
        let messages = party.broadcast(Step::CheckCommit, own.commitment.to_vec()).await?;
        let commitments = commitment::received(party, Step::CheckCommit, &messages)?;
        self.gate.commitments(commitments.clone()).await?;
        let openings = party.send_all(Step::CheckOpen, own.bytes).await?;
        let verdict = self.sum(party, counter, &commitments, &openings);
        let passed = matches!(verdict, Ok(sum) if sum == self.field.zero());
        self.gate.verdict(if passed { Verdict::Passed } else { Verdict::Failed }).await?;
        if passed { Ok(()) } else { Err(verdict.err().unwrap_or(Error::MacCheckFailed)) }
    }

    fn sum(&self, party: &Party, counter: u64, commitments: &[[u8; 32]], openings: &[Vec<u8>]) -> Result<F::Element> {
        let mut sum = self.field.zero();
        for (j, opening) in openings.iter().enumerate() {
            let peer = PartyIndex(j as u16);
            let step = Step::CheckOpen;
            let bytes = commitment::opened(party, step, peer, counter, &commitments[j], opening, ELEMENT_BYTES)?;
            let sigma = party.elements(&self.field, peer, step, bytes, 1)?;
            sum = self.field.add(sum, sigma[0]);
        }
        Ok(sum)
    }
}

/// Whether these openings end a check in zero: each must be of its sender's commitment (both by
/// party index), and Σσᵢ = 0. For a check that is finished after its session broke.
pub fn openings_sum_to_zero<F: Field>(
    field: &F,
    session: &Hash,
    counter: u64,
    commitments: &[Hash],
    openings: &[Vec<u8>],
) -> bool {
    let sigma = |(j, (commitment, opening)): (usize, (&Hash, &Vec<u8>))| {
        let sender = PartyIndex(j as u16);
        let message = commitment::message_of(session, sender, counter, commitment, opening)?;
        field.from_bytes(message.try_into().ok()?)
    };
    let sigmas: Option<Vec<F::Element>> = commitments.iter().zip(openings).enumerate().map(sigma).collect();
    commitments.len() == openings.len() && sigmas.is_some_and(|sigmas| field.sum(sigmas) == field.zero())
}

impl<F: Field> MacCheck<F> {
    /// Opens: reveals ⟦x⟧ to all parties and registers it for the next check.
    pub async fn open(&mut self, party: &mut Party, shares: &Shares<F>) -> Result<Unchecked<Vec<F::Element>>> {
        let opened = self.open_runs(party, shares, &[(0, shares.len())]).await?;
        Ok(opened.map(<[F::Element]>::to_vec))
    }

    /// [`Self::open`] for runs (first, length) of elements, one after the other.
    pub async fn open_runs(
        &mut self,
        party: &mut Party,
        shares: &Shares<F>,
        runs: &[(usize, usize)],
    ) -> Result<Unchecked<&[F::Element]>> {
        let opened = opening::reveal(self, party, shares, runs).await?;
        Ok(opened.map(|(pending, start)| &pending.values[start..]))
    }

    /// Opens what a program will know, in runs (first, length) one after the other. Until the next check
    /// [`Self::revealed_waits`].
    ///
    /// # Panics
    /// If earlier openings wait for a check: an error in them could have lifted these values above their masks.
    pub async fn reveal_runs(
        &mut self,
        party: &mut Party,
        shares: &Shares<F>,
        runs: &[(usize, usize)],
    ) -> Result<&[F::Element]> {
        self.begin_reveal();
        let _revealed = self.open_runs(party, shares, runs).await?;
        self.revealed = self.opened;
        Ok(&self.pending.values)
    }

    /// Registers public values that must equal what the parties share, without opening them: the
    /// zeros of a sacrifice.
    pub fn register(&mut self, values: &[F::Element], macs: &[F::Element]) {
        assert_eq!(values.len(), macs.len(), "a MAC for each value");
        self.pending.values.extend_from_slice(values);
        self.pending.macs.extend_from_slice(macs);
        self.opened += values.len() as u64;
    }
}

impl MacCheck<BinaryField> {
    /// The same key for opening bits.
    ///
    /// # Panics
    /// If openings wait for a check.
    pub fn of_bits(self) -> MacCheck<BinaryField, BitShares> {
        let Self { field, key, gate, pending, opened, checked, revealed, checks, failed } = self;
        assert!(pending.is_empty(), "no opening is forgotten");
        MacCheck { field, key, gate, pending: BitShares::default(), opened, checked, revealed, checks, failed }
    }
}

impl MacCheck<BinaryField, BitShares> {
    /// [`MacCheck::reveal_runs`] for bits, eight to a byte on the wire.
    ///
    /// # Panics
    /// If earlier openings wait for a check.
    pub async fn reveal_bits(
        &mut self,
        party: &mut Party,
        shares: &BitShares,
        runs: &[(usize, usize)],
    ) -> Result<&BitVec> {
        self.begin_reveal();
        let _revealed = opening::reveal(self, party, shares, runs).await?;
        self.revealed = self.opened;
        Ok(&self.pending.values)
    }
}
