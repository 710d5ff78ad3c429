//! What a session of members does before and after the engine's protocols, with one cheating member:
//! hellos, offers, votes, wishes, seals. Every message of these steps is altered in every way;
//! every honest member ends with a typed error or with the right result, and never waits for ever.
//!
//! The engine's own steps have their rows in `engine/tests`; `tests/tests/tidy.rs` holds the lists
//! together, so that a new step without a row does not go unnoticed.

mod checks;
mod tamper;

use super::agree::{AgreeError, agree};
use super::take::{Bill, TakeFailure, Taken, Taker, Taking};
use super::{Agenda, GreetError, greet};
use crate::castor::TupleKind;
use crate::core::world::World;
use crate::desk::await_stock;
use crate::klyshko::anchor::{self, Choice, Holding};
use crate::klyshko::exchange_wishes;
use crate::klyshko::plan::{KindWish, Planner, Wish};
use crate::seat::Seat;
use futures::future::join_all;
use polyyne_engine::field::Field as _;
use polyyne_engine::party::Party;
use polyyne_engine::port::{Channel, Rng};
use polyyne_engine::step::Step;
use polyyne_engine::tuples::Tuples as _;
use polyyne_protocol::assurance::{Assurance, Level};
use polyyne_protocol::canonical;
use polyyne_protocol::certificate::Certificate;
use polyyne_protocol::hello::{HelloError, SessionPurpose};
use polyyne_protocol::id::{Attempt, ClientKey, Digest, ExecutionId, PeerKey, ProgramHash, SessionId};
use polyyne_protocol::sign::{Signed, Statement};
use polyyne_protocol::stock::StockRule;
use polyyne_protocol::vote::{ChunkSeal, ExecutionChecked, ExecutionKey, Take, TakePurpose};
use rand::SeedableRng as _;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tamper::{Attack, Cheat};

/// The steps that have their rows here.
const STEPS: [Step; 7] =
    [Step::Hello, Step::Offer, Step::TakeVote, Step::CheckedVote, Step::Wish, Step::Seal, Step::Anchor];

/// Whoever is not done by then waits for ever.
const HANG: Duration = Duration::from_secs(60);
/// For a turn among takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Members of a cloud that do not generate, and so leave the stock as it is.
struct Hall {
    world: World,
    seats: Vec<Arc<Seat>>,
}

impl Hall {
    async fn new(n: usize, stock: u64) -> Self {
        let world = World::new(n, stock).await;
        let cloud = world.view().cloud();
        let desks: Vec<_> = world.cores.iter().map(|core| core.clouds.desk(cloud).unwrap()).collect();
        for desk in &desks {
            let bill: Bill = TupleKind::PRIME.iter().map(|&kind| (kind, stock)).collect();
            await_stock(&desk.seat, &desk.klyshko, &bill, HANG).await.unwrap();
        }
        for desk in &desks {
            desk.klyshko.pause().await.unwrap();
        }
        Self { world, seats: desks.iter().map(|desk| desk.seat.clone()).collect() }
    }

    fn n(&self) -> usize {
        self.seats.len()
    }

    /// All members' ends of a session that they have agreed on, with what the cheat does to its links.
    fn parties(&self, cheat: Option<Cheat>) -> Vec<Party> {
        let session = rand::random();
        let rng = || Rng::from_seed(rand::random());
        let parties = self.links(cheat).into_iter().enumerate();
        parties.map(|(rank, links)| Party::new(rank, session, links, rng())).collect()
    }

    fn links(&self, cheat: Option<Cheat>) -> Vec<Vec<Option<Box<dyn Channel>>>> {
        tamper::mesh(self.n(), cheat)
    }
}

/// The results of members that do the same at the same time.
async fn all<T>(story: &str, members: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let ended = tokio::time::timeout(HANG, join_all(members)).await;
    ended.unwrap_or_else(|_| panic!("{story}: somebody waits for ever"))
}

/// Calls `case` for each attack on `step` by each of the first and the last member.
async fn each_attack(n: usize, step: Step, mut case: impl AsyncFnMut(String, usize, Cheat)) {
    for attack in Attack::ALL {
        for cheater in [0, n - 1] {
            let story = format!("n={n} {step:?} {attack:?} by {cheater}");
            case(story, cheater, Cheat { step, attack, cheater }).await;
        }
    }
}

