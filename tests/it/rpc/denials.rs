//! The message of a refusal: opaque to the caller who got it, and decoded by administrators.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::audit::described;
use super::pepper::key;
use crate::support::clock::MovedClock;
use crate::support::{Client, Reply, Setup, World};

const KEYS: &str = "pepper.keys";
const DECODE: &str = "DecodeAuthorizationMessage";

/// A world with a key of the pepper, and jane.
async fn peppered() -> (World, Client) {
    with_jane(Setup::default().with(KEYS, &key("a"))).await
}

async fn with_jane(setup: Setup) -> (World, Client) {
    let world = setup.start().await;
    let jane = world.ram_user("jane", "mypassword").await;
    (world, jane)
}

/// A directory with a file of policies.
fn policies(name: &str, text: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join(name), text).unwrap();
    directory
}

async fn denied(caller: &Client) -> Reply {
    caller.err("ListRamUsers", json!({}), "ACCESS_DENIED").await
}

fn message(denied: &Reply) -> String {
    denied.metadata("encoded_authorization_message").unwrap()
}

fn request(message: &str) -> Value {
    json!({ "encoded_message": message })
}

/// Why a message is refused.
async fn problem(caller: &Client, request: Value) -> String {
    caller.err(DECODE, request, "AUTHORIZATION_MESSAGE_INVALID").await.metadata("problem").unwrap()
}

#[tokio::test]
async fn the_message_of_a_refusal_says_who_asked_for_what_and_each_reader_is_recorded() {
    let clock = MovedClock::stopped();
    let (world, jane) = with_jane(Setup::default().with(KEYS, &key("a")).by(&clock)).await;
    let refused = denied(&jane).await;
    let decoded = world.root.ok(DECODE, request(&message(&refused))).await;
    let field = |name: &str| decoded[name].as_str().unwrap_or_default();
    assert_eq!(field("caller"), "acme/ram-user/jane");
    assert_eq!((field("action"), field("resource")), ("admin:ListRamUsers", "tenant/acme"));
    assert_eq!(field("request_id"), refused.trailers["x-request-id"].to_str().unwrap());
    assert!(decoded.get("explicit_deny").is_none() && decoded.get("policies").is_none(), "{decoded}");
    let (from, until) = (field("time"), field("expire_time"));
    assert!(from < until && from.get(11..) == until.get(11..), "{from} {until}");

    let of_tenant = json!({ "tenant": "acme", "encoded_message": message(&refused) });
    assert_eq!(world.operator.ok(DECODE, of_tenant).await, decoded);
    for reader in ["acme/root/root", "-/operator/first"] {
        let found = described(&world.operator, json!({ "caller": reader, "outcome": "done" })).await;
        let expected = "done admin:DecodeAuthorizationMessage tenant/acme".to_owned();
        assert!(found.contains(&expected), "{reader}: {found:?}");
    }
}

#[tokio::test]
async fn only_administrators_of_the_tenant_decode_its_messages() {
    let (world, jane) = peppered().await;
    let message = message(&denied(&jane).await);
    let request = request(&message);
    for caller in [&jane, &world.service().await] {
        caller.err(DECODE, request.clone(), "ACCESS_DENIED").await;
    }
    let globex = world.tenant("globex").await;
    assert_eq!(problem(&globex, request.clone()).await, "does-not-open");
    globex.err(DECODE, json!({ "tenant": "acme", "encoded_message": message }), "ACCESS_DENIED").await;
    assert_eq!(problem(&world.operator, request.clone()).await, "does-not-open", "it belongs to a tenant");
    let absent = json!({ "tenant": "absent", "encoded_message": message });
    world.operator.err(DECODE, absent, "TENANT_NOT_FOUND").await;
    world.anybody().err(DECODE, request.clone(), "UNAUTHENTICATED").await;

    // The tenant of the refused caller has the message, and not the one that it tried to reach.
    let across = globex.err("ListRamUsers", json!({ "tenant": "acme" }), "ACCESS_DENIED").await;
    let across = json!({ "encoded_message": across.metadata("encoded_authorization_message").unwrap() });
    assert_eq!(problem(&world.root, across.clone()).await, "does-not-open");
    let decoded = globex.ok(DECODE, across).await;
    assert_eq!((&decoded["resource"], &decoded["explicit_deny"]), (&json!("tenant/acme"), &json!(true)));
    assert_eq!(decoded["policies"], json!(["nobody-else-crosses-tenants"]));

    // A tenant that is made again under the name is another one.
    world.root.ok("DeleteRamUser", json!({ "user_name": "jane" })).await;
    world.operator.ok("DeleteTenant", json!({ "tenant": "acme" })).await;
    assert_eq!(problem(&world.tenant("acme").await, request).await, "does-not-open");
}

