//! Clouds whose members cannot reach each other's data ports: libp2p's streams carry the protocols.

use polyyne_tests::cloud::Cloud;
use polyyne_tests::vcp;

use polyyne_node::config::DataWay;

/// Nobody listens there.
const BLOCKED: ([u8; 4], u16) = ([127, 0, 0, 1], 1);

/// The millionaires' question, whose tuples are made over the same links.
fn billionaires(cloud: &Cloud) {
    let first = cloud.put("alice", 0, &["177"]);
    let second = cloud.put("alice", 1, &["151"]);
    let ended = cloud.client("alice", 2, &["execute", "billionaires.mpc", "-i", &first, "-i", &second, "--reveal"]);
    let ended = ended.ok();
    assert_eq!(ended.lines().last(), Some(&"output[0] 0"), "{ended:?}");
}

#[test]
fn a_cloud_with_forced_streams_computes() {
    let log = [("RUST_LOG", "polyyne_node=info,warn")];
    let cloud = Cloud::configured(vcp!(), 3, &log, &[], |_, config| {
        config.data.links = DataWay::Streams;
        config.data.external = Some(BLOCKED.into());
    });
    billionaires(&cloud);
}

#[test]
fn a_member_whose_data_port_is_blocked_is_reached_over_streams() {
    let log = [("RUST_LOG", "polyyne_node=info,warn")];
    // of any two, the lower rank dials: one of these two is dialled by the other
    let cloud = Cloud::configured(vcp!(), 3, &log, &[], |index, config| {
        if index > 0 {
            config.data.external = Some(BLOCKED.into());
        }
    });
    billionaires(&cloud);
    let said = |index: usize| std::fs::read_to_string(&cloud.nodes[index].log).unwrap();
    let detours: Vec<usize> = (0..3).filter(|&index| said(index).contains("streams carry the links")).collect();
    assert!(!detours.is_empty(), "somebody had to go round");
}
