//! AND triples: bits (a, b, a∧b), authenticated over GF(2^f).
//!
//! 1. All parties input random bits; the sums are ⟦a⟧ and ⟦b⟧ ([`super::bit_inputs`]).
//! 2. A multiplication triple over GF(2^f) ([`super::triple`]), sacrificed.
//! 3. The MAC check of 1 and 2: a and b are bits then, and the triple is one.
//! 4. ⟦a·b⟧ by Beaver's multiplication with that triple, its two openings MAC-checked before anything leaves. Of
//!    every value share the lowest bit is kept: the shares sum up to a·b, which is 0 or 1, in each bit.
//!
//! Nothing is new here but the composition, so the security is that of MASCOT over GF(2^f): malicious, with abort,
//! 2/|F| for each check. A triple costs what one over GF(2^f) costs; TinyOT's leaky triples with buckets
//! (Frederiksen, Keller, Orsini, Scholl, eprint 2015/901) send less, but only in batches of thousands.

use super::{Live, derive, product};
use crate::error::Result;
use crate::field::{BinaryField, Field};
use crate::mac_check::MacCheck;
use crate::party::Party;
use crate::share::Shares;
use crate::tuples::Triples;

/// Makes `count` triples that a MAC check has covered, all of whose value shares are bits.
pub(super) async fn generate(
    live: &mut Live<BinaryField>,
    party: &mut Party,
    mac: &mut MacCheck<BinaryField>,
    count: usize,
) -> Result<Triples<BinaryField>> {
    let bits = derive::binary_bits(live, party, mac, 2 * count).await?;
    let [a, b, c] = derive::triples(live, party, mac, count).await?;
    mac.check(party).await?;
    let (x, y) = (bits.slice(0..count), bits.slice(count..2 * count));
    let product = product::multiply(&live.field, party, mac, Triples { a, b, c }, &x, &y).await?;
    mac.check(party).await?;
    Ok(Triples { a: x, b: y, c: lowest_bits(&live.field, product) })
}

/// The same sharing of bits with value shares that are bits.
fn lowest_bits(field: &BinaryField, mut shares: Shares<BinaryField>) -> Shares<BinaryField> {
    shares.values.iter_mut().for_each(|share| *share = field.cut(field.to_bits(*share) & 1));
    shares
}
