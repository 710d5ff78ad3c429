//! Any sequence of operations against a model that knows, for every position, what became of it.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const KIND: TupleKind = TupleKind::SQUARE;

#[derive(Clone, Debug)]
enum Step {
    Stage {
        gap: u64,
        count: u64,
    },
    Activate(usize),
    Discard(usize),
    /// Spans as (distance from the last, length), from the cursor on.
    Take {
        spans: Vec<(u64, u64)>,
        skip: u64,
    },
    TakeOffer {
        length: u64,
    },
    Retire,
    Reopen,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3u64, 1..200u64).prop_map(|(gap, count)| Step::Stage { gap, count }),
        4 => (0..4usize).prop_map(Step::Activate),
        1 => (0..4usize).prop_map(Step::Discard),
        4 => (prop::collection::vec((0..70u64, 0..100u64), 0..4), 0..100u64)
            .prop_map(|(spans, skip)| Step::Take { spans, skip }),
        3 => (1..150u64).prop_map(|length| Step::TakeOffer { length }),
        1 => Just(Step::Retire),
        1 => Just(Step::Reopen),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Staged,
    Available,
}

/// What is still there, and counters.
#[derive(Default)]
struct Model {
    positions: BTreeMap<u64, Fate>,
    staged: Vec<(u64, u64)>,
    end: u64,
    cursor: u64,
    generated: u64,
    taken: u64,
    skipped: u64,
    burned: u64,
}

impl Model {
    fn available(&self, start: u64, end: u64) -> u64 {
        self.positions.range(start..end).filter(|(_, fate)| **fate == Fate::Available).count() as u64
    }

    fn take(&mut self, spans: &[Span], skip_to: u64) -> Option<Vec<(u16, u64)>> {
        let ordered = spans.windows(2).all(|pair| pair[0].end <= pair[1].start) && spans.iter().all(|s| !s.is_empty());
        let to = spans.last().map_or(self.cursor, |span| span.end).max(skip_to);
        let there = spans.iter().all(|span| self.available(span.start, span.end) == span.len());
        if !ordered || !there || to <= self.cursor || to > self.end {
            return None;
        }
        let taken: u64 = spans.iter().map(|span| span.len()).sum();
        self.skipped += self.available(0, to) - taken;
        self.taken += taken;
        self.cursor = to;
        let passed: Vec<_> = self.staged.iter().copied().filter(|(start, _)| *start < to).collect();
        for (start, count) in passed {
            self.positions.retain(|position, _| !(start..start + count).contains(position));
        }
        self.staged.retain(|(start, _)| *start >= to);
        self.positions.retain(|position, _| *position >= to);
        Some(spans.iter().flat_map(|span| span.start..span.end).map(|position| (KIND.code, position)).collect())
    }
}

async fn run(steps: Vec<Step>) {
    let disk = Disk::default();
    let mut store = open(&disk).await;
    let mut model = Model::default();
    let mut ever = BTreeSet::new();
    for (number, step) in steps.into_iter().enumerate() {
        let cursor_before = model.cursor;
        match step {
            Step::Stage { gap, count } => {
                let start = model.end + gap;
                store.1.stage(chunk(KIND, start, count)).await.expect("positions grow");
                model.positions.extend((start..start + count).map(|position| (position, Fate::Staged)));
                model.staged.push((start, count));
                model.end = start + count;
            }
            Step::Activate(index) if index < model.staged.len() => {
                let (start, count) = model.staged.remove(index);
                store.1.activate(name(KIND, start), vec![1]).await.expect("staged");
                model.positions.extend((start..start + count).map(|position| (position, Fate::Available)));
                model.generated += count;
            }
            Step::Discard(index) if index < model.staged.len() => {
                let (start, count) = model.staged.remove(index);
                store.1.discard(name(KIND, start)).await.expect("staged");
                model.positions.retain(|position, _| !(start..start + count).contains(position));
            }
            Step::Activate(_) | Step::Discard(_) => {}
            Step::Take { spans, skip } => {
                let mut at = model.cursor;
                let mut wanted = Vec::new();
                for (distance, length) in spans {
                    wanted.push(Span::new(at + distance, at + distance + length));
                    at += distance + length;
                }
                take(&store.1, &mut model, &mut ever, number, wanted, at + skip).await;
            }
            Step::TakeOffer { length } => {
                if let Some(span) = store.1.offers(SCOPE, KIND).first() {
                    let wanted = Span::new(span.start, span.end.min(span.start + length));
                    take(&store.1, &mut model, &mut ever, number, vec![wanted], 0).await;
                }
            }
            Step::Retire => {
                store.1.retire(SCOPE).await.expect("retired");
                model.burned += model.available(0, u64::MAX);
                model.positions.clear();
                model.staged.clear();
                model.cursor = model.end;
            }
            Step::Reopen => {
                drop(store);
                store = open(&disk).await;
            }
        }
        assert!(model.cursor >= cursor_before);
        compare(&store.1, &model);
    }
}

async fn take(
    castor: &Castor,
    model: &mut Model,
    ever: &mut BTreeSet<(u16, u64)>,
    number: usize,
    spans: Vec<Span>,
    skip_to: u64,
) {
    let mut request = want(number as u64, KIND, &[]);
    request.kinds[0].spans.clone_from(&spans);
    request.kinds[0].skip_to = Some(skip_to);
    let expected = model.take(&spans, skip_to);
    match (castor.take(request).await, expected) {
        (Ok(taken), Some(expected)) => {
            let taken = positions(taken);
            assert_eq!(taken, expected);
            for position in taken {
                assert!(ever.insert(position), "{position:?} was taken twice");
            }
        }
        (Err(_), None) => {}
        (Ok(_), None) => panic!("taken: {spans:?} to {skip_to}, which the model refuses"),
        (Err(error), Some(_)) => panic!("refused: {spans:?} to {skip_to}: {error}"),
    }
}

fn compare(castor: &Castor, model: &Model) {
    let Some(stock) = castor.stock(SCOPE).first().copied() else {
        return;
    };
    let account = balanced(castor)[0];
    let left = model.available(0, u64::MAX);
    assert_eq!((stock.cursor, stock.available, account.left), (model.cursor, left, left));
    assert_eq!(account.staged, model.positions.len() as u64 - left);
    assert_eq!(
        (account.generated, account.taken, account.skipped, account.burned),
        (model.generated, model.taken, model.skipped, model.burned)
    );
    let offered: Vec<u64> = castor.offers(SCOPE, KIND).iter().flat_map(|span| span.start..span.end).collect();
    let available = model.positions.iter().filter(|(_, fate)| **fate == Fate::Available);
    assert_eq!(offered, available.map(|(position, _)| *position).collect::<Vec<_>>());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_sequence_of_operations_agrees_with_the_model(steps in prop::collection::vec(any_step(), 1..40)) {
        block_on(run(steps));
    }
}
