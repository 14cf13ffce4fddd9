//! Accounts of instances with nodes, and their rotations.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::history::{Asked, Operation, Outcome};
use crate::load::{insist, text};
use crate::random::Random;
use crate::run::Run;
use crate::sign_ins::{Life, Lives, SignIn};
use crate::support::tenant::Acme;
use crate::support::{Client, Reply};

/// Instances, each with two accounts: one whose changes have an overlap, and one without.
pub const INSTANCES: usize = 4;
pub const ACCOUNTS: usize = 2 * INSTANCES;
/// The nodes of all instances.
pub const NODES: usize = 3;
/// Longer than a call or a sign-in takes.
const PATIENCE: Duration = Duration::from_secs(50);
/// Between two tries, in milliseconds.
const PAUSE: std::ops::Range<u64> = 10..40;

/// The accounts, and what became of their passwords.
pub struct Fleet {
    pub run: Arc<Run>,
    pub acme: Acme,
    pub addresses: Vec<SocketAddr>,
    pub nodes: Vec<SocketAddr>,
    /// How often each node was killed and started again, together: it is down while that is odd.
    pub kills: Vec<AtomicU64>,
    /// Which nodes were killed, and when.
    pub killed: Mutex<Vec<(usize, u64)>>,
    /// How many connections nodes have closed because they were told to.
    pub closed: AtomicU64,
    /// How many changes were answered once every node had them.
    pub answered_complete: AtomicU64,
    pub lives: Vec<Mutex<Lives>>,
    pub sign_ins: Mutex<Vec<SignIn>>,
    /// How long each new password took to be on all nodes.
    pub delivered: Mutex<Vec<Duration>>,
}

/// The first password of an account.
pub fn first_password(account: usize) -> String {
    password(account, 0)
}

/// A password of an account, counted from its first. No two are the same.
pub fn password(account: usize, number: usize) -> String {
    text((account * 1_000_000 + number) as u64)
}

pub fn has_overlap(account: usize) -> bool {
    account.is_multiple_of(2)
}

fn named(account: usize) -> Value {
    json!({ "instance_id": format!("r-{}", account / 2), "account_name": format!("app_{account}") })
}

pub fn subject(account: usize) -> Value {
    json!({ "instance_account": named(account) })
}

impl Fleet {
    pub fn new(run: Arc<Run>, acme: Acme, addresses: Vec<SocketAddr>, nodes: Vec<SocketAddr>) -> Self {
        let kills = nodes.iter().map(|_| AtomicU64::new(0)).collect();
        // The first password is there before anything begins.
        let first = Life { good: Some(0), ..Life::default() };
        let first = Lives { at_service: vec![first], on_nodes: vec![first] };
        let lives = (0..ACCOUNTS).map(|_| Mutex::new(first.clone())).collect();
        let (killed, closed, answered_complete, sign_ins, delivered) = Default::default();
        Self { run, acme, addresses, nodes, kills, killed, closed, answered_complete, lives, sign_ins, delivered }
    }

    /// Creates an account.
    pub async fn create(&self, account: usize) {
        let mut request = named(account);
        request["password"] = first_password(account).into();
        insist(&self.acme.root, "CreateInstanceAccount", &request).await;
        if has_overlap(account) {
            let request = json!({ "subject": subject(account), "overlap_seconds": 86_400 });
            insist(&self.acme.root, "SetPasswordOverlap", &request).await;
        }
    }

    /// The passwords of an account that the service calls valid, of the last three.
    pub async fn valid(&self, account: usize) -> Vec<String> {
        let count = self.lives[account].lock().unwrap().at_service.len();
        let (mut valid, mut relay) = (Vec::new(), Caller::new(&self.acme.relay, &self.addresses, self.run.random()));
        for number in count.saturating_sub(3)..count {
            let request = json!({ "subject": subject(account), "password": password(account, number) });
            let result = relay.insist("VerifyPassword", &request).await["result"].clone();
            if result != "NOT_MATCHED" {
                valid.push(password(account, number));
            }
        }
        valid
    }

