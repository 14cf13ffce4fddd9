//! Deliveries while the clock is put back, and where something in the store can't be read.

use std::time::{Duration, Instant};

use serde_json::json;

use super::delivery::{ALL, FIRST, SECOND, THIRD, change, deliver_to, delivered, endpoint, in_phase, setup, world};
use crate::store::connection_to;
use crate::support::World;
use crate::support::clock::MovedClock;
use crate::support::redis::Node;
use crate::support::serving::PATIENCE;
use crate::support::world::database;

#[tokio::test]
async fn a_clock_that_was_put_back_holds_up_no_delivery_and_ends_an_overlap_on_the_nodes() {
    let (clock, mut node) = (MovedClock::default(), Node::start(FIRST));
    let world = world(setup().by(&clock)).await;
    deliver_to(&world, &[&node]).await;
    node.kill();
    let hour = Duration::from_hours(1);
    clock.forward(hour);
    change(&world, FIRST, SECOND).await;
    delivered(&world, |delivery| delivery["failed_attempts"].as_u64() >= Some(1)).await;
    clock.back(hour);
    node.run();
    in_phase(&world, "2", "DONE").await;
    assert_eq!(node.taken(&ALL), [SECOND]);

    let subject = json!({ "instance_account": { "instance_id": "r-1", "account_name": "app" } });
    world.root.ok("SetPasswordOverlap", json!({ "subject": subject, "overlap_seconds": 3600 })).await;
    clock.forward(hour);
    change(&world, SECOND, THIRD).await;
    in_phase(&world, "3", "OVERLAPPING").await;
    assert_eq!(node.taken(&ALL), [SECOND, THIRD]);
    clock.back(hour);
    in_phase(&world, "3", "DONE").await;
    assert_eq!(node.taken(&ALL), [THIRD]);
    assert_eq!(world.verify(subject, SECOND).await, "NOT_MATCHED");
}

/// Runs a statement past the service.
fn tamper(world: &World, statement: &str) {
    connection_to(&database(&world.directory)).execute_batch(statement).unwrap();
}

#[tokio::test]
async fn an_endpoint_that_cannot_be_read_holds_up_no_other_instance() {
    let node = Node::start(FIRST);
    let world = world(setup()).await;
    // More than one process delivers to at a time.
    for number in 2..=12 {
        let instance = format!("r-{number}");
        world.instance_account(&instance, "app", FIRST).await;
        let mut of_other = endpoint(&[&node]);
        of_other["instance_id"] = instance.as_str().into();
        world.operator.ok("SetInstanceEndpoint", of_other).await;
    }
    deliver_to(&world, &[&node]).await;
    tamper(&world, "UPDATE endpoint SET nodes = '[\"a\"]' WHERE instance <> 'r-1'");
    for number in 2..=12 {
        let reset = json!({ "instance_id": format!("r-{number}"), "account_name": "app", "account_password": THIRD });
        world.root.ok("ResetAccountPassword", reset).await;
    }
    change(&world, FIRST, SECOND).await;
    in_phase(&world, "2", "DONE").await;
    assert_eq!(node.taken(&ALL), [SECOND]);
}

#[tokio::test]
async fn a_delivery_that_cannot_be_read_holds_up_no_other_account() {
    let mut node = Node::start(FIRST);
    let world = world(setup()).await;
    let other = json!({ "instance_id": "r-1", "account_name": "other", "password": FIRST });
    world.root.ok("CreateInstanceAccount", other).await;
    deliver_to(&world, &[&node]).await;
    node.kill();
    let reset = json!({ "instance_id": "r-1", "account_name": "other", "account_password": SECOND });
    world.root.ok("ResetAccountPassword", reset).await;
    tamper(&world, "UPDATE delivery SET phase = 'later', due_at = 0 WHERE account = 'other'");
    change(&world, FIRST, SECOND).await;
    node.run();
    in_phase(&world, "2", "DONE").await;
    assert_eq!(node.taken(&ALL), [SECOND]);
    // What fails at once is not tried at once again.
    let start = Instant::now();
    let rests = "SELECT count(*) FROM endpoint WHERE leased_by IS NULL AND leased_until > 0";
    let store = connection_to(&database(&world.directory));
    while store.query_row(rests, [], |row| row.get::<_, i64>(0)).unwrap() == 0 {
        assert!(start.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
