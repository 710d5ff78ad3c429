//! Programs that talk to clients over sockets: with clients of MP-SPDZ's protocol in `vcp run`, with stored secrets in a
//! cloud; and clients that do not do what they should.

use polyyne_tests::cloud::Cloud;
use polyyne_tests::mp_client::{Link, Prime, connect, frame};
use polyyne_tests::program::{Ended, Running, Vcp};
use polyyne_tests::{until, vcp};
use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The port in the bytecode, and the client that the certificates are for.
const PORT: u16 = 10_000;
const CLIENT: u64 = 4;
const MAC_KEY: u128 = 0x1234_5678_9abc_def0_1122_3344_5566_7788;
/// A run as long as a test waits for anything.
const LONG: &str = "120s";

fn conformance() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance")
}

fn expected(name: &str) -> String {
    std::fs::read_to_string(conformance().join(format!("expected/{name}.txt"))).unwrap()
}

fn schedule(name: &str) -> String {
    conformance().join(format!("Schedules/{name}.sch")).display().to_string()
}

/// One run at a time has the port.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let guard = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    until("the port is free", || TcpListener::bind(("127.0.0.1", PORT)).ok());
    guard
}

/// A run that waits for clients with certificates in `Player-Data`.
struct Run {
    running: Running,
    keys: PathBuf,
    n: u16,
}

impl Run {
    fn start(vcp: &Vcp, name: &str, n: u16, more: &[&str]) -> Self {
        let mut command = vcp.command();
        command.args(["run", &schedule(name), "-n", &n.to_string(), "--sockets"]).args(more);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let running = Running::start(command, format!("vcp run {name} --sockets"));
        Self { running, keys: vcp.home().join("Player-Data"), n }
    }

    /// A client at all parties.
    fn links(&self, tls: &'static SupportedProtocolVersion) -> Vec<Link> {
        (0..self.n).map(|party| Link::open(PORT, party, CLIENT, &self.keys, tls)).collect()
    }

    fn prints(self, text: &str) {
        let ended = self.running.end().ok();
        assert_eq!(ended.stdout, text, "{ended:?}");
    }

    fn fails(self, words: &[&str]) -> Ended {
        let ended = self.running.end().exits(1).says(words);
        assert!(!ended.stderr.contains("panicked") && !ended.stderr.contains("crashed"), "{ended:?}");
        ended
    }
}

/// Shares that sum to `value`; all but the last are arbitrary.
fn share(prime: Prime, value: u128, n: u16, salt: u128) -> Vec<u128> {
    let mut shares: Vec<u128> = (1..u128::from(n)).map(|k| prime.mul(salt + k, prime.0 / 3)).collect();
    shares.push(prime.sub(value, prime.sum(shares.iter().copied())));
    shares
}

/// What c01 wants: two authenticated shares in, their authenticated sum out.
fn adds(links: &mut [Link]) {
    let (n, prime) = (links.len() as u16, links[0].prime);
    let values = [20, 22].map(|value| [value, prime.mul(value, MAC_KEY)]);
    let shares: Vec<Vec<u128>> = values.iter().flatten().zip(5..).map(|(&x, salt)| share(prime, x, n, salt)).collect();
    for (party, link) in links.iter_mut().enumerate() {
        link.send_elements(&shares.iter().map(|shares| shares[party]).collect::<Vec<_>>());
    }
    let received: Vec<Vec<u128>> = links.iter_mut().map(Link::receive_elements).collect();
    assert!(received.iter().all(|shares| shares.len() == 2));
    let [value, mac] = [0, 1].map(|at| prime.sum(received.iter().map(|shares| shares[at])));
    assert_eq!((value, mac), (42, prime.mul(42, MAC_KEY)));
}

