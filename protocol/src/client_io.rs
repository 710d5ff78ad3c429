//! The client's half of getting values out of and into a cloud, with n−1 malicious members.
//!
//! Damgård, Damgård, Nielsen, Nordholt, Toft, *Confidential Benchmarking based on Multiparty Computation* (2015/1006),
//! with one (r, v, u) for a whole delivery. Members hold shares of words y_1..y_K, of random r and v, and of
//! w_k = y_k·r and u = v·r; the client adds up all members' shares and accepts iff
//!
//! ```text
//! w_k = y_k·r for every k,   and   u = v·r
//! ```
//!
//! Members who shift y must guess r; who shift r must guess v. A cheat passes with probability about 1/p (measured in
//! the tests in a small field). This needs that w and u are products of the *same* y, r, v: members check the MACs of
//! everything they opened for them before a share leaves, and a client cannot see whether they did.
//!
//! An upload is the same with fresh masks m in place of y; the client then sends d_k = x_k − m_k, the same to all
//! members, and signs it.
//!
//! A failed check says nothing about x: the client has sent nothing yet. It must not be tried again with the same r, v.

use polyyne_engine::delivery::Delivery;
use polyyne_engine::field::{Field as _, Fp, PrimeField};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::id::SessionId;
use crate::words::{Words, WordsError};

/// One member's shares of a delivery.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeliveryShares {
    /// The joint run that made them: shares of different runs do not add up to anything.
    pub session: SessionId,
    pub y: Words,
    pub r: Words,
    pub v: Words,
    pub w: Words,
    pub u: Words,
}

impl DeliveryShares {
    /// What the engine prepared, ready to be sealed.
    pub fn of(field: &PrimeField, session: SessionId, delivery: &Delivery<PrimeField>) -> Self {
        Self {
            session,
            y: Words::of(field, &delivery.y),
            r: Words::one(field, delivery.r),
            v: Words::one(field, delivery.v),
            w: Words::of(field, &delivery.w),
            u: Words::one(field, delivery.u),
        }
    }
}

/// Why a delivery is not accepted. Holds no value of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    #[error("no member's shares")]
    Empty,
    #[error("the shares of the member of rank {rank}: {cause}")]
    Words { rank: usize, cause: WordsError },
    #[error("the member of rank {rank} sent shares of another run than the first")]
    Session { rank: usize },
    #[error("the members' shares do not fit together: at least one of them is wrong")]
    Inconsistent,
}

struct Sums {
    y: Zeroizing<Vec<Fp>>,
    w: Zeroizing<Vec<Fp>>,
    r: Fp,
    v: Fp,
    u: Fp,
}

/// The words of a delivery, from all members' shares in rank order, if they pass the check.
///
/// # Errors
/// [`DeliveryError`].
///
/// # Security
/// One error for all failed equations, after all of them have been evaluated.
pub fn reconstruct(
    field: &PrimeField,
    words: usize,
    shares: &[&DeliveryShares],
) -> Result<Zeroizing<Vec<Fp>>, DeliveryError> {
    let first = shares.first().ok_or(DeliveryError::Empty)?;
    if let Some(rank) = shares.iter().position(|share| share.session != first.session) {
        return Err(DeliveryError::Session { rank });
    }
    let Sums { y, w, r, v, u } = sums(field, words, shares)?;
    let products = y.iter().zip(w.iter()).fold(true, |good, (&y, &w)| good & (field.mul(y, r) == w));
    if products & (field.mul(v, r) == u) { Ok(y) } else { Err(DeliveryError::Inconsistent) }
}

fn sums(field: &PrimeField, words: usize, shares: &[&DeliveryShares]) -> Result<Sums, DeliveryError> {
    let zeros = || Zeroizing::new(vec![field.zero(); words]);
    let mut sums = Sums { y: zeros(), w: zeros(), r: field.zero(), v: field.zero(), u: field.zero() };
    for (rank, share) in shares.iter().enumerate() {
        let blame = |cause| DeliveryError::Words { rank, cause };
        add_all(field, &mut sums.y, &share.y.elements(field, words).map_err(blame)?);
        add_all(field, &mut sums.w, &share.w.elements(field, words).map_err(blame)?);
        sums.r = field.add(sums.r, share.r.element(field).map_err(blame)?);
        sums.v = field.add(sums.v, share.v.element(field).map_err(blame)?);
        sums.u = field.add(sums.u, share.u.element(field).map_err(blame)?);
    }
    Ok(sums)
}

fn add_all(field: &PrimeField, sums: &mut [Fp], shares: &[Fp]) {
    for (sum, &share) in sums.iter_mut().zip(shares) {
        *sum = field.add(*sum, share);
    }
}