/// The members that `cheat` altered a message to may not accept; whoever accepts has the same.
fn assert_honest<T: PartialEq, E: std::fmt::Debug>(story: &str, cheat: &Cheat, results: &[Result<T, E>]) {
    let honest = || results.iter().enumerate().filter(|(rank, _)| *rank != cheat.cheater);
    for (rank, result) in honest() {
        if cheat.attack.alters_for(rank, cheat.cheater, results.len()) {
            assert!(result.is_err(), "{story}: member {rank} accepts");
        }
    }
    let accepted: Vec<&T> = honest().filter_map(|(_, result)| result.as_ref().ok()).collect();
    assert!(accepted.windows(2).all(|pair| pair[0] == pair[1]), "{story}: honest members differ");
}

fn agenda() -> Agenda {
    Agenda { purpose: SessionPurpose::Execution, subject: Digest(rand::random()) }
}

async fn greet_all(
    hall: &Hall,
    story: &str,
    cheat: Option<Cheat>,
    agendas: &[Agenda],
) -> Vec<Result<[u8; 32], GreetError>> {
    let members = hall.seats.iter().zip(hall.links(cheat)).zip(agendas);
    let greeting = members.map(|((seat, links), agenda)| async move {
        greet(&seat.view, &seat.identity.signing, agenda, links).await.map(|party| *party.session())
    });
    all(story, greeting).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_altered_hello_opens_no_session_and_no_two_honest_members_are_in_different_ones() {
    for n in [2, 3] {
        let hall = Hall::new(n, 0).await;
        let honest = greet_all(&hall, "honest", None, &vec![agenda(); n]).await;
        assert!(honest.iter().all(|session| session.is_ok() && session == &honest[0]), "{honest:?}");
        each_attack(n, Step::Hello, async |story, _, cheat| {
            let sessions = greet_all(&hall, &story, Some(cheat), &vec![agenda(); n]).await;
            assert_honest(&story, &cheat, &sessions);
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_mean_different_things_do_not_meet() {
    let hall = Hall::new(2, 0).await;
    let first = PeerKey::of(&hall.seats[0].identity.signing);
    let sessions = greet_all(&hall, "another subject", None, &[agenda(), agenda()]).await;
    assert_eq!(sessions[1], Err(GreetError::Hello(HelloError::Task(first))));
    assert!(sessions[0].is_err());
}

/// A hello is for one session: recorded and sent in another it opens nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_hello_of_another_session_opens_nothing() {
    let hall = Hall::new(2, 0).await;
    let recorded = tamper::Record::default();
    let members = hall.seats.iter().zip(tamper::tapped(2, recorded.clone()));
    let one = agenda();
    let greeting =
        members.map(|(seat, links)| async { greet(&seat.view, &seat.identity.signing, &one, links).await.map(drop) });
    assert!(all("recorded", greeting).await.iter().all(Result::is_ok));
    let old = recorded.lock().unwrap().clone().expect("a hello was sent");
    let cheat = Cheat { step: Step::Hello, attack: Attack::Payload(Box::leak(old.into())), cheater: 0 };
    let sessions = greet_all(&hall, "replayed", Some(cheat), &[agenda(); 2]).await;
    let first = PeerKey::of(&hall.seats[0].identity.signing);
    assert_eq!(sessions[1], Err(GreetError::Hello(HelloError::Task(first))));
}

async fn vote_all<T>(hall: &Hall, story: &str, step: Step, cheat: Option<Cheat>, statements: &[T]) -> Vec<Vote<T>>
where
    T: Statement<Signer = PeerKey>,
{
    let members = hall.seats.iter().zip(hall.parties(cheat)).zip(statements);
    let voting = members.map(|((seat, mut party), statement)| async move {
        agree(&mut party, &seat.view, &seat.identity.signing, step, statement.clone()).await
    });
    all(story, voting).await
}

type Vote<T> = Result<Certificate<T>, AgreeError>;

/// Every attack on the votes for a statement; `other` is what a liar signs instead.
async fn votes_hold<T>(step: Step, statement: impl Fn(&Hall) -> T, other: impl Fn(T) -> T)
where
    T: Statement<Signer = PeerKey>,
{
    for n in [2, 3] {
        let hall = Hall::new(n, 0).await;
        let statement = statement(&hall);
        let same = vec![statement.clone(); n];
        for certificate in vote_all(&hall, "honest", step, None, &same).await {
            let certificate = certificate.expect("all are honest");
            assert_eq!(certificate.verified(hall.world.view()), Ok(&statement));
        }
        each_attack(n, step, async |story, _, cheat| {
            let votes = vote_all(&hall, &story, step, Some(cheat), &same).await;
            assert_honest(&story, &cheat, &votes);
            for certificate in votes.iter().flatten() {
                assert_eq!(certificate.verified(hall.world.view()), Ok(&statement), "{story}");
            }
        })
        .await;
        let liar = PeerKey::of(&hall.seats[0].identity.signing);
        let mut lie = same.clone();
        lie[0] = other(lie[0].clone());
        let votes = vote_all(&hall, "a signed lie", step, None, &lie).await;
        assert!(votes[1..].iter().all(|vote| vote == &Err(AgreeError::Differs(liar))), "{votes:?}");
        // Another member's vote in the place of one's own.
        let copied = canonical::encode(&Signed::sign(statement.clone(), &hall.seats[1].identity.signing));
        let cheat = Cheat { step, attack: Attack::Payload(Box::leak(copied.into())), cheater: 0 };
        let votes = vote_all(&hall, "a copied vote", step, Some(cheat), &same).await;
        assert!(votes[1..].iter().all(Result::is_err), "{votes:?}");
        // Among three the echo finds that the liar itself has another.
        assert!(n > 2 || votes[1] == Err(AgreeError::Differs(liar)), "{votes:?}");
    }
}

fn execution(id: u64) -> ExecutionKey {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&id.to_le_bytes());
    ExecutionKey { client: ClientKey([7; 32]), id: ExecutionId(bytes), request: Digest([8; 32]) }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_altered_vote_for_an_outcome_releases_nothing() {
    let statement = |hall: &Hall| ExecutionChecked {
        cloud: hall.world.view().cloud(),
        epoch: hall.world.view().epoch(),
        execution: execution(1),
        program: ProgramHash([6; 32]),
        session: SessionId([2; 32]),
        take: Digest([3; 32]),
        printed: Digest([4; 32]),
        outputs: Vec::new(),
        revealed: true,
        created: 7,
        results: Digest([5; 32]),
    };
    votes_hold(Step::CheckedVote, statement, |lie| ExecutionChecked { printed: Digest([9; 32]), ..lie }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_altered_seal_activates_no_chunk() {
    let statement = |hall: &Hall| ChunkSeal {
        cloud: hall.world.view().cloud(),
        epoch: hall.world.view().epoch(),
        mac_key: hall.world.view().mac_key().unwrap().id,
        setup: SessionId([2; 32]),
        batch: 3,
        kind: "triple".into(),
        from: 256,
        count: 256,
        assurance: Assurance {
            level: Level::Malicious,
            generator: "mascot".into(),
            corruptions: 2,
            kappa: 128,
            sigma: 64,
            parameters: Digest([6; 32]),
        },
        parameters: Digest([4; 32]),
        transcript: Digest([5; 32]),
    };
    votes_hold(Step::Seal, statement, |lie| ChunkSeal { from: 0, ..lie }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_digest_of_another_take_is_refused() {
    let statement = |hall: &Hall| Take {
        cloud: hall.world.view().cloud(),
        epoch: hall.world.view().epoch(),
        mac_key: hall.world.view().mac_key().unwrap().id,
        session: SessionId([2; 32]),
        purpose: TakePurpose::Execution(execution(1)),
        attempt: Attempt(0),
        asked: Digest([3; 32]),
        program: None,
        inputs: Digest([4; 32]),
        ranges: Vec::new(),
    };
    votes_hold(Step::TakeVote, statement, |lie| Take { asked: Digest([9; 32]), ..lie }).await;
}

fn wish() -> Wish {
    let kind = |kind: &TupleKind| KindWish {
        kind: kind.code,
        available: 100,
        short: 7,
        quoted: 300,
        taken_per_1000_s: 5_000,
        next: 512,
    };
    Wish { paused: false, busy: false, threads: 1, kinds: TupleKind::PRIME.iter().map(kind).collect() }
}

async fn wish_all(hall: &Hall, story: &str, cheat: Option<Cheat>) -> Vec<Result<Vec<Wish>, String>> {
    let members = hall.seats.iter().zip(hall.parties(cheat));
    let wishing = members.map(|(seat, mut party)| async move {
        exchange_wishes(&seat.view, &mut party, &wish()).await.map_err(|error| error.to_string())
    });
    all(story, wishing).await
}

/// A wish is unsigned: a liar may say what it likes, but to all the same, so that all plan the same.
#[tokio::test(flavor = "multi_thread")]
async fn from_altered_wishes_honest_members_plan_the_same_batch_or_none() {
    for n in [2, 3] {
        let hall = Hall::new(n, 0).await;
        each_attack(n, Step::Wish, async |story, _, cheat| {
            let results = wish_all(&hall, &story, Some(cheat)).await;
            let honest = || results.iter().enumerate().filter(|(rank, _)| *rank != cheat.cheater);
            let plans: Vec<_> = honest().filter_map(|(_, wishes)| wishes.as_ref().ok()).collect();
            let rules = TupleKind::PRIME.map(|kind| (kind, StockRule::keep(4096)));
            let batches: Vec<_> = plans.iter().map(|wishes| Planner::default().next(wishes, &rules)).collect();
            assert!(batches.windows(2).all(|pair| pair[0] == pair[1]), "{story}: {batches:?}");
            if cheat.attack.breaks_the_form() {
                assert!(honest().any(|(_, wishes)| wishes.is_err()), "{story}");
            }
        })
        .await;
    }
}

/// What a member says about its anchor is unsigned too: whatever a liar says, nobody forgets what it has confirmed, and
/// all do the same.
#[tokio::test(flavor = "multi_thread")]
async fn from_altered_words_about_anchors_honest_members_do_the_same_and_keep_what_they_have_confirmed() {
    for n in [2, 3] {
        let hall = Hall::new(n, 0).await;
        for own in [Holding::Confirmed(Digest([1; 32])), Holding::Candidate(Digest([1; 32])), Holding::Nothing] {
            each_attack(n, Step::Anchor, async |story, _, cheat| {
                let members = hall.seats.iter().zip(hall.parties(Some(cheat)));
                let saying = members.map(|(seat, mut party)| async move {
                    anchor::exchange(&seat.view, &mut party, own).await.map_err(|error| error.to_string())
                });
                let results = all(&story, saying).await;
                let honest = || results.iter().enumerate().filter(|(rank, _)| *rank != cheat.cheater);
                let choices: Vec<Choice> =
                    honest().filter_map(|(_, said)| said.as_ref().ok()).map(|said| anchor::choose(said)).collect();
                assert!(choices.windows(2).all(|pair| pair[0] == pair[1]), "{story}: {choices:?}");
                if matches!(own, Holding::Confirmed(_)) {
                    assert!(!choices.contains(&Choice::First), "{story}");
                }
                if cheat.attack.breaks_the_form() {
                    assert!(honest().any(|(_, said)| said.is_err()), "{story}");
                }
            })
            .await;
        }
    }
}

fn taking() -> Taking {
    Taking {
        purpose: TakePurpose::Execution(execution(rand::random())),
        asked: Digest(rand::random()),
        program: None,
        inputs: Digest([0; 32]),
    }
}

async fn take_all(hall: &Hall, story: &str, cheat: Option<Cheat>, bill: &Bill) -> Vec<Result<Taken, TakeFailure>> {
    let what = &taking();
    let members = hall.seats.iter().zip(hall.parties(cheat));
    let takes = members.map(|(seat, mut party)| async move {
        let taker = Taker {
            castor: &seat.castor,
            order: &seat.order,
            view: &seat.view,
            key: &seat.identity.signing,
            scope: seat.scope,
            field: seat.field,
            patience: PATIENCE,
        };
        // On its own task, as in a node on its own thread: an error ends this member's part at once.
        let taken = taker.take(&mut party, what, bill).await;
        drop(party);
        taken
    });
    all(story, takes).await
}

/// The shares of all members of one take add up to triples.
fn assert_triples(hall: &Hall, story: &str, taken: Vec<Taken>, count: usize) {
    let field = hall.seats[0].field;
    let triples: Vec<_> = taken.into_iter().map(|mut taken| taken.pool.triples(count).unwrap()).collect();
    for i in 0..count {
        let sum = |get: &dyn Fn(usize) -> polyyne_engine::field::Fp| field.sum((0..triples.len()).map(get));
        let a = sum(&|j| triples[j].a.values[i]);
        let b = sum(&|j| triples[j].b.values[i]);
        let c = sum(&|j| triples[j].c.values[i]);
        assert!(c == field.mul(a, b), "{story}: triple {i} is none");
    }
}

fn assert_accounts(hall: &Hall, story: &str) {
    for seat in &hall.seats {
        for account in seat.castor.audit(seat.scope).unwrap() {
            assert!(account.balances(), "{story}: {account:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn altered_offers_and_votes_spend_nothing_twice_and_leave_the_cloud_usable() {
    for n in [2, 3] {
        let hall = Hall::new(n, 512).await;
        let bill = vec![(TupleKind::TRIPLE, 2), (TupleKind::RANDOM, 1)];
        for step in [Step::Offer, Step::TakeVote] {
            each_attack(n, step, async |story, _, cheat| {
                let results = take_all(&hall, &story, Some(cheat), &bill).await;
                if results.iter().all(Result::is_ok) {
                    let taken: Vec<Taken> = results.into_iter().map(|result| result.ok().unwrap()).collect();
                    let ranges: Vec<_> = taken.iter().map(|taken| taken.certificate.unverified().clone()).collect();
                    assert!(ranges.windows(2).all(|pair| pair[0] == pair[1]), "{story}");
                    assert_triples(&hall, &story, taken, 2);
                } else if cheat.attack.breaks_the_form() {
                    let honest = results.iter().enumerate().filter(|(rank, _)| *rank != cheat.cheater);
                    assert!(honest.clone().any(|(_, taken)| taken.is_err()), "{story}: no honest member noticed");
                }
                assert_accounts(&hall, &story);
            })
            .await;
        }
        let results = take_all(&hall, "at last", None, &bill).await;
        let taken = results.into_iter().map(|result| result.unwrap_or_else(|error| panic!("n={n}: {error}")));
        assert_triples(&hall, "at last", taken.collect(), 2);
    }
}

#[derive(Serialize, Deserialize)]
struct Offer {
    kind: u16,
    spans: Vec<ForgedSpan>,
}

#[derive(Serialize, Deserialize)]
struct ForgedSpan {
    start: u64,
    end: u64,
}

/// A liar's offer can shrink what members have in common, or claim what it has not: then the take
/// of those who have it not is refused by their own store.
#[tokio::test(flavor = "multi_thread")]
async fn offers_of_anything_else_than_ordered_spans_take_nothing() {
    let hall = Hall::new(2, 256).await;
    let code = TupleKind::TRIPLE.code;
    let bill = vec![(TupleKind::TRIPLE, 2)];
    let spans = |spans: &[(u64, u64)]| {
        let spans = spans.iter().map(|&(start, end)| ForgedSpan { start, end }).collect();
        canonical::encode(&vec![Offer { kind: code, spans }])
    };
    let before = hall.seats[1].castor.stock(hall.seats[1].scope);
    let forged = [
        ("reversed", spans(&[(9, 3)])),
        ("empty", spans(&[(5, 5)])),
        ("out of order", spans(&[(50, 60), (10, 20)])),
        ("overlapping", spans(&[(0, 30), (20, 40)])),
        ("everything", spans(&[(1 << 40, u64::MAX)])),
        ("none", canonical::encode(&Vec::<Offer>::new())),
        ("another kind", canonical::encode(&vec![Offer { kind: 99, spans: Vec::new() }])),
        ("too many", spans(&(0..300).map(|i| (2 * i, 2 * i + 1)).collect::<Vec<_>>())),
    ];
    for (name, payload) in forged {
        let cheat = Cheat { step: Step::Offer, attack: Attack::Payload(Box::leak(payload.into())), cheater: 0 };
        let results = take_all(&hall, name, Some(cheat), &bill).await;
        match &results[1] {
            Err(_) => {}
            Ok(taken) => assert!(taken.certificate.verified(hall.world.view()).is_ok(), "{name}"),
        }
        assert_accounts(&hall, name);
    }
    let after = hall.seats[1].castor.stock(hall.seats[1].scope);
    let taken = |stock: &[crate::castor::Stock]| stock.iter().map(|kind| kind.taken).sum::<u64>();
    assert!(taken(&after) - taken(&before) <= 2 * 8, "a lie wastes at most what was asked for");
    let results = take_all(&hall, "at last", None, &bill).await;
    assert!(results.iter().all(Result::is_ok), "the cloud is usable");
}

#[test]
fn every_step_of_the_node_has_its_row_here() {
    let of_node = |step: &&Step| **step == Step::Hello || (20..100).contains(&step.code());
    let steps: Vec<Step> = Step::ALL.iter().filter(of_node).copied().collect();
    assert_eq!(steps, STEPS);
}