/// What c02 wants: inputs behind masks, authenticated outputs, clear values and integers.
fn masks(links: &mut [Link]) {
    let prime = links[0].prime;
    let sum = |links: &mut [Link]| {
        let received: Vec<Vec<u128>> = links.iter_mut().map(Link::receive_elements).collect();
        let sums: Vec<u128> =
            (0..received[0].len()).map(|at| prime.sum(received.iter().map(|shares| shares[at]))).collect();
        assert!(sums.chunks(3).all(|triple| prime.mul(triple[0], triple[1]) == triple[2]), "not authentic");
        sums
    };
    links.iter_mut().for_each(|link| link.send(&2_i64.to_le_bytes()));
    let masks = sum(links);
    assert_eq!(masks.len(), 6);
    let inputs = [prime.add(6, masks[0]), prime.add(prime.of(-7), masks[3])];
    for link in links.iter_mut() {
        link.send_elements(&inputs);
        link.send_elements(&[1000]);
    }
    let outputs = sum(links);
    assert_eq!([0, 3, 6].map(|at| prime.signed(outputs[at])), [-42, 13, 1006]);
    for link in links {
        assert_eq!(link.receive_elements(), [2000, 900]);
        assert_eq!(link.receive(), [7_i64, -7].map(i64::to_le_bytes).concat());
    }
}

#[test]
fn clients_of_mp_spdz_are_served_over_tls_1_2_and_1_3() {
    let _alone = alone();
    let vcp = vcp!();
    let key = MAC_KEY.to_string();
    for (n, tls) in [(2, &TLS12), (3, &TLS13)] {
        let run = Run::start(&vcp, "c01_client_add", n, &["--mac-key", &key, "--client-timeout", LONG]);
        adds(&mut run.links(tls));
        run.prints(&expected("c01_client_add"));
        let run = Run::start(&vcp, "c02_client_masked", n, &["--client-timeout", LONG]);
        masks(&mut run.links(tls));
        run.prints(&expected("c02_client_masked"));
    }
}

#[test]
fn tuples_that_are_really_made_serve_clients_too() {
    let _alone = alone();
    let vcp = vcp!();
    let run = Run::start(&vcp, "c02_client_masked", 2, &["--preprocessing", "mascot", "--client-timeout", LONG]);
    masks(&mut run.links(&TLS12));
    run.prints(&expected("c02_client_masked"));
}

fn has_python() -> bool {
    let python = Command::new("python3").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let has = python.is_ok_and(|status| status.success());
    if !has {
        eprintln!("skipped: there is no python3 here");
    }
    has
}

/// What a client of the conformance set says, with the certificates of a folder.
fn python_client(script: &str, n: u16, more: &[&str], home: &Path) -> String {
    let mut command = Command::new("python3");
    command.arg(conformance().join("clients").join(script)).arg(n.to_string()).args(more);
    command.current_dir(home).env("PYTHONDONTWRITEBYTECODE", "1");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Running::start(command, script.to_owned()).end().ok().stdout
}

#[test]
fn the_python_clients_of_the_conformance_set_run_unchanged() {
    if !has_python() {
        return;
    }
    let _alone = alone();
    let vcp = vcp!();
    let key = MAC_KEY.to_string();
    let client = |script: &str, n: u16, more: &[&str]| python_client(script, n, more, vcp.home());
    for n in [2, 3] {
        let run = Run::start(&vcp, "c01_client_add", n, &["--mac-key", &key, "--client-timeout", LONG]);
        drop(connect(PORT));
        let said = client("c01.py", n, &[&key]);
        assert!(said.contains("value 42 mac ok True"), "{said}");
        run.prints(&expected("c01_client_add"));
        let run = Run::start(&vcp, "c02_client_masked", n, &["--client-timeout", LONG]);
        drop(connect(PORT));
        let said = client("c02.py", n, &[]);
        assert!(said.contains("outputs [-42, 13, 1006]") && said.contains("(7, -7)"), "{said}");
        run.prints(&expected("c02_client_masked"));
    }
}

