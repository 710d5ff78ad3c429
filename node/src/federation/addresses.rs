//! Which addresses this node dials (T20).
//!
//! An address that a stranger tells us must not make us knock at doors inside our own network.
//! [`Guard`] wraps the transport *below* name resolution, so that what is judged is the address that
//! will really be dialled. Addresses that the operator configured or that a signed membership record
//! names are permitted one by one; others must be public, unprivileged and direct.

use std::{
    collections::HashSet,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    pin::Pin,
    sync::{Arc, PoisonError, RwLock},
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId, Transport,
    core::{
        muxing::StreamMuxerBox,
        transport::{Boxed, DialOpts, ListenerId, TransportError, TransportEvent},
    },
    multiaddr::Protocol,
};

/// What may be dialled. Shared between the node and its transport.
#[derive(Clone, Default)]
pub struct AddressPolicy {
    private: bool,
    permitted: Arc<RwLock<HashSet<(IpAddr, u16)>>>,
}

impl AddressPolicy {
    /// With `private`, addresses of loopback and local networks are dialled too: for a testnet and
    /// for clouds inside one network.
    pub fn new(private: bool) -> Self {
        Self { private, permitted: Arc::default() }
    }

    /// Permits one address, whatever its range.
    pub fn permit(&self, address: &Multiaddr) {
        if let Some(endpoint) = endpoint(address) {
            self.permitted.write().unwrap_or_else(PoisonError::into_inner).insert(endpoint);
        }
    }

    /// Whether `address` (with its IP resolved) may be dialled.
    pub fn allows(&self, address: &Multiaddr) -> bool {
        let Some((ip, port)) = endpoint(address) else {
            return false;
        };
        self.permitted.read().unwrap_or_else(PoisonError::into_inner).contains(&(ip, port))
            || (port >= 1024 && (is_public(ip) || (self.private && is_local(ip))))
    }

    /// Whether an address is worth remembering: allowed, or a name that will be judged once resolved.
    pub fn worth_keeping(&self, address: &Multiaddr) -> bool {
        let named = matches!(address.iter().next(), Some(Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_)));
        let relayed = address.iter().any(|p| matches!(p, Protocol::P2pCircuit));
        !relayed && (named || self.allows(address))
    }
}

/// IP and port of a direct TCP or QUIC address; `None` for any other shape.
pub(super) fn endpoint(address: &Multiaddr) -> Option<(IpAddr, u16)> {
    let mut parts = address.iter();
    let ip = match parts.next()? {
        Protocol::Ip4(ip) => IpAddr::V4(ip),
        Protocol::Ip6(ip) => ip.to_canonical(),
        _ => return None,
    };
    let port = match parts.next()? {
        Protocol::Tcp(port) => port,
        Protocol::Udp(port) => matches!(parts.next()?, Protocol::QuicV1).then_some(port)?,
        _ => return None,
    };
    match (parts.next(), parts.next()) {
        (None | Some(Protocol::P2p(_)), None) => Some((ip, port)),
        _ => None,
    }
}

/// Loopback and private ranges; never link-local ones, where cloud metadata services live.
fn is_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || is_shared(ip),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local(),
    }
}

fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [first, second, third, _] = ip.octets();
    !(ip.is_loopback()
        || ip.is_private()
        || is_shared(ip)
        || ip.is_link_local()
        || ip.is_multicast()
        || ip.is_broadcast()
        || ip.is_documentation()
        || first == 0
        || first >= 240
        || (first, second, third) == (192, 0, 0)
        || (first == 198 && second & 0xfe == 18))
}

/// Global unicast is 2000::/3, less what embeds an IPv4 address or documents.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    let head = ip.segments();
    head[0] & 0xe000 == 0x2000 && head[0] != 0x2002 && !(head[0] == 0x2001 && (head[1] < 0x200 || head[1] == 0xdb8))
}

/// 100.64.0.0/10, carrier-grade NAT.
fn is_shared(ip: Ipv4Addr) -> bool {
    let [first, second, ..] = ip.octets();
    first == 100 && second & 0xc0 == 64
}

