//! Generation among real nodes of which one lies, and pauses that last.

use crate::castor::TupleKind;
use crate::core::world::World;
use crate::journal::KeyState;
use crate::seat::liar;
use polyyne_engine::step::Step;
use polyyne_protocol::request::RefusalCode;
use polyyne_protocol::version::Generator;
use rand::RngExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const HEADER: usize = 6;
/// Bytes of a tree of the OT extension, with four levels, and how many there are.
const OT_TREE: usize = 4 * 32 + 64;
const OT_TREES: usize = 32;
/// Whoever is not done by then waits for ever.
const HANG: Duration = Duration::from_secs(180);

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(HANG, waiting).await.unwrap_or_else(|_| panic!("{what}: never"));
}

fn is_burned(world: &World, member: usize) -> bool {
    let state = world.cores[member].clouds.key_state(world.scope());
    matches!(state, Some(KeyState::Compromised { .. }))
}

fn generated(world: &World, kind: TupleKind) -> u64 {
    let castor = &world.cores[1].clouds.stores().castor;
    castor.stock(world.scope()).iter().filter(|own| own.kind == kind).map(|own| own.generated).sum()
}

/// Bytes of all trees of a setup over a field of so many bits, without the header; characteristic 2 has trees for bits.
fn trees_bytes(bits: usize, binary: bool) -> usize {
    let of_key = |width: usize| -> usize {
        (0..bits.div_ceil(width)).map(|digit| 32 * width.min(bits - digit * width) + 64).sum()
    };
    OT_TREES * OT_TREE + of_key(3) + if binary { of_key(4) } else { 0 }
}

/// Where the cheater asks about a setup of a kind: a field, and whether in the trees for elements or for bits.
#[derive(Clone, Copy, Debug)]
struct Target {
    kind: TupleKind,
    bits: usize,
    binary: bool,
    tree: usize,
}

