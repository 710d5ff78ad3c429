//! Base oblivious transfers: the endemic OT of Masny and Rindal (eprint 2019/706 §5) on
//! Ristretto255, for all ordered pairs of parties in one round.
//!
//! Sender S, receiver R with choice c, number j; HG hashes to the group, every hash absorbs
//! session, S, R and j:
//! 1. R: x uniform, R_{1−c} a uniform group element, R_c = x·G − HG(c, R_{1−c}); sends (R₀, R₁).
//! 2. S: y₀, y₁ uniform and fresh for every j; sends (A₀, A₁) = (y₀·G, y₁·G), which does not
//!    depend on step 1, so both flights cross in the same round.
//! 3. S: Q_b = R_b + HG(b, R_{1−b}), k_b = H(b, A_b, R₀, R₁, y_b·Q_b). R: k_c = H(…, x·A_c).
//! 4. All toss a coin; each key is hashed with it. Endemic OT lets a malicious side choose its own
//!    keys; the coin comes after all flights are fixed, so the hashed keys are uniform.
//!
//! Non-canonical encodings and the identity are refused. Security: computational Diffie–Hellman on
//! Ristretto255 with random oracles, 128 bits, not against quantum computers. An abort here
//! reveals nothing: no key has been used. It does not say which of two parties misbehaved if the
//! keys do not match; the check of the puncturable PRF ([`super::ggm`]) finds that out.

use crate::coin;
use crate::digest::{Hash, Transcript};
use crate::error::{Error, Malformed, Result};
use crate::party::{Party, PartyIndex};
use crate::port::Rng;
use crate::step::Step;
use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::IsIdentity;
use rand_core::{CryptoRng, Rng as _};
use subtle::{Choice, ConditionallySelectable};
use zeroize::{Zeroize, Zeroizing};

/// Output of a base OT.
pub(crate) type Key = [u8; 32];

type Decoded<T> = std::result::Result<T, Malformed>;

const POINT_BYTES: usize = 32;
const SEED_BYTES: usize = 32;

/// What two parties hold towards each other after the base OTs.
pub(crate) struct PairKeys {
    /// Both keys of each OT in which this party is the sender.
    pub sent: Zeroizing<Vec<[Key; 2]>>,
    /// The chosen key of each OT in which this party is the receiver.
    pub received: Zeroizing<Vec<Key>>,
    /// Seed that this party gave to the other: expands to the other's shares of our values.
    pub own_seed: Key,
    /// Seed from the other: expands to our shares of its values.
    pub their_seed: Key,
}

impl Drop for PairKeys {
    fn drop(&mut self) {
        self.own_seed.zeroize();
        self.their_seed.zeroize();
    }
}

/// Runs base OTs with every peer in both roles, as receiver with `choices[peer]` (0 or 1 each, all
/// equally many), and gives every peer a fresh seed. All parties compare `parameters` first.
/// Returns what is shared with each peer, and the coin that salted the keys. 3 rounds.
pub(crate) async fn run(
    party: &mut Party,
    parameters: &Hash,
    choices: &[Zeroizing<Vec<u8>>],
) -> Result<(Vec<Option<PairKeys>>, Hash)> {
    let own = party.index();
    let mut out = vec![Vec::new(); party.n()];
    let mut ends: Vec<Option<Ends>> = (0..party.n()).map(|_| None).collect();
    for peer in party.peers() {
        let ctx = context(party, peer, own);
        let new = Ends::new(&ctx, &choices[peer.get()], &mut party.rng);
        out[peer.get()] =
            [parameters.as_slice(), new.seed.as_slice(), &new.receiver.flight, &new.sender.flight].concat();
        ends[peer.get()] = Some(new);
    }
    let messages = party.exchange(Step::MascotBaseOt, out).await?;

    let mut pairs: Vec<Option<PairKeys>> = (0..party.n()).map(|_| None).collect();
    for peer in party.peers() {
        let j = peer.get();
        let Ends { receiver, sender, seed } = ends[j].take().expect("ends towards each peer");
        let message = parse(party, peer, parameters, &messages[j], choices[j].len())?;
        let malformed = |what| Error::Malformed { peer, step: Step::MascotBaseOt, what };
        let sent = sender.keys(&context(party, own, peer), message.receiver_flight).map_err(malformed)?;
        let received = receiver.keys(&context(party, peer, own), message.sender_flight).map_err(malformed)?;
        pairs[j] = Some(PairKeys { sent, received, own_seed: *seed, their_seed: message.seed });
    }
    let salt = coin::toss(party).await?;
    for pair in pairs.iter_mut().flatten() {
        pair.sent.iter_mut().flatten().for_each(|key| *key = salted(&salt, key));
        pair.received.iter_mut().for_each(|key| *key = salted(&salt, key));
    }
    Ok((pairs, salt))
}

