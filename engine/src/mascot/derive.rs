//! Tuples of other kinds, from triples and authenticated inputs.
//!
//! - **Square, inverse, bit, matrix triple**: [`crate::from_triples`].
//! - **Bit in characteristic 2**: every party inputs a random bit ([`super::bit_inputs`]); the sum.
//! - **Random**: every party inputs a uniform element; the sum.
//! - **Input mask** of an owner: the owner alone inputs.
//!
//! All openings go through [`MacCheck::open`] and are checked before the tuples leave; what is
//! opened is independent of every other value.

use super::MascotField;
use super::{Live, triple};
use crate::error::Result;
use crate::field::Field;
use crate::from_triples;
use crate::mac_check::MacCheck;
use crate::party::Party;
use crate::port::Rng;
use crate::share::Shares;
use crate::tuples::{InputMasks, Kind, MatrixTriples, Shape};
use rand_core::Rng as _;
use zeroize::Zeroizing;

/// Makes `count` tuples that a MAC check has covered, a column per element.
pub(crate) async fn generate<F: MascotField>(
    live: &mut Live<F>,
    party: &mut Party,
    mac: &mut MacCheck<F>,
    kind: Kind,
    count: usize,
) -> Result<Vec<Shares<F>>> {
    let columns = match kind {
        Kind::Triple => triples(live, party, mac, count).await?.into(),
        Kind::Square => squares(live, party, mac, count).await?.into(),
        Kind::Inverse => inverses(live, party, mac, count).await?.into(),
        Kind::Bit if live.field.is_binary() => vec![binary_bits(live, party, mac, count).await?],
        Kind::Bit => vec![bits(live, party, mac, count).await?],
        Kind::Random | Kind::InputMask => vec![randoms(live, party, mac, count).await?],
    };
    mac.check(party).await?;
    Ok(columns)
}

/// Makes `count` matrix triples that a MAC check has covered.
pub(crate) async fn matrices<F: MascotField>(
    live: &mut Live<F>,
    party: &mut Party,
    mac: &mut MacCheck<F>,
    shape: Shape,
    count: usize,
) -> Result<MatrixTriples<F>> {
    let (random, multiplications) = from_triples::needed_for_matrices(shape, count);
    let random = randoms(live, party, mac, random).await?;
    let triples = triples(live, party, mac, multiplications).await?;
    let matrices = from_triples::matrices(&live.field, party, mac, shape, random, triples).await?;
    mac.check(party).await?;
    Ok(matrices)
}

async fn randoms<F: MascotField>(
    live: &mut Live<F>,
    party: &mut Party,
    mac: &mut MacCheck<F>,
    count: usize,
) -> Result<Shares<F>> {
    let everyone = vec![true; party.n()];
    let own = Zeroizing::new(live.field.random_vec(&mut party.rng, count));
    inputs(live, party, mac, What::Elements, &own, &everyone, count).await
}

/// Masks that `owner` knows, covered by a MAC check.
pub(crate) async fn input_masks<F: MascotField>(
    live: &mut Live<F>,
    party: &mut Party,
    mac: &mut MacCheck<F>,
    owner: usize,
    count: usize,
) -> Result<InputMasks<F>> {
    masks(live, party, mac, What::Elements, owner, count).await
}

/// Masks of one bit that `owner` knows, in characteristic 2, covered by a MAC check.
pub(crate) async fn bit_masks<F: MascotField>(
    live: &mut Live<F>,
    party: &mut Party,
    mac: &mut MacCheck<F>,
    owner: usize,
    count: usize,
) -> Result<InputMasks<F>> {
    masks(live, party, mac, What::Bits, owner, count).await
}

/// Whether inputs are elements, or bits of a field of characteristic 2.
#[derive(Clone, Copy)]
pub(crate) enum What {
    Elements,
    Bits,
}

/// Zeros and ones, each as likely as the other.
pub(crate) fn random_bits<F: Field>(field: &F, rng: &mut Rng, count: usize) -> Vec<F::Element> {
    let bit = |_| field.from_bits(u128::from(rng.next_u32() & 1)).expect("zero and one are elements");
    (0..count).map(bit).collect()
}

