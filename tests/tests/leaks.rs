//! Nothing secret is written down or sent in clear: known values go through a cloud whose nodes log
//! at trace level, then every file and everything that crossed a client's door is searched.

use polyyne_engine::field::prime::DEFAULT_PRIME;
use polyyne_tests::cloud::Cloud;
use polyyne_tests::hunt::{Prey, found_under};
use polyyne_tests::ledger::Ledger;
use polyyne_tests::vcp;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// A listener before a node's door for clients that writes down all that passes.
struct Tap {
    url: String,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Tap {
    fn before(url: &str) -> Self {
        let behind = url.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let writing = seen.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(node) = TcpStream::connect(&behind) else { return };
                pass(client.try_clone().unwrap(), node.try_clone().unwrap(), writing.clone());
                pass(node, client, writing.clone());
            }
        });
        Self { url, seen }
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, seen: Arc<Mutex<Vec<u8>>>) {
    std::thread::spawn(move || {
        let mut buffer = [0; 1 << 14];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            seen.lock().unwrap().extend_from_slice(&buffer[..read]);
            if to.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        drop(to.shutdown(Shutdown::Write));
    });
}

/// Values of about 127 bits, so that none occurs by chance, and what a program makes of two of them.
fn values() -> [u128; 4] {
    let random = || u128::from_le_bytes(std::array::from_fn(|_| random_byte())) % (DEFAULT_PRIME / 2 - (1 << 100));
    let (a, b, c) = (random() | 1 << 100, random() | 1 << 100, random() | 1 << 100);
    [a, b, c, (a + b) % DEFAULT_PRIME]
}

fn random_byte() -> u8 {
    use std::hash::{BuildHasher as _, Hasher as _};
    std::collections::hash_map::RandomState::new().build_hasher().finish() as u8
}

/// A value as a user writes it: signed, in (−p/2, p/2].
fn signed(value: u128) -> String {
    if value > DEFAULT_PRIME / 2 { format!("-{}", DEFAULT_PRIME - value) } else { value.to_string() }
}

#[test]
fn no_secret_is_in_any_file_log_or_message_of_the_nodes() {
    let mut cloud = Cloud::with(vcp!(), 2, &[("RUST_LOG", "trace"), ("RUST_BACKTRACE", "1")], &[]);
    let taps = [0, 1].map(|node| Tap::before(&cloud.nodes[node].ready().http));
    let client = |node: usize, arguments: &[&str]| cloud.vcp.run(&cloud.as_client("alice", &taps[node].url, arguments));
    let [a, b, c, sum] = values();
    let first = client(0, &["secret", "put", &signed(a), &signed(b)]).ok().line();
    let second = client(1, &["secret", "put", &signed(c), "-t", "kind=planted"]).ok().line();
    assert_eq!(client(1, &["secret", "get", &first]).ok().lines(), [signed(a), signed(b)]);
    assert_eq!(client(0, &["secret", "get", &second]).ok().lines(), [signed(c)]);
    let revealed = client(1, &["execute", "add.mpc", "-i", &first, "--reveal"]).ok();
    assert_eq!(revealed.lines().last(), Some(&format!("output[0] {}", signed(sum)).as_str()));
    client(0, &["execute", "add.mpc", "-i", &first]).ok();
    // Errors and refusals are written down too.
    client(0, &["execute", "add.mpc", "-i", &second]).exits(3);
    client(1, &["secret", "delete", &second]).ok();
    let shown = cloud.operator(0, &["--json", "cloud", "show", &cloud.id]).ok();
    let stock = cloud.operator(1, &["--json", "castor", "stock"]).ok();
    let status = cloud.operator(1, &["--json", "node", "status"]).ok();
    let mac_key = shown.json()["mac_key"]["id"].as_str().unwrap().to_owned();
    // A crash leaves nothing either.
    cloud.kill(1);
    cloud.stop(0);

    let mut prey: Vec<Prey> = [a, b, c, sum].map(Prey::new).into();
    for node in &cloud.nodes {
        let ledger = Ledger::open(&node.dir, &cloud.id, &mac_key);
        prey.push(Prey::bytes(&ledger.key_share.expect("the key is good")));
    }
    let said = [shown.stdout, stock.stdout, status.stdout].concat();
    std::fs::write(cloud.folder().join("operator.txt"), said).unwrap();
    for (node, tap) in taps.iter().enumerate() {
        let seen = tap.seen.lock().unwrap();
        assert!(seen.len() > 1000, "the tap before node {node} sees what passes");
        std::fs::write(cloud.folder().join(format!("traffic{node}")), &*seen).unwrap();
    }
    for node in &cloud.nodes {
        let log = std::fs::read_to_string(&node.log).unwrap();
        assert!(log.contains("TRACE"), "the node logs at trace level");
    }
    let nowhere = |_: &Path| false;
    assert_eq!(found_under(cloud.folder(), &prey, nowhere), Vec::<String>::new());

    // What opens the stores is in its own file and nowhere else.
    let secrets = ["root.key", "identity.key"];
    let keys = cloud.nodes.iter().flat_map(|node| secrets.map(|name| std::fs::read(node.dir.join(name)).unwrap()));
    let keys: Vec<Prey> = keys.map(|file| Prey::bytes(&file)).collect();
    let own = |file: &Path| secrets.iter().any(|name| file.ends_with(name));
    assert_eq!(found_under(cloud.folder(), &keys, own), Vec::<String>::new());

    the_search_finds_what_is_there(cloud.folder(), &prey);
}

/// The control: in whatever form a value is planted, the search finds it.
fn the_search_finds_what_is_there(folder: &Path, prey: &[Prey]) {
    for prey in prey {
        for (form, bytes) in prey.forms() {
            let planted = folder.join("node0").join("planted");
            let text = [b"before ".as_slice(), bytes, b" after"].concat();
            std::fs::write(&planted, text).unwrap();
            let found = found_under(folder, std::slice::from_ref(prey), |_| false);
            assert_eq!(found.len(), 1, "planted as {form}");
            std::fs::remove_file(&planted).unwrap();
        }
    }
}
