//! The one door to a redb file: every write is a two-phase commit with `Durability::Immediate`, made by one thread.
//!
//! The writer thread commits at once when idle and takes along whatever arrived during the previous commit; it never
//! waits for company. A write is given in two parts, so that a refusal can leave no trace in the commit that it
//! shares with others: [`Plan`] reads and may refuse, [`Apply`] writes and may not. Replies (refusals too, since they
//! may rest on a neighbour's write) are sent only after the commit returned Ok.
//!
//! After an error of a commit its outcome is unknown, and a retry may report success for what the disk dropped. So it
//! is never retried: [`Fatal`] ends the process, and the journals decide at the next start.
//!
//! Measured: 0.3 ms a commit alone, 0.5 ms with three nodes on one disk, up to 8 ms under load.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use redb::{Builder, Database, Durability, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use super::birth;
use super::scrub::{Scrubbing, Shredder};

/// Writes that may wait for the writer thread before a caller has to wait to hand one over.
pub const QUEUE_MAX: usize = 1024;
/// Writes that share one commit.
pub const GROUP_MAX: usize = 256;
/// Memory that redb may use for pages, per file.
const CACHE_BYTES_MAX: usize = 32 << 20;

/// A table of byte rows, ordered by key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table(pub &'static str);

type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;
type LiveTable<'t> = redb::Table<'t, &'static [u8], &'static [u8]>;

impl Table {
    pub(super) fn definition(self) -> Definition {
        TableDefinition::new(self.0)
    }
}

/// What a file is: its name (part of every sealed row's associated data), schema version and tables.
#[derive(Clone, Copy)]
pub struct Layout {
    pub file: &'static str,
    pub schema: u32,
    pub tables: &'static [Table],
}

/// Who a file is. `file_id` lasts as long as the file, `store_id` changes when the file is restored from a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreIdentity {
    pub file_id: [u8; 16],
    pub store_id: [u8; 16],
}

/// The disk or the file failed us. Never the fault of a peer or a caller.
#[derive(Debug, Error)]
pub enum Fault {
    #[error("the store cannot be read or written: {0}")]
    Storage(Box<redb::Error>),
    #[error("the store has stopped after an error")]
    Stopped,
    #[error("a row of table {table} is damaged")]
    Damaged { table: &'static str },
    #[error("the operating system gives no randomness")]
    NoRandomness,
}

macro_rules! storage_fault {
    ($($error:ty),*) => {$(
        impl From<$error> for Fault {
            fn from(error: $error) -> Self {
                Self::Storage(Box::new(error.into()))
            }
        }
    )*};
}

storage_fault!(
    redb::Error,
    redb::StorageError,
    redb::TableError,
    redb::TransactionError,
    redb::CommitError,
    redb::SetDurabilityError,
    redb::DatabaseError
);

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        redb::StorageError::Io(error).into()
    }
}

