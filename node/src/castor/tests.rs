//! Single use, whatever happens: in order, out of order, at once, and through power loss at every operation.

mod crash;
mod model;
mod power;

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::executor::block_on;
use zeroize::Zeroizing;

use super::*;
use crate::journal::Journal;
use crate::store::disk::Disk;
use crate::store::{ChunkId, CloudId, ExecId, Fatal, MacKeyId, MacScope, RootKey};

pub(crate) const SCOPE: MacScope = MacScope { cloud: CloudId([0xc1; 32]), mac_key: MacKeyId([0xa1; 16]) };

pub(crate) fn quiet() -> Fatal {
    Fatal::call(|_| {})
}

pub(crate) fn root() -> Arc<RootKey> {
    Arc::new(RootKey::from_bytes([0x52; 32]))
}

pub(crate) async fn open(disk: &Disk) -> (TuplesFile, Castor, Journal) {
    let file = TuplesFile::open_on(disk.clone(), root(), quiet()).await.expect("opens");
    let castor = Castor::open(&file).await.expect("opens");
    let journal = Journal::open(&file).await.expect("opens");
    (file, castor, journal)
}

/// A tuple whose bytes tell its kind and position.
pub(crate) fn tuple(kind: TupleKind, position: u64) -> Vec<u8> {
    (0..kind.arity)
        .flat_map(|element| {
            let mut bytes = [0x5e; ELEMENT_BYTES];
            bytes[..8].copy_from_slice(&position.to_le_bytes());
            bytes[8..10].copy_from_slice(&element.to_le_bytes());
            bytes[16..18].copy_from_slice(&kind.code.to_le_bytes());
            bytes
        })
        .collect()
}

pub(crate) fn chunk(kind: TupleKind, start: u64, count: u64) -> NewChunk {
    let tuples: Vec<u8> = (start..start + count).flat_map(|position| tuple(kind, position)).collect();
    NewChunk {
        scope: SCOPE,
        kind,
        id: id_of(start),
        start,
        assurance: b"test".to_vec(),
        tuples: Zeroizing::new(tuples),
    }
}

fn id_of(start: u64) -> ChunkId {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&start.to_le_bytes());
    ChunkId(id)
}

pub(crate) fn name(kind: TupleKind, start: u64) -> ChunkRef {
    ChunkRef { scope: SCOPE, kind, start, id: id_of(start) }
}

pub(crate) async fn stock_up(castor: &Castor, kind: TupleKind, start: u64, count: u64) {
    castor.stage(chunk(kind, start, count)).await.expect("staged");
    castor.activate(name(kind, start), b"certificate".to_vec()).await.expect("active");
}

pub(crate) fn exec(number: u64) -> ExecId {
    let mut id = [0xee; 32];
    id[..8].copy_from_slice(&number.to_le_bytes());
    ExecId(id)
}

pub(crate) fn want(number: u64, kind: TupleKind, spans: &[(u64, u64)]) -> TakeRequest {
    let spans = spans.iter().map(|&(start, end)| Span::new(start, end)).collect();
    TakeRequest {
        exec: exec(number),
        scope: SCOPE,
        digest: [9; 32],
        kinds: vec![KindTake { kind, spans, skip_to: None }],
        peers: Vec::new(),
    }
}

/// The positions of what was taken, after checking that each tuple is the one of its position.
pub(crate) fn positions(taken: TakenTuples) -> Vec<(u16, u64)> {
    let mut found = Vec::new();
    for kind in taken.into_kinds() {
        let (of, spans) = (kind.kind(), kind.spans().to_vec());
        let bytes = kind.into_bytes();
        let expected: Vec<u8> =
            spans.iter().flat_map(|span| span.start..span.end).flat_map(|position| tuple(of, position)).collect();
        assert_eq!(bytes.as_slice(), expected, "{of:?} {spans:?}");
        found.extend(spans.iter().flat_map(|span| span.start..span.end).map(|position| (of.code, position)));
    }
    found
}

fn balanced(castor: &Castor) -> Vec<Account> {
    castor.assert_inventory();
    let accounts = castor.audit(SCOPE).expect("audit");
    for account in &accounts {
        assert!(account.balances(), "{account:?}");
    }
    accounts
}

