//! The encryption of Brakerski, Gentry and Vaikuntanathan (eprint 2011/277) with plaintexts in
//! Z_p[X]/(X^N + 1), as LowGear uses it (Overdrive, eprint 2017/1230 §2.3 and §3).
//!
//! A public key is (a, b) with b = a·s + p·e; a is expanded from a public coin, never chosen by the owner, whose
//! a = 0 would show what products hide. Enc(m; u, v, w) = (b·u + p·w + m, a·u + p·v), and m is
//! [c₀ − s·c₁]_q modulo p.
//!
//! **Products.** For the ciphertext C of a key owner, the multiplier returns x·C + Enc(r) with the noise drowned
//! by p·F, F uniform in a range that [`super::params`] proves wide enough; the owner learns x·m + r and
//! nothing else of x and r. c₁ is hidden by ring learning with errors (u and v are fresh), c₀ − s·c₁ by the
//! flooding. The result is then switched to the modulus q′ of the first three limbs, which is public
//! post-processing: δ ≡ −c modulo the dropped primes and ≡ 0 modulo p, c′ = (c + δ)/q_dropped. It encrypts the
//! plaintext divided by q_dropped modulo p.
//!
//! **Decryption takes every ciphertext**: an answer that depends on the noise would be an oracle for the key.
//! Nothing here branches on a secret or uses it as an index.

use super::modulus::{Constant, Modulus};
use super::params::{Budget, FLOODING_WORDS, KEPT, Params};
use super::ring::{Coefficients, Poly, Ring, Values};
use super::sampling::{Randomness, Small, flooding};
use super::simd;
use super::slots::Slots;
use super::wide::{OFFSET, Wide};
use crate::field::{Field, Fp, PrimeField};
use crate::prg::Prg;
use crate::workers::Workers;
use zeroize::Zeroizing;

/// Makes small coefficients positive.
const SMALL_OFFSET: u32 = 48;

/// A public key, with its secret doubled: what a proof of it vouches for (see [`super::proof`]).
#[derive(Clone)]
pub(crate) struct PublicKey {
    pub a: Poly<Values>,
    pub b: Poly<Values>,
}

/// The secret of a public key, modulo q′.
pub(crate) struct SecretKey(Poly<Values>);

/// (c₀, c₁) modulo q.
#[derive(Clone)]
pub(crate) struct Ciphertext {
    pub c0: Poly<Values>,
    pub c1: Poly<Values>,
}

/// (c₀, c₁) modulo q′, and by coefficients, as it travels.
pub(crate) struct Product {
    pub c0: Poly<Coefficients>,
    pub c1: Poly<Coefficients>,
}

/// Integers as words of 50 bits, less a power of two.
struct Integers {
    words: Vec<Zeroizing<Vec<u64>>>,
    offset: Option<u32>,
}

/// What integers are multiplied by.
#[derive(Clone, Copy)]
enum Factor {
    One,
    P,
}

/// The constants of a limb.
struct LimbConstants {
    /// 2^(50·i), and p times it.
    powers: [[u64; FLOODING_WORDS]; 2],
    /// −2^OFFSET and −2^SMALL_OFFSET, and p times them.
    offsets: [[u64; 2]; 2],
}

/// The ring with everything that depends on the plaintext prime.
pub(crate) struct Scheme {
    pub ring: Ring,
    pub field: PrimeField,
    pub slots: Slots,
    pub budget: Budget,
    /// For whatever has independent parts: limbs here, factors and rows of proofs elsewhere.
    pub workers: Workers,
    limbs: Vec<LimbConstants>,
    switch: Switch,
    decoder: Decoder,
}

fn of_factor(factor: Factor) -> usize {
    factor as usize
}

impl LimbConstants {
    fn new(m: &Modulus, p: u128) -> Self {
        let p = m.of_wide(p);
        let powers: [u64; FLOODING_WORDS] = std::array::from_fn(|i| m.pow(2, 50 * i as u64));
        let offsets = [OFFSET, SMALL_OFFSET].map(|offset| m.neg(m.pow(2, offset as u64)));
        Self {
            powers: [powers, powers.map(|power| m.mul(p, power))],
            offsets: [offsets, offsets.map(|offset| m.mul(p, offset))],
        }
    }
}

impl Integers {
    fn small(values: &Small) -> Self {
        let word = values.iter().map(|&x| (x as u64).wrapping_add(1 << SMALL_OFFSET)).collect();
        Self { words: vec![Zeroizing::new(word)], offset: Some(SMALL_OFFSET) }
    }

    fn wide(values: &[Wide]) -> Self {
        let mut words = vec![Zeroizing::new(Vec::with_capacity(values.len())); 4];
        for value in values {
            words.iter_mut().zip(value.words()).for_each(|(column, word)| column.push(word));
        }
        Self { words, offset: Some(OFFSET) }
    }

