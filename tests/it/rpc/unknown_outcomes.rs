//! The store is lost at a commit: nobody knows whether the change was made. The caller is told so, and finds out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use tonic::Code;

use super::client_tokens::requests;
use crate::store::connection_to;
use crate::support::barrier::{BarrierStore, CommitFailure};
use crate::support::tenant::change;
use crate::support::{Setup, World, database};

const OLD: &str = "mypassword";
const NEW: &str = "newpassword";

/// A world whose commits fail in that way while that is armed.
async fn losing(failure: CommitFailure) -> (World, Arc<AtomicBool>) {
    let armed = Arc::new(AtomicBool::new(false));
    let of_store = Arc::clone(&armed);
    let lose = move |store| Arc::new(BarrierStore::failing_commits(store, of_store, failure)) as _;
    (Setup::default().around(lose).start().await, armed)
}

#[tokio::test]
async fn the_same_client_token_makes_the_change_once_whatever_became_of_it() {
    for failure in [CommitFailure::LostBefore, CommitFailure::LostAfter] {
        let (world, armed) = losing(failure).await;
        for (caller, rpc, request, subject) in requests(&world).await {
            armed.store(true, Ordering::SeqCst);
            let reply = caller.err(rpc, request.clone(), "OUTCOME_UNKNOWN").await;
            armed.store(false, Ordering::SeqCst);
            assert_eq!(reply.status.code(), Code::Unavailable, "{rpc}");
            assert_eq!(reply.metadata("http_status").as_deref(), Some("503"), "{rpc}");
            // No client may try again by itself: whether that is safe depends on the request.
            assert_eq!(reply.trailer("grpc-retry-pushback-ms"), Some("-1"), "{rpc}");
            assert!(reply.details().retry_info().is_none(), "{rpc}");

            for _ in 0..2 {
                assert_eq!(caller.ok(rpc, request.clone()).await["version"], "2", "{rpc}, {failure:?}");
            }
            let reset = json!({ "subject": subject, "generate_password": true, "expected_version": 2 });
            assert_eq!(world.root.ok("ResetPassword", reset).await["version"], "3", "{rpc}, {failure:?}");
        }
        let changes = "SELECT count(*) FROM audit_event WHERE outcome = 'changed' AND version = 2";
        let changes: u32 = connection_to(&database(&world.directory)).query_row(changes, [], |row| row.get(0)).unwrap();
        assert_eq!(changes, 4, "{failure:?}");
    }
}

#[tokio::test]
async fn without_a_client_token_the_version_tells() {
    for (failure, version, then) in
        [(CommitFailure::LostBefore, "1", "OK"), (CommitFailure::LostAfter, "2", "OLD_PASSWORD_INCORRECT")]
    {
        let (world, armed) = losing(failure).await;
        let alice = world.ram_user("alice", OLD).await;
        armed.store(true, Ordering::SeqCst);
        alice.err("ChangePassword", change(OLD, NEW), "OUTCOME_UNKNOWN").await;
        armed.store(false, Ordering::SeqCst);
        let described = world.root.ok("DescribeRamUser", json!({ "user_name": "alice" })).await;
        assert_eq!(described["ram_user"]["credential"]["version"], version, "{failure:?}");
        // Nor is it a wrong password.
        assert_eq!(world.root.ok("ListAttempts", json!({ "subject": { "ram_user": "alice" } })).await, json!({}));
        assert_eq!(alice.call("ChangePassword", change(OLD, NEW)).await.reason(), then, "{failure:?}");
    }
}
