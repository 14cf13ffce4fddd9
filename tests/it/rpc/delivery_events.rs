//! What the audit log has of deliveries.

use std::time::Duration;

use serde_json::{Value, json};

use super::audit::{described, listed};
use super::delivery::{FIRST, SECOND, THIRD, change, delivered, endpoint, in_phase, setup, world};
use crate::support::World;
use crate::support::clock::MovedClock;
use crate::support::redis::Node;

/// The action and the resource of each event with that outcome.
async fn events(world: &World, outcome: &str) -> Vec<String> {
    let found = described(&world.root, json!({ "outcome": outcome })).await;
    found.iter().map(|event| event.strip_prefix(&format!("{outcome} ")).unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_audit_log_has_what_was_delivered_found_to_differ_and_withdrawn_and_no_attempt() {
    let (clock, mut node) = (MovedClock::default(), Node::start(FIRST));
    let world = world(setup().by(&clock)).await;
    let mut compared = endpoint(&[&node]);
    compared["compare_seconds"] = json!(60);
    world.operator.ok("SetInstanceEndpoint", compared).await;
    node.kill();
    change(&world, FIRST, SECOND).await;
    delivered(&world, |delivery| delivery["failed_attempts"].as_u64() >= Some(1)).await;
    assert_eq!(events(&world, "delivered").await, Vec::<String>::new());
    node.run();
    clock.forward(Duration::from_secs(5));
    in_phase(&world, "2", "DONE").await;
    let [event] = &events(&world, "delivered").await[..] else { panic!("one event") };
    assert!(event.starts_with("kvstore:ModifyAccountPassword acs:kvstore:"), "{event}");
    assert!(event.ends_with(":acme:instance/r-1/account/app"), "{event}");
    let found = listed(&world.operator, json!({ "outcome": "delivered" })).await;
    let event = &found.iter().find(|reply| !reply["event"].is_null()).unwrap()["event"];
    assert_eq!((&event["caller"], &event["version"]), (&json!("-/operator/delivery"), &json!("2")));
    assert!(!event["subject_id"].as_str().unwrap().is_empty(), "{event}");

    node.answer(&["ACL", "SETUSER", "app", &format!(">{THIRD}")]);
    let mut before = Value::Null;
    for _ in 0..2 {
        clock.forward(Duration::from_mins(1));
        let found = delivered(&world, |found| found["drift_time"] != before && !found["drift_time"].is_null()).await;
        before = found["drift_time"].clone();
    }
    let [event] = &events(&world, "drifted").await[..] else { panic!("it is not repeated") };
    assert!(event.ends_with("/account/app"), "{event}");

    let app = json!({ "instance_id": "r-1", "account_name": "app" });
    world.root.ok("DeleteInstanceAccount", app).await;
    super::withdrawals::withdrawn(&world).await;
    let [event] = &events(&world, "withdrawn").await[..] else { panic!("one event") };
    assert!(event.starts_with("admin:DeleteInstanceAccount ") && event.ends_with("/account/app"), "{event}");
    assert_eq!(events(&world, "delivered").await.len(), 1);
}
