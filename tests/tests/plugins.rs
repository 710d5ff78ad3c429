//! External generators: a program deals for the members, its tuples are checked and spent, and what it does wrong is found.

use polyyne_node::klyshko::external::Plugin;
use polyyne_tests::cloud::Cloud;
use polyyne_tests::{until, vcp};
use serde_json::Value;
use std::net::TcpListener;

/// Free ports of this machine, as far as anybody can say so.
fn endpoints(n: usize) -> Vec<String> {
    let doors: Vec<TcpListener> = (0..n).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    doors.iter().map(|door| door.local_addr().unwrap().to_string()).collect()
}

/// A cloud whose triples, bits and inverses come from the program, which does what it is told.
fn cloud(does: &str) -> Cloud {
    let endpoints = endpoints(2);
    let plugin = Plugin {
        command: vec![env!("CARGO_BIN_EXE_dealing-plugin").to_owned(), does.to_owned()],
        endpoints: endpoints.clone(),
    };
    let kinds = ["triple", "square", "bit", "inverse", "random"];
    let external = kinds.iter().flat_map(|kind| ["--external".to_owned(), format!("{kind}=dealer-for-tests")]);
    let targets = kinds.iter().flat_map(|kind| ["--target".to_owned(), format!("{kind}=512")]);
    let arguments: Vec<String> = external.chain(targets).collect();
    Cloud::formed(vcp!(), 2, &[("RUST_LOG", "polyyne_node=info,warn")], &arguments, |_, config| {
        config.generation.external.insert("dealer-for-tests".into(), plugin.clone());
    })
}

fn status(cloud: &Cloud, node: usize) -> Value {
    cloud.operator(node, &["--json", "klyshko", "status"]).ok().json()
}

fn stocked(cloud: &Cloud, kind: &str) -> Option<()> {
    let status = status(cloud, 0);
    let line = status["stock"]["lines"].as_array().unwrap().iter().find(|line| line["kind"] == kind)?.clone();
    (line["available"].as_u64()? >= 512).then_some(())
}

#[test]
fn tuples_of_a_program_are_checked_sealed_and_spent() {
    let cloud = cloud("honest");
    for kind in ["triple", "square", "bit", "inverse", "random"] {
        until(&format!("{kind} in stock"), || stocked(&cloud, kind));
    }
    let id = cloud.client("alice", 0, &["secret", "put", "6"]).ok().line();
    let ended = cloud.client("alice", 1, &["execute", "add.mpc", "-i", &id, "-i", &id, "--reveal"]).ok();
    assert!(ended.lines().contains(&"output[0] 12"), "{:?}", ended.lines());
}

/// Wrong products are found before a MAC check could fail: the batch is gone, the key is not, and an operator looks.
#[test]
fn a_program_that_makes_wrong_tuples_fills_no_store_and_burns_no_key() {
    let cloud = cloud("wrong-products");
    let failed = until("generation stops", || {
        let status = status(&cloud, 0);
        (status["state"] == "failed").then_some(status)
    });
    assert!(failed["reason"].as_str().unwrap().contains("not what they are called"), "{failed}");
    let of_kind = |line: &&Value| line["kind"] != "random";
    let lines = failed["stock"]["lines"].as_array().unwrap();
    assert!(lines.iter().filter(of_kind).all(|line| line["generated"] == 0), "{failed}");
    let shown = cloud.operator(0, &["--json", "cloud", "show", &cloud.id]).ok().json();
    assert_eq!(shown["mac_key"]["state"], "good", "{shown}");
}

#[test]
fn a_program_that_fails_or_says_nothing_is_named() {
    for (does, cause) in [("fails", "no tuples today"), ("silent", "cannot be run")] {
        let cloud = cloud(does);
        let reason = until(&format!("{does}: generation stops"), || {
            let status = status(&cloud, 0);
            (status["state"] == "failed").then(|| status["reason"].as_str().unwrap().to_owned())
        });
        assert!(reason.contains("dealer-for-tests") && reason.contains(cause), "{reason}");
    }
}