async fn masks<F: MascotField>(
    live: &mut Live<F>,
    party: &mut Party,
    mac: &mut MacCheck<F>,
    what: What,
    owner: usize,
    count: usize,
) -> Result<InputMasks<F>> {
    let mine = owner == party.index().get();
    let own = match (mine, what) {
        (true, What::Elements) => live.field.random_vec(&mut party.rng, count),
        (true, What::Bits) => random_bits(&live.field, &mut party.rng, count),
        (false, _) => Vec::new(),
    };
    let inputters: Vec<bool> = (0..party.n()).map(|j| j == owner).collect();
    let shares = inputs(live, party, mac, what, &own, &inputters, count).await?;
    mac.check(party).await?;
    Ok(InputMasks { shares, clear: mine.then_some(own) })
}

/// Σ over the inputters of their values; `own` is empty at others.
async fn inputs<F: MascotField>(
    live: &mut Live<F>,
    party: &mut Party,
    mac: &mut MacCheck<F>,
    what: What,
    own: &[F::Element],
    inputters: &[bool],
    count: usize,
) -> Result<Shares<F>> {
    let f = live.field.clone();
    let mut all = Shares::default();
    let tile = live.inputs_of_tile(what, party.n());
    for start in (0..count).step_by(tile) {
        let len = tile.min(count - start);
        let counts: Vec<usize> = inputters.iter().map(|&inputs| if inputs { len } else { 0 }).collect();
        let own = if own.is_empty() { own } else { &own[start..start + len] };
        let by_party = input_tile(live, party, mac, what, own, &counts).await?;
        let mut given = by_party.iter().filter(|inputs| !inputs.is_empty());
        let first = given.next().expect("some party inputs").clone();
        all.append(&given.fold(first, |sum, inputs| sum.add(&f, inputs)));
    }
    Ok(all)
}

/// One tile of inputs with its check prepared, by party.
pub(crate) async fn input_tile<F: MascotField>(
    live: &mut Live<F>,
    party: &mut Party,
    mac: &mut MacCheck<F>,
    what: What,
    own: &[F::Element],
    counts: &[usize],
) -> Result<Vec<Shares<F>>> {
    let inputs = match what {
        What::Elements => live.authenticator.input(party, own, counts).await?,
        What::Bits => live.authenticator.input_bits(party, own, counts).await?,
    };
    let coin = live.coins.toss(party).await?;
    live.authenticator.check(party, mac, &coin, &inputs).await?;
    Ok(inputs.by_party())
}

pub(crate) async fn triples<F: MascotField>(
    live: &mut Live<F>,
    party: &mut Party,
    mac: &mut MacCheck<F>,
    count: usize,
) -> Result<[Shares<F>; 3]> {
    let mut all: [Shares<F>; 3] = Default::default();
    let tile = live.triples_of_tile(party.n());
    for start in (0..count).step_by(tile) {
        let len = tile.min(count - start);
        let Live { multiplier, authenticator, coins, .. } = live;
        let columns = triple::tile(multiplier, authenticator, coins, party, mac, len).await?;
        all.iter_mut().zip(&columns).for_each(|(all, column)| all.append(column));
    }
    Ok(all)
}

async fn squares<F: MascotField>(
    live: &mut Live<F>,
    party: &mut Party,
    mac: &mut MacCheck<F>,
    count: usize,
) -> Result<[Shares<F>; 2]> {
    let triples = triples(live, party, mac, count).await?;
    from_triples::squares(&live.field, party, mac, triples).await
}

async fn inverses<F: MascotField>(
    live: &mut Live<F>,
    party: &mut Party,
    mac: &mut MacCheck<F>,
    count: usize,
) -> Result<[Shares<F>; 2]> {
    let mut all: [Shares<F>; 2] = Default::default();
    while all[0].len() < count {
        let triples = triples(live, party, mac, count - all[0].len()).await?;
        from_triples::append_inverses(&live.field, party, mac, triples, &mut all).await?;
    }
    Ok(all)
}

pub(crate) async fn binary_bits<F: MascotField>(
    live: &mut Live<F>,
    party: &mut Party,
    mac: &mut MacCheck<F>,
    count: usize,
) -> Result<Shares<F>> {
    let own = Zeroizing::new(random_bits(&live.field, &mut party.rng, count));
    let everyone = vec![true; party.n()];
    inputs(live, party, mac, What::Bits, &own, &everyone, count).await
}

async fn bits<F: MascotField>(
    live: &mut Live<F>,
    party: &mut Party,
    mac: &mut MacCheck<F>,
    count: usize,
) -> Result<Shares<F>> {
    let mut all = Shares::default();
    while all.len() < count {
        let squares = squares(live, party, mac, count - all.len()).await?;
        from_triples::append_bits(&live.field, party, mac, squares, &mut all).await?;
    }
    Ok(all)
}
