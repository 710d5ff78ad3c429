//! Signatures that say what they are for.
//!
//! Ed25519 over `PREFIX 0x00 BODY`, where the prefix names one purpose (`polyyne/1/vote`) and the body is the canonical
//! encoding of a statement. A signature given for one purpose is therefore never valid for another, and since no
//! other libp2p message starts with these bytes the key inside the peer id can be used.
//!
//! Verification is `verify_strict`: small-order keys and non-canonical points are refused, so that one signature
//! cannot be valid for many messages (which libp2p's own check allows).

use std::fmt;

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::canonical;
use crate::id::{ClientKey, Digest, PeerKey, deserialize_bytes, serialize_bytes};

macro_rules! purposes {
    ($($(#[$doc:meta])* $name:ident = $text:literal),* $(,)?) => {
        /// What a signature is for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Purpose { $($(#[$doc])* $name),* }

        impl Purpose {
            /// Every purpose there is.
            pub const ALL: &[Purpose] = &[$(Purpose::$name),*];

            /// The bytes before the body.
            pub const fn prefix(self) -> &'static str {
                match self { $(Purpose::$name => concat!("polyyne/1/", $text)),* }
            }
        }
    };
}

purposes! {
    /// A member puts its name under a record of a cloud's log.
    Record = "record",
    /// A member promises to sign a record, or takes the promise back.
    Promise = "promise",
    /// A member opens a session.
    Hello = "hello",
    /// A client asks for something.
    Request = "request",
    /// A member answers a client.
    Answer = "answer",
    /// A client binds masked inputs to a secret.
    Upload = "upload",
    /// A member votes for a secret to become visible.
    UploadVote = "upload-vote",
    /// A member gives up an upload.
    UploadAbort = "upload-abort",
    /// A member has made a secret unusable.
    Tombstone = "tombstone",
    /// A member has taken the tuples of an execution.
    Take = "take",
    /// A member has seen the MAC check of an execution end in zero.
    Checked = "checked",
    /// A member has written a tuple chunk and may activate it.
    ChunkSeal = "chunk-seal",
    /// A member says where its store stands.
    StoreHead = "store-head",
    /// A member's part of the order in which MAC keys are checked.
    Gate = "gate",
    /// A member tells the others what it has (addresses, versions).
    Announce = "announce",
    /// A member attests an entry of its audit log.
    Audit = "audit",
}

/// An ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signature(pub [u8; 64]);

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({}…)", hex::encode(&self.0[..4]))
    }
}

impl Serialize for Signature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_bytes(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_bytes("signature", deserializer).map(Self)
    }
}

/// A signature that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("this public key is not a point of prime order and may sign nothing")]
    WeakKey,
    #[error("the signature is not valid for this key, purpose and text")]
    Invalid,
}

/// A public key that signs statements.
pub trait PublicKey: Copy + Eq + Ord + fmt::Debug + fmt::Display + Serialize + DeserializeOwned {
    /// The ed25519 point, encoded.
    fn point(&self) -> &[u8; 32];
    /// The key of these bytes.
    fn from_point(bytes: [u8; 32]) -> Self;

    /// Refuses keys that no honest party would make: not a point, or of small order.
    ///
    /// # Errors
    /// [`SignatureError::WeakKey`].
    fn check(&self) -> Result<(), SignatureError> {
        strong(self.point()).map(|_| ())
    }
}

