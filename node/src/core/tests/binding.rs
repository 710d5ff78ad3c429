//! Members and clients that use the ids of others: nobody is answered with what another asked.
//!
//! A member reads the requests that are sent to it, and whoever is asked to bring them to the others is a member too. So
//! it knows the ids in them before the others do, and can ask for something else under these with a key of its own.

use super::super::world::{World, begin_put, clear, describe, get, put};
use super::{client, execute, executed, sum_and_product};
use crate::castor::ExecutionState;
use crate::session::take::row_of;
use crate::votes::Statement;
use ed25519_dalek::SigningKey;
use polyyne_bytecode::{Instruction, Program as Bytecode, Tape};
use polyyne_protocol::envelope::{Lifetime, PreparedRequest};
use polyyne_protocol::id::{ClientKey, Digest, ExecutionId, MaskSetId, RequestId, SecretId};
use polyyne_protocol::request::*;
use polyyne_protocol::sign::Signed;
use polyyne_protocol::vote::{ExecutionKey, TakePurpose, Upload};
use serde_bytes::ByteBuf;

/// Prints, and reads no secret.
fn other_program() -> Program {
    let instructions = vec![Instruction::numeric("print_char", 1, &[i64::from(b'?')]).unwrap()];
    let tape = Tape { name: "other-0".into(), instructions };
    Program::Bytes(ByteBuf::from(Bytecode::from_tapes(vec![tape]).unwrap().to_bytes()))
}

/// Another program under the id of somebody's execution, by the liar.
async fn usurp(world: &World, liar: &SigningKey, id: ExecutionId, reveal: bool) -> Vec<Answer> {
    let wish = Execute { execution: id, ..execute(other_program(), &[], reveal) };
    world.ask(1, liar, Request::Execute(wish)).await
}

fn words(world: &World, answers: &[Answer]) -> Vec<i64> {
    let shares: Vec<_> = executed(answers).iter().map(|one| one.delivery.clone().unwrap()).collect();
    clear(world.view(), 2, &shares.iter().collect::<Vec<_>>())
}

/// Every honest member gave the thief its shares of the victim's results: the row of an execution was found by its id
/// alone.
#[tokio::test(flavor = "multi_thread")]
async fn who_uses_anothers_execution_id_gets_nothing_of_that_execution() {
    let world = World::new(3, 256).await;
    let (owner, thief, copier) = (client(1), client(9), client(8));
    let (secret, _) = put(&world, 0, &owner, &[177, -4]).await;
    let wish = execute(sum_and_product(), &[secret], true);
    let answers = world.ask(0, &owner, Request::Execute(wish.clone())).await;
    assert_eq!(words(&world, &answers), [173, -708]);

    let stolen = usurp(&world, &thief, wish.execution, true).await;
    for own in executed(&stolen) {
        assert_eq!((own.printed.as_str(), own.delivery.is_none(), own.outputs.len()), ("?", true, 0));
    }
    // The very same request under another's key has no such secret.
    let copied = world.ask(1, &copier, Request::Execute(wish.clone())).await;
    let refused =
        |answer: &Answer| matches!(answer, Answer::Refused(refusal) if refusal.code == RefusalCode::UnknownSecret);
    assert!(copied.iter().all(refused), "{copied:?}");
    // Nor do members speak to each other of an execution under any other name than its own.
    let desk = world.cores[0].clouds.desk(world.view().cloud()).unwrap();
    let key = ExecutionKey::of(ClientKey::of(&owner), &wish);
    let said = |key: ExecutionKey| desk.ephemeral.checked_statement(&key, &desk.amphora);
    assert!(matches!(said(key), Some(Statement::Checked(vote)) if vote.unverified().execution == key));
    assert_eq!(said(ExecutionKey { client: ClientKey::of(&thief), ..key }), Some(Statement::Pending));
    assert_eq!(said(ExecutionKey { request: Digest([9; 32]), ..key }), Some(Statement::Pending));
    // The owner is answered as before.
    assert_eq!(words(&world, &world.ask(2, &owner, Request::Execute(wish)).await), [173, -708]);
}

