//! Nothing leaves before it is durable, an unfinished check freezes, a burned key stays burned.

use futures::executor::block_on;

use super::*;
use crate::castor::tests::{SCOPE, chunk, exec, name, open, quiet, root, stock_up, want};
use crate::castor::{Castor, ExecutionState, StageError, TakeError, TupleKind};
use crate::store::disk::Disk;
use crate::store::durable::Reads;
use crate::store::mac_keys::{MacKeyError, MacKeyShare, MacKeys};
use crate::store::sealed::SecretBytes;
use crate::store::tuples_file::{DATA_KEYS, ROWS};
use crate::store::{MacKeyId, MacScope, SessionId, StateFile};

fn check(number: u64) -> NewCheck {
    NewCheck {
        scope: SCOPE,
        number,
        session: SessionId([3; 32]),
        covers: [4; 32],
        counter: number,
        field: 0,
        opening: SecretBytes::new(vec![number as u8; 48]),
        commitment: vec![7; 32],
    }
}

fn commitments() -> Vec<Vec<u8>> {
    vec![vec![7; 32], vec![8; 32]]
}

#[test]
fn a_check_runs_through_its_steps_and_the_transcript_stays_until_the_next() {
    block_on(async {
        let (_file, _, journal) = open(&Disk::default()).await;
        journal.begin_check(check(1)).await.expect("begun");
        assert!(matches!(journal.finish_zero(SCOPE, 1).await, Err(CheckError::NotCommitted { number: 1 })));
        assert!(matches!(journal.begin_check(check(2)).await, Err(CheckError::Unfinished { check: 1 })));
        journal.record_commitments(SCOPE, 1, commitments()).await.expect("recorded");
        journal.record_commitments(SCOPE, 1, commitments()).await.expect("the same again");
        let other = journal.record_commitments(SCOPE, 1, vec![vec![9; 32]]).await;
        assert!(matches!(other, Err(CheckError::OtherCommitments { number: 1 })));
        assert_eq!(journal.unfinished_checks().expect("reads").len(), 1);
        journal.finish_zero(SCOPE, 1).await.expect("finished");
        journal.finish_zero(SCOPE, 1).await.expect("again");
        assert!(journal.unfinished_checks().expect("reads").is_empty());
        let kept = journal.last_check(SCOPE).expect("reads").expect("kept");
        assert_eq!(kept.opening.expose(), [1; 48]);
        assert!(matches!(kept.phase, CheckPhase::Finished(all) if all.len() == 2));
        assert!(matches!(journal.begin_check(check(1)).await, Err(CheckError::NumberUsed { number: 1, last: 1 })));
        journal.begin_check(check(5)).await.expect("numbers may skip");
        assert_eq!(journal.last_check(SCOPE).expect("reads").expect("there").number, 5);
        assert!(matches!(journal.finish_zero(SCOPE, 4).await, Err(CheckError::NotOpen { number: 4 })));
    });
}

#[test]
fn an_unfinished_check_freezes_the_key_after_a_restart_until_it_is_finished() {
    let disk = Disk::default();
    block_on(async {
        let (_file, castor, journal) = open(&disk).await;
        stock_up(&castor, TupleKind::BIT, 0, 10).await;
        journal.begin_check(check(1)).await.expect("begun");
        journal.record_commitments(SCOPE, 1, commitments()).await.expect("recorded");
        assert_eq!(journal.key_state(SCOPE).expect("reads"), KeyState::Active);
    });
    block_on(async {
        let (_file, castor, journal) = open(&disk).await;
        assert_eq!(journal.key_state(SCOPE).expect("reads"), KeyState::Frozen { check: 1 });
        let taken = castor.take(want(1, TupleKind::BIT, &[(0, 1)])).await;
        assert!(matches!(taken, Err(TakeError::KeyFrozen { check: 1 })));
        assert!(matches!(journal.begin_check(check(2)).await, Err(CheckError::Unfinished { check: 1 })));
        assert!(matches!(journal.withdraw_unopened(SCOPE, 1).await, Err(CheckError::MayHaveLeft { number: 1 })));
        let (scope, unfinished) = journal.unfinished_checks().expect("reads").remove(0);
        assert_eq!((scope, unfinished.number, unfinished.commitment.as_slice()), (SCOPE, 1, [7; 32].as_slice()));
        assert_eq!(unfinished.opening.expose(), [1; 48], "the same opening can be sent again");
        journal.finish_zero(SCOPE, 1).await.expect("finished");
        assert_eq!(journal.key_state(SCOPE).expect("reads"), KeyState::Active);
        drop(castor.take(want(1, TupleKind::BIT, &[(0, 1)])).await.expect("taken"));
        journal.begin_check(check(2)).await.expect("begun");
    });
}

