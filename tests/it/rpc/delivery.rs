//! Passwords of instance accounts on real Redis servers.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use credentiald::ambient::SystemClock;
use credentiald::domain::delivery::{DeliveryPhase, DeliveryStep};
use credentiald::domain::names::{InstanceId, TenantName};
use credentiald::domain::time::Timestamp;
use credentiald::ports::{Clock, Store};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::support::certificates::Authority;
use crate::support::clock::MovedClock;
use crate::support::redis::{ADMIN_PASSWORD, Connection, Node};
use crate::support::serving::PATIENCE;
use crate::support::{Setup, World};

pub(super) const FIRST: &str = "First-Redis-12";
pub(super) const SECOND: &str = "Second-Redis-23";
pub(super) const THIRD: &str = "Third-Redis-34";
pub(super) const ALL: [&str; 3] = [FIRST, SECOND, THIRD];
/// A ring of one key.
const RING: &str = "2026:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

pub(super) fn setup() -> Setup {
    Setup::default().with("pepper.keys", RING)
}

/// A world with the account `app` of the instance `r-1`, whose password is the first.
pub(super) async fn world(setup: Setup) -> World {
    let world = setup.start().await;
    world.instance_account("r-1", "app", FIRST).await;
    world
}

pub(super) fn endpoint(nodes: &[&Node]) -> Value {
    let nodes: Vec<_> = nodes.iter().map(|node| node.address()).collect();
    json!({ "tenant": "acme", "instance_id": "r-1", "nodes": nodes, "user_name": "admin", "password": ADMIN_PASSWORD,
        "allow_plaintext": true })
}

pub(super) async fn deliver_to(world: &World, nodes: &[&Node]) {
    world.operator.ok("SetInstanceEndpoint", endpoint(nodes)).await;
}

pub(super) async fn change(world: &World, old: &str, new: &str) {
    let request = json!({ "instance_id": "r-1", "account_name": "app",
        "old_account_password": old, "new_account_password": new });
    world.root.ok("ModifyAccountPassword", request).await;
}

pub(super) async fn delivery(world: &World) -> Value {
    let account = json!({ "instance_id": "r-1", "account_name": "app" });
    world.root.ok("DescribeDelivery", account).await["delivery"].clone()
}

