//! The small tables of the state file: each keeps its promise through repetition, contradiction and a restart.

use futures::executor::block_on;

use super::answers::{AnswerError, Answers, Claim, RequestKey};
use super::audit_head::{AuditError, AuditHead, AuditHeads};
use super::disk::Disk;
use super::membership::{AppendError, MembershipLogs};
use super::promises::{Ballot, PromiseError, PromiseState, Promises};
use super::sealed::SecretBytes;
use super::seen::{SeenError, SeenNonces};
use super::shelf::Shelf;
use super::*;
use crate::castor::tests::{quiet, root};

async fn state(disk: &Disk) -> StateFile {
    StateFile::open_on(disk.clone(), root(), quiet()).await.expect("opens")
}

#[test]
fn a_membership_log_has_one_record_per_epoch_and_no_gaps() {
    let disk = Disk::default();
    let (cloud, other) = (CloudId([1; 32]), CloudId([2; 32]));
    block_on(async {
        let logs = MembershipLogs::of(&state(&disk).await);
        let gap = logs.append(cloud, 1, b"one".to_vec()).await;
        assert!(matches!(gap, Err(AppendError::Gap { next: 0, epoch: 1, .. })));
        logs.append(cloud, 0, b"zero".to_vec()).await.expect("appended");
        logs.append(other, 0, b"other".to_vec()).await.expect("appended");
        logs.append(cloud, 1, b"one".to_vec()).await.expect("appended");
        logs.append(cloud, 0, b"zero".to_vec()).await.expect("the same again");
        let fork = logs.append(cloud, 0, b"ZERO".to_vec()).await;
        assert!(matches!(fork, Err(AppendError::Fork { epoch: 0, .. })));
        logs.halt(cloud, b"both".to_vec()).await.expect("halted");
        logs.halt(cloud, b"later".to_vec()).await.expect("again");
    });
    block_on(async {
        let logs = MembershipLogs::of(&state(&disk).await);
        assert_eq!(logs.log(cloud).expect("reads"), [b"zero".to_vec(), b"one".to_vec()]);
        assert_eq!(logs.clouds().expect("reads"), [cloud, other]);
        assert_eq!(logs.halted(cloud).expect("reads"), Some(b"both".to_vec()));
        assert_eq!(logs.halted(other).expect("reads"), None);
        let more = logs.append(cloud, 2, b"two".to_vec()).await;
        assert!(matches!(more, Err(AppendError::Halted(_))));
    });
}

#[test]
fn a_node_never_says_two_things_in_one_ballot() {
    let disk = Disk::default();
    let ballot = Ballot { subject: [1; 32], epoch: 3, attempt: 0 };
    let next = Ballot { attempt: 1, ..ballot };
    block_on(async {
        let promises = Promises::of(&state(&disk).await);
        assert!(matches!(promises.sign(ballot, [7; 32]).await, Err(PromiseError::NotPromised)));
        promises.promise(ballot, [7; 32]).await.expect("promised");
        promises.promise(ballot, [7; 32]).await.expect("again");
        promises.sign(ballot, [7; 32]).await.expect("signed");
        promises.promise(next, [8; 32]).await.expect("promised");
        promises.withdraw(next, [8; 32]).await.expect("withdrawn");
    });
    block_on(async {
        let promises = Promises::of(&state(&disk).await);
        for said in [promises.promise(ballot, [8; 32]).await, promises.sign(ballot, [8; 32]).await] {
            assert!(matches!(said, Err(PromiseError::OtherRecord { said }) if said == [7; 32]));
        }
        assert!(matches!(promises.withdraw(ballot, [7; 32]).await, Err(PromiseError::Signed)));
        promises.sign(ballot, [7; 32]).await.expect("the same signature again");
        assert!(matches!(promises.sign(next, [8; 32]).await, Err(PromiseError::Withdrawn)));
        assert!(matches!(promises.promise(next, [8; 32]).await, Err(PromiseError::Withdrawn)));
        assert_eq!(promises.said(ballot).expect("reads").map(|said| said.state), Some(PromiseState::Signed));
    });
}

