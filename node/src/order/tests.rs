//! The order among members in memory: questions are function calls that others overtake at random.

use std::sync::Weak;

use polyyne_engine::port::BoxFuture;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::sync::watch;

use super::{courier::Failed, *};

const LONG: Duration = Duration::from_secs(60);

/// Members of one cloud whose questions are function calls, delayed at random.
struct Town {
    hubs: Mutex<HashMap<PeerKey, Weak<Hub>>>,
    dice: Mutex<StdRng>,
    /// Who was restarted.
    lost: watch::Sender<Option<PeerKey>>,
}

struct Street(Arc<Town>, PeerKey);

impl Courier for Street {
    fn ask(&self, to: PeerKey, question: Question, patience: Duration) -> BoxFuture<'_, Result<Numbered, Failed>> {
        let delay = || lock(&self.0.dice).random_range(0..50);
        let (there, back) = (delay(), delay());
        Box::pin(async move {
            be_overtaken(there).await;
            let hub = lock(&self.0.hubs).get(&to).and_then(Weak::upgrade).ok_or(Failed::Lost)?;
            let number = hub.ask(self.1, &question).map_err(Failed::Refused)?;
            drop(hub);
            let numbered = tokio::time::timeout(patience, number).await.map_err(|_| Failed::TimedOut)?;
            be_overtaken(back).await;
            numbered.map_err(|_| Failed::Lost)
        })
    }

    fn lost<'a>(&'a self, members: &'a [PeerKey]) -> BoxFuture<'a, PeerKey> {
        Box::pin(async move {
            let mut lost = self.0.lost.subscribe();
            let among = |lost: &Option<PeerKey>| lost.is_some_and(|lost| members.contains(&lost));
            let lost = lost.wait_for(among).await.expect("the town stays");
            lost.expect("a member")
        })
    }
}

/// Lets other tasks run first.
async fn be_overtaken(times: u32) {
    for _ in 0..times {
        tokio::task::yield_now().await;
    }
}

impl Town {
    fn new(seed: u64) -> Arc<Self> {
        let dice = Mutex::new(StdRng::seed_from_u64(seed));
        Arc::new(Self { hubs: Mutex::default(), dice, lost: watch::Sender::new(None) })
    }

    fn member(self: &Arc<Self>, rank: u8, n: u8) -> Order {
        let me = PeerKey([rank; 32]);
        let members = (0..n).map(|rank| PeerKey([rank; 32])).collect();
        let order = Order::with_courier(Arc::new(Street(Arc::clone(self), me)), members, rank.into());
        lock(&self.hubs).insert(me, Arc::downgrade(&order.hub));
        order
    }

    fn members(self: &Arc<Self>, n: u8) -> Vec<Order> {
        (0..n).map(|rank| self.member(rank, n)).collect()
    }
}

fn queue(kind: u8) -> QueueId {
    let scope = MacScope { cloud: CloudId([7; 32]), mac_key: MacKeyId([1; 16]) };
    if kind == 0 { QueueId::take(scope) } else { QueueId::check(scope) }
}

#[tokio::test]
async fn all_members_run_all_items_in_one_order_one_at_a_time() {
    for seed in 0..20 {
        let members = Town::new(seed).members(3);
        let mut tasks = Vec::new();
        let ran: Vec<Arc<Mutex<Vec<[u8; 32]>>>> = members.iter().map(|_| Arc::default()).collect();
        for item in 0..10 {
            for (order, ran) in members.iter().zip(&ran) {
                let (order, ran) = (order.clone(), Arc::clone(ran));
                tasks.push(tokio::spawn(async move {
                    let turn = order.turn(queue(0), [item; 32], LONG).await.expect("all ask");
                    let count = lock(&ran).len();
                    lock(&ran).push([item; 32]);
                    be_overtaken(7).await;
                    assert_eq!(lock(&ran).len(), count + 1, "nobody else had a turn meanwhile");
                    turn.finish();
                }));
            }
        }
        for task in tasks {
            task.await.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        }
        let first = lock(&ran[0]).clone();
        assert_eq!(first.len(), 10);
        assert!(ran.iter().all(|ran| *lock(ran) == first), "seed {seed}");
    }
}

#[tokio::test]
async fn an_item_that_one_member_does_not_ask_for_holds_nobody_up() {
    let members = Town::new(1).members(2);
    let lonely = members[0].turn(queue(0), [1; 32], Duration::from_millis(20));
    let shared = async {
        let (a, b) = tokio::join!(members[0].turn(queue(0), [2; 32], LONG), members[1].turn(queue(0), [2; 32], LONG));
        drop((a.unwrap(), b.unwrap()));
    };
    let (lonely, ()) = tokio::join!(lonely, shared);
    assert_eq!(lonely.err(), Some(OrderError::TimedOut));
}

