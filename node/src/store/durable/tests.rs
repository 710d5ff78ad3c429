use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::executor::block_on;

use super::super::disk::Disk;
use super::*;

const ROWS: Table = Table("rows");
const LAYOUT: Layout = Layout { file: "test.redb", schema: 3, tables: &[ROWS] };

fn quiet() -> Fatal {
    Fatal::call(|_| {})
}

#[derive(Debug, Error)]
enum Refusal {
    #[error("taken")]
    Taken,
    #[error(transparent)]
    Fault(#[from] Fault),
}

async fn insert_once(store: &Durable, key: u64) -> Result<(), Refusal> {
    let key = key.to_be_bytes();
    store
        .write(
            move |plan| match plan.get(ROWS, &key)? {
                Some(_) => Err(Refusal::Taken),
                None => Ok(()),
            },
            move |apply, ()| apply.put(ROWS, &key, b"here"),
        )
        .await
}

#[test]
fn a_refusal_leaves_the_others_of_its_group_untouched() {
    let store = Durable::open_on(Disk::default(), LAYOUT, quiet()).expect("opens");
    let results = block_on(futures::future::join_all((0..200u64).map(|i| insert_once(&store, i % 100))));
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 100);
    assert_eq!(results.iter().filter(|result| matches!(result, Err(Refusal::Taken))).count(), 100);
    assert_eq!(store.read().expect("reads").view(ROWS).expect("table").len().expect("len"), 100);
}

#[test]
fn what_arrives_during_a_commit_shares_the_next_one() {
    let disk = Disk::default();
    let store = Durable::open_on(disk.clone(), LAYOUT, quiet()).expect("opens");
    block_on(insert_once(&store, 1000)).expect("alone");
    let before = disk.operations();
    block_on(insert_once(&store, 1001)).expect("alone");
    let alone = disk.operations() - before;
    let before = disk.operations();
    block_on(futures::future::join_all((0..500u64).map(|i| insert_once(&store, i))));
    let together = disk.operations() - before;
    assert!(together < 500 * alone / 4, "{together} disk operations for 500 writes, {alone} for one");
}

#[test]
fn an_acknowledged_write_survives_power_loss_at_every_operation() {
    let whole = {
        let disk = Disk::default();
        write_until_death(&disk);
        disk.operations()
    };
    for death in 0..whole {
        for seed in 0..3 {
            let disk = Disk::default();
            disk.dies_in(death);
            let acknowledged = write_until_death(&disk);
            let found = disk.after_power_loss(seed * 7919 + death);
            let store = match Durable::open_on(found, LAYOUT, quiet()) {
                Ok(store) => store,
                Err(error) if acknowledged.is_empty() => {
                    // Creation goes through a rename on a real disk: a file that never had a first commit is thrown away.
                    let _ = error;
                    continue;
                }
                Err(error) => panic!("death {death}, seed {seed}: {error}"),
            };
            let now = store.read().expect("reads");
            for key in acknowledged {
                let row = now.get(ROWS, &key.to_be_bytes()).expect("reads");
                assert!(row.is_some(), "death {death}, seed {seed}: row {key} was acknowledged and is lost");
            }
        }
    }
}

#[test]
fn the_crash_test_notices_a_disk_that_lies() {
    let mut losses = 0;
    for seed in 0..50 {
        let disk = Disk::default();
        drop(Durable::open_on(disk.clone(), LAYOUT, quiet()).expect("opens"));
        disk.lies_about_syncs();
        let acknowledged = write_until_death(&disk);
        let lost = match Durable::open_on(disk.after_power_loss(seed), LAYOUT, quiet()) {
            Err(_) => true,
            Ok(store) => {
                let now = store.read().expect("reads");
                acknowledged.iter().any(|key| !matches!(now.get(ROWS, &key.to_be_bytes()), Ok(Some(_))))
            }
        };
        losses += u32::from(lost);
    }
    assert!(losses > 25, "{losses} of 50");
}

fn write_until_death(disk: &Disk) -> Vec<u64> {
    let mut acknowledged = Vec::new();
    if let Ok(store) = Durable::open_on(disk.clone(), LAYOUT, quiet()) {
        for key in 0..12 {
            match block_on(insert_once(&store, key)) {
                Ok(()) => acknowledged.push(key),
                Err(_) => break,
            }
        }
    }
    acknowledged
}

#[test]
fn a_failed_commit_raises_fatal_once_and_stops_the_store() {
    let raised = Arc::new(AtomicUsize::new(0));
    let counter = raised.clone();
    let fatal = Fatal::call(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
    });
    let disk = Disk::default();
    let store = Durable::open_on(disk.clone(), LAYOUT, fatal).expect("opens");
    block_on(insert_once(&store, 1)).expect("alive");
    disk.dies_in(0);
    assert!(matches!(block_on(insert_once(&store, 2)), Err(Refusal::Fault(Fault::Stopped))));
    assert!(matches!(block_on(insert_once(&store, 3)), Err(Refusal::Fault(Fault::Stopped))));
    drop(store);
    assert_eq!(raised.load(Ordering::SeqCst), 1);
}

