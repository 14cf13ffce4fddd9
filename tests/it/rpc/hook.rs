//! Passwords that another system verifies the first time.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::imports::{counts, send};
use super::upgrades::posture;
use crate::support::certificates::Authority;
use crate::support::hook::{Hook, HookServer, nowhere, with_body};
use crate::support::installation::write_secretly;
use crate::support::{Client, Setup, World};

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
        let setup = setup.with("hook.timeout_milliseconds", PATIENT);
        let setup = setup.with("hook.ca_file", &path("ca")).with("hook.token_file", &path("token"));
        let world = setup.start().await;
        import(&world.root).await;
        let reply = world.service().await.call("VerifyPassword", request(RIGHT)).await;
        assert_eq!(reply.reason(), outcome);
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

#[tokio::test]
async fn without_a_clear_answer_nothing_counts_and_the_caller_is_to_try_again() {
    let hook = HookServer::start(Hook::Hangs).await;
    let world = Setup::default()
        .with("hook.url", &format!("http://{}/", hook.address))
        .with("hook.timeout_milliseconds", "50")
        .start()
        .await;
    import(&world.root).await;
    let relay = world.service().await;
    let fails = async |does: Hook| {
        hook.does(does);
        let reply = relay.err("VerifyPassword", request(RIGHT), "HOOK_UNAVAILABLE").await;
        assert!(reply.details().retry_info().is_some(), "{:?}", reply.status);
    };
    fails(Hook::Hangs).await;
    let url = format!("http://{}/", hook.address);
    let world = world.restart_with(&[("hook.url", &url), ("hook.timeout_milliseconds", PATIENT)]).await;
    let relay = world.service().await;
    let right = with_body("{\"matched\": true}");
    for answer in [
        right.replace("200 OK", "401 Unauthorized"),
        right.replace("200 OK", &format!("302 Found\r\nLocation: http://{}/other", hook.address)),
        with_body(&format!("{{\"matched\": true, \"more\": \"{}\"}}", "x".repeat(5000))),
        with_body("{\"matched\": \"true\"}"),
        with_body("{}"),
        "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{".to_owned(),
        "what?".to_owned(),
    ] {
        hook.does(Hook::Sends(answer.clone()));
        let reply = relay.call("VerifyPassword", request(RIGHT)).await;
        assert_eq!(reply.reason(), "HOOK_UNAVAILABLE", "{answer}");
    }
    // More than the allowance, and still the right password is taken.
    hook.does(Hook::Sends(right));
    assert_eq!(world.verify(alice(), RIGHT).await, "MATCHED_CURRENT");

    let nobody = nowhere().await;
    let world = Setup::default().with("hook.url", &format!("http://{nobody}/")).start().await;
    import(&world.root).await;
    world.service().await.err("VerifyPassword", request(RIGHT), "HOOK_UNAVAILABLE").await;
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