type Connected = (PeerId, StreamMuxerBox);

/// A transport that refuses to dial what the policy does not allow.
pub(super) struct Guard {
    inner: Boxed<Connected>,
    policy: AddressPolicy,
}

impl Guard {
    pub(super) fn new(inner: Boxed<Connected>, policy: AddressPolicy) -> Self {
        Self { inner, policy }
    }
}

impl Transport for Guard {
    type Output = Connected;
    type Error = io::Error;
    type ListenerUpgrade = <Boxed<Connected> as Transport>::ListenerUpgrade;
    type Dial = <Boxed<Connected> as Transport>::Dial;

    fn listen_on(&mut self, id: ListenerId, address: Multiaddr) -> Result<(), TransportError<io::Error>> {
        self.inner.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.inner.remove_listener(id)
    }

    fn dial(&mut self, address: Multiaddr, options: DialOpts) -> Result<Self::Dial, TransportError<io::Error>> {
        if !self.policy.allows(&address) {
            return Err(TransportError::Other(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("{address} is not an address this node may dial"),
            )));
        }
        self.inner.dial(address, options)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        Pin::new(&mut self.inner).poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }

    const HOSTILE: &[&str] = &[
        "/ip4/127.0.0.1/tcp/4190",
        "/ip4/10.0.0.1/tcp/4190",
        "/ip4/192.168.1.1/udp/4190/quic-v1",
        "/ip4/172.16.0.1/tcp/4190",
        "/ip4/169.254.169.254/tcp/8080",
        "/ip4/100.64.0.1/tcp/4190",
        "/ip4/0.0.0.0/tcp/4190",
        "/ip4/224.0.0.1/tcp/4190",
        "/ip4/255.255.255.255/tcp/4190",
        "/ip4/8.8.8.8/tcp/22",
        "/ip4/8.8.8.8/udp/4190",
        "/ip4/8.8.8.8/tcp/4190/ws",
        "/ip6/::1/tcp/4190",
        "/ip6/fe80::1/tcp/4190",
        "/ip6/fc00::1/tcp/4190",
        "/ip6/::ffff:127.0.0.1/tcp/4190",
        "/ip6/2002:7f00:1::/tcp/4190",
        "/ip6/64:ff9b::7f00:1/tcp/4190",
        "/dns4/localhost/tcp/4190",
        "/memory/1",
        "/ip4/8.8.8.8/tcp/4190/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN/p2p-circuit",
    ];

    #[test]
    fn hostile_addresses_are_not_dialled() {
        let policy = AddressPolicy::new(false);
        for text in HOSTILE {
            assert!(!policy.allows(&address(text)), "{text}");
        }
        assert!(policy.allows(&address("/ip4/8.8.8.8/tcp/4190")));
        assert!(policy.allows(&address("/ip6/2606:4700::1/udp/4190/quic-v1")));
    }

    #[test]
    fn a_private_network_still_excludes_link_local_and_privileged_ports() {
        let policy = AddressPolicy::new(true);
        assert!(policy.allows(&address("/ip4/127.0.0.1/tcp/4190")));
        assert!(policy.allows(&address("/ip4/10.0.0.1/udp/4190/quic-v1")));
        assert!(!policy.allows(&address("/ip4/169.254.169.254/tcp/8080")));
        assert!(!policy.allows(&address("/ip4/127.0.0.1/tcp/22")));
    }

    #[test]
    fn one_permitted_address_opens_no_other() {
        let policy = AddressPolicy::new(false);
        policy.permit(&address("/ip4/127.0.0.1/tcp/4190"));
        assert!(policy.allows(&address("/ip4/127.0.0.1/tcp/4190")));
        assert!(policy.allows(&address("/ip6/::ffff:127.0.0.1/tcp/4190")));
        assert!(!policy.allows(&address("/ip4/127.0.0.1/tcp/4191")));
    }
}
