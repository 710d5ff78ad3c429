//! Envelopes moved, changed, replayed or forged: none opens.

use std::collections::BTreeSet;

use proptest::prelude::*;
use rand::rngs::StdRng;

use super::*;
use crate::id::SecretId;
use crate::log::CloudLog;
use crate::log::tests::founded;
use crate::membership::tests::{seal_secret, signing_key};
use crate::request::{Get, Listed};

const NOW: u64 = 1_800_000_000;

fn rng() -> StdRng {
    StdRng::seed_from_u64(11)
}

fn cloud() -> CloudLog {
    founded(&[1, 2, 3])
}

fn body() -> Request {
    Request::Get(Get { secret: SecretId([4; 16]) })
}

fn prepared(log: &CloudLog) -> PreparedRequest {
    let lifetime = Lifetime::from_now(NOW, 300);
    PreparedRequest::new(log.view(), &signing_key(50), RequestId([6; 16]), &body(), lifetime, &mut rng())
        .expect("a short request")
}

fn open(log: &CloudLog, envelope: &Envelope, seed: u8, now: u64) -> Result<AuthenticRequest, EnvelopeError> {
    AuthenticRequest::open(envelope, &seal_secret(seed), &PeerKey::of(&signing_key(seed)), log.view(), now)
}

fn refusal(log: &CloudLog, envelope: &Envelope, seed: u8, now: u64) -> Option<EnvelopeError> {
    open(log, envelope, seed, now).err()
}

fn answer() -> Answer {
    Answer::Listed(Listed { secrets: vec![], total: 42 })
}

/// Seals any header and body to the member of seed 1, as a misbehaving client would.
fn forged(log: &CloudLog, change: impl FnOnce(&mut RequestHeader)) -> Envelope {
    forged_with(log, change, canonical::encode(&body()))
}

fn forged_with(log: &CloudLog, change: impl FnOnce(&mut RequestHeader), body: Vec<u8>) -> Envelope {
    let mut header = prepared(log).header;
    change(&mut header);
    let letter = Letter { header: Signed::sign(header, &signing_key(50)), body: ByteBuf::from(body) };
    let head = prepared(log).envelopes[0].head.clone();
    let to = log.view().members()[0].seal;
    Envelope::seal(head, &to, &canonical::encode(&letter), &mut rng()).expect("short")
}

#[test]
fn every_member_opens_its_own_and_sees_the_client() {
    let log = cloud();
    let request = prepared(&log);
    let mut digests = BTreeSet::new();
    for (envelope, seed) in request.envelopes().iter().zip(1..) {
        let envelope = Envelope::from_bytes(&envelope.to_bytes()).expect("canonical");
        let opened = open(&log, &envelope, seed, NOW).expect("authentic");
        assert_eq!(opened.client(), ClientKey::of(&signing_key(50)));
        assert!(matches!(opened.body(), Request::Get(get) if get.secret == SecretId([4; 16])));
        digests.insert(opened.digest());
    }
    assert_eq!(digests.len(), 1);
}

#[test]
fn an_envelope_moved_to_another_member_cloud_epoch_request_or_direction_does_not_open() {
    let log = cloud();
    let envelope = prepared(&log).envelopes()[0].clone();
    assert_eq!(refusal(&log, &envelope, 2, NOW), Some(EnvelopeError::NotForMe));
    let second = log.view().members()[1].peer;
    type Move<'a> = (&'a dyn Fn(&mut EnvelopeHead), u8, EnvelopeError);
    let moves: [Move; 4] = [
        (&|head| head.member = second, 2, EnvelopeError::Seal),
        (&|head| head.request = RequestId([7; 16]), 1, EnvelopeError::Seal),
        (&|head| head.direction = Direction::Answer, 1, EnvelopeError::NotForMe),
        (&|head| head.cloud = CloudId([0; 32]), 1, EnvelopeError::NotForMe),
    ];
    for (change, seed, expected) in moves {
        let mut moved = envelope.clone();
        change(&mut moved.head);
        assert_eq!(refusal(&log, &moved, seed, NOW), Some(expected));
    }
    let mut later = envelope.clone();
    later.head.epoch = Epoch(1);
    let expected = EnvelopeError::Epoch { expected: Epoch(0), got: Epoch(1) };
    assert_eq!(refusal(&log, &later, 1, NOW), Some(expected));
    // a cloud of the same members: the same keys, another cloud
    let other = founded(&[1, 3, 2]);
    let mut moved = envelope;
    moved.head.cloud = other.cloud();
    assert_eq!(refusal(&other, &moved, 1, NOW), Some(EnvelopeError::Seal));
}

