//! Clients that change and verify passwords during all faults, and write down the answers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::checker::{self, State};
use crate::history::{Asked, Operation, Outcome};
use crate::random::Random;
use crate::run::{Demand, Run};
use crate::support::tenant::{tells_when_to_retry, token};
use crate::support::{Client, Reply};

/// Longer than the service lets a request take.
const PATIENCE: Duration = Duration::from_secs(50);
/// Between a failure and the next try, in milliseconds.
const PAUSE: std::ops::Range<u64> = 5..30;

/// What may be answered to anybody.
const ANSWERS: [&str; 3] = ["OK", "OLD_PASSWORD_INCORRECT", "VERSION_CONFLICT"];
/// What may be answered by a store or a machine in trouble: nothing was done.
const TEMPORARY: [&str; 4] = ["STORE_UNAVAILABLE", "OVERLOADED", "TOO_MANY_ATTEMPTS", "DEADLINE_TOO_SHORT"];
/// The same, where something may have been done.
const UNKNOWN: [&str; 2] = ["OUTCOME_UNKNOWN", "DEADLINE_EXCEEDED"];

/// A subject whose password is changed.
pub struct Subject {
    pub number: usize,
    pub kind: Kind,
    /// The token of whoever changes it.
    token: String,
    /// Where it was when somebody last knew. What is asked for is chosen by it, nothing is concluded from it.
    seen: Mutex<Seen>,
}

/// What is known of a subject, and the password before.
#[derive(Debug, Clone, Copy)]
struct Seen {
    now: State,
    before: u64,
}

/// How a subject's password is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// By the tenant, bound to a version.
    MailDomain,
    /// By the user, with the old password.
    RamUser,
    /// By the tenant, with the old password.
    InstanceAccount,
}

impl Subject {
    pub fn name(&self) -> String {
        format!("subject-{}", self.number).replace('-', if self.kind == Kind::InstanceAccount { "_" } else { "-" })
    }

    /// How requests name it.
    fn in_full(&self) -> Value {
        match self.kind {
            Kind::MailDomain => json!({ "mail_domain": self.name() }),
            Kind::RamUser => json!({ "ram_user": self.name() }),
            Kind::InstanceAccount => {
                json!({ "instance_account": { "instance_id": INSTANCE, "account_name": self.name() } })
            }
        }
    }

    fn change(&self, old: Option<u64>, expected_version: Option<u64>, new: u64, token: &str) -> (&'static str, Value) {
        let (old, new) = (old.map(text), text(new));
        let (method, mut request) = match self.kind {
            Kind::MailDomain => ("ModifyPWByDomain", json!({ "domain_name": self.name(), "password": new })),
            Kind::RamUser => ("ChangePassword", json!({ "old_password": old, "new_password": new })),
            Kind::InstanceAccount => {
                let request = json!({
                    "instance_id": INSTANCE, "account_name": self.name(), "old_account_password": old,
                    "new_account_password": new,
                });
                ("ModifyAccountPassword", request)
            }
        };
        request["client_token"] = token.into();
        if let Some(version) = expected_version {
            request["expected_version"] = version.to_string().into();
        }
        (method, request)
    }

    fn seen(&self) -> Seen {
        *self.seen.lock().unwrap()
    }

    /// Remembers a state, if it is the newest.
    fn see(&self, state: State) {
        let mut seen = self.seen.lock().unwrap();
        if state.version > seen.now.version {
            *seen = Seen { now: state, before: seen.now.password };
        }
    }
}

const TENANT: &str = "acme";
const INSTANCE: &str = "r-1";

/// The password of that number, which every policy accepts.
pub fn text(number: u64) -> String {
    format!("PassWord12{number}")
}

/// Where a subject of that number begins.
fn first_state(number: usize) -> State {
    State { version: 1, password: number as u64 }
}

/// Subjects under load, and what their clients count.
pub struct Load {
    pub run: Arc<Run>,
    pub subjects: Vec<Subject>,
    pub root: String,
    relay: String,
    passwords: AtomicU64,
    is_over: AtomicBool,
    answers: Mutex<BTreeMap<String, u64>>,
    acknowledged: AtomicU64,
    /// When a change last succeeded, in the history's time, and the longest time between two that did.
    succeeded: AtomicU64,
    gap: AtomicU64,
    /// How many changes were sent again because nobody knew whether they had been made.
    resent: AtomicU64,
}

