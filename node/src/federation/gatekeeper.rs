//! Refuses connections before any protocol runs on them: peers whose key is not ed25519, and more
//! inbound connections from one IP address than a neighbourly node opens.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::IpAddr,
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId,
    core::{ConnectedPoint, Endpoint, transport::PortUse},
    multiaddr::Protocol,
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent,
        ToSwarm, dummy,
    },
};

use super::{NotAPeerKey, limits::INBOUND_CONNECTIONS_PER_IP_MAX, peer_key};

#[derive(Default)]
pub struct Gatekeeper {
    inbound: HashMap<IpAddr, usize>,
}

#[derive(Debug, thiserror::Error)]
enum Denied {
    #[error(transparent)]
    Key(#[from] NotAPeerKey),
    #[error("too many connections from {0}")]
    Address(IpAddr),
}

fn ip(address: &Multiaddr) -> Option<IpAddr> {
    match address.iter().next()? {
        Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
        Protocol::Ip6(ip) => Some(ip.to_canonical()),
        _ => None,
    }
}

impl NetworkBehaviour for Gatekeeper {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        peer_key(&peer).map_err(|e| ConnectionDenied::new(Denied::from(e)))?;
        if let Some(ip) = ip(remote)
            && !ip.is_loopback()
            && self.inbound.get(&ip).copied().unwrap_or(0) >= INBOUND_CONNECTIONS_PER_IP_MAX
        {
            return Err(ConnectionDenied::new(Denied::Address(ip)));
        }
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        peer_key(&peer).map_err(|e| ConnectionDenied::new(Denied::from(e)))?;
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm) {
        match event {
            FromSwarm::ConnectionEstablished(established) => {
                if let Some(ip) = inbound_ip(established.endpoint) {
                    *self.inbound.entry(ip).or_default() += 1;
                }
            }
            FromSwarm::ConnectionClosed(closed) => {
                if let Some(ip) = inbound_ip(closed.endpoint) {
                    self.forget(ip);
                }
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

impl Gatekeeper {
    fn forget(&mut self, ip: IpAddr) {
        let Some(count) = self.inbound.get_mut(&ip) else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            self.inbound.remove(&ip);
        }
    }
}

fn inbound_ip(endpoint: &ConnectedPoint) -> Option<IpAddr> {
    match endpoint {
        ConnectedPoint::Listener { send_back_addr, .. } => ip(send_back_addr),
        ConnectedPoint::Dialer { .. } => None,
    }
}
