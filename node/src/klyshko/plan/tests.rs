//! Same plan at all members, demand first, nobody starves.

use super::*;
use polyyne_protocol::limits::{CHUNK_MAX, CONCURRENCY_MAX, PRIORITY_MAX};
use proptest::prelude::*;

const KINDS: [TupleKind; 4] = [TupleKind::TRIPLE, TupleKind::SQUARE, TupleKind::BIT, TupleKind::RANDOM];

fn kind(kind: TupleKind, available: u64, next: u64) -> KindWish {
    KindWish { kind: kind.code, available, short: 0, quoted: 0, taken_per_1000_s: 0, next }
}

fn wish(available: u64, next: u64) -> Wish {
    Wish { paused: false, busy: false, threads: 1, kinds: KINDS.iter().map(|&of| kind(of, available, next)).collect() }
}

fn rules(rule: StockRule) -> Vec<(TupleKind, StockRule)> {
    KINDS.iter().map(|&kind| (kind, rule)).collect()
}

fn batch(plan: Plan) -> Batch {
    match plan {
        Plan::Make(batch) => batch,
        other => panic!("no work: {other:?}"),
    }
}

fn first(wishes: &[Wish], rule: StockRule) -> Plan {
    Planner::default().next(wishes, &rules(rule))
}

#[test]
fn batches_begin_small_double_up_to_a_chunk_and_then_grow_to_the_concurrency_of_the_kind() {
    let rule = StockRule { concurrency: 3, ..StockRule::keep(1 << 20) };
    for (next, count) in [(0, 256), (256, 256), (512, 512), (3_000, 4_096), (4_096, 3 * 4_096), (1 << 20, 3 * 4_096)] {
        let batch = batch(first(&[wish(0, next), wish(7, next)], rule));
        assert_eq!((batch.count, batch.start), (count, next));
    }
    let last = batch(first(&[wish(999_900, 1 << 20)], StockRule { target: 1_000_000, threshold: 1_000_000, ..rule }));
    assert_eq!(last.count, 100, "not beyond the target");
}

#[test]
fn batches_of_wide_tuples_are_as_much_work_as_those_of_others() {
    let wide = TupleKind::edabit(64).unwrap();
    let rule = StockRule { concurrency: 3, ..StockRule::keep(1 << 20) };
    let count = |next, short| {
        let wish = Wish { kinds: vec![KindWish { short, ..kind(wide, 0, next) }], ..wish(0, 0) };
        batch(Planner::default().next(&[wish], &[(wide, rule)])).count
    };
    assert_eq!([count(0, 0), count(64, 0), count(0, 1), count(0, 1_000), count(64, 1_000)], [64, 192, 64, 64, 192]);
}

#[test]
fn a_stock_is_refilled_from_below_its_threshold_up_to_its_target() {
    let rule = StockRule { threshold: 500, ..StockRule::keep(1_000) };
    let mut planner = Planner::default();
    let mut wants = |available| matches!(planner.next(&[wish(available, 5_000)], &rules(rule)), Plan::Make(_));
    let steps = [(1_000, false), (999, false), (500, false), (499, true), (800, true), (999, true), (1_000, false)];
    for (available, wanted) in steps.into_iter().chain([(700, false), (10, true)]) {
        assert_eq!(wants(available), wanted, "{available}");
    }
    assert!(matches!(first(&[wish(700, 5_000)], rule), Plan::Make(_)), "nobody knows whether it was being refilled");
}

#[test]
fn what_executions_wait_for_goes_first_and_leaves_one_batch_of_four_to_others() {
    let mut planner = Planner::default();
    let mut hungry = wish(0, 8_000);
    hungry.kinds[2].short = 900;
    let plans: Vec<Batch> = (0..8)
        .map(|_| batch(planner.next(&[wish(0, 8_000), hungry.clone()], &rules(StockRule::keep(10_000)))))
        .collect();
    let urgent: Vec<bool> = plans.iter().map(|batch| batch.kind == TupleKind::BIT).collect();
    assert_eq!(urgent, [true, true, true, false, true, true, true, false]);
    let unnamed = batch(Planner::default().next(&[hungry], &rules(StockRule::ON_DEMAND)));
    assert_eq!((unnamed.kind, unnamed.count), (TupleKind::BIT, 900), "without a target, what is asked for and no more");
}