#[tokio::test]
async fn the_policies_of_an_operators_files_are_for_operators() {
    let text = "@id(\"frozen\") forbid (principal, action == Action::\"admin:ListRamUsers\", resource);";
    let directory = policies("freeze.cedar", text);
    let setup = Setup::default().with(KEYS, &key("a")).with("policies.directory", directory.path().to_str().unwrap());
    let (world, jane) = with_jane(setup).await;
    let message = message(&denied(&jane).await);
    let for_root = world.root.ok(DECODE, request(&message)).await;
    assert_eq!((&for_root["explicit_deny"], for_root.get("policies")), (&json!(true), None));
    let request = json!({ "tenant": "acme", "encoded_message": message });
    assert_eq!(world.operator.ok(DECODE, request).await["policies"], json!(["freeze.cedar/frozen"]));

    // A refused operator's message belongs to the tenant of the resource, as its audit event does.
    let of_operator = world.operator.err("ListRamUsers", json!({ "tenant": "acme" }), "ACCESS_DENIED").await;
    let of_operator = of_operator.metadata("encoded_authorization_message").unwrap();
    assert_eq!(world.root.ok(DECODE, json!({ "encoded_message": of_operator })).await["caller"], "-/operator/first");
}

#[tokio::test]
async fn the_message_of_a_request_outside_of_tenants_is_for_operators() {
    let text = "@id(\"frozen\") forbid (principal, action == Action::\"admin:ListTenants\", resource);";
    let directory = policies("freeze.cedar", text);
    let setup = Setup::default().with(KEYS, &key("a")).with("policies.directory", directory.path().to_str().unwrap());
    let world = setup.start().await;
    let refused = world.operator.err("ListTenants", json!({}), "ACCESS_DENIED").await;
    let decoded = world.operator.ok(DECODE, request(&message(&refused))).await;
    assert_eq!((&decoded["resource"], &decoded["policies"]), (&json!("installation"), &json!(["freeze.cedar/frozen"])));
    let for_acme = json!({ "tenant": "acme", "encoded_message": message(&refused) });
    assert_eq!(problem(&world.operator, for_acme).await, "does-not-open");
    assert_eq!(problem(&world.root, request(&message(&refused))).await, "does-not-open");
}

#[tokio::test]
async fn an_expired_message_is_refused() {
    let clock = MovedClock::stopped();
    let setup = Setup::default().with(KEYS, &key("a")).with("policies.denial_message_hours", "2").by(&clock);
    let (world, jane) = with_jane(setup).await;
    let message = message(&denied(&jane).await);
    clock.forward(Duration::from_secs(2 * 60 * 60 - 1));
    world.root.ok(DECODE, request(&message)).await;
    clock.forward(Duration::from_secs(1));
    let refused = world.root.err(DECODE, request(&message), "AUTHORIZATION_MESSAGE_INVALID").await;
    assert_eq!(refused.metadata("problem").as_deref(), Some("expired"));
    assert_eq!(refused.status.message(), "the authorization message has expired");
    // For a clock behind its start it is over, as every window is.
    clock.back(Duration::from_hours(3));
    assert_eq!(problem(&world.root, request(&message)).await, "expired");
}

#[tokio::test]
async fn an_altered_text_is_refused_and_a_malformed_one_too() {
    let (world, jane) = peppered().await;
    let message = message(&denied(&jane).await);
    let altered = |place: usize| {
        let other = if message.as_bytes()[place] == b'A' { "B" } else { "A" };
        [&message[..place], other, &message[place + 1..]].concat()
    };
    for (text, expected) in [
        (altered(0), "malformed"),
        (altered(6), "unknown-key"),
        (altered(20), "does-not-open"),
        (altered(800), "does-not-open"),
        (altered(1599), "does-not-open"),
        (message[..1599].to_owned(), "malformed"),
        (message.clone() + "AAAA", "malformed"),
        ("x".to_owned(), "malformed"),
    ] {
        assert_eq!(problem(&world.root, request(&text)).await, expected, "{text}");
    }
    for (text, problem) in [
        (String::new(), "encoded_message REQUIRED"),
        ("x".repeat(4097), "encoded_message TOO_LONG"),
        (message.clone() + "=", "encoded_message CHARACTER_NOT_ALLOWED"),
        (format!(" {message}"), "encoded_message CHARACTER_NOT_ALLOWED"),
    ] {
        let refused = world.root.err(DECODE, request(&text), "INVALID_FIELD").await;
        let found: Vec<_> = refused.violations().iter().map(|one| format!("{} {}", one.field, one.reason)).collect();
        assert_eq!(found, [problem]);
    }
}

