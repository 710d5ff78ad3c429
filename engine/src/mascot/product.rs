//! Beaver's multiplication for the generator itself, with triples that a MAC check has covered.

use crate::error::Result;
use crate::field::Field;
use crate::mac_check::MacCheck;
use crate::party::Party;
use crate::share::Shares;
use crate::tuples::Triples;

/// ⟦x·y⟧ element-wise: for opened ε = x − a and δ = y − b it is c + ε·b + δ·a + ε·δ. 1 round.
///
/// # Panics
/// If there is not one triple for each pair.
pub(super) async fn multiply<F: Field>(
    f: &F,
    party: &mut Party,
    mac: &mut MacCheck<F>,
    triples: Triples<F>,
    x: &Shares<F>,
    y: &Shares<F>,
) -> Result<Shares<F>> {
    let len = x.len();
    assert_eq!((y.len(), triples.a.len()), (len, len), "a triple for each pair");
    let mut masked = x.sub(f, &triples.a);
    masked.append(&y.sub(f, &triples.b));
    let opened = mac.open(party, &masked).await?;
    let (epsilon, delta) = opened.for_shares().split_at(len);
    let products: Vec<F::Element> = epsilon.iter().zip(delta).map(|(&epsilon, &delta)| f.mul(epsilon, delta)).collect();
    let sum = triples.c.add(f, &triples.b.scale(f, epsilon)).add(f, &triples.a.scale(f, delta));
    Ok(mac.key().add_public(f, &sum, &products))
}
