//! Client sockets of a program, in MP-SPDZ's client protocol: client programs written for MP-SPDZ connect unchanged.
//!
//! Party i listens on the program's port + i. A client tells its number in the clear, then both sides prove themselves
//! by TLS with certificates of a folder ([`keys`]), and the engine describes its field. Everything after that is what the
//! program reads and writes ([`wire`]).
//!
//! A client is not trusted: it cannot make a party read more than the program wants, and every wait for it ends. What it
//! gives a program is the program's to check, as in MP-SPDZ.

mod keys;
mod reception;
mod tls;
mod wire;

use std::collections::BTreeMap;
use std::future::Future;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use polyyne_engine::field::PrimeField;
use polyyne_engine::port::BoxFuture;
use polyyne_engine::vm::{Door, DoorError, Message, Wanted};
use rustls::pki_types::ServerName;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_util::task::TaskTracker;

use super::arguments::SocketOptions;
use super::failure::Failure;
use super::screen::Screen;

pub use keys::KeysError;
use keys::{CLIENTS_MADE, Keys};
use reception::{Connection, Reception};
use tls::Identity;
use wire::{FrameError, Wire};

/// What was written reaches clients in this time after the program's end, or not at all.
const PARTING_MAX: Duration = Duration::from_secs(2);
/// Connections that a program makes as a client.
const OUTGOING_MAX: i64 = 256;

impl SocketOptions {
    /// The sockets that were asked for.
    ///
    /// # Errors
    /// A failure that says what is wrong with the folder of certificates.
    pub fn open(&self, screen: &Screen, field: PrimeField, parties: usize) -> Result<Option<Sockets>, Failure> {
        let Some(address) = self.sockets else { return Ok(None) };
        let screen = *screen;
        let remark = move |text| screen.note(format!("sockets: {text}"));
        let opened = Sockets::open(field, parties, address, &self.tls, self.client_timeout, remark);
        opened.map(Some).map_err(Failure::failed)
    }
}

/// The sockets of all parties of one run.
pub struct Sockets {
    runtime: Runtime,
    reception: Arc<Reception>,
    patience: Duration,
    partings: TaskTracker,
}

#[derive(Debug, thiserror::Error)]
pub enum SocketsError {
    #[error("cannot start the thread for client sockets: {0}")]
    Thread(std::io::Error),
    #[error(transparent)]
    Keys(#[from] KeysError),
}

impl Sockets {
    /// Sockets on `address` with the certificates of `folder`, which are made if they are missing. No wait for a client
    /// is longer than `patience`. `remark` is told what the operator should know.
    ///
    /// # Errors
    /// [`SocketsError`].
    pub fn open(
        field: PrimeField,
        parties: usize,
        address: IpAddr,
        folder: &Path,
        patience: Duration,
        remark: impl Fn(String) + Send + Sync + 'static,
    ) -> Result<Self, SocketsError> {
        let (keys, made) = Keys::prepare(folder, parties)?;
        if !made.is_empty() {
            let clients = made.iter().any(|name| name.starts_with('C'));
            let clients = if clients { format!(" and clients 0 to {}", CLIENTS_MADE - 1) } else { String::new() };
            remark(format!("made certificates for the parties{clients} in {}", folder.display()));
        }
        let identity = |party: usize| {
            let name = format!("P{party}");
            Ok::<_, KeysError>(Identity { certificate: keys.certificate(&name)?, key: keys.key(&name)? })
        };
        let identities = (0..parties).map(identity).collect::<Result<_, _>>()?;
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("sockets").enable_all().build();
        let reception = Reception::new(Wire::new(field), address, keys, identities, Box::new(remark));
        Ok(Self {
            runtime: runtime.map_err(SocketsError::Thread)?,
            reception: Arc::new(reception),
            patience,
            partings: TaskTracker::new(),
        })
    }

    /// A party's door to its clients.
    pub fn door(&self, party: usize) -> SocketDoor {
        SocketDoor {
            party,
            reception: Arc::clone(&self.reception),
            runtime: self.runtime.handle().clone(),
            patience: self.patience,
            partings: self.partings.clone(),
            accepted: BTreeMap::new(),
            connections: BTreeMap::new(),
            outgoing: 0,
        }
    }

