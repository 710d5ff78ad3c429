//! Authenticated bits of all parties at once, in characteristic 2: the inputs of [`super::authenticate`]
//! with x ∈ {0, 1}, for the ⌈f/k⌉ bits on the wire of an OT extension in the place of ⌈f/k⌉ elements.
//!
//! Party A inputs x₁ … x_m, preceded by f random bits m_k that make the mask x₀ = Σ_k X^k·m_k:
//! 1. shares: every other party's share of a bit is a bit from a seed that A gave to it, A takes the rest;
//! 2. SoftSpoken OT ([`super::softspoken`]) with every other party B, where Δ is B's α_B: A has rows t, B has
//!    q_h = t_h + x_h·α_B; γ_A = α_A·x_h + Σ_B t_h, γ_B = q_h;
//! 3. the check of [`super::authenticate`]: y = x₀ + Σχ_h·x_h is broadcast and joins the next MAC check.
//!
//! **Why they are bits**: what a cheater sends is, for each digit b of α_B, one bit x_{h,b} for every row,
//! whatever it does; inputs on which all digits agree are bits. If they do not agree, then y_b = x_{0,b} + Σχ_h·x_{h,b}
//! differ between digits but for a chance of 1/|F|, and the error Σ_b X^{kb}·Δ_b·(y_b − y) of the MAC is
//! what the cheater says only if it has guessed digits of α_B: the argument is that of [`super::cope`],
//! whose inputs these are, restricted to a subfield. **What is no bit** passes with probability 2^-f/2 at most, once in
//! the life of a key (`docs/security/bit-inputs.md`): 2^-64 over GF(2^128), but 2^-20 over GF(2^40). The extension has no check of its own here: its Δ is the MAC key,
//! so that a failure has to be one of the MAC check, which burns the key.

use super::MascotField;
use super::authenticate::{Authenticator, Inputs};
use super::softspoken::{BLOCK, Columns, Receiver, Sender};
use crate::error::Result;
use crate::party::Party;
use crate::share::Shares;
use crate::step::Step;
use rand_core::Rng as _;
use zeroize::Zeroizing;

/// OT extension with a peer in both directions, whose Δ are the MAC key shares.
pub(crate) struct BitPair {
    /// Our bits against the peer's key share.
    pub receiver: Receiver,
    /// The peer's bits against ours.
    pub sender: Sender,
}

/// Blocks for so many bits: theirs, and that of the mask.
fn blocks(count: usize) -> usize {
    if count == 0 { 0 } else { count.div_ceil(BLOCK) + 1 }
}

impl<F: MascotField> Authenticator<F> {
    /// Steps 1 and 2. `own` are this party's bits, zeros and ones of the field, `counts` how many each party inputs.
    /// All value shares of bits are zeros and ones too. 1 round.
    ///
    /// # Panics
    /// If the field is not of characteristic 2.
    pub async fn input_bits(&mut self, party: &mut Party, own: &[F::Element], counts: &[usize]) -> Result<Inputs<F>> {
        let step = Step::MascotBits;
        let (me, count) = (party.index().get(), own.len());
        debug_assert_eq!(count, counts[me], "as many bits as announced");
        let f = self.field.clone();
        let choices = choices(&f, party, own);
        let inputs = elements(&f, &choices, count);
        let mut macs: Vec<F::Element> = inputs.iter().map(|&x| f.mul(self.key.alpha(), x)).collect();
        let mut rest = choices.clone();
        let mut out = vec![Vec::new(); party.n()];
        for peer in party.peers().filter(|_| count > 0) {
            let pair = self.pairs[peer.get()].as_mut().expect("a pair with each peer");
            let mut theirs = Zeroizing::new(vec![0; rest.len()]);
            pair.own_shares.fill_blocks(&mut theirs);
            rest.iter_mut().zip(theirs.iter()).for_each(|(rest, share)| *rest ^= share);
            let receiver = &mut pair.bits.as_mut().expect("trees for bits in characteristic 2").receiver;
            let (columns, message) = receiver.extend(&choices);
            let ts = row_elements(&f, &columns, count);
            macs.iter_mut().zip(ts).for_each(|(mac, t)| *mac = f.add(*mac, t));
            receiver.recycle(columns);
            out[peer.get()] = message;
        }
        let messages = party.exchange(step, out).await?;
        let mut by = vec![Shares::default(); party.n()];
        by[me] = Shares::new(elements(&f, &rest, count), macs);
        for peer in party.peers() {
            let j = peer.get();
            let blocks = blocks(counts[j]);
            let pair = self.pairs[j].as_mut().expect("a pair with each peer");
            let sender = &mut pair.bits.as_mut().expect("trees for bits in characteristic 2").sender;
            party.expect_len(peer, step, &messages[j], sender.message_bytes(blocks))?;
            if blocks > 0 {
                let columns = sender.extend(blocks, &messages[j]);
                let qs = row_elements(&f, &columns, counts[j]);
                sender.recycle(columns);
                let mut shares = Zeroizing::new(vec![0; blocks]);
                pair.their_shares.fill_blocks(&mut shares);
                by[j] = Shares::new(elements(&f, &shares, counts[j]), qs);
            }
        }
        Ok(Inputs::new(inputs, by))
    }
}

