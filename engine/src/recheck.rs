//! Checks of tuples that somebody else made: that they are what they are called, and that their MACs are under the
//! parties' key. What cannot be checked is whether whoever made them keeps them to himself.
//!
//! Each tuple is opened against another one, its aid, which is then gone (the sacrifice of Damgård et al., eprint
//! 2012/642, with a random factor t; Keller, Orsini and Scholl, eprint 2016/505, section 4.3). All shares are fixed
//! before the coin t ≠ 0 is tossed. For tuples x and aids y, element-wise:
//!
//! | kind | aid | opened | must be zero |
//! |---|---|---|---|
//! | (a, b, c = ab) | (f, g, h) of the same | ρ = t·a − f, σ = b − g | t·c − h − ρ·b − σ·f |
//! | (a, s = a²) | (f, r) of the same | ρ = t·a − f | t²·s − r − ρ·(t·a + f) |
//! | bit b | own square (f, r) | ρ = b − f | ρ² + 2ρ·f + r − b |
//! | (a, d = 1/a) | own triple (f, g, h) | ρ = a − f, σ = d − g | h + σ·f + ρ·g + ρσ − 1 |
//! | random a | one a₀ for all | ρ = a₀ + Σ tᵏ·a_k | |
//!
//! Two MAC checks, and nothing is decided on a value that neither has covered:
//!
//! 1. ρ and σ are opened and checked. They are uniform, since f and g are, whatever a party or the generator did.
//! 2. The zeros, which follow from checked values alone, are opened and checked, and only then looked at.
//!
//! Were the zeros opened behind ρ and σ that nobody has checked, a party that shifts ρ by e would make them −e·b: it would
//! see b of a tuple, and could still choose whether the batch ends as wrong tuples, which costs it nothing, or as a failed
//! check. As it is, a zero that fails is authentic. It says that the tuple was wrong when it came, so no party is to blame:
//! the batch ends and the key goes on. It shows the tuple's error times t, and tuples that are thrown away. A party that
//! lies about any opening fails a check and burns the key, as everywhere; so does a wrong MAC.
//!
//! A wrong product passes with probability 2/|F|, a wrong MAC with 2/|F| for each check; of randoms L/|F| for L of them.

use crate::coin;
use crate::error::{Error, Result};
use crate::field::Field;
use crate::mac_check::MacCheck;
use crate::party::Party;
use crate::prg::Prg;
use crate::share::Shares;
use crate::tuples::{Kind, Pairs, Triples};

/// What tuples of a kind are checked against.
pub enum Aid<F: Field> {
    /// As many more of the same, at the end of the columns; for randoms one more.
    Own,
    /// Squares for bits.
    Squares(Pairs<F>),
    /// Triples for inverses.
    Triples(Triples<F>),
}

/// How many tuples have to be there, to keep `count`.
pub fn needed(kind: Kind, count: usize) -> usize {
    match kind {
        Kind::Triple | Kind::Square => 2 * count,
        Kind::Random => count + 1,
        Kind::Bit | Kind::Inverse | Kind::InputMask => count,
    }
}

