//! One content per secret for ever, visible only by a certificate, all or none through any crash.

use futures::executor::block_on;

use super::*;
use crate::castor::tests::{quiet, root};
use crate::store::disk::Disk;

const CLOUD: CloudId = CloudId([0xc1; 32]);

fn key(number: u8) -> SecretKey {
    SecretKey { cloud: CLOUD, id: SecretId([number; 16]) }
}

fn head() -> SecretHead {
    SecretHead { owner: [1; 32], mask_set: [2; 32], words: 3, terms: b"terms".to_vec() }
}

fn secret(byte: u8) -> SecretBytes {
    SecretBytes::new(vec![byte; 48])
}

fn tags(value: &str) -> Tags {
    Tags::from([("name".to_owned(), value.to_owned())])
}

async fn open(disk: &Disk) -> Option<SecretStore> {
    let file = StateFile::open_on(disk.clone(), root(), quiet()).await.ok()?;
    SecretStore::open(&file).await.ok()
}

async fn begin(store: &SecretStore, number: u8) -> Result<(), SecretError> {
    store.begin(key(number), head(), secret(0x11), 1000).await
}

async fn prepare(store: &SecretStore, number: u8, digest: u8) -> Result<(), SecretError> {
    store.prepare(key(number), [2; 32], [digest; 32], secret(0x22), tags("a")).await
}

async fn commit(store: &SecretStore, number: u8, digest: u8) -> Result<Commit, SecretError> {
    store.commit(key(number), [digest; 32], b"certificate".to_vec(), secret(0x33)).await
}

fn stage(store: &SecretStore, number: u8) -> Option<Stage> {
    store.stage(key(number)).expect("reads")
}

#[test]
fn a_secret_is_visible_only_when_committed() {
    block_on(async {
        let store = open(&Disk::default()).await.expect("opens");
        assert!(matches!(store.get(key(1)), Err(SecretError::Unknown(_))));
        begin(&store, 1).await.expect("begun");
        assert!(matches!(begin(&store, 1).await, Err(SecretError::WrongStage { stage: Stage::Masked, .. })));
        assert!(matches!(commit(&store, 1, 7).await, Err(SecretError::WrongStage { .. })));
        let other = store.prepare(key(1), [9; 32], [7; 32], secret(0x22), Tags::new()).await;
        assert!(matches!(other, Err(SecretError::OtherMasks { .. })));
        prepare(&store, 1, 7).await.expect("prepared");
        assert!(matches!(store.get(key(1)), Err(SecretError::WrongStage { stage: Stage::Prepared, .. })));
        assert!(store.list(CLOUD, None, 10, |_| true).expect("list").is_empty());
        assert_eq!(store.unsettled(CLOUD).expect("reads"), [(SecretId([1; 16]), Stage::Prepared)]);
        assert_eq!(store.prepared(key(1)).expect("kept").material.expose(), [0x11; 48]);
        assert_eq!(commit(&store, 1, 7).await.expect("committed"), Commit::New);
        assert_eq!(commit(&store, 1, 7).await.expect("again"), Commit::Again);
        assert_eq!(store.get(key(1)).expect("visible").shares.expose(), [0x33; 48]);
        store.tag(key(1), tags("b")).await.expect("tagged");
        assert_eq!(store.get(key(1)).expect("visible").tags, tags("b"));
        store.delete(key(1), b"order".to_vec()).await.expect("deleted");
        store.delete(key(1), b"order".to_vec()).await.expect("again");
        assert!(matches!(store.get(key(1)), Err(SecretError::WrongStage { stage: Stage::Deleted, .. })));
        assert!(matches!(begin(&store, 1).await, Err(SecretError::WrongStage { .. })), "an id is used once");
    });
}

#[test]
fn a_second_digest_is_refused_for_ever() {
    let disk = Disk::default();
    for number in 1..=2 {
        block_on(async {
            let store = open(&disk).await.expect("opens");
            begin(&store, number).await.expect("begun");
            prepare(&store, number, 7).await.expect("prepared");
            prepare(&store, number, 7).await.expect("the same again");
            for second in [prepare(&store, number, 8).await, commit(&store, number, 8).await.map(drop)] {
                assert!(matches!(second, Err(SecretError::SecondDigest { first, .. }) if first == [7; 32]));
            }
            commit(&store, number, 7).await.expect("committed");
            assert!(matches!(prepare(&store, number, 8).await, Err(SecretError::SecondDigest { .. })));
            assert!(matches!(commit(&store, number, 8).await, Err(SecretError::SecondDigest { .. })));
            prepare(&store, number, 7).await.expect("a late repeat changes nothing");
            assert_eq!(stage(&store, number), Some(Stage::Committed));
        });
    }
}