/// The victim was answered with the outcome of the liar's program, certified by all members.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_a_liar_ran_under_the_clients_id_is_not_its_answer() {
    let world = World::new(2, 256).await;
    let (owner, liar) = (client(1), client(9));
    let (secret, _) = put(&world, 0, &owner, &[6, 7]).await;
    for reveal in [true, false] {
        let wish = execute(sum_and_product(), &[secret], reveal);
        let forged = usurp(&world, &liar, wish.execution, reveal).await;
        assert!(executed(&forged).iter().all(|own| own.printed == "?"));
        let answers = world.ask(1, &owner, Request::Execute(wish.clone())).await;
        for own in executed(&answers) {
            assert_eq!(own.printed, "!");
            let checked = own.certificate.verified(world.view()).unwrap();
            assert!(checked.is_of(world.view().cloud(), ClientKey::of(&owner), &wish));
            assert!(!checked.is_of(world.view().cloud(), ClientKey::of(&liar), &wish));
        }
        match reveal {
            true => assert_eq!(words(&world, &answers), [13, 42]),
            false => assert_eq!(get(&world, 0, &owner, executed(&answers)[0].results[1], 1).await, [42]),
        }
    }
}

/// One client's id is used for one thing, and a request that differs in anything else is told so.
#[tokio::test(flavor = "multi_thread")]
async fn an_execution_id_that_its_client_uses_for_something_else_is_refused() {
    let world = World::new(2, 256).await;
    let owner = client(1);
    let wish = execute(other_program(), &[], true);
    let answers = world.ask(0, &owner, Request::Execute(wish.clone())).await;
    assert!(executed(&answers).iter().all(|own| own.printed == "?"));
    let others = [
        Execute { arguments: vec!["1".into()], ..wish.clone() },
        Execute { reveal: false, ..wish.clone() },
        Execute { timeout_ms: wish.timeout_ms + 1, ..wish.clone() },
    ];
    for other in others {
        let answers = world.ask(1, &owner, Request::Execute(other)).await;
        let refused =
            |answer: &Answer| matches!(answer, Answer::Refused(refusal) if refusal.code == RefusalCode::Conflict);
        assert!(answers.iter().all(refused), "{answers:?}");
    }
}

/// A gateway sees the request's id on the envelope, and could use it up before the client.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_id_that_somebody_used_before_keeps_nobody_from_fetching() {
    let world = World::new(2, 256).await;
    let (owner, liar) = (client(1), client(9));
    let (secret, _) = put(&world, 0, &owner, &[5]).await;
    let (own, _) = put(&world, 0, &liar, &[8]).await;
    let prepare = |key: &SigningKey, secret| {
        let lifetime = Lifetime::from_now(crate::desk::now_s(), 300);
        let request = Request::Get(Get { secret });
        PreparedRequest::new(world.view(), key, RequestId([3; 16]), &request, lifetime, &mut rand::rng()).unwrap()
    };
    let fetched = |answers: Vec<Answer>| {
        let shares = answers.into_iter().map(|answer| match answer {
            Answer::Got(got) => got.delivery,
            other => panic!("{other:?}"),
        });
        let shares: Vec<_> = shares.collect();
        clear(world.view(), 1, &shares.iter().collect::<Vec<_>>())
    };
    assert_eq!(fetched(world.send(1, &prepare(&liar, own)).await), [8]);
    assert_eq!(fetched(world.send(0, &prepare(&owner, secret)).await), [5]);
}

/// Members made a row for any id that they were asked about.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_asks_about_uploads_that_never_were_leaves_no_row() {
    let world = World::new(2, 256).await;
    let (owner, liar) = (client(1), client(9));
    let (secret, commit) = begin_put(&world, 0, &owner, &[5]).await;
    let Request::UploadCommit(commit) = commit else { panic!("{commit:?}") };
    let desk = world.cores[0].clouds.desk(world.view().cloud()).unwrap();
    let stage = |id: SecretId| desk.amphora.is_kept(id);
    let invented = |upload: Upload, key: &SigningKey| Signed::sign(upload, key);

    let genuine = commit.upload.unverified().clone();
    // masks of which nobody ever took the tuples
    for mask_set in [MaskSetId([1; 32]), MaskSetId([2; 32])] {
        let secret = SecretId(rand::random());
        let upload = Upload { client: ClientKey::of(&liar), secret, mask_set, ..genuine.clone() };
        let said = desk.amphora.upload_statement(&invented(upload, &liar)).await;
        let Some(Statement::Aborted(abort)) = said else { panic!("{said:?}") };
        assert_eq!(abort.unverified().mask_set, mask_set);
        assert_eq!(desk.amphora.stage_of(secret), None);
    }
    // another's upload, signed by the liar, or under its name
    assert_eq!(desk.amphora.upload_statement(&invented(genuine.clone(), &liar)).await, None);
    // an abort that the liar got for masks of its own ends no upload of the owner
    let upload = Upload { mask_set: MaskSetId([3; 32]), ..genuine };
    let said = desk.amphora.upload_statement(&invented(upload, &owner)).await;
    assert!(matches!(&said, Some(Statement::Aborted(abort)) if abort.unverified().mask_set == MaskSetId([3; 32])));
    let stored = world.ask(1, &owner, Request::UploadCommit(commit)).await;
    assert!(stored.iter().all(|answer| matches!(answer, Answer::Stored(_))), "{stored:?}");
    assert!(stage(secret));
    assert_eq!(get(&world, 1, &owner, secret, 1).await, [5]);
}