/// Checks tuples of a kind, a column per element, and returns `count` of them.
///
/// # Errors
/// [`Error::TuplesWrong`] if they are not what they are called, [`Error::MacCheckFailed`]; nothing of them may be used.
///
/// # Panics
/// If there are not [`needed`] tuples, or the aid is not the kind's.
pub async fn recheck<F: Field>(
    party: &mut Party,
    mac: &mut MacCheck<F>,
    field: &F,
    kind: Kind,
    columns: Vec<Shares<F>>,
    aid: Aid<F>,
    count: usize,
) -> Result<Vec<Shares<F>>> {
    assert_eq!(columns.len(), kind.arity(), "a column per element");
    assert!(columns.iter().all(|column| column.len() == needed(kind, count)), "tuples and their aids");
    let mut sacrifice = Sacrifice { t: factor(party, field).await?, party, mac, field, count };
    let zeros = match (kind, aid) {
        (Kind::Triple, Aid::Own) => sacrifice.triples(&columns).await?,
        (Kind::Square, Aid::Own) => sacrifice.squares(&columns).await?,
        (Kind::Random, Aid::Own) => sacrifice.randoms(&columns).await?,
        (Kind::Bit, Aid::Squares(squares)) => sacrifice.bits(&columns, &squares).await?,
        (Kind::Inverse, Aid::Triples(triples)) => sacrifice.inverses(&columns, &triples).await?,
        _ => panic!("the aid is not the kind's"),
    };
    mac.check(party).await?;
    let opened = mac.open(party, &zeros).await?;
    let zeros = mac.confirm(party, opened).await?.into_inner();
    if zeros.iter().any(|zero| *zero != field.zero()) {
        return Err(Error::TuplesWrong);
    }
    Ok(columns.iter().map(|column| column.slice(0..count)).collect())
}

/// t ≠ 0, after everything that it is for.
async fn factor<F: Field>(party: &mut Party, field: &F) -> Result<F::Element> {
    let coin = coin::toss(party).await?;
    let mut prg = Prg::new(party.transcript("recheck").bytes(&coin).finish());
    loop {
        let t = prg.elements(field, 1)[0];
        if t != field.zero() {
            return Ok(t);
        }
    }
}

struct Sacrifice<'a, F: Field> {
    party: &'a mut Party,
    mac: &'a mut MacCheck<F>,
    field: &'a F,
    t: F::Element,
    count: usize,
}