#[test]
fn only_a_check_whose_opening_has_not_left_can_be_withdrawn_also_after_a_restart() {
    let disk = Disk::default();
    block_on(async {
        let (_file, _, journal) = open(&disk).await;
        journal.begin_check(check(1)).await.expect("begun");
        journal.withdraw_unopened(SCOPE, 1).await.expect("withdrawn");
        assert!(matches!(journal.begin_check(check(1)).await, Err(CheckError::NumberUsed { .. })));
        journal.begin_check(check(2)).await.expect("begun");
        journal.record_commitments(SCOPE, 2, commitments()).await.expect("recorded");
        assert!(matches!(journal.withdraw_unopened(SCOPE, 2).await, Err(CheckError::MayHaveLeft { number: 2 })));
        journal.finish_zero(SCOPE, 2).await.expect("finished");
        journal.begin_check(check(3)).await.expect("begun");
    });
    block_on(async {
        let (_file, _, journal) = open(&disk).await;
        assert_eq!(journal.key_state(SCOPE).expect("reads"), KeyState::Frozen { check: 3 });
        journal.withdraw_unopened(SCOPE, 3).await.expect("withdrawn");
        assert_eq!(journal.key_state(SCOPE).expect("reads"), KeyState::Active);
    });
}

#[test]
fn a_transcript_stays_until_all_members_have_committed_to_the_next_check() {
    block_on(async {
        let (_file, _, journal) = open(&Disk::default()).await;
        let find = async |counter| journal.find_or_rule_out(SCOPE, SessionId([3; 32]), counter).await.expect("found");
        journal.begin_check(check(1)).await.expect("begun");
        journal.record_commitments(SCOPE, 1, commitments()).await.expect("recorded");
        journal.finish_zero(SCOPE, 1).await.expect("finished");
        // Begun here alone: a member that has still to finish check 1 will not begin check 2, and needs the transcript.
        journal.begin_check(check(2)).await.expect("begun");
        assert!(find(1).await.is_some());
        journal.withdraw_unopened(SCOPE, 2).await.expect("withdrawn");
        assert!(find(1).await.is_some());
        journal.begin_check(check(3)).await.expect("begun");
        journal.record_commitments(SCOPE, 3, commitments()).await.expect("recorded");
        assert!(find(1).await.is_none());
        assert_eq!(find(3).await.map(|check| check.number), Some(3));
    });
}

#[test]
fn a_check_that_a_member_denied_never_begins_there() {
    block_on(async {
        let (_file, _, journal) = open(&Disk::default()).await;
        let other = SessionId([4; 32]);
        assert!(journal.find_or_rule_out(SCOPE, SessionId([3; 32]), 1).await.expect("ruled out").is_none());
        assert!(matches!(journal.begin_check(check(1)).await, Err(CheckError::RuledOut)));
        journal.begin_check(NewCheck { session: other, ..check(1) }).await.expect("another session");
        assert!(journal.find_or_rule_out(SCOPE, other, 1).await.expect("found").is_some());
        journal.withdraw_unopened(SCOPE, 1).await.expect("withdrawn");
        journal.begin_check(check(2)).await.expect("begun");
        journal.record_commitments(SCOPE, 2, commitments()).await.expect("recorded");
        let opened = journal.withdraw_unopened(SCOPE, 2).await;
        assert!(matches!(opened, Err(CheckError::MayHaveLeft { number: 2 })));
    });
}

