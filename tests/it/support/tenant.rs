//! The tenant `acme` at a service that is a process.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::support::{Client, Reply};

/// The operator, the root of the tenant, and a relying system.
#[derive(Clone)]
pub struct Acme {
    pub operator: Client,
    pub root: Client,
    pub relay: Client,
}

impl Acme {
    /// Creates the tenant, as the operator with that token.
    pub async fn create(address: SocketAddr, operator: &str) -> Self {
        Self::create_by(&Client::new(address), operator).await
    }

    /// Creates the tenant, over connections like that of `anybody`.
    pub async fn create_by(anybody: &Client, operator: &str) -> Self {
        let operator = anybody.with_token(operator);
        operator.ok("CreateTenant", json!({ "tenant": "acme" })).await;
        let root = token(&operator, json!({ "tenant": "acme", "caller_kind": "CALLER_KIND_ROOT" })).await;
        let relay = json!({ "tenant": "acme", "caller_kind": "CALLER_KIND_SERVICE", "caller_name": "relay" });
        let relay = token(&operator, relay).await;
        Self { root: anybody.with_token(&root), relay: anybody.with_token(&relay), operator }
    }

    /// The same callers at another process, over a connection of their own.
    pub fn at(&self, address: SocketAddr) -> Self {
        Self { operator: self.operator.at(address), root: self.root.at(address), relay: self.relay.at(address) }
    }

    /// Creates a RAM user, and answers its token.
    pub async fn ram_user(&self, name: &str, password: &str) -> String {
        self.root.ok("CreateRamUser", json!({ "user_name": name, "password": password })).await;
        token(&self.root, json!({ "caller_kind": "CALLER_KIND_RAM_USER", "caller_name": name })).await
    }

    /// What `VerifyPassword` says of a RAM user.
    pub async fn verify(&self, name: &str, password: &str) -> String {
        let reply = self.relay.ok("VerifyPassword", verification(name, password)).await;
        reply["result"].as_str().unwrap().to_owned()
    }

    /// The version of a RAM user's credential.
    pub async fn version(&self, name: &str) -> u64 {
        let described = self.root.ok("DescribeRamUser", json!({ "user_name": name })).await;
        described["ram_user"]["credential"]["version"].as_str().unwrap().parse().unwrap()
    }
}

/// A new access token.
pub async fn token(issuer: &Client, request: Value) -> String {
    issuer.ok("IssueAccessToken", request).await["token"].as_str().unwrap().to_owned()
}

/// The request to verify a RAM user's password.
pub fn verification(name: &str, password: &str) -> Value {
    json!({ "subject": { "ram_user": name }, "password": password })
}

/// The request of a RAM user to change its password.
pub fn change(old: &str, new: &str) -> Value {
    json!({ "old_password": old, "new_password": new })
}

/// Whether a reply tells when to try again.
pub fn tells_when_to_retry(reply: &Reply) -> bool {
    reply.details().retry_info().is_some_and(|info| info.retry_delay.is_some_and(|delay| !delay.is_zero()))
}
