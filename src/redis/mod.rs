//! Nodes that speak the protocol of Redis and have its access control lists: Redis, Valkey and others.

mod cluster;
mod resp;
mod sentinel;

use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::domain::delivery::PasswordDigest;
use crate::domain::endpoint::{Discovery, Endpoint, NodeAddress, Transport};
use crate::outgoing::ServerTls;
use crate::ports::{AccountPasswords, NodeProblem, Nodes, Others};
use resp::{Connection, Reply};

/// How long one node may take for everything that it is asked at a time.
pub const NODE_WITHIN: Duration = Duration::from_secs(5);

/// The nodes of instances, each asked on a connection of its own.
pub struct RedisNodes;

#[async_trait]
impl Nodes for RedisNodes {
    fn check(&self, endpoint: &Endpoint) -> Result<(), &'static str> {
        let Transport::Tls { ca } = &endpoint.transport else { return Ok(()) };
        endpoint.nodes.iter().try_for_each(|node| ServerTls::new(node.host(), ca.as_deref()).map(drop))
    }

    async fn nodes(&self, endpoint: &Endpoint, secret: &Zeroizing<String>) -> Result<Vec<NodeAddress>, NodeProblem> {
        if endpoint.discovery == Discovery::Named {
            return Ok(endpoint.nodes.clone());
        }
        // All of them: one that the others have forgotten may still believe in a cluster of its own.
        let told = join_all(endpoint.nodes.iter().map(|node| told_by(endpoint, secret, node))).await;
        let (mut all, mut problem) = (Vec::new(), None);
        for nodes in told {
            match nodes {
                Ok(nodes) => all.extend(nodes),
                Err(of_this) => problem = problem.or(Some(of_this)),
            }
        }
        // Each of them tells the nodes in another order.
        all.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        all.dedup();
        match problem {
            Some(problem) if all.is_empty() => Err(problem),
            _ => Ok(all),
        }
    }

    async fn set_passwords(
        &self,
        endpoint: &Endpoint,
        secret: &Zeroizing<String>,
        node: &NodeAddress,
        accounts: &[AccountPasswords],
    ) -> Result<Vec<Result<bool, NodeProblem>>, NodeProblem> {
        let set = async { set_on(connected(endpoint, node).await?, endpoint, secret, accounts).await };
        timeout(NODE_WITHIN, set).await.unwrap_or(Err(NodeProblem::TimedOut))
    }
}

/// What a connection runs over.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A connection to a node that is proven to be the right one, unless the endpoint does without.
async fn connected(endpoint: &Endpoint, node: &NodeAddress) -> Result<Connection<Box<dyn Stream>>, NodeProblem> {
    let unreachable = |error: &dyn std::fmt::Display| NodeProblem::Unreachable(error.to_string());
    let tls = match &endpoint.transport {
        Transport::Plaintext => None,
        Transport::Tls { ca } => {
            let tls = ServerTls::new(node.host(), ca.as_deref());
            Some(tls.map_err(|problem| unreachable(&format!("the list of CAs {problem}")))?)
        }
    };
    let socket = TcpStream::connect((node.host(), node.port())).await.map_err(|error| unreachable(&error))?;
    // What a connection that is given up has not sent is never sent: it would undo what later ones do.
    socket.set_zero_linger().map_err(|error| unreachable(&error))?;
    Ok(Connection::new(match tls {
        None => Box::new(socket),
        Some(tls) => Box::new(tls.connect(socket).await.map_err(|error| unreachable(&error))?),
    }))
}

/// All nodes of an instance, as one of its cluster or a Sentinel sees them.
async fn told_by(endpoint: &Endpoint, secret: &str, node: &NodeAddress) -> Result<Vec<NodeAddress>, NodeProblem> {
    let told = async {
        let mut connection = connected(endpoint, node).await?;
        if let Discovery::Sentinel(master) = &endpoint.discovery {
            return sentinel::watched(&mut connection, endpoint, secret, master).await;
        }
        sign_in(&mut connection, endpoint, secret).await?;
        match connection.command(&["CLUSTER", "NODES"]).await? {
            Reply::Text(text) => cluster::members(&text, node),
            Reply::Error(error) => Err(refused(&error, "CLUSTER NODES")),
            Reply::Nothing | Reply::Number | Reply::List(_) => Err(other_answer("CLUSTER NODES")),
        }
    };
    timeout(NODE_WITHIN, told).await.unwrap_or(Err(NodeProblem::TimedOut))
}

