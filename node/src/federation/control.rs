//! Control messages on the wire: `/polyyne/control/1`, one request and one answer per stream, CBOR.
//!
//! The swarm knows a message as a service name and opaque bytes; types live above it. Decoding is
//! strict: a message that does not encode back to itself is refused, which rules out trailing bytes
//! and second spellings. Bytes being read count against one budget for the whole node and are read
//! piece by piece, so that a length that is only claimed costs nothing.

use std::{fmt, io, sync::Arc};

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::{StreamProtocol, request_response};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use polyyne_protocol::{canonical, limits::CONTROL_MESSAGE_MAX};

use super::limits::{INBOUND_BYTES_MAX, SERVICE_NAME_MAX};

pub(super) const PROTOCOL: StreamProtocol = StreamProtocol::new("/polyyne/control/1");

/// Reads are accounted for in pieces of this size.
const PIECE: usize = 16 << 10;

/// What a control message is for; names the handler at the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Service(pub &'static str);

impl Service {
    /// Versions, keys and data address of a node.
    pub const HELLO: Self = Self("hello");
    /// Forming and changing clouds.
    pub const MEMBERSHIP: Self = Self("membership");
    /// The sequencer of turns.
    pub const ORDER: Self = Self("order");
    /// Sealed envelopes passed on by a gateway.
    pub const RELAY: Self = Self("relay");
    /// Signed votes of members.
    pub const VOTES: Self = Self("votes");
    /// A member asks the others to join a session.
    pub const WAKE: Self = Self("wake");
    /// Where stores stand.
    pub const FRESH: Self = Self("fresh");
    /// Verdicts of MAC checks.
    pub const CHECK: Self = Self("check");
    /// A MAC key was burned.
    pub const BURNED: Self = Self("burned");
}

/// Why a peer did not handle a request. Carries no detail: causes stay at home.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// The peer offers no such service (to us).
    #[error("the peer does not offer this service")]
    NoSuchService,
    /// Too many requests in hand.
    #[error("the peer is busy")]
    Busy,
    /// The peer does not let this node ask for this.
    #[error("the peer does not permit this")]
    NotPermitted,
    /// The request could not be read.
    #[error("the peer could not read the request")]
    Malformed,
    /// The handler failed or took too long.
    #[error("the peer failed to handle the request")]
    Failed,
}

/// A request as it leaves or arrives. While it lives, its bytes are counted.
pub struct Request {
    pub service: String,
    pub payload: Vec<u8>,
    pub(super) counted: Option<OwnedSemaphorePermit>,
}

/// Payloads are not printed: some hold shares.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({}, {} bytes)", self.service, self.payload.len())
    }
}

#[derive(Serialize, Deserialize)]
struct RequestWire {
    service: String,
    #[serde(with = "serde_bytes")]
    payload: Vec<u8>,
}

/// An answer, or the peer's refusal.
#[derive(Serialize, Deserialize)]
pub enum Answer {
    Done(#[serde(with = "serde_bytes")] Vec<u8>),
    Refused(Refusal),
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done(bytes) => write!(f, "Done({} bytes)", bytes.len()),
            Self::Refused(refusal) => write!(f, "Refused({refusal:?})"),
        }
    }
}

#[derive(Clone)]
pub struct ControlCodec {
    budget: Arc<Semaphore>,
}

impl Default for ControlCodec {
    fn default() -> Self {
        Self { budget: Arc::new(Semaphore::new(INBOUND_BYTES_MAX / PIECE)) }
    }
}

impl ControlCodec {
    /// Reads to the end of the stream, each piece paid for before it is read.
    async fn read_counted<T: AsyncRead + Unpin + Send>(
        &self,
        io: &mut T,
    ) -> io::Result<(Vec<u8>, OwnedSemaphorePermit)> {
        let mut bytes = Vec::new();
        let mut counted = self.pay()?;
        loop {
            let before = bytes.len();
            (&mut *io).take(PIECE as u64).read_to_end(&mut bytes).await?;
            if bytes.len() > CONTROL_MESSAGE_MAX {
                return Err(invalid("message too large"));
            }
            if bytes.len() - before < PIECE {
                return Ok((bytes, counted));
            }
            counted.merge(self.pay()?);
        }
    }

    fn pay(&self) -> io::Result<OwnedSemaphorePermit> {
        Arc::clone(&self.budget)
            .try_acquire_owned()
            .map_err(|_| io::Error::new(io::ErrorKind::OutOfMemory, "too much in hand"))
    }
}

impl request_response::Codec for ControlCodec {
    type Protocol = StreamProtocol;
    type Request = Request;
    type Response = Answer;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Request>
    where
        T: AsyncRead + Unpin + Send,
    {
        let (bytes, counted) = self.read_counted(io).await?;
        let wire: RequestWire = decode(&bytes)?;
        if wire.service.len() > SERVICE_NAME_MAX {
            return Err(invalid("service name too long"));
        }
        Ok(Request { service: wire.service, payload: wire.payload, counted: Some(counted) })
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Answer>
    where
        T: AsyncRead + Unpin + Send,
    {
        let (bytes, _counted) = self.read_counted(io).await?;
        decode(&bytes)
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, request: Request) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        let wire = RequestWire { service: request.service, payload: request.payload };
        io.write_all(&canonical::encode(&wire)).await
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, io: &mut T, answer: Answer) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&canonical::encode(&answer)).await
    }
}

fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    canonical::decode(bytes, CONTROL_MESSAGE_MAX).map_err(|_| invalid("malformed"))
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;
    use request_response::Codec as _;

    use super::*;

    fn written(request: Request) -> Vec<u8> {
        let mut out = futures::io::Cursor::new(Vec::new());
        block_on(ControlCodec::default().write_request(&PROTOCOL, &mut out, request)).unwrap();
        out.into_inner()
    }

    fn read(bytes: &[u8]) -> io::Result<Request> {
        let mut input = futures::io::Cursor::new(bytes.to_vec());
        block_on(ControlCodec::default().read_request(&PROTOCOL, &mut input))
    }

    fn request(payload: Vec<u8>) -> Request {
        Request { service: Service::HELLO.0.into(), payload, counted: None }
    }

    #[test]
    fn a_request_survives_the_wire() {
        let sent = vec![7u8; 3 * PIECE];
        let got = read(&written(request(sent.clone()))).unwrap();
        assert_eq!((got.service.as_str(), got.payload), ("hello", sent));
    }

    #[test]
    fn trailing_bytes_are_refused() {
        let mut bytes = written(request(vec![1, 2, 3]));
        bytes.push(0);
        assert!(read(&bytes).is_err());
    }

    #[test]
    fn every_truncation_is_refused() {
        let bytes = written(request(vec![1, 2, 3]));
        for end in 0..bytes.len() {
            assert!(read(&bytes[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn an_oversized_request_is_refused_and_its_budget_returned() {
        let codec = ControlCodec::default();
        let before = codec.budget.available_permits();
        let mut input = futures::io::Cursor::new(vec![0u8; CONTROL_MESSAGE_MAX + PIECE]);
        let mut reader = codec.clone();
        assert!(block_on(reader.read_request(&PROTOCOL, &mut input)).is_err());
        assert_eq!(codec.budget.available_permits(), before);
    }
}