#[test]
fn after_its_vote_a_node_moves_only_by_certificates_and_a_commit_overrides_an_abort() {
    block_on(async {
        let store = open(&Disk::default()).await.expect("opens");
        store.abort(key(1)).await.expect("nothing was promised");
        assert!(begin(&store, 1).await.is_err(), "a late begin finds the tombstone");
        begin(&store, 2).await.expect("begun");
        store.abort(key(2)).await.expect("no vote yet");
        assert!(prepare(&store, 2, 7).await.is_err());
        assert!(commit(&store, 2, 7).await.is_err(), "this node never voted for it");

        begin(&store, 3).await.expect("begun");
        prepare(&store, 3, 7).await.expect("prepared");
        assert!(matches!(store.abort(key(3)).await, Err(SecretError::WrongStage { .. })));
        store.abort_by(key(3), b"signed".to_vec()).await.expect("a member aborted");
        assert_eq!(stage(&store, 3), Some(Stage::Aborted));
        assert!(matches!(commit(&store, 3, 8).await, Err(SecretError::SecondDigest { .. })));
        assert_eq!(commit(&store, 3, 7).await.expect("certificate"), Commit::OverAbort);
        assert!(matches!(store.abort_by(key(3), vec![]).await, Err(SecretError::WrongStage { .. })));

        begin(&store, 4).await.expect("begun");
        prepare(&store, 4, 7).await.expect("prepared");
        store.abort_by(key(4), b"signed".to_vec()).await.expect("a member aborted");
        assert_eq!(store.drop_aborted(CLOUD).await.expect("swept"), [SecretId([4; 16])]);
        assert!(commit(&store, 4, 7).await.is_err(), "its epoch is over");
    });
}

#[test]
fn masks_expire_and_votes_do_not() {
    block_on(async {
        let store = open(&Disk::default()).await.expect("opens");
        begin(&store, 1).await.expect("begun");
        begin(&store, 2).await.expect("begun");
        prepare(&store, 2, 7).await.expect("prepared");
        assert!(store.expire_masked(CLOUD, 999).await.expect("swept").is_empty());
        assert_eq!(store.expire_masked(CLOUD, 1000).await.expect("swept"), [SecretId([1; 16])]);
        assert_eq!((stage(&store, 1), stage(&store, 2)), (Some(Stage::Aborted), Some(Stage::Prepared)));
    });
}

#[test]
fn what_waits_is_listed_exactly_in_a_file_of_an_earlier_release_too() {
    let disk = Disk::default();
    let waits = |store: &SecretStore| store.unsettled(CLOUD).expect("reads");
    let expected = [(SecretId([1; 16]), Stage::Masked), (SecretId([2; 16]), Stage::Prepared)];
    block_on(async {
        let store = open(&disk).await.expect("opens");
        for number in 1..=5 {
            begin(&store, number).await.expect("begun");
        }
        for number in 2..=5 {
            prepare(&store, number, 7).await.expect("prepared");
        }
        commit(&store, 3, 7).await.expect("committed");
        commit(&store, 4, 7).await.expect("committed");
        store.delete(key(4), vec![]).await.expect("deleted");
        store.abort_by(key(5), b"signed".to_vec()).await.expect("aborted");
        assert_eq!(waits(&store), expected);
        let earlier = |apply: &Apply<'_>| {
            let listed = apply.view(UNSETTLED_SECRETS)?.under(&[])?;
            listed.iter().try_for_each(|(key, _)| apply.delete(UNSETTLED_SECRETS, key).map(drop))
        };
        store.durable.put(earlier).await.expect("written");
        assert_eq!(waits(&store), []);
    });
    block_on(async {
        let store = open(&disk).await.expect("opens");
        assert_eq!(waits(&store), expected);
        assert_eq!(store.expire_masked(CLOUD, 1000).await.expect("swept"), [SecretId([1; 16])]);
        assert_eq!(waits(&store), expected[1..]);
    });
}

fn result() -> Secret {
    Secret { head: head(), digest: [7; 32], shares: secret(3), certificate: vec![1], tags: tags("a") }
}