    fn plain(field: &PrimeField, values: &[Fp]) -> Self {
        const MASK: u128 = (1 << 50) - 1;
        let integers = Zeroizing::new(values.iter().map(|&x| field.to_bits(x)).collect::<Vec<_>>());
        let word = |i: u32| Zeroizing::new(integers.iter().map(|x| (x >> (50 * i) & MASK) as u64).collect());
        Self { words: (0..3).map(word).collect(), offset: None }
    }
}

impl Scheme {
    /// # Panics
    /// If the field does not fit the parameters.
    pub fn new(field: PrimeField, params: &Params, primes: &[u64]) -> Self {
        let p = field.modulus();
        let budget = params.budget(p).expect("parameters are made for their field");
        let ring = Ring::new(primes, params.log_n());
        let limbs = ring.tables.iter().map(|table| LimbConstants::new(&table.modulus, p)).collect();
        let switch = Switch::new(&ring, p);
        let decoder = Decoder::new(&ring, &field);
        let (slots, workers) = (Slots::new(field, params.log_n()), Workers::default());
        Self { ring, field, slots, budget, workers, limbs, switch, decoder }
    }

    /// The same on these threads.
    pub fn on(self, workers: &Workers) -> Self {
        Self { workers: workers.clone(), ..self }
    }

    pub fn n(&self) -> usize {
        self.ring.n()
    }

    /// Σ factor·integers + extra, in one limb.
    fn fold(&self, limb: usize, parts: &[(&Integers, Factor)], extra: Option<&[u64]>, out: &mut [u64]) {
        let (m, constants) = (self.ring.modulus(limb), &self.limbs[limb]);
        let mut constant = 0;
        let mut terms: Vec<(&[u64], u64)> = Vec::with_capacity(simd::TERMS_MAX);
        for &(integers, factor) in parts {
            let factor = of_factor(factor);
            let powers = &constants.powers[factor];
            terms.extend(integers.words.iter().zip(powers).map(|(words, &power)| (words.as_slice(), power)));
            if let Some(offset) = integers.offset {
                constant = m.add(constant, constants.offsets[factor][usize::from(offset == SMALL_OFFSET)]);
            }
        }
        terms.extend(extra.map(|extra| (extra, 1)));
        assert!(terms.len() <= simd::TERMS_MAX, "sums of a proven length");
        simd::combine(m, constant, &terms, out);
    }

    /// Σ factor·integers, by values.
    fn values_of(&self, parts: &[(&Integers, Factor)]) -> Poly<Values> {
        let mut poly = self.ring.zero(self.ring.limbs());
        self.workers.map(self.ring.limbs_mut(&mut poly).enumerate(), |(limb, words)| {
            self.limb_values(limb, parts, words);
        });
        poly
    }

    /// [`Self::values_of`] in one limb.
    fn limb_values(&self, limb: usize, parts: &[(&Integers, Factor)], out: &mut [u64]) {
        self.fold(limb, parts, None, out);
        self.ring.tables[limb].forward(out);
    }

    /// Zeroed scratch space of one limb.
    fn scratch(&self) -> Zeroizing<Vec<u64>> {
        Zeroizing::new(vec![0; self.n()])
    }

    /// Makes two polynomials limb by limb, beside the values of `u` in that limb.
    fn with_randomness<Form>(
        &self,
        u: &Integers,
        make: impl Fn(usize, &mut [u64], [&mut [u64]; 2]) + Sync,
    ) -> [Poly<Form>; 2] {
        let mut polys = [0; 2].map(|_| self.ring.zero(self.ring.limbs()));
        let [first, second] = &mut polys;
        let limbs = self.ring.limbs_mut(first).zip(self.ring.limbs_mut(second)).enumerate();
        self.workers.map_with(
            limbs,
            || self.scratch(),
            |u_values, (limb, (first, second))| {
                self.limb_values(limb, &[(u, Factor::One)], u_values);
                make(limb, u_values, [first, second]);
            },
        );
        polys
    }

    /// The plaintext polynomial of a vector of slots, as coefficients.
    pub fn coefficients_of(&self, slots: &[Fp]) -> Zeroizing<Vec<Fp>> {
        let mut coefficients = Zeroizing::new(slots.to_vec());
        self.slots.to_coefficients(&mut coefficients);
        coefficients
    }

    /// The residues of a plaintext polynomial, to multiply ciphertexts by it.
    pub fn plaintext(&self, coefficients: &[Fp]) -> Poly<Values> {
        self.values_of(&[(&Integers::plain(&self.field, coefficients), Factor::One)])
    }

    /// A key pair with public `a`: the public key for the doubled secret, and b before doubling with s and e.
    pub fn key_pair(&self, a: &Poly<Values>, prg: &mut Prg) -> (SecretKey, Poly<Values>, Randomness) {
        let secret = Randomness::sample(prg, self.n());
        let b = self.key_image(a, &secret.u, &secret.v);
        let mut s = self.ring.zero(KEPT);
        for limb in 0..KEPT {
            let integers = Integers::small(&secret.u);
            self.fold(limb, &[(&integers, Factor::One)], None, self.ring.limb_mut(&mut s, limb));
        }
        let mut s = self.ring.values(s);
        self.ring.scale(&mut s, 2);
        (SecretKey(s), b, secret)
    }

