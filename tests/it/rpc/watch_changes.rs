//! `WatchChanges`: everything in order, nothing missed, nobody else's.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tonic::Code;

use crate::store::tamper;
use crate::support::serving::eventually_async;
use crate::support::{Client, Setup, Watching, World, database};

/// `name: kind version`, of a reply with an event.
fn described(reply: &Value) -> String {
    let event = &reply["event"];
    let name = match event["subject"].as_object().unwrap().values().next().unwrap() {
        Value::String(name) => name.clone(),
        account => {
            format!("{}/{}", account["instance_id"].as_str().unwrap(), account["account_name"].as_str().unwrap())
        }
    };
    let kinds = ["created", "changed", "reset", "locked", "deleted"];
    let kind = kinds.into_iter().find(|kind| !event[kind].is_null()).unwrap();
    let version = event[kind]["version"].as_str().unwrap_or("-");
    format!("{name}: {kind} {version}")
}

async fn next_received(watch: &mut Watching, count: usize) -> Vec<String> {
    let mut found = Vec::new();
    for _ in 0..count {
        found.push(described(&watch.event().await));
    }
    found
}

fn cursor(reply: &Value) -> String {
    reply["cursor"].as_str().unwrap().to_owned()
}

fn after(reply: &Value) -> Value {
    json!({ "cursor": cursor(reply) })
}

/// Names that each cost an event, and no hash.
async fn add_users(root: &Client, names: impl Iterator<Item = String>) {
    for name in names {
        root.ok("CreateRamUser", json!({ "user_name": name })).await;
    }
}

fn with_heartbeats() -> Setup {
    Setup::default().with("watch.heartbeat_seconds", "1")
}

#[tokio::test]
async fn a_watcher_receives_everything_in_order() {
    let world = World::start().await;
    world.mail_domain("before.example", "DM1mail1234").await;
    let relay = world.service().await;
    let mut watch = relay.watch(json!({})).await;
    let first = watch.next().await.unwrap();
    assert!(first["event"].is_null(), "the first reply says where the watch begins: {first}");
    assert_eq!(watch.initial["x-request-id"].len(), 36);

    world.mail_domain("Example.com", "DM1mail1234").await;
    world.instance_account("r-1", "app", "Tair1234").await;
    let bob = world.iam_user("bob", "Bob-1234").await;
    let alice = world.ram_user("alice", "mypassword").await;
    world.root.ok("CreateRamUser", json!({ "user_name": "carol" })).await;
    world.root.ok("ModifyPWByDomain", json!({ "domain_name": "example.COM", "password": "DM1mail5678" })).await;
    alice.ok("ChangePassword", json!({ "old_password": "mypassword", "new_password": "newpassword" })).await;
    bob.ok("ChangePasswordV5", json!({ "old_password": "Bob-1234", "new_password": "Bob-5678" })).await;
    let request = json!({
        "instance_id": "r-1", "account_name": "app",
        "old_account_password": "Tair1234", "new_account_password": "Tair5678",
    });
    world.root.ok("ModifyAccountPassword", request).await;
    let reset = json!({ "subject": { "ram_user": "alice" }, "generate_password": true });
    world.root.ok("ResetPassword", reset).await;
    for _ in 0..5 {
        let wrong = json!({ "subject": { "ram_user": "alice" }, "password": "guessed-wrong" });
        relay.ok("VerifyPassword", wrong).await;
    }
    world.root.ok("DeleteRamUser", json!({ "user_name": "alice" })).await;

    let expected = [
        "Example.com: created 1",
        "r-1/app: created 1",
        "bob: created 1",
        "alice: created 1",
        "carol: created -",
        "Example.com: changed 2",
        "alice: changed 2",
        "bob: changed 2",
        "r-1/app: changed 2",
        "alice: reset 3",
        "alice: locked -",
        "alice: deleted -",
    ];
    assert_eq!(sorted(next_received(&mut watch, expected.len()).await), sorted(expected));

    let mut again = relay.watch(after(&first)).await;
    let alice =
        |found: &[String]| found.iter().filter(|described| described.starts_with("alice")).cloned().collect::<Vec<_>>();
    let found = next_received(&mut again, expected.len()).await;
    assert_eq!(alice(&found), alice(&expected.map(str::to_owned)), "those of one subject in their order");
    let oldest = relay.watch(json!({ "from_oldest": true })).await.event().await;
    assert_eq!(described(&oldest), "before.example: created 1");
}

fn sorted<T: AsRef<str>>(described: impl IntoIterator<Item = T>) -> Vec<String> {
    let mut described: Vec<_> = described.into_iter().map(|described| described.as_ref().to_owned()).collect();
    described.sort();
    described
}