impl PublicKey for PeerKey {
    fn point(&self) -> &[u8; 32] {
        &self.0
    }
    fn from_point(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl PublicKey for ClientKey {
    fn point(&self) -> &[u8; 32] {
        &self.0
    }
    fn from_point(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl PeerKey {
    /// The public key of a signing key.
    pub fn of(key: &SigningKey) -> Self {
        Self(key.verifying_key().to_bytes())
    }
}

impl ClientKey {
    /// The public key of a signing key.
    pub fn of(key: &SigningKey) -> Self {
        Self(key.verifying_key().to_bytes())
    }
}

fn strong(point: &[u8; 32]) -> Result<VerifyingKey, SignatureError> {
    let key = VerifyingKey::from_bytes(point).map_err(|_| SignatureError::WeakKey)?;
    if key.is_weak() { Err(SignatureError::WeakKey) } else { Ok(key) }
}

fn message(purpose: Purpose, body: &[u8]) -> Vec<u8> {
    let prefix = purpose.prefix().as_bytes();
    let mut message = Vec::with_capacity(prefix.len() + 1 + body.len());
    message.extend_from_slice(prefix);
    message.push(0);
    message.extend_from_slice(body);
    message
}

/// Signs bytes for a purpose.
pub fn sign(key: &SigningKey, purpose: Purpose, body: &[u8]) -> Signature {
    Signature(key.sign(&message(purpose, body)).to_bytes())
}

/// Checks a signature over bytes.
///
/// # Errors
/// [`SignatureError`] says whether the key or the signature is at fault.
pub fn verify(
    key: &impl PublicKey,
    purpose: Purpose,
    body: &[u8],
    signature: &Signature,
) -> Result<(), SignatureError> {
    let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
    strong(key.point())?.verify_strict(&message(purpose, body), &signature).map_err(|_| SignatureError::Invalid)
}

/// Something that is signed for one purpose by one kind of key.
pub trait Statement: Clone + PartialEq + fmt::Debug + Serialize + DeserializeOwned {
    /// What a signature under it means.
    const PURPOSE: Purpose;
    /// Who signs it.
    type Signer: PublicKey;

    /// Its canonical bytes.
    fn to_canonical(&self) -> Vec<u8> {
        canonical::encode(self)
    }

    /// The hash of its canonical bytes under its purpose.
    fn digest(&self) -> Digest {
        canonical::hash(Self::PURPOSE.prefix(), self)
    }

    /// Signs it, apart from the statement itself.
    fn signature(&self, key: &SigningKey) -> Signature {
        sign(key, Self::PURPOSE, &self.to_canonical())
    }

    /// Checks a signature that stands apart from the statement.
    ///
    /// # Errors
    /// [`SignatureError`].
    fn verify(&self, signer: &Self::Signer, signature: &Signature) -> Result<(), SignatureError> {
        verify(signer, Self::PURPOSE, &self.to_canonical(), signature)
    }
}

/// A statement with a signer's name and signature. The statement can be read only once the signature holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "T: Statement")]
pub struct Signed<T: Statement> {
    body: T,
    signer: T::Signer,
    signature: Signature,
}

impl<T: Statement> Signed<T> {
    /// Signs a statement.
    pub fn sign(body: T, key: &SigningKey) -> Self {
        let signature = body.signature(key);
        Self { body, signer: T::Signer::from_point(key.verifying_key().to_bytes()), signature }
    }

    /// Puts together parts that arrived apart; nothing is checked yet.
    pub fn from_parts(body: T, signer: T::Signer, signature: Signature) -> Self {
        Self { body, signer, signature }
    }

    /// The statement and who made it, if the signature holds.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn verified(&self) -> Result<(&T, T::Signer), SignatureError> {
        self.body.verify(&self.signer, &self.signature)?;
        Ok((&self.body, self.signer))
    }

    /// Like [`Signed::verified`], giving the statement away.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn into_verified(self) -> Result<(T, T::Signer), SignatureError> {
        self.body.verify(&self.signer, &self.signature)?;
        Ok((self.body, self.signer))
    }

    /// The statement, whether or not the signature holds: for routing and messages, never for a decision.
    pub fn unverified(&self) -> &T {
        &self.body
    }

    /// Who is said to have signed.
    pub fn signer(&self) -> T::Signer {
        self.signer
    }

    /// The signature.
    pub fn signature(&self) -> Signature {
        self.signature
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    struct Claim {
        value: u64,
    }

    impl Statement for Claim {
        const PURPOSE: Purpose = Purpose::Take;
        type Signer = PeerKey;
    }

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    #[test]
    fn prefixes_are_distinct_and_none_begins_another_with_its_end() {
        for (i, a) in Purpose::ALL.iter().enumerate() {
            assert!(a.prefix().starts_with("polyyne/1/") && !a.prefix().contains('\0'));
            for b in &Purpose::ALL[i + 1..] {
                assert_ne!(a.prefix(), b.prefix());
            }
        }
    }

    #[test]
    fn a_signature_for_one_purpose_is_none_for_another() {
        let signature = sign(&key(1), Purpose::Take, b"text");
        let signer = PeerKey::of(&key(1));
        assert_eq!(verify(&signer, Purpose::Take, b"text", &signature), Ok(()));
        for &purpose in Purpose::ALL.iter().filter(|&&p| p != Purpose::Take) {
            assert_eq!(verify(&signer, purpose, b"text", &signature), Err(SignatureError::Invalid));
        }
    }

    #[test]
    fn a_statement_under_another_name_is_refused() {
        let signed = Signed::sign(Claim { value: 1 }, &key(1));
        assert!(signed.verified().is_ok());
        let other = Signed::from_parts(Claim { value: 1 }, PeerKey::of(&key(2)), signed.signature());
        assert_eq!(other.verified(), Err(SignatureError::Invalid));
        let changed = Signed::from_parts(Claim { value: 2 }, signed.signer(), signed.signature());
        assert_eq!(changed.verified(), Err(SignatureError::Invalid));
    }

    /// The eight points of small order: with such a key and a plain check, one signature is valid for every message.
    #[test]
    fn small_order_keys_sign_nothing() {
        let small = [
            "0100000000000000000000000000000000000000000000000000000000000000",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0000000000000000000000000000000000000000000000000000000000000080",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        ];
        // R = the neutral element, s = 0: valid under s·B = R + h·A for every message whenever h·A vanishes
        let mut forged = [0; 64];
        forged[0] = 1;
        for text in small {
            let key: PeerKey = text.parse().expect("hexadecimal");
            assert_eq!(key.check(), Err(SignatureError::WeakKey), "{text}");
            assert_eq!(verify(&key, Purpose::Take, b"text", &Signature(forged)), Err(SignatureError::WeakKey));
        }
    }

    proptest! {
        #[test]
        fn a_flipped_bit_anywhere_is_refused(bit in 0usize..512, body: Vec<u8>) {
            let mut signature = sign(&key(3), Purpose::Take, &body);
            signature.0[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(verify(&PeerKey::of(&key(3)), Purpose::Take, &body, &signature).is_err());
        }

        #[test]
        fn an_arbitrary_key_never_panics(point: [u8; 32], bytes: [u8; 32]) {
            let mut signature = [0; 64];
            signature[..32].copy_from_slice(&bytes);
            let _ = verify(&PeerKey(point), Purpose::Take, b"", &Signature(signature));
        }
    }
}
