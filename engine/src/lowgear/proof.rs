//! Zero-knowledge proofs of knowledge of short preimages under linear maps, non-interactive.
//!
//! | proof | of | challenges | an accepted one extracts |
//! |---|---|---|---|
//! | [`Plaintexts`] | m, u, v, w of many ciphertexts | 0 ≤ k < 2N as X^k, a matrix | 2·(m, u, v, w) of each |
//! | [`Constant`] | a constant plaintext and u, v, w of one | 0 … 7, 43 times | 420·(m, u, v, w), m constant |
//! | [`Key`] | s, e of a public key | as the first | 2·(s, e) |
//!
//! The first is that of TopGear (Baum, Cozzo, Smart, eprint 2019/035 §4, Fig. 6): with secrets x_j and masks y_i,
//! z_i = y_i + Σ_j W_ij·x_j, and the image of z_i is that of y_i plus Σ_j W_ij·image(x_j). Two accepted answers whose
//! challenges differ in column j alone give (W_ij − W′_ij)·x_j in some row, and 2/(X^k − X^l) is short. The
//! second has challenges without X, which would move a constant plaintext.
//!
//! **Non-interactive** by Fiat and Shamir **with aborts** (Lyubashevsky, ASIACRYPT 2009): challenges are the hash
//! of session, prover, number, statement and the images of the masks; an answer leaves only if every
//! coefficient of every z lies where all secrets give it the same probability, else the proof is made again with
//! fresh masks. So what leaves is independent of the secrets, perfectly; what does not leave is erased.
//! Instead of the masks' images, the message carries the hash: the verifier computes the images from z.
//!
//! Knowledge error in the random oracle model: (number of hashes)·2^-128 at most (2^-144 for monomials, 2^-129
//! for small challenges). Bounds of what is extracted: [`super::params`]. The number of attempts of a proof
//! is independent of the secrets too.

use super::bgv::{Ciphertext, PublicKey, Scheme};
use super::packing;
use super::params::{Masks, NOISE, REPETITIONS, SMALL_CHALLENGES, TOGETHER};
use super::ring::{Poly, Values};
use super::sampling::{self, Randomness, Small};
use super::simd;
use super::wide::Wide;
use crate::digest::{Hash, LongItem, Transcript};
use crate::field::{Field, Fp};
use crate::prg::Prg;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

const HASH_BYTES: usize = 32;

/// Secrets, masks or answers: wide coefficients, and columns of small ones.
#[derive(Clone)]
pub(crate) struct Vector {
    plain: Zeroizing<Vec<Wide>>,
    small: Vec<Small>,
}

impl Vector {
    /// The opening of a ciphertext of a plaintext polynomial (or, of one coefficient, of a constant).
    pub fn opening(scheme: &Scheme, plaintext: &[Fp], randomness: Randomness) -> Self {
        let plain = plaintext.iter().map(|&x| Wide::from_u128(scheme.field.to_bits(x))).collect();
        Self { plain: Zeroizing::new(plain), small: vec![randomness.u, randomness.v, randomness.w] }
    }

    /// s and e of a key.
    pub fn key(secret: Randomness) -> Self {
        Self { plain: Zeroizing::default(), small: vec![secret.u, secret.v] }
    }

    /// self + challenge·secret.
    fn add(&mut self, challenge: Challenge, secret: &Self) {
        match challenge {
            Challenge::Monomial(e) => {
                let wide = |x: &mut Wide, y: &Wide, negative| *x = if negative { x.sub(*y) } else { x.add(*y) };
                add_rotated(&mut self.plain, &secret.plain, e, wide);
                for (x, y) in self.small.iter_mut().zip(&secret.small) {
                    add_rotated(x, y, e, |x, y, negative| *x += if negative { -y } else { *y });
                }
            }
            Challenge::Digit(digit) => {
                for _ in 0..digit {
                    self.plain.iter_mut().zip(secret.plain.iter()).for_each(|(x, y)| *x = x.add(*y));
                }
                for (x, y) in self.small.iter_mut().zip(&secret.small) {
                    x.iter_mut().zip(y.iter()).for_each(|(x, y)| *x += digit as i64 * y);
                }
            }
        }
    }
}