#[test]
fn a_take_returns_the_right_tuples_and_they_are_gone() {
    block_on(async {
        let (_file, castor, _) = open(&Disk::default()).await;
        let wide = TupleKind::edabit(127).expect("a kind");
        for kind in TupleKind::ALL.into_iter().chain([wide]) {
            stock_up(&castor, kind, 0, 200).await;
            stock_up(&castor, kind, 200, 100).await;
            assert_eq!(castor.offers(SCOPE, kind), [Span::new(0, 300)]);
        }
        let mut request = want(1, TupleKind::TRIPLE, &[(0, 70), (190, 210)]);
        request.kinds.push(KindTake { kind: TupleKind::BIT, spans: vec![Span::new(5, 6)], skip_to: None });
        request.kinds.push(KindTake { kind: wide, spans: vec![Span::new(60, 70)], skip_to: None });
        let mut taken = castor.take(request).await.expect("taken");
        let bytes = taken.remove(wide).map(TakenKind::into_bytes);
        assert_eq!(bytes.map(|bytes| bytes.to_vec()), Some((60..70).flat_map(|at| tuple(wide, at)).collect()));
        assert!(taken.remove(TupleKind::SQUARE).is_none());
        assert_eq!(taken.remove(TupleKind::BIT).map(|bits| bits.count()), Some(1));
        assert_eq!(positions(taken).len(), 90);
        assert_eq!(castor.offers(SCOPE, TupleKind::TRIPLE), [Span::new(210, 300)]);
        assert_eq!(castor.offers(SCOPE, TupleKind::BIT), [Span::new(6, 300)]);
        let accounts = balanced(&castor);
        assert_eq!(
            accounts[0],
            Account {
                kind: TupleKind::TRIPLE,
                generated: 300,
                taken: 90,
                journalled: 90,
                skipped: 120,
                burned: 0,
                left: 90,
                staged: 0
            }
        );
        let rest = castor.take(want(2, TupleKind::TRIPLE, &[(210, 300)])).await.expect("taken");
        assert_eq!(positions(rest).len(), 90);
        balanced(&castor);
    });
}

#[test]
fn a_refused_take_changes_nothing() {
    block_on(async {
        let (_file, castor, _) = open(&Disk::default()).await;
        let kind = TupleKind::TRIPLE;
        stock_up(&castor, kind, 0, 128).await;
        castor.stage(chunk(kind, 128, 64)).await.expect("staged");
        drop(castor.take(want(1, kind, &[(10, 20)])).await.expect("taken"));
        let before = (balanced(&castor), castor.head(SCOPE.cloud).expect("head"));
        let refused = async |request| castor.take(request).await.err().expect("refused");

        assert!(matches!(refused(want(1, kind, &[(20, 30)])).await, TakeError::AlreadyTaken(_)));
        assert!(matches!(refused(want(2, kind, &[(19, 30)])).await, TakeError::BelowCursor { cursor: 20, .. }));
        assert!(matches!(refused(want(2, kind, &[(20, 20)])).await, TakeError::BadSpans { .. }));
        assert!(matches!(refused(want(2, kind, &[(30, 20)])).await, TakeError::BadSpans { .. }));
        assert!(matches!(refused(want(2, kind, &[(20, 30), (29, 40)])).await, TakeError::BadSpans { .. }));
        assert!(matches!(refused(want(2, kind, &[(40, 50), (20, 30)])).await, TakeError::BadSpans { .. }));
        assert!(matches!(refused(want(2, kind, &[(20, u64::MAX)])).await, TakeError::BadSpans { .. }));
        assert!(matches!(refused(want(2, kind, &[])).await, TakeError::NothingToDo { .. }));
        assert!(matches!(refused(want(2, kind, &[(120, 130)])).await, TakeError::NotInStock { .. }));
        assert!(matches!(refused(want(2, kind, &[(128, 130)])).await, TakeError::NotInStock { .. }));
        assert!(matches!(refused(want(2, kind, &[(500, 501)])).await, TakeError::NotInStock { .. }));
        assert!(matches!(refused(want(2, TupleKind::BIT, &[(0, 1)])).await, TakeError::NotInStock { .. }));
        let mut twice = want(2, kind, &[(20, 30)]);
        twice.kinds.push(twice.kinds[0].clone());
        assert!(matches!(refused(twice).await, TakeError::KindTwice { .. }));
        let mut too_far = want(2, kind, &[(20, 30)]);
        too_far.kinds[0].skip_to = Some(193);
        assert!(matches!(refused(too_far).await, TakeError::NotInStock { .. }));
        let mut half = want(2, kind, &[(20, 30)]);
        half.kinds.push(want(2, TupleKind::BIT, &[(0, 1)]).kinds.remove(0));
        assert!(matches!(refused(half).await, TakeError::NotInStock { .. }));

        assert_eq!((balanced(&castor), castor.head(SCOPE.cloud).expect("head")), before);
        assert!(castor.execution(exec(2)).expect("reads").is_none());
    });
}