/// Between two commits a crash once left a result that looked like an upload, which nobody had masked.
#[test]
fn a_result_is_there_at_once_or_not_at_all() {
    block_on(async {
        let store = open(&Disk::default()).await.expect("opens");
        store.keep_result(key(1), result()).await.expect("committed");
        assert_eq!(store.stage(key(1)).expect("reads"), Some(Stage::Committed));
        assert!(store.unsettled(CLOUD).expect("reads").is_empty());
        store.keep_result(key(1), result()).await.expect("again");
        let other = store.keep_result(key(1), Secret { digest: [8; 32], ..result() }).await;
        assert!(matches!(other, Err(SecretError::SecondDigest { .. })));
        store.delete(key(1), vec![1]).await.expect("deleted");
        let deleted = store.keep_result(key(1), result()).await;
        assert!(matches!(deleted, Err(SecretError::WrongStage { stage: Stage::Deleted, .. })));
    });
}

#[test]
fn lists_are_pages_of_one_cloud() {
    block_on(async {
        let store = open(&Disk::default()).await.expect("opens");
        let elsewhere = SecretKey { cloud: CloudId([0xc2; 32]), id: SecretId([1; 16]) };
        for key in [elsewhere, key(5), key(3), key(9), key(7)] {
            store.keep_result(key, result()).await.expect("committed");
        }
        let ids = |after: Option<u8>, count| {
            let after = after.map(|byte| SecretId([byte; 16]));
            let page = store.list(CLOUD, after, count, |secret| secret.tags == tags("a")).expect("list");
            page.into_iter().map(|(id, _)| id.0[0]).collect::<Vec<_>>()
        };
        assert_eq!(ids(None, 10), [3, 5, 7, 9]);
        assert_eq!(ids(None, 2), [3, 5]);
        assert_eq!(ids(Some(5), 2), [7, 9]);
        assert!(store.list(CLOUD, None, 10, |_| false).expect("list").is_empty());
    });
}

#[test]
fn uses_are_counted_up_to_the_limit() {
    block_on(async {
        let store = open(&Disk::default()).await.expect("opens");
        assert_eq!(store.count_use(key(1), [1; 32], 2).await.expect("first"), 1);
        assert_eq!(store.count_use(key(1), [1; 32], 2).await.expect("second"), 2);
        assert!(matches!(store.count_use(key(1), [1; 32], 2).await, Err(SecretError::UsedUp { used: 2, .. })));
        assert_eq!(store.count_use(key(1), [2; 32], 2).await.expect("another program"), 1);
    });
}

/// The script of one upload; returns the last acknowledged stage.
async fn upload(disk: &Disk) -> (bool, Option<Stage>) {
    let mut last = None;
    let Some(store) = open(disk).await else {
        return (false, None);
    };
    for (next, done) in [
        (Stage::Masked, begin(&store, 1).await.is_ok()),
        (Stage::Prepared, prepare(&store, 1, 7).await.is_ok()),
        (Stage::Committed, commit(&store, 1, 7).await.is_ok()),
        (Stage::Deleted, store.delete(key(1), vec![]).await.is_ok()),
    ] {
        if done {
            last = Some(next);
        }
    }
    (true, last)
}

#[test]
fn power_loss_at_every_operation_leaves_a_secret_at_its_last_acknowledged_stage_or_the_next() {
    const ORDER: [Option<Stage>; 5] =
        [None, Some(Stage::Masked), Some(Stage::Prepared), Some(Stage::Committed), Some(Stage::Deleted)];
    let whole = {
        let disk = Disk::default();
        assert_eq!(block_on(upload(&disk)), (true, Some(Stage::Deleted)));
        disk.operations()
    };
    for death in 0..whole {
        for seed in 0..2 {
            let disk = Disk::default();
            disk.dies_in(death);
            let (opened, acknowledged) = block_on(upload(&disk));
            if !opened {
                continue;
            }
            let found = disk.after_power_loss(death * 2 + seed);
            let store = block_on(open(&found)).expect("opens");
            let state = store.state(key(1)).expect("reads");
            let at = |stage| ORDER.iter().position(|known| *known == stage).expect("in the list");
            let (told, now) = (at(acknowledged), at(state.as_ref().map(SecretState::stage)));
            assert!((told..=told + 1).contains(&now), "death {death}: {told} told, {now} found");
            if let Some(SecretState::Committed(secret)) = state {
                assert_eq!((secret.shares.expose(), secret.digest), ([0x33; 48].as_slice(), [7; 32]));
            }
        }
    }
}
