//! Sealed messages between a client and each member, through a gateway that learns nothing.
//!
//! HPKE base mode (RFC 9180): DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305, one message for each
//! encapsulation. Base mode says nothing about the sender, so a request carries the client's key and signature inside,
//! and an answer the member's. The associated data is the [`EnvelopeHead`]: cloud, epoch, member, request, direction;
//! an envelope moved to another of any of these does not open.
//!
//! The gateway sees the head, the size rounded up to a bucket ([`bucket`]), and the time. The client's key is not in
//! the head.
//!
//! A request's signed header names the digest of every member's body, so members can compare what each was asked. The
//! digests hide nothing from members: bodies are the same for all of them in every request of this version.
//!
//! Not protected against: a stolen member's sealing key opens recorded requests of its epoch; requests therefore hold
//! masked values only, and answers are sealed to a key that the client makes for one request and forgets.

use ed25519_dalek::SigningKey;
use hpke::{Deserializable as _, Kem as _, OpModeR, OpModeS, Serializable as _};
use rand::{CryptoRng, SeedableRng as _};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use zeroize::{Zeroize as _, Zeroizing};

use crate::canonical::{self, DecodeError};
use crate::id::{ClientKey, CloudId, Digest, Epoch, Nonce, PeerKey, RequestId, SealKey};
use crate::limits;
use crate::request::{Answer, Refusal, RefusalCode, Request};
use crate::sign::{Purpose, SignatureError, Signed, Statement};
use crate::view::CloudView;

type Kem = hpke::kem::X25519HkdfSha256;
type Kdf = hpke::kdf::HkdfSha256;
type Aead = hpke::aead::ChaCha20Poly1305;

const INFO: &[u8] = b"polyyne/1/envelope";

/// The secret half of a [`SealKey`]. Wiped when dropped; has no text form.
pub struct SealSecret(<Kem as hpke::Kem>::PrivateKey);

impl SealSecret {
    /// A fresh key.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        Self(Kem::gen_keypair_with_rng(rng).0)
    }

    /// The key of stored bytes.
    pub fn from_bytes(mut bytes: [u8; 32]) -> Self {
        let key = <Kem as hpke::Kem>::PrivateKey::from_bytes(&bytes).expect("any 32 bytes are an X25519 secret");
        bytes.zeroize();
        Self(key)
    }

    /// The bytes to store, encrypted by the caller.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes().into())
    }

    /// The public half.
    pub fn public(&self) -> SealKey {
        SealKey(Kem::sk_to_pk(&self.0).to_bytes().into())
    }
}

/// Whether nothing can be sealed to this key, because it is of small order and every shared secret would be zero.
pub fn is_weak(key: &SealKey) -> bool {
    // small order does not depend on the sender's ephemeral key, so any will do
    let mut rng = rand::rngs::StdRng::from_seed([1; 32]);
    let Ok(public) = <Kem as hpke::Kem>::PublicKey::from_bytes(&key.0) else { return true };
    hpke::setup_sender_with_rng::<Aead, Kdf, Kem>(&OpModeS::Base, &public, INFO, &mut rng).is_err()
}

/// Which way an envelope goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From a client to a member.
    Request,
    /// From a member to a client.
    Answer,
}

/// What stands on an envelope; bound by its seal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvelopeHead {
    pub cloud: CloudId,
    pub epoch: Epoch,
    /// The member that reads the request, or wrote the answer.
    pub member: PeerKey,
    pub request: RequestId,
    pub direction: Direction,
}

/// A sealed message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    pub head: EnvelopeHead,
    encapsulated: ByteBuf,
    sealed: ByteBuf,
}