#[test]
fn what_a_check_step_acknowledged_survives_power_loss_at_every_operation() {
    let whole = {
        let disk = Disk::default();
        assert_eq!(block_on(check_script(&disk)), 6);
        disk.operations()
    };
    for death in 0..whole {
        let disk = Disk::default();
        disk.dies_in(death);
        let steps = block_on(check_script(&disk));
        if steps == 0 {
            continue;
        }
        let found = disk.after_power_loss(death);
        block_on(async {
            let (_file, _, journal) = open(&found).await;
            let last = journal.last_check(SCOPE).expect("reads");
            // The step after the acknowledged one may have reached the disk, no other.
            let reached = match last.map(|check| (check.number, check.phase)) {
                None => 1,
                Some((number, CheckPhase::Begun)) => 3 * number - 1,
                Some((number, CheckPhase::Committed(_))) => 3 * number,
                Some((number, CheckPhase::Finished(_))) => 3 * number + 1,
            };
            assert!((steps..=steps + 1).contains(&reached), "death {death}: {steps} steps, found {reached}");
            let frozen = matches!(journal.key_state(SCOPE).expect("reads"), KeyState::Frozen { .. });
            assert_eq!(frozen, reached % 3 != 1, "death {death}: an unfinished check freezes");
        });
    }
}

/// How many steps were acknowledged: 1 is the opening of the store.
async fn check_script(disk: &Disk) -> u64 {
    let mut steps = 0;
    let mut run = async || -> Option<()> {
        let file = TuplesFile::open_on(disk.clone(), root(), quiet()).await.ok()?;
        Castor::open(&file).await.ok()?;
        let journal = Journal::open(&file).await.ok()?;
        steps = 1;
        for number in 1..=2 {
            journal.begin_check(check(number)).await.ok()?;
            steps += 1;
            journal.record_commitments(SCOPE, number, commitments()).await.ok()?;
            steps += 1;
            if number == 1 {
                journal.finish_zero(SCOPE, number).await.ok()?;
                steps += 1;
            }
        }
        Some(())
    };
    run().await;
    steps
}

fn share() -> MacKeyShare {
    MacKeyShare { share: SecretBytes::new(vec![0xaa; 16]), commitment_nonce: SecretBytes::new(vec![0xbb; 32]) }
}

struct Node {
    tuples: TuplesFile,
    castor: Castor,
    journal: Journal,
    state: StateFile,
    keys: MacKeys,
}

async fn node(tuples: &Disk, state: &Disk) -> Node {
    let (tuples, castor, journal) = open(tuples).await;
    let state = StateFile::open_on(state.clone(), root(), quiet()).await.expect("opens");
    let keys = MacKeys::open(&state, journal.clone()).await.expect("opens");
    Node { tuples, castor, journal, state, keys }
}

