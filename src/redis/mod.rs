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
use crate::ports::{AccountPasswords, NodeProblem, Nodes};
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
    ) -> Result<Vec<Result<(), NodeProblem>>, NodeProblem> {
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
) -> Result<Vec<Result<(), NodeProblem>>, NodeProblem> {
    let authenticated = connection.command(&["AUTH", endpoint.user.as_str(), secret]).await?;
    done(authenticated, true)?;
    let mut outcomes = Vec::with_capacity(accounts.len());
    for AccountPasswords { account, keeps_others, digests } in accounts {
        let found = connection.command(&["ACL", "GETUSER", account.as_str()]).await?;
        let outcome = match found {
            // A user that is made here would have no permissions: it is the node's operator who makes users.
            Reply::Nothing => Err(NodeProblem::NoAccount(account.clone())),
            Reply::Error(error) => Err(NodeProblem::Refused(error)),
            Reply::Text(_) | Reply::Other => {
                let digests: Vec<_> =
                    digests.iter().map(|digest| Zeroizing::new(format!("#{}", digest.expose()))).collect();
                let mut command = vec!["ACL", "SETUSER", account.as_str()];
                command.extend((!keeps_others).then_some("resetpass"));
                command.extend(digests.iter().map(|digest| digest.as_str()));
                done(connection.command(&command).await?, false)
            }
        };
        outcomes.push(outcome);
    }
    if endpoint.saves_acl && outcomes.iter().any(Result::is_ok) {
        let saved = connection.command(&["ACL", "SAVE"]).await?;
        done(saved, true)?;
    }
    Ok(outcomes)
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
        Reply::Text(_) | Reply::Nothing | Reply::Other => {
            Err(NodeProblem::Refused("something else than OK".to_owned()))
        }
    }
}