/// Why an envelope is refused. Says nothing about what is inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    #[error("the envelope cannot be read: {0}")]
    Decode(#[from] DecodeError),
    #[error("the envelope is for another member, cloud, request or direction")]
    NotForMe,
    #[error("the envelope is of epoch {got}, this cloud is at {expected}")]
    Epoch { expected: Epoch, got: Epoch },
    #[error("the envelope does not open with this key")]
    Seal,
    #[error("nothing can be sealed to this key")]
    WeakKey,
    #[error("the padding inside the envelope is wrong")]
    Padding,
    #[error("{got} bytes inside an envelope where {limit} are allowed")]
    TooLong { limit: usize, got: usize },
    #[error("the signature inside the envelope: {0}")]
    Signature(#[from] SignatureError),
    #[error("the signed header inside does not match the envelope")]
    Header,
    #[error("the signed header does not name exactly the members of the cloud")]
    Members,
    #[error("the message inside is not the one that was signed")]
    Body,
    #[error("the request has expired, or the clocks differ by more than {} s", limits::CLOCK_SKEW_S)]
    Expired,
    #[error("the request is dated in the future: the clocks differ by more than {} s", limits::CLOCK_SKEW_S)]
    NotYet,
    #[error("the request would live longer than {} s", limits::REQUEST_LIFETIME_MAX_S)]
    Lifetime,
}

impl Envelope {
    /// Reads an envelope from its bytes.
    ///
    /// # Errors
    /// [`EnvelopeError::Decode`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        Ok(canonical::decode(bytes, limits::ENVELOPE_MAX)?)
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        canonical::encode(self)
    }

    fn seal(head: EnvelopeHead, to: &SealKey, message: &[u8], rng: &mut impl CryptoRng) -> Result<Self, EnvelopeError> {
        let key = <Kem as hpke::Kem>::PublicKey::from_bytes(&to.0).map_err(|_| EnvelopeError::WeakKey)?;
        let padded = pad(message)?;
        let aad = canonical::encode(&head);
        let (encapsulated, sealed) =
            hpke::single_shot_seal_with_rng::<Aead, Kdf, Kem>(&OpModeS::Base, &key, INFO, &padded, &aad, rng)
                .map_err(|_| EnvelopeError::WeakKey)?;
        let encapsulated = ByteBuf::from(encapsulated.to_bytes().to_vec());
        Ok(Self { head, encapsulated, sealed: ByteBuf::from(sealed) })
    }

    fn open(&self, key: &SealSecret) -> Result<Zeroizing<Vec<u8>>, EnvelopeError> {
        let encapsulated =
            <Kem as hpke::Kem>::EncappedKey::from_bytes(&self.encapsulated).map_err(|_| EnvelopeError::Seal)?;
        let aad = canonical::encode(&self.head);
        let padded =
            hpke::single_shot_open::<Aead, Kdf, Kem>(&OpModeR::Base, &key.0, &encapsulated, INFO, &self.sealed, &aad);
        unpad(Zeroizing::new(padded.map_err(|_| EnvelopeError::Seal)?))
    }
}

/// The padded size of a message of `len` bytes with its length: the least power of two, from 1 KiB.
pub fn bucket(len: usize) -> usize {
    (len + LENGTH_BYTES).next_power_of_two().max(limits::ENVELOPE_BUCKET_MIN)
}

const LENGTH_BYTES: usize = 4;

fn pad(message: &[u8]) -> Result<Zeroizing<Vec<u8>>, EnvelopeError> {
    let limit = limits::ENVELOPE_PLAINTEXT_MAX - LENGTH_BYTES;
    if message.len() > limit {
        return Err(EnvelopeError::TooLong { limit, got: message.len() });
    }
    let mut padded = Zeroizing::new(vec![0; bucket(message.len())]);
    let length = u32::try_from(message.len()).expect("the limit is far below 2^32");
    padded[..LENGTH_BYTES].copy_from_slice(&length.to_le_bytes());
    padded[LENGTH_BYTES..LENGTH_BYTES + message.len()].copy_from_slice(message);
    Ok(padded)
}

fn unpad(mut padded: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, EnvelopeError> {
    let (length, rest) = padded.split_first_chunk::<LENGTH_BYTES>().ok_or(EnvelopeError::Padding)?;
    let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| EnvelopeError::Padding)?;
    let right_bucket = length <= rest.len() && padded.len() == bucket(length);
    if !right_bucket || rest[length..].iter().any(|&byte| byte != 0) {
        return Err(EnvelopeError::Padding);
    }
    padded.truncate(LENGTH_BYTES + length);
    padded.drain(..LENGTH_BYTES);
    Ok(padded)
}

/// What a member was asked: the digest of its body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BodyDigest {
    pub member: PeerKey,
    pub digest: Digest,
}

/// What a client signs: one header for all members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestHeader {
    /// Who signs it: the same header under another's signature is another request.
    pub client: ClientKey,
    pub cloud: CloudId,
    pub epoch: Epoch,
    pub request: RequestId,
    /// Where answers are sealed to; made for this request.
    pub answer_to: SealKey,
    /// Seconds since 1970.
    pub issued: u64,
    /// Seconds since 1970.
    pub expires: u64,
    pub nonce: Nonce,
    /// What each member is asked, in rank order.
    pub bodies: Vec<BodyDigest>,
}

