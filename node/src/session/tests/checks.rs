//! MAC checks of members behind their gates: those that break are finished, those that fail burn.

use super::tamper::{Attack, Cheat};
use super::{Hall, all, assert_accounts, taking};
use crate::castor::TupleKind;
use crate::core::world::{get, put};
use crate::journal::{KeyState, NewCheck};
use crate::seat::Seat;
use crate::session::finish::Unfinished;
use crate::session::side::Side;
use crate::store::sealed::SecretBytes;
use ed25519_dalek::SigningKey;
use futures::future::join_all;
use polyyne_engine::error::{Error as EngineError, Severity};
use polyyne_engine::field::{Field as _, Fp, Gf2n};
use polyyne_engine::port::OwnSigma;
use polyyne_engine::share::Shares;
use polyyne_engine::step::Step;
use polyyne_protocol::request::{Answer, Get, RefusalCode, Request};
use std::time::Duration;

/// Opens and checks one random value in a session of all members; `lie` is added to the share of the first.
async fn open_all(
    hall: &Hall,
    story: &str,
    cheat: Option<Cheat>,
    lie: Option<Fp>,
) -> Vec<Result<Vec<Fp>, EngineError>> {
    let what = &taking();
    let members = hall.seats.iter().zip(hall.parties(cheat));
    let opening = members.map(|(seat, mut party)| async move {
        let taken = seat.take(&mut party, what, &vec![(TupleKind::RANDOM, 1)]).await.expect("all take");
        let mut online = seat.online(party, taken.pool);
        let mut random = online.tuples.randoms(1)?;
        if let (0, Some(lie)) = (seat.rank(), lie) {
            random.values[0] = seat.field.add(random.values[0], lie);
        }
        online.open_checked(&random).await
    });
    all(story, opening).await
}

/// Waits until it holds; whoever waits too long has found a hang.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(super::HANG, waiting).await.unwrap_or_else(|_| panic!("{what}: never"));
}

fn key_state(seat: &Seat) -> KeyState {
    seat.guard.journal.key_state(seat.scope).unwrap()
}

/// No check is open and the key is usable.
fn at_rest(seat: &Seat) -> bool {
    seat.guard.journal.unfinished_checks().unwrap().is_empty() && key_state(seat) == KeyState::Active
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_whose_session_breaks_after_a_commitment_is_finished_by_the_members() {
    for n in [2, 3] {
        let hall = Hall::new(n, 256).await;
        for step in [Step::CheckCommit, Step::CheckOpen] {
            for attack in [Attack::Break, Attack::Drop] {
                for cheater in [0, n - 1] {
                    let story = format!("n={n} {step:?} {attack:?} by {cheater}");
                    let results = open_all(&hall, &story, Some(Cheat { step, attack, cheater }), None).await;
                    let broken = |result: &Result<_, EngineError>| matches!(result, Err(EngineError::Channel { .. }));
                    assert!(results.iter().any(broken), "{story}: {:?}", errors(&results));
                    for seat in &hall.seats {
                        until(&story, || at_rest(seat)).await;
                    }
                }
            }
        }
        let results = open_all(&hall, "afterwards", None, None).await;
        assert!(results.iter().all(|result| result == &results[0] && result.is_ok()), "{:?}", errors(&results));
    }
}

fn errors(results: &[Result<Vec<Fp>, EngineError>]) -> Vec<Option<&EngineError>> {
    results.iter().map(|result| result.as_ref().err()).collect()
}

/// A constant over GF(2^40), opened by all; party 0 may lie about its share.
async fn open_constant(
    hall: &Hall,
    story: &str,
    cheat: Option<Cheat>,
    lie: bool,
) -> Vec<Result<Vec<Gf2n>, EngineError>> {
    let members = hall.seats.iter().zip(hall.parties(cheat));
    let opening = members.map(|(seat, mut party)| async move {
        let mut mac = seat.side_check(&party, Side::Gf40).await.expect("the key lives");
        let field = Side::Gf40.field();
        let (mut value, tag) = mac.key().constant(&field, field.cut(0x1234));
        if lie && seat.rank() == 0 {
            value = field.add(value, field.one());
        }
        let opened = mac.open(&mut party, &Shares::new(vec![value], vec![tag])).await?;
        Ok(mac.confirm(&mut party, opened).await?.into_inner())
    });
    all(story, opening).await
}

/// Finished in its own field: in another the sum of the same openings is not zero.
#[tokio::test(flavor = "multi_thread")]
async fn a_check_over_another_field_is_finished_by_the_members_and_a_failed_one_ends_all_keys() {
    let hall = Hall::new(2, 256).await;
    for step in [Step::CheckCommit, Step::CheckOpen] {
        for cheater in [0, 1] {
            let story = format!("GF(2^40) {step:?} by {cheater}");
            let cheat = Cheat { step, attack: Attack::Break, cheater };
            let results = open_constant(&hall, &story, Some(cheat), false).await;
            assert!(results.iter().any(Result::is_err), "{story}");
            for seat in &hall.seats {
                until(&story, || at_rest(seat)).await;
            }
        }
    }
    let results = open_constant(&hall, "afterwards", None, false).await;
    assert!(results.iter().all(|result| *result == Ok(vec![Side::Gf40.field().cut(0x1234)])), "{results:?}");
    let results = open_constant(&hall, "a lie", None, true).await;
    assert!(results.iter().all(|result| *result == Err(EngineError::MacCheckFailed)), "{results:?}");
    for seat in &hall.seats {
        assert!(matches!(key_state(seat), KeyState::Compromised { .. }));
        assert_eq!(seat.castor.offers(seat.scope, TupleKind::RANDOM), [], "the prime field's tuples are gone");
    }
}

/// One member never commits: nobody's opening has left, so the others give the check up and the key lives.
#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_one_member_never_began_is_given_up_without_harm() {
    let hall = Hall::new(2, 256).await;
    for cheater in [0, 1] {
        let story = format!("the coin of {cheater} does not arrive");
        let cheat = Cheat { step: Step::CheckCoinOpen, attack: Attack::Break, cheater };
        let results = open_all(&hall, &story, Some(cheat), None).await;
        assert!(results.iter().all(Result::is_err), "{story}");
        for seat in &hall.seats {
            until(&story, || at_rest(seat)).await;
        }
        let results = open_all(&hall, "afterwards", None, None).await;
        assert!(results.iter().all(Result::is_ok), "{:?}", errors(&results));
    }
}

