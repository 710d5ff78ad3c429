//! Power loss at every operation of a script, twice in a row: no tuple twice, nothing acknowledged lost, the account
//! exact, and a take wholly there or wholly not.

use super::*;

const KINDS: [TupleKind; 2] = [TupleKind::TRIPLE, TupleKind::BIT];

/// What the outside world has seen.
#[derive(Default)]
struct History {
    opened: bool,
    active: BTreeSet<u64>,
    taken: BTreeSet<(u16, u64)>,
    attempted: Vec<TakeRequest>,
    acknowledged: BTreeSet<ExecId>,
    checked: BTreeSet<ExecId>,
}

/// Runs until the script ends or the machine dies.
async fn script(disk: &Disk, history: &mut History) -> Option<()> {
    let file = TuplesFile::open_on(disk.clone(), root(), quiet()).await.ok()?;
    let castor = Castor::open(&file).await.ok()?;
    Journal::open(&file).await.ok()?;
    history.opened = true;
    for round in 0..3u64 {
        for kind in KINDS {
            let start = castor.next_position(SCOPE, kind);
            castor.stage(chunk(kind, start, 90)).await.ok()?;
            castor.activate(name(kind, start), vec![1]).await.ok()?;
            history.active.insert(start);
        }
        for part in 0..2u64 {
            let number = history.attempted.len() as u64;
            let mut request = want(number, KINDS[0], &[]);
            request.kinds.clear();
            for kind in KINDS {
                let start = castor.offers(SCOPE, kind).first()?.start + part * 3;
                request.kinds.push(KindTake { kind, spans: vec![Span::new(start, start + 35)], skip_to: None });
            }
            history.attempted.push(request.clone());
            let taken = castor.take(request).await.ok()?;
            for position in positions(taken) {
                assert!(history.taken.insert(position), "{position:?} was handed out twice");
            }
            history.acknowledged.insert(exec(number));
            if part == round % 2 {
                castor.checked(exec(number), vec![7]).await.ok()?;
                history.checked.insert(exec(number));
            }
        }
    }
    Some(())
}

async fn inspect(disk: &Disk, history: &mut History) {
    let (_file, castor, _) = open(disk).await;
    balanced(&castor);
    for request in &history.attempted {
        let row = castor.execution(request.exec).expect("reads");
        if history.acknowledged.contains(&request.exec) {
            assert!(row.is_some(), "an acknowledged take is lost");
        }
        if let Some(row) = &row {
            assert!(!matches!(row.state, ExecutionState::Taken), "no execution of a dead process goes on");
            if history.checked.contains(&request.exec) {
                assert_eq!(row.state, ExecutionState::Checked(vec![7]));
            }
        }
        for wanted in &request.kinds {
            let offers = castor.offers(SCOPE, wanted.kind);
            let span = wanted.spans[0];
            let offered: u64 = offers.iter().map(|offer| offer.and(span).len()).sum();
            // An attempt that left no row may have been overtaken by a later one; that is the last attempt's test.
            match row.is_some() {
                true => assert_eq!(offered, 0, "a taken position is on offer"),
                false if Some(request) == history.attempted.last() => {
                    assert_eq!(offered, span.len(), "half a take happened");
                }
                false => {}
            }
        }
    }
    // Whatever is left can be spent, and is none of what was handed out before.
    for kind in KINDS {
        for span in castor.offers(SCOPE, kind) {
            let number = 1_000_000 + u64::from(kind.code) * 100_000 + span.start;
            let taken = castor.take(want(number, kind, &[(span.start, span.end)])).await.expect("taken");
            for position in positions(taken) {
                assert!(history.taken.insert(position), "{position:?} was handed out twice");
            }
        }
    }
    balanced(&castor);
}

fn operations_of_the_script() -> u64 {
    let disk = Disk::default();
    block_on(script(&disk, &mut History::default())).expect("runs to its end");
    disk.operations()
}

#[test]
fn power_loss_at_every_operation_never_yields_a_tuple_twice() {
    for death in 0..operations_of_the_script() {
        let seed = death.wrapping_mul(0x9e37_79b9);
        let disk = Disk::default();
        disk.dies_in(death);
        let mut history = History::default();
        block_on(script(&disk, &mut history));
        if history.opened {
            block_on(inspect(&disk.after_power_loss(seed), &mut history));
        }
    }
}

#[test]
fn a_second_power_loss_during_recovery_never_yields_a_tuple_twice() {
    let whole = operations_of_the_script();
    for death in (0..whole).step_by(5) {
        for second in (0..60).step_by(3) {
            let seed = death.wrapping_mul(0x9e37_79b9) ^ second;
            let disk = Disk::default();
            disk.dies_in(death);
            let mut history = History::default();
            block_on(script(&disk, &mut history));
            if !history.opened {
                continue;
            }
            let disk = disk.after_power_loss(seed);
            disk.dies_in(second);
            block_on(script(&disk, &mut history));
            block_on(inspect(&disk.after_power_loss(seed + 1), &mut history));
        }
    }
}