impl Load {
    /// Creates a tenant with so many subjects of those kinds in turn.
    pub async fn create(run: Arc<Run>, address: SocketAddr, operator: &str, kinds: &[Kind], count: usize) -> Arc<Self> {
        let anybody = Client::new(address);
        let operator = anybody.with_token(operator);
        operator.ok("CreateTenant", json!({ "tenant": TENANT })).await;
        let issue = |kind: &str, name: &str| json!({ "tenant": TENANT, "caller_kind": format!("CALLER_KIND_{kind}"), "caller_name": name });
        let root = token(&operator, issue("ROOT", "")).await;
        let relay = token(&operator, issue("SERVICE", "relay")).await;
        let as_root = anybody.with_token(&root);
        // Two are compared, so that there is a history whose entry comes and goes.
        as_root.ok("SetPasswordPolicy", json!({ "password_reuse_prevention": 2 })).await;
        as_root.ok("CreateInstance", json!({ "instance_id": INSTANCE })).await;
        let mut subjects = Vec::new();
        for (number, kind) in kinds.iter().copied().cycle().enumerate().take(count) {
            let first = first_state(number);
            let seen = Mutex::new(Seen { now: first, before: first.password });
            let mut subject = Subject { number, kind, token: root.clone(), seen };
            let (name, password) = (subject.name(), text(first.password));
            let (method, request) = match kind {
                Kind::MailDomain => ("CreateMailDomain", json!({ "domain_name": name, "password": password })),
                Kind::RamUser => ("CreateRamUser", json!({ "user_name": name, "password": password })),
                Kind::InstanceAccount => {
                    let request = json!({ "instance_id": INSTANCE, "account_name": name, "password": password });
                    ("CreateInstanceAccount", request)
                }
            };
            as_root.ok(method, request).await;
            if kind == Kind::RamUser {
                subject.token = token(&as_root, issue("RAM_USER", &name)).await;
            }
            subjects.push(subject);
        }
        let (is_over, answers, acknowledged, gap, resent) = Default::default();
        let succeeded = AtomicU64::new(run.history.now());
        let passwords = AtomicU64::new(count as u64);
        Arc::new(Self { run, subjects, root, relay, passwords, is_over, answers, acknowledged, succeeded, gap, resent })
    }