/// x ← x + X^e·y modulo X^N + 1, for 0 ≤ e < 2N; e is public.
fn add_rotated<T>(x: &mut [T], y: &[T], e: usize, add: impl Fn(&mut T, &T, bool)) {
    if x.is_empty() {
        return;
    }
    let (shift, negative) = (e % x.len(), e >= x.len());
    let (wrapped, straight) = x.split_at_mut(shift);
    let (low, high) = y.split_at(straight.len());
    straight.iter_mut().zip(low).for_each(|(x, y)| add(x, y, negative));
    wrapped.iter_mut().zip(high).for_each(|(x, y)| add(x, y, !negative));
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    Monomial(usize),
    Digit(u64),
}

/// The form of masks and answers: of each column its length, k of its masks and what challenges and secrets add
/// up to at most.
pub(crate) struct Shape {
    plain: (usize, u32, Wide),
    small: Vec<(usize, u32, i64)>,
}

impl Shape {
    fn mask(&self, prg: &mut Prg) -> Vector {
        let (len, k, _) = self.plain;
        Vector {
            plain: sampling::wide_mask(prg, len, k),
            small: self.small.iter().map(|&(len, k, _)| sampling::mask(prg, len, k)).collect(),
        }
    }

    /// Looks at every coefficient, whatever it finds.
    fn is_within(&self, answer: &Vector) -> bool {
        let (_, k, reach) = self.plain;
        let wide = answer.plain.iter().fold(true, |within, x| within & x.is_within(k, &reach));
        self.small.iter().zip(&answer.small).fold(wide, |within, (&(_, k, reach), column)| {
            let bound = (1i64 << k) - reach;
            column.iter().fold(within, |within, &x| within & (x >= -bound) & (x < bound))
        })
    }

    /// Widths of the words of a wide coefficient of k + 1 bits.
    fn wide_widths(&self) -> impl Iterator<Item = u32> {
        let bits = self.plain.1 + 1;
        (0..bits.div_ceil(64)).map(move |word| (bits - 64 * word).min(64))
    }

    fn bytes(&self) -> usize {
        let wide: usize = self.wide_widths().map(|width| packing::bytes(self.plain.0, width)).sum();
        wide + self.small.iter().map(|&(len, k, _)| packing::bytes(len, k + 1)).sum::<usize>()
    }

    fn encode(&self, answer: &Vector, out: &mut Vec<u8>) {
        let offset = Wide::power_of_two(self.plain.1);
        for (word, width) in self.wide_widths().enumerate() {
            let words = answer.plain.iter().map(|x| {
                let x = x.add(offset);
                if word == 0 { x.low } else { (x.high as u128 >> (64 * (word - 1))) as u64 }
            });
            packing::pack(words.map(|x| x & u64::MAX >> (64 - width)), width, out);
        }
        for (column, &(_, k, _)) in answer.small.iter().zip(&self.small) {
            packing::pack(column.iter().map(|&x| (x + (1 << k)) as u64), k + 1, out);
        }
    }

    fn decode(&self, mut bytes: &[u8]) -> Option<Vector> {
        let mut take = |len: usize| {
            let (head, rest) = bytes.split_at_checked(len)?;
            bytes = rest;
            Some(head)
        };
        let (len, k, _) = self.plain;
        let mut plain = Zeroizing::new(vec![Wide::default().sub(Wide::power_of_two(k)); len]);
        for (word, width) in self.wide_widths().enumerate() {
            let mut places = plain.iter_mut();
            packing::unpack(take(packing::bytes(len, width))?, width, len, |x| {
                let x = if word == 0 {
                    Wide { high: 0, low: x }
                } else {
                    Wide { high: ((x as u128) << (64 * (word - 1))) as i128, low: 0 }
                };
                let place = places.next().expect("as many as there are places");
                *place = place.add(x);
            })?;
        }
        let mut small = Vec::with_capacity(self.small.len());
        for &(len, k, _) in &self.small {
            let mut column = Zeroizing::new(Vec::with_capacity(len));
            packing::unpack(take(packing::bytes(len, k + 1))?, k + 1, len, |x| column.push(x as i64 - (1 << k)))?;
            small.push(column);
        }
        bytes.is_empty().then_some(Vector { plain, small })
    }
}

