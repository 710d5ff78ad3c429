//! Logs that must be refused, each by the variant that says why.

use ed25519_dalek::SigningKey;
use proptest::prelude::*;

use super::*;
use crate::id::Digest;
use crate::membership::KeyCommitment;
use crate::membership::tests::{founding, member, signing_key};
use crate::sign::{SignatureError, Statement as _};

pub(crate) fn signed(before: Option<&CloudView>, record: Record, keys: &[SigningKey]) -> SignedRecord {
    let statement = record.statement();
    let signature = |peer: PeerKey| {
        let key = keys.iter().find(|key| PeerKey::of(key) == peer).expect("a key for every signer");
        MemberSignature { peer, signature: statement.signature(key) }
    };
    let signatures = signers(before, &record).into_iter().map(signature).collect();
    SignedRecord { record, signatures }
}

fn keys() -> Vec<SigningKey> {
    (1..=6).map(signing_key).collect()
}

/// A cloud founded by the members of these seeds.
pub(crate) fn founded(seeds: &[u8]) -> CloudLog {
    CloudLog::found(signed(None, Record::Membership(founding(seeds)), &keys())).expect("a good record 0")
}

pub(crate) fn key_record(log: &CloudLog, id: u8) -> Record {
    let commitments = log
        .view()
        .members()
        .iter()
        .map(|m| KeyCommitment { peer: m.peer, commitment: Digest([m.index.0 as u8 + id; 32]) });
    Record::MacKey(MacKey {
        head: log.next_head(Attempt(0), Nonce([id; 16])),
        field: log.view().parameters().prime,
        key: MacKeyId([id; 16]),
        commitments: commitments.collect(),
    })
}

fn next_membership(log: &CloudLog, members: Vec<Member>) -> Membership {
    let mut record = founding(&[1, 2]);
    record.head = log.next_head(Attempt(0), Nonce([3; 16]));
    record.members = members;
    record
}

pub(crate) fn append(log: &mut CloudLog, record: Record) -> Result<Appended, LogError> {
    let record = signed(Some(log.view()), record, &keys());
    log.append(record)
}

/// Founding by 1, 2, 3; a MAC key; 4 joins and 2 leaves; a new MAC key.
fn long() -> CloudLog {
    let mut log = founded(&[1, 2, 3]);
    let record = key_record(&log, 1);
    append(&mut log, record).expect("a MAC key");
    let record = next_membership(&log, vec![member(0, 1), member(2, 3), member(3, 4)]);
    append(&mut log, Record::Membership(record)).expect("a new membership");
    let record = key_record(&log, 2);
    append(&mut log, record).expect("a new MAC key");
    log
}

#[test]
fn a_log_survives_its_bytes() {
    let log = long();
    assert_eq!(CloudLog::verify(&log.to_bytes()), Ok(log.clone()));
    assert_eq!(log.view().epoch(), Epoch(3));
    assert_eq!(log.cloud(), founded(&[1, 2, 3]).cloud());
}

#[test]
fn ranks_are_dense_and_indices_stable() {
    let log = long();
    let indices: Vec<u16> = log.view().members().iter().map(|m| m.index.0).collect();
    assert_eq!(indices, [0, 2, 3]);
    assert_eq!(log.view().rank_of(&member(0, 3).peer), Some(1));
    assert_eq!(log.view().rank_of(&member(0, 2).peer), None);
    assert_eq!(log.view().next_index(), Some(PartyIndex(4)));
    assert_eq!(log.view_at(Epoch(0)).expect("epoch 0").n(), 3);
    assert_eq!(log.view_at(Epoch(4)), None);
}

#[test]
fn a_change_of_members_ends_the_mac_key_and_a_change_of_address_does_not() {
    let mut log = founded(&[1, 2, 3]);
    assert_eq!(log.view().mac_key(), None);
    let record = key_record(&log, 1);
    append(&mut log, record).expect("a MAC key");
    let mut moved = vec![member(0, 1), member(1, 2), member(2, 3)];
    moved[1].addresses = vec!["/ip4/10.9.9.9/tcp/1".into()];
    let record = next_membership(&log, moved);
    append(&mut log, Record::Membership(record)).expect("new addresses");
    assert_eq!(log.view().mac_key().map(|key| key.id), Some(MacKeyId([1; 16])));
    let record = next_membership(&log, vec![member(0, 1), member(1, 2)]);
    append(&mut log, Record::Membership(record)).expect("one leaves");
    assert_eq!(log.view().mac_key(), None);
}