    fn change<T>(&self, account: usize, change: impl FnOnce(&mut Lives, u64) -> T) -> T {
        let mut lives = self.lives[account].lock().unwrap();
        change(&mut lives, self.run.history.now())
    }
}

/// A caller that goes from server to server until it is answered.
pub struct Caller {
    client: Client,
    addresses: Vec<SocketAddr>,
    at: usize,
    random: Random,
}

impl Caller {
    pub fn new(client: &Client, addresses: &[SocketAddr], mut random: Random) -> Self {
        let at = usize::try_from(random.within(0..addresses.len() as u64)).unwrap();
        Self { client: client.at(addresses[at]), addresses: addresses.to_vec(), at, random }
    }

    /// The reply, if there is one.
    pub async fn try_call(&mut self, method: &str, request: &Value) -> Option<Reply> {
        let called = self.client.try_call(method, request.clone());
        let reply = tokio::time::timeout(PATIENCE, called).await.expect("a call is answered");
        if reply.is_none() {
            self.at = (self.at + 1) % self.addresses.len();
            self.client = self.client.at(self.addresses[self.at]);
        }
        reply
    }

    /// Calls until it is done. Nothing here is refused for good.
    async fn insist(&mut self, method: &str, request: &Value) -> Value {
        loop {
            match self.try_call(method, request).await {
                Some(reply) if reply.reason() == "OK" => return reply.json,
                Some(reply) => {
                    let temporary = [
                        "STORE_UNAVAILABLE",
                        "OVERLOADED",
                        "TOO_MANY_ATTEMPTS",
                        "OUTCOME_UNKNOWN",
                        "DEADLINE_EXCEEDED",
                        "DEADLINE_TOO_SHORT",
                    ];
                    assert!(temporary.contains(&&*reply.reason()), "{method} {request}: {:?}", reply.status);
                }
                None => {}
            }
            tokio::time::sleep(self.random.millis(PAUSE)).await;
        }
    }
}

/// An account whose password is rotated.
pub struct Account {
    fleet: Arc<Fleet>,
    number: usize,
    root: Caller,
    random: Random,
}

impl Account {
    pub fn new(fleet: Arc<Fleet>, number: usize, mut random: Random) -> Self {
        let root = Caller::new(&fleet.acme.root, &fleet.addresses, random.split());
        Self { fleet, number, root, random }
    }

    /// Changes the password, waits until it is on all nodes, and mostly ends the one before as well. Half of the changes wait by
    /// themselves.
    pub async fn rotate(&mut self) {
        let (account, overlaps) = (self.number, has_overlap(self.number));
        let last = self.fleet.change(account, |lives, now| {
            let last = lives.at_service.len() - 1;
            // Without an overlap the one before ends now, and otherwise the one before that.
            if let Some(ending) = if overlaps { last.checked_sub(1) } else { Some(last) } {
                lives.at_service[ending].ending.get_or_insert(now);
                lives.on_nodes[ending].ending.get_or_insert(now);
            }
            let new = Life { begun: now, ..Life::default() };
            lives.at_service.push(new);
            lives.on_nodes.push(new);
            last
        });
        let mut request = named(account);
        request["old_account_password"] = password(account, last).into();
        request["new_account_password"] = password(account, last + 1).into();
        request["client_token"] = Uuid::new_v4().to_string().into();
        if self.random.percent(50) {
            request["deliver"] = "DELIVER_WAIT".into();
        }
        let invoked = self.fleet.run.history.now();
        let changed = self.root.insist("ModifyAccountPassword", &request).await;
        let is_complete = request["deliver"] == "DELIVER_WAIT" && changed["delivery"]["complete"] == true;
        let returned = self.fleet.change(account, |lives, now| {
            lives.at_service[last + 1].good = Some(now);
            if let Some(ended) = if overlaps { last.checked_sub(1) } else { Some(last) } {
                lives.at_service[ended].ended.get_or_insert(now);
            }
            if is_complete {
                // By now every node has this one, and none that is not valid.
                lives.on_nodes[last + 1].good = Some(now);
                for life in &mut lives.on_nodes[..if overlaps { last } else { last + 1 }] {
                    life.ended.get_or_insert(now);
                }
            }
            now
        });
        let version = last as u64 + 2;
        let told = number_of(&changed["version"]);
        self.fleet.run.require(told == Some(last + 2), || format!("{changed} is not version {version}"));
        self.fleet.run.history.record(Operation {
            client: account,
            subject: account,
            asked: Asked::Change { old: Some(last as u64), expected_version: None, new: last as u64 + 1 },
            outcome: Outcome::Changed { version },
            invoked,
            returned,
        });
        if is_complete {
            self.fleet.answered_complete.fetch_add(1, Ordering::SeqCst);
            for node in 0..NODES {
                self.fleet.sign_in_at_node(account, last + 1, node).await;
                self.fleet.sign_in_at_node(account, last, node).await;
            }
        } else {
            self.wait_for(last + 1, &["SETTLING", "OVERLAPPING", "DONE"]).await;
            let delivered = self.fleet.change(account, |lives, now| {
                lives.on_nodes[last + 1].good = Some(now);
                now.saturating_sub(returned)
            });
            self.fleet.delivered.lock().unwrap().push(Duration::from_nanos(delivered));
        }
        tokio::time::sleep(self.random.millis(0..200)).await;
        if self.random.percent(70) {
            self.end().await;
        } else if self.random.percent(50) {
            self.wait_for(last + 1, &["OVERLAPPING", "DONE"]).await;
        }
    }

