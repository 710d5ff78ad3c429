//! A node that is started from an old copy of its data directory: it never spends a tuple that it may have spent
//! before, says what is wrong and how to go on, and goes on when told to.

use polyyne_tests::cloud::Cloud;
use polyyne_tests::hunt::files;
use polyyne_tests::ledger::Ledger;
use polyyne_tests::{until, vcp};
use serde_json::Value;
use std::path::Path;

fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(file, target).unwrap();
    }
}

fn replace(dir: &Path, by: &Path) {
    for file in files(dir) {
        std::fs::remove_file(file).unwrap();
    }
    copy(by, dir);
}

fn show(cloud: &Cloud, node: usize) -> Value {
    cloud.operator(node, &["--json", "cloud", "show", &cloud.id]).ok().json()
}

fn stock(cloud: &Cloud, node: usize, kind: &str, what: &str) -> u64 {
    let stock = cloud.operator(node, &["--json", "castor", "stock"]).ok().json();
    let lines = stock["lines"].as_array().unwrap();
    lines.iter().find(|line| line["kind"] == kind).unwrap()[what].as_u64().unwrap()
}

fn put(cloud: &Cloud, through: usize, value: &str) -> String {
    until("a secret is stored", || {
        let ended = cloud.client("alice", through, &["secret", "put", value]);
        ended.succeeded().then(|| ended.line())
    })
}

#[test]
fn an_old_copy_of_a_data_directory_spends_nothing_and_its_operator_gets_the_cloud_going_again() {
    let mut cloud =
        Cloud::with(vcp!(), 2, &[("RUST_LOG", "polyyne_node=info,warn")], &[("triple", 512), ("random", 512)]);
    let early = put(&cloud, 0, "11");
    cloud.stop(1);
    let old = cloud.folder().join("old");
    copy(&cloud.nodes[1].dir, &old);
    cloud.start(1);
    cloud.until_live();
    for value in ["12", "13", "14"] {
        put(&cloud, 0, value);
    }
    let taken_before = stock(&cloud, 0, "random", "consumed");
    // Not in the middle of a MAC check: whoever loses its journal of one leaves the key frozen, as it must be.
    cloud.stop(1);
    replace(&cloud.nodes[1].dir, &old);
    cloud.start(1);

    until("the old copy is noticed", || (show(&cloud, 1)["line"]["health"] == "quarantined").then_some(()));
    let refused = cloud.client("alice", 1, &["secret", "put", "15"]);
    assert_eq!(refused.code, Some(4), "{refused:?}");
    assert!(refused.stderr.contains("old or a second copy"), "{refused:?}");
    let doctor = cloud.operator(1, &["--json", "doctor"]);
    assert!(doctor.stdout.contains("vcp node renew"), "{doctor:?}");
    assert_eq!(stock(&cloud, 0, "random", "consumed"), taken_before, "nothing is taken with an old copy");
    // Started once more it is no better.
    cloud.kill(1);
    cloud.start(1);
    until("it stays in quarantine", || (show(&cloud, 1)["line"]["health"] == "quarantined").then_some(()));

    cloud.operator(1, &["node", "renew"]).ok();
    cloud.until_live();
    assert!(!cloud.operator(1, &["node", "renew"]).succeeded(), "there is nothing more to give up");
    put(&cloud, 1, "16");
    assert_eq!(cloud.get("alice", 0, &early), ["11"], "what was stored before the copy was made is there");
    // The same old copy again: now two stores too old.
    cloud.stop(1);
    replace(&cloud.nodes[1].dir, &old);
    cloud.start(1);
    until("the same copy is noticed again", || (show(&cloud, 1)["line"]["health"] == "quarantined").then_some(()));
    cloud.operator(1, &["node", "renew"]).ok();
    cloud.until_live();
    put(&cloud, 0, "17");

    let mac_key = show(&cloud, 0)["mac_key"]["id"].as_str().unwrap().to_owned();
    cloud.stop_all();
    for node in 0..2 {
        Ledger::open(&cloud.nodes[node].dir, &cloud.id, &mac_key).assert_balanced(&format!("node {node}"));
    }
}

#[test]
fn a_node_that_lost_its_tuples_goes_on_with_a_new_store_and_its_secrets() {
    let mut cloud =
        Cloud::with(vcp!(), 2, &[("RUST_LOG", "polyyne_node=info,warn")], &[("triple", 512), ("random", 512)]);
    let secret = put(&cloud, 0, "21");
    let generated =
        until("there is stock", || Some(stock(&cloud, 0, "triple", "generated")).filter(|count| *count > 0));
    cloud.stop(1);
    std::fs::remove_file(cloud.nodes[1].dir.join("tuples.redb")).unwrap();
    cloud.start(1);
    cloud.until_live();
    put(&cloud, 1, "22");
    assert_eq!(cloud.get("alice", 1, &secret), ["21"]);
    // Node 0 has thrown away what node 1 has no shares of any more.
    assert!(stock(&cloud, 0, "triple", "generated") > generated);
    assert!(stock(&cloud, 0, "triple", "wasted") > 0);
}

#[test]
fn a_node_restored_from_its_back_up_has_its_secrets_and_none_of_its_tuples() {
    let mut cloud =
        Cloud::with(vcp!(), 2, &[("RUST_LOG", "polyyne_node=info,warn")], &[("triple", 512), ("random", 512)]);
    let secret = put(&cloud, 0, "31");
    let place = |name: &str| cloud.folder().join(name).display().to_string();
    let (file, key) = (place("backup"), place("backup.key"));
    // Once while it runs, once while it does not.
    cloud.operator(1, &["node", "backup", &file, "--key", &key]).ok();
    assert!(!cloud.operator(1, &["node", "backup", &file, "--key", &key]).succeeded(), "never over another one");
    cloud.stop(1);
    let later = format!("{file}.later");
    cloud.operator(1, &["node", "backup", &later, "--key", &key]).ok();
    let lost = cloud.folder().join("lost");
    std::fs::rename(&cloud.nodes[1].dir, lost).unwrap();
    cloud.operator(1, &["node", "restore", &file, "--key", &key]).ok();
    assert!(!cloud.nodes[1].dir.join("tuples.redb").exists());
    cloud.start(1);
    cloud.until_live();
    assert_eq!(cloud.get("alice", 1, &secret), ["31"]);
    put(&cloud, 0, "32");
    let mac_key = show(&cloud, 0)["mac_key"]["id"].as_str().unwrap().to_owned();
    cloud.stop_all();
    for node in 0..2 {
        Ledger::open(&cloud.nodes[node].dir, &cloud.id, &mac_key).assert_balanced(&format!("node {node}"));
    }
}