#[test]
fn a_missing_extra_or_strange_signature_is_refused() {
    let good = signed(None, Record::Membership(founding(&[1, 2, 3])), &keys());
    let mut missing = good.clone();
    missing.signatures.pop();
    let cause = CertificateError::Count { expected: 3, got: 2 };
    assert_eq!(CloudLog::found(missing).err(), Some(LogError::Signatures { epoch: Epoch(0), cause }));

    let mut none = good.clone();
    none.signatures.clear();
    assert!(matches!(CloudLog::found(none), Err(LogError::Signatures { .. })));

    let mut doubled = good.clone();
    doubled.signatures[1] = doubled.signatures[0];
    let cause = CertificateError::Missing { expected: member(1, 2).peer };
    assert_eq!(CloudLog::found(doubled).err(), Some(LogError::Signatures { epoch: Epoch(0), cause }));

    let mut swapped = good.clone();
    swapped.signatures.swap(0, 1);
    assert!(matches!(CloudLog::found(swapped), Err(LogError::Signatures { .. })));

    let mut strange = good.clone();
    strange.signatures[2].signature = good.record.statement().signature(&signing_key(6));
    let cause = CertificateError::Signature { peer: member(2, 3).peer, cause: SignatureError::Invalid };
    assert_eq!(CloudLog::found(strange).err(), Some(LogError::Signatures { epoch: Epoch(0), cause }));

    let mut extra = good;
    extra.signatures.push(extra.signatures[0]);
    assert!(matches!(CloudLog::found(extra), Err(LogError::Signatures { .. })));
}

#[test]
fn a_leaving_member_must_sign_its_leave() {
    let mut log = founded(&[1, 2, 3]);
    let record = Record::Membership(next_membership(&log, vec![member(0, 1), member(1, 2)]));
    let mut without = signed(Some(log.view()), record, &keys());
    assert_eq!(without.signatures.last().map(|s| s.peer), Some(member(2, 3).peer));
    without.signatures.pop();
    assert!(matches!(log.append(without), Err(LogError::Signatures { .. })));
}

#[test]
fn a_new_member_must_sign_its_entry() {
    let mut log = founded(&[1, 2]);
    let members = vec![member(0, 1), member(1, 2), member(2, 3)];
    let record = Record::Membership(next_membership(&log, members));
    let mut without = signed(Some(log.view()), record, &keys());
    without.signatures.retain(|s| s.peer != member(2, 3).peer);
    assert!(matches!(log.append(without), Err(LogError::Signatures { .. })));
}

#[test]
fn two_complete_records_for_one_epoch_halt_the_cloud() {
    let mut log = founded(&[1, 2, 3]);
    let (mut left, right) = (log.clone(), key_record(&log, 2));
    let record = key_record(&log, 1);
    append(&mut left, record.clone()).expect("one MAC key");
    append(&mut log, right).expect("another MAC key");
    let error = log.follow(&left).expect_err("a fork");
    let LogError::Fork(fork) = error else { panic!("{error}") };
    assert_eq!(fork.theirs.record, record);
    assert_eq!(fork.signers_of_both().len(), 3);
    assert!(matches!(left.check_extends(&log), Err(LogError::Fork(_))));
}

#[test]
fn an_incomplete_rival_does_not_halt_the_cloud() {
    let mut log = founded(&[1, 2, 3]);
    let base = log.view().clone();
    let rival = key_record(&log, 2);
    let record = key_record(&log, 1);
    append(&mut log, record).expect("a MAC key");
    let mut rival = signed(Some(&base), rival, &keys());
    rival.signatures.pop();
    assert!(matches!(log.append(rival), Err(LogError::Signatures { .. })));
    assert_eq!(log.view().epoch(), Epoch(1));
}

#[test]
fn a_rollback_is_seen_by_whoever_knows_more() {
    let (long, short) = (long(), founded(&[1, 2, 3]));
    assert_eq!(long.check_extends(&short), Ok(()));
    assert_eq!(long.check_extends(&long), Ok(()));
    let error = LogError::RolledBack { known: Epoch(3), offered: Epoch(0) };
    assert_eq!(short.check_extends(&long), Err(error));
    let mut kept = long.clone();
    assert_eq!(kept.follow(&short), Ok(0));
    assert_eq!(kept, long);
}