/// What is proved: a linear map, and images of secrets under it.
pub(crate) trait Statement: Sync {
    /// With the threads to prove and verify on.
    fn scheme(&self) -> &Scheme;
    fn rows(&self) -> usize;
    fn columns(&self) -> usize;
    fn shape(&self) -> Shape;
    fn draw(&self, prg: &mut Prg) -> Challenge;
    /// The digest of image(z) − Σ challenge·image of the column. It is made limb after limb, and never is there whole.
    fn image(&self, z: &Vector, challenges: &[Challenge]) -> Hash;
}

fn monomial(scheme: &Scheme, prg: &mut Prg) -> Challenge {
    let mut block = [0];
    prg.fill_blocks(&mut block);
    Challenge::Monomial(block[0] as usize & (2 * scheme.n() - 1))
}

/// Every column of the matrix, row after row.
fn challenges<S: Statement>(statement: &S, hash: &Hash) -> Vec<Vec<Challenge>> {
    let mut prg = Prg::new(Transcript::new("lowgear/challenges").bytes(hash).finish());
    (0..statement.rows()).map(|_| (0..statement.columns()).map(|_| statement.draw(&mut prg)).collect()).collect()
}

/// Bytes of a proof.
pub(crate) fn bytes<S: Statement>(statement: &S) -> usize {
    HASH_BYTES + statement.rows() * statement.shape().bytes()
}

/// A proof of `statement`, whose secrets these are. `context` binds session, prover, number and the statement
/// itself.
pub(crate) fn prove<S: Statement>(statement: &S, context: &Transcript, secrets: &[Vector], prg: &mut Prg) -> Vec<u8> {
    assert_eq!(secrets.len(), statement.columns(), "a secret for each image");
    loop {
        if let Some(proof) = attempt(statement, context, secrets, prg) {
            return proof;
        }
    }
}

fn attempt<S: Statement>(statement: &S, context: &Transcript, secrets: &[Vector], prg: &mut Prg) -> Option<Vec<u8>> {
    let (shape, workers) = (statement.shape(), &statement.scheme().workers);
    let prgs: Vec<Prg> = (0..statement.rows()).map(|_| prg.fork()).collect();
    let mut answers = workers.map(prgs, |mut prg| shape.mask(&mut prg));
    let images = workers.map(&answers, |mask| statement.image(mask, &[]));
    let hash = images.iter().fold(context.clone(), |hash, image| hash.bytes(image)).finish();
    workers.map(answers.iter_mut().zip(challenges(statement, &hash)), |(answer, row)| {
        row.iter().zip(secrets).for_each(|(&challenge, secret)| answer.add(challenge, secret));
    });
    let mut proof = hash.to_vec();
    answers.iter().all(|answer| shape.is_within(answer)).then(|| {
        answers.iter().for_each(|answer| shape.encode(answer, &mut proof));
        proof
    })
}

/// Whether `proof` is one of `statement` in this context.
pub(crate) fn verify<S: Statement>(statement: &S, context: &Transcript, proof: &[u8]) -> bool {
    let (shape, workers) = (statement.shape(), &statement.scheme().workers);
    let Some((hash, answers)) = proof.split_first_chunk::<HASH_BYTES>() else { return false };
    if answers.len() != statement.rows() * shape.bytes() {
        return false;
    }
    let image = |(bytes, row): (&[u8], Vec<Challenge>)| {
        let answer = shape.decode(bytes).filter(|answer| shape.is_within(answer))?;
        Some(statement.image(&answer, &row))
    };
    let rows = answers.chunks_exact(shape.bytes()).zip(challenges(statement, hash));
    let Some(images) = workers.map(rows, image).into_iter().collect::<Option<Vec<Hash>>>() else { return false };
    let images = images.iter().fold(context.clone(), |hash, image| hash.bytes(image));
    images.finish().ct_eq(hash).into()
}

/// Subtracts multiples from what is in one limb, by values.
struct Subtraction<'a> {
    scheme: &'a Scheme,
    factor: Vec<u64>,
}

impl<'a> Subtraction<'a> {
    fn new(scheme: &'a Scheme) -> Self {
        Self { scheme, factor: vec![0; scheme.n()] }
    }

