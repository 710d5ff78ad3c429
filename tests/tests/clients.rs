//! Clients of a cloud of three: what goes in through one node comes out through another, and what
//! cannot be done says why and costs nothing.

use polyyne_tests::cloud::Cloud;
use polyyne_tests::{until, vcp};
use serde_json::Value;

/// What has been taken of every kind at a node.
fn consumed(cloud: &Cloud, node: usize) -> Vec<(String, u64)> {
    let stock = cloud.operator(node, &["--json", "castor", "stock"]).ok().json();
    let line = |line: &Value| (line["kind"].as_str().unwrap().to_owned(), line["consumed"].as_u64().unwrap());
    stock["lines"].as_array().unwrap().iter().map(line).collect()
}

fn ids(list: &Value) -> Vec<String> {
    let secrets = list["secrets"].as_array().unwrap();
    secrets.iter().map(|secret| secret["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn secrets_programs_and_results_work_through_any_node_and_errors_name_their_cause() {
    let mut cloud = Cloud::new(vcp!(), 3);
    journeys(&cloud);
    refusals(&cloud);
    one_member_missing(&mut cloud);
}

fn journeys(cloud: &Cloud) {
    let secret = cloud.put("alice", 0, &["23", "-42"]);
    assert_eq!(cloud.get("alice", 2, &secret), ["23", "-42"]);
    let text = cloud.client("alice", 1, &["secret", "put", "--bytes", "a word"]).ok().line();
    // bytes are shown in hexadecimal
    assert_eq!(cloud.get("alice", 2, &text), ["6120776f7264"]);
    let mut listed = ids(&cloud.list("alice", 1).ok().json());
    listed.sort();
    let mut put = vec![secret.clone(), text.clone()];
    put.sort();
    assert_eq!(listed, put);

    // a sum, revealed
    let revealed = cloud.client("alice", 2, &["execute", "add.mpc", "-i", &secret, "--reveal"]).ok();
    assert_eq!(revealed.lines().last(), Some(&"output[0] -19"), "{revealed:?}");
    // the same by its hash, as a new secret, which is an input again
    let quoted = cloud.client("alice", 1, &["--json", "quote", "add.mpc", "-i", &secret]).ok().json();
    let hash = quoted["program"].as_str().unwrap();
    let kept = cloud.client("alice", 0, &["execute", hash, "-i", &secret]).ok();
    let result = kept.lines().last().and_then(|line| line.strip_prefix("result[0] ")).unwrap().to_owned();
    assert_eq!(cloud.get("alice", 2, &result), ["-19"]);
    let one = cloud.put("alice", 1, &["19"]);
    let zero = cloud.client("alice", 0, &["execute", hash, "-i", &result, "-i", &one, "--reveal"]).ok();
    assert_eq!(zero.lines().last(), Some(&"output[0] 0"));

    cloud.client("alice", 2, &["secret", "delete", &text]).ok();
    assert!(!ids(&cloud.list("alice", 0).ok().json()).contains(&text));
    cloud.client("alice", 1, &["secret", "get", &text]).exits(3);
}

fn refusals(cloud: &Cloud) {
    let secret = cloud.put("alice", 0, &["7"]);
    let before: Vec<_> = (0..3).map(|node| consumed(cloud, node)).collect();
    let unknown = "00".repeat(16);
    let wrong = cloud.folder().join("wrong.mpc");
    std::fs::write(&wrong, "print_ln('%s', undefined_name)\n").unwrap();
    let wrong = wrong.display().to_string();

    cloud.client("alice", 0, &["secret", "get", &unknown]).exits(3).says(&[&unknown]);
    cloud.client("bob", 1, &["secret", "get", &secret]).exits(3).says(&[&secret]);
    cloud.client("bob", 2, &["secret", "delete", &secret]).exits(3);
    cloud.client("alice", 0, &["execute", &wrong, "-i", &secret]).exits(2).says(&["undefined_name"]);
    cloud.client("alice", 0, &["execute", "no_such.mpc", "-i", &secret]).exits(2).says(&["no_such.mpc"]);
    cloud.client("alice", 0, &["execute", "add.mpc", "-i", &unknown]).exits(3).says(&[&unknown]);
    let short = cloud.client("alice", 1, &["execute", "add.mpc", "-i", &secret]);
    assert_eq!(short.code, Some(3), "{short:?}");
    cloud.client("bob", 1, &["execute", "add.mpc", "-i", &secret, "-i", &secret]).exits(3).says(&[&secret]);
    let hash = "ab".repeat(32);
    cloud.client("alice", 1, &["execute", &hash, "-i", &secret]).exits(3).says(&[&hash]);
    cloud.client("alice", 0, &["secret", "put", "not-a-number"]).exits(2);
    let strange = cloud.vcp.run(&["secret", "list", "--node", "http://127.0.0.1:9", "--cloud", &cloud.id]);
    strange.exits(4).says(&["127.0.0.1:9"]);

    let after: Vec<_> = (0..3).map(|node| consumed(cloud, node)).collect();
    assert_eq!(before, after, "a refusal spends nothing");
    assert_eq!(cloud.get("alice", 2, &secret), ["7"], "the cloud is usable");
}

fn one_member_missing(cloud: &mut Cloud) {
    let secret = cloud.put("alice", 0, &["5", "6"]);
    let gone = cloud.nodes[2].ready().peer_id.clone();
    cloud.kill(2);
    cloud.client("alice", 0, &["secret", "get", &secret]).exits(4).says(&[&gone]);
    cloud.client("alice", 1, &["execute", "add.mpc", "-i", &secret, "--reveal"]).exits(4).says(&[&gone]);
    cloud.start(2);
    cloud.until_live();
    // its generation and links come back by themselves
    until("the cloud serves again", || cloud.client("alice", 2, &["secret", "get", &secret]).succeeded().then_some(()));
    let sum = cloud.client("alice", 1, &["execute", "add.mpc", "-i", &secret, "--reveal"]).ok();
    assert_eq!(sum.lines().last(), Some(&"output[0] 11"));
}
