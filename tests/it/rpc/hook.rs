//! Passwords that another system verifies the first time.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::imports::{counts, send};
use super::upgrades::{algorithms, posture};
use crate::support::certificates::Authority;
use crate::support::hook::{Hook, HookServer, nowhere, with_body};
use crate::support::installation::write_secretly;
use crate::support::tenant::tells_when_to_retry;
use crate::support::{Client, Reply, Setup, World};

const RIGHT: &str = "p\u{e4}ss \"w\u{f6}rd\"";
/// As long as is allowed: only one test needs a hook that is too slow.
const PATIENT: &str = "30000";
const TARGET: &str = "argon2id v=19,m=47104,t=1,p=1";

fn alice() -> Value {
    json!({ "ram_user": "alice" })
}

/// Imports `alice` without a hash, so that the hook verifies her password.
async fn import(root: &Client) -> Value {
    let rows = json!([{ "subject": alice(), "change_time": "2026-01-02T03:04:05Z" }]);
    let reply = send(root, &[json!({ "options": { "verify_elsewhere": true }, "rows": rows })]).await;
    assert_eq!(reply.reason(), "OK", "{:?}", reply.status);
    reply.json
}

async fn world(hook: &HookServer) -> World {
    let setup = Setup::default().with("hook.url", &format!("http://{}/verify?v=1", hook.address));
    let world = setup.with("hook.timeout_milliseconds", PATIENT).start().await;
    assert_eq!(counts(&import(&world.root).await), [1, 0, 0, 0]);
    world
}

async fn is_marked(world: &World) -> (Value, Value) {
    let described = world.root.ok("DescribeRamUser", json!({ "user_name": "alice" })).await;
    let credential = &described["ram_user"]["credential"];
    (credential["verified_elsewhere"].clone(), credential["version"].clone())
}

fn request(password: &str) -> Value {
    json!({ "subject": alice(), "password": password })
}

#[tokio::test]
async fn a_right_password_is_hashed_here_and_the_hook_is_not_asked_again() {
    let hook = HookServer::start(Hook::Knows(RIGHT)).await;
    let world = world(&hook).await;
    assert_eq!(is_marked(&world).await, (json!(true), json!("1")));
    assert_eq!(posture(&world).await, ["verified-elsewhere -: 1 of 1"]);
    assert_eq!(algorithms(&world).await, ["verified-elsewhere"]);
    assert_eq!(counts(&import(&world.root).await), [0, 1, 0, 0]);

    assert_eq!(world.verify_each(&alice(), &["wrong", RIGHT]).await, ["NOT_MATCHED", "MATCHED_CURRENT"]);
    let documents: Vec<_> = hook.asked().into_iter().map(|(_, document)| document).collect();
    let document = |password| json!({ "tenant": "acme", "kind": "ram-user", "name": "alice", "password": password });
    assert_eq!(documents, [document("wrong"), document(RIGHT)]);

    hook.does(Hook::Sends(with_body("{\"matched\": true}")));
    assert_eq!(world.verify_each(&alice(), &["wrong", RIGHT]).await, ["NOT_MATCHED", "MATCHED_CURRENT"]);
    assert_eq!(hook.asked().len(), 2);
    assert_eq!(is_marked(&world).await, (Value::Null, json!("1")));
    assert_eq!(posture(&world).await, [format!("{TARGET}: 0 of 1")]);
    assert_eq!(counts(&import(&world.root).await), [0, 1, 0, 0]);
}