/// Why a file could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    #[error("{file} is in use by another process")]
    InUse { file: &'static str },
    #[error("{file} has schema {found}, this binary knows up to {known}: start a newer vcp, or restore a back-up")]
    Newer { file: &'static str, found: u32, known: u32 },
    #[error("{file} is not a store of this program")]
    NotAStore { file: &'static str },
    #[error("{file} is damaged beyond repair: the disk lost what it had reported as written")]
    Damaged { file: &'static str },
    #[error("root.key does not open {file}: it belongs to another node or another back-up")]
    WrongRootKey { file: &'static str },
    #[error("{file}: {fault}")]
    Fault {
        file: &'static str,
        #[source]
        fault: Fault,
    },
}

/// What happens when a safety assertion or a commit fails: the process ends, and does not go on.
#[derive(Clone)]
pub struct Fatal(Arc<dyn Fn(&str) + Send + Sync>);

impl Fatal {
    /// Says why and ends the process, without destructors: nothing may be written after an unknown outcome.
    pub fn exit_process() -> Self {
        Self::call(|reason| {
            eprintln!("vcp stops: {reason}. The journal decides at the next start.");
            std::process::exit(1)
        })
    }

    /// For tests that observe the end instead of living it. The store is stopped when the hook returns.
    pub fn call(hook: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(hook))
    }

    pub(crate) fn raise(&self, reason: &str) {
        (self.0)(reason);
    }
}

/// A handle to an open file; clones share it. The file closes when the last clone is dropped.
#[derive(Clone)]
pub struct Durable(Arc<Shared>);

struct Shared {
    layout: Layout,
    identity: StoreIdentity,
    database: Option<Arc<Database>>,
    jobs: Option<mpsc::Sender<Job>>,
    writer: Option<JoinHandle<()>>,
    fatal: Fatal,
}

impl Durable {
    /// Opens the file, or makes it if it is not there.
    pub fn open(path: &Path, layout: Layout, fatal: Fatal) -> Result<Self, OpenError> {
        let fault = |fault| OpenError::Fault { file: layout.file, fault };
        birth::ensure(path, &layout).map_err(fault)?;
        let file =
            std::fs::OpenOptions::new().read(true).write(true).open(path).map_err(|error| fault(error.into()))?;
        let backend = redb::backends::FileBackend::new(file).map_err(|error| fault(error.into()))?;
        Self::open_on(backend, layout, fatal)
    }

    /// Opens a store on any backend; an empty one becomes a new store.
    pub fn open_on(backend: impl StorageBackend, layout: Layout, fatal: Fatal) -> Result<Self, OpenError> {
        let backend = Arc::new(backend);
        let database = open_database(Scrubbing(backend.clone()), &layout)?;
        let identity = birth::identify(&database, &layout)?;
        let shredder = Shredder::new(backend);
        shredder.finish(&database).map_err(|fault| OpenError::Fault { file: layout.file, fault })?;
        Ok(Self::start(database, layout, identity, shredder, fatal))
    }

    fn start(database: Database, layout: Layout, identity: StoreIdentity, shredder: Shredder, fatal: Fatal) -> Self {
        let database = Arc::new(database);
        let (jobs, queue) = mpsc::channel(QUEUE_MAX);
        let writer = Writer { database: database.clone(), queue, shredder, fatal: fatal.clone() };
        let thread = std::thread::Builder::new()
            .name(format!("{} writer", layout.file))
            .spawn(move || writer.run())
            .expect("the operating system starts a thread at start-up");
        Self(Arc::new(Shared {
            layout,
            identity,
            database: Some(database),
            jobs: Some(jobs),
            writer: Some(thread),
            fatal,
        }))
    }

    /// Who this file is.
    pub fn identity(&self) -> StoreIdentity {
        self.0.identity
    }

    /// The layout that it was opened with.
    pub fn layout(&self) -> Layout {
        self.0.layout
    }

    pub(crate) fn fatal(&self) -> &Fatal {
        &self.0.fatal
    }

    /// Makes one durable change. `plan` reads and may refuse; `apply` writes what was planned. The result arrives
    /// after the commit that holds it. Dropping the future does not undo a write that was handed over.
    pub async fn write<P, T, E>(
        &self,
        plan: impl FnOnce(&Plan<'_>) -> Result<P, E> + Send + 'static,
        apply: impl FnOnce(&Apply<'_>, P) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Fault> + Send + 'static,
    {
        self.write_then(plan, apply, |_| ()).await
    }

    /// [`Durable::write`], and `then` once the commit has returned Ok: on the writer's thread and in the order of the
    /// commits, whether or not the caller still waits, so that what memory keeps of the file follows it exactly.
    pub async fn write_then<P, T, E>(
        &self,
        plan: impl FnOnce(&Plan<'_>) -> Result<P, E> + Send + 'static,
        apply: impl FnOnce(&Apply<'_>, P) -> Result<T, Fault> + Send + 'static,
        then: impl FnOnce(&T) + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Fault> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |group| {
            let result = match plan(&Plan(group.transaction)) {
                Err(refusal) => Err(refusal),
                Ok(planned) => {
                    group.changed = true;
                    Ok(apply(&Apply { group }, planned)?)
                }
            };
            Ok(Box::new(move || {
                if let Ok(done) = &result {
                    then(done);
                }
                drop(reply.send(result));
            }))
        });
        let jobs = self.0.jobs.as_ref().expect("present until drop");
        if jobs.send(job).await.is_err() {
            return Err(Fault::Stopped.into());
        }
        answer.await.unwrap_or_else(|_| Err(Fault::Stopped.into()))
    }

    /// [`Durable::write`] for a change that cannot be refused.
    pub async fn put(&self, apply: impl FnOnce(&Apply<'_>) -> Result<(), Fault> + Send + 'static) -> Result<(), Fault> {
        self.write(|_| Ok::<_, Fault>(()), move |write, ()| apply(write)).await
    }

    /// A consistent view of everything committed so far.
    pub fn read(&self) -> Result<Snapshot, Fault> {
        let database = self.0.database.as_ref().expect("present until drop");
        Ok(Snapshot(database.begin_read()?))
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.jobs = None;
        self.database = None;
        if let Some(writer) = self.writer.take()
            && writer.thread().id() != std::thread::current().id()
        {
            // A panic there has already been raised as fatal.
            let _ = writer.join();
        }
    }
}

/// redb meets some damaged files with a panic. A file is opened before anything depends on it, so that ends here.
fn open_database(backend: Scrubbing, layout: &Layout) -> Result<Database, OpenError> {
    let opening = std::panic::AssertUnwindSafe(|| builder().create_with_backend(backend));
    match std::panic::catch_unwind(opening) {
        Ok(opened) => opened.map_err(|error| open_error(layout, error)),
        Err(_) => Err(OpenError::Damaged { file: layout.file }),
    }
}

pub(super) fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES_MAX);
    builder
}

fn open_error(layout: &Layout, error: redb::DatabaseError) -> OpenError {
    match error {
        redb::DatabaseError::DatabaseAlreadyOpen => OpenError::InUse { file: layout.file },
        other => OpenError::Fault { file: layout.file, fault: other.into() },
    }
}

/// The only call of redb's `begin_write` in the node. One-phase and two-phase commits are never mixed.
pub(super) fn begin(database: &Database) -> Result<redb::WriteTransaction, Fault> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    transaction.set_two_phase_commit(true);
    Ok(transaction)
}

type Reply = Box<dyn FnOnce() + Send>;
type Job = Box<dyn FnOnce(&mut Group<'_>) -> Result<Reply, Fault> + Send>;

struct Group<'t> {
    transaction: &'t redb::WriteTransaction,
    changed: bool,
    shreds: std::cell::Cell<bool>,
}

struct Writer {
    database: Arc<Database>,
    queue: mpsc::Receiver<Job>,
    shredder: Shredder,
    fatal: Fatal,
}

impl Writer {
    fn run(mut self) {
        let _alarm = PanicAlarm(self.fatal.clone());
        while let Some(first) = self.queue.blocking_recv() {
            if let Err(fault) = self.commit_group(first) {
                self.fatal.raise(&fault.to_string());
                return;
            }
        }
    }

    fn commit_group(&mut self, first: Job) -> Result<(), Fault> {
        let transaction = begin(&self.database)?;
        let mut group = Group { transaction: &transaction, changed: false, shreds: std::cell::Cell::new(false) };
        let mut replies = vec![first(&mut group)?];
        while replies.len() < GROUP_MAX
            && let Ok(job) = self.queue.try_recv()
        {
            replies.push(job(&mut group)?);
        }
        let (changed, shreds) = (group.changed, group.shreds.get());
        if changed {
            transaction.commit()?;
        } else {
            transaction.abort()?;
        }
        if shreds {
            self.shredder.finish(&self.database)?;
        }
        replies.into_iter().for_each(|reply| reply());
        Ok(())
    }
}

struct PanicAlarm(Fatal);

impl Drop for PanicAlarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.raise("the store's writer panicked");
        }
    }
}

/// A table as one transaction sees it.
pub struct View<'t>(Seen<'t>);

enum Seen<'t> {
    Past(redb::ReadOnlyTable<&'static [u8], &'static [u8]>),
    Live(LiveTable<'t>),
}

impl View<'_> {
    /// The row under `key`.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        let found = match &self.0 {
            Seen::Past(table) => table.get(key)?,
            Seen::Live(table) => table.get(key)?,
        };
        Ok(found.map(|value| value.value().to_vec()))
    }

    /// Walks the rows of `from..to` (to the table's end where `to` is None) upwards until `visit` says false.
    pub fn walk<E: From<Fault>>(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<bool, E>,
    ) -> Result<(), E> {
        for row in self.range(from, to)? {
            let (key, value) = row.map_err(Fault::from)?;
            if !visit(key.value(), value.value())? {
                break;
            }
        }
        Ok(())
    }

    /// All rows whose key begins with `prefix`.
    pub fn under(&self, prefix: &[u8]) -> Result<Vec<Row>, Fault> {
        let mut rows = Vec::new();
        self.walk(prefix, after(prefix).as_deref(), |key, value| {
            rows.push((key.to_vec(), value.to_vec()));
            Ok::<_, Fault>(true)
        })?;
        Ok(rows)
    }

    /// The last row whose key begins with `prefix`.
    pub fn last_under(&self, prefix: &[u8]) -> Result<Option<Row>, Fault> {
        let last = self.range(prefix, after(prefix).as_deref())?.next_back();
        let row = last.transpose()?;
        Ok(row.map(|(key, value)| (key.value().to_vec(), value.value().to_vec())))
    }

    /// Number of rows in the table.
    pub fn len(&self) -> Result<u64, Fault> {
        use redb::ReadableTableMetadata;
        Ok(match &self.0 {
            Seen::Past(table) => table.len()?,
            Seen::Live(table) => table.len()?,
        })
    }

    /// Whether the table has no row.
    pub fn is_empty(&self) -> Result<bool, Fault> {
        Ok(self.len()? == 0)
    }

    fn range(&self, from: &[u8], to: Option<&[u8]>) -> Result<redb::Range<'_, &'static [u8], &'static [u8]>, Fault> {
        use std::ops::Bound;
        let bounds = (Bound::Included(from), to.map_or(Bound::Unbounded, Bound::Excluded));
        Ok(match &self.0 {
            Seen::Past(table) => table.range::<&[u8]>(bounds)?,
            Seen::Live(table) => table.range::<&[u8]>(bounds)?,
        })
    }
}