#[test]
fn a_panic_in_the_writer_is_fatal() {
    let raised = Arc::new(Mutex::new(String::new()));
    let seen = raised.clone();
    let fatal = Fatal::call(move |reason| *seen.lock().expect("lock") = reason.to_owned());
    let store = Durable::open_on(Disk::default(), LAYOUT, fatal).expect("opens");
    let result = block_on(store.put(|_| panic!("a broken invariant")));
    assert!(matches!(result, Err(Fault::Stopped)));
    drop(store);
    assert!(raised.lock().expect("lock").contains("panicked"));
}

#[test]
fn an_older_binary_refuses_a_newer_file_by_name() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("test.redb");
    let newer = Layout { schema: 4, ..LAYOUT };
    drop(Durable::open(&path, newer, quiet()).expect("made"));
    let refused = Durable::open(&path, LAYOUT, quiet()).err().expect("refused");
    assert!(matches!(refused, OpenError::Newer { file: "test.redb", found: 4, known: 3 }), "{refused}");
    assert!(refused.to_string().contains("test.redb"));
}

#[test]
fn a_file_is_open_once_at_a_time_and_keeps_its_identity() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("test.redb");
    let first = Durable::open(&path, LAYOUT, quiet()).expect("made");
    let refused = Durable::open(&path, LAYOUT, quiet()).err().expect("refused");
    assert!(matches!(refused, OpenError::InUse { .. }), "{refused}");
    let identity = first.identity();
    drop(first);
    let again = Durable::open(&path, LAYOUT, quiet()).expect("opens again");
    assert_eq!(again.identity(), identity);
    assert_ne!(identity.file_id, identity.store_id);
}

#[test]
fn a_half_made_file_is_thrown_away() {
    let folder = tempfile::tempdir().expect("folder");
    std::fs::write(folder.path().join("test.redb.new"), b"half").expect("written");
    let path = folder.path().join("test.redb");
    drop(Durable::open(&path, LAYOUT, quiet()).expect("made"));
    assert!(!folder.path().join("test.redb.new").exists());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn another_kind_of_file_is_refused() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("test.redb");
    std::fs::write(&path, vec![7; 8192]).expect("written");
    assert!(Durable::open(&path, LAYOUT, quiet()).is_err());
}

#[test]
fn a_shredded_row_is_nowhere_in_the_file_even_if_power_fails_meanwhile() {
    let secret: Vec<u8> = (0..72u8).map(|i| i.wrapping_mul(37) ^ 0x5a).collect();
    let contains = |disk: &Disk| disk.durable_bytes().windows(24).any(|seen| seen == &secret[..24]);
    let tail = |disk: &Disk| disk.durable_bytes().windows(24).any(|seen| seen == &secret[48..]);
    let prepare = || {
        let disk = Disk::default();
        let store = Durable::open_on(disk.clone(), LAYOUT, quiet()).expect("opens");
        let value = secret.clone();
        block_on(store.put(move |apply| apply.put(ROWS, b"key", &value))).expect("put");
        block_on(insert_once(&store, 1)).expect("a neighbour, so that pages are copied");
        (disk, store)
    };
    let (disk, store) = prepare();
    assert!(contains(&disk) && tail(&disk), "the search finds what is there");
    let before = disk.operations();
    block_on(store.put(|apply| apply.shred(ROWS, b"key").map(drop))).expect("shredded");
    let whole = disk.operations() - before;
    assert!(!contains(&disk) && !tail(&disk));
    drop(store);

    for death in 0..whole {
        let (disk, store) = prepare();
        disk.dies_in(death);
        assert!(block_on(store.put(|apply| apply.shred(ROWS, b"key").map(drop))).is_err());
        drop(store);
        let found = disk.after_power_loss(death);
        let store = Durable::open_on(found.clone(), LAYOUT, quiet()).expect("opens");
        if store.read().expect("reads").get(ROWS, b"key").expect("reads").is_none() {
            assert!(!contains(&found) && !tail(&found), "death {death}");
        }
        assert!(store.read().expect("reads").get(ROWS, &1u64.to_be_bytes()).expect("reads").is_some());
    }
}

#[test]
fn only_this_file_begins_writes() {
    let mut offenders = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("source folder") {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if std::fs::read_to_string(&path).expect("text").contains(concat!("begin_", "write()")) {
                offenders.push(path);
            }
        }
    }
    offenders.retain(|path| !path.ends_with("store/durable.rs"));
    assert!(offenders.is_empty(), "{offenders:?}");
}
