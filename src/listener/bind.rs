//! Binds an address.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use backon::Retryable;
use futures_util::TryFutureExt;
use tokio::net::TcpListener;

use crate::ports::retries;

/// Why an address can't be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another program listens on it.
    #[error("{0} is in use by another program: stop it, or choose another port")]
    Taken(SocketAddr),
    /// The system gave the port to an outgoing connection of a local program.
    #[error(
        "{0} is in use: a program on this machine opened a connection from this port. Choose a port \
         outside of net.ipv4.ip_local_port_range, or reserve this one with net.ipv4.ip_local_reserved_ports"
    )]
    Outgoing(SocketAddr),
    /// Anything else.
    #[error("can't listen on {address}")]
    Other {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl BindError {
    fn of(address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            ErrorKind::AddrInUse if has_listener(address) => Self::Taken(address),
            ErrorKind::AddrInUse => Self::Outgoing(address),
            _ => Self::Other { address, source },
        }
    }
}

/// Binds an address. If it is in use but no program listens on it, retries for a moment.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    let attempt = || TcpListener::bind(address).map_err(|error| BindError::of(address, error));
    let is_passing = |error: &BindError| matches!(error, BindError::Outgoing(_));
    attempt.retry(retries::PORT).sleep(tokio::time::sleep).when(is_passing).await
}

/// Whether a program listens where `address` would, as far as the system shows (`proc(5)`).
fn has_listener(address: SocketAddr) -> bool {
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|path| std::fs::read_to_string(path).ok())
        .any(|table| listeners(&table).any(|listener| overlap(listener, address)))
}

/// The addresses of listening sockets in a table of sockets.
fn listeners(table: &str) -> impl Iterator<Item = SocketAddr> + '_ {
    const LISTEN: &str = "0A";
    table.lines().skip(1).filter_map(|line| {
        let mut columns = line.split_whitespace().skip(1);
        let (local, state) = (columns.next()?, columns.nth(1)?);
        let (ip, port) = local.split_once(':')?;
        let listener = SocketAddr::new(ip_of(ip)?, u16::from_str_radix(port, 16).ok()?);
        (state == LISTEN).then_some(listener)
    })
}

/// An address as the table writes it: groups of four bytes, each in the byte order of the machine.
fn ip_of(text: &str) -> Option<IpAddr> {
    let group = |index: usize| u32::from_str_radix(text.get(index * 8..index * 8 + 8)?, 16).ok().map(u32::to_ne_bytes);
    match text.len() {
        8 => group(0).map(|bytes| Ipv4Addr::from(bytes).into()),
        32 => {
            let mut bytes = [0; 16];
            for (index, part) in bytes.chunks_mut(4).enumerate() {
                part.copy_from_slice(&group(index)?);
            }
            Some(Ipv6Addr::from(bytes).to_canonical())
        }
        _ => None,
    }
}

fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() == other.port()
        && (one.ip().is_unspecified() || other.ip().is_unspecified() || one.ip() == other.ip().to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_endian = "little")]
    #[test]
    fn a_table_of_sockets_is_read() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt
   0: 0100007F:C383 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0
   1: 0100007F:C384 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 2 1 0
   2: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 3 1 0
   3: junk";
        let found: Vec<_> = listeners(table).map(|address| address.to_string()).collect();
        assert_eq!(found, ["127.0.0.1:50051", "[::1]:8080"]);
    }

    #[test]
    fn every_address_overlaps_with_the_unspecified_one() {
        let address = |text: &str| text.parse().unwrap();
        assert!(overlap(address("0.0.0.0:1"), address("127.0.0.1:1")));
        assert!(overlap(address("127.0.0.1:1"), address("[::]:1")));
        assert!(!overlap(address("127.0.0.1:1"), address("127.0.0.2:1")));
        assert!(!overlap(address("0.0.0.0:1"), address("0.0.0.0:2")));
    }

    #[tokio::test]
    async fn an_address_on_which_a_program_listens_is_refused_at_once() {
        let taken = bind((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
        let address = taken.local_addr().unwrap();
        assert!(matches!(bind(address).await, Err(BindError::Taken(found)) if found == address));
    }

    #[tokio::test]
    async fn a_port_of_an_outgoing_connection_is_waited_for_and_then_named() {
        let server = bind((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
        let outgoing = tokio::net::TcpStream::connect(server.local_addr().unwrap()).await.unwrap();
        let address = outgoing.local_addr().unwrap();
        assert!(matches!(bind(address).await, Err(BindError::Outgoing(found)) if found == address));
        let ((), bound) = tokio::join!(
            async {
                // The other side closes first, so that this port is free at once.
                drop(server.accept().await.unwrap());
                outgoing.readable().await.unwrap();
                drop(outgoing);
            },
            bind(address)
        );
        bound.unwrap();
    }
}
