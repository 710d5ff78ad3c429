//! Keys of all parties and what they have proved of them.
//!
//! In this order:
//! 1. towards each peer: a digest of all parameters, which must be equal, and a seed for the peer's shares of our
//!    inputs; then a coin toss, whose coin is in everything hashed later;
//! 2. broadcast (echoed for n ≥ 3) of b with the proof of the key; a comes from the coin;
//! 3. broadcast of Enc(α_i/420) with the proof that the plaintext is constant; what is used is 420 times it.
//!
//! A proof that fails ends the setup before any secret but the sender's own key has met a message of others.

use super::bgv::{Ciphertext, PublicKey, Scheme, SecretKey};
use super::params::{PRIMES, Params, SMALL_FACTOR};
use super::proof::{self, Constant, Key, Vector};
use super::sampling::Randomness;
use super::stock::Stock;
use crate::coin;
use crate::digest::{Hash, Transcript};
use crate::error::{ConsistencyCheck, Error, Malformed, Result};
use crate::field::{Field, PrimeField};
use crate::party::{Party, PartyIndex};
use crate::prg::Prg;
use crate::share::MacKeyShare;
use crate::step::Step;
use crate::workers::Workers;
use rand_core::Rng as _;
use zeroize::Zeroizing;

const SEED_BYTES: usize = 32;
/// Goes up when parties of two builds would refuse each other's proofs.
const VERSION: u64 = 2;

/// What a party holds of a peer.
pub(super) struct Peer {
    pub key: PublicKey,
    /// 420·Enc(α_j/420) under the peer's key.
    pub mac_key: Ciphertext,
    /// The peer's shares of our inputs.
    pub own_shares: Prg,
    /// Our shares of the peer's inputs.
    pub their_shares: Prg,
}

/// A setup that works.
pub(super) struct Live {
    pub params: Params,
    pub scheme: Scheme,
    pub key: MacKeyShare<PrimeField>,
    pub public: PublicKey,
    pub secret: SecretKey,
    /// By party index, `None` at the own one.
    pub peers: Vec<Option<Peer>>,
    /// Hash of parameters, coin and public keys: in the context of every proof of a ciphertext.
    pub context: Hash,
    /// Proofs made so far.
    pub proofs: u64,
    /// Products sent so far.
    pub products: u64,
    pub stock: Stock,
}

/// A generator of secrets of this party.
pub(super) fn secret_prg(party: &mut Party) -> Prg {
    let mut seed = Zeroizing::new([0; SEED_BYTES]);
    party.rng.fill_bytes(seed.as_mut_slice());
    Prg::new(*seed)
}

/// The context of a proof: session, setup, prover and number.
fn context_of(party: &Party, context: &Hash, prover: PartyIndex, number: u64) -> Transcript {
    party.transcript("lowgear/proof").bytes(context).number(prover.0 as u64).number(number)
}

impl Live {
    pub fn peer(&self, peer: PartyIndex) -> &Peer {
        self.peers[peer.get()].as_ref().expect("every peer has a key")
    }

    /// The context of this setup's proof `number` by `prover`.
    pub fn proof_context(&self, party: &Party, prover: PartyIndex, number: u64) -> Transcript {
        context_of(party, &self.context, prover, number)
    }

