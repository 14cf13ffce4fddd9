//! `ListAuditEvents`: what was decided, to those who may know.

use serde_json::{Value, json};
use tonic::Code;

use crate::support::{Client, Setup, World};

/// Every message of a list up to its end.
pub async fn listed(caller: &Client, request: Value) -> Vec<Value> {
    let mut list = caller.watch_by("ListAuditEvents", request).await;
    let mut found = Vec::new();
    loop {
        match list.next().await {
            Ok(reply) => found.push(reply),
            Err(end) => {
                assert_eq!(end.status.code(), Code::Ok, "{:?}", end.status);
                return found;
            }
        }
    }
}

/// `outcome action resource` of the events of a list.
pub async fn described(caller: &Client, request: Value) -> Vec<String> {
    let word = |event: &Value, field: &str| event[field].as_str().unwrap_or_default().to_owned();
    let described = |reply: &Value| {
        let event = reply.get("event").filter(|event| !event.is_null())?;
        Some(["outcome", "action", "resource"].map(|field| word(event, field)).join(" "))
    };
    listed(caller, request).await.iter().filter_map(described).collect()
}

async fn world_with_events() -> (World, Client) {
    let world = Setup::default().with("audit.process_name", "node-1").with("attempts.allowance", "1").start().await;
    let alice = world.ram_user("alice", "mypassword").await;
    alice.err("ListRamUsers", json!({}), "ACCESS_DENIED").await;
    let wrong = json!({ "old_password": "guessed", "new_password": "newpassword" });
    alice.err("ChangePassword", wrong.clone(), "OLD_PASSWORD_INCORRECT").await;
    alice.err("ChangePassword", wrong, "TOO_MANY_ATTEMPTS").await;
    (world, alice)
}

#[tokio::test]
async fn every_kind_of_decision_is_listed_as_soon_as_it_is_answered() {
    let (world, _alice) = world_with_events().await;
    let found = described(&world.root, json!({})).await;
    let alices = "acs:ram::acme:user/alice";
    for expected in [
        "done admin:CreateTenant installation".to_owned(),
        format!("done admin:CreateRamUser {alices}"),
        "denied admin:ListRamUsers tenant/acme".to_owned(),
        format!("wrong-password ram:ChangePassword {alices}"),
        format!("throttled ram:ChangePassword {alices}"),
    ] {
        // An operator made the tenant, and no tenant was there for the event to belong to.
        assert_eq!(found.contains(&expected), !expected.contains("CreateTenant"), "{expected}: {found:?}");
        assert!(described(&world.operator, json!({})).await.contains(&expected), "{expected}");
    }
}

#[tokio::test]
async fn an_event_says_who_what_where_when_and_why() {
    let (world, _alice) = world_with_events().await;
    let found = listed(&world.root, json!({ "outcome": "denied" })).await;
    let event = &found.iter().find(|reply| !reply["event"].is_null()).unwrap()["event"];
    assert_eq!((event["caller"].as_str(), event["process"].as_str()), (Some("acme/ram-user/alice"), Some("node-1")));
    assert_eq!(event["reason"], "ACCESS_DENIED");
    for field in ["id", "request_id", "tenant_id", "caller_subject_id"] {
        assert_eq!(event[field].as_str().unwrap().len(), 36, "{field}: {event}");
    }
    assert!(event["time"].as_str().unwrap().ends_with('Z'), "{event}");
    let request = json!({ "caller": "acme/root/root", "outcome": "done" });
    let permitted = listed(&world.root, request).await;
    let event = &permitted.iter().find(|reply| !reply["event"].is_null()).unwrap()["event"];
    assert_eq!(event["policies"], json!(["root-does-everything-in-its-tenant"]));
}

/// An attempt fails on an old password, on one that was used before, and on another password than that of a client token.
#[tokio::test]
async fn an_event_gives_no_reason_that_its_caller_did_not_get() {
    let world = World::start().await;
    let alice = world.ram_user("alice", "mypassword").await;
    world.mail_domain("mail.example", "OLDmail1234").await;
    let domain = json!({ "mail_domain": "mail.example" });
    let change = |old: &str, new: &str| json!({ "old_password": old, "new_password": new, "client_token": "t-1" });
    alice.err("ChangePassword", change("guessed", "newpassword"), "OLD_PASSWORD_INCORRECT").await;
    alice.ok("ChangePassword", change("mypassword", "newpassword")).await;
    alice.err("ChangePassword", change("mypassword", "another-one"), "CLIENT_TOKEN_MISMATCH").await;
    let reset = json!({ "subject": domain, "password": "OLDmail1234" });
    world.root.err("ResetPassword", reset, "PASSWORD_REUSED").await;
    let change = json!({ "domain_name": "mail.example", "password": "OLDmail1234" });
    world.root.err("ModifyPWByDomain", change, "PASSWORD_REUSED").await;

    let found = listed(&world.root, json!({ "outcome": "wrong-password" })).await;
    let reasons: Vec<_> =
        found.iter().filter(|reply| !reply["event"].is_null()).map(|reply| &reply["event"]["reason"]).collect();
    assert_eq!(reasons, [&Value::Null; 4], "{found:?}");
}