#[tokio::test]
async fn a_message_is_decoded_with_the_ring_that_made_it_and_there_is_none_without() {
    let (old, new) = (key("old"), key("new"));
    let (world, jane) = with_jane(Setup::default().with(KEYS, &old)).await;
    let message = message(&denied(&jane).await);
    let world = world.restart_with(&[(KEYS, &format!("{new}\n{old}"))]).await;
    world.root.ok(DECODE, request(&message)).await;

    // The same id, and another key.
    let (world, _) = with_jane(Setup::default().with(KEYS, &key("old"))).await;
    assert_eq!(problem(&world.root, request(&message)).await, "unknown-key");

    let (world, jane) = with_jane(Setup::default()).await;
    assert_eq!(denied(&jane).await.metadata("encoded_authorization_message"), None);
    assert_eq!(problem(&world.root, request(&message)).await, "unknown-key");
}

#[tokio::test]
async fn the_message_has_one_length_and_all_details_stay_under_6_kib() {
    let long = |start: &str, length: usize| format!("{start}{}", "x".repeat(length - start.len()));
    let forbid = |number: u32| {
        let actions = ["verification:CheckPassword", "iam:users:changePasswordV5", "admin:ListRamUsers"];
        let actions = actions.map(|action| format!("Action::\"{action}\"")).join(", ");
        let id = long(&format!("p{number}-"), 64);
        format!("@id(\"{id}\") forbid (principal, action in [{actions}], resource);\n")
    };
    let name = long("f", 58) + ".cedar";
    let directory = policies(&name, &(0..100).map(forbid).collect::<String>());
    let setup = Setup::default().with(KEYS, &key("a")).with("policies.directory", directory.path().to_str().unwrap());
    let (world, jane) = with_jane(setup).await;
    let tenant = long("t", 64);
    let root = world.tenant(&tenant).await;
    let (instance, account) = (long("r", 64), long("a", 100));
    root.ok("CreateInstance", json!({ "instance_id": instance, "region": long("c", 64) })).await;
    let created = json!({ "instance_id": instance, "account_name": account, "password": "Old_pass1" });
    root.ok("CreateInstanceAccount", created).await;
    let tags: serde_json::Map<_, _> = (0..20).map(|n| (long(&format!("k{n}"), 128), json!("v".repeat(255)))).collect();
    let user = long("u", 64);
    root.ok("CreateIamUser", json!({ "user_id": user, "password": "Correct-Horse-1", "tags": tags })).await;
    let token = |kind: &str, name: &str| {
        let request = json!({ "caller_kind": format!("CALLER_KIND_{kind}"), "caller_name": name });
        let root = root.clone();
        async move { root.ok("IssueAccessToken", request).await["token"].as_str().unwrap().to_owned() }
    };
    let (user, relay) = (token("IAM_USER", &user).await, token("SERVICE", &long("s", 64)).await);

    let change = crate::support::tenant::change("Correct-Horse-1", "Correct-Horse-2");
    let of_user = world.anybody().with_token(&user).err("ChangePasswordV5", change, "ACCESS_DENIED").await;
    let subject = json!({ "instance_account": { "instance_id": instance, "account_name": account } });
    let check = json!({ "subject": subject, "password": "New_pass1" });
    let of_relay = world.anybody().with_token(&relay).err("CheckPassword", check, "ACCESS_DENIED").await;
    for (refused, fitting) in [(&of_user, 2..8), (&of_relay, 2..4)] {
        let on_the_wire = refused.trailers["grpc-status-details-bin"].len();
        assert!(on_the_wire < 4 * 1024, "{on_the_wire} bytes");
        assert_eq!(message(refused).len(), 1600);
        let request = json!({ "tenant": tenant, "encoded_message": message(refused) });
        let decoded = world.operator.ok(DECODE, request).await;
        let shown = decoded["policies"].as_array().unwrap().len();
        assert!(fitting.contains(&shown), "{shown}");
        assert_eq!(decoded["policies_left_out"], json!(100 - shown));
        let by_root = root.ok(DECODE, json!({ "encoded_message": message(refused) })).await;
        assert_eq!((&by_root["policies"], &by_root["policies_left_out"]), (&json!(null), &json!(null)));
    }
    // What decided besides is the first of them.
    let elsewhere = json!({ "tenant": "acme" });
    let crossing = world.anybody().with_token(&relay).err("ListRamUsers", elsewhere, "ACCESS_DENIED").await;
    let by_root = root.ok(DECODE, json!({ "encoded_message": message(&crossing) })).await;
    assert_eq!(by_root["policies"], json!(["nobody-else-crosses-tenants"]));
    assert_eq!(by_root["policies_left_out"], json!(null));
    assert_eq!(message(&denied(&jane).await).len(), 1600);
}