#[test]
fn strangers_and_garbage_keep_no_client_from_being_served() {
    let _alone = alone();
    let key = MAC_KEY.to_string();
    let vcp = vcp!();
    let run = Run::start(&vcp, "c01_client_add", 2, &["--mac-key", &key, "--client-timeout", LONG]);
    // one that says nothing, one of endless length, one that is no number, one that does not speak TLS
    let _silent = connect(PORT);
    for garbage in [&[0xff; 64][..], &frame(b"four"), &[&frame(b"4")[..], b"GET / HTTP/1.1\r\n\r\n"].concat()] {
        let mut socket = connect(PORT);
        socket.write_all(garbage).unwrap();
        // an alert, a reset or a plain end: closed in any case
        drop(socket.read_to_end(&mut Vec::new()));
    }
    // who shows another's certificate, and who has none
    assert!(Link::open_as(PORT, 0, CLIENT, "C5", &run.keys, &TLS12).is_err());
    assert!(Link::open_as(PORT, 0, 77, "C7", &run.keys, &TLS12).is_err());
    // one that comes to the first party only and is no client of all
    let _half = Link::open(PORT, 0, 8, &run.keys, &TLS12);
    let mut links = run.links(&TLS12);
    // it cannot be there twice: the later connection ends behind its handshake
    let twice = Link::open_as(PORT, 0, CLIENT, "C4", &run.keys, &TLS12);
    assert!(twice.and_then(|mut twice| twice.try_receive()).is_err());
    adds(&mut links);
    let ended = run.running.end().ok().says(&["turned", "client 77 is not known", "client 4 is connected already"]);
    assert_eq!(ended.stdout, expected("c01_client_add"));
}

#[test]
fn a_client_that_stalls_leaves_or_errs_ends_the_run_with_its_name() {
    let _alone = alone();
    let vcp = vcp!();
    let start = |patience| Run::start(&vcp, "c01_client_add", 2, &["--client-timeout", patience]);
    start("1s").fails(&["no client has come"]);

    let run = start("2s");
    let links = run.links(&TLS12);
    run.fails(&["client 4 does not answer in time"]);
    drop(links);

    let run = start(LONG);
    drop(run.links(&TLS12));
    run.fails(&["client 4 has gone"]);

    let run = start(LONG);
    let mut links = run.links(&TLS12);
    links.iter_mut().for_each(|link| link.send(&[0; 65]));
    run.fails(&["client 4 sent 65 bytes where the program reads 64"]);

    let run = start(LONG);
    let mut links = run.links(&TLS12);
    links.iter_mut().for_each(|link| link.send(&[0xff; 64]));
    run.fails(&["client 4 sent a number that is not in the field"]);
}

#[test]
fn wrong_wishes_are_refused_before_anybody_waits() {
    let _alone = alone();
    let vcp = vcp!();
    let taken = TcpListener::bind(("127.0.0.1", PORT + 1)).unwrap();
    let run = Run::start(&vcp, "c01_client_add", 2, &["--client-timeout", LONG]);
    // the other party waits no longer either
    run.fails(&["cannot listen on port 10001"]);
    drop(taken);
    vcp.run(&["run", &schedule("c01_client_add"), "--sockets", "-i", "3"]).exits(2);
    vcp.run(&["run", &schedule("c01_client_add"), "--mac-key", "3"]).exits(2);
    let broken = vcp.home().join("broken");
    std::fs::create_dir(&broken).unwrap();
    std::fs::write(broken.join("P0.pem"), "nothing").unwrap();
    let broken = broken.display().to_string();
    vcp.run(&["run", &schedule("c01_client_add"), "--sockets", "--tls", &broken]).exits(1).says(&["P0.pem"]);
}