#[test]
fn a_burned_key_never_loads_takes_stages_or_checks_again() {
    let (tuples, state) = (Disk::default(), Disk::default());
    block_on(async {
        let node = node(&tuples, &state).await;
        stock_up(&node.castor, TupleKind::TRIPLE, 0, 100).await;
        drop(node.castor.take(want(1, TupleKind::TRIPLE, &[(0, 10)])).await.expect("taken"));
        node.keys.keep(SCOPE, share()).await.expect("kept");
        node.keys.keep(SCOPE, share()).await.expect("the same again");
        assert!(node.keys.load(SCOPE).expect("loads") == share());
        for (field, byte) in [(40, 1), (128, 2), (40, 3)] {
            let kept = node.keys.side_share(SCOPE, field, SecretBytes::new(vec![byte; 16])).await.expect("kept");
            let first = if field == 40 { 1 } else { 2 };
            assert_eq!(kept.expose(), [first; 16], "the first share of a field stays");
        }
        node.keys.burn(SCOPE, b"evidence".to_vec()).await.expect("burned");
        node.keys.burn(SCOPE, b"other evidence".to_vec()).await.expect("again");
        let state = node.castor.execution(exec(1)).expect("reads").expect("there").state;
        assert!(matches!(state, ExecutionState::Aborted(_)));
    });
    for _restart in 0..2 {
        block_on(async {
            let node = node(&tuples, &state).await;
            let evidence = b"evidence".to_vec();
            assert_eq!(node.journal.key_state(SCOPE).expect("reads"), KeyState::Compromised { evidence });
            assert!(matches!(node.keys.load(SCOPE), Err(MacKeyError::Compromised(_))));
            assert!(matches!(node.keys.keep(SCOPE, share()).await, Err(MacKeyError::Compromised(_))));
            let side = node.keys.side_share(SCOPE, 40, SecretBytes::new(vec![4; 16])).await;
            assert!(matches!(side, Err(MacKeyError::Compromised(_))));
            let left = node.state.sealed().durable().read().expect("reads");
            let left = left.view(crate::store::state_file::MAC_KEYS).expect("reads").under(&SCOPE.to_key());
            assert!(left.expect("reads").is_empty(), "no field's share is left");
            assert_eq!(node.castor.offers(SCOPE, TupleKind::TRIPLE), []);
            let taken = node.castor.take(want(2, TupleKind::TRIPLE, &[(10, 20)])).await;
            assert!(matches!(taken, Err(TakeError::KeyCompromised)));
            let staged = node.castor.stage(chunk(TupleKind::TRIPLE, 100, 5)).await;
            assert!(matches!(staged, Err(StageError::KeyCompromised)));
            let active = node.castor.activate(name(TupleKind::TRIPLE, 0), vec![1]).await;
            assert!(matches!(active, Err(StageError::KeyCompromised)));
            assert!(matches!(node.journal.begin_check(check(9)).await, Err(CheckError::KeyCompromised)));
            node.castor.assert_inventory();
            let account = node.castor.audit(SCOPE).expect("audit")[0];
            assert!(account.balances() && account.burned == 90, "{account:?}");
            let other = MacScope { mac_key: MacKeyId([1; 16]), ..SCOPE };
            node.keys.keep(other, share()).await.expect("another key of the cloud lives");
        });
    }
}

/// What must not be found on a disk after a burn: the sealed rows that the root key would still open.
struct Canaries {
    data_key: Vec<u8>,
    share: Vec<u8>,
}

fn canaries(node: &Node) -> Canaries {
    let row = |file: &crate::store::sealed::SealedFile, table| {
        file.durable().read().and_then(|now| now.get(table, &SCOPE.to_key())).expect("reads").expect("there")
    };
    Canaries {
        data_key: row(node.tuples.sealed(), DATA_KEYS),
        share: row(node.state.sealed(), crate::store::state_file::MAC_KEYS),
    }
}

/// Any 16 bytes in a row of the needle.
fn found(disk: &Disk, needle: &[u8]) -> bool {
    let bytes = disk.durable_bytes();
    needle.chunks_exact(16).any(|part| bytes.windows(16).any(|seen| seen == part))
}

async fn stocked(tuples: &Disk, state: &Disk) -> (Node, Canaries) {
    let node = node(tuples, state).await;
    stock_up(&node.castor, TupleKind::TRIPLE, 0, 100).await;
    node.keys.keep(SCOPE, share()).await.expect("kept");
    // Neighbours, so that pages with the canaries are copied.
    let other = MacScope { mac_key: MacKeyId([0xa2; 16]), ..SCOPE };
    node.keys.keep(other, share()).await.expect("kept");
    node.castor.stage(crate::castor::NewChunk { scope: other, ..chunk(TupleKind::BIT, 0, 5) }).await.expect("staged");
    let canaries = canaries(&node);
    (node, canaries)
}

