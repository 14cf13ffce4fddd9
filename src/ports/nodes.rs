//! The nodes of instances, which keep the passwords of accounts themselves.

use async_trait::async_trait;
use zeroize::Zeroizing;

use crate::domain::delivery::PasswordDigest;
use crate::domain::endpoint::{Endpoint, NodeAddress};
use crate::domain::names::AccountName;

/// Sets the passwords of accounts on nodes.
#[async_trait]
pub trait Nodes: Send + Sync {
    /// Checks what can be checked of an endpoint without its nodes.
    ///
    /// # Errors
    /// What is wrong with its CAs.
    fn check(&self, endpoint: &Endpoint) -> Result<(), &'static str>;

    /// The nodes that an endpoint stands for: those that it names, or all of the cluster to which these belong, or those that
    /// these watch as Sentinels.
    ///
    /// # Errors
    /// Why they are not known.
    async fn nodes(&self, endpoint: &Endpoint, secret: &Zeroizing<String>) -> Result<Vec<NodeAddress>, NodeProblem>;

    /// Sets passwords of accounts on one node, in their order, and returns of each whether the node had other ones before. MUST set those of one
    /// account at once, so that no client is refused in between, and leave everything else about the account as it is. MUST
    /// NOT send anything to a node that it can't prove to be the right one, unless the endpoint allows that. Takes a bounded
    /// time.
    ///
    /// # Errors
    /// What is wrong with the node as a whole.
    async fn set_passwords(
        &self,
        endpoint: &Endpoint,
        secret: &Zeroizing<String>,
        node: &NodeAddress,
        accounts: &[AccountPasswords],
    ) -> Result<Vec<Result<bool, NodeProblem>>, NodeProblem>;
}

/// The passwords of one account.
#[derive(Debug)]
pub struct AccountPasswords {
    /// The account.
    pub account: AccountName,
    /// What becomes of the other passwords that the node has.
    pub others: Others,
    /// The passwords, as their digests.
    pub digests: Vec<PasswordDigest>,
}

/// What becomes of other passwords of an account on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// They stay valid.
    Stay,
    /// They are removed.
    Go,
    /// Nothing is changed: the node is only compared.
    AreFound,
}

/// Why a node does not have a password. No message contains a password or a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NodeProblem {
    /// It can't be reached, or can't be proven to be the right one.
    #[error("can't be reached: {0}")]
    Unreachable(String),
    /// It did not answer in time.
    #[error("did not answer in time")]
    TimedOut,
    /// It answered with an error.
    #[error("answered: {0}")]
    Refused(String),
    /// It has no such account.
    #[error("has no user {0}")]
    NoAccount(AccountName),
}