#[tokio::test]
async fn over_tls_with_the_token_and_only_to_a_server_that_is_trusted() {
    let (ca, other) = (Authority::new("old system"), Authority::new("another"));
    let hook = HookServer::listen(Hook::Knows(RIGHT), Some(ca.server(&["127.0.0.1"]).acceptor())).await;
    let folder = tempfile::tempdir().unwrap();
    for (trusted, outcome) in [(&ca, "OK"), (&other, "HOOK_UNAVAILABLE")] {
        write_secretly(&folder.path().join("ca"), trusted.pem());
        write_secretly(&folder.path().join("token"), "opensesame\n");
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let setup = Setup::default().with("hook.url", &format!("https://{}/", hook.address));
        let setup = setup.with("hook.timeout_milliseconds", PATIENT).with("attempts.allowance", "1");
        let setup = setup.with("hook.ca_file", &path("ca")).with("hook.token_file", &path("token"));
        let world = setup.start().await;
        import(&world.root).await;
        let relay = world.service().await;
        for _ in 0..2 {
            assert_eq!(relay.call("VerifyPassword", request(RIGHT)).await.reason(), outcome);
        }
    }
    let heads: Vec<_> = hook.asked().into_iter().map(|(head, _)| head).collect();
    assert!(matches!(&heads[..], [one] if one.contains("authorization: bearer opensesame\r\n")), "{heads:?}");
}

#[tokio::test]
async fn wrong_passwords_count_as_they_do_everywhere() {
    let hook = HookServer::start(Hook::Knows(RIGHT)).await;
    let world = world(&hook).await;
    let relay = world.service().await;
    for _ in 0..5 {
        assert_eq!(relay.ok("VerifyPassword", request("wrong")).await["result"], "NOT_MATCHED");
    }
    relay.err("VerifyPassword", request(RIGHT), "TOO_MANY_ATTEMPTS").await;
    assert_eq!(hook.asked().len(), 5);
}

/// Imports these users without a hash.
async fn import_all(root: &Client, users: &[String]) {
    let rows =
        users.iter().map(|user| json!({ "subject": { "ram_user": user }, "change_time": "2026-01-02T03:04:05Z" }));
    let rows = json!({ "options": { "verify_elsewhere": true }, "rows": rows.collect::<Vec<_>>() });
    assert_eq!(counts(&send(root, &[rows]).await.json)[0], users.len() as u64);
}

/// A world with these users, in which one attempt is the whole allowance.
async fn strict_world(url: &str, timeout: &str, users: &[String]) -> World {
    let setup = Setup::default().with("hook.url", url).with("hook.timeout_milliseconds", timeout);
    let world = setup.with("attempts.allowance", "1").with("attempts.backoff_seconds", "600").start().await;
    import_all(&world.root, users).await;
    world
}

/// What the hook's failure tells retry policies if the attempt counts, and if it does not.
const COUNTED: &str = "-1";
const NOT_COUNTED: &str = "1000";

/// The reasons of two attempts on a user. The first one has that pushback.
async fn twice(relay: &Client, user: &str, pushback: &str) -> [String; 2] {
    let request = json!({ "subject": { "ram_user": user }, "password": RIGHT });
    let (first, second) =
        (relay.call("VerifyPassword", request.clone()).await, relay.call("VerifyPassword", request).await);
    assert_eq!(first.trailer("grpc-retry-pushback-ms"), Some(pushback), "{:?}", first.status);
    assert_eq!(tells_when_to_retry(&first), pushback != COUNTED, "{:?}", first.status);
    [first.reason(), second.reason()]
}

fn users(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("user{number}")).collect()
}