/// Waits until the delivery is as wanted.
pub(super) async fn delivered(world: &World, is_wanted: impl Fn(&Value) -> bool) -> Value {
    let start = Instant::now();
    loop {
        let delivery = delivery(world).await;
        if is_wanted(&delivery) {
            return delivery;
        }
        assert!(start.elapsed() < PATIENCE, "{delivery}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(super) async fn in_phase(world: &World, version: &str, phase: &str) -> Value {
    delivered(world, |delivery| {
        delivery["version"] == version && delivery["phase"] == format!("DELIVERY_PHASE_{phase}")
    })
    .await
}

/// A change of `app` that waits.
pub(super) async fn waited(world: &World, old: &str, new: &str) -> Value {
    let request = json!({ "instance_id": "r-1", "account_name": "app", "deliver": "DELIVER_WAIT",
        "old_account_password": old, "new_account_password": new });
    world.root.ok("ModifyAccountPassword", request).await
}

#[tokio::test]
async fn a_new_password_is_on_every_node_and_the_old_one_on_none() {
    let nodes = [Node::start(FIRST), Node::start(FIRST)];
    let world = world(setup()).await;
    assert_eq!(delivery(&world).await, Value::Null);
    change(&world, FIRST, SECOND).await;
    assert_eq!(delivery(&world).await, Value::Null, "without an endpoint nothing is delivered");
    change(&world, SECOND, FIRST).await;

    let mut saving = endpoint(&[&nodes[0], &nodes[1]]);
    saving["acl_save"] = json!(true);
    world.operator.ok("SetInstanceEndpoint", saving).await;
    let mut connected = Connection::to(&nodes[0]);
    assert_eq!(connected.command(&["AUTH", "app", FIRST]), "+OK\r\n");

    change(&world, FIRST, SECOND).await;
    let done = in_phase(&world, "4", "DONE").await;
    assert_eq!((&done["reached_nodes"], &done["nodes"]), (&json!(2), &json!(2)), "{done}");
    for node in &nodes {
        assert_eq!(node.taken(&ALL), [SECOND]);
        assert!(!node.users().contains(SECOND) && node.users().contains("~app:*"), "{}", node.users());
        assert!(node.users().matches("user app on").count() == 1 && node.users().matches('#').count() == 2);
    }
    assert_eq!(connected.command(&["SET", "app:1", "x"]), "+OK\r\n", "who is connected stays so");

    world
        .root
        .ok(
            "ResetAccountPassword",
            json!({ "instance_id": "r-1", "account_name": "app",
        "account_password": THIRD }),
        )
        .await;
    in_phase(&world, "5", "DONE").await;
    assert!(nodes.iter().all(|node| node.taken(&ALL) == [THIRD]));
}

#[tokio::test]
async fn during_an_overlap_both_passwords_are_on_every_node() {
    let (clock, nodes) = (MovedClock::default(), [Node::start(FIRST), Node::start(FIRST)]);
    let world = world(setup().by(&clock)).await;
    deliver_to(&world, &[&nodes[0], &nodes[1]]).await;
    let subject = json!({ "instance_account": { "instance_id": "r-1", "account_name": "app" } });
    world.root.ok("SetPasswordOverlap", json!({ "subject": subject, "overlap_seconds": 3600 })).await;
    let taken = || nodes.iter().map(|node| node.taken(&ALL)).collect::<Vec<_>>();

    change(&world, FIRST, SECOND).await;
    in_phase(&world, "2", "OVERLAPPING").await;
    assert_eq!(taken(), [[FIRST, SECOND], [FIRST, SECOND]]);
    change(&world, SECOND, THIRD).await;
    in_phase(&world, "3", "OVERLAPPING").await;
    assert_eq!(taken(), [[SECOND, THIRD], [SECOND, THIRD]]);
    clock.forward(Duration::from_hours(1));
    in_phase(&world, "3", "DONE").await;
    assert_eq!(taken(), [[THIRD], [THIRD]]);

    change(&world, THIRD, FIRST).await;
    in_phase(&world, "4", "OVERLAPPING").await;
    assert_eq!(taken(), [[FIRST, THIRD], [FIRST, THIRD]]);
    world.root.ok("EndPasswordOverlap", json!({ "subject": subject })).await;
    in_phase(&world, "4", "DONE").await;
    assert_eq!(taken(), [[FIRST], [FIRST]]);
}

#[tokio::test]
async fn a_reset_that_keeps_the_previous_password_removes_none_from_the_nodes_until_the_overlap_ends() {
    let nodes = [Node::start(FIRST), Node::start(FIRST)];
    let world = world(setup()).await;
    deliver_to(&world, &[&nodes[0], &nodes[1]]).await;
    let subject = json!({ "instance_account": { "instance_id": "r-1", "account_name": "app" } });
    world.root.ok("SetPasswordOverlap", json!({ "subject": subject, "overlap_seconds": 3600 })).await;
    let reset = json!({ "subject": subject, "password": SECOND, "keep_previous": true });
    world.root.ok("ResetPassword", reset).await;
    in_phase(&world, "2", "OVERLAPPING").await;
    assert!(nodes.iter().all(|node| node.taken(&ALL) == [FIRST, SECOND]));
    world.root.ok("EndPasswordOverlap", json!({ "subject": subject })).await;
    in_phase(&world, "2", "DONE").await;
    assert!(nodes.iter().all(|node| node.taken(&ALL) == [SECOND]));
}

#[tokio::test]
async fn while_a_node_is_down_the_old_password_stays_on_the_others() {
    let mut nodes = [Node::start(FIRST), Node::start(FIRST)];
    let world = world(setup()).await;
    deliver_to(&world, &[&nodes[0], &nodes[1]]).await;
    nodes[1].kill();
    change(&world, FIRST, SECOND).await;
    let pending = delivered(&world, |delivery| delivery["failed_attempts"].as_u64() >= Some(1)).await;
    let failure = pending["failure"].as_str().unwrap();
    assert!(failure.starts_with(&format!("{} can't be reached: ", nodes[1].address())), "{failure}");
    assert_eq!((&pending["phase"], &pending["reached_nodes"]), (&json!("DELIVERY_PHASE_ADDING"), &json!(1)));
    assert_eq!(nodes[0].taken(&ALL), [FIRST, SECOND]);

    nodes[1].run();
    assert_eq!(nodes[1].taken(&ALL), [FIRST]);
    let done = in_phase(&world, "2", "DONE").await;
    assert_eq!((&done["reached_nodes"], &done["failure"]), (&json!(2), &Value::Null));
    assert!(nodes.iter().all(|node| node.taken(&ALL) == [SECOND]));

    // The operator decides to do without a node.
    nodes[0].kill();
    change(&world, SECOND, THIRD).await;
    delivered(&world, |delivery| delivery["failed_attempts"].as_u64() >= Some(1)).await;
    assert_eq!(nodes[1].taken(&ALL), [SECOND, THIRD]);
    deliver_to(&world, &[&nodes[1]]).await;
    in_phase(&world, "3", "DONE").await;
    assert_eq!(nodes[1].taken(&ALL), [THIRD]);
}

#[tokio::test]
async fn nodes_that_do_not_answer_hold_up_no_other_instance() {
    let node = Node::start(FIRST);
    let world = world(setup()).await;
    world.instance_account("r-2", "app", FIRST).await;
    // Connections are made and never read. So many nodes take ten seconds: they are asked in two groups.
    let mute = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = mute.local_addr().unwrap().port();
    let nodes: Vec<_> = (1..=33).map(|number| format!("127.0.0.{number}:{port}")).collect();
    let mut of_mute = endpoint(&[]);
    of_mute["instance_id"] = "r-2".into();
    of_mute["nodes"] = nodes.into();
    world.operator.ok("SetInstanceEndpoint", of_mute).await;
    deliver_to(&world, &[&node]).await;
    let to_mute = json!({ "instance_id": "r-2", "account_name": "app",
        "old_account_password": FIRST, "new_account_password": SECOND });
    world.root.ok("ModifyAccountPassword", to_mute).await;
    let _unread = tokio::time::timeout(PATIENCE, mute.accept()).await.unwrap().unwrap();
    change(&world, FIRST, SECOND).await;
    in_phase(&world, "2", "DONE").await;
    let account = json!({ "instance_id": "r-2", "account_name": "app" });
    let of_mute = world.root.ok("DescribeDelivery", account).await["delivery"].clone();
    let attempts = of_mute["failed_attempts"].as_u64().unwrap_or_default();
    assert_eq!((&of_mute["phase"], attempts), (&"DELIVERY_PHASE_ADDING".into(), 0), "the other round is not over");
}

#[tokio::test]
async fn a_call_that_waits_is_answered_once_its_password_is_delivered() {
    let nodes = [Node::start(FIRST), Node::start(FIRST)];
    let world = world(setup()).await;
    assert_eq!(waited(&world, FIRST, SECOND).await["delivery"], Value::Null, "there is no endpoint");
    deliver_to(&world, &[&nodes[0], &nodes[1]]).await;
    let complete = json!({ "complete": true, "reached_nodes": 2, "nodes": 2 });
    let changed = waited(&world, SECOND, THIRD).await;
    assert_eq!((&changed["version"], &changed["delivery"]), (&json!("3"), &complete));
    let everywhere = |password| nodes.iter().all(|node| node.taken(&ALL) == [password]);
    assert!(everywhere(THIRD), "at once");

    let reset =
        json!({ "instance_id": "r-1", "account_name": "app", "account_password": FIRST, "deliver": "DELIVER_WAIT" });
    assert_eq!(world.root.ok("ResetAccountPassword", reset).await["delivery"], complete);
    assert!(everywhere(FIRST));
    let subject = json!({ "instance_account": { "instance_id": "r-1", "account_name": "app" } });
    let reset = json!({ "subject": subject, "password": SECOND, "deliver": "DELIVER_WAIT" });
    assert_eq!(world.root.ok("ResetPassword", reset).await["delivery"], complete);
    assert!(everywhere(SECOND));
    let named = json!({ "instance_id": "r-1", "account_name": "app" });
    world.root.ok("DeleteInstanceAccount", named.clone()).await;
    let mut first = named;
    first["password"] = json!(THIRD);
    first["deliver"] = json!("DELIVER_WAIT");
    assert_eq!(world.root.ok("CreateInstanceAccount", first).await["delivery"], complete);
    assert!(everywhere(THIRD));

    let of_user = json!({ "subject": { "ram_user": "alice" }, "password": SECOND, "deliver": "DELIVER_WAIT" });
    let refused = world.root.err("ResetPassword", of_user, "INVALID_FIELD").await;
    assert_eq!(refused.violations().into_iter().map(|violation| violation.field).collect::<Vec<_>>(), ["deliver"]);
}

#[tokio::test]
async fn a_call_whose_time_is_over_says_that_the_password_is_set_and_how_far_it_is() {
    let mut nodes = [Node::start(FIRST), Node::start(FIRST)];
    let world = world(setup()).await;
    deliver_to(&world, &[&nodes[0], &nodes[1]]).await;
    nodes[1].kill();
    let request = json!({ "instance_id": "r-1", "account_name": "app", "deliver": "DELIVER_WAIT",
        "old_account_password": FIRST, "new_account_password": SECOND, "client_token": "once" });
    let hurried = world.root.with_header("grpc-timeout", "10S");
    let changed = hurried.ok("ModifyAccountPassword", request.clone()).await;
    let so_far = json!({ "reached_nodes": 1, "nodes": 2 });
    assert_eq!((&changed["version"], &changed["delivery"]), (&json!("2"), &so_far));
    nodes[1].run();
    // The same request again changes nothing, and waits for what is left.
    let again = world.root.ok("ModifyAccountPassword", request).await;
    let complete = json!({ "complete": true, "reached_nodes": 2, "nodes": 2 });
    assert_eq!((&again["version"], &again["delivery"]), (&json!("2"), &complete));
}

#[tokio::test]
async fn a_call_that_waits_is_told_what_another_process_has_delivered() {
    let (node, kept) = (Node::start(FIRST), Arc::new(OnceLock::new()));
    let keep = Arc::clone(&kept);
    let world = world(setup().around(move |store| Arc::clone(keep.get_or_init(|| store)))).await;
    deliver_to(&world, &[&node]).await;
    let (tenant, instance) = (TenantName::parse("acme").unwrap(), InstanceId::parse("r-1").unwrap());
    let (store, by): (&Arc<dyn Store>, _) = (kept.get().unwrap(), Uuid::from_u128(1));
    let (now, far) = (SystemClock.now(), Timestamp::from_micros(i64::MAX / 2));
    // Here it is the test that has the instance, and no process.
    let until = now.after(Duration::from_mins(1));
    assert!(store.lease_endpoint(&tenant, &instance, by, now, until).await.unwrap().is_some());
    let deliver = async {
        let start = Instant::now();
        let due = loop {
            if let Some(due) = store.due_deliveries(&tenant, &instance, far, 1).await.unwrap().pop() {
                break due.unwrap();
            }
            assert!(start.elapsed() < PATIENCE);
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let phase = DeliveryPhase::Done;
        let step = DeliveryStep { phase, due_at: None, attempts: 0, nodes: 7, reached: 7, failure: None, drift: None };
        assert!(store.record_delivery(&due, &step, by, None).await.unwrap());
    };
    let (changed, ()) = tokio::join!(waited(&world, FIRST, SECOND), deliver);
    assert_eq!(changed["delivery"], json!({ "complete": true, "reached_nodes": 7, "nodes": 7 }));
    assert_eq!(node.taken(&ALL), [FIRST], "this process has delivered nothing");
}

#[tokio::test]
async fn a_first_password_is_delivered_too() {
    let node = Node::start(FIRST);
    let world = setup().start().await;
    world.root.ok("CreateInstance", json!({ "instance_id": "r-1" })).await;
    deliver_to(&world, &[&node]).await;
    world
        .root
        .ok("CreateInstanceAccount", json!({ "instance_id": "r-1", "account_name": "app", "password": SECOND }))
        .await;
    in_phase(&world, "1", "DONE").await;
    assert_eq!(node.taken(&ALL), [SECOND]);
}

#[tokio::test]
async fn another_process_delivers_what_one_has_left() {
    let mut node = Node::start(FIRST);
    let world = world(setup()).await;
    deliver_to(&world, &[&node]).await;
    node.kill();
    change(&world, FIRST, SECOND).await;
    delivered(&world, |delivery| delivery["failed_attempts"].as_u64() >= Some(1)).await;
    let world = world.restart_with(&[("pepper.keys", RING)]).await;
    node.run();
    in_phase(&world, "2", "DONE").await;
    assert_eq!(node.taken(&ALL), [SECOND]);
}

#[tokio::test]
async fn a_node_says_what_is_wrong() {
    let node = Node::start(FIRST);
    let world = world(setup()).await;
    world
        .root
        .ok("CreateInstanceAccount", json!({ "instance_id": "r-1", "account_name": "other", "password": FIRST }))
        .await;
    let mut wrong = endpoint(&[&node]);
    wrong["password"] = json!("wrong");
    world.operator.ok("SetInstanceEndpoint", wrong).await;
    let failing = async |name: &str, words: &str| {
        let reset = json!({ "instance_id": "r-1", "account_name": name, "account_password": SECOND });
        world.root.ok("ResetAccountPassword", reset).await;
        let start = Instant::now();
        loop {
            let account = json!({ "instance_id": "r-1", "account_name": name });
            let delivery = world.root.ok("DescribeDelivery", account).await["delivery"].clone();
            if delivery["failure"].as_str().is_some_and(|failure| failure.ends_with(words)) {
                break;
            }
            assert!(start.elapsed() < PATIENCE, "{delivery}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    failing("app", "answered: WRONGPASS to AUTH").await;
    let mut encrypted = endpoint(&[&node]);
    encrypted["allow_plaintext"] = json!(false);
    world.operator.ok("SetInstanceEndpoint", encrypted).await;
    // It waits for a command, and reads none.
    failing("app", "did not answer in time").await;
    deliver_to(&world, &[&node]).await;
    failing("other", "has no user other").await;
    assert_eq!(node.taken(&ALL), [SECOND], "the others are delivered");
}

#[tokio::test]
async fn a_node_is_reached_over_tls_if_its_certificate_is_right() {
    let authority = Authority::new("of the nodes");
    let leaf = authority.server(&["127.0.0.1"]);
    let node = Node::start_with(FIRST, |directory| {
        for (name, text) in [("node.pem", &leaf.certificate), ("node.key", &leaf.key), ("ca.pem", &authority.pem())] {
            std::fs::write(directory.join(name), text).unwrap();
        }
        let tls = ["--tls-cert-file", "node.pem", "--tls-key-file", "node.key", "--tls-ca-cert-file", "ca.pem"];
        tls.into_iter().chain(["--tls-auth-clients", "no"]).map(str::to_owned).collect()
    });
    let world = world(setup()).await;
    let mut encrypted = endpoint(&[&node]);
    encrypted["allow_plaintext"] = json!(false);
    encrypted["ca_pem"] = json!(Authority::new("another").pem());
    world.operator.ok("SetInstanceEndpoint", encrypted.clone()).await;
    change(&world, FIRST, SECOND).await;
    let failed = delivered(&world, |delivery| !delivery["failure"].is_null()).await;
    assert!(failed["failure"].as_str().unwrap().contains("invalid peer certificate: UnknownIssuer"), "{failed}");
    encrypted["ca_pem"] = json!(authority.pem());
    world.operator.ok("SetInstanceEndpoint", encrypted).await;
    in_phase(&world, "2", "DONE").await;
}

#[tokio::test]
async fn a_node_that_differs_is_reported_and_mended_where_that_is_set() {
    let (clock, mut nodes) = (MovedClock::default(), [Node::start(FIRST), Node::start(FIRST)]);
    let world = world(setup().by(&clock)).await;
    let mut compared = endpoint(&[&nodes[0], &nodes[1]]);
    compared["compare_seconds"] = json!(60);
    world.operator.ok("SetInstanceEndpoint", compared.clone()).await;
    change(&world, FIRST, SECOND).await;
    let done = in_phase(&world, "2", "DONE").await;
    assert!(!done["due_time"].is_null() && done["drift_time"].is_null(), "{done}");

    let mut by_hand = Connection::to(&nodes[1]);
    assert_eq!(by_hand.command(&["AUTH", "admin", ADMIN_PASSWORD]), "+OK\r\n");
    assert_eq!(by_hand.command(&["ACL", "SETUSER", "app", &format!(">{THIRD}")]), "+OK\r\n");
    clock.forward(Duration::from_mins(1));
    let found = delivered(&world, |delivery| !delivery["drift_time"].is_null()).await;
    assert_eq!((&found["drifted_node"], &found["phase"]), (&json!(nodes[1].address()), &json!("DELIVERY_PHASE_DONE")));
    assert_eq!(nodes[1].taken(&ALL), [SECOND, THIRD], "it is only reported");

    compared["mend"] = json!(true);
    world.operator.ok("SetInstanceEndpoint", compared).await;
    let start = Instant::now();
    let mended = async |node: &Node| {
        while node.taken(&ALL) != [SECOND] {
            assert!(start.elapsed() < PATIENCE, "{:?}", node.taken(&ALL));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    mended(&nodes[1]).await;
    // Without `acl_save`, a node comes back with the password of before.
    nodes[0].kill();
    nodes[0].run();
    assert_eq!(nodes[0].taken(&ALL), [FIRST]);
    clock.forward(Duration::from_mins(1));
    mended(&nodes[0]).await;
}

#[tokio::test]
async fn an_endpoint_is_for_operators_and_described_without_its_password() {
    let node = Node::start(FIRST);
    let world = world(setup()).await;
    let named = json!({ "tenant": "acme", "instance_id": "r-1" });
    world.root.err("SetInstanceEndpoint", endpoint(&[&node]), "ACCESS_DENIED").await;
    assert_eq!(world.root.ok("DescribeInstanceEndpoint", named.clone()).await["endpoint"], Value::Null);
    deliver_to(&world, &[&node]).await;
    let described = world.root.ok("DescribeInstanceEndpoint", named.clone()).await["endpoint"].clone();
    assert_eq!((&described["nodes"], &described["user_name"]), (&json!([node.address()]), &json!("admin")));
    assert!(!described.to_string().contains(ADMIN_PASSWORD), "{described}");
    world.root.err("DeleteInstanceEndpoint", named.clone(), "ACCESS_DENIED").await;
    world.operator.ok("DeleteInstanceEndpoint", named.clone()).await;
    assert_eq!(world.root.ok("DescribeInstanceEndpoint", named).await["endpoint"], Value::Null);
    change(&world, FIRST, SECOND).await;
    assert_eq!((delivery(&world).await, node.taken(&ALL)), (Value::Null, vec![FIRST]));

    let mut elsewhere = endpoint(&[&node]);
    elsewhere["instance_id"] = json!("r-2");
    world.operator.err("SetInstanceEndpoint", elsewhere, "INSTANCE_NOT_FOUND").await;
    let bad = json!({ "tenant": "acme", "instance_id": "r-1", "nodes": ["a:1", "a:1"], "user_name": "a b",
        "ca_pem": "x", "allow_plaintext": true, "compare_seconds": 59 });
    let refused = world.operator.err("SetInstanceEndpoint", bad, "INVALID_FIELD").await;
    let fields: Vec<_> = refused.violations().into_iter().map(|violation| violation.field).collect();
    assert_eq!(fields, ["nodes", "user_name", "password", "ca_pem", "compare_seconds"]);
    let mut without_ca = endpoint(&[&node]);
    without_ca["allow_plaintext"] = json!(false);
    without_ca["ca_pem"] = json!("no PEM");
    world.operator.err("SetInstanceEndpoint", without_ca, "INVALID_FIELD").await;

    let without_pepper = World::start().await;
    without_pepper.root.ok("CreateInstance", json!({ "instance_id": "r-1" })).await;
    without_pepper.operator.err("SetInstanceEndpoint", endpoint(&[&node]), "INVALID_FIELD").await;
}
