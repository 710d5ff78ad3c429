//! Output delivery to a client who is no party: the server side of Damgård, Damgård, Nielsen,
//! Nordholt and Toft, "Confidential Benchmarking based on Multiparty Computation" (eprint
//! 2015/1006), also what an upload's masks are delivered with.
//!
//! For words y₁..y_K the parties take random r, v and compute u = v·r and wₖ = yₖ·r. The client
//! gets everyone's shares of all of them and accepts iff u = v·r and wₖ = yₖ·r for all k.
//! One (r, v, u) serves a whole delivery: a corrupted party that shifts some yₖ must guess r, one
//! that shifts r must guess v; it passes with probability at most 2/|F| whatever K is.
//!
//! The order matters: the openings of the multiplications (and all before them) are MAC-checked
//! **before** a share leaves; Beaver errors act as input shifts, which would carry the client's
//! check along. What leaves is re-randomised with a fresh sharing of zero, so that shares tell no
//! more than their sum. On any error nothing leaves.

use crate::digest::Transcript;
use crate::error::Result;
use crate::field::Field;
use crate::online::Online;
use crate::party::Party;
use crate::prg::Prg;
use crate::share::Shares;
use crate::step::Step;
use crate::tuples::Kind;
use rand_core::Rng as _;
use zeroize::Zeroize;

const SEED_BYTES: usize = 32;

/// One party's additive shares for the client, without MACs.
pub struct Delivery<F: Field> {
    pub y: Vec<F::Element>,
    pub w: Vec<F::Element>,
    pub r: F::Element,
    pub v: F::Element,
    pub u: F::Element,
}

impl<F: Field> Drop for Delivery<F> {
    fn drop(&mut self) {
        self.y.zeroize();
        self.w.zeroize();
        for x in [&mut self.r, &mut self.v, &mut self.u] {
            x.zeroize();
        }
    }
}

/// The tuples that a delivery of `words` words takes.
pub fn bill(words: usize) -> [(Kind, usize); 2] {
    [(Kind::Triple, words + 1), (Kind::Random, 2)]
}

/// Prepares the delivery of these words. Everything opened so far has been MAC-checked when this
/// returns.
pub async fn prepare<F: Field>(online: &mut Online<F>, words: &Shares<F>) -> Result<Delivery<F>> {
    let len = words.len();
    let mut rv = online.tuples.randoms(2)?;
    let v = rv.split_off(1);
    let r = rv;
    let mut factors = words.clone();
    factors.append(&v);
    let mut rs = Shares::default();
    for _ in 0..=len {
        rs.append(&r);
    }
    let products = online.multiply(&factors, &rs).await?;
    online.check().await?;

    let mut outgoing = words.values.clone();
    outgoing.extend_from_slice(&products.values);
    outgoing.push(r.values[0]);
    outgoing.push(v.values[0]);
    rerandomise(&online.field, &mut online.party, &mut outgoing).await?;
    let v = outgoing.pop().expect("v was pushed");
    let r = outgoing.pop().expect("r was pushed");
    let u = outgoing.pop().expect("u is the last product");
    let w = outgoing.split_off(len);
    Ok(Delivery { y: outgoing, w, r, v, u })
}

/// Adds a fresh additive sharing of zero: each ordered pair of parties shares a seed, which its
/// sender adds and its receiver subtracts. Unknown to any set that lacks one honest pair's ends,
/// hence uniform given the sum from the view of any n−1 parties and the client.
pub(crate) async fn rerandomise<F: Field>(f: &F, party: &mut Party, values: &mut [F::Element]) -> Result<()> {
    let seeds: Vec<Vec<u8>> = (0..party.n())
        .map(|_| {
            let mut seed = vec![0; SEED_BYTES];
            party.rng.fill_bytes(&mut seed);
            seed
        })
        .collect();
    let mut received = party.exchange(Step::ZeroSeed, seeds.clone()).await?;
    for peer in party.peers() {
        party.expect_len(peer, Step::ZeroSeed, &received[peer.get()], SEED_BYTES)?;
        let expand = |seed: &[u8]| {
            Prg::new(Transcript::new("zero sharing").bytes(party.session()).bytes(seed).finish())
                .elements(f, values.len())
        };
        let plus = expand(&seeds[peer.get()]);
        let minus = expand(&received[peer.get()]);
        for (x, (plus, minus)) in values.iter_mut().zip(plus.into_iter().zip(minus)) {
            *x = f.add(*x, f.sub(plus, minus));
        }
    }
    received.iter_mut().for_each(Zeroize::zeroize);
    Ok(())
}
