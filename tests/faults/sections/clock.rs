//! The clock jumps back and forward by a day while passwords are changed. A window that such a clock is behind the start of
//! is over, and a wait begins again at most at its own length, and passes.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::load::{Kind, Load, Mix, insist, text};
use crate::moved_clock::MovedClock;
use crate::run::{Demand, Run};
use crate::site::{Site, steady_address};
use crate::support::Client;
use crate::support::postgres::Cluster;
use crate::support::tenant::token;

const KINDS: [Kind; 3] = [Kind::MailDomain, Kind::RamUser, Kind::InstanceAccount];
const MIX: Mix = Mix { changes: 60, versions: 10, unbound: 20 };
const DAY: i64 = 24 * 60 * 60;
/// Of an overlap, and of the wait after too many wrong passwords: much longer than a run, and shorter than a day.
const WINDOW_SECONDS: u64 = 4 * 60 * 60;
/// Wrong passwords in a row that are free.
const ALLOWANCE: u64 = 20;

pub async fn sqlite(run: Arc<Run>) {
    jump(&run, Site::sqlite()).await;
}

pub async fn postgres(run: Arc<Run>) {
    let cluster = Cluster::with_store().await;
    jump(&run, Site::postgres(&cluster.url("credentiald"))).await;
}

async fn jump(run: &Arc<Run>, site: Site) {
    let rounds = run.size(1, 50);
    let clock = MovedClock::in_folder(&site.installation.path(""));
    let (allowance, window) = (ALLOWANCE.to_string(), WINDOW_SECONDS.to_string());
    let site = site
        .with("--attempts-allowance", &allowance)
        .with("--attempts-backoff-seconds", &window)
        .with("--attempts-longest-backoff-seconds", &window)
        .by(&clock);
    let operator = site.bootstrap();
    let address = steady_address();
    let serving = site.serve(address).await;
    let load = Load::create(Arc::clone(run), address, &operator, &KINDS, 6).await;
    let clients = load.start(&[vec![0], vec![1], vec![2], vec![3, 4, 5], vec![3, 4, 5]], &[address], MIX);

    let root = Client::new(address).with_token(&load.root);
    for round in 0..rounds {
        let windows = Windows::open(&root, round).await;
        windows.has_to_wait(run, 0).await;
        for jump in [-DAY, DAY] {
            windows.check(run, 0).await;
            // What is under way when the clock jumps goes by the time at which it began.
            clock.set(jump);
            clients.turned().await;
            windows.check(run, jump).await;
            if jump > 0 {
                windows.guesses_once_more(run, jump).await;
            }
            // The clock is set back, either from the right time or to it: a wait begins again, and passes.
            let set_back_to = jump.min(0);
            clock.set(set_back_to);
            let over_at = set_back_to + windows.has_to_wait(run, set_back_to).await;
            clock.set(over_at);
            windows.guesses_once_more(run, over_at).await;
            clock.set(0);
            clients.turned().await;
        }
    }
    clients.end().await;
    let versions = load.settle(address).await;
    let log = serving.stop().await;
    run.require(!log.contains("panicked"), || log);
    run.figure("jumps by a day, and back again", rounds * 2, Demand::AtLeast(100));
    run.figure("windows of each kind: overlap, client token, wait", rounds, Demand::AtLeast(50));
    load.tell_figures(&versions);
}

/// One window of each kind, all of them open: a mail domain whose password was changed a moment ago under a client token,
/// and a caller who guessed too often.
struct Windows {
    domain: String,
    root: Client,
    guesser: Client,
}

impl Windows {
    async fn open(root: &Client, round: u64) -> Self {
        let domain = format!("round-{round}");
        let caller = json!({ "caller_kind": "CALLER_KIND_SERVICE", "caller_name": format!("guesser-{round}") });
        let guesser = token(root, caller).await;
        // On the connection that there is.
        let windows = Self { domain, root: root.clone(), guesser: root.with_token_instead(&guesser) };
        let domain = json!({ "domain_name": windows.domain, "password": text(1) });
        let overlap = json!({ "subject": windows.subject(), "overlap_seconds": WINDOW_SECONDS });
        for (method, request) in
            [("CreateMailDomain", domain), ("SetPasswordOverlap", overlap), ("ModifyPWByDomain", windows.change())]
        {
            let reply = insist(root, method, &request).await;
            // What was not answered in time may have been done.
            assert!(["OK", "ALREADY_EXISTS"].contains(&&*reply.reason()), "{method}: {:?}", reply.status);
        }
        for _ in 0..ALLOWANCE {
            assert_eq!(windows.verify(&windows.guesser, 3).await.0, "NOT_MATCHED");
        }
        windows
    }

    /// Checks each of them with a clock that is so many seconds off.
    async fn check(&self, run: &Run, off: i64) {
        let at = format!("{}, {off} seconds off", self.domain);
        let previous = self.verify(&self.root, 1).await.0;
        let expected = if off == 0 { "MATCHED_PREVIOUS" } else { "NOT_MATCHED" };
        run.require(previous == expected, || format!("{at}: the password before: {previous}"));
        let current = self.verify(&self.root, 2).await.0;
        run.require(current == "MATCHED_CURRENT", || format!("{at}: the password: {current}"));

        let again = insist(&self.root, "ModifyPWByDomain", &self.change()).await;
        let expected = if off == 0 { "OK" } else { "VERSION_CONFLICT" };
        run.require(again.reason() == expected, || format!("{at}: the change once more: {}", again.reason()));
    }

    /// Who guessed has to wait, at a clock that is so many seconds off. Returns after how many seconds the wait is over.
    async fn has_to_wait(&self, run: &Run, off: i64) -> i64 {
        let (refused, wait) = self.verify(&self.guesser, 2).await;
        let is_bounded = refused == "TOO_MANY_ATTEMPTS" && (1..=WINDOW_SECONDS).contains(&wait);
        run.require(is_bounded, || format!("{}, {off} seconds off: {refused}, to wait for {wait} s", self.domain));
        // Whole seconds: there may be a part of one more.
        i64::try_from(wait).unwrap() + 1
    }

    /// Who guessed may do so once more, which is wrong again, and then has to wait again.
    async fn guesses_once_more(&self, run: &Run, off: i64) {
        let (one_more, _) = self.verify(&self.guesser, 3).await;
        run.require(one_more == "NOT_MATCHED", || format!("{}, {off} seconds off: {one_more}", self.domain));
        self.has_to_wait(run, off).await;
    }

    fn subject(&self) -> Value {
        json!({ "mail_domain": self.domain })
    }

    /// The change that opened the windows.
    fn change(&self) -> Value {
        json!({ "domain_name": self.domain, "password": text(2), "expected_version": "1", "client_token": "once" })
    }

    /// The result or the reason, and how many seconds to wait.
    async fn verify(&self, caller: &Client, password: u64) -> (String, u64) {
        let request = json!({ "subject": self.subject(), "password": text(password) });
        let reply = insist(caller, "VerifyPassword", &request).await;
        let wait = reply.details().retry_info().and_then(|info| info.retry_delay).unwrap_or_default();
        let result = reply.json["result"].as_str().map(str::to_owned);
        (result.unwrap_or_else(|| reply.reason()), wait.as_secs())
    }
}
