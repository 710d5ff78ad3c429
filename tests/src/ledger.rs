//! The stores of a node that does not run: what it has taken, and whether its account is exact.

use polyyne_node::castor::{Account, Castor, Stock};
use polyyne_node::data_dir::Layout;
use polyyne_node::journal::{Journal, KeyState};
use polyyne_node::store::mac_keys::MacKeys;
use polyyne_node::store::{CloudId, Fatal, MacKeyId, MacScope, RootKey, StateFile, TuplesFile};
use std::path::Path;
use std::sync::Arc;

/// What the stores of a node say about one MAC key.
pub struct Ledger {
    pub accounts: Vec<Account>,
    pub stock: Vec<Stock>,
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
            key_state: journal.key_state(scope).expect("reads"),
            key_share: keys.load(scope).ok().map(|share| share.share.expose().to_vec()),
            unfinished_checks: journal.unfinished_checks().expect("reads").len(),
        }
    }

    /// Generated = taken + skipped + burned + left, counted row by row.
    ///
    /// # Panics
    /// If it is not.
    pub fn assert_balanced(&self, story: &str) {
        for account in &self.accounts {
            assert!(account.balances(), "{story}: {account:?}");
        }
    }
}

fn scope(cloud: &str, mac_key: &str) -> MacScope {
    let (cloud, mac_key): (CloudId, MacKeyId) = (cloud.parse().expect("an id"), mac_key.parse().expect("an id"));
    MacScope { cloud, mac_key }
}