    /// a·s + p·e.
    pub fn key_image(&self, a: &Poly<Values>, s: &Small, e: &Small) -> Poly<Values> {
        let mut b = self.ring.zero(self.ring.limbs());
        self.each_limb_of_key(a, s, e, |limb, words| self.ring.limb_mut(&mut b, limb).copy_from_slice(words));
        b
    }

    /// a·s + p·e limb after limb, by values.
    pub fn each_limb_of_key(&self, a: &Poly<Values>, s: &Small, e: &Small, mut take: impl FnMut(usize, &mut [u64])) {
        let [s, e] = [s, e].map(Integers::small);
        let [mut s_values, mut b] = [(); 2].map(|()| self.scratch());
        for limb in 0..self.ring.limbs() {
            self.limb_values(limb, &[(&s, Factor::One)], &mut s_values);
            self.limb_values(limb, &[(&e, Factor::P)], &mut b);
            simd::multiply_add(self.ring.modulus(limb), &mut b, &s_values, self.ring.limb(a, limb));
            take(limb, &mut b);
        }
    }

    /// The public key of a proved b.
    pub fn public_key(&self, a: Poly<Values>, mut b: Poly<Values>) -> PublicKey {
        self.ring.scale(&mut b, 2);
        PublicKey { a, b }
    }

    /// Enc(m; u, v, w) for any integers within the bounds of a proof, limb after limb, by values.
    pub fn each_limb_of_encryption(
        &self,
        key: &PublicKey,
        m: &[Wide],
        [u, v, w]: [&Small; 3],
        mut take: impl FnMut(usize, [&mut [u64]; 2]),
    ) {
        let ([u, v, w], m) = ([u, v, w].map(Integers::small), Integers::wide(m));
        let [mut u_values, mut c0, mut c1] = [(); 3].map(|()| self.scratch());
        for limb in 0..self.ring.limbs() {
            self.limb_values(limb, &[(&u, Factor::One)], &mut u_values);
            self.encrypt_limb(limb, key, &u_values, [&m, &v, &w], [&mut c0, &mut c1]);
            take(limb, [&mut c0, &mut c1]);
        }
    }

    /// Enc(m; u, v, w) for a plaintext by coefficients.
    pub fn encrypt(&self, key: &PublicKey, m: &[Fp], randomness: &Randomness) -> Ciphertext {
        let [u, v, w] = [&randomness.u, &randomness.v, &randomness.w].map(Integers::small);
        let m = Integers::plain(&self.field, m);
        let [c0, c1] = self.with_randomness(&u, |limb, u, c| self.encrypt_limb(limb, key, u, [&m, &v, &w], c));
        Ciphertext { c0, c1 }
    }

    /// Both parts of an encryption in one limb, of the values of u there.
    fn encrypt_limb(
        &self,
        limb: usize,
        key: &PublicKey,
        u: &[u64],
        [m, v, w]: [&Integers; 3],
        [c0, c1]: [&mut [u64]; 2],
    ) {
        let modulus = self.ring.modulus(limb);
        self.limb_values(limb, &[(w, Factor::P), (m, Factor::One)], c0);
        simd::multiply_add(modulus, c0, u, self.ring.limb(&key.b, limb));
        self.limb_values(limb, &[(v, Factor::P)], c1);
        simd::multiply_add(modulus, c1, u, self.ring.limb(&key.a, limb));
    }

    pub fn scale(&self, ciphertext: &mut Ciphertext, factor: u64) {
        self.ring.scale(&mut ciphertext.c0, factor);
        self.ring.scale(&mut ciphertext.c1, factor);
    }

    /// x·C + Enc(r), drowned and switched: what `key`'s owner gets for its ciphertext C.
    pub fn product(&self, key: &PublicKey, x: &Poly<Values>, c: &Ciphertext, r: &[Fp], prg: &mut Prg) -> Product {
        let n = self.n();
        let randomness = Randomness::sample(prg, n);
        let [u, v, w] = [&randomness.u, &randomness.v, &randomness.w].map(Integers::small);
        let flood = Integers { words: flooding(prg, n, self.budget.flooding), offset: None };
        let r = Integers::plain(&self.field, r);
        let [mut first, mut second] = self.with_randomness(&u, |limb, u, [first, second]| {
            let table = &self.ring.tables[limb];
            let [x, c0, c1, a, b] = [x, &c.c0, &c.c1, &key.a, &key.b].map(|poly| self.ring.limb(poly, limb));
            // The place of the second part is scratch space for the first.
            second.copy_from_slice(x);
            simd::multiply(&table.modulus, second, c0);
            simd::multiply_add(&table.modulus, second, u, b);
            table.inverse(second);
            self.fold(limb, &[(&w, Factor::P), (&flood, Factor::P), (&r, Factor::One)], Some(second), first);
            simd::multiply(&table.modulus, u, a);
            simd::multiply_add(&table.modulus, u, x, c1);
            table.inverse(u);
            self.fold(limb, &[(&v, Factor::P)], Some(u), second);
        });
        Product { c0: self.switch.apply(&self.ring, &mut first), c1: self.switch.apply(&self.ring, &mut second) }
    }

