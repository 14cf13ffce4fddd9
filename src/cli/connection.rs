//! Connects to a running service.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tonic::transport::{Channel, Endpoint};

use super::failure::Failure;

const CONNECT_WITHIN: Duration = Duration::from_secs(3);

/// Connects to an address as people write it: `http://host:port`, or without the scheme.
pub(super) async fn connect(address: &str) -> Result<Channel, Failure> {
    let url = match address.split_once("://") {
        None => format!("http://{address}"),
        Some(("http", _)) => address.to_owned(),
        Some((scheme, _)) => return Err(Failure::Usage(format!("{scheme}:// is not supported, only http://"))),
    };
    let endpoint = Endpoint::from_shared(url)
        .map_err(|_| Failure::Usage(format!("{address:?} is not an address, as in http://127.0.0.1:50051")))?;
    let channel = endpoint.connect_timeout(CONNECT_WITHIN).connect().await;
    channel.map_err(|error| Failure::caused(format!("can't reach {address}"), &error))
}

/// The address at which a service that listens there can be reached from the same machine.
pub(super) fn reachable(listen: SocketAddr) -> SocketAddr {
    let port = listen.port();
    match listen {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => (Ipv4Addr::LOCALHOST, port).into(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => (Ipv6Addr::LOCALHOST, port).into(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_is_reached_on_loopback() {
        for (listen, reached) in [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:1", "[::1]:1"), ("192.0.2.1:1", "192.0.2.1:1")] {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), reached);
        }
    }
}
