//! Quotas of requests, for each caller and for each tenant.

use futures_util::future::join_all;
use serde_json::json;
use tonic::Code;

use crate::store::connection_to;
use crate::support::{Client, Reply, Setup, World, database};

/// Sixty requests at once, and then one each second: no test takes as long as a flood would then need.
async fn world_with(quota: &str) -> World {
    Setup::default().with(quota, "1").with("quotas.burst_seconds", "60").start().await
}

/// The answers to 300 requests without permission.
async fn flood(caller: &Client) -> Vec<Reply> {
    join_all((0..300).map(|_| caller.call("ListRamUsers", json!({})))).await
}

fn with_reason<'a>(replies: &'a [Reply], reason: &str) -> Vec<&'a Reply> {
    replies.iter().filter(|reply| reply.reason() == reason).collect()
}

#[tokio::test]
async fn a_caller_beyond_its_quota_is_refused_and_others_are_not() {
    let world = world_with("quotas.per_caller").await;
    let (alice, relay) = (world.ram_user("alice", "mypassword").await, world.service().await);

    let replies = flood(&alice).await;

    let (served, refused) = (with_reason(&replies, "ACCESS_DENIED"), with_reason(&replies, "OVERLOADED"));
    assert_eq!(served.len() + refused.len(), 300);
    assert!(served.len() >= 60 && !refused.is_empty(), "{} were served", served.len());
    for reply in refused {
        assert_eq!(reply.status.code(), Code::Unavailable);
        assert_eq!(reply.metadata("quota").as_deref(), Some("caller"));
        assert!(reply.details().retry_info().unwrap().retry_delay.unwrap().as_millis() > 0);
    }
    let denied = "SELECT count(*) FROM audit_event WHERE outcome = 'denied'";
    let recorded: u32 = connection_to(&database(&world.directory)).query_row(denied, [], |row| row.get(0)).unwrap();
    assert_eq!(recorded, 1);
    relay.ok("GeneratePassword", json!({ "subject": { "ram_user": "alice" } })).await;
}

#[tokio::test]
async fn the_callers_of_a_tenant_share_its_quota() {
    let world = world_with("quotas.per_tenant").await;
    let alice = world.ram_user("alice", "mypassword").await;
    let other = world.tenant("globex").await;

    flood(&alice).await;

    let replies = flood(&world.root).await;
    let refused = with_reason(&replies, "OVERLOADED");
    assert!(refused.len() > 150, "{} were refused", refused.len());
    assert!(refused.iter().all(|reply| reply.metadata("quota").as_deref() == Some("tenant")));
    other.ok("ListRamUsers", json!({})).await;
    world.operator.ok("ListTenants", json!({})).await;
}

#[tokio::test]
async fn a_caller_that_is_not_authenticated_has_no_quota() {
    let world = world_with("quotas.per_caller").await;
    let nobody = world.anybody().with_token(&format!("cdt_{}", "0".repeat(64)));
    let replies = flood(&nobody).await;
    assert_eq!(with_reason(&replies, "UNAUTHENTICATED").len(), 300);
}