/// Member 0 spoils a side of a level of a tree over the key of member 1 in every setup, each time another, and comes
/// back after every outcome. The first failure burns the key at both members, for good; no setup begins any more.
async fn asks_in_every_setup(generator: Generator, target: Target) {
    let world = World::keeping(&[(target.kind, 64)], generator, 2, 64).await;
    let cheater = world.cores[0].network.local_key();
    let (asked, seen) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (asking, seeing) = (asked.clone(), seen.clone());
    let whole = HEADER + trees_bytes(target.bits, target.binary);
    liar::lies(cheater, move |step, frame| {
        if step != Step::MascotGgm {
            return;
        }
        seeing.fetch_add(1, Ordering::SeqCst);
        if frame.len() == whole {
            asking.fetch_add(1, Ordering::SeqCst);
            let (level, side) = (rand::rng().random_range(0..3), rand::rng().random_range(0..2));
            frame[HEADER + OT_TREES * OT_TREE + target.tree + 32 * level + 16 * side] ^= 1;
        }
    });
    // Sessions that began before the hook stood are left.
    world.renew_desks().await;
    let mut passed = 0;
    loop {
        let before = generated(&world, target.kind);
        let desks = world.cores.iter().filter_map(|core| core.clouds.desk(world.view().cloud()));
        desks.for_each(|desk| desk.klyshko.want(target.kind, before + 10_000));
        until(&format!("{target:?}: an outcome"), || is_burned(&world, 1) || generated(&world, target.kind) > before)
            .await;
        if is_burned(&world, 1) {
            break;
        }
        passed += 1;
        assert!(passed < 40, "{target:?}: so many guesses are not right");
        // The next session of all, as after a restart of both.
        for core in &world.cores {
            core.clouds.update(world.view().clone(), true);
            core.clouds.update(world.view().clone(), false);
        }
        until("all are served again, or burned", || {
            let served = |core: &crate::core::Core| core.clouds.desk(world.view().cloud()).is_some();
            is_burned(&world, 1) || world.cores.iter().all(served)
        })
        .await;
    }
    assert!(asked.load(Ordering::SeqCst) > 0, "{target:?}: the question was asked");
    until("the cheater's own store has burned the key too", || is_burned(&world, 0)).await;

    let before = seen.load(Ordering::SeqCst);
    for core in &world.cores {
        core.clouds.update(world.view().clone(), true);
        core.clouds.update(world.view().clone(), false);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(seen.load(Ordering::SeqCst), before, "{target:?}: no setup after the burn, whatever restarts");
    for core in &world.cores {
        let refusal = core.clouds.serving(world.view().cloud()).err().expect("nothing is served");
        assert!(matches!(refusal.code, RefusalCode::NoMacKey | RefusalCode::NotServing), "{refusal:?}");
    }
}

fn kind(name: &str) -> TupleKind {
    TupleKind::named(name).unwrap_or_else(|| panic!("{name} is a kind"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_spoils_the_trees_of_copee_in_every_setup_burns_the_key_for_good() {
    let target = Target { kind: TupleKind::TRIPLE, bits: 128, binary: false, tree: 5 * (3 * 32 + 64) };
    asks_in_every_setup(Generator::Mascot, target).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_for_the_inputs_of_bits_and_for_each_binary_field() {
    let cope = |bits: usize| -> usize { trees_bytes(bits, false) - OT_TREES * OT_TREE };
    for (name, bits) in [("gf40-triple", 40), ("gf128-triple", 128)] {
        for tree in [0, cope(bits)] {
            asks_in_every_setup(Generator::Mascot, Target { kind: kind(name), bits, binary: true, tree }).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_in_a_cloud_of_lowgear_whose_dabits_need_mascot() {
    let target = Target { kind: kind("dabit"), bits: 128, binary: false, tree: 0 };
    asks_in_every_setup(Generator::Lowgear, target).await;
}

/// A failed check may show at one member alone; the others hear of it, whenever they come back.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_one_member_has_burned_is_burned_at_all() {
    let world = World::new(3, 8).await;
    let desk = world.cores[2].clouds.desk(world.view().cloud()).unwrap();
    // Member 1 does not hear of it now.
    world.cores[1].clouds.update(world.view().clone(), true);
    world.cores[1].network.withdraw(crate::federation::Service::BURNED);
    desk.seat.guard.finisher.burn(world.scope(), "a test's order").await;
    until("member 0 hears", || is_burned(&world, 0)).await;
    assert!(!is_burned(&world, 1));
    world.cores[1].listen_for_burned_keys();
    until("and member 1 later", || is_burned(&world, 1)).await;
}

/// Once a restart ended every pause, and a member whose setups were spoiled went on by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_pause_outlives_a_restart_and_no_setup_begins_until_the_operator_ends_it() {
    let world = World::new(2, 64).await;
    world.until_stocked().await;
    let cloud = world.view().cloud();
    let setups = Arc::new(AtomicU64::new(0));
    let counting = setups.clone();
    liar::lies(world.cores[0].network.local_key(), move |step, _| {
        if step == Step::MascotBaseOt {
            counting.fetch_add(1, Ordering::SeqCst);
        }
    });
    world.cores[1].clouds.klyshko(cloud).unwrap().pause().await.unwrap();
    world.renew_desks().await;
    let klyshko = |member: usize| world.cores[member].clouds.klyshko(cloud).unwrap();
    assert!(klyshko(1).is_paused() && !klyshko(0).is_paused());
    let paused = world.view().members()[world.view().rank_of(&world.cores[1].network.local_key()).unwrap()].peer;
    until("the other hears who is paused", || klyshko(0).paused_by() == [paused]).await;
    klyshko(0).want(TupleKind::TRIPLE, 100_000);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(setups.load(Ordering::SeqCst), 0, "no setup while one is paused");
    klyshko(1).resume().await.unwrap();
    until("generation goes on", || setups.load(Ordering::SeqCst) > 0).await;
    world.renew_desks().await;
    assert!(!klyshko(1).is_paused(), "the end of a pause is durable too");
}
