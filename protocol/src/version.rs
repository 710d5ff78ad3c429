//! What must be equal at all members of a session: wire version, field, security parameters.
//!
//! The hash of [`SecurityParameters`] goes into the hello and so into the session id: two nodes that differ in any of
//! them do not compute together, and there is no fallback to a weaker setting.

use std::fmt;
use std::str::FromStr;

use polyyne_engine::field::prime::{CARBYNE_PRIME, DEFAULT_PRIME};
use polyyne_engine::field::{Field as _, Fp, PrimeField};
use polyyne_engine::generator::Protocol;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::canonical;
use crate::id::Digest;

/// The major version of everything on the wire; part of every protocol name (`/polyyne/NAME/1`).
pub const WIRE_MAJOR: u16 = 1;
/// The version of the bytecode that the VM of this build runs.
pub const BYTECODE_VERSION: u32 = 1;
/// Statistical security of a cloud where its members name none, in bits.
pub const SIGMA_DEFAULT: u16 = 64;
/// Computational security of every cloud, in bits.
pub const KAPPA: u16 = 128;
/// Least statistical security that a node accepts, in bits.
pub const SIGMA_MIN: u16 = 40;

/// The modulus of a prime field; text form is decimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prime(pub u128);

impl Prime {
    /// The largest prime below 2^128 that both generators serve: 2^128 − 8257535.
    pub const DEFAULT: Self = Self(DEFAULT_PRIME);
    /// Carbyne's prime, the default before.
    pub const CARBYNE: Self = Self(CARBYNE_PRIME);

    /// Bits of the modulus.
    pub const fn bits(self) -> u32 {
        128 - self.0.leading_zeros()
    }
}

impl Default for Prime {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl fmt::Display for Prime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Prime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prime({})", self.0)
    }
}

impl FromStr for Prime {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl Serialize for Prime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Prime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| de::Error::custom("a prime is a decimal number below 2^128"))
    }
}

/// How tuples are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Generator {
    /// Oblivious transfer (Keller, Orsini, Scholl 2016) with SoftSpoken extension.
    Mascot,
    /// Linearly homomorphic encryption (Keller, Pastro, Rotaru 2018).
    Lowgear,
}

impl Generator {
    /// That of [`polyyne_engine::generator::Protocol`].
    pub fn name(self) -> &'static str {
        match self {
            Generator::Mascot => "mascot",
            Generator::Lowgear => "lowgear",
        }
    }
}

impl fmt::Display for Generator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Generator {
    type Err = UnknownGenerator;

    fn from_str(text: &str) -> Result<Self, UnknownGenerator> {
        match text {
            "mascot" => Ok(Generator::Mascot),
            "lowgear" => Ok(Generator::Lowgear),
            _ => Err(UnknownGenerator),
        }
    }
}

/// A generator's name that this version does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("generators are called mascot or lowgear")]
pub struct UnknownGenerator;

/// What all members of a cloud agree to compute with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityParameters {
    /// Wire major.
    pub wire: u16,
    /// The bytecode version.
    pub bytecode: u32,
    /// The field.
    pub prime: Prime,
    /// Computational security, bits.
    pub kappa: u16,
    /// Statistical security, bits.
    pub sigma: u16,
    /// How tuples are made.
    pub generator: Generator,
    /// The hash of the generator's own parameters (OT extension's tree depth, τ, BGV set).
    pub generator_parameters: Digest,
}

/// Parameters with which this node does not compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParametersError {
    #[error("wire version {0} where this node speaks {WIRE_MAJOR}: run the same release at all members")]
    Wire(u16),
    #[error("bytecode version {0} where this node runs {BYTECODE_VERSION}: run the same release at all members")]
    Bytecode(u32),
    #[error("computational security of {0} bits where this node requires {KAPPA}")]
    Kappa(u16),
    #[error("statistical security of {0} bits, a cloud needs from {SIGMA_MIN} to {KAPPA}")]
    Sigma(u16),
    #[error("the modulus is not an odd prime")]
    NotPrime,
    #[error("{0} makes no tuples for this modulus and statistical security")]
    Generator(Generator),
    #[error("a modulus of {bits} bits is too small for statistical security of {sigma} bits: it must exceed 2^{}", sigma + 2)]
    PrimeTooSmall { bits: u32, sigma: u16 },
}

impl SecurityParameters {
    /// The parameters of a new cloud over a field.
    pub fn new(prime: Prime, generator: Generator, generator_parameters: Digest) -> Self {
        Self {
            wire: WIRE_MAJOR,
            bytecode: BYTECODE_VERSION,
            prime,
            kappa: KAPPA,
            sigma: SIGMA_DEFAULT,
            generator,
            generator_parameters,
        }
    }

    /// Refuses what this node does not compute with.
    ///
    /// # Errors
    /// The first of [`ParametersError`] that holds.
    pub fn validate(&self) -> Result<(), ParametersError> {
        if self.wire != WIRE_MAJOR {
            return Err(ParametersError::Wire(self.wire));
        }
        if self.bytecode != BYTECODE_VERSION {
            return Err(ParametersError::Bytecode(self.bytecode));
        }
        if self.kappa != KAPPA {
            return Err(ParametersError::Kappa(self.kappa));
        }
        if self.sigma < SIGMA_MIN || self.sigma > KAPPA {
            return Err(ParametersError::Sigma(self.sigma));
        }
        let too_small = u32::from(self.sigma) + 2 >= 128 || self.prime.0 >> (self.sigma + 2) == 0;
        if too_small {
            return Err(ParametersError::PrimeTooSmall { bits: self.prime.bits(), sigma: self.sigma });
        }
        if !is_prime(self.prime.0) {
            return Err(ParametersError::NotPrime);
        }
        let field = PrimeField::new(self.prime.0).map_err(|_| ParametersError::NotPrime)?;
        match Protocol::named(self.generator.name(), &field, self.sigma.into()) {
            Some(_) => Ok(()),
            None => Err(ParametersError::Generator(self.generator)),
        }
    }