#[test]
fn a_request_passes_over_chunks_that_crashes_have_left_and_cannot_throw_away_more_than_sixteen() {
    block_on(async {
        let (_file, castor, _) = open(&Disk::default()).await;
        let kind = TupleKind::BIT;
        for chunk in 0..17 {
            stock_up(&castor, kind, 4096 * chunk, 4096).await;
        }
        let most = 16 * 4096;
        let refused = castor.take(want(1, kind, &[(most + 1, most + 2)])).await.err().expect("refused");
        assert!(matches!(refused, TakeError::SkipsTooMuch { tuples, .. } if tuples == most + 1), "{refused}");
        drop(castor.take(want(1, kind, &[(most, most + 1)])).await.expect("exactly so many are allowed"));
        let mut only_skip = want(2, kind, &[]);
        only_skip.kinds[0].skip_to = Some(most + 904);
        assert_eq!(positions(castor.take(only_skip).await.expect("skipped")).len(), 0);
        let account = balanced(&castor)[0];
        assert_eq!((account.taken, account.skipped, account.left), (1, most + 903, 3192));
    });
}

#[test]
fn chunks_become_spendable_by_their_certificate_only_and_keep_their_positions() {
    block_on(async {
        let (_file, castor, _) = open(&Disk::default()).await;
        let kind = TupleKind::SQUARE;
        castor.stage(chunk(kind, 10, 100)).await.expect("staged");
        assert_eq!(castor.offers(SCOPE, kind), []);
        assert_eq!(castor.staged(SCOPE).expect("staged").len(), 1);
        assert!(matches!(
            castor.stage(chunk(kind, 109, 5)).await,
            Err(StageError::PositionTaken { start: 109, end: 110 })
        ));
        let stranger = ChunkRef { id: id_of(7), ..name(kind, 10) };
        assert!(matches!(castor.activate(stranger, vec![1]).await, Err(StageError::UnknownChunk)));
        castor.activate(name(kind, 10), vec![1]).await.expect("active");
        castor.activate(name(kind, 10), vec![1]).await.expect("the same certificate again");
        assert!(matches!(castor.activate(name(kind, 10), vec![2]).await, Err(StageError::AlreadyActive)));
        assert!(matches!(castor.discard(name(kind, 10)).await, Err(StageError::AlreadyActive)));
        castor.stage(chunk(kind, 110, 64)).await.expect("staged");
        castor.discard(name(kind, 110)).await.expect("discarded");
        assert!(matches!(castor.activate(name(kind, 110), vec![1]).await, Err(StageError::UnknownChunk)));
        assert!(matches!(castor.stage(chunk(kind, 110, 64)).await, Err(StageError::PositionTaken { .. })));
        assert_eq!(castor.next_position(SCOPE, kind), 174);
        let account = balanced(&castor)[0];
        assert_eq!((account.generated, account.left, account.staged), (100, 100, 0));
        let other = TupleKind { code: kind.code, arity: 3 };
        assert!(matches!(castor.stage(chunk(other, 200, 5)).await, Err(StageError::OtherArity { .. })));
        let mut last = chunk(kind, 0, 5);
        last.start = u64::MAX - 3;
        assert!(matches!(castor.stage(last).await, Err(StageError::PositionsExhausted)));
        assert!(matches!(castor.stage(chunk(kind, 500, 4097)).await, Err(StageError::WrongSize { .. })));
        assert!(matches!(castor.stage(chunk(kind, 500, 0)).await, Err(StageError::WrongSize { .. })));
    });
}

