//! Coin toss by commit and open: all commitments are in, and echoed, before any seed is opened.
//!
//! One honest party makes the result uniform and unknown until its own seed leaves, hence drawn
//! after everything that was fixed before the toss began. Fresh for every use. A party that
//! refuses to open aborts the protocol; the abort depends on public values only.

use crate::commitment::{self, Opening};
use crate::digest::Hash;
use crate::error::Result;
use crate::party::{Party, PartyIndex};
use crate::step::Step;
use rand_core::Rng as _;

pub(crate) const SEED_BYTES: usize = 32;
const DOMAIN: &str = "coin";

/// 256 joint random bits. 2 rounds, 3 for n ≥ 3.
pub async fn toss(party: &mut Party) -> Result<Hash> {
    let (seed, _) = toss_with(party, Step::CoinCommit, Step::CoinOpen, &[]).await?;
    Ok(seed)
}

/// A toss whose first message carries `statement` too: returns everyone's, so that the caller can
/// compare them before it depends on the coin. All statements have the same length.
pub(crate) async fn toss_with(
    party: &mut Party,
    commit: Step,
    open: Step,
    statement: &[u8],
) -> Result<(Hash, Vec<Vec<u8>>)> {
    let counter = commitment::next(party);
    let mut seed = [0; SEED_BYTES];
    party.rng.fill_bytes(&mut seed);
    let own = commitment::commit(party, counter, &seed);
    let message = [own.commitment.as_slice(), statement].concat();
    let mut messages = party.send_all(commit, message).await?;
    for peer in party.peers() {
        party.expect_len(peer, commit, &messages[peer.get()], own.commitment.len() + statement.len())?;
    }
    party.echo(commit, &messages).await?;
    let statements = messages.iter_mut().map(|message| message.split_off(own.commitment.len())).collect();
    let commitments = commitment::received(party, commit, &messages)?;

    let coin = reveal(party, open, DOMAIN, Tossed { counter, own, commitments }).await?;
    Ok((coin, statements))
}

/// A coin that nobody has opened: its number, the own opening, everyone's commitments.
pub(crate) struct Tossed {
    pub counter: u64,
    pub own: Opening,
    pub commitments: Vec<Hash>,
}

/// Opens a coin. 1 round.
pub(crate) async fn reveal(party: &mut Party, step: Step, domain: &str, tossed: Tossed) -> Result<Hash> {
    let Tossed { counter, own, commitments } = tossed;
    let openings = party.send_all(step, own.bytes).await?;
    let mut seeds = Vec::with_capacity(party.n());
    for (peer, (opening, commitment)) in (0..).map(PartyIndex).zip(openings.iter().zip(&commitments)) {
        seeds.push(commitment::opened(party, step, peer, counter, commitment, opening, SEED_BYTES)?);
    }
    Ok(joint(party, domain, counter, &seeds))
}

/// The coin of all parties' seeds, by party.
pub(crate) fn joint(party: &Party, domain: &str, counter: u64, seeds: &[&[u8]]) -> Hash {
    party.transcript(domain).number(counter).list(seeds).finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::Rng;
    use crate::sim::Simulator;
    use rand_core::SeedableRng;

    /// Recipe: `scripts/known_answers.py`.
    #[test]
    fn coins_are_frozen() {
        let channels = Simulator::new(0, 2).channels().swap_remove(0);
        let party = Party::new(0, [7; 32], channels, Rng::seed_from_u64(0));
        let coin = joint(&party, DOMAIN, 3, &[&[1; SEED_BYTES], &[2; SEED_BYTES]]);
        assert_eq!(hex::encode(coin), "629461e004aac52ab0b2d0d00f63c7cef541c1014db5c0b8a491140859c1608c");
    }
}