#[tokio::test]
async fn a_turn_given_up_is_passed_over_and_queues_are_apart() {
    let members = Town::new(2).members(2);
    let hold = async |order: &Order, item| order.turn(queue(0), [item; 32], LONG).await.unwrap();
    let (a, b) = tokio::join!(hold(&members[0], 1), hold(&members[1], 1));
    let other = tokio::join!(members[0].turn(queue(1), [1; 32], LONG), members[1].turn(queue(1), [1; 32], LONG));
    assert!(other.0.is_ok() && other.1.is_ok(), "another queue is not held up");

    // both ask for item 2; member 0 gives up while item 1 is being run
    let mut second = Box::pin(members[0].turn(queue(0), [2; 32], LONG));
    let b_second = members[1].clone();
    let b_second = tokio::spawn(async move { b_second.turn(queue(0), [2; 32], LONG).await.map(Turn::finish) });
    tokio::select! {
        biased;
        _ = &mut second => panic!("item 1 is still being run"),
        () = be_overtaken(1000) => {}
    }
    drop(second);
    let third = [members[0].clone(), members[1].clone()]
        .map(|order| tokio::spawn(async move { order.turn(queue(0), [3; 32], LONG).await.map(Turn::finish) }));
    be_overtaken(1000).await;
    drop((a, b));
    assert_eq!(b_second.await.unwrap(), Ok(()));
    for third in third {
        assert_eq!(third.await.unwrap(), Ok(()));
    }
}

/// A member was killed before it asked, and came back at once: the others waited a minute for it, and generation with them.
#[tokio::test]
async fn nobody_waits_for_what_a_restarted_member_has_forgotten() {
    let town = Town::new(4);
    let members = town.members(2);
    let mut lonely = Box::pin(members[0].turn(queue(1), [1; 32], LONG));
    tokio::select! {
        biased;
        _ = &mut lonely => panic!("the other has not asked"),
        () = be_overtaken(1000) => {}
    }
    let restarted = PeerKey([1; 32]);
    town.lost.send_replace(Some(restarted));
    assert_eq!(lonely.await.err(), Some(OrderError::MemberLost(restarted)));

    town.lost.send_replace(None);
    let again = town.member(1, 2);
    let both = tokio::join!(members[0].turn(queue(1), [2; 32], LONG), again.turn(queue(1), [2; 32], LONG));
    assert!(both.0.is_ok() && both.1.is_ok(), "the next turn is for all");
}

#[tokio::test]
async fn a_lost_sequencer_is_an_error_for_all_who_wait() {
    let town = Town::new(3);
    let members = town.members(2);
    lock(&town.hubs).remove(&PeerKey([0; 32]));
    let refused = members[1].turn(queue(0), [1; 32], LONG).await;
    assert_eq!(refused.err(), Some(OrderError::SequencerLost(PeerKey([0; 32]))));
}

#[tokio::test]
async fn after_a_restart_of_any_member_turns_go_on() {
    let town = Town::new(4);
    let mut members = town.members(3);
    for (item, restarted) in [(1, 2), (2, 0), (3, 1), (4, 0)] {
        let asked = members.iter().map(|order| order.turn(queue(0), [item; 32], LONG));
        let turns = futures::future::join_all(asked).await;
        assert!(turns.iter().all(Result::is_ok), "item {item}: {turns:?}");
        drop(turns);
        members[restarted] = town.member(restarted as u8, 3);
    }
}

#[tokio::test]
async fn strangers_get_no_number_and_only_the_sequencer_gives_one() {
    let members = Town::new(5).members(2);
    let question = Question { queue: queue(0), item: [1; 32], boot: Nonce([0; 16]), patience_ms: 1 };
    let ask = |from, whom: &Order| whom.hub.ask(PeerKey([from; 32]), &question).err();
    assert_eq!(ask(9, &members[0]), Some(AskRefused::NotAMember));
    assert_eq!(ask(1, &members[1]), Some(AskRefused::NotReady));
    assert_eq!(ask(1, &members[0]), None);
}

#[tokio::test]
async fn a_turn_that_is_dropped_after_its_grant_passes_on() {
    let members = Town::new(7).members(1);
    let mut granted = Box::pin(members[0].turn(queue(0), [1; 32], LONG));
    assert!(futures::poll!(&mut granted).is_pending());
    be_overtaken(1000).await;
    drop(granted);
    assert!(members[0].turn(queue(0), [2; 32], LONG).await.is_ok());
}