    /// x ← x − challenge·y.
    fn subtract(&mut self, limb: usize, challenge: Challenge, pairs: &mut [(&mut [u64], &Poly<Values>)]) {
        let (ring, n) = (&self.scheme.ring, self.scheme.n());
        let table = &ring.tables[limb];
        match challenge {
            // −X^e = X^(e + N)
            Challenge::Monomial(e) => table.monomial((e + n) % (2 * n), &mut self.factor),
            Challenge::Digit(digit) => self.factor.fill(table.modulus.neg(digit)),
        }
        for (x, y) in pairs {
            simd::multiply_add(&table.modulus, x, ring.limb(y, limb), &self.factor);
        }
    }
}

fn opening_image(
    scheme: &Scheme,
    key: &PublicKey,
    z: &Vector,
    plain: &[Wide],
    challenges: &[Challenge],
    ciphertexts: &[Ciphertext],
) -> Hash {
    let (mut hash, mut terms) = (LongItem::default(), Subtraction::new(scheme));
    let [u, v, w] = [0, 1, 2].map(|k| &z.small[k]);
    scheme.each_limb_of_encryption(key, plain, [u, v, w], |limb, [c0, c1]| {
        for (&challenge, c) in challenges.iter().zip(ciphertexts) {
            terms.subtract(limb, challenge, &mut [(c0, &c.c0), (c1, &c.c1)]);
        }
        hash.numbers(c0).numbers(c1);
    });
    hash.finish()
}

fn opening_shape(scheme: &Scheme, masks: &Masks, plain_len: usize, reach: u64) -> Shape {
    let mut plain = Wide::default();
    let p = Wide::from_u128(scheme.field.modulus());
    (0..reach).for_each(|_| plain = plain.add(p));
    let (n, reach) = (scheme.n(), reach as i64);
    let noise = (n, masks.noise, reach * NOISE as i64);
    Shape { plain: (plain_len, masks.plain, plain), small: vec![(n, masks.u, reach), noise, noise] }
}

/// Knowledge of the openings of up to [`TOGETHER`] ciphertexts under `key`. A prover has no need of the
/// ciphertexts.
pub(crate) struct Plaintexts<'a> {
    pub scheme: &'a Scheme,
    pub key: &'a PublicKey,
    pub count: usize,
    pub ciphertexts: &'a [Ciphertext],
}

impl Statement for Plaintexts<'_> {
    fn scheme(&self) -> &Scheme {
        self.scheme
    }

    fn rows(&self) -> usize {
        self.scheme.budget.rows
    }

    fn columns(&self) -> usize {
        assert!(self.count <= TOGETHER, "as many as the bounds allow");
        self.count
    }

    fn shape(&self) -> Shape {
        opening_shape(self.scheme, &self.scheme.budget.plaintext, self.scheme.n(), TOGETHER as u64)
    }

    fn draw(&self, prg: &mut Prg) -> Challenge {
        monomial(self.scheme, prg)
    }

    fn image(&self, z: &Vector, challenges: &[Challenge]) -> Hash {
        opening_image(self.scheme, self.key, z, &z.plain, challenges, self.ciphertexts)
    }
}

/// Knowledge of the opening of a ciphertext to a constant polynomial.
pub(crate) struct Constant<'a> {
    pub scheme: &'a Scheme,
    pub key: &'a PublicKey,
    pub ciphertext: &'a Ciphertext,
}

impl Statement for Constant<'_> {
    fn scheme(&self) -> &Scheme {
        self.scheme
    }

    fn rows(&self) -> usize {
        REPETITIONS
    }

    fn columns(&self) -> usize {
        1
    }

    fn shape(&self) -> Shape {
        opening_shape(self.scheme, &self.scheme.budget.constant, 1, SMALL_CHALLENGES - 1)
    }

    fn draw(&self, prg: &mut Prg) -> Challenge {
        let mut block = [0];
        prg.fill_blocks(&mut block);
        Challenge::Digit(block[0] as u64 & (SMALL_CHALLENGES - 1))
    }

    fn image(&self, z: &Vector, challenges: &[Challenge]) -> Hash {
        let mut plain = Zeroizing::new(vec![Wide::default(); self.scheme.n()]);
        plain[0] = z.plain[0];
        opening_image(self.scheme, self.key, z, &plain, challenges, std::slice::from_ref(self.ciphertext))
    }
}

