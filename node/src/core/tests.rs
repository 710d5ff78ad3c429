//! The services of a cloud over real links: tuples, secrets, executions.

use super::Core;
use super::world::{World, begin_put, clear, describe, get, put};
use crate::castor::{ExecutionState, KindTake, Span, TakeRequest, TupleKind};
use crate::session::side::Side;
use crate::session::take::shares_of;
use crate::store::ExecId;
use crate::store::sealed::SecretBytes;
use ed25519_dalek::SigningKey;
use polyyne_bytecode::{Entry, Instruction, Operand, Program as Bytecode, Schedule, Tape};
use polyyne_engine::field::{Field, PrimeField};
use polyyne_engine::tuples::Shape;
use polyyne_protocol::client_io;
use polyyne_protocol::id::{ClientKey, ExecutionId, SecretId};
use polyyne_protocol::request::*;
use polyyne_protocol::sign::Signed;
use polyyne_protocol::version::Generator;
use polyyne_protocol::vote::{ExecutionKey, TakePurpose, Upload};
use serde_bytes::ByteBuf;

mod binding;

fn client(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

/// Reads two words, writes their sum and their product, prints.
fn sum_and_product() -> Program {
    let i = |name: &str, size: u64, numbers: &[i64]| Instruction::numeric(name, size, numbers).unwrap();
    let instructions = vec![
        i("ldint", 1, &[0, 10000]),
        i("listen", 1, &[0]),
        i("acceptclientconnection", 1, &[1, 0]),
        i("readsockets", 1, &[1, 1, 0, 1]),
        i("adds", 1, &[2, 0, 1]),
        i("muls", 1, &[1, 3, 0, 1]),
        i("writesockets", 1, &[1, 0, 1, 2, 3]),
        i("print_char", 1, &[i64::from(b'!')]),
        Instruction::new("use", 1, vec![Operand::Int(0), Operand::Int(0), Operand::Long(1)]).unwrap(),
    ];
    let tape = Tape { name: "sum_and_product-0".into(), instructions };
    Program::Bytes(ByteBuf::from(Bytecode::from_tapes(vec![tape]).unwrap().to_bytes()))
}

/// The same, and it takes so many bits.
fn hungry(bits: u64) -> Program {
    let mut hungry = sum_and_product();
    if let Program::Bytes(bytes) = &mut hungry {
        let program = Bytecode::from_bytes(bytes, &polyyne_bytecode::SizeLimits::default()).unwrap();
        let mut tape = program.tapes()[0].clone();
        tape.instructions.push(Instruction::numeric("bit", bits, &[10]).unwrap());
        *bytes = ByteBuf::from(Bytecode::from_tapes(vec![tape]).unwrap().to_bytes());
    }
    hungry
}

fn execute(program: Program, inputs: &[SecretId], reveal: bool) -> Execute {
    Execute {
        execution: ExecutionId(rand::random()),
        program,
        arguments: Vec::new(),
        inputs: inputs.to_vec(),
        reveal,
        results: ResultTerms::default(),
        timeout_ms: 60_000,
        wait: true,
        sockets: false,
    }
}

fn executed(answers: &[Answer]) -> Vec<&Executed> {
    answers
        .iter()
        .map(|answer| match answer {
            Answer::Executed(executed) => executed,
            other => panic!("{other:?}"),
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_go_in_through_one_node_and_come_out_through_another_and_programs_run_over_them() {
    let world = World::new(3, 512).await;
    let owner = client(1);
    let (first, stored) = put(&world, 0, &owner, &[177, -4]).await;
    assert!(stored.iter().all(|answer| matches!(answer, Answer::Stored(_))), "{stored:?}");
    let (second, _) = put(&world, 1, &owner, &[5]).await;
    assert_eq!(get(&world, 2, &owner, first, 2).await, [177, -4]);

    let wish = execute(sum_and_product(), &[first], true);
    let answers = world.ask(2, &owner, Request::Execute(wish.clone())).await;
    let all = executed(&answers);
    assert!(all.iter().all(|one| one.printed == "!" && one.outputs.len() == 2));
    let shares: Vec<_> = all.iter().map(|one| one.delivery.as_ref().unwrap()).collect();
    assert_eq!(clear(world.view(), 2, &shares), [173, -708]);

    // The same again: the same answer, nothing taken.
    let before = world.cores[0].clouds.stores().castor.stock(world.scope());
    let again = world.ask(0, &owner, Request::Execute(wish)).await;
    let shares: Vec<_> = executed(&again).iter().map(|one| one.delivery.clone().unwrap()).collect();
    assert_eq!(clear(world.view(), 2, &shares.iter().collect::<Vec<_>>()), [173, -708]);
    let after = world.cores[0].clouds.stores().castor.stock(world.scope());
    // Kinds that have come into stock meanwhile were not taken either.
    let taken = |stock: &[crate::castor::Stock]| stock.iter().map(|kind| kind.taken).sum::<u64>();
    assert_eq!(taken(&before), taken(&after));

    // Results as new secrets, which are inputs again.
    let answers = world.ask(1, &owner, Request::Execute(execute(sum_and_product(), &[first], false))).await;
    let results = executed(&answers)[0].results.clone();
    assert_eq!(results.len(), 2);
    assert_eq!(get(&world, 0, &owner, results[0], 1).await, [173]);
    let answers = world.ask(1, &owner, Request::Execute(execute(sum_and_product(), &[results[0], second], true))).await;
    let shares: Vec<_> = executed(&answers).iter().map(|one| one.delivery.clone().unwrap()).collect();
    assert_eq!(clear(world.view(), 2, &shares.iter().collect::<Vec<_>>()), [178, 865]);

    // What was made, taken and left adds up at every member.
    for core in &world.cores {
        for account in core.clouds.stores().castor.audit(world.scope()).unwrap() {
            assert!(account.balances(), "{account:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_several_requests_commit_at_once_is_stored_for_all_of_them() {
    let world = World::new(3, 512).await;
    let owner = client(1);
    for value in 0..4 {
        let (secret, commit) = begin_put(&world, 0, &owner, &[value]).await;
        // As after a lost answer, and beside the keeper that settles what is left: who comes second finds it done.
        let requests: Vec<_> = (0..8).map(|_| world.prepare(&owner, commit.clone())).collect();
        let asked = requests.iter().enumerate().map(|(at, request)| world.send(at % 3, request));
        for answers in futures::future::join_all(asked).await {
            assert!(answers.iter().all(|answer| matches!(answer, Answer::Stored(_))), "{answers:?}");
        }
        assert_eq!(get(&world, 1, &owner, secret, 1).await, [value as i64]);
    }
}

/// Two threads multiply the same two words, each to a place of its own.
fn products_in_threads() -> Program {
    let i = |name: &str, size: u64, numbers: &[i64]| Instruction::numeric(name, size, numbers).unwrap();
    let declares = |count| Instruction::new("use", 1, vec![Operand::Int(0), Operand::Int(0), Operand::Long(count)]);
    let main = vec![
        i("ldint", 1, &[0, 10000]),
        i("listen", 1, &[0]),
        i("acceptclientconnection", 1, &[1, 0]),
        i("readsockets", 1, &[1, 1, 0, 1]),
        i("stms", 2, &[0, 100]),
        i("run_tape", 1, &[1, 1, 0, 2, 1, 1]),
        i("join_tape", 1, &[1]),
        i("join_tape", 1, &[2]),
        i("ldms", 2, &[2, 200]),
        i("writesockets", 1, &[1, 0, 1, 2, 3]),
        i("print_char", 1, &[i64::from(b'!')]),
        declares(2).unwrap(),
    ];
    let thread = vec![
        i("ldarg", 1, &[0]),
        i("ldint", 1, &[1, 200]),
        i("addint", 1, &[2, 0, 1]),
        i("ldms", 2, &[0, 100]),
        i("muls", 1, &[1, 2, 0, 1]),
        i("stmsi", 1, &[2, 2]),
        i("print_char", 1, &[i64::from(b'.')]),
        declares(1).unwrap(),
    ];
    let tapes = [("main-0", main), ("thread-1", thread)]
        .map(|(name, instructions)| Tape { name: name.into(), instructions })
        .to_vec();
    let entries = tapes
        .iter()
        .map(|tape| Entry { name: tape.name.clone(), instructions: Some(tape.instructions.len() as u64) })
        .collect();
    let program = Bytecode::new(Schedule { threads: 3, ..Schedule::new(entries) }, tapes).unwrap();
    Program::Bytes(ByteBuf::from(program.to_bytes()))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_vm_threads_of_an_execution_run_over_links_of_their_own() {
    let world = World::new(3, 256).await;
    let owner = client(1);
    let (secret, _) = put(&world, 0, &owner, &[177, -4]).await;
    for _ in 0..2 {
        let wish = execute(products_in_threads(), &[secret], true);
        let answers = world.ask(1, &owner, Request::Execute(wish)).await;
        let all = executed(&answers);
        assert!(all.iter().all(|one| one.printed == "..!"));
        let shares: Vec<_> = all.iter().map(|one| one.delivery.as_ref().unwrap()).collect();
        assert_eq!(clear(world.view(), 2, &shares), [-708, -708]);
    }
    for core in &world.cores {
        for account in core.clouds.stores().castor.audit(world.scope()).unwrap() {
            assert!(account.balances(), "{account:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_name_their_cause_and_spend_nothing() {
    let world = World::new(2, 256).await;
    let (owner, stranger) = (client(1), client(2));
    let (secret, _) = put(&world, 0, &owner, &[1]).await;
    let refusals = |answers: Vec<Answer>| -> Vec<RefusalCode> {
        let code = |answer: Answer| match answer {
            Answer::Refused(refusal) => refusal.code,
            other => panic!("{other:?}"),
        };
        answers.into_iter().map(code).collect()
    };
    let all = |code| vec![code; 2];
    let get = Request::Get(Get { secret });
    assert_eq!(refusals(world.ask(0, &stranger, get).await), all(RefusalCode::UnknownSecret));
    let none = Request::Get(Get { secret: SecretId([9; 16]) });
    assert_eq!(refusals(world.ask(0, &owner, none).await), all(RefusalCode::UnknownSecret));
    let short = Request::Execute(execute(sum_and_product(), &[secret], true));
    assert_eq!(refusals(world.ask(1, &owner, short).await), all(RefusalCode::InputsMissing));
    let garbage = Program::Bytes(ByteBuf::from(b"no program".to_vec()));
    assert_eq!(
        refusals(world.ask(1, &owner, Request::Execute(execute(garbage, &[secret], true))).await),
        all(RefusalCode::ProgramInvalid)
    );
    // With values that differ from member to member a program could make honest members fail a MAC check.
    let divisive = [Instruction::numeric("playerid", 1, &[0]).unwrap()].to_vec();
    let tape = Tape { name: "divisive-0".into(), instructions: divisive };
    let divisive = Program::Bytes(ByteBuf::from(Bytecode::from_tapes(vec![tape]).unwrap().to_bytes()));
    assert_eq!(
        refusals(world.ask(1, &owner, Request::Execute(execute(divisive, &[secret], true))).await),
        all(RefusalCode::ProgramInvalid)
    );
    for core in &world.cores {
        core.clouds.klyshko(world.view().cloud()).unwrap().pause().await.unwrap();
    }
    let wish = Request::Execute(execute(hungry(1 << 20), &[secret, secret], true));
    assert_eq!(refusals(world.ask(0, &owner, wish).await), all(RefusalCode::StockTooLow));
}

#[tokio::test(flavor = "multi_thread")]
async fn different_inputs_to_different_members_abort_the_upload_and_leave_the_cloud_usable() {
    let world = World::new(2, 256).await;
    let owner = client(1);
    let field = PrimeField::usual();
    let description = describe(&owner, 1);
    let begin = Request::UploadBegin(UploadBegin { description: description.clone() });
    let answers = world.ask(0, &owner, begin).await;
    let Answer::Masks(masks) = &answers[0] else { panic!("{answers:?}") };
    let commit = |value: i128| {
        let masked = client_io::mask(&field, &[field.from_i128(value)], &[field.from_i64(0)]);
        let upload = Upload::new(world.view(), &description, masks.mask_set, &masked);
        Request::UploadCommit(UploadCommit { upload: Signed::sign(upload, &owner), masked })
    };
    let (one, other) = futures::join!(world.ask_one(0, 0, &owner, commit(1)), world.ask_one(0, 1, &owner, commit(2)),);
    for answer in [one, other] {
        let Answer::Refused(refusal) = answer else { panic!("{answer:?}") };
        assert!(matches!(refusal.code, RefusalCode::MembersDiffer | RefusalCode::MasksGone), "{refusal:?}");
    }
    let (secret, _) = put(&world, 1, &owner, &[8]).await;
    assert_eq!(get(&world, 0, &owner, secret, 1).await, [8]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_requests_at_once_are_all_answered_and_no_tuple_is_taken_twice() {
    let world = World::new(2, 1024).await;
    let owner = client(1);
    let values: Vec<i128> = (0..6).collect();
    let puts = values.iter().map(|&v| {
        let (world, owner) = (&world, &owner);
        async move { put(world, (v % 2) as usize, owner, &[v, v + 1]).await.0 }
    });
    let secrets: Vec<SecretId> = futures::future::join_all(puts).await;
    let runs = secrets.iter().enumerate().map(|(i, &secret)| {
        let (world, owner) = (&world, &owner);
        async move {
            let answers = world.ask(i % 2, owner, Request::Execute(execute(sum_and_product(), &[secret], true))).await;
            let shares: Vec<_> = executed(&answers).iter().map(|one| one.delivery.clone().unwrap()).collect();
            clear(world.view(), 2, &shares.iter().collect::<Vec<_>>())
        }
    });
    for (v, words) in values.iter().zip(futures::future::join_all(runs).await) {
        let v = *v as i64;
        assert_eq!(words, [2 * v + 1, v * (v + 1)]);
    }
    for core in &world.cores {
        for account in core.clouds.stores().castor.audit(world.scope()).unwrap() {
            assert!(account.balances(), "{account:?}");
        }
    }
    let taken: Vec<u64> = world
        .cores
        .iter()
        .map(|core| {
            let stock = core.clouds.stores().castor.stock(world.scope());
            stock.iter().find(|own| own.kind == TupleKind::TRIPLE).unwrap().taken
        })
        .collect();
    assert_eq!(taken[0], taken[1]);
}

/// A program of MP-SPDZ's compiler, and what it prints.
fn conformance(name: &str) -> (Program, String) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/conformance");
    let text = |path: String| std::fs::read_to_string(folder.join(path)).unwrap();
    let read = |tape: &str| std::fs::read(folder.join("Bytecode").join(tape));
    let schedule = text(format!("Schedules/{name}.sch"));
    let program = Bytecode::load(&schedule, &polyyne_bytecode::SizeLimits::default(), read).unwrap();
    (Program::Bytes(ByteBuf::from(program.to_bytes())), text(format!("expected/{name}.txt")))
}

/// GF(2^40), and bits of both worlds: nothing of it is in stock before it is asked for.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_program_needs_beside_the_prime_field_is_made_when_it_is_asked_for() {
    let world = World::new(2, 256).await;
    let client = client(5);
    for name in ["c16_gf2n", "c36_edabit_raw", "c18_sbitint_mixed"] {
        let (program, expected) = conformance(name);
        for _ in 0..2 {
            let request = Request::Execute(execute(program.clone(), &[], true));
            let answers = world.ask(0, &client, request).await;
            for executed in executed(&answers) {
                assert_eq!(executed.printed, expected, "{name}");
            }
        }
    }
    let desk = world.cores[0].clouds.desk(world.view().cloud()).unwrap();
    let stock = desk.seat.castor.stock(desk.seat.scope);
    let made = |kind| stock.iter().any(|own| own.kind == kind && own.generated > 0);
    assert!(made(TupleKind::DABIT) && made(TupleKind::AND_TRIPLE) && made(TupleKind::TRIPLE.over_binary(40)));
    assert!(!made(TupleKind::SQUARE.over_binary(128)), "what nobody asked for is not made");
}

/// One length is kept in stock, one is named and made when it is asked for, and both are spent as what they are.
#[tokio::test(flavor = "multi_thread")]
async fn edabits_of_lengths_that_the_record_names_are_kept_and_taken_as_such() {
    let [long, short] = [12, 8].map(|bits| TupleKind::edabit(bits).unwrap());
    let world = World::keeping(&[(long, 100), (short, 0)], Generator::Mascot, 2, 256).await;
    let client = client(5);
    let (program, expected) = conformance("c36_edabit_raw");
    for _ in 0..2 {
        let answers = world.ask(0, &client, Request::Execute(execute(program.clone(), &[], true))).await;
        assert!(executed(&answers).iter().all(|executed| executed.printed == expected));
    }
    for core in &world.cores {
        let accounts = core.clouds.stores().castor.audit(world.scope()).unwrap();
        let taken = |kind| accounts.iter().find(|account| account.kind == kind).map_or(0, |account| account.taken);
        assert_eq!([long, short, TupleKind::DABIT].map(taken), [2, 10, 2], "what the program declares, twice");
        assert!(accounts.iter().all(|account| account.balances()), "{accounts:?}");
        let kept = accounts.iter().find(|account| account.kind == long).unwrap();
        assert!(kept.generated >= 100, "{kept:?}");
    }
}

/// Products of a named shape take matrix triples, and no triples of elements; products of others are as ever.
#[tokio::test(flavor = "multi_thread")]
async fn matrix_triples_of_shapes_that_the_record_names_are_kept_and_taken() {
    let [often, once] = [[3, 4, 2], [2, 2, 2]].map(|[rows, inner, columns]| Shape { rows, inner, columns });
    let [kept, asked] = [often, once].map(|shape| TupleKind::matrix(shape).unwrap());
    let world = World::keeping(&[(kept, 100), (asked, 0)], Generator::Mascot, 2, 256).await;
    let client = client(5);
    let (program, expected) = conformance("c11_matmul");
    for _ in 0..2 {
        let answers = world.ask(0, &client, Request::Execute(execute(program.clone(), &[], true))).await;
        assert!(executed(&answers).iter().all(|executed| executed.printed == expected));
    }
    for core in &world.cores {
        let accounts = core.clouds.stores().castor.audit(world.scope()).unwrap();
        let account = |kind| accounts.iter().find(|account| account.kind == kind).unwrap();
        let declared = 302 - 3 * often.multiplications() - once.multiplications();
        let taken = [kept, asked, TupleKind::TRIPLE].map(|kind| account(kind).taken);
        assert_eq!(taken, [6, 2, 2 * declared as u64], "what the program declares, twice");
        assert!(accounts.iter().all(|account| account.balances()), "{accounts:?}");
        assert!(account(kept).generated >= 100, "{accounts:?}");
    }
}

/// All squares over a field that the members have made, under the key of these shares.
async fn assert_squares<F: Field>(world: &World, kind: TupleKind, f: &F, alphas: Vec<F::Element>, count: u64) {
    let mut sums = vec![[f.zero(); 2]; 2 * count as usize];
    for core in &world.cores {
        let kinds = vec![KindTake { kind, spans: vec![Span::new(0, count)], skip_to: None }];
        let (exec, scope) = (ExecId(rand::random()), world.scope());
        let request = TakeRequest { exec, scope, digest: [0; 32], kinds, peers: Vec::new() };
        let taken = core.clouds.stores().castor.take(request).await.unwrap().remove(kind).unwrap();
        let shares = shares_of(f, &taken.into_bytes()).unwrap();
        for (k, sum) in sums.iter_mut().enumerate() {
            let (value, mac) = shares.get(k);
            *sum = [f.add(sum[0], value), f.add(sum[1], mac)];
        }
    }
    let alpha = f.sum(alphas);
    for [[a, mac], [square, mac_of_square]] in sums.as_chunks().0 {
        assert!(f.mul(*a, *a) == *square && f.mul(alpha, *a) == *mac && f.mul(alpha, *square) == *mac_of_square);
    }
}

/// Large batches, to which every thread gives a part.
#[tokio::test(flavor = "multi_thread")]
async fn tuples_that_several_threads_made_stand_at_the_same_places_at_all_members() {
    const COUNT: u64 = 256 + 512 + 1024 + 2048;
    let world = World::new(3, 0).await;
    let desks: Vec<_> = world.cores.iter().map(|core| core.clouds.desk(world.view().cloud()).unwrap()).collect();
    let (seat, gf40) = (&desks[0].seat, Side::Gf40.field());
    let kinds = [TupleKind::SQUARE, TupleKind::SQUARE.over_binary(40)];
    let limit = std::time::Duration::from_secs(120);
    for kind in kinds {
        desks.iter().for_each(|desk| desk.klyshko.want(kind, COUNT));
        let made = |core: &Core| {
            let stock = core.clouds.stores().castor.stock(world.scope());
            stock.iter().any(|own| own.kind == kind && own.generated >= COUNT)
        };
        let waiting = async {
            while !world.cores.iter().all(made) {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(limit, waiting).await.expect("the members make tuples");
    }
    let alphas = desks.iter().map(|desk| desk.seat.alpha.alpha()).collect();
    assert_squares(&world, kinds[0], &seat.field, alphas, COUNT).await;
    let mut alphas = Vec::new();
    for desk in &desks {
        let unused = SecretBytes::new(Vec::new());
        let share = desk.seat.mac_keys.side_share(desk.seat.scope, Side::Gf40.byte(), unused).await.unwrap();
        alphas.push(gf40.from_bytes(share.expose().try_into().unwrap()).unwrap());
    }
    assert_squares(&world, kinds[1], &gf40, alphas, COUNT).await;
}

/// The setup of a restarted session is linked to the key's first one, and so is MASCOT's beside it, which daBits take.
#[tokio::test(flavor = "multi_thread")]
async fn a_cloud_of_lowgear_makes_the_rest_with_mascot_and_goes_on_after_a_restart() {
    let world = World::making(Generator::Lowgear, 2, 256).await;
    world.until_stocked().await;
    let (owner, timeout_ms) = (client(5), 110_000);
    let patient = |program, inputs: &[_]| Execute { timeout_ms, ..execute(program, inputs, true) };
    let (secret, _) = put(&world, 0, &owner, &[177, -4]).await;
    let (program, expected) = conformance("c36_edabit_raw");
    for _ in 0..2 {
        let answers = world.ask(1, &owner, Request::Execute(patient(sum_and_product(), &[secret]))).await;
        let shares: Vec<_> = executed(&answers).iter().map(|one| one.delivery.clone().unwrap()).collect();
        assert_eq!(clear(world.view(), 2, &shares.iter().collect::<Vec<_>>()), [173, -708]);
        let answers = world.ask(0, &owner, Request::Execute(patient(program.clone(), &[]))).await;
        assert!(executed(&answers).iter().all(|executed| executed.printed == expected));
        world.renew_desks().await;
    }
}

/// An old change of tags that somebody recorded must not undo a newer one, even if members were restarted in between.
#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_change_of_tags_is_not_served_again_by_a_member_that_has_forgotten_it() {
    let world = World::new(2, 256).await;
    let owner = client(1);
    let (secret, _) = put(&world, 0, &owner, &[1]).await;
    let tagged = |value: i64| {
        let tag = polyyne_protocol::tag::Tag::new("k", polyyne_protocol::tag::TagValue::Long(value)).unwrap();
        let set = polyyne_protocol::tag::Tags::new(vec![tag]).unwrap();
        world.prepare(&owner, Request::Tag(Tag { secret, set, remove: Vec::new() }))
    };
    let (first, second) = (tagged(1), tagged(2));
    for prepared in [&first, &second] {
        let answers = world.send(0, prepared).await;
        assert!(answers.iter().all(|answer| matches!(answer, Answer::Tagged(_))), "{answers:?}");
    }
    world.renew_desks().await;
    let answers = world.send(1, &first).await;
    let refused = |answer: &Answer| matches!(answer, Answer::Refused(refusal) if refusal.code == RefusalCode::Conflict);
    assert!(answers.iter().all(refused), "{answers:?}");
}

/// Rows of checked executions hold shares and texts: they go with the answer, and no other member loses by it.
#[tokio::test(flavor = "multi_thread")]
async fn a_checked_execution_keeps_nothing_but_its_id_when_the_time_of_its_answer_is_over() {
    let world = World::new(2, 256).await;
    let owner = client(1);
    let (secret, _) = put(&world, 0, &owner, &[6, 7]).await;
    let wish = execute(sum_and_product(), &[secret], false);
    let answers = world.ask(0, &owner, Request::Execute(wish.clone())).await;
    let results = executed(&answers)[0].results.clone();
    let desks: Vec<_> = world.cores.iter().map(|core| core.clouds.desk(world.view().cloud()).unwrap()).collect();
    let key = ExecutionKey::of(ClientKey::of(&owner), &wish);
    let row = crate::session::take::row_of(world.view().cloud(), &TakePurpose::Execution(key));
    let state = |node: usize| world.cores[node].clouds.stores().castor.execution(row).unwrap().unwrap().state;

    let early = crate::desk::now_s() * 1000;
    desks[0].ephemeral.sweep(&desks[0].amphora, early).await;
    assert!(matches!(state(0), ExecutionState::Checked(_)), "its answer may still be asked for");
    let late = early + (polyyne_protocol::limits::EXECUTION_ANSWER_LIFETIME_S + 60) * 1000;
    desks[0].ephemeral.sweep(&desks[0].amphora, late).await;
    assert_eq!(state(0), ExecutionState::Done);
    assert!(world.cores[0].clouds.stores().answers.expired(u64::MAX).unwrap().is_empty());

    // A member that had not come as far gets the certificate in place of the vote.
    let said = desks[0].ephemeral.checked_statement(&key, &desks[0].amphora);
    let Some(crate::votes::Statement::Certified(certificate)) = said else { panic!("{said:?}") };
    assert!(certificate.verified(world.view()).is_ok());
    assert_eq!(get(&world, 1, &owner, results[1], 1).await, [42]);
    let again = world.ask_one(0, 0, &owner, Request::Execute(wish)).await;
    let Answer::Refused(refusal) = &again else { panic!("{again:?}") };
    assert_eq!(refusal.code, RefusalCode::Conflict);
}

#[tokio::test(flavor = "multi_thread")]
async fn executions_that_find_too_few_tuples_wait_in_line_and_their_clients_see_where() {
    let world = World::new(2, 256).await;
    let owner = client(1);
    let (secret, _) = put(&world, 0, &owner, &[3, 4]).await;
    let impatient = Execute { wait: false, ..execute(hungry(1_500), &[secret], true) };
    for answer in world.ask(0, &owner, Request::Execute(impatient)).await {
        let Answer::Refused(refusal) = &answer else { panic!("{answer:?}") };
        assert_eq!(refusal.code, RefusalCode::StockTooLow);
    }
    // A slow machine makes them in its own time.
    let patient = || Execute { timeout_ms: 600_000, ..execute(hungry(1_500), &[secret], true) };
    let wishes: Vec<Execute> = (0..3).map(|_| patient()).collect();
    let runs = wishes.iter().enumerate().map(|(i, wish)| world.ask(i % 2, &owner, Request::Execute(wish.clone())));
    let most = std::cell::Cell::new(0);
    let watch = async {
        loop {
            for wish in &wishes {
                let place = Request::Place(Place { execution: wish.execution });
                for answer in world.ask(0, &owner, place).await {
                    let Answer::Placed(placed) = answer else { panic!("{answer:?}") };
                    assert!(placed.waiting <= 3);
                    most.set(most.get().max(placed.before.unwrap_or(0)));
                }
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let answers = tokio::select! {
        answers = futures::future::join_all(runs) => answers,
        () = watch => unreachable!("it looks for ever"),
    };
    assert!((1..=2).contains(&most.get()), "two may stand before one: {}", most.get());
    for answers in answers {
        let shares: Vec<_> = executed(&answers).iter().map(|one| one.delivery.clone().unwrap()).collect();
        assert_eq!(clear(world.view(), 2, &shares.iter().collect::<Vec<_>>()), [7, 12]);
    }
    for core in &world.cores {
        assert_eq!(core.clouds.desk(world.view().cloud()).unwrap().ephemeral.line.waiting(), 0);
    }
}

/// Reads so many words, shuffles them and writes them.
fn shuffle(words: u64) -> Program {
    let i = |name: &str, size: u64, numbers: &[i64]| Instruction::numeric(name, size, numbers).unwrap();
    let words_signed = words as i64;
    let reads: Vec<i64> = [1, 1].into_iter().chain(0..words_signed).collect();
    let writes: Vec<i64> = [1, 0, 1].into_iter().chain(words_signed..2 * words_signed).collect();
    let instructions = vec![
        i("ldint", 1, &[0, 10000]),
        i("listen", 1, &[0]),
        i("acceptclientconnection", 1, &[1, 0]),
        i("readsockets", 1, &reads),
        i("secshuffle", words, &[words_signed, 0, 1]),
        i("writesockets", 1, &writes),
    ];
    let tape = Tape { name: "shuffle-0".into(), instructions };
    Program::Bytes(ByteBuf::from(Bytecode::from_tapes(vec![tape]).unwrap().to_bytes()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_shuffles_secrets_by_permutations_that_members_put_in_under_masks_of_their_own() {
    let world = World::new(3, 256).await;
    let owner = client(1);
    let words: Vec<i128> = (1..=8).collect();
    let (secret, _) = put(&world, 0, &owner, &words).await;
    let answers = world.ask(1, &owner, Request::Execute(execute(shuffle(8), &[secret], true))).await;
    let shares: Vec<_> = executed(&answers).iter().map(|one| one.delivery.clone().unwrap()).collect();
    let shuffled = clear(world.view(), 8, &shares.iter().collect::<Vec<_>>());
    let mut shuffled: Vec<i128> = shuffled.into_iter().map(i128::from).collect();
    shuffled.sort_unstable();
    assert_eq!(shuffled, words);
    let stock = world.cores[2].clouds.stores().castor.stock(world.scope());
    for owner in 0..3 {
        let masks = stock.iter().find(|own| own.kind == TupleKind::mask(owner)).expect("made for the execution");
        assert!(masks.taken > 0 && masks.generated >= masks.taken, "{masks:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_pause_generation_or_keep_it_waiting_are_named() {
    let world = World::new(3, 256).await;
    let (cloud, members) = (world.view().cloud(), world.view().members().to_vec());
    let desks: Vec<_> = world.cores.iter().map(|core| core.clouds.desk(cloud).unwrap()).collect();
    let until = async |what: &str, mut holds: Box<dyn FnMut() -> bool>| {
        let limit = std::time::Duration::from_secs(120);
        let waiting = async {
            while !holds() {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(limit, waiting).await.expect(what);
    };
    let klyshko = desks[0].klyshko.clone();
    let (told, own) = (klyshko.clone(), members[1].peer);
    desks[1].klyshko.pause().await.unwrap();
    until("the others hear of a pause", Box::new(move || told.paused_by() == [own])).await;
    desks[1].klyshko.resume().await.unwrap();
    let told = klyshko.clone();
    until("and of its end", Box::new(move || told.paused_by().is_empty())).await;
    assert_eq!(klyshko.stalled_by(), None);

    desks.iter().for_each(|desk| desk.klyshko.want(TupleKind::SQUARE, 5_000));
    let gone = members[2].peer;
    desks[2].klyshko.stop();
    let told = klyshko.clone();
    until("a member that does not come is named", Box::new(move || told.stalled_by() == Some(gone))).await;
    assert!(klyshko.stalls()[&gone] >= 1);
}

/// Members of one build with a cloud of another: what they would sign of their tuples were not true.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_made_in_a_cloud_of_other_parameters_and_operators_hear_why() {
    let world = World::on(Generator::Mascot, 2, 256, |record| record.parameters.generator_parameters.0[0] ^= 1).await;
    let desks = world.cores.iter().map(|core| core.clouds.desk(world.view().cloud()).unwrap());
    for desk in desks {
        let trouble = async {
            while desk.klyshko.trouble().is_none() {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), trouble).await.expect("it is refused");
        assert!(desk.klyshko.trouble().unwrap().contains("parameters of its generator"));
        assert_eq!(desk.seat.castor.stock(desk.seat.scope).iter().map(|own| own.generated).sum::<u64>(), 0);
    }
}