#[test]
fn a_staged_chunk_below_the_cursor_is_gone_and_never_generated() {
    block_on(async {
        let (_file, castor, _) = open(&Disk::default()).await;
        let kind = TupleKind::TRIPLE;
        stock_up(&castor, kind, 0, 64).await;
        castor.stage(chunk(kind, 64, 100)).await.expect("staged");
        stock_up(&castor, kind, 164, 64).await;
        assert_eq!(castor.offers(SCOPE, kind), [Span::new(0, 64), Span::new(164, 228)]);
        let taken = castor.take(want(1, kind, &[(60, 64), (164, 170)])).await.expect("taken");
        assert_eq!(positions(taken).len(), 10);
        assert!(matches!(castor.activate(name(kind, 64), vec![1]).await, Err(StageError::UnknownChunk)));
        let account = balanced(&castor)[0];
        assert_eq!((account.generated, account.taken, account.skipped, account.left), (128, 10, 60, 58));
        assert_eq!(account.staged, 0);
    });
}

#[test]
fn sixty_four_takers_at_once_never_share_a_tuple() {
    let (_file, castor, _) = block_on(open(&Disk::default()));
    let kind = TupleKind::TRIPLE;
    block_on(stock_up(&castor, kind, 0, 1024));
    let takers: Vec<_> = (0..64u64)
        .map(|taker| {
            let castor = castor.clone();
            std::thread::spawn(move || {
                block_on(async {
                    for attempt in 0.. {
                        let start = castor.offers(SCOPE, kind)[0].start;
                        let request = want(taker << 32 | attempt, kind, &[(start, start + 16)]);
                        match castor.take(request).await {
                            Ok(taken) => return positions(taken),
                            Err(TakeError::BelowCursor { .. }) => {}
                            Err(other) => panic!("{other}"),
                        }
                    }
                    unreachable!("an attempt succeeds whenever another one fails")
                })
            })
        })
        .collect();
    let mut all = BTreeSet::new();
    for taker in takers {
        for position in taker.join().expect("no panic") {
            assert!(all.insert(position), "{position:?} was taken twice");
        }
    }
    assert_eq!(all.len(), 1024);
    let account = balanced(&castor)[0];
    assert_eq!((account.taken, account.skipped, account.left), (1024, 0, 0));
}

#[test]
fn one_exec_id_asked_for_by_many_at_once_is_taken_once() {
    block_on(async {
        let (_file, castor, _) = open(&Disk::default()).await;
        let kind = TupleKind::TRIPLE;
        stock_up(&castor, kind, 0, 1024).await;
        let attempts = (0..64u64).map(|i| castor.take(want(1, kind, &[(i * 16, i * 16 + 16)])));
        let results = futures::future::join_all(attempts).await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        assert!(results.iter().all(|result| matches!(result, Ok(_) | Err(TakeError::AlreadyTaken(_)))));
        balanced(&castor);
    });
}