    /// The setup without its key link. 4 rounds, some echoed for n ≥ 3.
    pub async fn establish(
        party: &mut Party,
        field: PrimeField,
        key: &MacKeyShare<PrimeField>,
        params: Params,
        linked: bool,
        workers: &Workers,
    ) -> Result<Self> {
        let scheme = Scheme::new(field, &params, &PRIMES).on(workers);
        let digest = digest(&field, &params, linked);
        let seeds = exchange_seeds(party, &digest).await?;
        let coin = coin::toss(party).await?;
        let context = Transcript::new("lowgear/setup").bytes(&digest).bytes(&coin).finish();
        let (secret, mut keys, context) = exchange_keys(party, &scheme, &context).await?;
        let mac_keys = exchange_mac_keys(party, &scheme, &context, &keys, key).await?;
        let own = party.index().get();
        let mut peers = Vec::with_capacity(party.n());
        for (j, (mac_key, seeds)) in mac_keys.into_iter().zip(seeds).enumerate() {
            let peer = mac_key.zip(seeds).map(|(mac_key, [own_shares, their_shares])| Peer {
                key: keys[j].clone(),
                mac_key,
                own_shares: Prg::new(own_shares),
                their_shares: Prg::new(their_shares),
            });
            peers.push(peer);
        }
        let public = keys.swap_remove(own);
        let (key, stock) = (key.clone(), Stock::new(party.n()));
        Ok(Self { params, scheme, key, public, secret, peers, context, proofs: 2, products: 0, stock })
    }
}

fn digest(field: &PrimeField, params: &Params, linked: bool) -> Hash {
    let transcript =
        Transcript::new("lowgear/parameters").number(VERSION).bytes(&field.id()).number(params.statistical() as u64);
    let transcript = transcript.number(params.log_n() as u64).number(params.blocks(2) as u64);
    PRIMES.iter().fold(transcript, |transcript, &q| transcript.number(q)).number(linked as u64).finish()
}

/// Seeds for shares: of the peer's shares of our values, and of our shares of the peer's.
async fn exchange_seeds(party: &mut Party, digest: &Hash) -> Result<Vec<Option<[Hash; 2]>>> {
    let step = Step::LowGearSeeds;
    let mut out = vec![Zeroizing::default(); party.n()];
    for peer in party.peers() {
        let mut seed = Zeroizing::new([0; SEED_BYTES]);
        party.rng.fill_bytes(seed.as_mut_slice());
        out[peer.get()] = Zeroizing::new([digest.as_slice(), seed.as_slice()].concat());
    }
    let messages = party.exchange(step, out.iter().map(|message| message.to_vec()).collect()).await?;
    let mut seeds = vec![None; party.n()];
    for peer in party.peers() {
        let message = &messages[peer.get()];
        party.expect_len(peer, step, message, digest.len() + SEED_BYTES)?;
        let (theirs, seed) = message.split_at(digest.len());
        if theirs != digest {
            return Err(Error::Malformed { peer, step, what: Malformed::Parameters });
        }
        let derived = |seed: &[u8]| party.transcript("lowgear/input shares").bytes(seed).finish();
        seeds[peer.get()] = Some([derived(&out[peer.get()][digest.len()..]), derived(seed)]);
    }
    Ok(seeds)
}

/// Step 2: everyone's public key, by party index, and the context with all of them in it.
async fn exchange_keys(
    party: &mut Party,
    scheme: &Scheme,
    context: &Hash,
) -> Result<(SecretKey, Vec<PublicKey>, Hash)> {
    let step = Step::LowGearKey;
    let uniform = |owner: usize| {
        let seed = Transcript::new("lowgear/public key").bytes(context).number(owner as u64).finish();
        scheme.ring.public_uniform(&mut Prg::new(seed))
    };
    let mut prg = secret_prg(party);
    let a = uniform(party.index().get());
    let (secret, b, randomness) = scheme.key_pair(&a, &mut prg);
    let mut message = Vec::new();
    scheme.ring.encode(&b, &mut message);
    let b_bytes = message.len();
    let own_context = context_of(party, context, party.index(), 0).bytes(&message);
    let statement = Key { scheme, a: &a, b: &b };
    let proof_bytes = proof::bytes(&statement);
    message.extend(proof::prove(&statement, &own_context, &[Vector::key(randomness)], &mut prg));

    let messages = party.broadcast(step, message).await?;
    let mut keys = Vec::with_capacity(party.n());
    for (j, message) in messages.iter().enumerate() {
        let peer = PartyIndex(j as u16);
        if peer == party.index() {
            keys.push(scheme.public_key(a.clone(), b.clone()));
            continue;
        }
        party.expect_len(peer, step, message, b_bytes + proof_bytes)?;
        let (encoded, proof) = message.split_at(b_bytes);
        let malformed = Error::Malformed { peer, step, what: Malformed::Element };
        let (a, b) = (uniform(j), scheme.ring.decode(encoded, scheme.ring.limbs()).ok_or(malformed)?);
        let their_context = context_of(party, context, peer, 0).bytes(encoded);
        if !proof::verify(&Key { scheme, a: &a, b: &b }, &their_context, proof) {
            return Err(Error::ConsistencyFailed { peer, check: ConsistencyCheck::KeyProof });
        }
        keys.push(scheme.public_key(a, b));
    }
    let context = Transcript::new("lowgear/keys").bytes(context).list(&messages).finish();
    Ok((secret, keys, context))
}

