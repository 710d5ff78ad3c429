//! `vcp bench` works and says what it promises; how fast anything is, no test asserts.

use polyyne_tests::program::Vcp;
use polyyne_tests::vcp;
use serde_json::Value;

fn measured(vcp: &Vcp, filter: &str) -> Vec<Value> {
    let ended = vcp.run(&["--json", "bench", "online", "--quick", "--filter", filter]).ok();
    ended.json().as_array().unwrap().clone()
}

#[test]
fn every_measurement_of_programs_and_of_the_store_gives_its_figures() {
    let vcp = vcp!();
    let names: [(&str, &[&str]); 10] = [
        ("online.mul.parallel", &["bytes_per_item", "peak_rss_bytes"]),
        ("online.mul.sequential", &["bytes_per_item", "p50_us", "p99_us", "peak_rss_bytes"]),
        ("online.open", &["bytes_per_item", "peak_rss_bytes"]),
        ("online.lt64", &["bytes_per_item", "peak_rss_bytes"]),
        ("online.lt64.edabit", &["bytes_per_item", "peak_rss_bytes"]),
        ("online.matmul100", &["bytes_per_item", "p50_us", "p99_us", "peak_rss_bytes"]),
        ("online.take", &["p50_us", "p99_us"]),
        ("store.open", &[]),
        ("store.open.killed", &[]),
        ("store.take", &["p50_us", "p99_us"]),
    ];
    for (name, more) in names {
        let all = measured(&vcp, name);
        let found = all.iter().find(|measured| measured["name"] == name).unwrap();
        let mut expected: Vec<&str> =
            ["name", "parties", "threads", "unit", "value"].into_iter().chain(more.iter().copied()).collect();
        expected.sort_unstable();
        let mut keys: Vec<&str> = found.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, expected, "{name}");
        assert!(found["value"].as_f64().unwrap() > 0.0, "{name}");
    }
}

#[test]
fn both_generators_are_measured_for_every_kind_also_over_a_slow_network() {
    let ended = vcp!().run(&["--json", "bench", "offline", "--quick", "--threads", "2", "--link", "1gbit"]).ok();
    let all = ended.json();
    let names: Vec<&str> = all.as_array().unwrap().iter().map(|measured| measured["name"].as_str().unwrap()).collect();
    let of = |protocol: &str, kinds: &[&str]| -> Vec<String> {
        kinds.iter().map(|kind| format!("offline.{protocol}.{kind}")).collect()
    };
    let over =
        |field: &str| ["triple", "square", "inverse", "bit", "random", "mask"].map(|kind| format!("{field}_{kind}"));
    let prime = ["first", "triple", "square", "inverse", "bit", "random", "input_mask", "matrix_10x10x10"];
    let bits = ["and_triple", "shared_bit", "bit_mask", "dabit", "edabit_64"];
    let (gf40, gf128) = (over("gf40"), over("gf128"));
    let binary: Vec<&str> = gf40.iter().chain(&gf128).map(String::as_str).collect();
    let mascot = [&prime[..], &bits, &binary].concat();
    assert_eq!(names, [of("mascot", &mascot), of("lowgear", &prime)].concat());
    for measured in all.as_array().unwrap() {
        assert_eq!(measured["threads"], 2);
        assert!(
            measured["value"].as_f64() > Some(0.0) && measured["peak_rss_bytes"].as_f64() > Some(0.0),
            "{measured}"
        );
    }
}

#[test]
fn an_execution_in_a_cloud_is_measured_beside_what_a_commit_takes() {
    let all = measured(&vcp!(), "online.execute.add2");
    let names: Vec<&str> = all.iter().map(|measured| measured["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["online.execute.add2", "disk.commit"]);
    assert!(all.iter().all(|measured| measured["unit"] == "ms" && measured["p99_us"].as_f64() > Some(0.0)));
}

#[test]
fn a_stored_run_is_compared_with_and_what_is_much_worse_fails() {
    let vcp = vcp!();
    let stored = vcp.home().join("run.json");
    let run = |before: f64| {
        let mut all = measured(&vcp, "online.open");
        all[0]["value"] = before.into();
        std::fs::write(&stored, serde_json::to_string(&all).unwrap()).unwrap();
        let stored = stored.display().to_string();
        vcp.run(&["bench", "online", "--quick", "--filter", "online.open", "--compare", &stored])
    };
    assert!(run(1e-3).ok().stderr.contains("online.open"));
    run(1e15).exits(1);
    vcp.run(&["bench", "online", "--filter", "no.such.name"]).exits(2);
}
