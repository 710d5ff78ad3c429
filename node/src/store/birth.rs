//! How a file comes to be, and how it is recognised: written whole under another name, synced, then renamed.
//!
//! A crash while redb lays out a new file can leave one that does not open. Under its final name a file therefore
//! always holds at least its first commit; a half-made `*.redb.new` is thrown away by the next start.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::Path;

use rand::TryRng;
use rand::rngs::SysRng;
use redb::{Database, ReadableDatabase, TableError};

use super::durable::{self, Fault, Layout, OpenError, StoreIdentity, Table};
use super::scrub::SHREDS;

const META: Table = Table("meta");
const SCHEMA: &[u8] = b"schema_version";
const FILE_ID: &[u8] = b"file_id";
const STORE_ID: &[u8] = b"store_id";

/// Makes the file if it is not there.
pub(super) fn ensure(path: &Path, layout: &Layout) -> Result<(), Fault> {
    if path.try_exists()? {
        return Ok(());
    }
    let unfinished = path.with_extension("redb.new");
    match std::fs::remove_file(&unfinished) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let file = private_file(&unfinished)?;
    let database = durable::builder().create_file(file)?;
    initialise(&database, layout)?;
    drop(database);
    File::open(&unfinished)?.sync_all()?;
    std::fs::rename(&unfinished, path)?;
    sync_folder(path)?;
    Ok(())
}

fn private_file(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Makes a rename inside the folder of `path` durable.
pub(super) fn sync_folder(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

fn initialise(database: &Database, layout: &Layout) -> Result<StoreIdentity, Fault> {
    let identity = StoreIdentity { file_id: random()?, store_id: random()? };
    let transaction = durable::begin(database)?;
    {
        let mut meta = transaction.open_table(META.definition())?;
        meta.insert(SCHEMA, layout.schema.to_be_bytes().as_slice())?;
        meta.insert(FILE_ID, identity.file_id.as_slice())?;
        meta.insert(STORE_ID, identity.store_id.as_slice())?;
        transaction.open_table(SHREDS.definition())?;
        for table in layout.tables {
            transaction.open_table(table.definition())?;
        }
    }
    transaction.commit()?;
    Ok(identity)
}

/// Makes a file with the rows of another one, as the same file (its rows are sealed for it) and another store.
pub(super) fn import(
    path: &Path,
    layout: &Layout,
    file_id: [u8; 16],
    rows: &mut dyn Iterator<Item = (String, Vec<u8>, Vec<u8>)>,
) -> Result<(), Fault> {
    let unfinished = path.with_extension("redb.new");
    let database = durable::builder().create_file(private_file(&unfinished)?)?;
    initialise(&database, layout)?;
    let transaction = durable::begin(&database)?;
    transaction.open_table(META.definition())?.insert(FILE_ID, file_id.as_slice())?;
    for (table, key, value) in rows {
        // rows of tables that this release does not know would be lost without a word
        let table = layout.tables.iter().find(|known| known.0 == table).ok_or(Fault::Damaged { table: layout.file })?;
        transaction.open_table(table.definition())?.insert(key.as_slice(), value.as_slice())?;
    }
    transaction.commit()?;
    drop(database);
    File::open(&unfinished)?.sync_all()?;
    std::fs::rename(&unfinished, path)?;
    Ok(sync_folder(path)?)
}

/// Reads who the file is, refusing what a newer binary wrote. An empty backend is initialised.
pub(super) fn identify(database: &Database, layout: &Layout) -> Result<StoreIdentity, OpenError> {
    let fault = |fault| OpenError::Fault { file: layout.file, fault };
    let reading = database.begin_read().map_err(|error| fault(error.into()))?;
    let meta = match reading.open_table(META.definition()) {
        Ok(meta) => meta,
        Err(TableError::TableDoesNotExist(_)) => {
            drop(reading);
            return create_in(database, layout);
        }
        Err(error) => return Err(fault(error.into())),
    };
    let row = |key: &[u8]| -> Result<Vec<u8>, OpenError> {
        let value = meta.get(key).map_err(|error| fault(error.into()))?;
        let value = value.ok_or(OpenError::NotAStore { file: layout.file })?;
        Ok(value.value().to_vec())
    };
    let damaged = || OpenError::NotAStore { file: layout.file };
    let found = u32::from_be_bytes(row(SCHEMA)?.try_into().map_err(|_| damaged())?);
    if found > layout.schema {
        return Err(OpenError::Newer { file: layout.file, found, known: layout.schema });
    }
    let identity = StoreIdentity {
        file_id: row(FILE_ID)?.try_into().map_err(|_| damaged())?,
        store_id: row(STORE_ID)?.try_into().map_err(|_| damaged())?,
    };
    let known: Vec<String> = reading
        .list_tables()
        .map_err(|error| fault(error.into()))?
        .map(|table| redb::TableHandle::name(&table).to_owned())
        .collect();
    drop((meta, reading));
    let missing: Vec<Table> =
        layout.tables.iter().copied().filter(|table| !known.iter().any(|k| k == table.0)).collect();
    if !missing.is_empty() {
        add_tables(database, &missing).map_err(fault)?;
    }
    Ok(identity)
}

/// A later release of the same schema may have more tables; they begin empty.
fn add_tables(database: &Database, missing: &[Table]) -> Result<(), Fault> {
    let transaction = durable::begin(database)?;
    for table in missing {
        transaction.open_table(table.definition())?;
    }
    Ok(transaction.commit()?)
}

fn create_in(database: &Database, layout: &Layout) -> Result<StoreIdentity, OpenError> {
    let fault = |fault| OpenError::Fault { file: layout.file, fault };
    let reading = database.begin_read().map_err(|error| fault(error.into()))?;
    let mut tables = reading.list_tables().map_err(|error| fault(error.into()))?;
    if tables.next().is_some() {
        return Err(OpenError::NotAStore { file: layout.file });
    }
    drop(tables);
    drop(reading);
    initialise(database, layout).map_err(fault)
}

/// Fresh bytes from the operating system. Nothing that is stored is ever used as a source of randomness.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Fault> {
    let mut bytes = [0; N];
    SysRng.try_fill_bytes(&mut bytes).map_err(|_| Fault::NoRandomness)?;
    Ok(bytes)
}