/// What this party keeps towards a peer between sending and receiving.
struct Ends {
    receiver: Receiver,
    sender: Sender,
    seed: Zeroizing<Key>,
}

impl Ends {
    /// `ctx` is that of the OTs in which this party receives.
    fn new(ctx: &Transcript, choices: &[u8], rng: &mut Rng) -> Self {
        let mut seed = Zeroizing::new(Key::default());
        rng.fill_bytes(seed.as_mut_slice());
        Self { receiver: Receiver::new(ctx, choices, rng), sender: Sender::new(choices.len(), rng), seed }
    }
}

struct Message<'a> {
    seed: Key,
    receiver_flight: &'a [u8],
    sender_flight: &'a [u8],
}

fn parse<'a>(
    party: &Party,
    peer: PartyIndex,
    parameters: &Hash,
    message: &'a [u8],
    count: usize,
) -> Result<Message<'a>> {
    let step = Step::MascotBaseOt;
    let flight = 2 * POINT_BYTES * count;
    // The parameters come first, because they decide how long the rest is.
    if message.first_chunk::<32>().is_some_and(|theirs| theirs != parameters) {
        return Err(Error::Malformed { peer, step, what: Malformed::Parameters });
    }
    party.expect_len(peer, step, message, parameters.len() + SEED_BYTES + 2 * flight)?;
    let (seed, flights) = message[parameters.len()..].split_at(SEED_BYTES);
    let (receiver_flight, sender_flight) = flights.split_at(flight);
    Ok(Message { seed: seed.try_into().expect("split at its length"), receiver_flight, sender_flight })
}

fn context(party: &Party, sender: PartyIndex, receiver: PartyIndex) -> Transcript {
    party.transcript("mascot/base ot").number(sender.0 as u64).number(receiver.0 as u64)
}

fn salted(salt: &Hash, key: &Key) -> Key {
    Transcript::new("mascot/base ot salt").bytes(salt).bytes(key).finish()
}

/// HG: a group element without known discrete logarithm.
fn hash_to_group(ctx: &Transcript, j: usize, bit: u8, other: &CompressedRistretto) -> RistrettoPoint {
    let half = |half: u64| {
        let transcript = ctx.clone().bytes(b"to group").number(half).number(j as u64);
        transcript.number(bit as u64).bytes(other.as_bytes()).finish()
    };
    let mut uniform = [0; 64];
    uniform[..32].copy_from_slice(&half(0));
    uniform[32..].copy_from_slice(&half(1));
    RistrettoPoint::from_uniform_bytes(&uniform)
}

fn key(ctx: &Transcript, j: usize, bit: u8, a: &[u8], rs: &[u8], shared: &RistrettoPoint) -> Key {
    let shared = Zeroizing::new(shared.compress().to_bytes());
    let transcript = ctx.clone().bytes(b"key").number(j as u64).number(bit as u64);
    transcript.bytes(a).bytes(rs).bytes(shared.as_slice()).finish()
}

/// The points of a flight, two for each OT.
fn points(flight: &[u8], j: usize) -> [&[u8]; 2] {
    let (first, second) = flight[2 * POINT_BYTES * j..2 * POINT_BYTES * (j + 1)].split_at(POINT_BYTES);
    [first, second]
}

/// The bytes of `one` if the choice is 1, in constant time.
fn select(choice: u8, zero: &[u8], one: &[u8]) -> [u8; POINT_BYTES] {
    std::array::from_fn(|k| u8::conditional_select(&zero[k], &one[k], Choice::from(choice)))
}

fn decode(bytes: &[u8]) -> Decoded<RistrettoPoint> {
    let point =
        CompressedRistretto::from_slice(bytes).ok().and_then(|point| point.decompress()).ok_or(Malformed::Point)?;
    if point.is_identity() { Err(Malformed::Point) } else { Ok(point) }
}

/// (R₀, R₁) for this choice, x and the other's point.
fn offer(ctx: &Transcript, j: usize, choice: u8, x: &Scalar, other: &CompressedRistretto) -> [[u8; POINT_BYTES]; 2] {
    let own = (RistrettoPoint::mul_base(x) - hash_to_group(ctx, j, choice, other)).compress();
    [select(choice, own.as_bytes(), other.as_bytes()), select(choice, other.as_bytes(), own.as_bytes())]
}

