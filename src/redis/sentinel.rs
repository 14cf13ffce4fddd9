//! The nodes that Sentinels watch.

use tokio::io::{AsyncRead, AsyncWrite};

use super::resp::{Connection, Reply};
use super::{other_answer, refused, sign_in};
use crate::domain::endpoint::{Endpoint, MAX_NODES, NodeAddress};
use crate::domain::names::MasterName;
use crate::ports::NodeProblem;

/// The primary that a Sentinel knows by that name, and its replicas. One that is down is one of them until the Sentinel is reset.
pub(super) async fn watched<S: AsyncRead + AsyncWrite + Unpin>(
    connection: &mut Connection<S>,
    endpoint: &Endpoint,
    secret: &str,
    master: &MasterName,
) -> Result<Vec<NodeAddress>, NodeProblem> {
    let primary = match connection.command(&["SENTINEL", "MASTER", master.as_str()]).await? {
        // One without users of its own needs no password, and gets none.
        Reply::Error(error) if ["NOAUTH", "NOPERM"].iter().any(|code| error.starts_with(code)) => {
            sign_in(connection, endpoint, secret).await?;
            connection.command(&["SENTINEL", "MASTER", master.as_str()]).await?
        }
        answered => answered,
    };
    if has_not_asked(&primary) {
        return Err(NodeProblem::Refused("that it does not know the nodes yet".to_owned()));
    }
    let mut nodes = addresses(primary, "SENTINEL MASTER")?;
    let replicas = connection.command(&["SENTINEL", "REPLICAS", master.as_str()]).await?;
    nodes.extend(addresses(replicas, "SENTINEL REPLICAS")?);
    if nodes.is_empty() || nodes.len() > MAX_NODES {
        return Err(NodeProblem::Refused(format!("{} nodes to SENTINEL REPLICAS", nodes.len())));
    }
    Ok(nodes)
}

/// Whether a Sentinel, which was just started or reset, has not asked the primary yet: until then it knows no replica.
/// Then it does not know the primary's run id either.
fn has_not_asked(primary: &Reply) -> bool {
    let Reply::List(texts) = primary else { return false };
    texts.chunks(2).any(|pair| matches!(pair, [name, id] if name == "runid" && id.is_empty()))
}

/// The addresses in an answer: of each node a name and a value by turns, `ip` and `port` among them.
fn addresses(answer: Reply, command: &str) -> Result<Vec<NodeAddress>, NodeProblem> {
    let texts = match answer {
        Reply::List(texts) => texts,
        Reply::Error(error) => return Err(refused(&error, command)),
        Reply::Text(_) | Reply::Nothing | Reply::Number => return Err(other_answer(command)),
    };
    let (mut nodes, mut host) = (Vec::new(), None);
    for pair in texts.chunks(2) {
        match pair {
            [name, value] if name == "ip" => host = Some(value),
            [name, port] if name == "port" => {
                let host = host.take().ok_or_else(|| other_answer(command))?;
                nodes.push(NodeAddress::of(host, port).map_err(|_| other_answer(command))?);
            }
            [_, _] => {}
            _ => return Err(other_answer(command)),
        }
    }
    Ok(nodes)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::domain::endpoint::{Discovery, Transport};
    use crate::domain::names::NodeUser;

    fn list(texts: &[&str]) -> Reply {
        Reply::List(texts.iter().map(|text| (*text).to_owned()).collect())
    }

    #[test]
    fn every_node_is_found_whatever_the_others_members_are() {
        let told = list(&[
            "name",
            "ip",
            "ip",
            "127.0.0.1",
            "port",
            "6380",
            "flags",
            "slave,s_down",
            "name",
            "x",
            "ip",
            "2001:db8::1",
            "port",
            "6379",
            "master-host",
            "ip",
            "ip",
            "redis-2.example.com",
            "port",
            "1",
        ]);
        let found = addresses(told, "SENTINEL REPLICAS").unwrap();
        let found: Vec<_> = found.iter().map(NodeAddress::as_str).collect();
        assert_eq!(found, ["127.0.0.1:6380", "[2001:db8::1]:6379", "redis-2.example.com:1"]);
        assert_eq!(addresses(list(&[]), "SENTINEL REPLICAS"), Ok(Vec::new()));
        let bad: [&[&str]; 5] =
            [&["ip"], &["port", "1"], &["ip", "a", "port", "0"], &["ip", "", "port", "1"], &["ip", "a b", "port", "1"]];
        for bad in bad {
            assert!(addresses(list(bad), "SENTINEL MASTER").is_err(), "{bad:?}");
        }
        let unknown = Reply::Error("ERR No such master with that name".to_owned());
        let problem = addresses(unknown, "SENTINEL MASTER").unwrap_err();
        assert_eq!(problem, NodeProblem::Refused("ERR to SENTINEL MASTER".to_owned()));
    }

    #[test]
    fn a_sentinel_that_was_reset_knows_no_replica_until_it_knows_the_run_id() {
        assert!(has_not_asked(&list(&["name", "mymaster", "ip", "127.0.0.1", "port", "6379", "runid", ""])));
        assert!(!has_not_asked(&list(&["name", "runid", "runid", "5a4c", "flags", ""])));
    }

    #[tokio::test]
    async fn only_a_sentinel_that_asks_for_a_password_gets_it() {
        let endpoint = Endpoint {
            nodes: Vec::new(),
            discovery: Discovery::Named,
            transport: Transport::Plaintext,
            user: NodeUser::parse("admin").unwrap(),
            saves_acl: false,
            comparison: None,
        };
        let known = "*4\r\n$2\r\nip\r\n$1\r\na\r\n$4\r\nport\r\n$1\r\n1\r\n*0\r\n";
        for (before, is_sent) in [("", false), ("-NOAUTH no\r\n+OK\r\n", true), ("-NOPERM no\r\n+OK\r\n", true)] {
            let (ours, mut theirs) = tokio::io::duplex(4096);
            theirs.write_all(format!("{before}{known}").as_bytes()).await.unwrap();
            let mut connection = Connection::new(ours);
            let master = MasterName::parse("mymaster").unwrap();
            let found = watched(&mut connection, &endpoint, "secret", &master).await.unwrap();
            assert_eq!(found, [NodeAddress::parse("a:1").unwrap()]);
            drop(connection);
            let mut commands = String::new();
            theirs.read_to_string(&mut commands).await.unwrap();
            assert_eq!(commands.contains("secret"), is_sent, "{commands}");
        }
    }
}
