//! Where the passwords of an instance's accounts are delivered.

use std::fmt;
use std::time::Duration;

use uuid::Uuid;

use super::field::{FieldProblem, LengthUnit};
use super::names::{MasterName, NodeUser};
use super::sealed::Sealed;
use super::time::Timestamp;

/// The most nodes of an instance.
pub const MAX_NODES: usize = 100;
/// The longest list of CAs, as PEM.
pub const MAX_CA_BYTES: usize = 65_536;

/// The address of a node: a host and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NodeAddress {
    text: String,
    host: String,
    port: u16,
}

impl NodeAddress {
    /// Parses `host:port`, or `[address]:port` for IPv6.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, FieldProblem> {
        const EXPECTED: FieldProblem = FieldProblem::Malformed {
            expected: "must be a host, a colon and a port, as in redis-1.example.com:6379 or [2001:db8::1]:6379",
        };
        if text.len() > 300 {
            return Err(FieldProblem::TooLong { max: 300, found: text.len(), unit: LengthUnit::Bytes });
        }
        let (host, port) = text.rsplit_once(':').ok_or(EXPECTED)?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_host = match bracketed {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)),
        };
        let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|port| is_number && *port != 0).ok_or(EXPECTED)?;
        if !is_host {
            return Err(EXPECTED);
        }
        Ok(Self { text: text.to_owned(), host: bracketed.unwrap_or(host).to_owned(), port })
    }

    /// The address of a host, which may be an IPv6 address without brackets, and a port.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn of(host: &str, port: &str) -> Result<Self, FieldProblem> {
        Self::parse(&if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") })
    }

    /// The address as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for NodeAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// How all nodes of an instance are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Discovery {
    /// They are named.
    Named,
    /// Some nodes of a cluster are named, which tell all others.
    Cluster,
    /// Sentinels are named, which tell the nodes that they watch under this name.
    Sentinel(MasterName),
}

/// How nodes are reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// Over TLS, trusting the CAs in that PEM, or the public ones.
    Tls {
        /// The PEM.
        ca: Option<String>,
    },
    /// Without encryption, because an administrator allowed it.
    Plaintext,
}

/// Where the passwords of an instance's accounts are delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its nodes, at most [`MAX_NODES`], or those that are asked for them.
    pub nodes: Vec<NodeAddress>,
    /// How all nodes are found from these.
    pub discovery: Discovery,
    /// How they are reached.
    pub transport: Transport,
    /// The user that sets the passwords.
    pub user: NodeUser,
    /// Whether each node is told to write its list of users to its file.
    pub saves_acl: bool,
    /// How the nodes are compared with what was delivered, if they are.
    pub comparison: Option<Comparison>,
}

/// How nodes are compared with what was delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Comparison {
    /// How often.
    pub every: Duration,
    /// Whether a node that differs gets what was delivered.
    pub mends: bool,
}

/// The shortest time between two comparisons.
pub const MIN_COMPARISON: Duration = Duration::from_mins(1);
/// The longest.
pub const MAX_COMPARISON: Duration = Duration::from_hours(24);

/// An endpoint as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEndpoint {
    /// Its id, another one each time that it is set. Its secret is bound to it.
    pub id: Uuid,
    /// The endpoint.
    pub endpoint: Endpoint,
    /// The password of its user.
    pub secret: Sealed,
    /// When it was set.
    pub set_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_a_host_and_a_port() {
        for (text, host, port) in
            [("redis-1.example.com:6379", "redis-1.example.com", 6379), ("[2001:db8::1]:1", "2001:db8::1", 1)]
        {
            let node = NodeAddress::parse(text).unwrap();
            assert_eq!((node.host(), node.port(), node.as_str()), (host, port, text));
        }
        for bad in ["", "host", "host:", ":6379", "host:0", "host:65536", "host:+1", "h st:1", "::1:6379", "[x]:1"] {
            assert!(NodeAddress::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(NodeAddress::parse(&format!("{}:1", "a".repeat(300))).unwrap_err().reason(), "TOO_LONG");
    }
}
