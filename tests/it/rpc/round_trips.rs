//! How often the service waits for PostgreSQL while it serves one call.

use serde_json::json;

use crate::support::Setup;
use crate::support::postgres::shared;
use crate::support::proxy::Proxy;

/// A token, a look-up, everything that the change is decided on, and the change itself.
const OF_A_CHANGE: usize = 4;

/// What the service asks for in its own time: events are numbered, the audit log is closed, and the store is probed.
const UPKEEP: &[&str] = &["change_position", "audit_event", "audit_cut", "leftover", "SELECT name FROM tenant LIMIT 1"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_takes_four_round_trips() {
    let cluster = shared().await;
    let database = cluster.new_store().await;
    let proxy = Proxy::to(cluster.port).await;
    let url = cluster.url(&database).replace(&format!(":{}/", cluster.port), &format!(":{}/", proxy.port));
    let world = Setup::default().with("store.url", &url).start().await;
    let alice = world.ram_user("alice", "mypassword-0").await;
    let change = async |number: u32| {
        let (old, new) = (format!("mypassword-{number}"), format!("mypassword-{}", number + 1));
        let request = json!({ "old_password": old, "new_password": new, "client_token": format!("t-{number}") });
        alice.ok("ChangePassword", request).await;
    };
    let mut fewest: Option<Vec<String>> = None;
    for number in 0..16 {
        proxy.take_asked();
        change(number).await;
        let mut asked = proxy.take_asked();
        // The change itself writes an audit event.
        asked.retain(|text| text.starts_with("WITH step_0") || !UPKEEP.iter().any(|word| text.contains(word)));
        // The first changes prepare their statements, and upkeep runs transactions of several statements meanwhile.
        if fewest.as_ref().is_none_or(|fewest| asked.len() < fewest.len()) {
            fewest = Some(asked);
        }
    }
    let fewest = fewest.unwrap();
    assert_eq!(fewest.len(), OF_A_CHANGE, "{fewest:#?}");
}
