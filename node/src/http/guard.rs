//! What every request to the client's door must pass before anything else looks at it.
//!
//! A browser on this machine can be made to send requests here by any web page. Two things stop that: the `Host` must be
//! a name of this node (a page that rebinds its own name to 127.0.0.1 still sends its own name), and a request that
//! carries an `Origin` comes from a page and is refused. There are no cookies and no CORS answers.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// The names under which a node may be asked.
#[derive(Debug, Clone)]
pub struct Hosts {
    names: Arc<[String]>,
    local: SocketAddr,
}

impl Hosts {
    /// `local` is where the door listens; `names` are those of the config.
    pub fn new(local: SocketAddr, names: &[String]) -> Self {
        Self { names: names.iter().map(|name| name.to_ascii_lowercase()).collect(), local }
    }

    /// Whether a `Host` header names this node: the address it listens on (any address if it listens on all),
    /// `localhost` if that is loopback, or a configured name; with or without the port.
    pub fn admit(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let (name, port) = split_port(&host);
        if port.is_some_and(|port| port != self.local.port().to_string()) && !self.names.contains(&host) {
            // behind a proxy the port is the proxy's: then the configured name counts without it
            return self.names.iter().any(|known| known == name);
        }
        if self.names.iter().any(|known| known == name || *known == host) {
            return true;
        }
        let everywhere = self.local.ip().is_unspecified();
        match name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            Ok(address) => everywhere || address == self.local.ip(),
            Err(_) => name == "localhost" && (everywhere || self.local.ip().is_loopback()),
        }
    }
}

/// `name:port` taken apart; IPv6 addresses keep their brackets.
fn split_port(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    }
}

/// The middleware.
pub async fn check(State(hosts): State<Hosts>, request: Request, next: Next) -> Response {
    match refusal(&hosts, request.headers()) {
        Some(why) => (StatusCode::FORBIDDEN, why).into_response(),
        None => next.run(request).await,
    }
}

/// Lets requests from this machine through, and only those: neither from elsewhere nor carried here by a proxy.
pub async fn local_only(request: Request, next: Next) -> Response {
    let from = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(from)| *from);
    match is_local(from, request.headers()) {
        true => next.run(request).await,
        false => (StatusCode::FORBIDDEN, "this is told to this machine only\n").into_response(),
    }
}

fn is_local(from: Option<SocketAddr>, headers: &HeaderMap) -> bool {
    let carried = ["forwarded", "x-forwarded-for", "x-real-ip", "via"].iter().any(|name| headers.contains_key(*name));
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = split_port(host).0.trim_start_matches('[').trim_end_matches(']');
    let local_name = name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    from.is_some_and(|from| from.ip().is_loopback()) && local_name && !carried
}

fn refusal(hosts: &Hosts, headers: &HeaderMap) -> Option<&'static str> {
    if headers.contains_key(header::ORIGIN) {
        return Some("requests from web pages are refused\n");
    }
    let mut named = headers.get_all(header::HOST).iter();
    let host = named.next().and_then(|host| host.to_str().ok());
    match (host, named.next()) {
        (Some(host), None) if hosts.admit(host) => None,
        _ => Some("this node does not go by that name; its operator can add it to http.hosts in config.toml\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loopback() -> Hosts {
        Hosts::new("127.0.0.1:4180".parse().unwrap(), &["vcp.example.org".into()])
    }

    #[test]
    fn a_foreign_name_is_refused_even_when_it_resolves_here() {
        for host in
            ["evil.example", "evil.example:4180", "127.0.0.1.evil.example", "127.0.0.2:4180", "127.0.0.1:80", ""]
        {
            assert!(!loopback().admit(host), "{host}");
        }
    }

    #[test]
    fn the_nodes_own_names_are_admitted() {
        for host in ["127.0.0.1:4180", "127.0.0.1", "localhost:4180", "VCP.example.org", "vcp.example.org:443"] {
            assert!(loopback().admit(host), "{host}");
        }
        let everywhere = Hosts::new("0.0.0.0:4180".parse().unwrap(), &[]);
        assert!(everywhere.admit("192.0.2.7:4180") && !everywhere.admit("evil.example:4180"));
        let six = Hosts::new("[::1]:4180".parse().unwrap(), &[]);
        assert!(six.admit("[::1]:4180") && six.admit("[::1]") && !six.admit("[::2]:4180"));
    }

    #[test]
    fn what_is_for_this_machine_is_told_to_nobody_else() {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "127.0.0.1:4180".parse().unwrap());
        let here = Some("127.0.0.1:5555".parse().unwrap());
        assert!(is_local(here, &headers));
        assert!(!is_local(Some("192.0.2.7:5555".parse().unwrap()), &headers));
        assert!(!is_local(None, &headers));
        let mut carried = headers.clone();
        carried.insert("x-forwarded-for", "192.0.2.7".parse().unwrap());
        assert!(!is_local(here, &carried));
        headers.insert(header::HOST, "vcp.example.org".parse().unwrap());
        assert!(!is_local(here, &headers));
    }

    #[test]
    fn a_request_with_an_origin_or_two_hosts_is_refused() {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "localhost:4180".parse().unwrap());
        assert_eq!(refusal(&loopback(), &headers), None);
        let mut twice = headers.clone();
        twice.append(header::HOST, "localhost:4180".parse().unwrap());
        assert!(refusal(&loopback(), &twice).is_some());
        headers.insert(header::ORIGIN, "http://localhost:4180".parse().unwrap());
        assert!(refusal(&loopback(), &headers).is_some());
    }
}