#[tokio::test]
async fn an_event_names_the_subject_and_the_time_and_keeps_its_id() {
    let world = World::start().await;
    let created = world.root.ok("CreateRamUser", json!({ "user_name": "alice" })).await;
    let described = world.root.ok("DescribeRamUser", json!({ "user_name": "alice" })).await;
    let event = world.root.watch(json!({ "from_oldest": true })).await.event().await["event"].clone();
    assert_eq!((&event["tenant"], &event["subject"]["ram_user"]), (&json!("acme"), &json!("alice")), "{created}");
    let entry = described.to_string();
    assert!(entry.contains(event["at"].as_str().unwrap()), "{entry} {event}");
    assert_eq!(event["subject_id"].as_str().unwrap().len(), 36);
    let again = world.root.watch(json!({ "from_oldest": true })).await.event().await["event"].clone();
    assert_eq!(event, again);
}

#[tokio::test]
async fn another_tenants_events_are_never_seen() {
    let world = with_heartbeats().start().await;
    let other = world.tenant("other").await;
    let mut watch = world.service().await.watch(json!({})).await;
    let begun = watch.next().await.unwrap();
    add_users(&other, (0..20).map(|number| format!("theirs-{number}"))).await;
    add_users(&world.root, std::iter::once("ours".to_owned())).await;
    assert_eq!(described(&watch.event().await), "ours: created -");
    let theirs = other.watch(after(&begun)).await.event().await;
    assert!(described(&theirs).starts_with("theirs-"), "a cursor leads nowhere but into one's own tenant");
    world.operator.watch(json!({})).await.next().await.unwrap_err();
}