/// What has been taken of every kind at a node.
fn consumed(cloud: &Cloud) -> Vec<(String, u64)> {
    let stock = cloud.operator(0, &["--json", "castor", "stock"]).ok().json();
    let line = |line: &Value| (line["kind"].as_str().unwrap().to_owned(), line["consumed"].as_u64().unwrap());
    stock["lines"].as_array().unwrap().iter().map(line).collect()
}

#[test]
fn in_a_cloud_the_socket_is_the_door_to_stored_secrets() {
    for n in [2, 3] {
        let cloud = Cloud::new(vcp!(), n);
        let secret = cloud.put("alice", 0, &["20", "22"]);
        let name = "c01_client_add";
        // the one connection there is has the number 0
        let text = expected(name).replace("client 4", "client 0");
        let kept = cloud.client("alice", n - 1, &["execute", &schedule(name), "-i", &secret]).ok();
        let id = kept.stdout.strip_prefix(&text).and_then(|rest| rest.trim_end().strip_prefix("result[0] "));
        assert_eq!(cloud.get("alice", 0, id.unwrap_or_else(|| panic!("{kept:?}"))), ["42"]);
        let revealed = cloud.client("alice", 1, &["execute", &schedule(name), "-i", &secret, "--reveal"]).ok();
        assert_eq!(revealed.stdout, format!("{text}output[0] 42\n"));

        // masks and clear values are for clients that are there
        let before = consumed(&cloud);
        let refused = cloud.client("alice", 0, &["execute", &schedule("c02_client_masked"), "-i", &secret]);
        refused.exits(2).says(&["readsocketint", "only shares pass", "--sockets"]);
        assert_eq!(consumed(&cloud), before, "a refusal spends nothing");
    }
}

/// `vcp execute --sockets` in a cloud.
fn attend(cloud: &Cloud, node: usize, name: &str, more: &[&str]) -> Run {
    let schedule = schedule(name);
    let arguments = [&["execute", &schedule, "--sockets"], more].concat();
    let running = cloud.client_begins("alice", node, &arguments);
    Run { running, keys: cloud.vcp.home().join("Player-Data"), n: cloud.nodes.len() as u16 }
}

#[test]
fn clients_of_mp_spdz_are_served_by_a_cloud() {
    let _alone = alone();
    for (n, tls) in [(2, &TLS12), (3, &TLS13)] {
        let cloud = Cloud::new(vcp!(), n);
        let run = attend(&cloud, n - 1, "c02_client_masked", &["--client-timeout", LONG]);
        masks(&mut run.links(tls));
        run.prints(&expected("c02_client_masked"));
        if n == 2 {
            python_is_served_by(&cloud);
        }
        misbehaving_clients_end_an_execution(&cloud);
        // and the cloud goes on
        let run = attend(&cloud, 0, "c02_client_masked", &["--client-timeout", LONG]);
        masks(&mut run.links(tls));
        run.prints(&expected("c02_client_masked"));
    }
}

fn python_is_served_by(cloud: &Cloud) {
    if !has_python() {
        return;
    }
    let run = attend(cloud, 0, "c02_client_masked", &["--client-timeout", LONG]);
    let said = python_client("c02.py", run.n, &[], cloud.vcp.home());
    assert!(said.contains("outputs [-42, 13, 1006]"), "{said}");
    run.prints(&expected("c02_client_masked"));
}

fn misbehaving_clients_end_an_execution(cloud: &Cloud) {
    attend(cloud, 0, "c02_client_masked", &["--client-timeout", "1s"]).fails(&["no client has come"]);

    let run = attend(cloud, 1, "c02_client_masked", &["--client-timeout", LONG]);
    drop(run.links(&TLS12));
    run.fails(&["client 4 has gone"]);

    let run = attend(cloud, 0, "c02_client_masked", &["--client-timeout", LONG]);
    let mut links = run.links(&TLS12);
    for (party, link) in links.iter_mut().enumerate() {
        link.send(&(party as i64).to_le_bytes());
    }
    run.fails(&["client 4 did not say the same to all parties"]);
}