#[test]
fn executions_only_move_forward_and_a_restart_aborts_what_was_taken() {
    let disk = Disk::default();
    block_on(async {
        let (_file, castor, _) = open(&disk).await;
        let kind = TupleKind::BIT;
        stock_up(&castor, kind, 0, 64).await;
        for number in 0..4 {
            drop(castor.take(want(number, kind, &[(number * 4, number * 4 + 2)])).await.expect("taken"));
        }
        assert_eq!(castor.head(SCOPE.cloud).expect("head").sequence, 4);
        castor.checked(exec(1), b"record".to_vec()).await.expect("checked");
        castor.checked(exec(1), b"record".to_vec()).await.expect("again");
        assert!(matches!(castor.checked(exec(1), vec![]).await, Err(ExecutionError::WrongState(_))));
        assert!(matches!(castor.done(exec(0)).await, Err(ExecutionError::WrongState(_))), "done needs checked");
        castor.checked(exec(2), vec![]).await.expect("checked");
        castor.done(exec(2)).await.expect("done");
        castor.done(exec(2)).await.expect("again");
        assert!(matches!(castor.abort(exec(2), 5).await, Err(ExecutionError::WrongState(_))));
        castor.abort(exec(3), 5).await.expect("aborted");
        castor.abort(exec(3), 6).await.expect("again");
        assert!(matches!(castor.checked(exec(3), vec![]).await, Err(ExecutionError::WrongState(_))));
        assert!(matches!(castor.abort(exec(9), 5).await, Err(ExecutionError::Unknown(_))));
    });
    block_on(async {
        let (_file, castor, _) = open(&disk).await;
        let state = |number| castor.execution(exec(number)).expect("reads").expect("there").state;
        assert_eq!(state(0), ExecutionState::Aborted(execution::AbortCause::Restarted));
        assert_eq!(state(1), ExecutionState::Checked(b"record".to_vec()));
        assert_eq!(state(2), ExecutionState::Done);
        assert_eq!(state(3), ExecutionState::Aborted(execution::AbortCause::Caller(5)));
        let open: Vec<_> = castor.open_executions().expect("reads").into_iter().map(|(exec, _)| exec).collect();
        assert_eq!(open, [exec(1)]);
        let again = castor.take(want(0, TupleKind::BIT, &[(20, 21)])).await;
        assert!(matches!(again, Err(TakeError::AlreadyTaken(_))));
        assert_eq!(castor.head(SCOPE.cloud).expect("head").sequence, 4);
        assert_eq!(castor.offers(SCOPE, TupleKind::BIT), [Span::new(14, 64)]);
        balanced(&castor);
    });
}

#[test]
fn retired_tuples_are_gone_and_new_ones_get_new_positions() {
    let disk = Disk::default();
    block_on(async {
        let (_file, castor, _) = open(&disk).await;
        let kind = TupleKind::TRIPLE;
        stock_up(&castor, kind, 0, 100).await;
        drop(castor.take(want(1, kind, &[(0, 10)])).await.expect("taken"));
        castor.retire(SCOPE).await.expect("retired");
        assert_eq!(castor.offers(SCOPE, kind), []);
        let account = balanced(&castor)[0];
        assert_eq!((account.taken, account.burned, account.left), (10, 90, 0));
        stock_up(&castor, kind, 100, 5).await;
        assert_eq!(positions(castor.take(want(2, kind, &[(100, 105)])).await.expect("taken")).len(), 5);
        balanced(&castor);
    });
}

#[test]
fn a_second_use_of_a_position_ends_the_process() {
    let raised = Arc::new(std::sync::Mutex::new(String::new()));
    let seen = raised.clone();
    let fatal = Fatal::call(move |reason| *seen.lock().expect("lock") = reason.to_owned());
    block_on(async {
        let file = TuplesFile::open_on(Disk::default(), root(), fatal).await.expect("opens");
        let castor = Castor::open(&file).await.expect("opens");
        stock_up(&castor, TupleKind::BIT, 0, 10).await;
        let pool = place::Pool { scope: SCOPE, code: TupleKind::BIT.code };
        assert!(castor.used.lock().expect("lock").mark(pool, Span::new(4, 5)), "as if the store had lied before");
        let taken = castor.take(want(1, TupleKind::BIT, &[(4, 5)])).await;
        assert!(matches!(taken, Err(TakeError::Fault(crate::store::Fault::Stopped))));
    });
    assert!(raised.lock().expect("lock").contains("second time"));
}

#[test]
fn tuples_can_be_split_among_threads_without_sharing_any() {
    block_on(async {
        let (_file, castor, _) = open(&Disk::default()).await;
        let kind = TupleKind::SQUARE;
        stock_up(&castor, kind, 0, 100).await;
        let taken = castor.take(want(1, kind, &[(0, 5), (10, 20)])).await.expect("taken");
        let mut rest = taken.into_kinds().remove(0);
        assert!(rest.split_first(16).is_none());
        let first = rest.split_first(7).expect("enough");
        assert_eq!(first.spans(), [Span::new(0, 5), Span::new(10, 12)]);
        assert_eq!(rest.spans(), [Span::new(12, 20)]);
        assert_eq!((first.count(), rest.count()), (7, 8));
        let both = [first, rest].map(|part| positions(TakenTuples { kinds: vec![part] }));
        assert_eq!(both.concat().len(), 15);
    });
}