struct Receiver {
    secrets: Zeroizing<Vec<Scalar>>,
    choices: Zeroizing<Vec<u8>>,
    flight: Vec<u8>,
}

impl Receiver {
    fn new(ctx: &Transcript, choices: &[u8], rng: &mut impl CryptoRng) -> Self {
        let mut secrets = Zeroizing::new(Vec::with_capacity(choices.len()));
        let mut flight = Vec::with_capacity(2 * POINT_BYTES * choices.len());
        for (j, &choice) in choices.iter().enumerate() {
            let x = Scalar::random(rng);
            let other = RistrettoPoint::random(rng).compress();
            flight.extend_from_slice(&offer(ctx, j, choice, &x, &other).concat());
            secrets.push(x);
        }
        Self { secrets, choices: Zeroizing::new(choices.to_vec()), flight }
    }

    fn keys(&self, ctx: &Transcript, sender_flight: &[u8]) -> Decoded<Zeroizing<Vec<Key>>> {
        let mut keys = Zeroizing::new(Vec::with_capacity(self.secrets.len()));
        for (j, (x, &choice)) in self.secrets.iter().zip(self.choices.iter()).enumerate() {
            let encoded = points(sender_flight, j);
            let [a0, a1] = [decode(encoded[0])?, decode(encoded[1])?];
            let a = RistrettoPoint::conditional_select(&a0, &a1, Choice::from(choice));
            let bytes = select(choice, encoded[0], encoded[1]);
            keys.push(key(ctx, j, choice, &bytes, &points(&self.flight, j).concat(), &(a * x)));
        }
        Ok(keys)
    }
}

struct Sender {
    secrets: Zeroizing<Vec<[Scalar; 2]>>,
    flight: Vec<u8>,
}

impl Sender {
    fn new(count: usize, rng: &mut impl CryptoRng) -> Self {
        let mut secrets = Zeroizing::new(Vec::with_capacity(count));
        let mut flight = Vec::with_capacity(2 * POINT_BYTES * count);
        for _ in 0..count {
            let pair = [Scalar::random(rng), Scalar::random(rng)];
            for y in &pair {
                flight.extend_from_slice(RistrettoPoint::mul_base(y).compress().as_bytes());
            }
            secrets.push(pair);
        }
        Self { secrets, flight }
    }

    fn keys(&self, ctx: &Transcript, receiver_flight: &[u8]) -> Decoded<Zeroizing<Vec<[Key; 2]>>> {
        let mut keys = Zeroizing::new(Vec::with_capacity(self.secrets.len()));
        for (j, secrets) in self.secrets.iter().enumerate() {
            let encoded = points(receiver_flight, j);
            let mut pair = [[0; 32]; 2];
            for (bit, y) in secrets.iter().enumerate() {
                let other = CompressedRistretto::from_slice(encoded[1 - bit]).map_err(|_| Malformed::Point)?;
                let q = decode(encoded[bit])? + hash_to_group(ctx, j, bit as u8, &other);
                if q.is_identity() {
                    return Err(Malformed::Point);
                }
                let a = points(&self.flight, j)[bit];
                pair[bit] = key(ctx, j, bit as u8, a, &encoded.concat(), &(q * y));
            }
            keys.push(pair);
        }
        Ok(keys)
    }
}