#[tokio::test]
async fn no_tenant_sees_the_events_of_another_and_no_user_any() {
    let (world, alice) = world_with_events().await;
    alice.err("ListAuditEvents", json!({}), "ACCESS_DENIED").await;
    let globex = world.tenant("globex").await;
    globex.err("ListRamUsers", json!({ "tenant": "acme" }), "ACCESS_DENIED").await;
    globex.err("ListAuditEvents", json!({ "tenant": "acme" }), "ACCESS_DENIED").await;

    let of_globex = described(&globex, json!({})).await;
    assert!(of_globex.contains(&"denied admin:ListRamUsers tenant/acme".to_owned()), "{of_globex:?}");
    assert!(of_globex.iter().all(|event| !event.contains("alice")), "{of_globex:?}");
    let filters = [
        json!({ "caller": "acme/ram-user/alice" }),
        json!({ "caller": "acme/ram-user/alice", "outcome": "wrong-password" }),
        json!({ "caller": "-/operator/first", "outcome": "imported" }),
    ];
    for filter in filters {
        assert_eq!(described(&globex, filter.clone()).await, Vec::<String>::new(), "{filter}");
    }
    let of_acme = described(&world.root, json!({})).await;
    assert!(of_acme.iter().all(|event| !event.contains("ListRamUsers tenant/globex")), "{of_acme:?}");
    world.operator.err("ListAuditEvents", json!({ "tenant": "nobody" }), "TENANT_NOT_FOUND").await;
}

#[tokio::test]
async fn a_list_is_resumed_after_any_of_its_cursors() {
    let (world, _alice) = world_with_events().await;
    let all = listed(&world.root, json!({ "outcome": "done" })).await;
    let events: Vec<_> = all.iter().filter(|reply| !reply["event"].is_null()).cloned().collect();
    assert!(events.len() >= 2, "{all:?}");
    let (mut cursor, mut found) = (String::new(), Vec::new());
    for _ in 0..events.len() {
        let request = json!({ "outcome": "done", "max_events": 1, "cursor": cursor });
        let page = listed(&world.root, request).await;
        let event = page.iter().find(|reply| !reply["event"].is_null()).unwrap().clone();
        cursor = page.last().unwrap()["cursor"].as_str().unwrap().to_owned();
        found.push(event);
    }
    assert_eq!(found, events);
    for bad in [json!({ "cursor": "x" }), json!({ "caller": "alice" }), json!({ "outcome": "lost" })] {
        world.root.err("ListAuditEvents", bad, "INVALID_FIELD").await;
    }
    world.root.err("ListAuditEvents", json!({ "cursor": "AAAAAAAAD0A" }), "CURSOR_EXPIRED").await;
}

#[tokio::test]
async fn one_who_follows_sees_what_comes_and_nothing_from_before() {
    let (world, alice) = world_with_events().await;
    let mut follow = world.root.watch_by("ListAuditEvents", json!({ "follow": true })).await;
    assert!(follow.next().await.unwrap()["event"].is_null());
    alice.err("ListIamUsers", json!({}), "ACCESS_DENIED").await;
    let event = follow.event().await;
    assert_eq!(event["event"]["action"], "admin:ListIamUsers");
    world.restart().await;
    assert_eq!(follow.end().await.reason(), "OVERLOADED");
}

/// Otherwise an operator could keep a tenant from watching, or a tenant an operator from reading.
#[tokio::test]
async fn readers_of_a_tenants_log_who_are_operators_take_no_place_of_the_tenant() {
    let world = Setup::default().with("watch.per_tenant", "1").start().await;
    let follow =
        async |caller: &Client| caller.watch_by("ListAuditEvents", json!({ "tenant": "acme", "follow": true })).await;
    let mut first = follow(&world.operator).await;
    first.next().await.unwrap();
    let mut of_tenant = follow(&world.root).await;
    of_tenant.next().await.unwrap();
    let mut second = follow(&world.operator).await;
    second.next().await.unwrap();
    assert_eq!(follow(&world.root).await.end().await.reason(), "OVERLOADED", "the tenant has one");
}
