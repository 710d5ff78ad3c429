//! Coins whose seeds are committed in advance, so that a toss is one round.
//!
//! The commitments of a batch are in, and echoed, before any seed of it is opened; seed number k
//! is opened by a party when all data that the k-th coin is to check has reached it. Until the
//! last honest party opens, the coin is uniform and unknown, as in [`crate::coin`]; that the other
//! seeds were fixed earlier than the data only binds their owners more. Every coin is used once.
//! A party that refuses to open aborts the protocol, having seen public coins at most.

use crate::coin::{self, SEED_BYTES, Tossed};
use crate::commitment;
use crate::digest::Hash;
use crate::error::Result;
use crate::party::Party;
use crate::step::Step;
use rand_core::Rng as _;
use std::collections::VecDeque;
use zeroize::Zeroizing;

/// Coins committed together.
const BATCH: usize = 32;
const DOMAIN: &str = "mascot/coin";

/// The coins to come of a session.
#[derive(Default)]
pub(crate) struct Coins(VecDeque<Tossed>);

impl Coins {
    /// The next coin. 1 round, and 1 or 2 more for each batch.
    pub async fn toss(&mut self, party: &mut Party) -> Result<Hash> {
        if self.0.is_empty() {
            self.commit(party).await?;
        }
        let tossed = self.0.pop_front().expect("a batch has just been committed");
        coin::reveal(party, Step::MascotCoinOpen, DOMAIN, tossed).await
    }

    async fn commit(&mut self, party: &mut Party) -> Result<()> {
        let step = Step::MascotCoinCommit;
        let mut own = Vec::with_capacity(BATCH);
        for _ in 0..BATCH {
            let counter = commitment::next(party);
            let mut seed = Zeroizing::new([0; SEED_BYTES]);
            party.rng.fill_bytes(seed.as_mut_slice());
            own.push((counter, commitment::commit(party, counter, seed.as_slice())));
        }
        let message: Vec<u8> = own.iter().flat_map(|(_, opening)| opening.commitment).collect();
        let len = message.len();
        let messages = party.send_all(step, message).await?;
        for peer in party.peers() {
            party.expect_len(peer, step, &messages[peer.get()], len)?;
        }
        party.echo(step, &messages).await?;
        for (k, (counter, own)) in own.into_iter().enumerate() {
            let one: Vec<Vec<u8>> =
                messages.iter().map(|all| all[k * SEED_BYTES..(k + 1) * SEED_BYTES].to_vec()).collect();
            let commitments = commitment::received(party, step, &one)?;
            self.0.push_back(Tossed { counter, own, commitments });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::Rng;
    use crate::sim::Simulator;
    use crate::statistics::assert_bits;
    use rand_core::SeedableRng;

    /// Recipe: `scripts/known_answers.py`.
    #[test]
    fn coins_are_frozen() {
        let channels = Simulator::new(0, 2).channels().swap_remove(0);
        let party = Party::new(0, [7; 32], channels, Rng::seed_from_u64(0));
        let coin = coin::joint(&party, DOMAIN, 3, &[&[1; SEED_BYTES], &[2; SEED_BYTES]]);
        assert_eq!(hex::encode(coin), "798f17ca893d344f8373aa2a1de0669ee46cbfdf57239bb1639064e7eae7894f");
    }

    #[test]
    fn coins_are_the_same_at_all_parties_and_uniform() {
        let mut simulator = Simulator::new(1, 3);
        let parties = simulator.channels().into_iter().enumerate().map(|(i, channels)| async move {
            let mut party = Party::new(i, [7; 32], channels, Rng::seed_from_u64(i as u64));
            let mut coins = Coins::default();
            let mut words = Vec::new();
            for _ in 0..400 {
                let coin = coins.toss(&mut party).await.expect("honest parties");
                words.extend(coin.as_chunks::<16>().0.iter().map(|word| u128::from_le_bytes(*word)));
            }
            words
        });
        let parties: Vec<_> = parties.collect();
        let words = simulator.run(parties);
        assert!(words[1..].iter().all(|same| *same == words[0]));
        assert_bits(&words[0], 128, "coins");
    }
}