    /// The plaintext of a product by coefficients, whatever the product is.
    pub fn decrypt(&self, key: &SecretKey, product: Product) -> Zeroizing<Vec<Fp>> {
        let mut s_c1 = self.ring.values(product.c1);
        self.ring.multiply(&mut s_c1, &key.0);
        let s_c1 = self.ring.coefficients(s_c1);
        let mut message = product.c0;
        for limb in 0..KEPT {
            let m = self.ring.modulus(limb);
            let message = self.ring.limb_mut(&mut message, limb);
            message.iter_mut().zip(self.ring.limb(&s_c1, limb)).for_each(|(x, &y)| *x = m.sub(*x, y));
        }
        self.decoder.decode(&self.ring, &self.field, message)
    }

    /// Appends both parts, packed.
    pub fn encode(&self, c: &Ciphertext, out: &mut Vec<u8>) {
        self.ring.encode(&c.c0, out);
        self.ring.encode(&c.c1, out);
    }

    pub fn ciphertext_bytes(&self) -> usize {
        2 * self.ring.encoded_bytes(self.ring.limbs())
    }

    /// Strict.
    pub fn decode(&self, bytes: &[u8]) -> Option<Ciphertext> {
        let (c0, c1) = bytes.split_at_checked(bytes.len() / 2)?;
        let limbs = self.ring.limbs();
        Some(Ciphertext { c0: self.ring.decode(c0, limbs)?, c1: self.ring.decode(c1, limbs)? })
    }

    pub fn encode_product(&self, product: &Product, out: &mut Vec<u8>) {
        self.ring.encode(&product.c0, out);
        self.ring.encode(&product.c1, out);
    }

    pub fn product_bytes(&self) -> usize {
        2 * self.ring.encoded_bytes(KEPT)
    }

    /// Strict.
    pub fn decode_product(&self, bytes: &[u8]) -> Option<Product> {
        let (c0, c1) = bytes.split_at_checked(bytes.len() / 2)?;
        Some(Product { c0: self.ring.decode(c0, KEPT)?, c1: self.ring.decode(c1, KEPT)? })
    }
}

/// From q to q′ = the first limbs: with y_l = [−c·p⁻¹·(q_dropped/q_l)⁻¹] modulo q_l for every dropped limb l,
/// δ = p·Σ y_l·q_dropped/q_l, so c′ = c/q_dropped + Σ y_l·p/q_l modulo every kept prime.
struct Switch {
    /// −p⁻¹·(q_dropped/q_l)⁻¹ of every dropped limb.
    digits: Vec<Constant>,
    /// 1/q_dropped and, by dropped limb, p/q_l, of every kept limb.
    kept: Vec<(u64, Vec<u64>)>,
}

impl Switch {
    fn new(ring: &Ring, p: u128) -> Self {
        let primes: Vec<u64> = ring.tables.iter().map(|table| table.modulus.q).collect();
        let dropped = &primes[KEPT..];
        let digit = |l: usize| {
            let m = ring.modulus(KEPT + l);
            let others = dropped.iter().enumerate().filter(|(k, _)| *k != l).map(|(_, &q)| q % m.q);
            let product = others.fold(m.of_wide(p), |product, q| m.mul(product, q));
            m.constant(m.neg(m.inv(product)))
        };
        let kept = |k: usize| {
            let m = ring.modulus(k);
            let inverse = |q: u64| m.inv(q % m.q);
            let all = dropped.iter().fold(1, |product, &q| m.mul(product, inverse(q)));
            (all, dropped.iter().map(|&q| m.mul(m.of_wide(p), inverse(q))).collect())
        };
        Self { digits: (0..dropped.len()).map(digit).collect(), kept: (0..KEPT).map(kept).collect() }
    }

    fn apply(&self, ring: &Ring, c: &mut Poly<Coefficients>) -> Poly<Coefficients> {
        let mut digit = Zeroizing::new(vec![0; ring.n()]);
        for (l, &constant) in self.digits.iter().enumerate() {
            let limb = ring.limb_mut(c, KEPT + l);
            simd::scaled(ring.modulus(KEPT + l), limb, constant, &mut digit);
            limb.copy_from_slice(&digit);
        }
        let mut switched = ring.zero(KEPT);
        for (k, (inverse, factors)) in self.kept.iter().enumerate() {
            let m = ring.modulus(k);
            let digits = (KEPT..ring.limbs()).map(|l| ring.limb(c, l)).zip(factors.iter().copied());
            let terms: Vec<(&[u64], u64)> = std::iter::once((ring.limb(c, k), *inverse)).chain(digits).collect();
            simd::combine(m, 0, &terms, ring.limb_mut(&mut switched, k));
        }
        switched
    }
}

