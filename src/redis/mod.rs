//! Nodes that speak the protocol of Redis and have its access control lists: Redis, Valkey and others.

mod resp;

use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::domain::delivery::{Endpoint, NodeAddress, Transport};
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

    async fn set_passwords(
        &self,
        endpoint: &Endpoint,
        secret: &Zeroizing<String>,
        node: &NodeAddress,
        accounts: &[AccountPasswords],
    ) -> Result<Vec<Result<bool, NodeProblem>>, NodeProblem> {
        let set = async {
            let unreachable = |error: &dyn std::fmt::Display| NodeProblem::Unreachable(error.to_string());
            let tls = match &endpoint.transport {
                Transport::Plaintext => None,
                Transport::Tls { ca } => {
                    let tls = ServerTls::new(node.host(), ca.as_deref());
                    Some(tls.map_err(|problem| unreachable(&format!("the list of CAs {problem}")))?)
                }
            };
            let socket = TcpStream::connect((node.host(), node.port())).await.map_err(|error| unreachable(&error))?;
            match tls {
                None => set_on(Connection::new(socket), endpoint, secret, accounts).await,
                Some(tls) => {
                    let stream = tls.connect(socket).await.map_err(|error| unreachable(&error))?;
                    set_on(Connection::new(stream), endpoint, secret, accounts).await
                }
            }
        };
        timeout(NODE_WITHIN, set).await.unwrap_or(Err(NodeProblem::TimedOut))
    }
}

/// Sets the passwords over a connection. Each command waits for the answer to the one before: a command that is not read before
/// the connection is given up is then read before those of any later connection.
async fn set_on<S: AsyncRead + AsyncWrite + Unpin>(
    mut connection: Connection<S>,
    endpoint: &Endpoint,
    secret: &str,
    accounts: &[AccountPasswords],
) -> Result<Vec<Result<bool, NodeProblem>>, NodeProblem> {
    let authenticated = connection.command(&["AUTH", endpoint.user.as_str(), secret]).await?;
    done(authenticated, true)?;
    let mut outcomes = Vec::with_capacity(accounts.len());
    let mut is_changed = false;
    for passwords in accounts {
        let set = set_one(&mut connection, passwords).await?;
        is_changed |= set == Ok(Found::Changed);
        outcomes.push(set.map(|found| found != Found::Same));
    }
    if endpoint.saves_acl && is_changed {
        let saved = connection.command(&["ACL", "SAVE"]).await?;
        done(saved, true)?;
    }
    Ok(outcomes)
}

/// What was found of an account.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// It has exactly these passwords.
    Same,
    /// It had others, and stays as it is.
    Other,
    /// It had others, and was changed.
    Changed,
}

/// Compares the passwords of one account, and sets them if that is asked for.
async fn set_one<S: AsyncRead + AsyncWrite + Unpin>(
    connection: &mut Connection<S>,
    AccountPasswords { account, others, digests }: &AccountPasswords,
) -> Result<Result<Found, NodeProblem>, NodeProblem> {
    let texts = match connection.command(&["ACL", "GETUSER", account.as_str()]).await? {
        Reply::List(texts) => texts,
        // A user that is made here would have no permissions: it is the node's operator who makes users.
        Reply::Nothing => return Ok(Err(NodeProblem::NoAccount(account.clone()))),
        Reply::Error(error) => return Ok(Err(NodeProblem::Refused(error))),
        Reply::Text(_) | Reply::Number => {
            return Ok(Err(NodeProblem::Refused("something else than a user".to_owned())));
        }
    };
    let found = digests_in(&texts);
    let has_all = digests.iter().all(|digest| found.contains(&digest.expose()));
    if has_all && found.len() == digests.len() {
        return Ok(Ok(Found::Same));
    }
    if *others == Others::AreFound || (*others == Others::Stay && has_all) {
        return Ok(Ok(Found::Other));
    }
    let digests: Vec<_> = digests.iter().map(|digest| Zeroizing::new(format!("#{}", digest.expose()))).collect();
    let mut command = vec!["ACL", "SETUSER", account.as_str()];
    command.extend((*others == Others::Go).then_some("resetpass"));
    command.extend(digests.iter().map(|digest| digest.as_str()));
    Ok(done(connection.command(&command).await?, false).map(|()| Found::Changed))
}

/// The digests in the description of a user. Each member of it has a name that is no digest.
fn digests_in(texts: &[String]) -> Vec<&str> {
    let is_digest = |text: &&str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let after = texts.iter().map(String::as_str).skip_while(|text| *text != "passwords").skip(1);
    after.take_while(is_digest).collect()
}

/// Whether a command was done. The message of an error may repeat what was sent; if that was a digest, only its code is kept.
fn done(reply: Reply, keeps_message: bool) -> Result<(), NodeProblem> {
    match reply {
        Reply::Text(text) if text == "OK" => Ok(()),
        Reply::Error(error) if keeps_message => Err(NodeProblem::Refused(error)),
        Reply::Error(error) => {
            let code = error.split(' ').next().unwrap_or_default();
            Err(NodeProblem::Refused(format!("{code} to ACL SETUSER")))
        }
        Reply::Text(_) | Reply::Nothing | Reply::Number | Reply::List(_) => {
            Err(NodeProblem::Refused("something else than OK".to_owned()))
        }
    }
}