/// A key and its value.
pub type Row = (Vec<u8>, Vec<u8>);

/// The first key after all keys that begin with `prefix`; None if there is no such key.
pub fn after(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Some(end);
        }
    }
    None
}

/// Whatever can be read from: a snapshot, or a write in progress.
pub trait Reads {
    /// Opens a table. In a write, a table can be open only once at a time: drop the view before the next.
    fn view(&self, table: Table) -> Result<View<'_>, Fault>;

    /// The row under `key`.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        self.view(table)?.get(key)
    }
}

/// A consistent view of what has been committed.
pub struct Snapshot(redb::ReadTransaction);

/// The reading half of a write: sees the writes before it in the same commit.
pub struct Plan<'t>(&'t redb::WriteTransaction);

/// The writing half of a write. Its only error is a fault, which ends the process.
pub struct Apply<'t> {
    group: &'t Group<'t>,
}

impl Reads for Snapshot {
    fn view(&self, table: Table) -> Result<View<'_>, Fault> {
        Ok(View(Seen::Past(self.0.open_table(table.definition())?)))
    }
}

impl Reads for Plan<'_> {
    fn view(&self, table: Table) -> Result<View<'_>, Fault> {
        Ok(View(Seen::Live(self.0.open_table(table.definition())?)))
    }
}