/// From residues modulo q′ to the centred integer modulo p (Garner).
struct Decoder {
    /// q₀⁻¹ modulo q₁; (q₀·q₁)⁻¹ modulo q₂ and q₀ modulo q₂.
    inverse: [Constant; 2],
    q0_in_2: Constant,
    /// ⌊q′/2⌋ in base (q₀, q₁).
    half: [u64; 3],
    /// q₀, q₀·q₁ and q′ modulo p, times q_dropped as everything decoded is.
    weights: [Fp; 3],
    scale: Fp,
}

impl Decoder {
    fn new(ring: &Ring, field: &PrimeField) -> Self {
        let [m0, m1, m2] = std::array::from_fn(|k| *ring.modulus(k));
        let product = |primes: &mut dyn Iterator<Item = u64>| {
            primes.fold(field.one(), |product, q| field.mul(product, field.element(q as u128)))
        };
        let dropped = product(&mut ring.tables[KEPT..].iter().map(|table| table.modulus.q));
        let weight = |k: usize| field.mul(dropped, product(&mut ring.tables[..k].iter().map(|table| table.modulus.q)));
        // (q′ − 1)/2 has every mixed-radix digit at (q_k − 1)/2.
        Self {
            inverse: [m1.constant(m1.inv(m0.q % m1.q)), m2.constant(m2.inv(m2.mul(m0.q % m2.q, m1.q % m2.q)))],
            q0_in_2: m2.constant(m0.q % m2.q),
            half: [m0, m1, m2].map(|m| (m.q - 1) / 2),
            weights: [weight(1), weight(2), weight(3)],
            scale: dropped,
        }
    }

    fn decode(&self, ring: &Ring, field: &PrimeField, message: Poly<Coefficients>) -> Zeroizing<Vec<Fp>> {
        let [m1, m2] = std::array::from_fn(|k| *ring.modulus(k + 1));
        let [x0, x1, x2] = std::array::from_fn(|k| ring.limb(&message, k));
        let coefficient = |j: usize| {
            let d0 = x0[j];
            let d1 = m1.mul_constant(m1.sub(x1[j], reduce_once(d0, m1.q)), self.inverse[0]);
            let low = m2.add(reduce_once(d0, m2.q), m2.mul_constant(d1, self.q0_in_2));
            let d2 = m2.mul_constant(m2.sub(x2[j], low), self.inverse[1]);
            let negative = is_above([d0, d1, d2], self.half);
            // d₀·1 + d₁·q₀ + d₂·q₀·q₁ − negative·q′
            let digit = |digit: u64| field.element(digit as u128);
            let sum = field.add(field.mul(digit(d0), self.scale), field.mul(digit(d1), self.weights[0]));
            let sum = field.add(sum, field.mul(digit(d2), self.weights[1]));
            field.sub(sum, field.mul(digit(negative), self.weights[2]))
        };
        Zeroizing::new((0..ring.n()).map(coefficient).collect())
    }
}

/// x modulo q for a residue of a neighbouring prime: both have 50 bits.
#[inline(always)]
fn reduce_once(x: u64, q: u64) -> u64 {
    super::modulus::subtract_once(x, q)
}

/// 1 if x > y as mixed-radix numbers, least significant digit first, else 0; digits below 2^63.
#[inline(always)]
fn is_above(x: [u64; 3], y: [u64; 3]) -> u64 {
    let borrow = |x: u64, y: u64, borrow: u64| y.wrapping_sub(x).wrapping_sub(borrow) >> 63;
    borrow(x[2], y[2], borrow(x[1], y[1], borrow(x[0], y[0], 0)))
}