#[test]
fn a_header_that_does_not_match_its_envelope_is_refused() {
    let log = cloud();
    assert_eq!(refusal(&log, &forged(&log, |_| ()), 1, NOW), None);
    let header = Some(EnvelopeError::Header);
    assert_eq!(refusal(&log, &forged(&log, |h| h.cloud = CloudId([0; 32])), 1, NOW), header);
    assert_eq!(refusal(&log, &forged(&log, |h| h.epoch = Epoch(9)), 1, NOW), header);
    assert_eq!(refusal(&log, &forged(&log, |h| h.request = RequestId([0; 16])), 1, NOW), header);
}

#[test]
fn a_header_names_exactly_the_members_and_one_body() {
    let log = cloud();
    let members = Some(EnvelopeError::Members);
    assert_eq!(refusal(&log, &forged(&log, |h| h.bodies.truncate(2)), 1, NOW), members);
    assert_eq!(refusal(&log, &forged(&log, |h| h.bodies.clear()), 1, NOW), members);
    assert_eq!(refusal(&log, &forged(&log, |h| h.bodies.swap(0, 1)), 1, NOW), members);
    let body = Some(EnvelopeError::Body);
    assert_eq!(refusal(&log, &forged(&log, |h| h.bodies[0].digest.0[0] ^= 1), 1, NOW), body);
    assert_eq!(refusal(&log, &forged(&log, |h| h.bodies[2].digest.0[0] ^= 1), 1, NOW), body);
    let other = canonical::encode(&Request::Get(Get { secret: SecretId([9; 16]) }));
    assert_eq!(refusal(&log, &forged_with(&log, |_| (), other), 1, NOW), body);
}

#[test]
fn time_is_bounded_on_both_sides() {
    let log = cloud();
    let envelope = prepared(&log).envelopes()[0].clone();
    let skew = limits::CLOCK_SKEW_S;
    assert_eq!(refusal(&log, &envelope, 1, NOW + 300 + skew), None);
    assert_eq!(refusal(&log, &envelope, 1, NOW + 301 + skew), Some(EnvelopeError::Expired));
    assert_eq!(refusal(&log, &envelope, 1, NOW - skew), None);
    assert_eq!(refusal(&log, &envelope, 1, NOW - skew - 1), Some(EnvelopeError::NotYet));
    let endless = forged(&log, |h| h.expires = u64::MAX);
    assert_eq!(refusal(&log, &endless, 1, NOW), Some(EnvelopeError::Lifetime));
    let backwards = forged(&log, |h| h.expires = h.issued - 1);
    assert_eq!(refusal(&log, &backwards, 1, NOW), Some(EnvelopeError::Lifetime));
}

#[test]
fn an_answer_opens_for_its_request_and_member_only() {
    let log = cloud();
    let request = prepared(&log);
    let peers: Vec<PeerKey> = log.view().members().iter().map(|m| m.peer).collect();
    let opened = open(&log, &request.envelopes()[0], 1, NOW).expect("authentic");
    let sealed = opened.answer(&answer(), &signing_key(1), &mut rng()).expect("short");
    let back = request.open_answer(&peers[0], &sealed).expect("an answer");
    assert!(matches!(back, Answer::Listed(listed) if listed.total == 42));
    assert_eq!(request.open_answer(&peers[1], &sealed).err(), Some(EnvelopeError::NotForMe));
    let other = prepared(&log);
    let mut again = StdRng::seed_from_u64(12);
    let lifetime = Lifetime::from_now(NOW, 300);
    let third = PreparedRequest::new(log.view(), &signing_key(50), RequestId([8; 16]), &body(), lifetime, &mut again)
        .expect("short");
    assert!(other.open_answer(&peers[0], &sealed).is_ok(), "the same keys from the same seed");
    assert_eq!(third.open_answer(&peers[0], &sealed).err(), Some(EnvelopeError::NotForMe));
}

#[test]
fn an_answer_that_does_not_fit_becomes_a_refusal() {
    let log = cloud();
    let request = prepared(&log);
    let opened = open(&log, &request.envelopes()[0], 1, NOW).expect("authentic");
    let long = Refusal {
        code: RefusalCode::Internal,
        cause: "x".repeat(limits::ENVELOPE_PLAINTEXT_MAX),
        remedy: String::new(),
    };
    let sealed = opened.answer(&Answer::Refused(long), &signing_key(1), &mut rng()).expect("a short refusal");
    let answer = request.open_answer(&log.view().members()[0].peer, &sealed).expect("an answer");
    assert!(matches!(answer, Answer::Refused(refusal) if refusal.code == RefusalCode::TooLarge));
}

/// Every member knows the key that answers are sealed to, so one of them could answer in another's name.
#[test]
fn a_member_cannot_answer_for_another() {
    let log = cloud();
    let request = prepared(&log);
    let second = log.view().members()[1].peer;
    let opened = open(&log, &request.envelopes()[1], 2, NOW).expect("authentic");
    let by_first = opened.answer(&answer(), &signing_key(1), &mut rng()).expect("short");
    assert_eq!(request.open_answer(&second, &by_first).err(), Some(EnvelopeError::Header));
}

