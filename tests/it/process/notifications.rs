//! `notify`: change events as signed notifications, to a receiver that fails, refuses and comes back.

use std::fs::{self, File};
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use super::installation::{Installation, Outcome, write_secretly};
use super::serving::{PATIENCE, Serving, eventually};
use super::tenant::{Acme, token};
use crate::support::hook::{Hook, HookServer, with_body};

const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3\n";

struct Notified {
    installation: Installation,
    serving: Serving,
    acme: Acme,
    relay: String,
    receiver: HookServer,
}

impl Notified {
    async fn start(does: Hook) -> Self {
        let installation = Installation::new();
        let (serving, acme) = installation.acme(&["--hashing-workers", "1", "--watch-heartbeat-seconds", "1"]).await;
        let relay = json!({ "tenant": "acme", "caller_kind": "CALLER_KIND_SERVICE", "caller_name": "notify" });
        let relay = token(&acme.operator, relay).await;
        write_secretly(&installation.path("secret"), SECRET);
        Self { installation, serving, acme, relay, receiver: HookServer::start(does).await }
    }

    fn url(&self) -> String {
        format!("http://{}/events", self.receiver.address)
    }

    /// A running sender.
    fn notify(&self, more: &[&str]) -> Sender {
        let (address, url) = (self.serving.address.to_string(), self.url());
        let mut command = self.installation.calling(&address, &self.relay, &arguments(&url, more));
        Sender(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    /// One that ends by itself.
    fn run(&self, more: &[&str]) -> Outcome {
        let (address, url) = (self.serving.address.to_string(), self.url());
        self.installation.call(&address, &self.relay, &arguments(&url, more), "")
    }

    async fn user(&self, name: &str, resets: u32) {
        self.acme.root.ok("CreateRamUser", json!({ "user_name": name, "password": "first password" })).await;
        for _ in 0..resets {
            let reset = json!({ "subject": { "ram_user": name }, "generate_password": true });
            self.acme.root.ok("ResetPassword", reset).await;
        }
    }

    async fn got(&self, count: usize) -> Vec<(String, Value)> {
        tokio::time::timeout(PATIENCE, self.receiver.has_got(count)).await.unwrap();
        self.receiver.asked()
    }
}

fn arguments<'a>(url: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["notify", "--url", url, "--secret-file", "secret", "--directory", "notify"], more].concat()
}

/// A sender that does not outlive its test.
struct Sender(Child);

impl Sender {
    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn id(head: &str) -> &str {
    head.lines().find_map(|line| line.strip_prefix("webhook-id: ")).unwrap()
}

/// What happened to a user, each once, in the order in which it first arrived.
fn of_user(got: &[(String, Value)], name: &str) -> Vec<(String, Value)> {
    let mut seen: Vec<&str> = Vec::new();
    let mut events = Vec::new();
    for (head, document) in got.iter().filter(|(_, document)| document["data"]["name"] == name) {
        if !seen.contains(&id(head)) {
            seen.push(id(head));
            events.push((document["type"].as_str().unwrap().to_owned(), document["data"]["version"].clone()));
        }
    }
    events
}

fn expected(resets: u64) -> Vec<(String, Value)> {
    let mut events = vec![("subject.created".to_owned(), json!(1))];
    events.extend((2..2 + resets).map(|version| ("password.reset".to_owned(), json!(version))));
    events
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_arrives_in_order_over_an_outage_of_the_receiver_and_kills() {
    // As of a proxy that knows no better.
    let away = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n";
    let mut notified = Notified::start(Hook::Sends(away.to_owned())).await;
    notified.user("alice", 2).await;
    let mut sender = notified.notify(&["--from-oldest", "--attempts", "1"]);
    notified.got(2).await;
    sender.kill();
    notified.user("bob", 1).await;
    notified.receiver.does(Hook::Sends(with_body("")));
    let mut sender = notified.notify(&[]);
    let last_of_bob = || {
        let got = notified.receiver.asked();
        (of_user(&got, "bob").len() == 2).then_some(())
    };
    // Not from the oldest event again, but from where the first one was.
    eventually("the events of bob", last_of_bob).await;
    let second = notified.run(&[]);
    assert_eq!(second.status, Some(75), "{}", second.stderr);

    // The service restarts, and the sender goes on by itself.
    let address = notified.serving.address.to_string();
    notified.serving.kill();
    notified.serving = notified.installation.serve_on(&address, &["--hashing-workers", "1"]).await;
    notified.acme = notified.acme.at(notified.serving.address);
    notified.user("carol", 3).await;
    eventually("the events of carol", || (of_user(&notified.receiver.asked(), "carol").len() == 4).then_some(())).await;
    sender.kill();
    // Killed after the answer of the receiver and before the position was stored, it sends again.
    let got = notified.receiver.asked();
    for (name, resets) in [("alice", 2), ("bob", 1), ("carol", 3)] {
        assert_eq!(of_user(&got, name), expected(resets), "{name}");
    }
    let (head, document) = &got[0];
    assert!(head.starts_with("post /events http/1.1\r\n") && head.contains("content-type: application/json"), "{head}");
    assert!(head.contains("webhook-timestamp: ") && head.contains("webhook-signature: v1,"), "{head}");
    assert_eq!((&document["data"]["tenant"], &document["data"]["kind"]), (&json!("acme"), &json!("ram-user")));
    assert!(
        !got.iter().any(|(head, document)| head.contains("cdt_") || document.to_string().contains("first password"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notification_that_is_refused_becomes_a_dead_letter_and_can_be_sent_again() {
    let refusing = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    let notified = Notified::start(Hook::Sends(refusing.to_owned())).await;
    notified.user("alice", 1).await;
    let sender = notified.notify(&["--from-oldest", "--attempts", "1", "--give-up-after", "0"]);
    let listed = || {
        let listed = notified.installation.run(&["notify", "--directory", "notify", "--dead-letters"]);
        let lines: Vec<Value> = listed.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (lines.len() == 2).then_some(lines)
    };
    let letters = eventually("two dead letters", listed).await;
    assert_eq!(letters[0]["reason"], "the answer is 400 Bad Request");
    let body: Value = serde_json::from_str(letters[0]["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["data"]["name"], "alice");

    let refused = notified.run(&["--resend"]);
    assert_eq!(refused.status, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("sent 0; the others stay"), "{}", refused.stderr);
    notified.receiver.does(Hook::Sends(refusing.replace("400 Bad Request", "503 Service Unavailable")));
    let away = notified.run(&["--resend"]);
    assert_eq!(away.status, Some(75), "{}", away.stderr);
    notified.receiver.does(Hook::Sends(with_body("")));
    let before = notified.receiver.asked().len();
    assert_eq!(notified.run(&["--resend"]).printed(), "sent 2\n");
    let got = notified.receiver.asked();
    let ids: Vec<_> = got[before..].iter().map(|(head, _)| id(head)).collect();
    assert_eq!(ids, [letters[0]["id"].as_str().unwrap(), letters[1]["id"].as_str().unwrap()]);
    assert_eq!(notified.installation.run(&["notify", "--directory", "notify", "--dead-letters"]).printed(), "");
    drop(sender);

    for (more, problem) in [(&["--url", "http://192.0.2.1/"][..], "loopback"), (&["--attempts", "0"], "--attempts")] {
        let arguments = [&["notify", "--secret-file", "secret", "--directory", "other"], more].concat();
        let ended = notified.installation.run(&arguments);
        assert_eq!(ended.status, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains(problem), "{}", ended.stderr);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_goes_on_with_the_token_that_its_file_gets() {
    let notified = Notified::start(Hook::Sends(with_body(""))).await;
    let (address, url) = (notified.serving.address.to_string(), notified.url());
    let issue = async || {
        let request = json!({ "tenant": "acme", "caller_kind": "CALLER_KIND_SERVICE", "caller_name": "notify" });
        let issued = notified.acme.operator.ok("IssueAccessToken", request).await;
        write_secretly(&notified.installation.path("token"), issued["token"].as_str().unwrap());
        issued["access_token"]["token_id"].clone()
    };
    let first = issue().await;
    let arguments = arguments(&url, &["--from-oldest", "--address", &address, "--token-file", "token"]);
    let said = File::create(notified.installation.path("said")).unwrap();
    let mut command = notified.installation.command(&arguments);
    let mut sender = Sender(command.stdout(Stdio::null()).stderr(said).spawn().unwrap());
    notified.user("alice", 0).await;
    notified.got(1).await;
    notified.acme.operator.ok("RevokeAccessToken", json!({ "token_id": first })).await;
    eventually("the end of the watch", || {
        let said = fs::read_to_string(notified.installation.path("said")).unwrap();
        assert!(sender.0.try_wait().unwrap().is_none(), "{said}");
        said.contains("UNAUTHENTICATED").then_some(())
    })
    .await;
    issue().await;
    notified.user("bob", 1).await;
    eventually("the events of bob", || (of_user(&notified.receiver.asked(), "bob") == expected(1)).then_some(())).await;
}
