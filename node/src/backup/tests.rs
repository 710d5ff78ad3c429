//! A back-up holds the state and nothing that is spent, opens with its key alone, and not when a byte is changed.

use std::sync::Arc;

use futures::executor::block_on;

use super::*;
use crate::audit::{AuditLog, Event};
use crate::config::Config;
use crate::store::sealed::SecretBytes;
use crate::store::shelf::Shelf;
use crate::store::{Fatal, RootKey};

struct Node {
    dir: tempfile::TempDir,
    layout: Layout,
}

fn node() -> Node {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::new(dir.path().join("node"));
    layout.init(&Config::default()).unwrap();
    Node { dir, layout }
}

fn open(layout: &Layout) -> StateFile {
    let data = layout.open().unwrap();
    let root = Arc::new(RootKey::from_bytes(*data.root_key()));
    block_on(StateFile::open(layout.dir(), root, Fatal::call(|reason| panic!("{reason}")))).unwrap()
}

fn fill(layout: &Layout) -> [u8; 16] {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let state = open(layout);
    runtime.block_on(async {
        for number in 0..200u32 {
            let row = SecretBytes::new(vec![number as u8; 10_000]);
            Shelf::anchors(&state).put(&number.to_be_bytes(), row).await.unwrap();
        }
        let log = AuditLog::open(&layout.audit_log(), &state).await.unwrap();
        for number in 0..3 {
            log.record(event(number)).await.unwrap();
        }
    });
    state.identity().store_id
}

fn event(number: u64) -> Event {
    let what = format!("event {number}");
    Event { at: number, cloud: None, client: None, request: None, what, object: None, outcome: "ok".into() }
}

#[test]
fn what_was_backed_up_is_there_after_a_restore_in_another_store_and_without_tuples() {
    let node = node();
    let store_id = fill(&node.layout);
    let (file, key) = (node.dir.path().join("backup"), node.dir.path().join("backup.key"));
    let written = write(&node.layout, &open(&node.layout), &file, &key).unwrap();
    assert!(written.rows >= 200 && written.bytes == std::fs::metadata(&file).unwrap().len());

    let restored = Layout::new(node.dir.path().join("restored"));
    assert_eq!(restore(&file, &key, &restored).unwrap(), written);
    assert!(!restored.tuples().exists(), "nothing that could be spent");
    assert_eq!(restored.peer_key().unwrap(), node.layout.peer_key().unwrap());
    let state = open(&restored);
    assert_ne!(state.identity().store_id, store_id);
    let anchors = Shelf::anchors(&state).under(&[]).unwrap();
    assert!(anchors.len() == 200 && anchors.iter().all(|(_, row)| row.expose().len() == 10_000));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let log = AuditLog::open(&restored.audit_log(), &state).await.unwrap();
        log.record(event(3)).await.unwrap();
    });
    let text = std::fs::read_to_string(restored.audit_log()).unwrap();
    assert!(text.lines().count() == 4 && !text.contains("broken"), "{text}");

    assert!(matches!(restore(&file, &key, &restored), Err(BackupError::DataDir(_))), "never over a node");
    assert!(matches!(write(&node.layout, &open(&node.layout), &file, &key), Err(BackupError::File { .. })));
}

#[test]
fn lines_that_are_written_while_a_back_up_is_made_are_left_out() {
    let node = node();
    fill(&node.layout);
    let mut lines = Vec::new();
    audit_lines(&node.layout.audit_log(), 2, |line| {
        lines.push(line);
        Ok(())
    })
    .unwrap();
    assert_eq!(lines.len(), 2);
}

#[test]
fn a_changed_cut_or_foreign_back_up_restores_nothing() {
    let node = node();
    fill(&node.layout);
    let (file, key) = (node.dir.path().join("backup"), node.dir.path().join("backup.key"));
    write(&node.layout, &open(&node.layout), &file, &key).unwrap();
    let whole = std::fs::read(&file).unwrap();
    let target = Layout::new(node.dir.path().join("target"));
    let refused = |bytes: &[u8]| {
        std::fs::write(&file, bytes).unwrap();
        let refused = restore(&file, &key, &target).is_err() && !target.identity().exists();
        drop(std::fs::remove_dir_all(target.dir()));
        refused
    };
    for at in [0, 20, NAME.len() + SALT, NAME.len() + SALT + 40, whole.len() / 2, whole.len() - 1] {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        assert!(refused(&changed), "changed at {at}");
    }
    // The first piece alone is whole, but not the last.
    let first = NAME.len() + SALT;
    let len = u32::from_be_bytes(whole[first..first + 4].try_into().unwrap()) as usize;
    assert!(first + 4 + len < whole.len(), "there are several pieces");
    for end in [0, first, first + 4 + len, whole.len() - 1] {
        assert!(refused(&whole[..end]), "cut at {end}");
    }
    let dropped = [&whole[..first], &whole[first + 4 + len..]].concat();
    assert!(refused(&dropped), "a piece is left out");
    std::fs::remove_file(&key).unwrap();
    secret_file::create(&key, &[9; 32]).unwrap();
    assert!(refused(&whole), "another key");
}