/// Knowledge of short s and e with b = a·s + p·e.
pub(crate) struct Key<'a> {
    pub scheme: &'a Scheme,
    pub a: &'a Poly<Values>,
    pub b: &'a Poly<Values>,
}

impl Statement for Key<'_> {
    fn scheme(&self) -> &Scheme {
        self.scheme
    }

    fn rows(&self) -> usize {
        self.scheme.budget.rows
    }

    fn columns(&self) -> usize {
        1
    }

    fn shape(&self) -> Shape {
        let (n, masks) = (self.scheme.n(), &self.scheme.budget.key);
        let small = vec![(n, masks.u, 1), (n, masks.noise, NOISE as i64)];
        Shape { plain: (0, 0, Wide::default()), small }
    }

    fn draw(&self, prg: &mut Prg) -> Challenge {
        monomial(self.scheme, prg)
    }

    fn image(&self, z: &Vector, challenges: &[Challenge]) -> Hash {
        let (mut hash, mut terms) = (LongItem::default(), Subtraction::new(self.scheme));
        self.scheme.each_limb_of_key(self.a, &z.small[0], &z.small[1], |limb, b| {
            challenges.iter().for_each(|&challenge| terms.subtract(limb, challenge, &mut [(b, self.b)]));
            hash.numbers(b);
        });
        hash.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::PrimeField;
    use crate::field::prime::DEFAULT_PRIME;
    use crate::lowgear::params::{PRIMES, Params};
    use crate::port::Rng;
    use crate::statistics::{assert_even, assert_rate};
    use rand_core::SeedableRng;

    const COUNT: usize = 3;

    struct World {
        scheme: Scheme,
        key: PublicKey,
        a: Poly<Values>,
        b: Poly<Values>,
        key_secret: Vector,
        prg: Prg,
        rng: Rng,
    }

    fn world(params: &Params) -> World {
        let scheme = Scheme::new(PrimeField::new(DEFAULT_PRIME).unwrap(), params, &PRIMES);
        let mut prg = Prg::new([3; 32]);
        let a = scheme.ring.public_uniform(&mut prg);
        let (_, b, secret) = scheme.key_pair(&a, &mut prg);
        let key = scheme.public_key(a.clone(), b.clone());
        World { scheme, key, a, b, key_secret: Vector::key(secret), prg, rng: Rng::seed_from_u64(4) }
    }

    fn toy() -> World {
        world(&Params::toy(4, 1))
    }

    impl World {
        fn encrypted(&mut self, plaintext: &[Fp]) -> (Ciphertext, Vector) {
            let randomness = Randomness::sample(&mut self.prg, self.scheme.n());
            let c = self.scheme.encrypt(&self.key, plaintext, &randomness);
            (c, Vector::opening(&self.scheme, plaintext, randomness))
        }

        fn encryptions(&mut self) -> (Vec<Ciphertext>, Vec<Vector>) {
            let n = self.scheme.n();
            (0..COUNT)
                .map(|_| {
                    let plaintext = self.scheme.field.random_vec(&mut self.rng, n);
                    self.encrypted(&plaintext)
                })
                .unzip()
        }

        fn constant(&mut self) -> (Ciphertext, Vector) {
            let mut plaintext = vec![Fp::default(); self.scheme.n()];
            plaintext[0] = self.scheme.field.random(&mut self.rng);
            let (c, mut opening) = self.encrypted(&plaintext);
            opening.plain.truncate(1);
            (c, opening)
        }

        fn plaintexts<'a>(&'a self, ciphertexts: &'a [Ciphertext]) -> Plaintexts<'a> {
            Plaintexts { scheme: &self.scheme, key: &self.key, count: COUNT, ciphertexts }
        }
    }

    fn context() -> Transcript {
        Transcript::new("test").number(1)
    }

    /// An honest proof is accepted; none with another bit, length or context is.
    fn sound<S: Statement>(statement: &S, secrets: &[Vector]) {
        let mut prg = Prg::new([5; 32]);
        let proof = prove(statement, &context(), secrets, &mut prg);
        assert_eq!(proof.len(), bytes(statement));
        assert!(verify(statement, &context(), &proof));
        assert!(!verify(statement, &context().number(2), &proof), "of another session, prover or number");
        assert!(!verify(statement, &context(), &proof[1..]) && !verify(statement, &context(), &[]));
        assert!(!verify(statement, &context(), &[&proof[..], &[0]].concat()));
        for bit in (0..8 * proof.len()).step_by(8 * proof.len() / 60).chain([0, 255, 256, 8 * proof.len() - 1]) {
            let mut spoiled = proof.clone();
            spoiled[bit / 8] ^= 1 << (bit % 8);
            assert!(!verify(statement, &context(), &spoiled), "bit {bit}");
        }
    }

    #[test]
    fn proofs_of_plaintexts_are_complete_and_bound_to_every_bit() {
        let mut world = toy();
        let (ciphertexts, secrets) = world.encryptions();
        sound(&world.plaintexts(&ciphertexts), &secrets);
    }

    #[test]
    fn proofs_of_constants_are_complete_and_bound_to_every_bit() {
        let mut world = toy();
        let (ciphertext, secret) = world.constant();
        let statement = Constant { scheme: &world.scheme, key: &world.key, ciphertext: &ciphertext };
        sound(&statement, &[secret]);
    }

    #[test]
    fn proofs_of_keys_are_complete_and_bound_to_every_bit() {
        let world = toy();
        sound(&Key { scheme: &world.scheme, a: &world.a, b: &world.b }, std::slice::from_ref(&world.key_secret));
    }

    #[test]
    fn proofs_at_full_size_are_accepted() {
        let mut world = world(&Params::for_prime(DEFAULT_PRIME, 64).unwrap());
        let (ciphertexts, secrets) = world.encryptions();
        let mut prg = Prg::new([6; 32]);
        let statement = world.plaintexts(&ciphertexts);
        let proof = prove(&statement, &context(), &secrets, &mut prg);
        assert!(verify(&statement, &context(), &proof));
        let statement = Key { scheme: &world.scheme, a: &world.a, b: &world.b };
        let proof = prove(&statement, &context(), std::slice::from_ref(&world.key_secret), &mut prg);
        assert!(verify(&statement, &context(), &proof));
    }

    #[test]
    fn a_ciphertext_that_was_not_proved_is_refused() {
        let mut world = toy();
        let (mut ciphertexts, secrets) = world.encryptions();
        let proof = prove(&world.plaintexts(&ciphertexts), &context(), &secrets, &mut Prg::new([7; 32]));
        ciphertexts.swap(0, 1);
        assert!(!verify(&world.plaintexts(&ciphertexts), &context(), &proof), "the order is proved too");
        ciphertexts.swap(0, 1);
        for part in 0..2 {
            let mut changed = ciphertexts.clone();
            let poly = if part == 0 { &mut changed[2].c0 } else { &mut changed[2].c1 };
            world.scheme.ring.limb_mut(poly, 9)[3] ^= 1;
            assert!(!verify(&world.plaintexts(&changed), &context(), &proof));
        }
        assert!(verify(&world.plaintexts(&ciphertexts), &context(), &proof));
    }

    /// What MAC shares under different keys in different slots would come from.
    #[test]
    fn a_plaintext_that_is_not_constant_is_refused() {
        let mut world = toy();
        let mut plaintext = vec![Fp::default(); world.scheme.n()];
        plaintext[0] = world.scheme.field.element(5);
        plaintext[7] = world.scheme.field.one();
        let (ciphertext, mut secret) = world.encrypted(&plaintext);
        secret.plain.truncate(1);
        let statement = Constant { scheme: &world.scheme, key: &world.key, ciphertext: &ciphertext };
        let proof = prove(&statement, &context(), &[secret], &mut Prg::new([8; 32]));
        assert!(!verify(&statement, &context(), &proof));
    }

    /// One row of a proof, as weak as it is alone.
    struct OneRow<S>(S);

    impl<S: Statement> Statement for OneRow<S> {
        fn scheme(&self) -> &Scheme {
            self.0.scheme()
        }

        fn rows(&self) -> usize {
            1
        }

        fn columns(&self) -> usize {
            self.0.columns()
        }

        fn shape(&self) -> Shape {
            self.0.shape()
        }

        fn draw(&self, prg: &mut Prg) -> Challenge {
            self.0.draw(prg)
        }

        fn image(&self, z: &Vector, challenges: &[Challenge]) -> Hash {
            self.0.image(z, challenges)
        }
    }

    const GUESSES: u64 = 2_100;

    /// How many proofs are accepted of a prover that has no right secret and guesses the challenge: it answers with a
    /// mask, and commits to what the verifier will compute if the guess is right.
    fn guessed<S: Statement>(statement: &S, guess: Challenge) -> usize {
        let (shape, mut prg) = (statement.shape(), Prg::new([12; 32]));
        let accepted = |number: &u64| {
            let context = context().number(*number);
            let answer = loop {
                let answer = shape.mask(&mut prg);
                if shape.is_within(&answer) {
                    break answer;
                }
            };
            let hash = context.clone().bytes(&statement.image(&answer, &[guess])).finish();
            let mut proof = hash.to_vec();
            shape.encode(&answer, &mut proof);
            verify(statement, &context, &proof)
        };
        (0..GUESSES).filter(accepted).count()
    }

    /// For what each proof cannot prove, one row is a guess: of 2N = 32 monomials, of 8 small numbers. A proof has
    /// so many rows that nobody guesses all.
    #[test]
    fn a_guessed_challenge_passes_one_row_and_not_a_proof() {
        let mut world = toy();
        let plaintext = world.scheme.field.random_vec(&mut world.rng, 16);
        let (ciphertext, _) = world.encrypted(&plaintext);
        let mut noise = ciphertext.clone();
        world.scheme.ring.limb_mut(&mut noise.c1, 0)[0] ^= 1;
        let ciphertexts = [noise];
        let World { scheme, key, a, .. } = &world;
        let monomial = Challenge::Monomial(21);

        let plaintexts = || Plaintexts { scheme, key, count: 1, ciphertexts: &ciphertexts };
        assert_rate(guessed(&OneRow(plaintexts()), monomial), GUESSES as usize, 1.0 / 32.0, "plaintexts");
        let not_short = Key { scheme, a, b: &ciphertext.c0 };
        assert_rate(guessed(&OneRow(not_short), monomial), GUESSES as usize, 1.0 / 32.0, "keys");
        let constant = || Constant { scheme, key, ciphertext: &ciphertext };
        assert_rate(guessed(&OneRow(constant()), Challenge::Digit(3)), GUESSES as usize, 1.0 / 8.0, "constants");

        assert!(Statement::rows(&plaintexts()) as f64 * 5.0 >= 128.0, "2^-128 for this ring");
        assert!(Statement::rows(&constant()) * 3 >= 128);
    }

    /// An owner that chose a could see through the products that others make for it.
    #[test]
    fn a_key_of_another_a_is_refused() {
        let mut world = toy();
        let other = world.scheme.ring.public_uniform(&mut world.prg);
        let zero = world.scheme.ring.values(world.scheme.ring.zero(world.scheme.ring.limbs()));
        for chosen in [other, zero] {
            let (_, b, secret) = world.scheme.key_pair(&chosen, &mut world.prg);
            let own = Key { scheme: &world.scheme, a: &chosen, b: &b };
            let proof = prove(&own, &context(), &[Vector::key(secret)], &mut Prg::new([13; 32]));
            assert!(verify(&own, &context(), &proof));
            let expanded = Key { scheme: &world.scheme, a: &world.a, b: &b };
            assert!(!verify(&expanded, &context(), &proof));
        }
    }

    #[test]
    fn another_key_is_refused() {
        let world = toy();
        let statement = |b| Key { scheme: &world.scheme, a: &world.a, b };
        let proof =
            prove(&statement(&world.b), &context(), std::slice::from_ref(&world.key_secret), &mut Prg::new([9; 32]));
        let mut other = world.b.clone();
        world.scheme.ring.scale(&mut other, 3);
        assert!(!verify(&statement(&other), &context(), &proof));
    }

    /// A cheater whose secrets are too large for the noise budget: its answers satisfy the equation and are out
    /// of bounds, by as little as the bounds can tell.
    #[test]
    fn answers_out_of_bounds_are_refused_though_the_equation_holds() {
        let mut world = toy();
        let (ciphertexts, secrets) = world.encryptions();
        let statement = world.plaintexts(&ciphertexts);
        let shape = statement.shape();
        for column in 0..4usize {
            for beyond in [false, true] {
                let mut prg = Prg::new([10; 32]);
                let mut answers: Vec<Vector> = (0..statement.rows()).map(|_| shape.mask(&mut prg)).collect();
                // The mask of one coefficient so near to the end that every answer is out of bounds, or none.
                let mask = &mut answers[2];
                match column.checked_sub(1) {
                    None => {
                        let (_, k, reach) = shape.plain;
                        let half = Wide { high: reach.high >> 1, low: reach.low >> 1 };
                        let slack = if beyond { half } else { reach.add(reach) };
                        mask.plain[5] = Wide::power_of_two(k).sub(slack).sub(Wide::from_u128(1));
                    }
                    Some(column) => {
                        let (_, k, reach) = shape.small[column];
                        let slack = if beyond { reach / 2 } else { 2 * reach };
                        mask.small[column][5] = (1 << k) - 1 - slack;
                    }
                }
                let images = answers.iter().fold(context(), |hash, mask| hash.bytes(&statement.image(mask, &[])));
                let hash = images.finish();
                for (answer, row) in answers.iter_mut().zip(challenges(&statement, &hash)) {
                    row.iter().zip(&secrets).for_each(|(&challenge, secret)| answer.add(challenge, secret));
                }
                // All others are within with probability 31/32, which this seed is.
                let mut proof = hash.to_vec();
                answers.iter().for_each(|answer| shape.encode(answer, &mut proof));
                assert_eq!(verify(&statement, &context(), &proof), !beyond, "column {column}");
            }
        }
    }

    /// The probability that an honest attempt is made again: 1 − reach/2^k for each coefficient to stay, whatever the
    /// secrets are.
    fn abort_rate<S: Statement>(statement: &S) -> f64 {
        let shape = statement.shape();
        let stays = |len: usize, k: u32, reach: f64| (1.0 - reach / 2f64.powi(k as i32)).powi(len as i32);
        let (len, k, reach) = shape.plain;
        let plain = stays(len, k, reach.high as f64 * 2f64.powi(64) + reach.low as f64);
        let small = shape.small.iter().map(|&(len, k, reach)| stays(len, k, reach as f64)).product::<f64>();
        1.0 - (plain * small).powi(statement.rows() as i32)
    }

    /// Zero knowledge with aborts: what leaves is uniform and as rarely withheld for extreme secrets as for none.
    #[test]
    fn attempts_fail_as_rarely_for_extreme_secrets_as_for_none() {
        const ATTEMPTS: usize = 4_200;
        let world = toy();
        let n = world.scheme.n();
        let statement = world.plaintexts(&[]);
        let shape = statement.shape();
        let all = |x: i64| Zeroizing::new(vec![x; n]);
        let largest = Zeroizing::new(vec![Wide::from_u128(DEFAULT_PRIME - 1); n]);
        let none = Vector { plain: Zeroizing::new(vec![Wide::default(); n]), small: vec![all(0), all(0), all(0)] };
        let extreme = Vector { plain: largest, small: vec![all(1), all(21), all(-21)] };
        let expected = abort_rate(&statement);
        assert!((1.0 / 64.0..1.0 / 16.0).contains(&expected), "{expected}");
        for secret in [none, extreme] {
            let mut prg = Prg::new([11; 32]);
            let secrets = vec![secret; COUNT];
            let accepted = (0..ATTEMPTS).filter_map(|_| attempt(&statement, &context(), &secrets, &mut prg));
            let answers: Vec<Vector> = accepted
                .map(|proof| shape.decode(&proof[HASH_BYTES..][..shape.bytes()]).expect("what was encoded"))
                .collect();
            assert_rate(ATTEMPTS - answers.len(), ATTEMPTS, expected, "aborts");
            let k = shape.plain.1;
            let wide = answers.iter().map(|answer| answer.plain[3].high as f64 / 2f64.powi(k as i32 - 63) + 0.5);
            assert_even(wide.collect(), "plaintexts of answers");
            for (column, &(_, k, _)) in shape.small.iter().enumerate() {
                let small = answers.iter().map(|answer| answer.small[column][3] as f64 / 2f64.powi(k as i32 + 1) + 0.5);
                assert_even(small.collect(), "randomness of answers");
            }
        }
    }
}