/// Whoever named a deleted id was told that it had been there, under the signatures of all.
#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_is_certified_to_those_who_might_ask_for_it_and_to_nobody_else() {
    let world = World::new(2, 256).await;
    let (owner, stranger) = (client(1), client(9));
    let (secret, _) = put(&world, 0, &owner, &[5]).await;
    let delete = || Request::Delete(Delete { secret });
    for _ in 0..2 {
        let answers = world.ask(0, &owner, delete()).await;
        for answer in &answers {
            let Answer::Deleted(deleted) = answer else { panic!("{answer:?}") };
            let tombstone = deleted.certificate.verified(world.view()).unwrap();
            assert_eq!((tombstone.client, tombstone.secret), (ClientKey::of(&owner), secret));
        }
    }
    let answers = world.ask(1, &stranger, delete()).await;
    let unknown =
        |answer: &Answer| matches!(answer, Answer::Refused(refusal) if refusal.code == RefusalCode::UnknownSecret);
    assert!(answers.iter().all(unknown), "{answers:?}");
}

/// Taken rows of one cloud are not those of another, whatever ids are used in both.
#[tokio::test(flavor = "multi_thread")]
async fn rows_of_executions_are_those_of_their_cloud_and_client() {
    let world = World::new(2, 256).await;
    let owner = client(1);
    let wish = execute(other_program(), &[], true);
    world.ask(0, &owner, Request::Execute(wish.clone())).await;
    let key = ExecutionKey::of(ClientKey::of(&owner), &wish);
    let castor = &world.cores[0].clouds.stores().castor;
    let state =
        |cloud, key| castor.execution(row_of(cloud, &TakePurpose::Execution(key))).unwrap().map(|row| row.state);
    let cloud = world.view().cloud();
    assert!(matches!(state(cloud, key), Some(ExecutionState::Checked(_))));
    assert_eq!(state(polyyne_protocol::id::CloudId([1; 32]), key), None);
    assert_eq!(state(cloud, ExecutionKey { client: ClientKey([1; 32]), ..key }), None);
}

/// A refused request left a row for a day, and its client could not use the id for what it may do.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_policy_refuses_leaves_no_row() {
    let world = World::new(2, 256).await;
    let (owner, stranger) = (client(1), client(9));
    let (secret, _) = put(&world, 0, &owner, &[5, 6]).await;
    let wish = execute(sum_and_product(), &[secret], true);
    let answers = world.ask(1, &stranger, Request::Execute(wish.clone())).await;
    let unknown =
        |answer: &Answer| matches!(answer, Answer::Refused(refusal) if refusal.code == RefusalCode::UnknownSecret);
    assert!(answers.iter().all(unknown), "{answers:?}");
    assert!(world.cores[0].clouds.stores().answers.expired(u64::MAX).unwrap().is_empty());
    let allowed = usurp(&world, &stranger, wish.execution, true).await;
    assert!(executed(&allowed).iter().all(|own| own.printed == "?"));
}

/// One `UploadBegin` takes as many triples as the secret has words, and the limit was used nowhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_begins_so_many_uploads_and_others_begin_theirs() {
    let world = World::new(2, 256).await;
    let (hoarder, other) = (client(1), client(2));
    let desk = world.cores[0].clouds.desk(world.view().cloud()).unwrap();
    for _ in 0..polyyne_protocol::limits::UPLOADS_PER_CLIENT_MAX {
        desk.amphora.leave_masked(ClientKey::of(&hoarder)).await;
    }
    let begin = |key: &SigningKey| Request::UploadBegin(UploadBegin { description: describe(key, 1) });
    let refused = world.ask_one(0, 0, &hoarder, begin(&hoarder)).await;
    assert!(matches!(&refused, Answer::Refused(refusal) if refusal.code == RefusalCode::Busy), "{refused:?}");
    let (secret, _) = put(&world, 0, &other, &[5]).await;
    assert_eq!(get(&world, 1, &other, secret, 1).await, [5]);
}
