//! What becomes of deliveries when the service stops, and when its store fails.

use std::fs;

use serde_json::json;
use tokio::net::TcpListener;

use super::installation::{Installation, write_secretly};
use super::metrics::{get, scraped_at, value};
use super::serving::{PATIENCE, Serving, eventually};
use super::tenant::Acme;
use crate::store::connection_to;
use crate::support::redis::ADMIN_PASSWORD;

/// A service with the instance `r-1`, and what its node listens with, which answers nothing.
async fn with_a_mute_node(installation: &Installation) -> (Serving, Acme, TcpListener) {
    write_secretly(&installation.path("ring"), installation.run(&["pepper", "new-key"]).printed());
    let settings = ["--pepper-keys-file=ring", "--metrics-listen=127.0.0.1:0"];
    let (serving, acme) = installation.acme(&settings).await;
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    acme.root.ok("CreateInstance", json!({ "instance_id": "r-1" })).await;
    let nodes = [mute.local_addr().unwrap().to_string()];
    let endpoint = json!({ "tenant": "acme", "instance_id": "r-1", "nodes": nodes, "user_name": "admin",
        "password": ADMIN_PASSWORD, "allow_plaintext": true });
    acme.operator.ok("SetInstanceEndpoint", endpoint).await;
    (serving, acme, mute)
}

fn leased_until(installation: &Installation) -> i64 {
    let store = connection_to(&installation.database());
    store.query_row("SELECT leased_until FROM endpoint", [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn a_stop_gives_back_an_instance_whose_node_does_not_answer() {
    let installation = Installation::new();
    let (serving, acme, mute) = with_a_mute_node(&installation).await;
    let app = json!({ "instance_id": "r-1", "account_name": "app", "password": "First-Redis-12" });
    acme.root.ok("CreateInstanceAccount", app).await;
    let _unread = tokio::time::timeout(PATIENCE, mute.accept()).await.unwrap().unwrap();
    assert!(leased_until(&installation) > 0);
    let log = serving.stop().await;
    assert_eq!(leased_until(&installation), 0, "the next process may begin at once: {log}");
}

#[tokio::test]
async fn a_store_that_fails_every_look_for_deliveries_is_reported_once() {
    let installation = Installation::new();
    let (serving, _, _mute) = with_a_mute_node(&installation).await;
    let address = scraped_at(&serving);
    let failures = || {
        let metrics = get(address, "/metrics");
        let name = r#"credentiald_upkeep_failures_total{task="delivery"}"#;
        if metrics.contains(name) { value(&metrics, name) } else { 0.0 }
    };
    let lines = || serving.log().matches("upkeep of the store failed").count();
    fs::rename(installation.database(), installation.path("gone.db")).unwrap();
    // Other tasks find it out in their own time, and say so once as well.
    let (mut failed, mut said) = (0.0, 0);
    let mut look = || {
        let (failures, lines) = (failures(), lines());
        if failed > 0.0 && failures >= failed + 3.0 && lines == said {
            return Some(());
        }
        if failed < 1.0 || lines != said {
            (failed, said) = (failures, lines);
        }
        None
    };
    eventually("three failures without a line", &mut look).await;
}
