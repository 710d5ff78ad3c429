//! Finite fields that shares live in.
//!
//! A [`Field`] is a value (the modulus is known at run time only), its elements are plain data.
//! One node serves clouds over different primes at once, so no modulus hides in a type.

use rand_core::CryptoRng;
use zeroize::Zeroize;

pub mod binary;
pub mod prime;
mod roots;
mod simd;

pub use binary::{BinaryField, Gf2n};
pub use prime::{Fp, PrimeField};
pub use roots::SquareRoots;
#[cfg(target_arch = "x86_64")]
pub(crate) use simd::transpose_quadwords;

/// Bytes of an encoded element, whatever the field.
pub const ELEMENT_BYTES: usize = 16;

/// A field of at most 128 bits. All operations run in time independent of the element values,
/// unless their name ends in `_public`.
pub trait Field: Clone + Send + Sync + Unpin + 'static {
    /// An element; only meaningful together with the field that made it.
    type Element: Copy + Default + Eq + Send + Sync + Unpin + Zeroize + 'static;

    /// Bits of the largest element, `f` in the papers.
    fn bits(&self) -> u32;
    /// 32 bytes that name the field, for session binding.
    fn id(&self) -> [u8; 32];

    fn zero(&self) -> Self::Element {
        Self::Element::default()
    }
    fn one(&self) -> Self::Element;
    fn add(&self, a: Self::Element, b: Self::Element) -> Self::Element;
    fn sub(&self, a: Self::Element, b: Self::Element) -> Self::Element;
    fn neg(&self, a: Self::Element) -> Self::Element;
    fn mul(&self, a: Self::Element, b: Self::Element) -> Self::Element;
    /// The inverse; zero for zero.
    fn inv(&self, a: Self::Element) -> Self::Element;
    /// 256 uniform bits to an element; the bias is at most 2^-128.
    fn reduce_wide(&self, limbs: [u64; 4]) -> Self::Element;
    /// The element with the digit value 2^h (prime field) or X^h (binary field).
    fn weight(&self, h: u32) -> Self::Element;
    /// The canonical bits of an element, least significant first, as an integer.
    fn to_bits(&self, a: Self::Element) -> u128;
    /// The element with these canonical bits; `None` if they name none.
    fn from_bits(&self, bits: u128) -> Option<Self::Element>;

    fn sum<I: IntoIterator<Item = Self::Element>>(&self, terms: I) -> Self::Element {
        terms.into_iter().fold(self.zero(), |sum, x| self.add(sum, x))
    }

    /// Σ aᵢ·bᵢ over the shorter of the two.
    fn dot(&self, a: &[Self::Element], b: &[Self::Element]) -> Self::Element {
        self.sum(a.iter().zip(b).map(|(&x, &y)| self.mul(x, y)))
    }

    /// Σ wᵢ·xᵢ for coefficients that are words: a fixed map, under which an element has at most ⌈2^128/|F|⌉ of all words,
    /// takes them to elements. So for uniform w, x ≠ 0 and any t, w·x = t has probability below 2/|F|.
    fn combine(&self, words: &[u128], elements: &[Self::Element]) -> Self::Element;

    /// sumᵢ + aᵢ·bᵢ + cᵢ·dᵢ in place, for slices of one length.
    fn add_products(&self, sums: &mut [Self::Element], ab: [&[Self::Element]; 2], cd: [&[Self::Element]; 2]) {
        for (i, sum) in sums.iter_mut().enumerate() {
            let products = self.add(self.mul(ab[0][i], ab[1][i]), self.mul(cd[0][i], cd[1][i]));
            *sum = self.add(*sum, products);
        }
    }

    /// outᵢ := aᵢ·bᵢ, for slices of one length.
    fn multiply_all(&self, out: &mut [Self::Element], a: &[Self::Element], b: &[Self::Element]) {
        for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
            *out = self.mul(a, b);
        }
    }

    /// outᵢ := aᵢ·b, for slices of one length.
    fn scale_all(&self, out: &mut [Self::Element], a: &[Self::Element], b: Self::Element) {
        for (out, &a) in out.iter_mut().zip(a) {
            *out = self.mul(a, b);
        }
    }

    /// A vector of zeros.
    fn zeros(&self, len: usize) -> Vec<Self::Element> {
        vec![self.zero(); len]
    }

    /// Appends aᵢ − bᵢ, for slices of one length.
    fn extend_differences(&self, a: &[Self::Element], b: &[Self::Element], out: &mut Vec<Self::Element>) {
        out.extend(a.iter().zip(b).map(|(&a, &b)| self.sub(a, b)));
    }

    /// The representation in memory, for bulk messages: one to one like [`Self::to_bits`], and cheaper.
    fn to_raw(&self, a: Self::Element) -> u128 {
        self.to_bits(a)
    }

    /// Strict inverse of [`Self::to_raw`].
    fn from_raw(&self, raw: u128) -> Option<Self::Element> {
        self.from_bits(raw)
    }

    /// Appends the raw representations, little endian.
    fn encode_raw_all(&self, elements: &[Self::Element], out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + elements.len() * ELEMENT_BYTES, 0);
        let places = out[start..].as_chunks_mut::<ELEMENT_BYTES>().0;
        for (place, &x) in places.iter_mut().zip(elements) {
            *place = self.to_raw(x).to_le_bytes();
        }
    }

    /// Adds to each sum the element whose raw representation stands in `bytes`. False if they are not as many or one
    /// of them is not canonical; the sums mean nothing then.
    fn add_raw_all(&self, sums: &mut [Self::Element], bytes: &[u8]) -> bool {
        let (places, rest) = bytes.as_chunks::<ELEMENT_BYTES>();
        let mut good = rest.is_empty() & (places.len() == sums.len());
        for (sum, place) in sums.iter_mut().zip(places) {
            let element = self.from_raw(u128::from_le_bytes(*place));
            good &= element.is_some();
            *sum = self.add(*sum, element.unwrap_or_default());
        }
        good
    }

    /// A uniform element.
    fn random<R: CryptoRng + ?Sized>(&self, rng: &mut R) -> Self::Element {
        self.reduce_wide([rng.next_u64(), rng.next_u64(), rng.next_u64(), rng.next_u64()])
    }

    fn random_vec<R: CryptoRng + ?Sized>(&self, rng: &mut R, len: usize) -> Vec<Self::Element> {
        (0..len).map(|_| self.random(rng)).collect()
    }

    /// Canonical little-endian encoding.
    fn to_bytes(&self, a: Self::Element) -> [u8; ELEMENT_BYTES] {
        self.to_bits(a).to_le_bytes()
    }

    /// Strict: anything but a canonical encoding is `None`.
    fn from_bytes(&self, bytes: [u8; ELEMENT_BYTES]) -> Option<Self::Element> {
        self.from_bits(u128::from_le_bytes(bytes))
    }

    /// Appends the canonical encodings.
    fn encode(&self, elements: &[Self::Element], out: &mut Vec<u8>) {
        out.reserve(elements.len() * ELEMENT_BYTES);
        for &x in elements {
            out.extend_from_slice(&self.to_bytes(x));
        }
    }

    /// Decodes exactly `bytes`; `None` if the length is no multiple or an element not canonical.
    fn decode(&self, bytes: &[u8]) -> Option<Vec<Self::Element>> {
        let (chunks, rest) = bytes.as_chunks::<ELEMENT_BYTES>();
        if !rest.is_empty() {
            return None;
        }
        chunks.iter().map(|chunk| self.from_bytes(*chunk)).collect()
    }
}