/// A session may end while its check is being written down, as a generating thread does when another one fails.
#[tokio::test(flavor = "multi_thread")]
async fn a_check_whose_session_stops_waiting_for_the_disk_does_not_block_the_key() {
    let hall = Hall::new(2, 256).await;
    for leaver in [0, 1] {
        let story = format!("{leaver} leaves");
        let mut gates: Vec<_> = hall.seats.iter().map(|seat| seat.guard.gate([leaver as u8; 32])).collect();
        for entered in all(&story, gates.iter_mut().map(|gate| gate.enter([7; 32]))).await {
            entered.expect("all members ask for this turn");
        }
        let own = OwnSigma { counter: 0, commitment: [1; 32], opening: vec![2; 48] };
        let begun = || hall.seats[leaver].guard.journal.key_record(hall.seats[leaver].scope).unwrap().last_check;
        let before = begun();
        // handed to the writer by the first poll
        assert!(futures::poll!(gates[leaver].commit(own)).is_pending(), "{story}");
        drop(gates);
        until(&story, || begun() > before && hall.seats.iter().all(|seat| at_rest(seat))).await;
        let results = open_all(&hall, "afterwards", None, None).await;
        assert!(results.iter().all(Result::is_ok), "{:?}", errors(&results));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burn_whose_session_ends_meanwhile_is_brought_to_its_end() {
    let hall = Hall::new(2, 8).await;
    let (seat, cloud) = (&hall.seats[0], hall.world.view().cloud());
    let burning = Box::pin(seat.guard.finisher.burn(seat.scope, "a test's order"));
    assert!(futures::poll!(burning).is_pending());
    until("the key is burned", || hall.world.cores[0].clouds.serving(cloud).is_err()).await;
    assert!(matches!(key_state(seat), KeyState::Compromised { .. }));
    assert!(seat.castor.stock(seat.scope).iter().all(|kind| kind.available == 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_check_burns_the_key_everywhere_and_a_new_key_makes_the_cloud_usable() {
    for n in [2, 3] {
        let mut hall = Hall::new(n, 256).await;
        let owner = SigningKey::from_bytes(&[1; 32]);
        let (old, _) = put(&hall.world, 0, &owner, &[177]).await;
        assert_eq!(get(&hall.world, n - 1, &owner, old, 1).await, [177]);
        let canaries: Vec<_> = (0..n).map(|node| hall.world.sealed_keys(node)).collect();
        for (node, canaries) in canaries.iter().enumerate() {
            assert!(
                canaries.iter().all(|canary| hall.world.is_on_disk(node, canary)),
                "the search finds what is there"
            );
        }
        let lie = hall.seats[0].field.one();
        let results = open_all(&hall, "a lie", None, Some(lie)).await;
        assert_eq!(errors(&results), vec![Some(&EngineError::MacCheckFailed); n]);
        let cloud = hall.world.view().cloud();
        for (node, seat) in hall.seats.iter().enumerate() {
            assert!(matches!(key_state(seat), KeyState::Compromised { .. }), "member {node}");
            let refusal = hall.world.cores[node].clouds.serving(cloud).err().expect("nothing is served");
            assert_eq!(refusal.code, RefusalCode::NoMacKey);
            assert!(canaries[node].iter().all(|canary| !hall.world.is_on_disk(node, canary)), "member {node}");
            let stock = seat.castor.stock(seat.scope);
            assert!(stock.iter().all(|kind| kind.available == 0), "member {node}: {stock:?}");
        }
        assert_accounts(&hall, "burned");
        let burned = EngineError::Gate(polyyne_engine::port::GateError::Compromised);
        assert_eq!(burned.severity(), Severity::KeyBurned);

        hall.world.rekey().await;
        for core in &hall.world.cores {
            core.clouds.klyshko(cloud).expect("it is served again").resume().await.unwrap();
        }
        let (new, stored) = put(&hall.world, 0, &owner, &[5]).await;
        assert!(stored.iter().all(|answer| matches!(answer, Answer::Stored(_))), "{stored:?}");
        assert_eq!(get(&hall.world, n - 1, &owner, new, 1).await, [5]);
        for answer in hall.world.ask(0, &owner, Request::Get(Get { secret: old })).await {
            let Answer::Refused(refusal) = answer else { panic!("{answer:?}") };
            assert_eq!(refusal.code, RefusalCode::SecretFrozen);
        }
    }
}

/// An opening of something else than was committed is as good as a sum that is not zero.
#[tokio::test(flavor = "multi_thread")]
async fn an_altered_opening_of_a_check_burns_the_key_where_it_arrives_and_nothing_comes_out() {
    for attack in
        [Attack::FlipFirst, Attack::FlipLast, Attack::Truncate, Attack::Extend, Attack::Empty, Attack::Reflect]
    {
        let hall = Hall::new(2, 8).await;
        let story = format!("{attack:?}");
        let cheat = Cheat { step: Step::CheckOpen, attack, cheater: 0 };
        let results = open_all(&hall, &story, Some(cheat), None).await;
        let error = results[1].as_ref().err().unwrap_or_else(|| panic!("{story}: accepted"));
        let burned = matches!(key_state(&hall.seats[1]), KeyState::Compromised { .. });
        assert_eq!(burned, error.severity() == Severity::KeyBurned, "{story}: {error}");
    }
}

/// A member that denies a commitment freezes the key at those that have it. Their operators learn whom to ask.
#[tokio::test(flavor = "multi_thread")]
async fn who_has_given_up_a_check_that_this_member_cannot_is_named() {
    let hall = Hall::new(2, 8).await;
    let (seat, denier) = (&hall.seats[1], hall.seats[1].view.members()[0].peer);
    let (journal, scope) = (&seat.guard.journal, seat.scope);
    let number = journal.key_record(scope).unwrap().last_check + 1;
    let check = NewCheck {
        scope,
        number,
        session: crate::store::SessionId([9; 32]),
        counter: 0,
        field: 0,
        covers: [7; 32],
        opening: SecretBytes::new(vec![2; 48]),
        commitment: vec![1; 32],
    };
    journal.begin_check(check).await.unwrap();
    journal.record_commitments(scope, number, vec![vec![3; 32], vec![1; 32]]).await.unwrap();
    assert_eq!(seat.guard.finisher.given_up_by(scope), None);
    seat.guard.finisher.take_over(Unfinished { scope, number, turn: None });
    until("the other is named", || seat.guard.finisher.given_up_by(scope) == Some(denier)).await;
    assert!(matches!(key_state(seat), KeyState::Frozen { .. }), "its opening may have left");
    assert_eq!(key_state(&hall.seats[0]), KeyState::Active);
}

/// Many sessions check at once under one key; each waits for its turn and all pass.
#[tokio::test(flavor = "multi_thread")]
async fn checks_of_many_sessions_pass_one_after_the_other() {
    let hall = Hall::new(2, 256).await;
    let sessions = (0..8).map(|session| {
        let hall = &hall;
        async move { open_all(hall, &format!("session {session}"), None, None).await }
    });
    for results in join_all(sessions).await {
        assert!(results.iter().all(|result| result.is_ok() && result == &results[0]), "{:?}", errors(&results));
    }
    assert!(hall.seats.iter().all(|seat| at_rest(seat)));
}