async fn sign_in<S: AsyncRead + AsyncWrite + Unpin>(
    connection: &mut Connection<S>,
    endpoint: &Endpoint,
    secret: &str,
) -> Result<(), NodeProblem> {
    done(connection.command(&["AUTH", endpoint.user.as_str(), secret]).await?, "AUTH")
}

/// Sets the passwords over a connection. Each command waits for the answer to the one before, so that at most one is on its way
/// when the connection is given up.
async fn set_on<S: AsyncRead + AsyncWrite + Unpin>(
    mut connection: Connection<S>,
    endpoint: &Endpoint,
    secret: &str,
    accounts: &[AccountPasswords],
) -> Result<Vec<Result<bool, NodeProblem>>, NodeProblem> {
    sign_in(&mut connection, endpoint, secret).await?;
    let mut outcomes = Vec::with_capacity(accounts.len());
    for passwords in accounts {
        outcomes.push(set_one(&mut connection, passwords).await?);
    }
    // Also if nothing had to be changed: an earlier attempt may have ended before it was saved.
    if endpoint.saves_acl && accounts.iter().any(|passwords| passwords.others != Others::AreFound) {
        let saved = connection.command(&["ACL", "SAVE"]).await?;
        done(saved, "ACL SAVE")?;
    }
    Ok(outcomes)
}

/// Compares the passwords of one account, and sets them if that is asked for. Returns whether the node had others. Each password
/// to remove is named: a network may hold this command back until others have added newer ones, and these stay.
async fn set_one<S: AsyncRead + AsyncWrite + Unpin>(
    connection: &mut Connection<S>,
    AccountPasswords { account, others, digests }: &AccountPasswords,
) -> Result<Result<bool, NodeProblem>, NodeProblem> {
    let texts = match connection.command(&["ACL", "GETUSER", account.as_str()]).await? {
        Reply::List(texts) => texts,
        // It has no password either.
        Reply::Nothing if digests.is_empty() => return Ok(Ok(false)),
        // A user that is made here would have no permissions: it is the node's operator who makes users.
        Reply::Nothing => return Ok(Err(NodeProblem::NoAccount(account.clone()))),
        Reply::Error(error) => return Ok(Err(refused(&error, "ACL GETUSER"))),
        Reply::Text(_) | Reply::Number => {
            return Ok(Err(NodeProblem::Refused("something else than a user".to_owned())));
        }
    };
    if digests.is_empty() && has_no_need_of_a_password(&texts) {
        let reset = connection.command(&["ACL", "SETUSER", account.as_str(), "resetpass"]).await?;
        return Ok(done(reset, "ACL SETUSER").map(|()| true));
    }
    let found = digests_in(&texts);
    let has_all = digests.iter().all(|digest| found.contains(&digest.expose()));
    if has_all && found.len() == digests.len() {
        return Ok(Ok(false));
    }
    if *others == Others::AreFound || (*others == Others::Stay && has_all) {
        return Ok(Ok(true));
    }
    let added = with_marks("#", digests.iter().map(PasswordDigest::expose).filter(|digest| !found.contains(digest)));
    let removed = found.iter().copied().filter(|digest| !digests.iter().any(|wanted| wanted.expose() == *digest));
    let removed = with_marks("!", removed.filter(|_| *others == Others::Go));
    let changes = removed.iter().chain(&added).map(|change| change.as_str());
    let command: Vec<_> = ["ACL", "SETUSER", account.as_str()].into_iter().chain(changes).collect();
    Ok(done(connection.command(&command).await?, "ACL SETUSER").map(|()| true))
}

/// Digests as `ACL SETUSER` takes them.
fn with_marks<'a>(mark: &str, digests: impl Iterator<Item = &'a str>) -> Vec<Zeroizing<String>> {
    digests.map(|digest| Zeroizing::new(format!("{mark}{digest}"))).collect()
}

/// Whether a user signs in with any password, by its description.
fn has_no_need_of_a_password(texts: &[String]) -> bool {
    texts.iter().take_while(|text| *text != "passwords").any(|text| text == "nopass")
}

/// The digests in the description of a user. Each member of it has a name that is no digest.
fn digests_in(texts: &[String]) -> Vec<&str> {
    let is_digest = |text: &&str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let after = texts.iter().map(String::as_str).skip_while(|text| *text != "passwords").skip(1);
    after.take_while(is_digest).collect()
}