impl Statement for RequestHeader {
    const PURPOSE: Purpose = Purpose::Request;
    type Signer = ClientKey;
}

/// What a member signs under an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerHeader {
    pub cloud: CloudId,
    pub epoch: Epoch,
    pub request: RequestId,
    /// The digest of the header that is answered.
    pub asked: Digest,
    pub body: Digest,
}

impl Statement for AnswerHeader {
    const PURPOSE: Purpose = Purpose::Answer;
    type Signer = PeerKey;
}

#[derive(Serialize, Deserialize)]
#[serde(bound = "H: Statement")]
struct Letter<H: Statement> {
    header: Signed<H>,
    body: ByteBuf,
}

impl<H: Statement> Drop for Letter<H> {
    fn drop(&mut self) {
        self.body.zeroize();
    }
}

fn body_digest(body: &[u8]) -> Digest {
    canonical::hash_parts("body", &[body])
}

/// A request ready to be sent, and what is needed to read its answers. Sending it again is the same request.
pub struct PreparedRequest {
    header: RequestHeader,
    asked: Digest,
    answer_key: SealSecret,
    envelopes: Vec<Envelope>,
}

/// When a request is made and when it ends, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    pub issued: u64,
    pub expires: u64,
}

impl Lifetime {
    /// From now for so many seconds, at most the longest allowed.
    pub fn from_now(now: u64, seconds: u64) -> Self {
        Self { issued: now, expires: now.saturating_add(seconds.min(limits::REQUEST_LIFETIME_MAX_S)) }
    }

    fn check(self, now: u64) -> Result<(), EnvelopeError> {
        if self.expires < self.issued || self.expires - self.issued > limits::REQUEST_LIFETIME_MAX_S {
            return Err(EnvelopeError::Lifetime);
        }
        if now > self.expires.saturating_add(limits::CLOCK_SKEW_S) {
            return Err(EnvelopeError::Expired);
        }
        if self.issued > now.saturating_add(limits::CLOCK_SKEW_S) {
            return Err(EnvelopeError::NotYet);
        }
        Ok(())
    }
}

