//! The stores of a node that does not run: what it has taken, and whether its account is exact; and the stores of all
//! members side by side, whether any tuple went to two takings.

use polyyne_node::castor::{Account, Castor, Execution, ExecutionState, Span, Stock};
use polyyne_node::data_dir::Layout;
use polyyne_node::journal::{Journal, KeyState};
use polyyne_node::store::mac_keys::MacKeys;
use polyyne_node::store::{CloudId, ExecId, Fatal, MacKeyId, MacScope, RootKey, StateFile, TuplesFile};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// Takings by their execution.
pub type Journalled = BTreeMap<ExecId, Execution>;

/// Tuples by the code of their kind.
pub type Bill = BTreeMap<u16, u64>;

/// What the stores of a node say about one MAC key.
pub struct Ledger {
    pub accounts: Vec<Account>,
    pub stock: Vec<Stock>,
    /// Every taking that this node has ever committed.
    pub journal: Journalled,
    pub key_state: KeyState,
    /// This node's share of the MAC key, as it must be nowhere.
    pub key_share: Option<Vec<u8>>,
    pub unfinished_checks: usize,
}

impl Ledger {
    /// Opens the stores in a data directory.
    ///
    /// # Panics
    /// If they are in use or damaged.
    pub fn open(dir: &Path, cloud: &str, mac_key: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(Self::read(dir, scope(cloud, mac_key)))
    }

    async fn read(dir: &Path, scope: MacScope) -> Self {
        let data = Layout::new(dir).open().expect("a data directory that is not in use");
        let root = Arc::new(RootKey::from_bytes(*data.root_key()));
        let fatal = || Fatal::call(|reason| panic!("{reason}"));
        let tuples = TuplesFile::open(dir, root.clone(), fatal()).await.expect("the tuples file opens");
        let state = StateFile::open(dir, root, fatal()).await.expect("the state file opens");
        let journal = Journal::open(&tuples).await.expect("the journal opens");
        let castor = Castor::open(&tuples).await.expect("castor opens");
        let keys = MacKeys::open(&state, journal.clone()).await.expect("the keys open");
        Self {
            accounts: castor.audit(scope).expect("reads"),
            stock: castor.stock(scope),
            journal: castor.journal(scope).expect("reads").into_iter().collect(),
            key_state: journal.key_state(scope).expect("reads"),
            key_share: keys.load(scope).ok().map(|share| share.share.expose().to_vec()),
            unfinished_checks: journal.unfinished_checks().expect("reads").len(),
        }
    }

    /// Generated = taken + skipped + burned + left, counted row by row, and taken as the journal says.
    ///
    /// # Panics
    /// If it is not.
    pub fn assert_balanced(&self, story: &str) {
        for account in &self.accounts {
            assert!(account.balances(), "{story}: {account:?}");
        }
    }
}

/// What a taking took.
pub fn bill_of(execution: &Execution) -> Bill {
    execution.taken.iter().map(|(kind, spans)| (kind.code, spans.iter().map(|span| span.len()).sum())).collect()
}

/// What is wrong with the journals of a cloud's members, if anything: tuples that two takings had, at one member or at
/// two; a taking that members wrote down differently; one that passed its checks although a member has not taken for it.
/// A taking that only some members have is one that a crash interrupted.
pub fn contradictions(journals: &[Journalled]) -> Vec<String> {
    let mut wrong = Vec::new();
    let all: BTreeSet<&ExecId> = journals.iter().flat_map(BTreeMap::keys).collect();
    let mut spent: BTreeMap<u16, Vec<(Span, &ExecId)>> = BTreeMap::new();
    for exec in all {
        let rows: Vec<&Execution> = journals.iter().filter_map(|journal| journal.get(exec)).collect();
        if rows.iter().any(|row| (row.digest, &row.taken) != (rows[0].digest, &rows[0].taken)) {
            wrong.push(format!("members wrote down different takings for {exec}"));
        }
        let passed = |row: &&Execution| matches!(row.state, ExecutionState::Checked(_) | ExecutionState::Done);
        if rows.len() < journals.len() && rows.iter().any(passed) {
            wrong.push(format!("{exec} passed its checks, but only {} members took for it", rows.len()));
        }
        let spans: BTreeSet<(u16, u64, u64)> = rows
            .iter()
            .flat_map(|row| &row.taken)
            .flat_map(|(kind, spans)| spans.iter().map(|span| (kind.code, span.start, span.end)))
            .collect();
        for (kind, start, end) in spans {
            spent.entry(kind).or_default().push((Span::new(start, end), exec));
        }
    }
    for (kind, mut spans) in spent {
        spans.sort_by_key(|(span, _)| (span.start, span.end));
        let twice = spans.windows(2).filter(|pair| pair[1].0.start < pair[0].0.end);
        wrong.extend(twice.map(|pair| {
            format!("kind {kind}: {:?} of {} and {:?} of {} meet", pair[0].0, pair[0].1, pair[1].0, pair[1].1)
        }));
    }
    wrong
}

fn scope(cloud: &str, mac_key: &str) -> MacScope {
    let (cloud, mac_key): (CloudId, MacKeyId) = (cloud.parse().expect("an id"), mac_key.parse().expect("an id"));
    MacScope { cloud, mac_key }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polyyne_node::castor::{AbortCause, TupleKind};

    fn row(digest: u8, start: u64, end: u64, state: ExecutionState) -> Execution {
        let taken = vec![(TupleKind::TRIPLE, vec![Span::new(start, end)])];
        Execution { scope: scope(&"00".repeat(32), &"00".repeat(16)), digest: [digest; 32], taken, sequence: 0, state }
    }

    fn journal(rows: &[(u8, Execution)]) -> Journalled {
        rows.iter().map(|(exec, row)| (ExecId([*exec; 32]), row.clone())).collect()
    }

    #[test]
    fn journals_of_crashed_members_fit_together() {
        let aborted = ExecutionState::Aborted(AbortCause::Restarted);
        let first = (1, row(1, 0, 10, ExecutionState::Done));
        let one = journal(&[first.clone(), (2, row(2, 10, 20, aborted))]);
        let other = journal(&[first, (3, row(3, 20, 30, ExecutionState::Taken))]);
        assert_eq!(contradictions(&[one, other]), Vec::<String>::new());
    }

    #[test]
    fn a_tuple_in_two_takings_is_found_at_one_member_and_at_two() {
        let taken = |exec, start, end| (exec, row(exec, start, end, ExecutionState::Taken));
        let both = journal(&[taken(1, 0, 10), taken(2, 9, 20)]);
        assert_eq!(contradictions(&[both, journal(&[])]).len(), 1);
        let apart = [journal(&[taken(1, 0, 10)]), journal(&[taken(2, 5, 6)])];
        assert_eq!(contradictions(&apart).len(), 1);
    }

    #[test]
    fn members_that_differ_about_a_taking_are_found() {
        let done = |digest, end| (1, row(digest, 0, end, ExecutionState::Done));
        assert_ne!(contradictions(&[journal(&[done(1, 10)]), journal(&[done(2, 10)])]), Vec::<String>::new());
        assert_ne!(contradictions(&[journal(&[done(1, 10)]), journal(&[done(1, 12)])]), Vec::<String>::new());
        assert_ne!(contradictions(&[journal(&[done(1, 10)]), journal(&[])]), Vec::<String>::new());
    }
}