/// Whether a command was done.
fn done(reply: Reply, command: &str) -> Result<(), NodeProblem> {
    match reply {
        Reply::Text(text) if text == "OK" => Ok(()),
        Reply::Error(error) => Err(refused(&error, command)),
        Reply::Text(_) | Reply::Nothing | Reply::Number | Reply::List(_) => Err(other_answer(command)),
    }
}

/// The codes of errors that are shown.
const CODES: [&str; 12] = [
    "ERR",
    "NOAUTH",
    "WRONGPASS",
    "NOPERM",
    "DENIED",
    "LOADING",
    "BUSY",
    "READONLY",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "MISCONF",
    "OOM",
];

/// Of an error, its code alone: the message of one may repeat what was sent, a password or a digest included.
fn refused(error: &str, command: &str) -> NodeProblem {
    let code = error.split(' ').next().and_then(|code| CODES.into_iter().find(|known| *known == code));
    NodeProblem::Refused(format!("{} to {command}", code.unwrap_or("an unknown error")))
}

fn other_answer(command: &str) -> NodeProblem {
    NodeProblem::Refused(format!("something unexpected to {command}"))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::domain::names::{AccountName, NodeUser};
    use crate::domain::password::Password;

    #[tokio::test]
    async fn what_a_node_repeats_of_a_command_is_not_kept() {
        let digest = PasswordDigest::of(&Password::parse("new".to_owned()).unwrap());
        let endpoint = Endpoint {
            nodes: Vec::new(),
            discovery: Discovery::Named,
            transport: Transport::Plaintext,
            user: NodeUser::parse("admin").unwrap(),
            saves_acl: false,
            comparison: None,
        };
        let user = "*2\r\n$9\r\npasswords\r\n*0\r\n";
        for (answers, expected) in [
            ("-ERR unknown command 'AUTH', with args beginning with: 'admin' 'secret'\r\n".to_owned(), "ERR to AUTH"),
            ("-secret\r\n".to_owned(), "an unknown error to AUTH"),
            (format!("+OK\r\n{user}-ERR in modifier '#{}'\r\n", digest.expose()), "ERR to ACL SETUSER"),
        ] {
            let (ours, mut theirs) = tokio::io::duplex(4096);
            theirs.write_all(answers.as_bytes()).await.unwrap();
            let account = AccountName::parse("app").unwrap();
            let wanted = AccountPasswords { account, others: Others::Go, digests: vec![digest.clone()] };
            let set = set_on(Connection::new(ours), &endpoint, "secret", &[wanted]).await;
            let problem = set.and_then(|mut outcomes| outcomes.remove(0)).unwrap_err();
            assert_eq!(problem, NodeProblem::Refused(expected.to_owned()));
        }
    }

    /// A command that a network held back takes nothing from passwords that came after it was sent.
    #[tokio::test]
    async fn only_passwords_that_were_found_are_removed() {
        let digest = |text: &str| PasswordDigest::of(&Password::parse(text.to_owned()).unwrap());
        let [old, current, new] = ["old", "current", "new"].map(digest);
        for (others, wanted, expected) in [
            (Others::Go, vec![&current], vec![format!("!{}", old.expose())]),
            (
                Others::Go,
                vec![&new],
                vec![format!("!{}", old.expose()), format!("!{}", current.expose()), format!("#{}", new.expose())],
            ),
            (Others::Stay, vec![&new], vec![format!("#{}", new.expose())]),
        ] {
            let (ours, mut theirs) = tokio::io::duplex(4096);
            let user = format!("*2\r\n+passwords\r\n*2\r\n+{}\r\n+{}\r\n+OK\r\n", old.expose(), current.expose());
            theirs.write_all(user.as_bytes()).await.unwrap();
            let account = AccountName::parse("app").unwrap();
            let digests = wanted.into_iter().cloned().collect();
            let set = set_one(&mut Connection::new(ours), &AccountPasswords { account, others, digests }).await;
            assert_eq!(set, Ok(Ok(true)));
            let mut commands = String::new();
            theirs.read_to_string(&mut commands).await.unwrap();
            let changes: Vec<_> = commands.split("\r\n").filter(|part| part.starts_with(['!', '#'])).collect();
            assert_eq!(changes, expected);
        }
    }
}
