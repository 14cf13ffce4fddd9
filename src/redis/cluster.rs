//! The nodes of a cluster, as they tell each other.

use crate::domain::endpoint::{MAX_NODES, NodeAddress};
use crate::ports::NodeProblem;

/// The nodes in an answer to `CLUSTER NODES`, replicas as well. One that is down is one of them until it is forgotten there.
///
/// One that knows no other one and serves no slot has lost its cluster, or has not met it yet: it tells nothing about that.
pub(super) fn members(text: &str, asked: &NodeAddress) -> Result<Vec<NodeAddress>, NodeProblem> {
    let (mut members, mut has_slots) = (Vec::new(), false);
    for line in text.lines() {
        let mut words = line.split(' ').skip(1);
        let (Some(address), Some(flags)) = (words.next(), words.next()) else { return Err(unreadable()) };
        // It is no member yet.
        if flags.split(',').any(|flag| flag == "handshake") {
            continue;
        }
        members.push(member(address, asked)?);
        // They come after its master, two times, its epoch and the state of the connection.
        has_slots |= words.nth(5).is_some();
    }
    if members.len() == 1 && !has_slots {
        return Err(NodeProblem::Refused("that it knows no other node, and has no slots, to CLUSTER NODES".to_owned()));
    }
    if members.is_empty() || members.len() > MAX_NODES {
        return Err(NodeProblem::Refused(format!("{} nodes to CLUSTER NODES", members.len())));
    }
    Ok(members)
}

/// The address in `host:port@port of the bus,name,…`, where the name and the host may be empty.
fn member(text: &str, asked: &NodeAddress) -> Result<NodeAddress, NodeProblem> {
    let (address, others) = text.split_once(',').unwrap_or((text, ""));
    let (address, _) = address.split_once('@').unwrap_or((address, ""));
    let (host, port) = address.rsplit_once(':').ok_or_else(unreadable)?;
    let name = others.split(',').next().unwrap_or_default();
    let host = match (name, host) {
        // A node that has met no other one does not know its address.
        ("", "") => asked.host(),
        ("", host) => host,
        (name, _) => name,
    };
    NodeAddress::of(host, port).map_err(|_| unreadable())
}

fn unreadable() -> NodeProblem {
    NodeProblem::Refused("a node without an address to CLUSTER NODES".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_member_of_a_cluster_is_found_by_its_name_or_address() {
        let asked = NodeAddress::parse("seed:7000").unwrap();
        let line =
            |address, flags| format!("07c37dfeb235213a872192d90877d0cd55635b91 {address} {flags} - 0 0 1 connected\n");
        let text = [
            line(":7000@17000", "myself,master"),
            line("127.0.0.1:7001@17001,redis-1.example.com", "slave"),
            line("127.0.0.1:7002@17002,,tls-port=0,shard-id=1", "master,fail"),
            line("2001:db8::1:7003@17003", "master"),
            line("127.0.0.1:7004@17004", "handshake"),
        ]
        .concat();
        let found = members(&text, &asked).unwrap();
        let found: Vec<_> = found.iter().map(NodeAddress::as_str).collect();
        assert_eq!(found, ["seed:7000", "redis-1.example.com:7001", "127.0.0.1:7002", "[2001:db8::1]:7003"]);
        let alone = line(":7000@17000", "myself,master");
        let meeting = alone.clone() + &line("127.0.0.1:7004@17004", "handshake");
        for lost in [&alone, &meeting] {
            assert!(members(lost, &asked).is_err(), "it may have lost its cluster");
        }
        let whole = alone.replace("connected", "connected 0-16383");
        assert_eq!(members(&whole, &asked).unwrap(), std::slice::from_ref(&asked));
        for bad in ["", "x", "x :0@0 master,noaddr", "x 127.0.0.1 master", "x a b:1 master"] {
            assert!(members(bad, &asked).is_err(), "{bad}");
        }
        assert!(members(&line("127.0.0.1:1@2", "master").repeat(MAX_NODES + 1), &asked).is_err());
    }
}
