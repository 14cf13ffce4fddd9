//! Connects to a running service.

use std::error::Error;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tonic::transport::{Channel, Endpoint};

use super::failure::Failure;
use super::tls::{ClientTls, advice};
use crate::domain::text::is_loopback;
use crate::grpc::generated::credential::admin::v1::admin_service_client::AdminServiceClient;
use crate::service::error::with_causes;

/// How long TCP and TLS may take together.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// How often a connection with calls under way is tried.
const PING_EVERY: Duration = Duration::from_secs(30);

/// Larger than a response can be: a full page, or the report of an import.
pub(super) const MAX_RESPONSE_BYTES: usize = 64 * 1024 * 1024;

/// Calls the administration over a connection.
pub(super) fn administration(channel: Channel) -> AdminServiceClient<Channel> {
    AdminServiceClient::new(channel).max_decoding_message_size(MAX_RESPONSE_BYTES)
}

/// Connects to an address as people write it: `https://host:port`, `http://host:port`, or without the scheme, which
/// means `http` and this machine: to another one, passwords and tokens go in plaintext only if that is asked for.
pub(super) async fn connect(address: &str, tls: ClientTls) -> Result<Channel, Failure> {
    let endpoint = endpoint(address, tls)?;
    let cant_reach = format!("can't reach {address}");
    match tokio::time::timeout(CONNECT_WITHIN, endpoint.connect()).await {
        Ok(connected) => connected.map_err(|error| lost(cant_reach, &error)),
        Err(_) => Err(Failure::not_now(format!("{cant_reach}: no answer within {} seconds", CONNECT_WITHIN.as_secs()))),
    }
}

/// A connection to such an address that is made with the first call, and again when it was lost.
pub(super) fn connect_lazily(address: &str, tls: ClientTls) -> Result<Channel, Failure> {
    // Without an answer to a ping, a call that waits for the next message ends: a peer may vanish without a word.
    Ok(endpoint(address, tls)?.http2_keep_alive_interval(PING_EVERY).connect_lazy())
}

fn endpoint(address: &str, tls: ClientTls) -> Result<Endpoint, Failure> {
    let (url, is_encrypted) = match address.split_once("://") {
        None => (format!("http://{address}"), false),
        Some(("http", _)) => (address.to_owned(), false),
        Some(("https", _)) => (address.to_owned(), true),
        Some((scheme, _)) => {
            return Err(Failure::usage(format!("{scheme}:// is not supported, only https:// and http://")));
        }
    };
    let endpoint = Endpoint::from_shared(url)
        .map_err(|_| Failure::usage(format!("{address:?} is not an address, as in https://127.0.0.1:50051")))?;
    if !address.contains("://") && !endpoint.uri().host().is_some_and(is_loopback) {
        return Err(Failure::usage(format!(
            "{address} is another machine: use https://{address}, or http:// for a connection without TLS"
        )));
    }
    let endpoint = match (is_encrypted, tls.is_given()) {
        (true, _) => tls.apply(endpoint)?,
        (false, false) => endpoint,
        // The caller expects TLS, and a token would be sent without it.
        (false, true) => {
            return Err(Failure::usage(format!(
                "{address} is plaintext, and a CA or certificate is given: use https://"
            )));
        }
    };
    Ok(endpoint.connect_timeout(CONNECT_WITHIN))
}

/// A failure of the connection, with its causes, and with advice if it does not pass by itself.
pub(super) fn lost(context: String, error: &(dyn Error + 'static)) -> Failure {
    let text = with_causes(context, Some(error));
    match advice(error) {
        Some(advice) => Failure::failed(text).with_line(advice),
        None => Failure::not_now(text),
    }
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
    use crate::cli::environment::Environment;
    use crate::cli::failure::Kind;
    use crate::cli::tls::TlsArgs;

    #[test]
    fn another_machine_is_called_in_plaintext_only_if_that_is_asked_for() {
        let tls = || TlsArgs::default().read(&Environment::of(std::iter::empty())).unwrap();
        for address in ["127.0.0.1:1", "[::1]:1", "localhost:1", "http://192.0.2.1:1"] {
            assert!(endpoint(address, tls()).is_ok(), "{address}");
        }
        for address in ["192.0.2.1:1", "[2001:db8::1]:1", "example.com:1", "localhost.example.com:1"] {
            assert!(endpoint(address, tls()).is_err_and(|failure| failure.kind() == Kind::Usage), "{address}");
        }
    }

    #[test]
    fn a_wildcard_is_reached_on_loopback() {
        for (listen, reached) in [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:1", "[::1]:1"), ("192.0.2.1:1", "192.0.2.1:1")] {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), reached);
        }
    }
}
