//! An external generator for tests: one player deals for all, which is as insecure as it sounds. It speaks the interface
//! that `docs/plugins.md` describes, with sockets between the players.
//!
//! Its only argument is what it does wrong: `honest`, `wrong-products`, `late`, `silent`.

use polyyne_engine::field::{Field, Fp, PrimeField};
use polyyne_node::klyshko::external::file_head;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is set"))
}

fn parameter(folder: &str, file: &str) -> u128 {
    let path = PathBuf::from(variable(folder)).join(file);
    std::fs::read_to_string(path).expect("a parameter").trim().parse().expect("a decimal number")
}

fn random(field: &PrimeField, source: &mut File) -> Fp {
    let mut bytes = [0; 16];
    source.read_exact(&mut bytes).expect("randomness");
    field.element(u128::from_le_bytes(bytes))
}

/// The clear values of one tuple.
fn tuple(field: &PrimeField, kind: &str, source: &mut File, wrong: bool) -> Vec<Fp> {
    let (a, b) = (random(field, source), random(field, source));
    let error = if wrong { field.one() } else { field.zero() };
    match kind {
        "MULTIPLICATION_TRIPLE_GFP" => vec![a, b, field.add(field.mul(a, b), error)],
        "SQUARE_TUPLE_GFP" => vec![a, field.add(field.mul(a, a), error)],
        "INVERSE_TUPLE_GFP" => vec![a, field.add(field.inv(a), error)],
        "BIT_GFP" => vec![field.add(field.element(field.to_u128(a) & 1), field.add(error, error))],
        "INPUT_MASK_GFP" => vec![a],
        other => panic!("{other} is not made here"),
    }
}

/// Every player's file body.
fn deal(field: &PrimeField, alphas: &[Fp], kind: &str, count: usize, wrong: bool) -> Vec<Vec<u8>> {
    let mut source = File::open("/dev/urandom").expect("randomness");
    let alpha = field.sum(alphas.iter().copied());
    let mut files = vec![Vec::new(); alphas.len()];
    for value in (0..count).map(|_| tuple(field, kind, &mut source, wrong)).collect::<Vec<_>>().concat() {
        for part in [value, field.mul(alpha, value)] {
            let mut rest = part;
            for (player, file) in files.iter_mut().enumerate() {
                let last = player + 1 == alphas.len();
                let share = if last { rest } else { random(field, &mut source) };
                rest = field.sub(rest, share);
                file.extend_from_slice(&field.to_raw(share).to_le_bytes());
            }
        }
    }
    files
}

fn connect(endpoint: &str) -> TcpStream {
    loop {
        match TcpStream::connect(endpoint) {
            Ok(stream) => return stream,
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

fn main() {
    let does = std::env::args().nth(1).unwrap_or_default();
    match does.as_str() {
        "silent" => return,
        "late" => std::thread::sleep(Duration::from_secs(3600)),
        "fails" => {
            eprintln!("no tuples today");
            std::process::exit(3);
        }
        _ => {}
    }
    let field = PrimeField::new(parameter("KII_PARAMS_FOLDER", "prime")).expect("a prime");
    let alpha = field.element(parameter("KII_SECRET_PARAMS_FOLDER", "mac_key_share_p"));
    let (player, players): (usize, usize) = (
        variable("KII_PLAYER_NUMBER").parse().expect("a number"),
        variable("KII_PLAYER_COUNT").parse().expect("a number"),
    );
    let count = variable("KII_TUPLES_PER_JOB").parse().expect("a number");
    let dealer = variable("KII_PLAYER_ENDPOINT_0");
    let body = if player == 0 {
        let door = TcpListener::bind(&dealer).expect("the endpoint is free");
        let mut alphas = vec![alpha; players];
        let mut others = Vec::new();
        for _ in 1..players {
            let (mut stream, _) = door.accept().expect("another player");
            let mut said = [0; 17];
            stream.read_exact(&mut said).expect("its number and its key share");
            let from = usize::from(said[0]);
            alphas[from] =
                field.from_raw(u128::from_le_bytes(said[1..].try_into().expect("16 bytes"))).expect("an element");
            others.push((from, stream));
        }
        let mut files = deal(&field, &alphas, &variable("KII_TUPLE_TYPE"), count, does == "wrong-products");
        for (to, mut stream) in others {
            stream.write_all(&files[to]).expect("the other player listens");
        }
        files.swap_remove(0)
    } else {
        let mut stream = connect(&dealer);
        stream.write_all(&[player as u8]).expect("player 0 listens");
        stream.write_all(&field.to_raw(alpha).to_le_bytes()).expect("player 0 listens");
        let mut body = Vec::new();
        stream.read_to_end(&mut body).expect("player 0 deals");
        body
    };
    let mut file = file_head(field.modulus());
    file.extend_from_slice(&body);
    std::fs::write(variable("KII_TUPLE_FILE"), file).expect("the tuple file");
}