#[test]
fn a_kind_that_will_soon_be_gone_or_that_quotes_count_on_gets_a_larger_share() {
    let shares = |change: fn(&mut KindWish)| {
        let mut planner = Planner::default();
        let mut wishes = [wish(100, 8_000), wish(100, 8_000)];
        change(&mut wishes[1].kinds[0]);
        let plans = (0..110).map(|_| batch(planner.next(&wishes, &rules(StockRule::keep(100_000)))));
        plans.filter(|batch| batch.kind == KINDS[0]).count()
    };
    for (change, of_110, why) in [
        ((|_| ()) as fn(&mut KindWish), 110 / 4, "a quarter"),
        (|own| own.taken_per_1000_s = 1_000, 110 * 2 / 5, "two fifths: it lasts for 100 s"),
        (|own| own.quoted = 200, 110 * 4 / 7, "four sevenths"),
        (|own| own.taken_per_1000_s = 100_000, 110 * 8 / 11, "eight elevenths: it lasts for a second"),
    ] {
        let share = shares(change);
        // each kind may be a turn ahead at the end
        assert!(share.abs_diff(of_110) <= 2, "{share} batches of 110, and not {why}");
    }
}

#[test]
fn a_quote_within_the_target_refills_a_kind_above_its_threshold() {
    let rule = StockRule { threshold: 100, ..StockRule::keep(1_000) };
    let mut planner = Planner::default();
    assert_eq!(planner.next(&[wish(1_000, 9_000)], &rules(rule)), Plan::Rest);
    let mut quoted = wish(600, 9_000);
    assert_eq!(planner.next(&[quoted.clone()], &rules(rule)), Plan::Rest);
    quoted.kinds[1].quoted = 5_000;
    assert_eq!(batch(planner.next(&[quoted], &rules(rule))).kind, TupleKind::SQUARE);
}

#[test]
fn generation_gives_way_to_executions_but_not_for_ever_and_not_below_a_threshold() {
    let rule = StockRule { threshold: 100, ..StockRule::keep(1_000) };
    let busy = |available| Wish { busy: true, ..wish(available, 5_000) };
    let mut planner = Planner::default();
    assert!(matches!(planner.next(&[wish(500, 5_000), busy(99)], &rules(rule)), Plan::Make(_)));
    for _ in 0..2 {
        for _ in 0..YIELDS_MAX {
            assert_eq!(planner.next(&[wish(500, 5_000), busy(500)], &rules(rule)), Plan::Yield);
        }
        assert!(matches!(planner.next(&[wish(500, 5_000), busy(500)], &rules(rule)), Plan::Make(_)));
    }
    assert!(matches!(planner.next(&[wish(500, 5_000)], &rules(rule)), Plan::Make(_)), "it goes on at once");
    assert_eq!(planner.next(&[busy(1_000)], &rules(rule)), Plan::Rest, "nothing to give way with");
}

#[test]
fn a_full_stock_and_a_paused_member_make_nothing() {
    assert_eq!(first(&[wish(10_000, 20_000)], StockRule::keep(10_000)), Plan::Rest);
    let paused = Wish { paused: true, ..wish(0, 0) };
    assert_eq!(first(&[wish(0, 0), paused.clone(), paused], StockRule::keep(10)), Plan::Paused(vec![1, 2]));
}

#[test]
fn a_kind_that_a_member_does_not_know_is_not_made() {
    let mut old = wish(0, 0);
    old.kinds.retain(|own| own.kind == TupleKind::BIT.code);
    assert_eq!(batch(first(&[wish(0, 0), old], StockRule::keep(100))).kind, TupleKind::BIT);
}

/// One kind's demand in one round: stock, shortage, quotes, rate.
fn demand() -> impl Strategy<Value = (u64, u64, u64, u64)> {
    let stock = prop_oneof![Just(0u64), 0..2_000u64];
    let short = prop_oneof![4 => Just(0u64), 1 => 1..9_000u64];
    (stock, short, prop_oneof![Just(0u64), 0..3_000u64], prop_oneof![Just(0u64), 0..1_000_000u64])
}