/// Encryption and decryption, for [`crate::timing`], and a decryption that skips what is zero.
#[cfg(any(test, feature = "timing"))]
pub(super) fn timing() -> Vec<crate::timing::Probe> {
    use super::params::PRIMES;
    use crate::port::Rng;
    use crate::timing::{Class, Probe};
    use rand_core::Rng as _;
    use std::hint::black_box;
    use std::rc::Rc;

    let scheme = Rc::new(Scheme::new(PrimeField::carbyne(), &Params::toy(8, 1), &PRIMES));
    let prg = |rng: &mut Rng| {
        let mut seed = [0; 32];
        rng.fill_bytes(&mut seed);
        Prg::new(seed)
    };
    let a = scheme.ring.public_uniform(&mut Prg::new([1; 32]));
    let (_, b, _) = scheme.key_pair(&a, &mut Prg::new([2; 32]));
    let key = Rc::new(scheme.public_key(a.clone(), b));

    let for_product = Rc::clone(&scheme);
    let product = move |rng: &mut Rng, class| {
        let (scheme, mut prg) = (&for_product, prg(rng));
        let (secret, ..) = scheme.key_pair(&a, &mut prg);
        let [c0, c1] = [0; 2].map(|_| {
            let mut all = scheme.ring.coefficients(scheme.ring.public_uniform(&mut prg));
            let mut kept = scheme.switch.apply(&scheme.ring, &mut all);
            if class == Class::Fixed {
                (0..KEPT).for_each(|limb| scheme.ring.limb_mut(&mut kept, limb).fill(0));
            }
            kept
        });
        (secret, Some(Product { c0, c1 }))
    };
    let product = Rc::new(product);
    let for_twin = Rc::clone(&product);
    let secret = {
        let (scheme, product) = (Rc::clone(&scheme), Rc::clone(&product));
        move |rng: &mut Rng, class| {
            let (mut secret, product) = product(rng, Class::Random);
            if class == Class::Fixed {
                (0..KEPT).for_each(|limb| scheme.ring.limb_mut(&mut secret.0, limb).fill(0));
            }
            (secret, product)
        }
    };
    let plaintext = {
        let scheme = Rc::clone(&scheme);
        move |rng: &mut Rng, class| {
            let f = scheme.field;
            let m = if class == Class::Fixed { vec![f.zero(); scheme.n()] } else { f.random_vec(rng, scheme.n()) };
            (m, Randomness::sample(&mut prg(rng), scheme.n()))
        }
    };
    let [first, second, third, fourth] = std::array::from_fn(|_| Rc::clone(&scheme));
    vec![
        Probe::new("LowGear: encryption of a plaintext", plaintext, move |(m, randomness)| {
            first.encrypt(&key, m, randomness)
        })
        .slow(),
        Probe::new("LowGear: decryption with a key", secret, move |(key, product)| {
            product.take().map(|product| second.decrypt(key, product))
        }),
        Probe::new(
            "LowGear: decryption of a product",
            move |rng, class| product(rng, class),
            move |(key, product)| product.take().map(|product| third.decrypt(key, product)),
        ),
        Probe::new(
            "twin: decryption with a branch",
            move |rng, class| for_twin(rng, class),
            move |(_, product)| {
                let product = product.take()?;
                let words = fourth.ring.limb(&product.c0, 0);
                Some(words.iter().filter(|&&x| black_box(x) != 0).map(|&x| fourth.ring.modulus(0).inv(x)).sum::<u64>())
            },
        )
        .leaking(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::prime::DEFAULT_PRIME;
    use crate::lowgear::params::PRIMES;
    use crate::port::Rng;
    use crate::statistics::assert_even;
    use rand_core::SeedableRng;

    fn scheme(p: u128, params: &Params) -> Scheme {
        Scheme::new(PrimeField::new(p).expect("a prime"), params, &PRIMES)
    }

    struct World {
        scheme: Scheme,
        public: PublicKey,
        secret: SecretKey,
        prg: Prg,
        rng: Rng,
    }

    fn world(p: u128, params: &Params) -> World {
        let scheme = scheme(p, params);
        let mut prg = Prg::new([1; 32]);
        let a = scheme.ring.public_uniform(&mut prg);
        let (secret, b, _) = scheme.key_pair(&a, &mut prg);
        let public = scheme.public_key(a, b);
        World { scheme, public, secret, prg, rng: Rng::seed_from_u64(2) }
    }

    /// x·m + r by slots, from a product over the wire.
    fn multiplied(world: &mut World, x: &[Fp], c: &Ciphertext, r: &[Fp]) -> Vec<Fp> {
        let World { scheme, public, secret, prg, .. } = world;
        let x = scheme.plaintext(&scheme.coefficients_of(x));
        let product = scheme.product(public, &x, c, r, prg);
        let mut bytes = Vec::new();
        scheme.encode_product(&product, &mut bytes);
        assert_eq!(bytes.len(), scheme.product_bytes());
        let mut slots = scheme.decrypt(secret, scheme.decode_product(&bytes).expect("canonical")).to_vec();
        scheme.slots.to_slots(&mut slots);
        slots
    }

    fn products_decrypt(p: u128, params: &Params) {
        let mut world = world(p, params);
        let (f, n) = (world.scheme.field, world.scheme.n());
        let [x, m, mut r] = [0; 3].map(|_| f.random_vec(&mut world.rng, n));
        let randomness = Randomness::sample(&mut world.prg, n);
        let mut c = world.scheme.encrypt(&world.public, &world.scheme.coefficients_of(&m), &randomness);
        let mut bytes = Vec::new();
        world.scheme.encode(&c, &mut bytes);
        assert_eq!(bytes.len(), world.scheme.ciphertext_bytes());
        c = world.scheme.decode(&bytes).expect("canonical");
        world.scheme.scale(&mut c, 2);
        let slots = multiplied(&mut world, &x, &c, &r);
        world.scheme.slots.to_slots(&mut r);
        for k in 0..n {
            let expected = f.add(f.mul(f.add(m[k], m[k]), x[k]), r[k]);
            assert!(slots[k] == expected, "slot {k}");
        }
    }

    #[test]
    fn a_product_decrypts_to_the_product_and_the_mask() {
        products_decrypt(DEFAULT_PRIME, &Params::toy(5, 1));
        products_decrypt(257, &Params::toy(7, 1));
        products_decrypt(DEFAULT_PRIME, &Params::for_prime(DEFAULT_PRIME, 64).unwrap());
    }

    /// The ends of all ranges at once still decrypt: the noise budget has room for them.
    #[test]
    fn extreme_ciphertexts_decrypt() {
        let mut world = world(DEFAULT_PRIME, &Params::for_prime(DEFAULT_PRIME, 64).unwrap());
        let (f, n) = (world.scheme.field, world.scheme.n());
        let all = |x: i64| Zeroizing::new(vec![x; n]);
        let randomness = Randomness { u: all(1), v: all(21), w: all(-21) };
        let largest = vec![f.neg(f.one()); n];
        let mut c = world.scheme.encrypt(&world.public, &largest, &randomness);
        world.scheme.scale(&mut c, 420);
        let x = world.scheme.plaintext(&largest);
        let World { scheme, public, secret, prg, .. } = &mut world;
        let product = scheme.product(public, &x, &c, &largest, prg);
        let found = scheme.decrypt(secret, product);
        // Coefficient k of (Σ −X^i)² is Σ ±1: k + 1 − (N − 1 − k).
        for (k, &found) in found.iter().enumerate() {
            let square = f.from_i64(2 * k as i64 + 2 - n as i64);
            assert!(found == f.sub(f.mul(f.element(420), square), f.one()), "coefficient {k}");
        }
    }

    #[test]
    fn any_product_is_decrypted() {
        let world = world(DEFAULT_PRIME, &Params::toy(4, 1));
        let mut prg = Prg::new([8; 32]);
        for _ in 0..100 {
            let [c0, c1] = [0; 2].map(|_| {
                let mut c = world.scheme.ring.coefficients(world.scheme.ring.public_uniform(&mut prg));
                world.scheme.switch.apply(&world.scheme.ring, &mut c)
            });
            assert_eq!(world.scheme.decrypt(&world.secret, Product { c0, c1 }).len(), 16);
        }
    }

    /// A secret of zeros or of one coefficient, which a proof of a short key cannot rule out, hurts its owner only:
    /// its products decrypt, and a, which is not its choice, hides what others put into them.
    #[test]
    fn a_sparse_secret_gives_nothing_away_but_its_owners_values() {
        let mut world = world(DEFAULT_PRIME, &Params::toy(4, 1));
        let (n, f) = (world.scheme.n(), world.scheme.field);
        for ones in 0..2 {
            let a = world.public.a.clone();
            let s: Small = Zeroizing::new((0..n).map(|k| i64::from(k < ones)).collect());
            let e = Randomness::sample(&mut world.prg, n).v;
            let b = world.scheme.key_image(&a, &s, &e);
            let mut doubled = world.scheme.values_of(&[(&Integers::small(&s), Factor::One)]);
            world.scheme.ring.scale(&mut doubled, 2);
            let mut secret = world.scheme.ring.zero(KEPT);
            let by_coefficients = world.scheme.ring.coefficients(doubled);
            (0..KEPT).for_each(|limb| {
                let limb_of = world.scheme.ring.limb(&by_coefficients, limb);
                world.scheme.ring.limb_mut(&mut secret, limb).copy_from_slice(limb_of);
            });
            world.secret = SecretKey(world.scheme.ring.values(secret));
            world.public = world.scheme.public_key(a, b);

            let [x, m, r] = [0; 3].map(|_| f.random_vec(&mut world.rng, n));
            let randomness = Randomness::sample(&mut world.prg, n);
            let c = world.scheme.encrypt(&world.public, &world.scheme.coefficients_of(&m), &randomness);
            let mut r_slots = r.clone();
            world.scheme.slots.to_slots(&mut r_slots);
            let found = multiplied(&mut world, &x, &c, &r);
            assert!((0..n).all(|k| found[k] == f.add(f.mul(x[k], m[k]), r_slots[k])));

            let factor = world.scheme.plaintext(&world.scheme.coefficients_of(&x));
            let [first, second] = [0; 2].map(|_| world.scheme.product(&world.public, &factor, &c, &r, &mut world.prg));
            for limb in 0..KEPT {
                let [x, y] = [&first, &second].map(|product| world.scheme.ring.limb(&product.c1, limb));
                assert!(x.iter().zip(y).all(|(x, y)| x != y), "the same product looks different in every coefficient");
            }
        }
    }

    /// What the owner of a ciphertext sees beyond x·m + r is p·F before the switch: uniform in its range for every x.
    #[test]
    fn the_noise_of_a_product_is_flat_whatever_the_factor_is() {
        let mut world = world(DEFAULT_PRIME, &Params::toy(8, 1));
        let (f, n) = (world.scheme.field, world.scheme.n());
        let m = f.random_vec(&mut world.rng, n);
        let randomness = Randomness::sample(&mut world.prg, n);
        let c = world.scheme.encrypt(&world.public, &world.scheme.coefficients_of(&m), &randomness);
        let log_p = (DEFAULT_PRIME as f64).log2();
        let log_q: f64 = PRIMES.iter().map(|&q| (q as f64).log2()).sum();
        // p·2^k of q.
        let range = 2f64.powf(log_p + world.scheme.budget.flooding as f64 - log_q);
        for x in [f.zero(), f.one(), f.neg(f.one())] {
            let x = world.scheme.plaintext(&vec![x; n]);
            let mut fractions = Vec::new();
            for _ in 0..16 {
                let r = f.random_vec(&mut world.rng, n);
                let World { scheme, public, secret, prg, .. } = &mut world;
                let Product { c0, c1 } = scheme.product(public, &x, &c, &r, prg);
                fractions.extend(fractions_of_q(scheme, secret, c0, c1));
            }
            assert!(fractions.iter().all(|fraction| (0.0..1.001).contains(&(fraction / range))));
            assert_even(fractions.iter().map(|fraction| fraction / range).collect(), "noise");
        }
    }

    /// c₀ − s·c₁ as a fraction of q′, by mixed-radix digits.
    fn fractions_of_q(scheme: &Scheme, key: &SecretKey, c0: Poly<Coefficients>, c1: Poly<Coefficients>) -> Vec<f64> {
        let mut s_c1 = scheme.ring.values(c1);
        scheme.ring.multiply(&mut s_c1, &key.0);
        let s_c1 = scheme.ring.coefficients(s_c1);
        let [m0, m1, m2] = std::array::from_fn(|k| *scheme.ring.modulus(k));
        let decoder = &scheme.decoder;
        let fraction = |j: usize| {
            let difference = |m: &Modulus, k: usize| m.sub(scheme.ring.limb(&c0, k)[j], scheme.ring.limb(&s_c1, k)[j]);
            let [x0, x1, x2] = [difference(&m0, 0), difference(&m1, 1), difference(&m2, 2)];
            let d1 = m1.mul_constant(m1.sub(x1, reduce_once(x0, m1.q)), decoder.inverse[0]);
            let low = m2.add(reduce_once(x0, m2.q), m2.mul_constant(d1, decoder.q0_in_2));
            let d2 = m2.mul_constant(m2.sub(x2, low), decoder.inverse[1]);
            (d2 as f64 + (d1 as f64 + x0 as f64 / m0.q as f64) / m1.q as f64) / m2.q as f64
        };
        (0..scheme.n()).map(fraction).collect()
    }

    /// Values around 0 and around half of q′, where the sign changes.
    #[test]
    fn decoding_centres() {
        let scheme = scheme(DEFAULT_PRIME, &Params::toy(3, 1));
        let f = scheme.field;
        let (q0, q1, q2) = (PRIMES[0] as u128, PRIMES[1] as u128, PRIMES[2] as u128);
        // x = low + top·2^64 in three words, by residues.
        let mut message: Poly<Coefficients> = scheme.ring.zero(KEPT);
        let half = |q: u128| (q - 1) / 2;
        let cases: [[u128; 3]; 8] = [
            [0, 0, 0],
            [1, 1, 1],
            [q0 - 1, q1 - 1, q2 - 1],
            [q0 - 5, q1 - 5, q2 - 5],
            // −1/2 and 1/2 modulo q′: half of q′, rounded down and up.
            [half(q0), half(q1), half(q2)],
            [half(q0) + 1, half(q1) + 1, half(q2) + 1],
            [7, 7, 7],
            [0, 0, 0],
        ];
        for (j, case) in cases.iter().enumerate() {
            (0..KEPT).for_each(|k| scheme.ring.limb_mut(&mut message, k)[j] = case[k] as u64);
        }
        let scale = scheme.decoder.scale;
        let found: Vec<Fp> =
            scheme.decoder.decode(&scheme.ring, &f, message).iter().map(|&x| f.mul(x, f.inv(scale))).collect();
        let q = f.mul(f.mul(f.element(q0), f.element(q1)), f.element(q2));
        let two = f.inv(f.element(2));
        let rounded_down = f.mul(f.sub(q, f.one()), two);
        let expected = [
            f.zero(),
            f.one(),
            f.neg(f.one()),
            f.from_i64(-5),
            rounded_down,
            f.neg(rounded_down),
            f.element(7),
            f.zero(),
        ];
        assert!(found == expected);
    }
}