/// What a receiver offers, for [`crate::timing`].
#[cfg(any(test, feature = "timing"))]
pub(super) fn timing(name: &'static str) -> crate::timing::Probe {
    use crate::timing::{Class, Probe};
    let prepare = |rng: &mut Rng, class| {
        let choice = if class == Class::Fixed { 0 } else { (rng.next_u32() & 1) as u8 };
        (choice, Scalar::random(rng), RistrettoPoint::random(rng).compress())
    };
    let ctx = Transcript::new("timing");
    Probe::new(name, prepare, move |(choice, x, other)| offer(&ctx, 0, *choice, x, other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::SeedableRng;

    fn ctx() -> Transcript {
        Transcript::new("test")
    }

    #[test]
    fn the_receiver_has_the_chosen_key_and_not_the_other() {
        let mut rng = Rng::seed_from_u64(1);
        let choices: Vec<u8> = (0..16).map(|j| j % 2).collect();
        let receiver = Receiver::new(&ctx(), &choices, &mut rng);
        let sender = Sender::new(choices.len(), &mut rng);
        let sent = sender.keys(&ctx(), &receiver.flight).unwrap();
        let received = receiver.keys(&ctx(), &sender.flight).unwrap();
        for (j, &choice) in choices.iter().enumerate() {
            assert_eq!(received[j], sent[j][choice as usize]);
            assert_ne!(received[j], sent[j][1 - choice as usize]);
        }
    }

    /// A receiver that repeats its points once made all transfers equal (MP-SPDZ #153).
    #[test]
    fn repeated_points_give_distinct_keys() {
        let mut rng = Rng::seed_from_u64(2);
        let receiver = Receiver::new(&ctx(), &[0], &mut rng);
        let sender = Sender::new(1, &mut rng);
        let doubled = Sender {
            secrets: Zeroizing::new(vec![sender.secrets[0]; 2]),
            flight: [sender.flight.as_slice(), &sender.flight].concat(),
        };
        let keys = doubled.keys(&ctx(), &[receiver.flight.as_slice(), &receiver.flight].concat()).unwrap();
        assert_ne!(keys[0][0], keys[1][0]);
        assert_ne!(keys[0][1], keys[1][1]);
    }

    #[test]
    fn identities_and_non_canonical_encodings_are_refused() {
        let mut rng = Rng::seed_from_u64(3);
        let receiver = Receiver::new(&ctx(), &[1], &mut rng);
        let sender = Sender::new(1, &mut rng);
        for bad in [[0u8; 32], [0xff; 32]] {
            for place in 0..2 {
                let spoil = |flight: &[u8]| {
                    let mut flight = flight.to_vec();
                    flight[32 * place..32 * (place + 1)].copy_from_slice(&bad);
                    flight
                };
                assert_eq!(sender.keys(&ctx(), &spoil(&receiver.flight)).err(), Some(Malformed::Point));
                assert_eq!(receiver.keys(&ctx(), &spoil(&sender.flight)).err(), Some(Malformed::Point));
            }
        }
    }

    /// R₀ = −HG(0, R₁) makes Q₀ the identity and the key y₀·Q₀ known to the receiver.
    #[test]
    fn a_receiver_that_cancels_the_hash_is_refused() {
        let mut rng = Rng::seed_from_u64(4);
        let other = RistrettoPoint::random(&mut rng).compress();
        let cancelling = (-hash_to_group(&ctx(), 0, 0, &other)).compress();
        let flight = [cancelling.to_bytes(), other.to_bytes()].concat();
        let sender = Sender::new(1, &mut rng);
        assert_eq!(sender.keys(&ctx(), &flight).err(), Some(Malformed::Point));
    }

    /// Recipe: `scripts/known_answers.py`, with the group of RFC 9496.
    #[test]
    fn flights_and_keys_are_frozen() {
        let point = |k: u64| RistrettoPoint::mul_base(&Scalar::from(k)).compress();
        let x = Scalar::from(1_234_567u64);
        let receiver = Receiver {
            secrets: Zeroizing::new(vec![x]),
            choices: Zeroizing::new(vec![1]),
            flight: offer(&ctx(), 0, 1, &x, &point(424_242)).concat(),
        };
        let sender = Sender {
            secrets: Zeroizing::new(vec![[Scalar::from(7_654_321u64), Scalar::from(1_111_111u64)]]),
            flight: [point(7_654_321).to_bytes(), point(1_111_111).to_bytes()].concat(),
        };
        let flights = Transcript::new("flights").bytes(&receiver.flight).bytes(&sender.flight).finish();
        assert_eq!(hex::encode(flights), "c8b2d31c5bc7e0e1252783222b638008832501c81662c2882b6de40dbce25cd7");
        let key = receiver.keys(&ctx(), &sender.flight).unwrap()[0];
        assert_eq!(hex::encode(key), "51a95720ad24fad0ee243ae711670868c3ed649158728bbe4a697133ef0222bc");
        assert_eq!(sender.keys(&ctx(), &receiver.flight).unwrap()[0][1], key);
        let salted = salted(&[7; 32], &key);
        assert_eq!(hex::encode(salted), "c59de0b2d7f12615fcacb54e7bc9f9635b3e671e5d0c6f3e943731040bcea439");
    }

    /// RFC 9496, appendix A.3: the first input, and what it maps to.
    #[test]
    fn the_map_to_the_group_is_that_of_the_standard() {
        use sha2::Digest;
        let input = b"Ristretto is traditionally a short shot of espresso coffee";
        let uniform: [u8; 64] = sha2::Sha512::digest(input).into();
        let point = RistrettoPoint::from_uniform_bytes(&uniform).compress();
        let expected = "3066f82a1a747d45120d1740f14358531a8f04bbffe6a819f86dfe50f44a0a46";
        assert_eq!(hex::encode(point.to_bytes()), expected);
    }
}
