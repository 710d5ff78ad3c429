//! A client as MP-SPDZ's users write them, from the description of the wire protocol alone: none of the engine's or the
//! node's code is in it.

use crate::{HANG, until};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

/// A connection to one party.
pub struct Link {
    stream: StreamOwned<ClientConnection, TcpStream>,
    pub prime: Prime,
}

impl Link {
    /// Identifies itself as client `id` with that client's certificate, and reads what the party says of its field.
    ///
    /// # Panics
    /// If anything is not as MP-SPDZ has it.
    pub fn open(base: u16, party: u16, id: u64, keys: &Path, tls: &'static SupportedProtocolVersion) -> Self {
        Self::open_as(base, party, id, &format!("C{id}"), keys, tls).expect("a handshake")
    }

    /// The same with another certificate than the id's own.
    ///
    /// # Errors
    /// If the party does not go through with the handshake.
    pub fn open_as(
        base: u16,
        party: u16,
        id: u64,
        name: &str,
        keys: &Path,
        tls: &'static SupportedProtocolVersion,
    ) -> std::io::Result<Self> {
        let mut socket = connect(base + party);
        let id = id.to_string();
        socket.write_all(&frame(id.as_bytes()))?;
        let mut parties = RootCertStore::empty();
        parties.add(certificate(keys, &format!("P{party}"))).expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(keys.join(format!("{name}.key"))).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[tls])
            .expect("a version")
            .with_root_certificates(parties)
            .with_client_auth_cert(vec![certificate(keys, name)], key)
            .expect("a client's certificate");
        let server = ServerName::try_from(format!("P{party}")).expect("a name");
        let connection = ClientConnection::new(Arc::new(config), server).expect("a connection");
        let mut link = Self { stream: StreamOwned::new(connection, socket), prime: Prime(0) };
        let description = link.try_receive()?;
        assert_eq!(description[..4], [b'p', 0, 0, 0]);
        let length = description[5] as usize;
        let domain = &description[4..13 + length];
        // sign, length, modulus (big-endian), Montgomery; twice the same
        assert_eq!((domain[0], &domain[1..5]), (0, &(length as u32).to_le_bytes()[..]));
        assert_eq!(domain[5 + length..], [1, 0, 0, 0]);
        assert_eq!(&description[4 + domain.len()..], domain);
        let modulus = domain[5..5 + length].iter().fold(0_u128, |all, &byte| all << 8 | u128::from(byte));
        link.prime = Prime(modulus);
        Ok(link)
    }

    /// Sends one message.
    ///
    /// # Panics
    /// If the party is gone.
    pub fn send(&mut self, payload: &[u8]) {
        self.stream.write_all(&frame(payload)).expect("the party listens");
        self.stream.flush().expect("the party listens");
    }

    pub fn send_elements(&mut self, values: &[u128]) {
        let prime = self.prime;
        self.send(&values.iter().flat_map(|&value| prime.encode(value)).collect::<Vec<u8>>());
    }

    /// Receives one message.
    ///
    /// # Panics
    /// If there is none.
    pub fn receive(&mut self) -> Vec<u8> {
        self.try_receive().expect("a message")
    }

    pub fn receive_elements(&mut self) -> Vec<u128> {
        let prime = self.prime;
        self.receive().chunks_exact(prime.bytes()).map(|bytes| prime.decode(bytes)).collect()
    }

    /// The same.
    ///
    /// # Errors
    /// If the party ends the connection.
    pub fn try_receive(&mut self) -> std::io::Result<Vec<u8>> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let mut payload = vec![0; u32::from_le_bytes(length) as usize];
        self.stream.read_exact(&mut payload)?;
        Ok(payload)
    }
}

/// A plain connection to a party, as soon as it listens.
pub fn connect(port: u16) -> TcpStream {
    let socket = until("a party listens", || TcpStream::connect(("127.0.0.1", port)).ok());
    socket.set_read_timeout(Some(HANG)).expect("a socket");
    socket
}

pub fn frame(payload: &[u8]) -> Vec<u8> {
    [&(payload.len() as u32).to_le_bytes(), payload].concat()
}

fn certificate(keys: &Path, name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(keys.join(format!("{name}.pem"))).expect("a certificate")
}

/// Arithmetic modulo an odd prime above 2^64, bit by bit.
#[derive(Clone, Copy, Debug)]
pub struct Prime(pub u128);

impl Prime {
    pub fn add(self, a: u128, b: u128) -> u128 {
        let (sum, over) = a.overflowing_add(b);
        if over || sum >= self.0 { sum.wrapping_sub(self.0) } else { sum }
    }

    pub fn sub(self, a: u128, b: u128) -> u128 {
        if a >= b { a - b } else { a.wrapping_sub(b).wrapping_add(self.0) }
    }

    pub fn mul(self, a: u128, b: u128) -> u128 {
        (0..128).rev().fold(0, |product, bit| {
            let double = self.add(product, product);
            if b >> bit & 1 == 1 { self.add(double, a) } else { double }
        })
    }

    pub fn sum(self, terms: impl IntoIterator<Item = u128>) -> u128 {
        terms.into_iter().fold(0, |sum, term| self.add(sum, term))
    }

    pub fn of(self, value: i64) -> u128 {
        let size = u128::from(value.unsigned_abs());
        if value < 0 { self.sub(0, size) } else { size }
    }

    /// In (−p/2, p/2).
    pub fn signed(self, value: u128) -> i128 {
        if value > self.0 / 2 { -((self.0 - value) as i128) } else { value as i128 }
    }

    /// Two limbs of 64 bits.
    fn bytes(self) -> usize {
        assert!(self.0 >> 64 != 0);
        16
    }

    /// x·2^128, least significant byte first.
    fn encode(self, value: u128) -> [u8; 16] {
        (0..128).fold(value, |value, _| self.add(value, value)).to_le_bytes()
    }

    fn decode(self, bytes: &[u8]) -> u128 {
        let value = u128::from_le_bytes(bytes.try_into().expect("16 bytes"));
        assert!(value < self.0);
        let half = |value: u128| if value & 1 == 0 { value / 2 } else { value / 2 + self.0 / 2 + 1 };
        (0..128).fold(value, |value, _| half(value))
    }
}