#[tokio::test]
async fn a_watch_goes_on_over_a_restart_and_does_not_keep_the_service_from_stopping() {
    // Whatever drains for so long fails the test.
    let world = Setup::default().with("server.drain_seconds", "3600").start().await;
    let relay = world.service().await;
    let mut watch = relay.watch(json!({})).await;
    watch.next().await.unwrap();
    add_users(&world.root, (0..3).map(|number| format!("user-{number}"))).await;
    let seen = watch.event().await;
    let mut found = vec![described(&seen)];

    let world = world.restart().await;
    let ended = watch.end().await;
    assert_eq!((ended.status.code(), ended.reason()), (Code::Unavailable, "OVERLOADED".to_owned()));
    assert_eq!(ended.metadata("interruption").as_deref(), Some("stopping"));
    assert_eq!(ended.status.message(), "the service is stopping");
    assert!(ended.details().retry_info().is_some());
    assert_eq!(ended.details().request_info().unwrap().request_id, ended.trailer("x-request-id").unwrap());

    add_users(&world.root, std::iter::once("late".to_owned())).await;
    let mut watch = relay.at(world.address).watch(after(&seen)).await;
    found.extend(next_received(&mut watch, 3).await);
    let expected = ["late: created -", "user-0: created -", "user-1: created -", "user-2: created -"];
    assert_eq!(sorted(found), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_back_again_and_again_misses_no_version_of_anybody() {
    const USERS: usize = 5;
    const RESETS: u64 = 5;
    let world = World::start().await;
    let relay = world.service().await;
    let start = relay.watch(json!({})).await.next().await.unwrap();
    add_users(&world.root, (0..USERS).map(|number| format!("user-{number}"))).await;
    let writers = (0..USERS).map(|number| {
        let root = world.root.clone();
        tokio::spawn(async move {
            for _ in 0..RESETS {
                let subject = json!({ "ram_user": format!("user-{number}") });
                root.ok("ResetPassword", json!({ "subject": subject, "generate_password": true })).await;
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    let watchers = (1..=4).map(|patience| {
        let (relay, mut last) = (relay.clone(), start.clone());
        tokio::spawn(async move {
            let mut versions = BTreeMap::<String, Vec<u64>>::new();
            loop {
                let mut watch = relay.watch(after(&last)).await;
                for _ in 0..patience {
                    last = watch.event().await;
                    let event = &last["event"];
                    let name = event["subject"]["ram_user"].as_str().unwrap().to_owned();
                    let version = event["reset"]["version"].as_str().map_or(0, |text| text.parse().unwrap());
                    versions.entry(name).or_default().push(version);
                    if versions.len() == USERS && versions.values().all(|seen| seen.contains(&RESETS)) {
                        return versions;
                    }
                }
            }
        })
    });
    let watchers: Vec<_> = watchers.collect();
    for writer in writers {
        writer.await.unwrap();
    }
    for watcher in watchers {
        for (name, versions) in watcher.await.unwrap() {
            assert_eq!(versions, (0..=RESETS).collect::<Vec<_>>(), "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_that_takes_nothing_is_dropped_and_the_others_go_on() {
    const USERS: usize = 400;
    let world =
        with_heartbeats().with("watch.patience_seconds", "1").with("server.stall_seconds", "3600").start().await;
    let relay = world.service().await;
    let mut slow = relay.with_window(1024).watch(json!({})).await;
    let mut last = slow.next().await.unwrap();
    let mut quick = relay.watch(json!({})).await;
    quick.next().await.unwrap();
    add_users(&world.root, (0..USERS).map(|number| format!("user-{number}"))).await;
    let all = sorted(next_received(&mut quick, USERS).await);
    // Three heartbeats of the other take longer than the patience with this one.
    for _ in 0..3 {
        quick.next().await.unwrap();
    }

    let mut found = Vec::new();
    let ended = loop {
        match slow.next().await {
            Ok(reply) => {
                found.extend((!reply["event"].is_null()).then(|| described(&reply)));
                last = reply;
            }
            Err(ended) => break ended,
        }
    };
    assert_eq!((ended.status.code(), ended.reason()), (Code::Unavailable, "OVERLOADED".to_owned()));
    assert_eq!(ended.metadata("interruption").as_deref(), Some("too-slow"));
    assert!(found.len() < USERS, "{}", found.len());
    let mut again = relay.watch(after(&last)).await;
    let rest = USERS - found.len();
    found.extend(next_received(&mut again, rest).await);
    assert_eq!(sorted(found), all);
}

#[tokio::test]
async fn a_caller_has_so_many_watches_and_no_more() {
    let world = Setup::default().with("watch.per_caller", "2").with("watch.per_tenant", "3").start().await;
    let (relay, console) = (world.service().await, world.caller("SERVICE", "console").await);
    let mut first = relay.watch(json!({})).await;
    first.next().await.unwrap();
    let mut second = relay.watch(json!({})).await;
    second.next().await.unwrap();
    let refused = relay.watch(json!({})).await.end().await;
    assert_eq!(refused.metadata("interruption").as_deref(), Some("too-many-watches"));
    assert_eq!(refused.reason(), "OVERLOADED");
    let mut third = console.watch(json!({})).await;
    third.next().await.unwrap();
    assert_eq!(console.watch(json!({})).await.end().await.reason(), "OVERLOADED", "the tenant has three");
    drop(first);
    // The place is free once the service has noticed.
    let watched = async || match relay.watch(json!({})).await.next().await {
        Ok(_) => Some(()),
        Err(refused) => {
            assert_eq!(refused.reason(), "OVERLOADED");
            None
        }
    };
    eventually_async("the place", watched).await;
}

#[tokio::test]
async fn a_watch_ends_with_a_reason_when_its_token_ends() {
    let world = with_heartbeats().start().await;
    let request = json!({ "caller_kind": "CALLER_KIND_SERVICE", "caller_name": "relay" });
    let issued = world.root.ok("IssueAccessToken", request.clone()).await;
    let revoked = world.anybody().with_token(issued["token"].as_str().unwrap());
    let mut short_lived = request;
    short_lived["time_to_live"] = json!("3s");
    let short_lived = world.root.ok("IssueAccessToken", short_lived).await;
    let expires = world.anybody().with_token(short_lived["token"].as_str().unwrap());
    let mut watches = Vec::new();
    for caller in [&revoked, &expires] {
        let mut watch = caller.watch(json!({})).await;
        watch.next().await.unwrap();
        watches.push(watch);
    }
    let id = issued["access_token"]["token_id"].as_str().unwrap_or_else(|| panic!("{issued}"));
    world.root.ok("RevokeAccessToken", json!({ "token_id": id })).await;
    for watch in watches {
        let ended = watch.end().await;
        assert_eq!((ended.status.code(), ended.reason()), (Code::Unauthenticated, "UNAUTHENTICATED".to_owned()));
    }
    let alice = world.ram_user("alice", "mypassword").await;
    assert_eq!(alice.watch(json!({})).await.end().await.reason(), "ACCESS_DENIED");
    assert_eq!(world.operator.watch(json!({})).await.end().await.reason(), "CALLER_NOT_ELIGIBLE");
    assert_eq!(world.anybody().watch(json!({})).await.end().await.reason(), "UNAUTHENTICATED");
}

#[tokio::test]
async fn a_callers_own_deadline_ends_a_watch_and_the_longest_request_does_not() {
    let settings = Setup::default().with("server.longest_request_seconds", "1").with("watch.heartbeat_seconds", "1");
    let world = settings.start().await;
    let relay = world.service().await;
    let mut unbounded = relay.watch(json!({})).await;
    let ended = relay.with_header("grpc-timeout", "1500m").watch(json!({})).await.end().await;
    assert_eq!((ended.status.code(), ended.reason()), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED".to_owned()));
    for _ in 0..3 {
        unbounded.next().await.unwrap();
    }
}

#[tokio::test]
async fn an_invalid_or_expired_cursor_is_refused() {
    let world = World::start().await;
    let relay = world.service().await;
    for bad in ["x", "AAAAAAAAAAA=", "AAAAAAAAAAAAAAAA"] {
        let refused = relay.watch(json!({ "cursor": bad })).await.end().await;
        assert_eq!(
            (refused.reason().as_str(), refused.problems()),
            ("INVALID_FIELD", vec!["cursor: MALFORMED".to_owned()])
        );
    }
    // Of another store, or of a time that a backup does not know.
    let refused = relay.watch(json!({ "cursor": "AAAAAAB_____" })).await.end().await;
    assert_eq!(refused.problems(), ["cursor: MALFORMED"]);
    let refused = relay.watch(json!({ "cursor": "AAAAAH____8" })).await.end().await;
    assert_eq!((refused.status.code(), refused.reason()), (Code::OutOfRange, "CURSOR_EXPIRED".to_owned()));

    add_users(&world.root, ["old", "older"].map(str::to_owned).into_iter()).await;
    let mut watch = relay.watch(json!({ "from_oldest": true })).await;
    let seen = watch.event().await;
    watch.event().await;
    tamper(&database(&world.directory), "UPDATE change_event SET at = 0");
    let world = world.restart().await;
    // Removed by the first tidying, which nobody waits for.
    let watched = async || relay.at(world.address).watch(after(&seen)).await.next().await.err();
    let expired = eventually_async("the removal", watched).await;
    assert_eq!((expired.status.code(), expired.reason()), (Code::OutOfRange, "CURSOR_EXPIRED".to_owned()));
}

/// As a later version may write one, or as damage makes one.
#[tokio::test]
async fn an_event_that_can_not_be_read_ends_the_watches_of_its_tenant_alone() {
    let world = with_heartbeats().start().await;
    let globex = world.tenant("globex").await;
    let relay = json!({ "caller_kind": "CALLER_KIND_SERVICE", "caller_name": "relay" });
    let token = globex.ok("IssueAccessToken", relay).await["token"].as_str().unwrap().to_owned();
    let (of_acme, of_globex) = (world.service().await, world.anybody().with_token(&token));
    let (mut watch, mut elsewhere) = (of_acme.watch(json!({})).await, of_globex.watch(json!({})).await);
    for watch in [&mut watch, &mut elsewhere] {
        watch.next().await.unwrap();
    }
    world.root.ok("CreateRamUser", json!({ "user_name": "first" })).await;
    let before = watch.event().await;
    assert_eq!(described(&before), "first: created -");
    let renamed = "INSERT INTO change_event (subject_id, number, id, at, tenant_id, tenant, kind, written, what)
         SELECT subject_id, 1000, id, at, tenant_id, tenant, kind, written, 'renamed' FROM change_event";
    tamper(&database(&world.directory), renamed);
    add_users(&globex, ["second".to_owned()].into_iter()).await;
    assert_eq!(described(&elsewhere.event().await), "second: created -");
    assert_eq!(watch.end().await.reason(), "INTERNAL");
    // It is not passed over by a watch that resumes.
    assert_eq!(of_acme.watch(after(&before)).await.end().await.reason(), "INTERNAL");
    let mut now = of_acme.watch(json!({})).await;
    now.next().await.unwrap();
    world.root.ok("CreateRamUser", json!({ "user_name": "third" })).await;
    assert_eq!(described(&now.event().await), "third: created -");
}

#[tokio::test]
async fn an_event_whose_tenant_can_not_be_read_ends_no_watch() {
    let world = with_heartbeats().start().await;
    let relay = world.service().await;
    let mut watch = relay.watch(json!({})).await;
    watch.next().await.unwrap();
    world.root.ok("CreateRamUser", json!({ "user_name": "first" })).await;
    assert_eq!(described(&watch.event().await), "first: created -");
    let nobodys = "INSERT INTO change_event (subject_id, number, id, at, tenant_id, tenant, kind, written, what)
         SELECT subject_id, 1000, id, at, 'nobody', tenant, kind, written, 'deleted' FROM change_event";
    tamper(&database(&world.directory), nobodys);
    world.root.ok("CreateRamUser", json!({ "user_name": "second" })).await;
    assert_eq!(described(&watch.event().await), "second: created -");
}