fn rule() -> impl Strategy<Value = StockRule> {
    (0..2_000u64, 0..=1_000u64, 1..=PRIORITY_MAX, 1..=CONCURRENCY_MAX).prop_map(
        |(target, permille, priority, concurrency)| StockRule {
            target,
            threshold: target * permille / 1_000,
            priority,
            concurrency,
        },
    )
}

/// The heaviest weight that a kind of this priority can have.
fn heaviest(rule: &StockRule) -> u64 {
    u64::from(rule.priority) * 8
}

proptest! {
    /// Whatever the others want, and however that changes: a kind that is wanted all the time is made after a number of
    /// batches that only priorities bound.
    #[test]
    fn no_kind_starves_under_any_demand(
        rules in prop::collection::vec(rule(), KINDS.len()),
        rounds in prop::collection::vec((prop::collection::vec(demand(), KINDS.len()), any::<bool>()), 1..200),
        victim in 0..KINDS.len(),
    ) {
        let rules: Vec<(TupleKind, StockRule)> = KINDS.into_iter().zip(rules).collect();
        let own = StockRule { target: 1_000, threshold: 1_000, ..rules[victim].1 };
        let rules: Vec<_> = rules.into_iter().map(|(kind, rule)| (kind, if kind == KINDS[victim] { own } else { rule })).collect();
        let others = rules.iter().filter(|(kind, _)| *kind != KINDS[victim]);
        let rivals: u64 = others.map(|(_, rule)| heaviest(rule).div_ceil(own.priority.into()) + 2).sum();
        let bound = (u64::from(URGENT_ROW) + 1) * (rivals + 1);
        let mut planner = Planner::default();
        let mut waited = 0;
        // the demand repeats until it has lasted long enough to starve somebody
        for (demands, busy) in rounds.iter().cycle().take(rounds.len().max(2 * bound as usize)) {
            let mut wish = Wish { paused: false, busy: *busy, threads: 1, kinds: Vec::new() };
            for (of, &(available, short, quoted, taken_per_1000_s)) in KINDS.into_iter().zip(demands) {
                wish.kinds.push(KindWish { kind: of.code, available, short, quoted, taken_per_1000_s, next: 9_000 });
            }
            wish.kinds[victim] = kind(KINDS[victim], 0, 9_000);
            match planner.next(&[wish], &rules) {
                Plan::Make(batch) if batch.kind == KINDS[victim] => waited = 0,
                Plan::Make(_) => waited += 1,
                other => prop_assert!(false, "something is below its threshold, and nothing is made: {other:?}"),
            }
            prop_assert!(waited <= bound, "{waited} batches of others, at most {bound} are fair");
        }
    }

    #[test]
    fn members_that_see_the_same_plan_the_same_and_no_wish_makes_them_panic_or_exceed_the_concurrency(
        rounds in prop::collection::vec(
            prop::collection::vec((any::<[u64; 4]>(), 0..u64::MAX / 2, any::<[bool; 2]>()), 1..4), 1..20),
        rules in prop::collection::vec(rule(), KINDS.len()),
    ) {
        let rules: Vec<(TupleKind, StockRule)> = KINDS.into_iter().zip(rules).collect();
        let (mut one, mut other) = (Planner::default(), Planner::default());
        for wishes in rounds {
            let wish = |([available, short, quoted, taken_per_1000_s], next, [paused, busy]): ([u64; 4], u64, [bool; 2])| {
                let kinds = KINDS.iter().map(|of| KindWish { kind: of.code, available, short, quoted, taken_per_1000_s, next });
                Wish { paused: paused && busy, busy, threads: 1, kinds: kinds.collect() }
            };
            let wishes: Vec<Wish> = wishes.into_iter().map(wish).collect();
            let plan = one.next(&wishes, &rules);
            prop_assert_eq!(&plan, &other.next(&wishes, &rules));
            if let Plan::Make(batch) = plan {
                let rule = rules.iter().find(|(kind, _)| *kind == batch.kind).unwrap().1;
                prop_assert!(batch.count >= 1 && batch.count <= CHUNK_MAX * usize::from(rule.concurrency));
                prop_assert_eq!(batch.start, wishes.iter().flat_map(|w| &w.kinds).map(|k| k.next).max().unwrap());
            }
        }
    }
}