#[test]
fn the_same_request_has_one_effect_and_one_answer() {
    let disk = Disk::default();
    let request = RequestKey { client: [1; 32], key: [2; 32] };
    let exec = |byte| ExecId([byte; 32]);
    block_on(async {
        let answers = Answers::of(&state(&disk).await);
        assert!(matches!(answers.answer(request, vec![1]).await, Err(AnswerError::NotAsked)));
        let claims = (1..=64).map(|byte| answers.claim(request, [5; 32], exec(byte), 100));
        let claims = futures::future::join_all(claims).await;
        let new = claims.iter().filter(|claim| matches!(claim, Ok(Claim::New))).count();
        assert_eq!(new, 1, "64 at once have one effect");
        assert!(matches!(answers.claim(request, [6; 32], exec(1), 100).await, Err(AnswerError::OtherBody)));
    });
    block_on(async {
        let answers = Answers::of(&state(&disk).await);
        let pending = answers.claim(request, [5; 32], exec(9), 100).await.expect("known");
        assert_eq!(pending, Claim::Pending(exec(1)));
        answers.answer(request, vec![1]).await.expect("answered");
        answers.answer(request, vec![1]).await.expect("again");
        assert!(matches!(answers.answer(request, vec![2]).await, Err(AnswerError::OtherAnswer)));
        let answered = answers.claim(request, [5; 32], exec(9), 100).await.expect("known");
        assert_eq!(answered, Claim::Answered(vec![1]));
        assert_eq!(answers.expired(99).expect("reads"), []);
        assert_eq!(answers.expired(100).expect("reads"), [(request, exec(1))]);
        answers.forget(request).await.expect("forgotten");
        assert_eq!(answers.expired(100).expect("reads"), []);
    });
}

#[test]
fn a_nonce_is_good_once_also_after_a_restart() {
    let disk = Disk::default();
    block_on(async {
        let seen = SeenNonces::of(&state(&disk).await);
        seen.remember([1; 32], [2; 16], 100).await.expect("new");
        seen.remember([1; 32], [3; 16], 200).await.expect("another nonce");
        seen.remember([9; 32], [2; 16], 200).await.expect("another client");
    });
    block_on(async {
        let seen = SeenNonces::of(&state(&disk).await);
        assert!(matches!(seen.remember([1; 32], [2; 16], 100).await, Err(SeenError::Replayed)));
        assert_eq!(seen.expire(150).await.expect("swept"), 1);
        assert!(matches!(seen.remember([1; 32], [3; 16], 200).await, Err(SeenError::Replayed)));
    });
}

#[test]
fn the_audit_head_moves_one_record_at_a_time() {
    block_on(async {
        let heads = AuditHeads::of(&state(&Disk::default()).await);
        let record = |sequence| AuditHead { sequence, chain: [sequence as u8; 32] };
        heads.advance(record(1)).await.expect("first");
        assert!(matches!(heads.advance(record(1)).await, Err(AuditError::OutOfOrder { at: 1, next: 1 })));
        assert!(matches!(heads.advance(record(3)).await, Err(AuditError::OutOfOrder { at: 1, next: 3 })));
        heads.advance(record(2)).await.expect("second");
        assert_eq!(heads.last().expect("reads"), record(2));
    });
}

#[test]
fn shelves_keep_apart_what_is_under_the_same_key() {
    block_on(async {
        let file = state(&Disk::default()).await;
        let (invitations, anchors) = (Shelf::invitations(&file), Shelf::anchors(&file));
        invitations.put(b"ab", SecretBytes::new(vec![1])).await.expect("put");
        anchors.put(b"ab", SecretBytes::new(vec![2])).await.expect("put");
        anchors.put(b"ac", SecretBytes::new(vec![3])).await.expect("put");
        let found = anchors.under(b"a").expect("reads");
        assert_eq!(found.iter().map(|(_, value)| value.expose()[0]).collect::<Vec<_>>(), [2, 3]);
        anchors.shred(b"ab").await.expect("shredded");
        assert!(anchors.get(b"ab").expect("reads").is_none());
        assert!(invitations.get(b"ab").expect("reads").is_some());
        invitations.delete(b"ab").await.expect("deleted");
        assert!(invitations.get(b"ab").expect("reads").is_none());
    });
}
