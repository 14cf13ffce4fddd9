//! The value of each gauge and histogram, while the service does what it measures.

use std::fs;
use std::net::TcpListener;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use credentiald::telemetry::described;
use serde_json::json;

use super::installation::{Installation, write_secretly};
use super::metrics::{get, scraped_at, value};
use super::serving::{PATIENCE, Serving};
use super::tenant::{Acme, verification};
use crate::support::Client;
use crate::support::certificates::{Authority, ClientTls};
use crate::support::jwt::{JwksServer, SigningKey, issuers, seconds_from_now};
use crate::support::postgres;
use crate::support::redis::{ADMIN_PASSWORD, Node};

const PASSWORD: &str = "Old-Harbour-12";
const HOUR: i64 = 3600;
/// What tests of their own read: the engine's figures, and what is held while a disk is full.
const ELSEWHERE: [&str; 2] = ["credentiald_hash", "credentiald_attempts_held"];

type Row = (&'static str, RangeInclusive<i64>);

/// Waits until each sample was in its range. What is above 0 and below 1 counts as 1.
async fn are_seen(serving: &Serving, rows: &[Row]) {
    let (address, start) = (scraped_at(serving), Instant::now());
    let mut missing = rows.to_vec();
    loop {
        let metrics = get(address, "/metrics");
        #[expect(clippy::cast_possible_truncation, reason = "no value here is near the limits")]
        missing.retain(|(name, range)| {
            let is_there = metrics.lines().any(|line| line.starts_with(&format!("{name} ")));
            !(is_there && range.contains(&(value(&metrics, name).ceil() as i64)))
        });
        if missing.is_empty() {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{missing:?} in {metrics}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_gauge_and_histogram_has_the_value_of_what_it_measures() {
    let (cluster, installation, authority) = (postgres::shared().await, Installation::new(), Authority::new("CA"));
    let (database, leaf) = (cluster.new_store().await, authority.server(&["127.0.0.1"]));
    let keys = JwksServer::start(&[&SigningKey::new("a", "ES256")]).await;
    let silent = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    fs::write(installation.path("server.pem"), &leaf.certificate).unwrap();
    fs::write(installation.path("issuers.toml"), issuers(&keys.setting())).unwrap();
    for (file, content) in [
        ("server.key", leaf.key.clone()),
        ("store.url", cluster.url(&database)),
        ("ring", installation.run(&["pepper", "new-key"]).printed()),
    ] {
        write_secretly(&installation.path(file), content);
    }
    let token = installation.run(&["bootstrap", "--store-url-file=store.url"]).printed();
    let start = seconds_from_now(0);

    // No range of the audit log can be closed.
    let mut lock = cluster.connection(&database).await;
    sqlx::raw_sql("BEGIN; LOCK TABLE audit_event IN EXCLUSIVE MODE").execute(&mut lock).await.unwrap();
    let flags = "--store-url-file=store.url --tls-certificate-file server.pem --tls-key-file server.key \
        --jwt-issuers-file=issuers.toml --pepper-keys-file=ring --metrics-listen=127.0.0.1:0 \
        --postgres-statement-timeout-seconds=3";
    let serving = installation.serve(&flags.split_whitespace().collect::<Vec<_>>()).await;
    let locked = [
        ("credentiald_store_up", 1..=1),
        ("credentiald_store_operations", 1..=9),
        (r#"credentiald_store_connections{state="in_use"}"#, 1..=99),
        (r#"credentiald_upkeep_failures_total{task="audit_chain"}"#, 1..=99),
        ("credentiald_audit_ranges_closed_timestamp_seconds", start..=start + HOUR),
    ];
    are_seen(&serving, &locked).await;
    sqlx::raw_sql("ROLLBACK").execute(&mut lock).await.unwrap();
    let free = seconds_from_now(1);

    let anybody = Client::new(serving.address).over(&ClientTls::trusting(&authority.pem()));
    let acme = Acme::create_by(&anybody, token.trim()).await;
    let mut watch = acme.relay.watch(json!({})).await;
    watch.next().await.unwrap();
    acme.ram_user("alice", PASSWORD).await;
    watch.event().await;
    acme.relay.ok("VerifyPassword", verification("alice", PASSWORD)).await;
    anybody.with_token("a.b.c").call("ListRamUsers", json!({})).await;
    let node = Node::start(PASSWORD);
    let account = async |instance: &str, address: String, password: &str, deliver: &str| {
        acme.root.ok("CreateInstance", json!({ "instance_id": instance })).await;
        let endpoint = json!({ "tenant": "acme", "instance_id": instance, "nodes": [address], "user_name": "admin",
            "password": password, "allow_plaintext": true, "compare_seconds": 3600 });
        acme.operator.ok("SetInstanceEndpoint", endpoint.clone()).await;
        let account = json!({ "instance_id": instance, "account_name": "app", "password": "Rk7vQz2mXw9tLp4",
            "deliver": deliver });
        acme.root.ok("CreateInstanceAccount", account).await;
        endpoint
    };
    account("r-1", silent, PASSWORD, "DELIVER_BACKGROUND").await;
    let again = account("r-2", node.address(), ADMIN_PASSWORD, "DELIVER_WAIT").await;
    node.answer(&["ACL", "SETUSER", "app", &format!(">{PASSWORD}")]);
    // Its nodes are compared at once.
    acme.operator.ok("SetInstanceEndpoint", again).await;
    fs::write(installation.path("issuers.toml"), "[[issuer]]").unwrap();
    serving.signal("HUP");
    let rows = [
        ("credentiald_connections", 1..=9),
        ("credentiald_watches", 1..=1),
        ("credentiald_deliveries_pending", 1..=1),
        ("credentiald_deliveries_failing", 1..=1),
        ("credentiald_oldest_delivery_timestamp_seconds", free - 1..=free + HOUR),
        (r#"credentiald_nodes_asked_total{outcome="failed"}"#, 1..=999),
        (r#"credentiald_nodes_asked_total{outcome="answered"}"#, 3..=9),
        ("credentiald_node_drifts_total", 1..=1),
        (r#"credentiald_files_not_used{files="jwt"}"#, 1..=1),
        (r#"credentiald_reloads_total{files="jwt",outcome="refused"}"#, 1..=1),
        // 4096-01-01, as those of rcgen.
        ("credentiald_certificate_expiry_timestamp_seconds", 67_090_118_400..=67_090_118_400),
        ("credentiald_token_expiry_timestamp_seconds", start + HOUR..=start + 400 * 24 * HOUR),
        (r#"credentiald_jwks_fetches_total{outcome="fetched"}"#, 1..=9),
        ("credentiald_issuer_keys_expiry_timestamp_seconds", start + HOUR..=start + 2 * HOUR),
        ("credentiald_jwts_refused_total", 1..=1),
        ("credentiald_audit_ranges_closed_timestamp_seconds", free..=free + HOUR),
        ("credentiald_change_events_numbered_timestamp_seconds", free..=free + HOUR),
        (r#"credentiald_store_connections{state="idle"}"#, 1..=99),
        (r#"credentiald_request_duration_seconds_count{rpc="VerifyPassword"}"#, 1..=1),
        (r#"credentiald_request_duration_seconds_sum{rpc="VerifyPassword"}"#, 1..=60),
        (r#"credentiald_store_duration_seconds_count{work="create_tenant"}"#, 1..=1),
        (r#"credentiald_store_duration_seconds_sum{work="create_tenant"}"#, 1..=60),
        // Of the user, of its verification, of the instance accounts.
        (r#"credentiald_hash_wait_seconds_count{kind="alone"}"#, 4..=4),
        (r#"credentiald_hash_wait_seconds_sum{kind="alone"}"#, 1..=60),
        (r#"credentiald_hash_service_seconds_count{kind="alone"}"#, 4..=4),
        (r#"credentiald_hash_service_seconds_sum{kind="alone"}"#, 1..=60),
        ("credentiald_watch_lag_seconds_count", 1..=9),
        ("credentiald_watch_lag_seconds_sum", 1..=60),
    ];
    are_seen(&serving, &rows).await;
    for metric in described().iter().filter(|metric| ["gauge", "histogram"].contains(&metric.kind)) {
        let is_read = locked.iter().chain(&rows).any(|(sample, _)| sample.starts_with(&metric.name));
        assert!(is_read || ELSEWHERE.iter().any(|name| metric.name.starts_with(name)), "{}", metric.name);
    }
    serving.stop().await;
}