impl<F: Field> Sacrifice<'_, F> {
    async fn open(&mut self, shares: &Shares<F>) -> Result<Vec<F::Element>> {
        Ok(self.mac.open(self.party, shares).await?.for_shares().clone())
    }

    fn halves(&self, column: &Shares<F>) -> (Shares<F>, Shares<F>) {
        (column.slice(0..self.count), column.slice(self.count..2 * self.count))
    }

    async fn triples(&mut self, columns: &[Shares<F>]) -> Result<Shares<F>> {
        let (field, t) = (self.field, self.t);
        let [(a, f), (b, g), (c, h)] = [0, 1, 2].map(|k| self.halves(&columns[k]));
        let rho = self.open(&a.scale_all(field, t).sub(field, &f)).await?;
        let sigma = self.open(&b.sub(field, &g)).await?;
        let zeros = c.scale_all(field, t).sub(field, &h);
        Ok(zeros.sub(field, &b.scale(field, &rho)).sub(field, &f.scale(field, &sigma)))
    }

    async fn squares(&mut self, columns: &[Shares<F>]) -> Result<Shares<F>> {
        let (field, t) = (self.field, self.t);
        let [(a, f), (s, r)] = [0, 1].map(|k| self.halves(&columns[k]));
        let ta = a.scale_all(field, t);
        let rho = self.open(&ta.sub(field, &f)).await?;
        let zeros = s.scale_all(field, field.mul(t, t)).sub(field, &r);
        Ok(zeros.sub(field, &ta.add(field, &f).scale(field, &rho)))
    }

    async fn bits(&mut self, columns: &[Shares<F>], squares: &Pairs<F>) -> Result<Shares<F>> {
        let (field, bits) = (self.field, &columns[0]);
        let rho = self.open(&bits.sub(field, &squares.a)).await?;
        let twice: Vec<F::Element> = rho.iter().map(|&rho| field.add(rho, rho)).collect();
        let squared: Vec<F::Element> = rho.iter().map(|&rho| field.mul(rho, rho)).collect();
        let zeros = squares.a.scale(field, &twice).add(field, &squares.image).sub(field, bits);
        Ok(self.mac.key().add_public(field, &zeros, &squared))
    }

    async fn inverses(&mut self, columns: &[Shares<F>], triples: &Triples<F>) -> Result<Shares<F>> {
        let field = self.field;
        let rho = self.open(&columns[0].sub(field, &triples.a)).await?;
        let sigma = self.open(&columns[1].sub(field, &triples.b)).await?;
        let zeros = triples.c.add(field, &triples.a.scale(field, &sigma)).add(field, &triples.b.scale(field, &rho));
        let both = rho.iter().zip(&sigma).map(|(&rho, &sigma)| field.sub(field.mul(rho, sigma), field.one()));
        let both: Vec<F::Element> = both.collect();
        Ok(self.mac.key().add_public(field, &zeros, &both))
    }

    /// No relation to hold, so nothing is zero: the opening is for the MAC check.
    async fn randoms(&mut self, columns: &[Shares<F>]) -> Result<Shares<F>> {
        let (field, t) = (self.field, self.t);
        let powers = std::iter::successors(Some(t), |power| Some(field.mul(*power, t)));
        let mut weights: Vec<F::Element> = powers.take(self.count).collect();
        // the last one hides the others
        weights.push(field.one());
        let (value, mac) = columns[0].combine(field, &weights);
        self.open(&Shares::new(vec![value], vec![mac])).await?;
        Ok(Shares::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dealer;
    use crate::field::PrimeField;
    use crate::port::{LocalGate, Rng};
    use crate::sim::Simulator;
    use crate::step::Step;
    use crate::tuples::Tuples as _;
    use rand_core::SeedableRng;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const COUNT: usize = 20;
    const KINDS: [Kind; 5] = [Kind::Triple, Kind::Square, Kind::Bit, Kind::Inverse, Kind::Random];

    /// Changes something of party 1's dealt columns.
    type Change = fn(&PrimeField, &mut Vec<Shares<PrimeField>>);

    fn run(n: usize, kind: Kind, change: Change) -> Vec<Result<Vec<Shares<PrimeField>>>> {
        run_in(Simulator::new(7, n), n, kind, change)
    }

    fn run_in(mut simulator: Simulator, n: usize, kind: Kind, change: Change) -> Vec<Result<Vec<Shares<PrimeField>>>> {
        let dealer = dealer::carbyne(n, 5);
        let f = *dealer.field();
        let parties = simulator.channels().into_iter().enumerate().map(|(i, channels)| {
            let dealer = &dealer;
            async move {
                let mut party = Party::new(i, [1; 32], channels, Rng::seed_from_u64(i as u64));
                let mut mac = MacCheck::new(f, dealer.key(i), Box::new(LocalGate::default()));
                let mut dealt = dealer.tuples(i, 0);
                let mut columns = dealt.columns(kind, needed(kind, COUNT)).expect("a dealer never ends");
                if i == 1 {
                    change(&f, &mut columns);
                }
                let aid = match kind {
                    Kind::Bit => Aid::Squares(dealt.squares(COUNT).expect("a dealer never ends")),
                    Kind::Inverse => Aid::Triples(dealt.triples(COUNT).expect("a dealer never ends")),
                    _ => Aid::Own,
                };
                recheck(&mut party, &mut mac, &f, kind, columns, aid, COUNT).await
            }
        });
        let parties: Vec<_> = parties.collect();
        simulator.run(parties)
    }

    #[test]
    fn right_tuples_pass_and_their_aids_are_gone() {
        for n in [2, 3] {
            for kind in KINDS {
                for checked in run(n, kind, |_, _| ()) {
                    let columns = checked.unwrap_or_else(|error| panic!("{kind:?}: {error}"));
                    assert_eq!(columns.len(), kind.arity());
                    assert!(columns.iter().all(|column| column.len() == COUNT));
                }
            }
        }
    }

    /// The value with a MAC that fits: what a generator does that makes wrong tuples, and knows the MAC keys.
    fn shift(column: usize, at: usize) -> impl Fn(&PrimeField, &mut Vec<Shares<PrimeField>>) {
        move |f, columns| {
            let dealer = dealer::carbyne(2, 5);
            let (value, mac) = columns[column].get(at);
            let error = f.element(3);
            columns[column].set(at, (f.add(value, error), f.add(mac, f.mul(dealer.alpha(), error))));
        }
    }

    #[test]
    fn a_tuple_that_is_not_what_it_is_called_ends_the_batch_and_not_the_key() {
        for kind in [Kind::Triple, Kind::Square, Kind::Bit, Kind::Inverse] {
            for results in [run(2, kind, |f, c| shift(0, 4)(f, c)), run(2, kind, |f, c| shift(c.len() - 1, 19)(f, c))] {
                assert!(results.iter().all(|result| matches!(result, Err(Error::TuplesWrong))), "{kind:?}");
            }
        }
        assert_eq!(Error::TuplesWrong.severity(), crate::error::Severity::SetupOver);
    }

    #[test]
    fn a_wrong_aid_is_found_too() {
        for kind in [Kind::Triple, Kind::Square] {
            let results = run(2, kind, |f, c| shift(0, COUNT + 3)(f, c));
            assert!(results.iter().all(|result| matches!(result, Err(Error::TuplesWrong))), "{kind:?}");
        }
    }

    /// Runs between two parties of whom party 1 changes its opening number `lie`; the results, and how many openings
    /// party 0 has sent.
    fn with_a_lie(kind: Kind, lie: usize) -> (Vec<Result<Vec<Shares<PrimeField>>>>, usize) {
        let sent = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&sent);
        let mut simulator = Simulator::new(7, 2);
        simulator.hook(move |frame| {
            let mut bytes = frame.bytes.to_vec();
            match (frame.from.0, frame.step) {
                (0, Some(Step::Open)) => drop(counter.fetch_add(1, Ordering::Relaxed)),
                (1, Some(Step::Open)) if frame.occurrence == lie => bytes[6] ^= 1,
                _ => {}
            }
            vec![bytes]
        });
        let results = run_in(simulator, 2, kind, |_, _| ());
        (results, sent.load(Ordering::Relaxed))
    }

    fn is_failed_check(result: &Result<Vec<Shares<PrimeField>>>) -> bool {
        matches!(result, Err(Error::OpeningsDiffer { .. } | Error::MacCheckFailed))
    }

    /// Of a party that shifts ρ, honest ones once showed b of a tuple in what should have been zero.
    #[test]
    fn zeros_stay_closed_behind_a_lie_about_what_they_are_made_of() {
        for (kind, openings) in [(Kind::Triple, 2), (Kind::Square, 1), (Kind::Bit, 1), (Kind::Inverse, 2)] {
            for lie in 0..openings {
                let (results, sent) = with_a_lie(kind, lie);
                assert!(results.iter().all(is_failed_check), "{kind:?}: {:?}", results[0].as_ref().err());
                assert_eq!(sent, openings, "{kind:?}: the zeros were not opened");
            }
        }
    }

    #[test]
    fn a_lie_about_a_zero_is_a_failed_check_and_no_wrong_tuple() {
        for (kind, openings) in [(Kind::Triple, 2), (Kind::Square, 1), (Kind::Bit, 1), (Kind::Inverse, 2)] {
            let (results, _) = with_a_lie(kind, openings);
            assert!(results.iter().all(is_failed_check), "{kind:?}: {:?}", results[0].as_ref().err());
        }
    }

    #[test]
    fn a_wrong_mac_fails_the_check() {
        let wrong: Change = |f, columns| {
            let (value, mac) = columns[0].get(2);
            columns[0].set(2, (value, f.add(mac, f.one())));
        };
        for kind in KINDS {
            for result in run(2, kind, wrong) {
                assert!(matches!(result, Err(Error::MacCheckFailed)), "{kind:?}: {:?}", result.err());
            }
        }
    }
}