    /// Ends the overlap, if there is one, and waits until nothing is left to deliver.
    pub async fn end(&mut self) {
        let account = self.number;
        let last = self.fleet.lives[account].lock().unwrap().at_service.len() - 1;
        if has_overlap(account) && last > 0 {
            self.fleet.change(account, |lives, now| {
                lives.at_service[last - 1].ending.get_or_insert(now);
                lives.on_nodes[last - 1].ending.get_or_insert(now);
            });
            self.root.insist("EndPasswordOverlap", &json!({ "subject": subject(account) })).await;
            self.fleet.change(account, |lives, now| lives.at_service[last - 1].ended.get_or_insert(now).to_owned());
        }
        if last > 0 {
            self.wait_for(last, &["DONE"]).await;
        }
    }

    /// Waits until the delivery of a password is in one of these phases, and notes which passwords are over by then.
    async fn wait_for(&mut self, number: usize, phases: &[&str]) {
        loop {
            let described = self.root.insist("DescribeDelivery", &named(self.number)).await;
            let delivery = &described["delivery"];
            let phase = delivery["phase"].as_str().unwrap_or_default().trim_start_matches("DELIVERY_PHASE_");
            if number_of(&delivery["version"]) == Some(number + 1) && phases.contains(&phase) {
                // With an overlap the one before is left.
                let left = match phase {
                    "DONE" => number,
                    "OVERLAPPING" => number - 1,
                    _ => 0,
                };
                return self.fleet.change(self.number, |lives, now| {
                    for life in &mut lives.on_nodes[..left] {
                        life.ended.get_or_insert(now);
                    }
                });
            }
            tokio::time::sleep(self.random.millis(PAUSE)).await;
        }
    }
}

/// A number as JSON has it, which is text.
fn number_of(value: &Value) -> Option<usize> {
    value.as_str()?.parse().ok()
}

/// Sends commands to a node. Returns its answers up to a line that begins so.
pub async fn reply_of(node: SocketAddr, commands: &[&[&str]], last: &str) -> io::Result<String> {
    let asked = async {
        let mut stream = BufReader::new(TcpStream::connect(node).await?);
        for command in commands {
            let parts: Vec<_> = command.iter().map(|part| format!("${}\r\n{part}\r\n", part.len())).collect();
            stream.write_all(format!("*{}\r\n{}", parts.len(), parts.concat()).as_bytes()).await?;
        }
        let mut answers = String::new();
        loop {
            let before = answers.len();
            if stream.read_line(&mut answers).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if answers[before..].starts_with(last) {
                return Ok(answers);
            }
        }
    };
    tokio::time::timeout(PATIENCE, asked).await?
}
