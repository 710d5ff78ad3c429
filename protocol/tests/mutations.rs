//! What nodes and clients send each other, with bytes changed: it is refused, or it is the canonical form of what it is
//! read as; and whoever looks at it further comes to an error, never to a panic.
//!
//! Some thousand mutants of each message by default, a hundred times as many with `POLYYNE_LONG=1`.

use std::collections::BTreeMap;

use ed25519_dalek::SigningKey;
use polyyne_protocol::assurance::Acceptance;
use polyyne_protocol::canonical;
use polyyne_protocol::certificate::MemberSignature;
use polyyne_protocol::envelope::{AuthenticRequest, Envelope, Lifetime, PreparedRequest, SealSecret};
use polyyne_protocol::hello::{self, Hello, SessionPurpose};
use polyyne_protocol::http::{RelayItem, RelayRequest, RelayResponse};
use polyyne_protocol::id::*;
use polyyne_protocol::log::{CloudLog, SignedRecord};
use polyyne_protocol::membership::{Head, Member, Membership, Record};
use polyyne_protocol::request::{Answer, Execute, Place, Program, Quote, Request, ResultTerms};
use polyyne_protocol::sign::{Signed, Statement as _};
use polyyne_protocol::stock::StockRule;
use polyyne_protocol::version::{Generator, Prime, SecurityParameters};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde::{Serialize, de::DeserializeOwned};
use serde_bytes::ByteBuf;

const BYTES_MAX: usize = 1 << 20;

fn keys() -> Vec<SigningKey> {
    (1..=2).map(|seed| SigningKey::from_bytes(&[seed; 32])).collect()
}

fn log() -> CloudLog {
    let keys = keys();
    let members = keys.iter().enumerate().map(|(index, key)| Member {
        index: PartyIndex(index as u16),
        peer: PeerKey::of(key),
        seal: SealSecret::from_bytes([index as u8 + 1; 32]).public(),
        addresses: vec!["/ip4/203.0.113.7/tcp/4190".into()],
    });
    let record = Record::Membership(Membership {
        head: Head { cloud: None, previous: None, epoch: Epoch(0), attempt: Attempt(0), nonce: Nonce([9; 16]) },
        name: "fuzzed".into(),
        members: members.collect(),
        parameters: SecurityParameters::new(Prime::DEFAULT, Generator::Mascot, Digest([0; 32])),
        stock: BTreeMap::from([("triple".to_owned(), StockRule::keep(1000))]),
        acceptance: Acceptance::default(),
    });
    let statement = record.statement();
    let sign = |key: &SigningKey| MemberSignature { peer: PeerKey::of(key), signature: statement.signature(key) };
    let signatures = keys.iter().map(sign).collect();
    CloudLog::found(SignedRecord { record, signatures }).expect("a founding record")
}

fn requests() -> Vec<Request> {
    let inputs = vec![SecretId([3; 16]), SecretId([4; 16])];
    let program = Program::Bytes(ByteBuf::from(vec![7; 100]));
    let execute = Execute {
        execution: ExecutionId([5; 16]),
        program: program.clone(),
        arguments: vec!["12".into()],
        inputs: inputs.clone(),
        reveal: true,
        results: ResultTerms::default(),
        timeout_ms: 60_000,
        wait: true,
        sockets: false,
    };
    vec![
        Request::Execute(execute),
        Request::Quote(Quote { program: Program::Hash(program.hash()), arguments: Vec::new(), inputs }),
        Request::Place(Place { execution: ExecutionId([4; 16]) }),
        Request::Stock,
    ]
}

fn below(rng: &mut StdRng, bound: usize) -> usize {
    (rng.next_u64() % bound.max(1) as u64) as usize
}

/// Bits, bytes, CBOR heads of all kinds and sizes, runs cut out, doubled or moved.
fn mutate(rng: &mut StdRng, bytes: &mut Vec<u8>) {
    for _ in 0..=below(rng, 4) {
        let at = below(rng, bytes.len());
        if bytes.is_empty() {
            bytes.push(rng.next_u64() as u8);
            continue;
        }
        match below(rng, 7) {
            0 => bytes[at] ^= 1 << below(rng, 8),
            1 => bytes[at] = rng.next_u64() as u8,
            2 => {
                let heads = [0x1b, 0x3b, 0x5b, 0x7b, 0x9b, 0xbb, 0x9f, 0xbf, 0x5f, 0xff, 0xf6, 0xfb, 0xc0, 0xdb, 0x80];
                bytes[at] = heads[below(rng, heads.len())];
            }
            3 => {
                let end = bytes.len().min(at + below(rng, 9));
                bytes.drain(at..end);
            }
            4 => {
                let run = bytes[at..bytes.len().min(at + below(rng, 40))].to_vec();
                let to = below(rng, bytes.len());
                bytes.splice(to..to, run);
            }
            5 => bytes.truncate(at),
            _ => bytes.splice(at..at, std::iter::repeat_n(0x81, below(rng, 300))).for_each(drop),
        }
    }
}