#[test]
fn after_a_burn_no_key_bytes_and_no_spendable_tuple_are_on_disk_wherever_power_failed() {
    let whole = {
        let (tuples, state) = (Disk::default(), Disk::default());
        let (node, canaries) = block_on(stocked(&tuples, &state));
        assert!(found(&tuples, &canaries.data_key) && found(&state, &canaries.share), "the search finds what is there");
        let before = (tuples.operations(), state.operations());
        block_on(node.keys.burn(SCOPE, vec![])).expect("burned");
        assert!(!found(&tuples, &canaries.data_key) && !found(&state, &canaries.share));
        let left = node.tuples.sealed().durable().read().expect("reads").view(ROWS).expect("table").len();
        assert_eq!(left.expect("reads"), 1, "the row of the other key");
        (tuples.operations() - before.0, state.operations() - before.1)
    };
    for death in 0..whole.0 + whole.1 {
        let (tuples, state) = (Disk::default(), Disk::default());
        let (dying, canaries) = block_on(stocked(&tuples, &state));
        // The journal goes first: the two disks die one after the other.
        match death.checked_sub(whole.0) {
            None => tuples.dies_in(death),
            Some(later) => state.dies_in(later),
        }
        assert!(block_on(dying.keys.burn(SCOPE, vec![])).is_err(), "death {death}");
        drop(dying);
        let (tuples, state) = (tuples.after_power_loss(death), state.after_power_loss(death));
        block_on(async {
            let node = node(&tuples, &state).await;
            let burned = matches!(node.journal.key_state(SCOPE).expect("reads"), KeyState::Compromised { .. });
            let spendable = !node.castor.offers(SCOPE, TupleKind::TRIPLE).is_empty();
            assert_eq!(burned, !spendable, "death {death}");
            assert_eq!(burned, node.keys.load(SCOPE).is_err(), "death {death}");
            if burned {
                assert!(!found(&tuples, &canaries.data_key), "death {death}: the data key is on disk");
                assert!(!found(&state, &canaries.share), "death {death}: the MAC key share is on disk");
            }
            assert!(node.castor.audit(SCOPE).expect("audit")[0].balances());
        });
    }
}

#[test]
fn nothing_secret_is_ever_on_disk_in_clear() {
    let (tuples, state) = (Disk::default(), Disk::default());
    block_on(async {
        let (node, _) = stocked(&tuples, &state).await;
        node.journal.begin_check(check(0x77)).await.expect("begun");
        let taken = node.castor.take(want(1, TupleKind::TRIPLE, &[(0, 1)])).await.expect("taken");
        drop(taken);
    });
    let tuple = crate::castor::tests::tuple(TupleKind::TRIPLE, 3);
    for disk in [&tuples, &state] {
        let bytes = disk.durable_bytes();
        for canary in [[0xaa; 16].as_slice(), &[0xbb; 16], &[0x77; 16], &tuple[..16], &tuple[18..32], &[0x52; 32]] {
            assert!(!bytes.windows(canary.len()).any(|seen| seen == canary), "{canary:02x?}");
        }
    }
}

#[test]
fn a_wrong_root_key_is_named_when_the_file_is_opened() {
    let disk = Disk::default();
    block_on(async {
        drop(open(&disk).await);
        let stranger = Arc::new(crate::store::RootKey::from_bytes([1; 32]));
        let refused = TuplesFile::open_on(disk.clone(), stranger, quiet()).await.err().expect("refused");
        assert!(matches!(refused, crate::store::OpenError::WrongRootKey { file: "tuples.redb" }));
        drop(open(&disk).await);
    });
}