/// The bits, 128 to a word, and the word that makes the mask.
fn choices<F: MascotField>(field: &F, party: &mut Party, own: &[F::Element]) -> Zeroizing<Vec<u128>> {
    let mut words = Zeroizing::new(vec![0u128; blocks(own.len())]);
    for (h, &x) in own.iter().enumerate() {
        words[h / BLOCK] |= (field.to_bits(x) & 1) << (h % BLOCK);
    }
    if let Some(last) = words.last_mut() {
        *last = (party.rng.next_u64() as u128) << 64 | party.rng.next_u64() as u128;
    }
    words
}

/// The element with the lowest bits of a word.
fn cut<F: MascotField>(field: &F, word: u128) -> F::Element {
    field.from_bits(word & (u128::MAX >> (BLOCK as u32 - field.bits()))).expect("all words of f bits are elements")
}

/// The mask, then `count` bits; nothing for no bits.
fn elements<F: MascotField>(field: &F, words: &[u128], count: usize) -> Vec<F::Element> {
    let mask = words.last().map(|&word| cut(field, word));
    mask.into_iter().chain((0..count).map(|h| cut(field, words[h / BLOCK] >> (h % BLOCK) & 1))).collect()
}

/// Σ X^k·row_k over the block of the mask, then `count` rows.
fn row_elements<F: MascotField>(field: &F, columns: &Columns, count: usize) -> Vec<F::Element> {
    let last = count.div_ceil(BLOCK);
    let mask = Zeroizing::new(columns.rows(last));
    let terms = mask.iter().take(field.bits() as usize).enumerate();
    let mask = field.sum(terms.map(|(k, &row)| field.mul(field.weight(k as u32), cut(field, row))));
    let mut elements = Vec::with_capacity(count + 1);
    elements.push(mask);
    for j in 0..last {
        let rows = Zeroizing::new(columns.rows(j));
        elements.extend(rows.iter().take(count - j * BLOCK).map(|&row| cut(field, row)));
    }
    elements
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::{BinaryField, Field};
    use crate::mac_check::MacCheck;
    use crate::mascot::Live;
    use crate::mascot::testing::{Seat, honest_alphas, seats};
    use crate::port::LocalGate;
    use crate::sim::Simulator;
    use crate::statistics::assert_rate;

    const TRIALS: usize = 8_500;
    const HEADER: usize = 6;

    fn small() -> BinaryField {
        BinaryField::new(8).expect("a field for tests")
    }

    async fn trial(live: &mut Live<BinaryField>, seat: &mut Seat<BinaryField>) -> bool {
        let mut mac = MacCheck::new(live.field, live.authenticator.key.clone(), Box::new(LocalGate::default()));
        let own = vec![live.field.one(); 3];
        let inputs = live.authenticator.input_bits(&mut seat.party, &own, &[3, 3]).await.expect("an input");
        let coin = live.coins.toss(&mut seat.party).await.expect("a coin");
        live.authenticator.check(&mut seat.party, &mut mac, &coin, &inputs).await.expect("combinations");
        mac.check(&mut seat.party).await.is_ok()
    }

    /// How often party 0 passes that inverts the first bit in the corrections of `digits`, when the key share of
    /// party 1 is `alpha`.
    fn passed(trials: usize, alpha: u128, digits: &'static [usize]) -> usize {
        let f = small();
        let mut simulator = Simulator::new(3, 2);
        let mut alphas = honest_alphas(&f, 2, 3);
        alphas[1] = vec![f.cut(alpha); 2];
        let seats = seats(&simulator, f, &alphas, 3);
        simulator.hook(move |frame| {
            let mut bytes = frame.bytes.to_vec();
            if frame.step == Some(Step::MascotBits) && frame.from.0 == 0 {
                // For each digit a word of bits, then the word of the mask.
                digits.iter().for_each(|digit| bytes[HEADER + 32 * digit] ^= 1);
            }
            vec![bytes]
        });
        let run = |mut seat: Seat<BinaryField>| async move {
            let mut live = seat.sit().await.expect("honest base OTs");
            let mut passed = 0;
            for _ in 0..trials {
                passed += usize::from(trial(&mut live, &mut seat).await);
            }
            passed
        };
        let results = simulator.run(seats.into_iter().map(run).collect());
        assert_eq!(results[0], results[1], "both see the same verdict");
        results[0]
    }

    /// In all digits: another bit than the one that is combined. It passes if χ of it or the coefficient of y in the
    /// MAC check is zero: about 2/256. In one digit: always, if that digit of the key share is zero, which is
    /// the guess that the text allows; else as the other.
    #[test]
    fn a_lie_about_a_bit_passes_as_often_as_the_field_is_small_or_a_digit_is_guessed() {
        let miss = 255.0f64 / 256.0;
        assert_rate(passed(TRIALS, 0x5a, &[0, 1]), TRIALS, 1.0 - miss * miss, "both digits");
        for (alpha, digits) in [(0x51, &[0]), (0x15, &[1])] {
            // Mean 15.6, standard deviation 3.9.
            assert!((2..=31).contains(&passed(2_000, alpha, digits)), "{alpha:x}");
        }
        assert_eq!(passed(500, 0x50, &[0]), 500, "the digit is zero: the row is right all the same");
    }

    /// The most that a cheater can do about bits: ones in the upper half of the digits and zeros in the lower are, for a
    /// key share α whose halves are equal, the MAC of z = X⁴/(1 + X⁴): α_hi·X⁴ = z·α. For others it fails, and burns.
    #[test]
    fn what_is_no_bit_passes_where_half_of_the_key_share_is_guessed() {
        const TRIALS: usize = 500;
        let f = small();
        let half = f.cut(1 << 4);
        let no_bit = f.mul(half, f.inv(f.add(f.one(), half)));
        let passed = |alpha: u128| {
            let mut simulator = Simulator::new(4, 2);
            let seats = seats(&simulator, f, &[vec![f.zero(); 2], vec![f.cut(alpha); 2]], 4);
            simulator.hook(|frame| {
                let mut bytes = frame.bytes.to_vec();
                if frame.step == Some(Step::MascotBits) && frame.from.0 == 0 {
                    bytes[HEADER] ^= 1;
                }
                vec![bytes]
            });
            let run = |mut seat: Seat<BinaryField>| async move {
                let mut live = seat.sit().await.expect("honest base OTs");
                let mut passed = 0;
                for _ in 0..TRIALS {
                    let mut mac = MacCheck::new(f, live.authenticator.key.clone(), Box::new(LocalGate::default()));
                    let (party, own) = (&mut seat.party, [f.one()]);
                    let mut inputs = live.authenticator.input_bits(party, &own, &[1, 1]).await.expect("an input");
                    if party.is_first() {
                        inputs.claim(1, no_bit);
                    }
                    let coin = live.coins.toss(party).await.expect("a coin");
                    live.authenticator.check(party, &mut mac, &coin, &inputs).await.expect("combinations");
                    passed += usize::from(mac.check(party).await.is_ok());
                }
                passed
            };
            simulator.run(seats.into_iter().map(run).collect())[0]
        };
        assert_eq!(passed(0x33), TRIALS, "equal halves");
        // Mean 3.9, standard deviation 2.0.
        assert!(passed(0x35) <= 14, "other halves");
    }

    #[test]
    fn the_shares_of_a_bit_are_bits_and_spread_over_all_parties() {
        let f = BinaryField::new(40).expect("a field of MP-SPDZ");
        let count = 300;
        let mut simulator = Simulator::new(2, 3);
        let alphas = honest_alphas(&f, 3, 2);
        let alpha = f.sum((0..3).map(|i| alphas[i][i]));
        let seats = seats(&simulator, f, &alphas, 2);
        let run = |mut seat: Seat<BinaryField>| async move {
            let mut live = seat.sit().await.expect("honest base OTs");
            let own = if seat.party.index().get() == 1 { vec![f.one(); count] } else { Vec::new() };
            let inputs = live.authenticator.input_bits(&mut seat.party, &own, &[0, count, 0]).await;
            inputs.expect("an input").by_party()
        };
        let inputs = simulator.run(seats.into_iter().map(run).collect());
        assert!(inputs.iter().all(|by| by[0].is_empty() && by[2].is_empty()));
        for k in 0..count {
            assert!(inputs.iter().all(|by| f.to_bits(by[1].values[k]) <= 1));
            assert!(f.sum(inputs.iter().map(|by| by[1].values[k])) == f.one());
            assert!(f.sum(inputs.iter().map(|by| by[1].macs[k])) == alpha);
        }
        let ones = |i: usize| inputs[i][1].values.iter().filter(|&&share| share == f.one()).count();
        // Standard deviation 8.7.
        assert!((0..3).all(|i| (107..=193).contains(&ones(i))), "shares are random bits");
    }
}