fn mutants() -> u64 {
    if std::env::var_os("POLYYNE_LONG").is_some_and(|long| long == "1") { 300_000 } else { 3_000 }
}

/// Every mutant of `bytes` is refused as a `T`, or is the only encoding of the one that `look` gets.
fn fuzz<T: Serialize + DeserializeOwned>(bytes: &[u8], mut look: impl FnMut(&[u8], T)) {
    look(bytes, canonical::decode(bytes, BYTES_MAX).expect("the message itself"));
    for seed in 0..mutants() {
        let mut changed = bytes.to_vec();
        mutate(&mut StdRng::seed_from_u64(seed), &mut changed);
        if let Ok(value) = canonical::decode::<T>(&changed, BYTES_MAX) {
            assert_eq!(canonical::encode(&value), changed, "seed {seed}");
            look(&changed, value);
        }
    }
}

#[test]
fn changed_requests_are_refused_or_well_formed() {
    for request in requests() {
        fuzz::<Request>(&canonical::encode(&request), |_, request| drop(request.check()));
    }
}

#[test]
fn changed_bytes_are_never_an_answer_by_accident() {
    for request in requests() {
        let bytes = canonical::encode(&request);
        for seed in 0..mutants() {
            let mut changed = bytes.clone();
            mutate(&mut StdRng::seed_from_u64(seed), &mut changed);
            drop(canonical::decode::<Answer>(&changed, BYTES_MAX));
            drop(canonical::decode::<RelayResponse>(&changed, BYTES_MAX));
        }
    }
}

#[test]
fn a_changed_log_is_not_believed() {
    let log = log();
    let bytes = log.to_bytes();
    for seed in 0..mutants() {
        let mut changed = bytes.clone();
        mutate(&mut StdRng::seed_from_u64(seed), &mut changed);
        if let Ok(believed) = CloudLog::verify(&changed) {
            assert_eq!(believed.to_bytes(), bytes, "seed {seed}");
        }
    }
    fuzz::<SignedRecord>(&canonical::encode(&log.records()[0]), |_, record| drop(record.verify_after(None)));
}

#[test]
fn a_changed_hello_opens_no_session() {
    let log = log();
    let hello = |nonce| Hello::new(log.view(), SessionPurpose::Execution, Digest([1; 32]), Attempt(0), [nonce; 32]);
    let own = hello(1);
    let signed: Vec<_> = keys().iter().zip(1..).map(|(key, nonce)| Signed::sign(hello(nonce), key)).collect();
    let honest = hello::session_id(log.view(), &own, &signed).expect("all agree");
    let bytes = canonical::encode(&signed[1]);
    fuzz::<Signed<Hello>>(&bytes, |changed, other| {
        let session = hello::session_id(log.view(), &own, &[signed[0].clone(), other]);
        assert_eq!(session.is_ok_and(|session| session == honest), changed == bytes);
    });
}

#[test]
fn a_changed_envelope_is_opened_by_nobody() {
    let log = log();
    let client = SigningKey::from_bytes(&[8; 32]);
    let mut rng = StdRng::seed_from_u64(1);
    let lifetime = Lifetime::from_now(1_000_000, 60);
    let request = &requests()[0];
    let prepared =
        PreparedRequest::new(log.view(), &client, RequestId([6; 16]), request, lifetime, &mut rng).expect("sealed");
    let envelope = &prepared.envelopes()[0];
    let bytes = envelope.to_bytes();
    let (seal, me) = (SealSecret::from_bytes([1; 32]), PeerKey::of(&keys()[0]));
    let open = |envelope: &Envelope| AuthenticRequest::open(envelope, &seal, &me, log.view(), 1_000_001);
    assert!(open(envelope).is_ok());
    for seed in 0..mutants() {
        let mut changed = bytes.clone();
        mutate(&mut StdRng::seed_from_u64(seed), &mut changed);
        let Ok(read) = Envelope::from_bytes(&changed) else { continue };
        assert_eq!(read.to_bytes(), changed, "seed {seed}");
        assert_eq!(open(&read).is_ok(), changed == bytes, "seed {seed}");
    }
    let item = RelayItem { member: PeerKey::of(&keys()[0]), envelope: ByteBuf::from(bytes) };
    let relay = RelayRequest { envelopes: vec![item], wait_ms: 1000 };
    fuzz::<RelayRequest>(&canonical::encode(&relay), |_, relay| {
        relay.envelopes.iter().for_each(|item| drop(Envelope::from_bytes(&item.envelope)));
    });
}