#[tokio::test]
async fn an_attempt_counts_if_the_failure_of_the_hook_may_depend_on_the_password() {
    let right = with_body("{\"matched\": true}");
    let status = |status: &str| right.replace("200 OK", status);
    let hook = HookServer::start(Hook::Hangs).await;
    let url = format!("http://{}/", hook.address);
    let answers = [
        status("400 Bad Request"),
        status("401 Unauthorized"),
        status("403 Forbidden"),
        status("404 Not Found"),
        status("422 Unprocessable Content"),
        status(&format!("302 Found\r\nLocation: {url}other")),
        with_body(&format!("{{\"matched\": true, \"more\": \"{}\"}}", "x".repeat(5000))),
        with_body("{\"matched\": \"true\"}"),
        with_body("{}"),
        "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{".to_owned(),
        "what?".to_owned(),
        String::new(),
    ];
    let users = users(answers.len());
    let world = strict_world(&url, PATIENT, &users).await;
    let relay = world.service().await;
    for (user, answer) in users.iter().zip(answers) {
        hook.does(Hook::Sends(answer.clone()));
        let reasons = twice(&relay, user, COUNTED).await;
        assert_eq!(reasons, ["HOOK_UNAVAILABLE", "TOO_MANY_ATTEMPTS"], "{answer}");
    }
    let changed = strict_world(&url, PATIENT, &["alice".to_owned()]).await;
    let alice = changed.caller("RAM_USER", "alice").await;
    hook.does(Hook::Sends(status("401 Unauthorized")));
    let change = json!({ "old_password": RIGHT, "new_password": "newpassword" });
    let reply = alice.err("ChangePassword", change.clone(), "HOOK_UNAVAILABLE").await;
    assert_eq!(reply.trailer("grpc-retry-pushback-ms"), Some(COUNTED));
    alice.err("ChangePassword", change, "TOO_MANY_ATTEMPTS").await;

    hook.does(Hook::Hangs);
    let hasty = strict_world(&url, "1000", &users).await;
    let reasons = twice(&hasty.service().await, "user0", COUNTED).await;
    assert_eq!(reasons, ["HOOK_UNAVAILABLE", "TOO_MANY_ATTEMPTS"]);
}

#[tokio::test]
async fn an_attempt_does_not_count_if_the_hook_fails_or_can_not_be_asked() {
    let right = with_body("{\"matched\": true}");
    let hook = HookServer::start(Hook::Hangs).await;
    let users = users(4);
    let world = strict_world(&format!("http://{}/", hook.address), PATIENT, &users).await;
    let relay = world.service().await;
    let statuses = ["429 Too Many Requests", "500 Internal Server Error", "502 Bad Gateway", "503 Service Unavailable"];
    for (user, status) in users.iter().zip(statuses) {
        hook.does(Hook::Sends(right.replace("200 OK", status)));
        assert_eq!(twice(&relay, user, NOT_COUNTED).await, ["HOOK_UNAVAILABLE"; 2], "{status}");
        hook.does(Hook::Sends(right.clone()));
        assert_eq!(world.verify(json!({ "ram_user": user }), RIGHT).await, "MATCHED_CURRENT", "{status}");
    }
    let world = strict_world(&format!("http://{}/", nowhere().await), PATIENT, &users).await;
    assert_eq!(twice(&world.service().await, "user0", NOT_COUNTED).await, ["HOOK_UNAVAILABLE"; 2]);
}

#[tokio::test]
async fn one_password_of_a_subject_is_asked_about_at_a_time() {
    let hook = HookServer::start(Hook::Knows(RIGHT)).await;
    let world = world(&hook).await;
    let relay = world.service().await;
    let wrong = join_all((0..3).map(|_| relay.ok("VerifyPassword", request("wrong")))).await;
    assert!(wrong.iter().all(|reply| reply["result"] == "NOT_MATCHED"), "{wrong:?}");
    assert_eq!((hook.asked().len(), hook.most_at_once()), (3, 1));
    let right = join_all((0..8).map(|_| relay.ok("VerifyPassword", request(RIGHT)))).await;
    assert!(right.iter().all(|reply| reply["result"] == "MATCHED_CURRENT"), "{right:?}");
    assert_eq!((hook.asked().len(), hook.most_at_once()), (4, 1));
}

#[tokio::test]
async fn a_reset_while_the_hook_is_asked_wins() {
    let hook = HookServer::start(Hook::Knows(RIGHT)).await;
    let world = world(&hook).await;
    hook.hold(true);
    let relay = world.service().await;
    let verification = tokio::spawn(async move { relay.ok("VerifyPassword", request(RIGHT)).await });
    hook.has_got(1).await;
    world.root.ok("ResetPassword", json!({ "subject": alice(), "password": "newpassword" })).await;
    hook.hold(false);
    assert_eq!(verification.await.unwrap()["result"], "MATCHED_CURRENT");
    assert_eq!(is_marked(&world).await, (Value::Null, json!("2")));
    assert_eq!(world.verify_each(&alice(), &[RIGHT, "newpassword"]).await, ["NOT_MATCHED", "MATCHED_CURRENT"]);
    assert_eq!(hook.asked().len(), 1);
}