#[test]
fn another_cloud_with_the_same_founders_is_another_cloud() {
    let log = founded(&[1, 2, 3]);
    let mut other = founding(&[1, 2, 3]);
    other.head.nonce = Nonce([1; 16]);
    let other = CloudLog::found(signed(None, Record::Membership(other), &keys())).expect("a good record 0");
    assert_ne!(other.cloud(), log.cloud());
    assert!(matches!(log.clone().follow(&other), Err(LogError::WrongCloud { .. })));
    // a record of one does not continue the other
    let record = signed(Some(other.view()), key_record(&other, 1), &keys());
    assert_eq!(log.clone().append(record), Err(LogError::OtherCloud(Epoch(1))));
}

#[test]
fn indices_are_neither_changed_nor_reused() {
    let mut log = long();
    let peer = member(0, 3).peer;
    let record = next_membership(&log, vec![member(0, 1), member(3, 4), member(4, 3)]);
    let epoch = Epoch(4);
    assert_eq!(append(&mut log, Record::Membership(record)), Err(LogError::Renumbered { epoch, peer }));
    let record = next_membership(&log, vec![member(0, 1), member(1, 5)]);
    let index = PartyIndex(1);
    assert_eq!(append(&mut log, Record::Membership(record)), Err(LogError::IndexReused { epoch, index }));
    // whoever comes back comes back as somebody new
    let record = next_membership(&log, vec![member(0, 1), member(1, 2)]);
    assert_eq!(append(&mut log, Record::Membership(record)), Err(LogError::IndexReused { epoch, index }));
    let record = next_membership(&log, vec![member(0, 1), member(4, 2)]);
    assert_eq!(append(&mut log, Record::Membership(record)), Ok(Appended::New));
}

#[test]
fn a_prime_stays_and_a_mac_key_is_of_it() {
    let mut log = founded(&[1, 2]);
    let mut record = next_membership(&log, vec![member(0, 1), member(1, 2)]);
    record.parameters.prime = Prime((1 << 127) - 1);
    assert_eq!(append(&mut log, Record::Membership(record)), Err(LogError::PrimeChanged(Epoch(1))));
    let Record::MacKey(mut key) = key_record(&log, 1) else { unreachable!("it is a key record") };
    key.field = Prime((1 << 127) - 1);
    let error = append(&mut log, Record::MacKey(key)).expect_err("another field");
    assert!(matches!(error, LogError::KeyField { .. }));
}

#[test]
fn a_mac_key_needs_every_member_and_is_never_used_again() {
    let mut log = founded(&[1, 2]);
    let Record::MacKey(good) = key_record(&log, 1) else { unreachable!("it is a key record") };
    let mut short = good.clone();
    short.commitments.pop();
    assert_eq!(append(&mut log, Record::MacKey(short)), Err(LogError::KeyCommitments(Epoch(1))));
    let mut copied = good.clone();
    copied.commitments[1].commitment = copied.commitments[0].commitment;
    let cause = RecordError::DoubledCommitment;
    assert_eq!(append(&mut log, Record::MacKey(copied)), Err(LogError::Record { epoch: Epoch(1), cause }));
    assert_eq!(append(&mut log, Record::MacKey(good)), Ok(Appended::New));
    let again = key_record(&log, 1);
    assert_eq!(append(&mut log, again), Err(LogError::KeyReused(Epoch(2))));
}

#[test]
fn a_log_begins_with_a_membership() {
    assert_eq!(CloudLog::from_records(vec![]), Err(LogError::Empty));
    let log = founded(&[1, 2]);
    let key = signed(Some(log.view()), key_record(&log, 1), &keys());
    assert!(CloudLog::from_records(vec![key]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn records_out_of_order_left_out_or_repeated_are_refused(order in prop::collection::vec(0usize..4, 0..6)) {
        let records = long().records().to_vec();
        let chosen: Vec<SignedRecord> = order.iter().map(|&i| records[i].clone()).collect();
        let in_order = !order.is_empty() && order.iter().copied().eq(0..order.len());
        prop_assert_eq!(CloudLog::from_records(chosen).is_ok(), in_order);
    }

    #[test]
    fn a_changed_byte_anywhere_is_refused(at: prop::sample::Index, flip in 1u8..) {
        let mut bytes = long().to_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        prop_assert!(CloudLog::verify(&bytes).is_err(), "byte {}", at);
    }

    #[test]
    fn a_cut_log_is_refused(at: prop::sample::Index) {
        let bytes = long().to_bytes();
        prop_assert!(CloudLog::verify(&bytes[..at.index(bytes.len())]).is_err());
    }
}
