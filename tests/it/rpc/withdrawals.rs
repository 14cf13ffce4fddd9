//! Accounts that are deleted: their passwords on real Redis servers.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::delivery::{
    ALL, FIRST, SECOND, THIRD, change, deliver_to, delivered, delivery, endpoint, in_phase, setup, world,
};
use crate::support::World;
use crate::support::redis::{ADMIN_PASSWORD, Connection, Node};
use crate::support::serving::PATIENCE;

fn app() -> Value {
    json!({ "instance_id": "r-1", "account_name": "app" })
}

/// Waits until nothing is left to withdraw.
pub(super) async fn withdrawn(world: &World) {
    let start = Instant::now();
    loop {
        let reply = world.root.call("DescribeDelivery", app()).await;
        if reply.reason() == "ACCOUNT_NOT_FOUND" {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{reply:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn passwords_of_a_deleted_account_are_removed_from_all_nodes_and_the_user_stays() {
    let mut nodes = [Node::start(FIRST), Node::start(FIRST)];
    let world = world(setup()).await;
    deliver_to(&world, &[&nodes[0], &nodes[1]]).await;
    change(&world, FIRST, SECOND).await;
    in_phase(&world, "2", "DONE").await;
    let mut connected = Connection::to(&nodes[0]);
    assert_eq!(connected.command(&["AUTH", "app", SECOND]), "+OK\r\n");

    nodes[1].kill();
    world.root.ok("DeleteInstanceAccount", app()).await;
    let pending = delivered(&world, |delivery| delivery["reached_nodes"] == 1).await;
    assert_eq!((&pending["phase"], &pending["nodes"]), (&json!("DELIVERY_PHASE_WITHDRAWING"), &json!(2)), "{pending}");
    assert!(pending["failure"].as_str().unwrap().starts_with(&nodes[1].address()), "{pending}");
    assert!(nodes[0].taken(&ALL).is_empty(), "a node that is down keeps no password valid on the others");
    assert!(nodes[0].answer(&["ACL", "GETUSER", "app"]).contains("~app:*"));
    assert_eq!(connected.command(&["SET", "app:1", "x"]), "+OK\r\n", "who is connected stays so");
    world.root.err("DeleteInstance", json!({ "instance_id": "r-1" }), "NOT_EMPTY").await;

    // It comes back with the users of its file.
    nodes[1].run();
    withdrawn(&world).await;
    assert!(nodes.iter().all(|node| node.taken(&ALL).is_empty()));
    world.root.ok("DeleteInstance", json!({ "instance_id": "r-1" })).await;
}

#[tokio::test]
async fn an_account_that_is_made_again_has_its_new_password_alone() {
    let mut nodes = [Node::start(FIRST), Node::start(FIRST)];
    let world = world(setup()).await;
    deliver_to(&world, &[&nodes[0], &nodes[1]]).await;
    change(&world, FIRST, SECOND).await;
    in_phase(&world, "2", "DONE").await;
    nodes[1].kill();
    world.root.ok("DeleteInstanceAccount", app()).await;
    delivered(&world, |delivery| delivery["reached_nodes"] == 1).await;
    let mut again = app();
    again["password"] = json!(THIRD);
    world.root.ok("CreateInstanceAccount", again).await;
    nodes[1].run();
    in_phase(&world, "1", "DONE").await;
    assert!(nodes.iter().all(|node| node.taken(&ALL) == [THIRD]));
}

#[tokio::test]
async fn an_account_that_is_made_again_leaves_no_node_the_password_of_before() {
    let mut nodes = [Node::start(FIRST), Node::start(FIRST)];
    let world = world(setup()).await;
    deliver_to(&world, &[&nodes[0], &nodes[1]]).await;
    change(&world, FIRST, SECOND).await;
    in_phase(&world, "2", "DONE").await;
    for node in &mut nodes {
        node.kill();
    }
    world.root.ok("DeleteInstanceAccount", app()).await;
    let mut again = app();
    again["password"] = json!(THIRD);
    world.root.ok("CreateInstanceAccount", again).await;
    nodes[0].run();
    let replacing = delivered(&world, |delivery| delivery["reached_nodes"] == 1).await;
    assert_eq!(replacing["phase"], "DELIVERY_PHASE_REPLACING", "{replacing}");
    assert_eq!(nodes[0].taken(&ALL), [THIRD], "although another node is down");

    // Changed once more, in the way that else keeps what nodes have.
    let subject = json!({ "instance_account": app() });
    world.root.ok("SetPasswordOverlap", json!({ "subject": subject, "overlap_seconds": 3600 })).await;
    let reset = json!({ "subject": subject, "password": "Fourth-Redis-45", "keep_previous": true });
    world.root.ok("ResetPassword", reset).await;
    let replacing = delivered(&world, |delivery| delivery["version"] == "2" && delivery["reached_nodes"] == 1).await;
    assert_eq!(replacing["phase"], "DELIVERY_PHASE_REPLACING", "{replacing}");
    nodes[1].run();
    in_phase(&world, "2", "DONE").await;
    for node in &nodes {
        assert_eq!(node.taken(&ALL), [""; 0]);
        assert_eq!(node.answer_to(["app", "Fourth-Redis-45"], &["PING"]), "PONG");
    }

    // From then on it is an account like any other.
    let reset = json!({ "subject": subject, "password": THIRD, "keep_previous": true });
    world.root.ok("ResetPassword", reset).await;
    in_phase(&world, "3", "OVERLAPPING").await;
    assert_eq!(nodes[1].answer_to(["app", "Fourth-Redis-45"], &["PING"]), "PONG");
}

#[tokio::test]
async fn the_user_of_the_endpoint_is_no_account() {
    let node = Node::start(FIRST);
    let world = world(setup()).await;
    let admin = json!({ "instance_id": "r-1", "account_name": "admin" });
    let mut account = admin.clone();
    account["password"] = json!(FIRST);
    world.root.ok("CreateInstanceAccount", account).await;
    deliver_to(&world, &[&node]).await;
    let mut reset = admin.clone();
    reset["account_password"] = json!(SECOND);
    world.root.ok("ResetAccountPassword", reset).await;
    // What is set later is delivered, so the other one was looked at.
    change(&world, FIRST, THIRD).await;
    in_phase(&world, "2", "DONE").await;
    let reply = world.root.ok("DescribeDelivery", admin.clone()).await;
    assert_eq!(reply["delivery"], Value::Null, "{reply}");

    // What was delivered to an account before it became that user is not shown as the delivery of a later password.
    let mut other = endpoint(&[&node]);
    other["user_name"] = json!("app");
    world.operator.ok("SetInstanceEndpoint", other).await;
    change(&world, THIRD, SECOND).await;
    assert_eq!(delivery(&world).await, Value::Null);
    deliver_to(&world, &[&node]).await;
    world.root.ok("DeleteInstanceAccount", admin).await;
    assert_eq!(Connection::to(&node).command(&["AUTH", "admin", ADMIN_PASSWORD]), "+OK\r\n");
    assert_eq!(node.taken(&ALL), [THIRD]);
}

#[tokio::test]
async fn an_account_whose_user_or_endpoint_is_gone_has_nothing_to_withdraw() {
    let node = Node::start(FIRST);
    let world = world(setup()).await;
    deliver_to(&world, &[&node]).await;
    change(&world, FIRST, SECOND).await;
    in_phase(&world, "2", "DONE").await;
    assert_eq!(node.answer(&["ACL", "DELUSER", "app"]), "1");
    world.root.ok("DeleteInstanceAccount", app()).await;
    withdrawn(&world).await;
    assert!(!node.answer(&["ACL", "USERS"]).contains("app"), "it is not made again");

    // Without an endpoint the operator has said that the nodes stay as they are.
    let mut again = app();
    again["password"] = json!(THIRD);
    world.root.ok("CreateInstanceAccount", again).await;
    world.operator.ok("DeleteInstanceEndpoint", json!({ "tenant": "acme", "instance_id": "r-1" })).await;
    world.root.ok("DeleteInstanceAccount", app()).await;
    world.root.err("DescribeDelivery", app(), "ACCOUNT_NOT_FOUND").await;
}