    /// A party has failed: the others need wait for no client any more.
    pub fn give_up(&self) {
        self.reception.give_up();
    }

    /// Lets what was written arrive and ends all connections.
    pub fn close(self) {
        self.partings.close();
        // a client that reads nothing more loses what is left
        drop(self.runtime.block_on(async { timeout(PARTING_MAX, self.partings.wait()).await }));
        self.runtime.shutdown_background();
    }
}

/// One party's connections to clients.
pub struct SocketDoor {
    party: usize,
    reception: Arc<Reception>,
    runtime: tokio::runtime::Handle,
    patience: Duration,
    partings: TaskTracker,
    /// By port listened on, how many clients were accepted.
    accepted: BTreeMap<u16, usize>,
    connections: BTreeMap<i64, Connection>,
    outgoing: i64,
}

impl SocketDoor {
    /// Runs on the runtime of the sockets, for no longer than the patience lasts (then the error is `late`) and no party
    /// fails.
    async fn within<T: Send + 'static>(
        &self,
        late: DoorError,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, DoorError> {
        let (patience, reception) = (self.patience, Arc::clone(&self.reception));
        let done = self.runtime.spawn(async move {
            tokio::select! {
                done = timeout(patience, work) => done.map_err(|_| late),
                () = reception.given_up() => Err(DoorError::Over),
            }
        });
        done.await.expect("work on sockets does not panic")
    }

    /// Works with a connection; one on which the work fails is gone.
    async fn with<T: Send + 'static, F: Future<Output = (Connection, Result<T, FrameError>)> + Send + 'static>(
        &mut self,
        client: i64,
        work: impl FnOnce(Connection) -> F,
    ) -> Result<T, DoorError> {
        let connection = self.connections.remove(&client).ok_or(DoorError::NoSuchClient(client))?;
        let done = self.within(DoorError::Stalled(client), work(connection)).await;
        let worked = done.and_then(|(connection, worked)| match worked {
            Ok(worked) => Ok((connection, worked)),
            Err(FrameError::Length { expected, found }) => Err(DoorError::MessageLength { client, expected, found }),
            Err(FrameError::Lost(_)) => Err(DoorError::Gone(client)),
        });
        match worked {
            Ok((connection, worked)) => {
                self.connections.insert(client, connection);
                Ok(worked)
            }
            Err(error) => {
                self.reception.leave(self.party, client);
                Err(error)
            }
        }
    }

    async fn listen_now(&mut self, port: i64) -> Result<(), DoorError> {
        let base = number_of_port(port)?;
        if self.accepted.contains_key(&base) {
            return Ok(());
        }
        let (reception, party) = (Arc::clone(&self.reception), self.party);
        let listening = self.within(DoorError::Failed, async move { reception.listen(party, base).await }).await?;
        let own = port.saturating_add_unsigned(party as u64);
        listening.map_err(|error| DoorError::Port { port: own, cause: error.kind() })?;
        self.accepted.insert(base, 0);
        Ok(())
    }

    async fn accept_now(&mut self, port: i64) -> Result<i64, DoorError> {
        let base = number_of_port(port)?;
        let number = *self.accepted.get(&base).ok_or(DoorError::NotListening)?;
        let (reception, party) = (Arc::clone(&self.reception), self.party);
        let taken = self.within(DoorError::NobodyCame, async move { reception.take(party, base, number).await });
        let (client, connection) = taken.await?;
        self.accepted.insert(base, number + 1);
        self.connections.insert(client, connection);
        Ok(client)
    }

    /// Handles of engines that this one is a client of are -1, -2, ...
    async fn connect_now(&mut self, host: String, port: i64, own_id: i64) -> Result<i64, DoorError> {
        if self.outgoing >= OUTGOING_MAX {
            return Err(DoorError::Failed);
        }
        let (reception, to) = (Arc::clone(&self.reception), number_of_port(port)?);
        let nobody = DoorError::Unreachable { port };
        let connected = self.within(nobody.clone(), async move {
            let connected = call(&reception, &host, to, own_id).await;
            connected
                .map_err(|error| reception.remark(format!("cannot be client {own_id} of {host}:{to}: {error}")))
                .ok()
        });
        let connection = connected.await?.ok_or(nobody)?;
        self.outgoing += 1;
        self.connections.insert(-self.outgoing, connection);
        Ok(-self.outgoing)
    }

