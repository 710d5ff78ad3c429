//! TLS 1.3 whose certificates prove libp2p identities (libp2p specification, `tls/tls.md`).
//!
//! A certificate is self-signed and carries the peer's public key with a signature over the
//! certificate's own key; [`libp2p_tls::certificate`] makes and checks it. What differs from
//! libp2p's ready-made configurations: AES-128-GCM comes first (hardware has it), there is no key
//! log, no resumption, no early data, and the peer must be the expected one in both directions.

use std::{
    collections::HashSet,
    sync::{Arc, PoisonError, RwLock},
};

use libp2p::identity::Keypair;
use libp2p_tls::certificate;
use polyyne_protocol::id::PeerKey;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, DistinguishedName, ServerConfig,
    ServerConnection, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::{
        NoServerSessionStorage,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    sign::{CertifiedKey, SingleCertAndKey},
};

use crate::federation::peer_key;

/// The application protocol: its name holds the wire major.
pub const ALPN: &[u8] = b"polyyne-data/1";

/// Only what libp2p certificates of this node's kind are signed with.
const SCHEMES: &[SignatureScheme] = &[SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::ED25519];

/// The keys that may open links to this node.
#[derive(Clone, Debug, Default)]
pub struct Members(Arc<RwLock<HashSet<PeerKey>>>);

impl Members {
    pub fn replace(&self, keys: HashSet<PeerKey>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    pub fn contains(&self, key: &PeerKey) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(key)
    }
}

/// This node's identity as a TLS client and server.
pub struct LinkTls {
    provider: Arc<CryptoProvider>,
    certificate: Arc<SingleCertAndKey>,
    server: Arc<ServerConfig>,
}

/// The TLS configuration could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot make the link certificate: {0}")]
    Certificate(#[from] certificate::GenError),
    #[error("cannot set up TLS: {0}")]
    Setup(#[from] rustls::Error),
}

impl LinkTls {
    pub fn new(identity: &Keypair, members: Members) -> Result<Self, TlsError> {
        let provider = Arc::new(provider());
        let (certificate, key) = certificate::generate(identity)?;
        let key = provider.key_provider.load_private_key(key)?;
        let certified = CertifiedKey::new(vec![certificate], key);
        let certificate = Arc::new(SingleCertAndKey::from(certified));
        let verifier = Arc::new(Verifier { accept: Accept::Members(members) });
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::clone(&certificate) as _);
        server.alpn_protocols = vec![ALPN.to_vec()];
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        server.key_log = Arc::new(rustls::NoKeyLog);
        Ok(Self { provider, certificate, server: Arc::new(server) })
    }

    /// The dialling side: succeeds with `expected` and nobody else.
    pub fn dial(&self, expected: PeerKey) -> Result<ClientConnection, rustls::Error> {
        let verifier = Verifier { accept: Accept::Exactly(expected) };
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::clone(&self.certificate) as _);
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.resumption = Resumption::disabled();
        config.enable_sni = false;
        config.key_log = Arc::new(rustls::NoKeyLog);
        // libp2p certificates hold no name; the verifier looks at the key alone
        let name = ServerName::try_from("polyyne.invalid").expect("a well-formed name");
        ClientConnection::new(Arc::new(config), name)
    }

    /// The accepting side: succeeds with members only.
    pub fn accept(&self) -> Result<ServerConnection, rustls::Error> {
        ServerConnection::new(Arc::clone(&self.server))
    }
}

/// The key that the other side of a finished handshake has proved.
pub fn proved_key(connection: &rustls::Connection) -> Option<PeerKey> {
    (connection.alpn_protocol() == Some(ALPN)).then_some(())?;
    match connection.peer_certificates()? {
        [only] => key_in(only, &[]).ok(),
        _ => None,
    }
}

/// AES-128-GCM first; then what a machine without AES instructions would rather speak.
fn provider() -> CryptoProvider {
    use ring::cipher_suite::{TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256};
    CryptoProvider {
        cipher_suites: vec![TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256],
        ..ring::default_provider()
    }
}

#[derive(Debug)]
enum Accept {
    Exactly(PeerKey),
    Members(Members),
}

/// Accepts one valid libp2p certificate of the right peer, and nothing else.
#[derive(Debug)]
struct Verifier {
    accept: Accept,
}

impl Verifier {
    fn check(&self, certificate: &CertificateDer<'_>, more: &[CertificateDer<'_>]) -> Result<(), rustls::Error> {
        let key = key_in(certificate, more)?;
        let expected = match &self.accept {
            Accept::Exactly(expected) => *expected == key,
            Accept::Members(members) => members.contains(&key),
        };
        if expected { Ok(()) } else { Err(refused()) }
    }
}

fn key_in(certificate: &CertificateDer<'_>, more: &[CertificateDer<'_>]) -> Result<PeerKey, rustls::Error> {
    if !more.is_empty() {
        return Err(refused());
    }
    let certificate = certificate::parse(certificate)?;
    peer_key(&certificate.peer_id()).map_err(|_| refused())
}

/// The handshake's signature. `webpki` cannot check it: it refuses the libp2p extension as critical.
fn check_signature(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, rustls::Error> {
    certificate::parse(certificate)?.verify_signature(signed.scheme, message, signed.signature())?;
    Ok(HandshakeSignatureValid::assertion())
}

fn refused() -> rustls::Error {
    rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)
}

fn only_tls13() -> rustls::Error {
    rustls::Error::General("only TLS 1.3 is spoken here".into())
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        more: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.check(certificate, more).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(only_tls13())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        check_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SCHEMES.to_vec()
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        more: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.check(certificate, more).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(only_tls13())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        check_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SCHEMES.to_vec()
    }
}