impl PreparedRequest {
    /// Signs a request and seals it to every member.
    ///
    /// # Errors
    /// [`EnvelopeError::TooLong`]; [`EnvelopeError::WeakKey`] cannot happen with a verified view.
    pub fn new(
        view: &CloudView,
        client: &SigningKey,
        request: RequestId,
        body: &Request,
        lifetime: Lifetime,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, EnvelopeError> {
        let body = Zeroizing::new(canonical::encode(body));
        let digest = body_digest(&body);
        let answer_key = SealSecret::generate(rng);
        let header = RequestHeader {
            client: ClientKey::of(client),
            cloud: view.cloud(),
            epoch: view.epoch(),
            request,
            answer_to: answer_key.public(),
            issued: lifetime.issued,
            expires: lifetime.expires,
            nonce: Nonce::random(rng),
            bodies: view.members().iter().map(|m| BodyDigest { member: m.peer, digest }).collect(),
        };
        let letter = Letter { header: Signed::sign(header.clone(), client), body: ByteBuf::from(body.to_vec()) };
        let letter = Zeroizing::new(canonical::encode(&letter));
        let envelopes = view
            .members()
            .iter()
            .map(|member| {
                let head = envelope_head(&header, member.peer, Direction::Request);
                Envelope::seal(head, &member.seal, &letter, rng)
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { asked: header.digest(), header, answer_key, envelopes })
    }

    /// One envelope for each member, in rank order.
    pub fn envelopes(&self) -> &[Envelope] {
        &self.envelopes
    }

    /// The request's id.
    pub fn request(&self) -> RequestId {
        self.header.request
    }

    /// Opens a member's answer.
    ///
    /// # Errors
    /// [`EnvelopeError`]; the gateway or the member is at fault.
    pub fn open_answer(&self, member: &PeerKey, envelope: &Envelope) -> Result<Answer, EnvelopeError> {
        if envelope.head != envelope_head(&self.header, *member, Direction::Answer) {
            return Err(EnvelopeError::NotForMe);
        }
        let message = envelope.open(&self.answer_key)?;
        let letter: Letter<AnswerHeader> = canonical::decode(&message, limits::ENVELOPE_PLAINTEXT_MAX)?;
        let (header, signer) = letter.header.verified()?;
        let RequestHeader { cloud, epoch, request, .. } = self.header;
        let expected = AnswerHeader { cloud, epoch, request, asked: self.asked, body: header.body };
        if signer != *member || *header != expected {
            return Err(EnvelopeError::Header);
        }
        if body_digest(&letter.body) != header.body {
            return Err(EnvelopeError::Body);
        }
        Ok(canonical::decode(&letter.body, limits::ENVELOPE_PLAINTEXT_MAX)?)
    }
}

fn envelope_head(header: &RequestHeader, member: PeerKey, direction: Direction) -> EnvelopeHead {
    let RequestHeader { cloud, epoch, request, .. } = *header;
    EnvelopeHead { cloud, epoch, member, request, direction }
}

/// A request whose sender, members, time and body have been checked.
pub struct AuthenticRequest {
    client: ClientKey,
    header: RequestHeader,
    asked: Digest,
    member: PeerKey,
    body: Request,
}

impl AuthenticRequest {
    /// Opens an envelope as member `me` and checks all that is in it, at `now` seconds since 1970.
    ///
    /// # Errors
    /// [`EnvelopeError`]. Replay within the lifetime is the caller's to notice, see [`crate::replay`].
    pub fn open(
        envelope: &Envelope,
        key: &SealSecret,
        me: &PeerKey,
        view: &CloudView,
        now: u64,
    ) -> Result<Self, EnvelopeError> {
        let head = &envelope.head;
        if head.cloud != view.cloud() || head.member != *me || head.direction != Direction::Request {
            return Err(EnvelopeError::NotForMe);
        }
        if head.epoch != view.epoch() {
            return Err(EnvelopeError::Epoch { expected: view.epoch(), got: head.epoch });
        }
        let message = envelope.open(key)?;
        let letter: Letter<RequestHeader> = canonical::decode(&message, limits::ENVELOPE_PLAINTEXT_MAX)?;
        let (header, client) = letter.header.verified()?;
        if *head != envelope_head(header, *me, Direction::Request) || header.client != client {
            return Err(EnvelopeError::Header);
        }
        Lifetime { issued: header.issued, expires: header.expires }.check(now)?;
        if !header.bodies.iter().map(|b| b.member).eq(view.members().iter().map(|m| m.peer)) {
            return Err(EnvelopeError::Members);
        }
        let digest = body_digest(&letter.body);
        if !header.bodies.iter().all(|b| b.digest == digest) {
            return Err(EnvelopeError::Body);
        }
        let body = canonical::decode(&letter.body, limits::ENVELOPE_PLAINTEXT_MAX)?;
        Ok(Self { client, asked: header.digest(), header: header.clone(), member: *me, body })
    }

    /// Who asks.
    pub fn client(&self) -> ClientKey {
        self.client
    }

    /// What is asked.
    pub fn body(&self) -> &Request {
        &self.body
    }

    /// The signed header.
    pub fn header(&self) -> &RequestHeader {
        &self.header
    }

    /// The digest of the signed header, client and bodies included: the same at every member, so members compare it.
    pub fn digest(&self) -> Digest {
        self.asked
    }

    /// Signs and seals this member's answer; one that does not fit becomes a refusal that says so.
    ///
    /// # Errors
    /// [`EnvelopeError::WeakKey`] if the client named a useless key.
    pub fn answer(
        &self,
        answer: &Answer,
        key: &SigningKey,
        rng: &mut impl CryptoRng,
    ) -> Result<Envelope, EnvelopeError> {
        match self.seal_answer(answer, key, rng) {
            Err(EnvelopeError::TooLong { .. }) => self.seal_answer(&too_large(), key, rng),
            sealed => sealed,
        }
    }

    fn seal_answer(
        &self,
        answer: &Answer,
        key: &SigningKey,
        rng: &mut impl CryptoRng,
    ) -> Result<Envelope, EnvelopeError> {
        let body = Zeroizing::new(canonical::encode(answer));
        let RequestHeader { cloud, epoch, request, answer_to, .. } = self.header;
        let header = AnswerHeader { cloud, epoch, request, asked: self.asked, body: body_digest(&body) };
        let letter = Letter { header: Signed::sign(header, key), body: ByteBuf::from(body.to_vec()) };
        let letter = Zeroizing::new(canonical::encode(&letter));
        let head = envelope_head(&self.header, self.member, Direction::Answer);
        Envelope::seal(head, &answer_to, &letter, rng)
    }
}

fn too_large() -> Answer {
    let cause = "the answer does not fit into one message";
    Answer::Refused(Refusal::new(RefusalCode::TooLarge, cause, "ask for less at once, as with smaller pages"))
}

#[cfg(test)]
#[path = "envelope/tests.rs"]
mod tests;