    fn close_now(&mut self, client: i64) -> Result<(), DoorError> {
        let connection = self.connections.remove(&client).ok_or(DoorError::NoSuchClient(client))?;
        self.reception.leave(self.party, client);
        self.part(connection);
        Ok(())
    }

    /// Says goodbye in the background: the client need not listen.
    fn part(&self, mut connection: Connection) {
        self.partings.spawn_on(async move { drop(connection.shutdown().await) }, &self.runtime);
    }
}

impl Drop for SocketDoor {
    fn drop(&mut self) {
        let open = std::mem::take(&mut self.connections);
        open.into_values().for_each(|connection| self.part(connection));
    }
}

impl Door for SocketDoor {
    fn listen(&mut self, port: i64) -> BoxFuture<'_, Result<(), DoorError>> {
        Box::pin(self.listen_now(port))
    }

    fn accept(&mut self, port: i64) -> BoxFuture<'_, Result<i64, DoorError>> {
        Box::pin(self.accept_now(port))
    }

    fn connect<'a>(&'a mut self, host: &'a str, port: i64, own_id: i64) -> BoxFuture<'a, Result<i64, DoorError>> {
        Box::pin(self.connect_now(host.to_owned(), port, own_id))
    }

    fn close(&mut self, client: i64) -> BoxFuture<'_, Result<(), DoorError>> {
        let closed = self.close_now(client);
        Box::pin(std::future::ready(closed))
    }

    fn read(&mut self, client: i64, wanted: Wanted, count: usize) -> BoxFuture<'_, Result<Message, DoorError>> {
        Box::pin(async move {
            let wire = self.reception.wire;
            let expected = wire.length(wanted, count).ok_or(DoorError::Length)?;
            let receive = move |mut connection: Connection| async move {
                let payload = wire::receive_frame(&mut connection, expected).await;
                (connection, payload)
            };
            let payload = self.with(client, receive).await?;
            wire.decode(client, wanted, &payload)
        })
    }

    fn write(&mut self, client: i64, label: i32, message: Message) -> BoxFuture<'_, Result<(), DoorError>> {
        Box::pin(async move {
            let payload = self.reception.wire.encode(label, &message);
            let send = move |mut connection: Connection| async move {
                let sent = wire::send_frame(&mut connection, &payload).await;
                (connection, sent.map_err(FrameError::Lost))
            };
            self.with(client, send).await
        })
    }
}

fn number_of_port(port: i64) -> Result<u16, DoorError> {
    let number = u16::try_from(port).ok().filter(|&number| number > 0);
    number.ok_or(DoorError::Port { port, cause: std::io::ErrorKind::InvalidInput })
}

/// Connects to another engine as its client `own_id`.
async fn call(reception: &Reception, host: &str, port: u16, own_id: i64) -> Result<Connection, CallError> {
    let name = format!("C{own_id}");
    let keys = reception.keys();
    let own = Identity { certificate: keys.certificate(&name)?, key: keys.key(&name)? };
    let mut stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    wire::send_frame(&mut stream, own_id.to_string().as_bytes()).await?;
    // the certificate is one of the folder's; no name decides
    let nobody = ServerName::try_from("party.invalid").expect("a well-formed name");
    let connector = TlsConnector::from(tls::client(&own, keys.parties()?)?);
    let mut stream = connector.connect(nobody, stream).await?;
    let described = wire::description(&mut stream).await?;
    if described == reception.wire.description() { Ok(stream.into()) } else { Err(CallError::OtherField) }
}

#[derive(Debug, thiserror::Error)]
enum CallError {
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error(transparent)]
    Socket(#[from] std::io::Error),
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("it computes in another field")]
    OtherField,
}