#[tokio::test]
async fn the_old_password_of_a_change_is_verified_there_too() {
    let hook = HookServer::start(Hook::Knows(RIGHT)).await;
    let world = world(&hook).await;
    let alice = world.caller("RAM_USER", "alice").await;
    let change = |old: &str| json!({ "old_password": old, "new_password": "newpassword" });
    alice.err("ChangePassword", change("wrong"), "OLD_PASSWORD_INCORRECT").await;
    alice.ok("ChangePassword", change(RIGHT)).await;
    assert_eq!(is_marked(&world).await, (Value::Null, json!("2")));
    assert_eq!(hook.asked().len(), 2);
    assert_eq!(world.verify_each(&self::alice(), &[RIGHT, "newpassword"]).await, ["NOT_MATCHED", "MATCHED_CURRENT"]);
}

#[tokio::test]
async fn without_a_hook_nothing_is_imported_that_it_would_verify() {
    let world = World::start().await;
    let refused = import(&world.root).await;
    assert_eq!(counts(&refused), [0, 0, 1, 0]);
    assert_eq!(refused["refused_rows"][0]["problems"][0]["field"], "hash");
    // The text that is stored in place of a hash is no hash.
    let rows = json!([{ "subject": alice(), "hash": "verified-elsewhere" }]);
    let reply = send(&world.root, &[json!({ "options": { "verify_elsewhere": true }, "rows": rows })]).await;
    assert_eq!(counts(&reply.json), [0, 0, 1, 0]);
    let both = json!({ "options": { "verify_elsewhere": true, "without_password": true } });
    assert_eq!(send(&world.root, &[both]).await.reason(), "INVALID_FIELD");
}

#[tokio::test]
async fn a_change_that_is_sent_twice_at_once_is_made_once_and_answered_twice() {
    let hook = HookServer::start(Hook::Knows(RIGHT)).await;
    for guards in [json!({ "client_token": "t-1" }), json!({ "client_token": "t-1", "expected_version": 1 })] {
        let world = world(&hook).await;
        let alice = world.caller("RAM_USER", "alice").await;
        let mut change = json!({ "old_password": RIGHT, "new_password": "newpassword" });
        change.as_object_mut().unwrap().extend(guards.as_object().unwrap().clone());
        let before = hook.asked().len();
        hook.hold(true);
        let calls = (0..4).map(|_| {
            tokio::spawn({
                let (alice, change) = (alice.clone(), change.clone());
                async move { alice.ok("ChangePassword", change).await }
            })
        });
        let calls = calls.collect::<Vec<_>>();
        hook.has_got(before + 1).await;
        hook.hold(false);
        for reply in join_all(calls).await {
            assert_eq!(reply.unwrap()["version"], "2", "{guards}");
        }
        assert_eq!(hook.asked().len(), before + 1, "{guards}");
        let attempts = world.root.ok("ListAttempts", json!({ "subject": self::alice() })).await;
        assert_eq!(attempts["attempts"], Value::Null, "{guards}: {attempts}");
    }
}

fn verify_from(origin: &str, password: &str) -> Value {
    json!({ "subject": alice(), "password": password, "origin": origin })
}

