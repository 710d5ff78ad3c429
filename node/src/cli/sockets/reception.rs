//! Where clients of a run arrive: one listening socket for each party and port, and one order of arrival for all
//! parties.
//!
//! A client has arrived when it has identified itself, shown its certificate and been told the field at *every* party.
//! Parties accept clients in that order, so that they stay in step whatever the order in which connections are made, and
//! a client that comes to some parties only, or never ends its handshake, keeps nobody else waiting.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsStream};

use super::keys::Keys;
use super::tls::{self, Identity};
use super::wire::{self, FrameError, Wire};

/// A connection to a client.
pub type Connection = TlsStream<TcpStream>;

/// Identification and handshake together take at most this long.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// Handshakes at once; more connections are closed.
const HANDSHAKES_MAX: usize = 64;
/// Clients that have come to some party and were not accepted yet.
const WAITING_MAX: usize = 256;
/// Remarks about clients that were turned away.
const REMARKS_MAX: usize = 16;

/// The clients of one run.
pub struct Reception {
    pub wire: Wire,
    address: IpAddr,
    keys: Keys,
    identities: Vec<Identity>,
    handshakes: Arc<Semaphore>,
    state: Mutex<State>,
    arrivals: watch::Sender<()>,
    over: watch::Sender<bool>,
    remark: Box<dyn Fn(String) + Send + Sync>,
}

#[derive(Default)]
struct State {
    ports: BTreeMap<u16, Port>,
    /// (party, client) of connections that are complete or accepted, and not closed.
    active: BTreeSet<(usize, i64)>,
    remarks: usize,
}

/// What came to one port, or to its neighbours at the other parties.
#[derive(Default)]
struct Port {
    /// By client, what is not complete yet.
    coming: BTreeMap<i64, Vec<Option<Connection>>>,
    /// In order of arrival, with the connections that parties have not taken.
    arrived: Vec<(i64, Vec<Option<Connection>>)>,
}

/// Why a connection was turned away.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("it does not identify itself: {0}")]
    Identification(FrameError),
    #[error("client {client} is not known: {cause}")]
    Unknown { client: i64, cause: super::keys::KeysError },
    #[error("client {client}: {cause}")]
    Tls { client: i64, cause: std::io::Error },
    #[error("client {0} is connected already")]
    Twice(i64),
    #[error("too many clients wait")]
    Full,
    #[error("it did not finish its handshake in {} s", HANDSHAKE_MAX.as_secs())]
    Slow,
}

impl Reception {
    pub fn new(
        wire: Wire,
        address: IpAddr,
        keys: Keys,
        identities: Vec<Identity>,
        remark: Box<dyn Fn(String) + Send + Sync>,
    ) -> Self {
        Self {
            wire,
            address,
            keys,
            identities,
            handshakes: Arc::new(Semaphore::new(HANDSHAKES_MAX)),
            state: Mutex::default(),
            arrivals: watch::Sender::new(()),
            over: watch::Sender::new(false),
            remark,
        }
    }

    /// Opens party `party`'s socket for a port: `base + party`. On the runtime.
    pub async fn listen(self: &Arc<Self>, party: usize, base: u16) -> std::io::Result<()> {
        let port = u16::try_from(usize::from(base) + party).map_err(|_| std::io::ErrorKind::InvalidInput)?;
        let listener = TcpListener::bind((self.address, port)).await?;
        tokio::spawn(Arc::clone(self).welcome_all(listener, party, base));
        Ok(())
    }

    async fn welcome_all(self: Arc<Self>, listener: TcpListener, party: usize, base: u16) {
        loop {
            let Ok((stream, from)) = listener.accept().await else {
                // out of file descriptors, mostly: others have to end first
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let Ok(permit) = Arc::clone(&self.handshakes).try_acquire_owned() else { continue };
            let reception = Arc::clone(&self);
            tokio::spawn(async move {
                let welcomed = timeout(HANDSHAKE_MAX, reception.welcome(stream, party)).await;
                let entered = welcomed.unwrap_or(Err(Refused::Slow));
                let entered = entered.and_then(|(client, stream)| reception.enter(party, base, client, stream));
                if let Err(refused) = entered {
                    reception.remark(format!("party {party} turned {from} away: {refused}"));
                }
                drop(permit);
            });
        }
    }

    async fn welcome(&self, mut stream: TcpStream, party: usize) -> Result<(i64, Connection), Refused> {
        let client = wire::identification(&mut stream).await.map_err(Refused::Identification)?;
        let known = self.keys.certificate(&format!("C{client}"));
        let known = known.map_err(|cause| Refused::Unknown { client, cause })?;
        let failed = |cause| Refused::Tls { client, cause };
        stream.set_nodelay(true).map_err(failed)?;
        let config = tls::server(&self.identities[party], known).map_err(std::io::Error::other).map_err(failed)?;
        let mut stream = TlsAcceptor::from(config).accept(stream).await.map_err(failed)?;
        wire::send_frame(&mut stream, &self.wire.description()).await.map_err(failed)?;
        Ok((client, stream.into()))
    }

    /// A client is here at one party; a connection that it had before it had arrived everywhere is forgotten.
    fn enter(&self, party: usize, base: u16, client: i64, stream: Connection) -> Result<(), Refused> {
        let parties = self.identities.len();
        let mut state = self.state();
        if state.active.contains(&(party, client)) {
            return Err(Refused::Twice(client));
        }
        let State { ports, active, .. } = &mut *state;
        let Port { coming, arrived } = ports.entry(base).or_default();
        let waiting = arrived.iter().filter(|(_, streams)| streams.iter().any(Option::is_some)).count();
        if coming.len() + waiting >= WAITING_MAX && !coming.contains_key(&client) {
            return Err(Refused::Full);
        }
        let streams = coming.entry(client).or_insert_with(|| (0..parties).map(|_| None).collect());
        streams[party] = Some(stream);
        if streams.iter().all(Option::is_some) {
            active.extend((0..parties).map(|party| (party, client)));
            arrived.extend(coming.remove_entry(&client));
            self.arrivals.send_replace(());
        }
        Ok(())
    }

    /// Waits for the client that is `number`th on a port, and takes this party's connection to it.
    pub async fn take(&self, party: usize, base: u16, number: usize) -> (i64, Connection) {
        let mut arrivals = self.arrivals.subscribe();
        loop {
            arrivals.borrow_and_update();
            let taken = self.state().ports.get_mut(&base).and_then(|port| {
                let (client, streams) = port.arrived.get_mut(number)?;
                Some((*client, streams[party].take()?))
            });
            match taken {
                Some(taken) => return taken,
                // this side owns the sender: there is always another arrival to wait for
                None => drop(arrivals.changed().await),
            }
        }
    }

    /// A party is done with a client, which may come again.
    pub fn leave(&self, party: usize, client: i64) {
        self.state().active.remove(&(party, client));
    }

    /// All waits end.
    pub fn give_up(&self) {
        self.over.send_replace(true);
    }

    /// Waits for that.
    pub async fn given_up(&self) {
        // this side owns the sender: the wait ends with the value
        drop(self.over.subscribe().wait_for(|&over| over).await);
    }

    /// The keys for connections as a client.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Tells the operator, if it was not told much already.
    pub fn remark(&self, text: String) {
        let mut state = self.state();
        state.remarks += 1;
        if state.remarks <= REMARKS_MAX {
            drop(state);
            (self.remark)(text);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
