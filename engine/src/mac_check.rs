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
//! A wrong y passes with probability at most 2/|F|. **If Σσᵢ ≠ 0 the opening has revealed the key**
//! to whoever caused it: failure is terminal and durable. Up to and including the sending of the
//! commitment, an abort reveals nothing.

use crate::coin;
use crate::commitment;
use crate::digest::{Hash, Transcript};
use crate::error::{Error, Malformed, Result};
use crate::field::{BinaryField, ELEMENT_BYTES, Field, Gf2n};
use crate::party::{Party, PartyIndex};
use crate::port::{Gate, GateError, OwnSigma, Verdict};
use crate::prg::Prg;
use crate::share::{MacKeyShare, Shares};
use crate::step::Step;

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
    pub fn for_shares(&self) -> &T {
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

/// The pending openings of a session (or VM thread) and the way to check them.
pub struct MacCheck<F: Field> {
    field: F,
    key: MacKeyShare<F>,
    gate: Box<dyn Gate>,
    values: Vec<F::Element>,
    macs: Vec<F::Element>,
    opened: u64,
    checked: u64,
    checks: u64,
    failed: bool,
}

impl<F: Field> MacCheck<F> {
    pub fn new(field: F, key: MacKeyShare<F>, gate: Box<dyn Gate>) -> Self {
        Self { field, key, gate, values: Vec::new(), macs: Vec::new(), opened: 0, checked: 0, checks: 0, failed: false }
    }

    pub fn key(&self) -> &MacKeyShare<F> {
        &self.key
    }

    /// Openings that no check has covered yet.
    pub fn pending(&self) -> usize {
        self.values.len()
    }

    /// Checks that have passed.
    pub fn checks(&self) -> u64 {
        self.checks
    }

    /// The one way to open: reveals ⟦x⟧ to all parties and registers it for the next check.
    pub async fn open(&mut self, party: &mut Party, shares: &Shares<F>) -> Result<Unchecked<Vec<F::Element>>> {
        let opened = self.reveal(party, shares).await?;
        self.register(&opened, &shares.macs);
        Ok(Unchecked { value: opened, until: self.opened })
    }

    async fn reveal(&self, party: &mut Party, shares: &Shares<F>) -> Result<Vec<F::Element>> {
        if self.failed {
            return Err(GateError::Compromised.into());
        }
        let len = shares.len();
        if len == 0 {
            return Ok(Vec::new());
        }
        let mut message = Vec::new();
        self.field.encode(&shares.values, &mut message);
        let received = party.exchange(Step::Open, vec![message; party.n()]).await?;
        let mut sum = shares.values.clone();
        for peer in party.peers() {
            let theirs = party.elements(&self.field, peer, Step::Open, &received[peer.get()], len)?;
            for (sum, x) in sum.iter_mut().zip(theirs) {
                *sum = self.field.add(*sum, x);
            }
        }
        Ok(sum)
    }

    /// Registers public values that must equal what the parties share, without opening them: the
    /// zeros of a sacrifice.
    pub fn register(&mut self, values: &[F::Element], macs: &[F::Element]) {
        assert_eq!(values.len(), macs.len(), "a MAC for each value");
        self.values.extend_from_slice(values);
        self.macs.extend_from_slice(macs);
        self.opened += values.len() as u64;
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
        if self.values.is_empty() {
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
        self.values.clear();
        self.macs.clear();
        Ok(())
    }

    /// What this check covers, equal at all parties that opened the same.
    fn statement(&self, party: &Party) -> [u8; 32] {
        let mut bytes = Vec::new();
        self.field.encode(&self.values, &mut bytes);
        party.transcript("mac check").number(self.checks).bytes(&bytes).finish()
    }

    /// Steps 2 and 3 up to σᵢ.
    async fn combine(&self, party: &mut Party, statement: [u8; 32]) -> Result<F::Element> {
        let (seed, statements) = coin::toss_with(party, Step::CheckCoinCommit, Step::CheckCoinOpen, &statement).await?;
        for peer in party.peers() {
            if statements[peer.get()] != statement {
                return Err(Error::OpeningsDiffer { peer });
            }
        }
        let f = &self.field;
        let chi =
            Prg::new(Transcript::new("mac check coefficients").bytes(&seed).finish()).elements(f, self.values.len());
        let opened = f.dot(&chi, &self.values);
        let mac = f.dot(&chi, &self.macs);
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

impl MacCheck<BinaryField> {
    /// [`Self::open`] for bits: shares of 0 or 1 whose value shares are bits too (their sum is their XOR, only the
    /// MACs are elements of the large field). Eight to a byte on the wire.
    pub async fn open_bits(&mut self, party: &mut Party, shares: &Shares<BinaryField>) -> Result<Unchecked<Vec<Gf2n>>> {
        if self.failed {
            return Err(GateError::Compromised.into());
        }
        let len = shares.len();
        let mut opened = shares.values.clone();
        if len > 0 {
            let message = pack(&self.field, &shares.values);
            let received = party.exchange(Step::OpenBits, vec![message; party.n()]).await?;
            for peer in party.peers() {
                let bits = &received[peer.get()];
                party.expect_len(peer, Step::OpenBits, bits, len.div_ceil(8))?;
                let beyond = bits.last().map_or(0, |&last| last.checked_shr(len as u32 % 8).unwrap_or(0));
                if !len.is_multiple_of(8) && beyond != 0 {
                    return Err(Error::Malformed { peer, step: Step::OpenBits, what: Malformed::Element });
                }
                for (i, value) in opened.iter_mut().enumerate() {
                    *value = self.field.add(*value, self.field.cut(u128::from(bits[i / 8] >> (i % 8) & 1)));
                }
            }
        }
        self.register(&opened, &shares.macs);
        Ok(Unchecked { value: opened, until: self.opened })
    }
}

fn pack(field: &BinaryField, bits: &[Gf2n]) -> Vec<u8> {
    let mut bytes = vec![0; bits.len().div_ceil(8)];
    for (i, &bit) in bits.iter().enumerate() {
        bytes[i / 8] |= ((field.to_bits(bit) & 1) as u8) << (i % 8);
    }
    bytes
}