/// The masked inputs d_k = x_k − m_k that all members get.
///
/// # Panics
/// If there are not as many masks as inputs; [`reconstruct`] gave exactly as many as it was asked for.
pub fn mask(field: &PrimeField, inputs: &[Fp], masks: &[Fp]) -> Words {
    assert_eq!(inputs.len(), masks.len(), "a mask for every input and no other");
    let masked: Zeroizing<Vec<Fp>> = Zeroizing::new(inputs.iter().zip(masks).map(|(&x, &m)| field.sub(x, m)).collect());
    Words::of(field, &masked)
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;

    /// Additive shares of one value.
    fn split(field: &PrimeField, value: Fp, parties: usize, rng: &mut StdRng) -> Vec<Fp> {
        let mut shares = field.random_vec(rng, parties - 1);
        shares.push(field.sub(value, field.sum(shares.iter().copied())));
        shares
    }

    /// What honest members send for these words.
    pub(crate) fn deliver(field: &PrimeField, words: &[Fp], parties: usize, rng: &mut StdRng) -> Vec<DeliveryShares> {
        let (r, v) = (field.random(rng), field.random(rng));
        let mut spread = |value| split(field, value, parties, rng);
        let y: Vec<Vec<Fp>> = words.iter().map(|&y| spread(y)).collect();
        let w: Vec<Vec<Fp>> = words.iter().map(|&y| spread(field.mul(y, r))).collect();
        let (rs, vs, us) = (spread(r), spread(v), spread(field.mul(v, r)));
        let column =
            |rows: &[Vec<Fp>], i: usize| Words::of(field, &rows.iter().map(|shares| shares[i]).collect::<Vec<_>>());
        (0..parties)
            .map(|i| DeliveryShares {
                session: SessionId([5; 32]),
                y: column(&y, i),
                r: Words::one(field, rs[i]),
                v: Words::one(field, vs[i]),
                w: column(&w, i),
                u: Words::one(field, us[i]),
            })
            .collect()
    }

    fn shifted(field: &PrimeField, words: &Words, by: Fp) -> Words {
        let mut elements = words.elements(field, words.count()).expect("good words");
        elements[0] = field.add(elements[0], by);
        Words::of(field, &elements)
    }

    fn accepted(field: &PrimeField, words: usize, shares: &[DeliveryShares]) -> bool {
        reconstruct(field, words, &shares.iter().collect::<Vec<_>>()).is_ok()
    }

    /// The share of the last member with errors on (y, r, v, w, u).
    fn cheat(field: &PrimeField, shares: &mut [DeliveryShares], errors: [Fp; 5]) {
        let last = shares.last_mut().expect("there are members");
        for (words, error) in [&mut last.y, &mut last.r, &mut last.v, &mut last.w, &mut last.u].into_iter().zip(errors)
        {
            *words = shifted(field, words, error);
        }
    }

    #[test]
    fn a_cheating_member_passes_about_once_in_p() {
        let field = PrimeField::new(31).expect("a prime");
        let mut rng = StdRng::seed_from_u64(7);
        let (zero, trials) = (field.zero(), 40_000);
        let non_zero = |rng: &mut StdRng| {
            std::iter::repeat_with(|| field.random(rng)).find(|&x| x != zero).expect("most are not zero")
        };
        // known y: the strongest position of a cheat
        let y = field.element(12);
        type Strategy<'a> = &'a dyn Fn(Fp, Fp, Fp, Fp) -> [Fp; 5];
        // each gets a shift, a guess of r, a guess of v, a shift of r
        let shift_y = |e: Fp, r: Fp, _: Fp, _: Fp| [e, zero, zero, field.mul(e, r), zero];
        let shift_both = |e: Fp, r: Fp, v: Fp, s: Fp| {
            let w = field.sum([field.mul(e, r), field.mul(y, s), field.mul(e, s)]);
            [e, s, zero, w, field.mul(v, s)]
        };
        let strategies: [(&str, Strategy); 2] = [("shift y", &shift_y), ("shift y and r", &shift_both)];
        for (name, strategy) in strategies {
            let mut passed = 0;
            for _ in 0..trials {
                let mut shares = deliver(&field, &[y], 2, &mut rng);
                let (e, s) = (non_zero(&mut rng), non_zero(&mut rng));
                let (r, v) = (field.random(&mut rng), field.random(&mut rng));
                cheat(&field, &mut shares, strategy(e, r, v, s));
                passed += usize::from(accepted(&field, 1, &shares));
            }
            // expected 1/31 of 40,000 = 1290 with deviation 35 for the first; at most 2/31 for any
            assert!(passed < 2 * trials / 31, "{name}: {passed} of {trials}");
            if name == "shift y" {
                assert!((1_110..1_470).contains(&passed), "{name}: {passed} of {trials}");
            }
        }
    }

    #[test]
    fn many_shifted_words_are_no_easier_than_one() {
        let field = PrimeField::new(31).expect("a prime");
        let mut rng = StdRng::seed_from_u64(8);
        let words = field.random_vec(&mut rng, 8);
        let mut passed = 0;
        for _ in 0..20_000 {
            let mut shares = deliver(&field, &words, 3, &mut rng);
            let guess = field.random(&mut rng);
            let errors = field.random_vec(&mut rng, 7).into_iter().chain([field.one()]).collect::<Vec<_>>();
            let last = &mut shares[2];
            let shift = |words: &Words, by: &[Fp]| {
                let elements = words.elements(&field, 8).expect("good words");
                let moved: Vec<Fp> = elements.iter().zip(by).map(|(&x, &e)| field.add(x, e)).collect();
                Words::of(&field, &moved)
            };
            let products: Vec<Fp> = errors.iter().map(|&e| field.mul(e, guess)).collect();
            (last.y, last.w) = (shift(&last.y, &errors), shift(&last.w, &products));
            passed += usize::from(accepted(&field, 8, &shares));
        }
        // 1/31 of 20,000 = 645 with deviation 25
        assert!((520..770).contains(&passed), "{passed}");
    }

    #[test]
    fn any_shift_in_the_default_field_is_refused() {
        let field = PrimeField::carbyne();
        let mut rng = StdRng::seed_from_u64(9);
        let words = field.random_vec(&mut rng, 2);
        for which in 0..5 {
            let mut shares = deliver(&field, &words, 3, &mut rng);
            let mut errors = [field.zero(); 5];
            errors[which] = field.one();
            cheat(&field, &mut shares, errors);
            let refused = reconstruct(&field, 2, &shares.iter().collect::<Vec<_>>()).err();
            assert_eq!(refused, Some(DeliveryError::Inconsistent), "part {which}");
        }
    }

    #[test]
    fn shares_of_other_length_or_run_name_their_member() {
        let field = PrimeField::carbyne();
        let mut rng = StdRng::seed_from_u64(10);
        let words = field.random_vec(&mut rng, 2);
        let shares = deliver(&field, &words, 3, &mut rng);
        let refs = |shares: &[DeliveryShares]| reconstruct(&field, 2, &shares.iter().collect::<Vec<_>>()).err();
        assert_eq!(refs(&[]), Some(DeliveryError::Empty));
        let mut short = shares.clone();
        short[1].w = Words::of(&field, &words[..1]);
        let cause = WordsError::Count { expected: 2, got: 1 };
        assert_eq!(refs(&short), Some(DeliveryError::Words { rank: 1, cause }));
        let mut empty = shares.clone();
        empty[2].r = Words::default();
        let cause = WordsError::Count { expected: 1, got: 0 };
        assert_eq!(refs(&empty), Some(DeliveryError::Words { rank: 2, cause }));
        let mut other = shares;
        other[1].session = SessionId([6; 32]);
        assert_eq!(refs(&other), Some(DeliveryError::Session { rank: 1 }));
    }

    #[test]
    fn what_the_engine_prepared_is_what_the_client_adds_up() {
        let field = PrimeField::carbyne();
        let e = |x: u128| field.element(x);
        // y = 7, r = 3, v = 5: w = 21, u = 15, shared as itself and zero
        let whole = Delivery { y: vec![e(7)], w: vec![e(21)], r: e(3), v: e(5), u: e(15) };
        let zero = Delivery { y: vec![e(0)], w: vec![e(0)], r: e(0), v: e(0), u: e(0) };
        let shares = [whole, zero].map(|delivery| DeliveryShares::of(&field, SessionId([1; 32]), &delivery));
        let words = reconstruct(&field, 1, &shares.iter().collect::<Vec<_>>()).expect("honest");
        assert!(words[0] == e(7));
        assert!(!format!("{shares:?}").contains('7'));
    }

    proptest! {
        #[test]
        fn honest_shares_give_the_words_back(seed: u64, parties in 2usize..6, count in 1usize..20) {
            let field = PrimeField::carbyne();
            let mut rng = StdRng::seed_from_u64(seed);
            let words = field.random_vec(&mut rng, count);
            let shares = deliver(&field, &words, parties, &mut rng);
            let back = reconstruct(&field, count, &shares.iter().collect::<Vec<_>>()).expect("honest");
            prop_assert!(*back == words);
        }

        #[test]
        fn masked_inputs_and_masks_add_up_to_the_inputs(seed: u64, count in 1usize..20) {
            let field = PrimeField::carbyne();
            let mut rng = StdRng::seed_from_u64(seed);
            let (inputs, masks) = (field.random_vec(&mut rng, count), field.random_vec(&mut rng, count));
            let masked = mask(&field, &inputs, &masks).elements(&field, count).expect("words");
            for ((&x, &m), &d) in inputs.iter().zip(&masks).zip(masked.iter()) {
                prop_assert!(field.add(d, m) == x);
            }
        }
    }
}