/// Step 3: every peer's encrypted MAC key share.
async fn exchange_mac_keys(
    party: &mut Party,
    scheme: &Scheme,
    context: &Hash,
    keys: &[PublicKey],
    key: &MacKeyShare<PrimeField>,
) -> Result<Vec<Option<Ciphertext>>> {
    let step = Step::LowGearMacKey;
    let f = scheme.field;
    let mut prg = secret_prg(party);
    let public = &keys[party.index().get()];
    let mut plaintext = Zeroizing::new(vec![f.zero(); scheme.n()]);
    plaintext[0] = f.mul(key.alpha(), f.inv(f.element(SMALL_FACTOR as u128)));
    let randomness = Randomness::sample(&mut prg, scheme.n());
    let ciphertext = scheme.encrypt(public, &plaintext, &randomness);
    let mut message = Vec::new();
    scheme.encode(&ciphertext, &mut message);
    let own_context = context_of(party, context, party.index(), 1).bytes(&message);
    let statement = Constant { scheme, key: public, ciphertext: &ciphertext };
    let proof_bytes = proof::bytes(&statement);
    let opening = Vector::opening(scheme, &plaintext[..1], randomness);
    message.extend(proof::prove(&statement, &own_context, &[opening], &mut prg));

    let messages = party.broadcast(step, message).await?;
    let mut mac_keys = vec![None; party.n()];
    for peer in party.peers() {
        let message = &messages[peer.get()];
        party.expect_len(peer, step, message, scheme.ciphertext_bytes() + proof_bytes)?;
        let (encoded, proof) = message.split_at(scheme.ciphertext_bytes());
        let malformed = Error::Malformed { peer, step, what: Malformed::Element };
        let mut ciphertext = scheme.decode(encoded).ok_or(malformed)?;
        let their_context = context_of(party, context, peer, 1).bytes(encoded);
        let statement = Constant { scheme, key: &keys[peer.get()], ciphertext: &ciphertext };
        if !proof::verify(&statement, &their_context, proof) {
            return Err(Error::ConsistencyFailed { peer, check: ConsistencyCheck::ConstantProof });
        }
        scheme.scale(&mut ciphertext, SMALL_FACTOR);
        mac_keys[peer.get()] = Some(ciphertext);
    }
    Ok(mac_keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::Rng;
    use crate::sim::Simulator;
    use rand_core::SeedableRng;

    /// Recipe: `scripts/known_answers.py`.
    #[test]
    fn the_context_of_a_proof_is_frozen() {
        let channels = Simulator::new(0, 2).channels().swap_remove(0);
        let party = Party::new(0, [7; 32], channels, Rng::seed_from_u64(0));
        let context = context_of(&party, &[8; 32], PartyIndex(1), 9).finish();
        assert_eq!(hex::encode(context), "f82bbf67b9b0a5be5473917023da6bbc1f9124a8769833a7d6d9858ba9424203");
    }
}