    /// Starts a client for each list of subjects.
    pub fn start(self: &Arc<Self>, subjects: &[Vec<usize>], addresses: &[SocketAddr], mix: Mix) -> Clients {
        let mut random = self.run.random();
        let mut tasks = JoinSet::new();
        let turns: Arc<[AtomicU64]> = subjects.iter().map(|_| AtomicU64::new(0)).collect();
        for (number, own) in subjects.iter().enumerate() {
            let others =
                subjects.iter().enumerate().filter(|(other, _)| *other != number).flat_map(|(_, theirs)| theirs);
            let is_alone = others.into_iter().all(|subject| !own.contains(subject));
            let client = Wanderer::new(Arc::clone(self), number, is_alone, addresses, random.split());
            tasks.spawn(client.wander(own.clone(), mix, Arc::clone(&turns)));
        }
        Clients { load: Arc::clone(self), tasks, turns }
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    /// Lets the clients end, or begin anew.
    pub fn set_over(&self, is_over: bool) {
        self.is_over.store(is_over, Ordering::SeqCst);
    }

    /// How often each reason was answered. `OK` is one, and `LOST` is no answer.
    pub fn answers(&self) -> BTreeMap<String, u64> {
        self.answers.lock().unwrap().clone()
    }

    /// The longest time without a successful change since this was last asked.
    pub fn take_gap(&self) -> Duration {
        let now = self.run.history.now();
        let open = now.saturating_sub(self.succeeded.load(Ordering::SeqCst));
        Duration::from_nanos(self.gap.swap(0, Ordering::SeqCst).max(open))
    }

    /// Asks where each subject is now, and checks whether the whole history can be true. Answers the versions.
    pub async fn settle(self: &Arc<Self>, address: SocketAddr) -> Vec<u64> {
        let mut last = Wanderer::new(Arc::clone(self), usize::MAX, false, &[address], self.run.random());
        let mut versions = Vec::new();
        for subject in &self.subjects {
            versions.push(loop {
                if let Outcome::Version(version) = last.version(subject).await {
                    break version;
                }
            });
            let password = subject.seen().now.password;
            while !matches!(last.verify(subject, password).await, Outcome::Matched | Outcome::NotMatched) {}
        }
        let mut by_subject = vec![Vec::new(); self.subjects.len()];
        for operation in self.run.history.operations() {
            by_subject[operation.subject].push(operation);
        }
        for (subject, operations) in by_subject.iter().enumerate() {
            let checked = checker::check(first_state(subject), operations);
            self.run.require(checked.is_ok(), || format!("subject {subject}: {}", checked.unwrap_err()));
        }
        versions
    }

    /// Waits until something holds.
    pub async fn until(&self, holds: impl Fn() -> bool) {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Reports what the clients did, and what came of it.
    pub fn tell_figures(&self, versions: &[u64]) {
        let operations = self.run.history.operations();
        let count =
            |outcome: fn(&Outcome) -> bool| operations.iter().filter(|one| outcome(&one.outcome)).count() as u64;
        let acknowledged = count(|outcome| matches!(outcome, Outcome::Changed { .. }));
        let made: u64 = versions.iter().map(|version| version - 1).sum();
        let run = &self.run;
        run.figure("operations", operations.len() as u64, Demand::None);
        run.figure("acknowledged changes", acknowledged, Demand::None);
        run.figure("changes sent again for want of an answer", self.resent.load(Ordering::SeqCst), Demand::None);
        run.figure("acknowledged changes that are lost", acknowledged.saturating_sub(made), Demand::Exactly(0));
        let unknown = count(|outcome| *outcome == Outcome::Unknown);
        run.figure("effects that nobody asked for", made.saturating_sub(acknowledged + unknown), Demand::Exactly(0));
        let of = |reason: &str| self.answers().get(reason).copied().unwrap_or_default();
        run.figure("answers `STORE_UNAVAILABLE`, with `RetryInfo`", of("STORE_UNAVAILABLE"), Demand::None);
        run.figure("answers `OUTCOME_UNKNOWN`", of("OUTCOME_UNKNOWN"), Demand::None);
        run.figure("answers `INTERNAL`", of("INTERNAL"), Demand::Exactly(0));
        let refused: Vec<String> = self.answers().iter().map(|(reason, count)| format!("{reason} {count}")).collect();
        println!("{}: {}", run.name(), refused.join(", "));
    }

    fn count(&self, reason: &str) {
        *self.answers.lock().unwrap().entry(reason.to_owned()).or_default() += 1;
    }
}

/// What clients do, in percent; the rest is to verify.
#[derive(Debug, Clone, Copy)]
pub struct Mix {
    pub changes: u64,
    pub versions: u64,
    /// Of the changes of mail domains: those that are bound to no version.
    pub unbound: u64,
}

/// Clients that are at it.
pub struct Clients {
    load: Arc<Load>,
    tasks: JoinSet<()>,
    /// How often each has begun something.
    turns: Arc<[AtomicU64]>,
}

impl Clients {
    /// Lets them end what they are at, and waits for it.
    pub async fn end(mut self) {
        self.load.set_over(true);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
        self.load.set_over(false);
    }

    /// Waits until they have asked for so much since the beginning.
    pub async fn asked(&self, operations: u64) {
        while (self.load.run.history.len() as u64) < operations {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until what each is at now is over, and what came after it.
    pub async fn turned(&self) {
        let turns = || self.turns.iter().map(|turns| turns.load(Ordering::SeqCst)).collect::<Vec<_>>();
        let before = turns();
        while turns().iter().zip(&before).any(|(now, before)| *now < before + 2) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Waits until so many more changes are acknowledged.
    pub async fn changed(&self, more: u64) {
        let acknowledged = || self.load.acknowledged.load(Ordering::SeqCst);
        let enough = acknowledged() + more;
        while acknowledged() < enough {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Calls, and calls again while the service has too much to do.
pub async fn insist(client: &Client, method: &str, request: &Value) -> Reply {
    loop {
        let reply = client.call(method, request.clone()).await;
        if !["OVERLOADED", "DEADLINE_TOO_SHORT", "DEADLINE_EXCEEDED", "STORE_UNAVAILABLE"].contains(&&*reply.reason()) {
            return reply;
        }
    }
}

/// A client that goes from server to server.
struct Wanderer {
    load: Arc<Load>,
    number: usize,
    /// Whether nobody else changes its subjects.
    is_alone: bool,
    addresses: Vec<SocketAddr>,
    at: usize,
    connection: Client,
    random: Random,
}

impl Wanderer {
    fn new(load: Arc<Load>, number: usize, is_alone: bool, addresses: &[SocketAddr], random: Random) -> Self {
        let at = number % addresses.len();
        let (connection, addresses) = (Client::new(addresses[at]), addresses.to_vec());
        Self { load, number, is_alone, addresses, at, connection, random }
    }

    /// Asks for this and that until it is over.
    async fn wander(mut self, subjects: Vec<usize>, mix: Mix, turns: Arc<[AtomicU64]>) {
        let load = Arc::clone(&self.load);
        while !load.is_over() {
            turns[self.number].fetch_add(1, Ordering::SeqCst);
            let subject = &load.subjects[*self.random.pick(&subjects)];
            let Seen { now: State { version, password }, before } = subject.seen();
            let drawn = self.random.within(0..100);
            if drawn < mix.changes {
                let is_bound = !self.random.percent(mix.unbound);
                let (old, expected_version) = match subject.kind {
                    Kind::MailDomain => (None, is_bound.then_some(version)),
                    Kind::RamUser | Kind::InstanceAccount => (Some(password), None),
                };
                self.change(subject, old, expected_version).await;
            } else if drawn < mix.changes + mix.versions {
                self.version(subject).await;
            } else {
                let asked = if self.random.percent(25) { before } else { password };
                self.verify(subject, asked).await;
            }
            if self.addresses.len() > 1 && self.random.percent(2) {
                self.move_on();
            }
        }
    }

    /// Changes a password, and sends it again under its client token for as long as it is unknown whether it was made.
    async fn change(&mut self, subject: &Subject, old: Option<u64>, expected_version: Option<u64>) -> Outcome {
        let load = Arc::clone(&self.load);
        let new = load.passwords.fetch_add(1, Ordering::SeqCst);
        let client_token = Uuid::new_v4().to_string();
        let (method, request) = subject.change(old, expected_version, new, &client_token);
        let invoked = load.run.history.now();
        let (mut may_be_made, mut is_resent) = (false, false);
        let outcome = loop {
            let reply = self.ask(&subject.token, method, request.clone()).await;
            let reason = reply.as_ref().map_or("LOST".to_owned(), Reply::reason);
            match (reply, reason.as_str()) {
                (Some(reply), "OK") => break Outcome::Changed { version: number(&reply.json["version"]) },
                (None, _) => may_be_made = true,
                (_, reason) if UNKNOWN.contains(&reason) => {
                    may_be_made = true;
                    // The other server knows the token as well.
                    self.move_on();
                }
                (_, "OLD_PASSWORD_INCORRECT") if !may_be_made => break Outcome::OldPasswordIncorrect,
                (Some(reply), "VERSION_CONFLICT") if !may_be_made => {
                    break Outcome::VersionConflict { current: number(&reply.metadata("current_version").into()) };
                }
                // Another writer came after it, or before. It may as well be a fault of the service, which is reported then.
                (_, reason) if !TEMPORARY.contains(&reason) => {
                    let what = || format!("{method} sent again by {} came to {reason}", subject.name());
                    load.run.require(!self.is_alone, what);
                    break Outcome::Unknown;
                }
                _ => {}
            }
            if load.is_over() && !may_be_made {
                break Outcome::Refused { reason };
            }
            if may_be_made && !is_resent {
                is_resent = true;
                load.resent.fetch_add(1, Ordering::SeqCst);
            }
            tokio::time::sleep(self.random.millis(PAUSE)).await;
        };
        let outcome = self.record(subject, invoked, Asked::Change { old, expected_version, new }, outcome);
        match outcome {
            Outcome::Changed { version } => {
                subject.see(State { version, password: new });
                load.acknowledged.fetch_add(1, Ordering::SeqCst);
                let now = load.run.history.now();
                let before = load.succeeded.swap(now, Ordering::SeqCst);
                load.gap.fetch_max(now.saturating_sub(before), Ordering::SeqCst);
            }
            // Whoever is behind learns it here. Its password is somebody else's to tell.
            Outcome::VersionConflict { current } if subject.kind == Kind::MailDomain => {
                subject.see(State { version: current, password: new });
            }
            _ => {}
        }
        outcome
    }

    async fn verify(&mut self, subject: &Subject, password: u64) -> Outcome {
        let (load, invoked) = (Arc::clone(&self.load), self.load.run.history.now());
        let request = json!({ "subject": subject.in_full(), "password": text(password) });
        let outcome = match self.ask(&load.relay, "VerifyPassword", request).await {
            Some(reply) if reply.reason() == "OK" => match reply.json["result"].as_str() {
                Some("MATCHED_CURRENT") => Outcome::Matched,
                Some("NOT_MATCHED") => Outcome::NotMatched,
                other => {
                    // No password here has expired, is temporary, or overlaps with another.
                    let reason = format!("{other:?}");
                    load.run.require(false, || format!("the verification of {} came to {reason}", subject.name()));
                    Outcome::Refused { reason }
                }
            },
            Some(reply) => Outcome::Refused { reason: reply.reason() },
            None => Outcome::Unknown,
        };
        self.record(subject, invoked, Asked::Verify { password }, outcome)
    }

    async fn version(&mut self, subject: &Subject) -> Outcome {
        let (load, invoked) = (Arc::clone(&self.load), self.load.run.history.now());
        let name = subject.name();
        let (method, request, field) = match subject.kind {
            Kind::MailDomain => ("DescribeMailDomain", json!({ "domain_name": name }), "mail_domain"),
            Kind::RamUser => ("DescribeRamUser", json!({ "user_name": name }), "ram_user"),
            Kind::InstanceAccount => {
                let request = json!({ "instance_id": INSTANCE, "account_name": name });
                ("DescribeInstanceAccount", request, "instance_account")
            }
        };
        let outcome = match self.ask(&load.root, method, request).await {
            Some(reply) if reply.reason() == "OK" => {
                Outcome::Version(number(&reply.json[field]["credential"]["version"]))
            }
            Some(reply) => Outcome::Refused { reason: reply.reason() },
            None => Outcome::Unknown,
        };
        self.record(subject, invoked, Asked::Version, outcome)
    }

    /// Sends a request, and returns nothing if no reply comes. A reply that no caller should get is a failure.
    async fn ask(&mut self, token: &str, method: &str, request: Value) -> Option<Reply> {
        let client = self.connection.with_token(token);
        let reply = tokio::time::timeout(PATIENCE, client.try_call(method, request)).await.ok();
        let run = &self.load.run;
        run.require(reply.is_some(), || format!("{method} was never answered"));
        let reply = reply.flatten();
        let reason = reply.as_ref().map_or("LOST".to_owned(), Reply::reason);
        self.load.count(&reason);
        let Some(reply) = reply else {
            self.move_on();
            tokio::time::sleep(self.random.millis(PAUSE)).await;
            return None;
        };
        let is_expected = [&ANSWERS[..], &TEMPORARY, &UNKNOWN].concat().contains(&reason.as_str());
        run.require(is_expected, || format!("{method} was answered {reason}: {:?}", reply.status));
        let tells = reason == "DEADLINE_TOO_SHORT" || tells_when_to_retry(&reply);
        run.require(tells || !TEMPORARY.contains(&reason.as_str()), || format!("{reason} without RetryInfo"));
        Some(reply)
    }

    /// Connects anew, to the next server.
    fn move_on(&mut self) {
        self.at = (self.at + 1) % self.addresses.len();
        self.connection = Client::new(self.addresses[self.at]);
    }

    fn record(&self, subject: &Subject, invoked: u64, asked: Asked, outcome: Outcome) -> Outcome {
        let history = &self.load.run.history;
        let (client, subject, returned) = (self.number, subject.number, history.now());
        history.record(Operation { client, subject, asked, outcome: outcome.clone(), invoked, returned });
        outcome
    }
}

/// A number as JSON has it, which is text.
fn number(value: &Value) -> u64 {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{value} is no number"))
}