#[test]
fn a_request_does_not_open_as_its_own_answer() {
    let log = cloud();
    let request = prepared(&log);
    let first = log.view().members()[0].peer;
    let mut reflected = request.envelopes()[0].clone();
    assert_eq!(request.open_answer(&first, &reflected).err(), Some(EnvelopeError::NotForMe));
    reflected.head.direction = Direction::Answer;
    assert_eq!(request.open_answer(&first, &reflected).err(), Some(EnvelopeError::Seal));
}

#[test]
fn sizes_are_buckets() {
    assert_eq!([bucket(0), bucket(1020), bucket(1021), bucket(5000)], [1024, 1024, 2048, 8192]);
    let log = cloud();
    let size = |list: &str| {
        let body = Request::List(crate::request::List { filter: list.into(), ..Default::default() });
        let lifetime = Lifetime::from_now(NOW, 300);
        let request =
            PreparedRequest::new(log.view(), &signing_key(50), RequestId([6; 16]), &body, lifetime, &mut rng());
        request.expect("short").envelopes()[0].to_bytes().len()
    };
    assert_eq!(size(""), size("key:value,other:value"));
}

#[test]
fn padding_is_checked() {
    let good = pad(b"text").expect("short");
    assert_eq!(*unpad(good.clone()).expect("padded"), b"text");
    let mut dirty = good.clone();
    dirty[1000] = 1;
    let mut endless = good.clone();
    endless[..4].copy_from_slice(&u32::MAX.to_le_bytes());
    let mut longer = good.clone();
    longer.extend_from_slice(&[0; 1024]);
    let short = Zeroizing::new(vec![0; 3]);
    for wrong in [dirty, endless, longer, short] {
        assert_eq!(unpad(wrong).err(), Some(EnvelopeError::Padding));
    }
    let limit = limits::ENVELOPE_PLAINTEXT_MAX - 4;
    let error = EnvelopeError::TooLong { limit, got: limit + 1 };
    assert_eq!(pad(&vec![0; limit + 1]).err(), Some(error));
}

#[test]
fn nothing_is_sealed_to_a_key_of_small_order() {
    let mut one = [0; 32];
    one[0] = 1;
    for weak in [[0; 32], one] {
        assert!(is_weak(&SealKey(weak)));
        let head = prepared(&cloud()).envelopes[0].head.clone();
        assert_eq!(Envelope::seal(head, &SealKey(weak), b"", &mut rng()).err(), Some(EnvelopeError::WeakKey));
    }
    assert!(!is_weak(&seal_secret(1).public()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_flipped_bit_anywhere_in_a_request_is_refused(at: prop::sample::Index, bit in 0u8..8) {
        let log = cloud();
        let mut bytes = prepared(&log).envelopes()[0].to_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let refused = Envelope::from_bytes(&bytes).and_then(|e| open(&log, &e, 1, NOW)).err();
        prop_assert!(refused.is_some(), "byte {}", at);
    }

    #[test]
    fn a_flipped_bit_anywhere_in_an_answer_is_refused(at: prop::sample::Index, bit in 0u8..8) {
        let log = cloud();
        let request = prepared(&log);
        let opened = open(&log, &request.envelopes()[0], 1, NOW).expect("authentic");
        let mut bytes = opened.answer(&answer(), &signing_key(1), &mut rng()).expect("short").to_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let first = log.view().members()[0].peer;
        let refused = Envelope::from_bytes(&bytes).and_then(|e| request.open_answer(&first, &e)).err();
        prop_assert!(refused.is_some(), "byte {}", at);
    }

    #[test]
    fn arbitrary_bytes_are_no_envelope(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Envelope::from_bytes(&bytes).is_err());
    }
}

/// A member opens a client's letter and puts its own signature in the place of the client's: the header, with all that
/// names the request, would have stayed the same.
#[test]
fn a_header_that_another_client_signs_is_refused() {
    let log = cloud();
    let request = prepared(&log);
    let copied = |client: Option<ClientKey>| {
        let mut header = request.header.clone();
        header.client = client.unwrap_or(header.client);
        let body = ByteBuf::from(canonical::encode(&body()));
        let letter = Letter { header: Signed::sign(header, &signing_key(60)), body };
        let (head, to) = (request.envelopes[0].head.clone(), log.view().members()[0].seal);
        let envelope = Envelope::seal(head, &to, &canonical::encode(&letter), &mut rng()).expect("short");
        open(&log, &envelope, 1, NOW)
    };
    assert_eq!(copied(None).err(), Some(EnvelopeError::Header));
    // under its own name it is another request
    let own = copied(Some(ClientKey::of(&signing_key(60)))).expect("its own");
    assert_ne!(own.digest(), request.asked);
}
