//! Clients that sign in at nodes and at the service.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::history::{Asked, Operation, Outcome};
use crate::random::Random;
use crate::rotated::{ACCOUNTS, Caller, Fleet, NODES, password, reply_of, subject};
use crate::sign_ins::{Place, SignIn};

impl Fleet {
    /// Signs in at a node, and notes the answer if there is one.
    pub async fn sign_in_at_node(&self, account: usize, number: usize, node: usize) {
        let kills = || self.kills[node].load(Ordering::SeqCst);
        let (before, invoked) = (kills(), self.run.history.now());
        let (name, password) = (format!("app_{account}"), password(account, number));
        let reply = reply_of(self.nodes[node], &[&["AUTH", &name, &password]], "").await;
        let is_accepted = match reply {
            Ok(reply) if reply.starts_with("+OK") => true,
            Ok(reply) if reply.starts_with("-WRONGPASS") => false,
            // It is down, or about to be, or has closed the connection.
            _ => return,
        };
        if kills() == before && before.is_multiple_of(2) {
            self.record(account, number, Place::Node { number: node, kills: before }, is_accepted, invoked);
        }
    }

    /// Has a node close the connections of all its clients, those of the service among them.
    pub async fn close_connections(&self, node: usize, admin_password: &str) {
        let commands = [&["AUTH", "admin", admin_password][..], &["CLIENT", "KILL", "TYPE", "normal"]];
        let Ok(reply) = reply_of(self.nodes[node], &commands, ":").await else { return };
        let closed = reply.lines().last().and_then(|line| line.strip_prefix(':')?.parse().ok());
        self.closed.fetch_add(closed.unwrap_or(0), Ordering::SeqCst);
    }

    fn record(&self, account: usize, password: usize, place: Place, is_accepted: bool, invoked: u64) {
        let returned = self.run.history.now();
        let sign_in = SignIn { account, password, place, is_accepted, invoked, returned };
        self.sign_ins.lock().unwrap().push(sign_in);
    }
}

/// A client that signs in at nodes and at the service.
pub struct SignInClient {
    fleet: Arc<Fleet>,
    relay: Caller,
    random: Random,
}

impl SignInClient {
    pub fn new(fleet: Arc<Fleet>, mut random: Random) -> Self {
        let relay = Caller::new(&fleet.acme.relay, &fleet.addresses, random.split());
        Self { fleet, relay, random }
    }

    /// Signs in as this and that account until it is over.
    pub async fn sign_in_until(mut self, is_over: Arc<AtomicBool>) {
        while !is_over.load(Ordering::SeqCst) {
            let account = usize::try_from(self.random.within(0..ACCOUNTS as u64)).unwrap();
            let count = self.fleet.lives[account].lock().unwrap().at_service.len();
            // The newest two, mostly.
            let back = usize::try_from(self.random.within(0..5) / 2).unwrap();
            let number = (count - 1).saturating_sub(back);
            let at = usize::try_from(self.random.within(0..NODES as u64 + 1)).unwrap();
            if at < NODES {
                self.fleet.sign_in_at_node(account, number, at).await;
            } else {
                self.at_service(account, number).await;
            }
            tokio::time::sleep(self.random.millis(1..15)).await;
        }
    }

    async fn at_service(&mut self, account: usize, number: usize) {
        let invoked = self.fleet.run.history.now();
        let request = json!({ "subject": subject(account), "password": password(account, number) });
        let Some(reply) = self.relay.try_call("VerifyPassword", &request).await else { return };
        let Some(result) = reply.json["result"].as_str().filter(|_| reply.reason() == "OK") else { return };
        self.fleet.record(account, number, Place::Service, result != "NOT_MATCHED", invoked);
        // That it is the one before says that it is not the current one.
        let outcome = if result == "MATCHED_CURRENT" { Outcome::Matched } else { Outcome::NotMatched };
        self.fleet.run.history.record(Operation {
            client: ACCOUNTS,
            subject: account,
            asked: Asked::Verify { password: number as u64 },
            outcome,
            invoked,
            returned: self.fleet.run.history.now(),
        });
    }
}