#[tokio::test]
async fn a_caller_that_has_to_wait_is_told_so_without_its_turn_at_the_hook() {
    let hook = HookServer::start(Hook::Knows(RIGHT)).await;
    let world = strict_world(&format!("http://{}/", hook.address), PATIENT, &["alice".to_owned()]).await;
    let relay = world.service().await;
    assert_eq!(relay.ok("VerifyPassword", verify_from("192.0.2.1", "wrong")).await["result"], "NOT_MATCHED");
    hook.hold(true);
    let other = relay.clone();
    let held = tokio::spawn(async move { other.ok("VerifyPassword", verify_from("192.0.2.2", RIGHT)).await });
    hook.has_got(2).await;
    relay.err("VerifyPassword", verify_from("192.0.2.1", "wrong"), "TOO_MANY_ATTEMPTS").await;
    hook.hold(false);
    assert_eq!(held.await.unwrap()["result"], "MATCHED_CURRENT");
}

#[tokio::test]
async fn guesses_that_are_kept_open_at_a_silent_hook_count_and_let_the_subject_in() {
    let hook = HookServer::start(Hook::Hangs).await;
    let world = strict_world(&format!("http://{}/", hook.address), "1000", &["alice".to_owned()]).await;
    let relay = world.service().await;
    let guesses = join_all((0..20).map(|_| relay.call("VerifyPassword", verify_from("192.0.2.1", "wrong")))).await;
    let mut reasons: Vec<_> = guesses.iter().map(Reply::reason).collect();
    reasons.sort_unstable();
    assert_eq!(reasons[..2], ["HOOK_UNAVAILABLE", "TOO_MANY_ATTEMPTS"]);
    assert_eq!(reasons[19], "TOO_MANY_ATTEMPTS");
    assert_eq!(hook.asked().len(), 1);
    hook.does(Hook::Knows(RIGHT));
    assert_eq!(relay.ok("VerifyPassword", verify_from("192.0.2.2", RIGHT)).await["result"], "MATCHED_CURRENT");
}

#[tokio::test]
async fn a_password_that_was_set_before_the_turn_at_the_hook_is_verified_here() {
    let hook = HookServer::start(Hook::Knows(RIGHT)).await;
    let world = world(&hook).await;
    hook.hold(true);
    let calls = [RIGHT, "newpassword", "wrong"].map(|password| {
        let relay = world.service();
        async move { relay.await.ok("VerifyPassword", request(password)).await["result"].clone() }
    });
    let [first, second, third] = calls;
    let reset = async {
        hook.has_got(1).await;
        let reset = json!({ "subject": alice(), "password": "newpassword", "password_reset_required": true });
        world.root.ok("ResetPassword", reset).await;
        hook.hold(false);
    };
    let behind = async {
        hook.has_got(1).await;
        tokio::join!(second, third)
    };
    let (first, (), behind) = tokio::join!(first, reset, behind);
    assert_eq!((first, behind), (json!("MATCHED_CURRENT"), (json!("CHANGE_REQUIRED"), json!("NOT_MATCHED"))));
    assert_eq!(hook.asked().len(), 1);
}

#[tokio::test]
async fn the_questions_of_one_tenant_leave_places_for_the_others() {
    let hook = HookServer::start(Hook::KnowsExceptOf("acme", RIGHT)).await;
    let setup = Setup::default().with("hook.url", &format!("http://{}/", hook.address)).with("hook.concurrency", "4");
    let world = setup.with("hook.timeout_milliseconds", PATIENT).start().await;
    let users = users(6);
    import_all(&world.root, &users).await;
    let globex = world.tenant("globex").await;
    import(&globex).await;
    let relay = world.service().await;
    for user in users {
        let relay = relay.clone();
        tokio::spawn(async move {
            relay.call("VerifyPassword", json!({ "subject": { "ram_user": user }, "password": RIGHT })).await
        });
    }
    hook.has_got(2).await;
    let service = json!({ "caller_kind": "CALLER_KIND_SERVICE", "caller_name": "relay" });
    let token = globex.ok("IssueAccessToken", service).await["token"].as_str().unwrap().to_owned();
    let reply = world.anybody().with_token(&token).ok("VerifyPassword", request(RIGHT)).await;
    assert_eq!(reply["result"], "MATCHED_CURRENT");
    let of_acme = hook.asked().iter().filter(|(_, question)| question["tenant"] == "acme").count();
    assert_eq!(of_acme, 2);
}