    /// The hash that every hello carries.
    pub fn hash(&self) -> Digest {
        canonical::hash("security-parameters", self)
    }
}

/// The engine's test with fixed bases, then 40 rounds of Miller–Rabin with bases derived from the number.
///
/// The modulus comes from whoever proposes the cloud, and composites that pass all fixed bases can be made. A base
/// derived by SHA-256 is passed by at most a quarter of all bases for any composite.
fn is_prime(n: u128) -> bool {
    let Ok(field) = PrimeField::new(n) else { return false };
    (0u8..40).all(|i| {
        let hash = canonical::hash_parts("primality", &[&n.to_le_bytes(), &[i]]);
        let (low, _) = hash.0.split_first_chunk().expect("a digest has more than 16 bytes");
        passes(&field, field.element(u128::from_le_bytes(*low)))
    })
}

/// One round of Miller–Rabin: n − 1 = d·2^s, and base^d is 1 or reaches −1 within s squarings.
fn passes(field: &PrimeField, base: Fp) -> bool {
    let n = field.modulus();
    let s = (n - 1).trailing_zeros();
    let (one, minus_one) = (field.one(), field.neg(field.one()));
    let mut x = field.pow(base, (n - 1) >> s);
    if x == one || base == field.zero() {
        return true;
    }
    for _ in 0..s {
        if x == minus_one {
            return true;
        }
        x = field.mul(x, x);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(prime: u128) -> SecurityParameters {
        SecurityParameters::new(Prime(prime), Generator::Mascot, Digest([0; 32]))
    }

    #[test]
    fn the_default_prime_is_one() {
        assert_eq!(parameters(Prime::DEFAULT.0).validate(), Ok(()));
        assert_eq!((Prime::DEFAULT.0 - 1).trailing_zeros(), 17);
        assert_eq!(parameters(Prime::CARBYNE.0).validate(), Ok(()));
    }

    #[test]
    fn composites_and_small_primes_are_refused() {
        assert_eq!(parameters(Prime::DEFAULT.0 + 2).validate(), Err(ParametersError::NotPrime));
        let small = parameters(65_537).validate();
        assert_eq!(small, Err(ParametersError::PrimeTooSmall { bits: 17, sigma: 64 }));
        assert!(matches!(parameters(0).validate(), Err(ParametersError::PrimeTooSmall { .. })));
        // the product of two 61-bit primes
        assert!(!is_prime(((1 << 61) - 1) * 2_305_843_009_213_693_921));
        assert!(is_prime((1 << 127) - 1));
        assert!(!is_prime(u128::MAX));
    }

    #[test]
    fn lowgear_is_refused_where_its_ring_has_no_slots_or_no_room() {
        let lowgear = |prime, sigma| SecurityParameters { generator: Generator::Lowgear, sigma, ..parameters(prime) };
        assert_eq!(lowgear(Prime::DEFAULT.0, 64).validate(), Ok(()));
        assert_eq!(lowgear(Prime::CARBYNE.0, 64).validate(), Ok(()));
        let refused = Err(ParametersError::Generator(Generator::Lowgear));
        assert_eq!(lowgear(Prime::DEFAULT.0, 100).validate(), refused);
        assert_eq!(lowgear((1 << 127) - 1, 64).validate(), refused);
    }

    #[test]
    fn small_numbers_agree_with_trial_division() {
        for n in 3u128..2_000 {
            let trial = (2..n).take_while(|q| q * q <= n).all(|q| n % q != 0);
            assert_eq!(is_prime(n), trial, "{n}");
        }
    }

    #[test]
    fn every_field_is_in_the_hash() {
        let base = parameters(Prime::DEFAULT.0);
        let changes: [fn(&mut SecurityParameters); 7] = [
            |p| p.wire += 1,
            |p| p.bytecode += 1,
            |p| p.prime.0 += 2,
            |p| p.kappa += 1,
            |p| p.sigma -= 1,
            |p| p.generator = Generator::Lowgear,
            |p| p.generator_parameters.0[31] ^= 1,
        ];
        for change in changes {
            let mut changed = base.clone();
            change(&mut changed);
            assert_ne!(changed.hash(), base.hash());
        }
    }

    #[test]
    fn another_version_is_named() {
        let mut wire = parameters(Prime::DEFAULT.0);
        wire.wire = 2;
        assert_eq!(wire.validate(), Err(ParametersError::Wire(2)));
        let mut sigma = parameters(Prime::DEFAULT.0);
        sigma.sigma = 126;
        assert!(matches!(sigma.validate(), Err(ParametersError::PrimeTooSmall { .. })));
        sigma.sigma = 20;
        assert_eq!(sigma.validate(), Err(ParametersError::Sigma(20)));
    }

    #[test]
    fn a_prime_is_decimal_text_on_the_wire() {
        let json = serde_json::to_string(&Prime::DEFAULT).expect("JSON");
        assert_eq!(json, "\"340282366920938463463374607431759953921\"");
        assert_eq!(serde_json::from_str::<Prime>(&json).expect("JSON"), Prime::DEFAULT);
        assert!(serde_json::from_str::<Prime>("\"-5\"").is_err());
        // "+5" and "05" read as numbers but are not what is written
        assert!(canonical::decode::<Prime>(&canonical::encode(&"+5"), 16).is_err());
        assert!(canonical::decode::<Prime>(&canonical::encode(&"05"), 16).is_err());
    }
}