impl Reads for Apply<'_> {
    fn view(&self, table: Table) -> Result<View<'_>, Fault> {
        Ok(View(Seen::Live(self.group.transaction.open_table(table.definition())?)))
    }
}

impl Apply<'_> {
    /// Opens a table for many writes.
    pub fn edit(&self, table: Table) -> Result<Edit<'_>, Fault> {
        Ok(Edit(self.group.transaction.open_table(table.definition())?))
    }

    /// Writes one row.
    pub fn put(&self, table: Table, key: &[u8], value: &[u8]) -> Result<(), Fault> {
        self.edit(table)?.put(key, value)
    }

    /// Deletes one row; says whether it was there.
    pub fn delete(&self, table: Table, key: &[u8]) -> Result<bool, Fault> {
        self.edit(table)?.delete(key)
    }

    /// Deletes a sealed row and everything that is left of it in the file: redb copies on write, so a row that is
    /// only deleted stays readable in a free page. The write's result arrives when the bytes are overwritten, and a
    /// crash before that is made good when the file is opened.
    ///
    /// Not reached: copies that the file system or the disk itself keeps.
    pub fn shred(&self, table: Table, key: &[u8]) -> Result<bool, Fault> {
        let Some(value) = self.get(table, key)? else {
            return Ok(false);
        };
        self.delete(table, key)?;
        if let Some(order) = Shredder::order(&value) {
            self.put(super::scrub::SHREDS, &order.0, &order.1)?;
            self.group.shreds.set(true);
        }
        Ok(true)
    }
}

/// A table open for writing.
pub struct Edit<'t>(LiveTable<'t>);

impl Edit<'_> {
    /// Writes one row.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), Fault> {
        self.0.insert(key, value)?;
        Ok(())
    }

    /// Deletes one row; says whether it was there.
    pub fn delete(&mut self, key: &[u8]) -> Result<bool, Fault> {
        Ok(self.0.remove(key)?.is_some())
    }
}

#[cfg(test)]
mod tests;
