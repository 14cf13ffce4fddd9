//! What is scraped while the service works.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use credentiald::telemetry::{DescribedMetric, described};
use serde_json::json;

use super::installation::Installation;
use super::serving::Serving;
use super::tenant::{Acme, change, verification};
use crate::support::Client;
use crate::support::signer::{AccessKey, send};

const OLD: &str = "Old-Harbour-12";

/// A service with metrics, and where they are.
async fn measured(installation: &Installation) -> (Serving, Acme, SocketAddr) {
    let (serving, acme) = installation.acme(&["--metrics-listen", "127.0.0.1:0"]).await;
    let address = scraped_at(&serving);
    (serving, acme, address)
}

/// Where the metrics of a service are.
pub(super) fn scraped_at(serving: &Serving) -> SocketAddr {
    let log = serving.log();
    let address = log.split("scraped_at=").nth(1).and_then(|rest| rest.split_whitespace().next());
    address.unwrap_or_else(|| panic!("no address in {log}")).parse().unwrap()
}

/// The answer to a request over plain HTTP/1.1.
pub(super) fn get(address: SocketAddr, path: &str) -> String {
    let mut connection = TcpStream::connect(address).unwrap();
    write!(connection, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

/// The value of a metric, which is named with its labels if it has any.
pub(super) fn value(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} is not in {metrics}")).parse().unwrap()
}

#[tokio::test]
async fn the_kernel_and_its_reason_are_labels() {
    let installation = Installation::new();
    let (_serving, _, address) = measured(&installation).await;
    let metrics = get(address, "/metrics");
    assert!(metrics.starts_with("HTTP/1.1 200"), "{metrics}");
    assert!(metrics.contains("content-type: application/openmetrics-text"), "{metrics}");
    let kernel = metrics.lines().find(|line| line.starts_with("credentiald_hash_kernel_info{")).unwrap();
    // The same words that `config show` prints.
    let shown = installation.run(&["config", "show"]).printed();
    let shown = shown.lines().find_map(|line| line.strip_prefix("# the hash kernel here: ")).unwrap();
    let (name, reason) = shown.split_once(": ").unwrap();
    let (name, instructions) = name.split_once(" (").unwrap();
    for label in [
        format!("kernel=\"{name}\""),
        format!("instructions=\"{}\"", instructions.trim_end_matches(')')),
        format!("reason=\"{reason}\""),
    ] {
        assert!(kernel.contains(&label), "{label} in {kernel}");
    }
}

#[tokio::test]
async fn hashes_and_refusals_are_counted_without_names() {
    let installation = Installation::new();
    let (serving, acme, address) = measured(&installation).await;
    let token = acme.ram_user("harbour-master", OLD).await;
    let before = get(address, "/metrics");
    Client::new(serving.address).with_token(&token).ok("ChangePassword", change(OLD, "New-Harbour-22")).await;
    // On a busy machine such a deadline may have passed before the refusal is written.
    let mut refused = 0.0;
    for _ in 0..6 {
        let hurried = acme.relay.with_header("grpc-timeout", "4m");
        let reply = hurried.call("VerifyPassword", verification("harbour-master", OLD)).await;
        refused += f64::from(u8::from(reply.reason() == "DEADLINE_TOO_SHORT"));
    }
    let after = get(address, "/metrics");
    let grown = |name: &str| value(&after, name) - value(&before, name);
    assert!(grown("credentiald_hashes_begun_total") >= 2.0, "{after}");
    assert!(grown("credentiald_admissions_deadline_too_short_total") >= refused, "{after}");
    assert!(value(&after, "credentiald_hash_duration_seconds") > 0.0);
    assert!(value(&after, "credentiald_hash_memory_bytes") >= 47_104.0 * 1024.0);
    for name in ["harbour-master", "acme", &token] {
        assert!(!after.contains(name), "{after}");
    }
    assert!(get(address, "/").starts_with("HTTP/1.1 404"));
}

#[tokio::test]
async fn a_signature_that_can_not_be_checked_is_counted_and_logged_without_anything_of_the_request() {
    let installation = Installation::new();
    let listeners = ["--metrics-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0"];
    let (serving, _) = installation.acme(&listeners).await;
    let address = scraped_at(&serving);
    let stranger = AccessKey { id: format!("CDAK{}", "0".repeat(32)), secret: "none".to_owned() };
    let with = |header, value: &str| {
        let mut request = stranger.acs3("ChangePassword", "2015-05-01", &[("OldPassword", OLD)]);
        request.headers_mut().insert(header, value.parse().unwrap());
        request
    };
    let mut absent =
        stranger.sdk_hmac("POST", "/v5/caller-password", &json!({ "old_password": OLD }).to_string(), None);
    absent.headers_mut().remove("authorization");
    let unlisted = with("x-acs-security-token", OLD);
    for request in [absent, unlisted, with("x-acs-date", OLD), with("authorization", "ACS3-HMAC-SM3 Credential=a")] {
        for _ in 0..2 {
            let response = send(serving.http_address(), request.clone()).await;
            assert!([400, 401].contains(&response.status().as_u16()), "{:?}", response.body());
        }
    }
    let counted = value(&get(address, "/metrics"), "credentiald_signatures_refused_total");
    let log = serving.stop().await;
    assert!((counted - 8.0).abs() < 0.1, "{counted}: {log}");
    let lines: Vec<_> = log.lines().filter(|line| line.contains("a signed request was refused")).collect();
    for problem in ["is not signed", "not signed that has to be: x-acs-*", "time of the request", "algorithm"] {
        assert!(lines.iter().any(|line| line.contains(problem)), "{problem}: {log}");
    }
    assert!(lines.len() == 4 && !log.contains(OLD), "{log}");
}

#[tokio::test]
async fn a_verification_during_an_overlap_takes_both_hashes_whichever_matches() {
    let installation = Installation::new();
    let (_serving, acme, address) = measured(&installation).await;
    let subject = json!({ "mail_domain": "mail.example" });
    acme.root.ok("CreateMailDomain", json!({ "domain_name": "mail.example", "password": OLD })).await;
    acme.root.ok("SetPasswordOverlap", json!({ "subject": subject, "overlap_seconds": 3600 })).await;
    let hashes_of = async |password: &str| {
        let before = value(&get(address, "/metrics"), "credentiald_hashes_begun_total");
        let request = json!({ "subject": subject, "password": password });
        let result = acme.relay.ok("VerifyPassword", request).await["result"].clone();
        (result, value(&get(address, "/metrics"), "credentiald_hashes_begun_total") - before)
    };
    assert_eq!(hashes_of(OLD).await, (json!("MATCHED_CURRENT"), 1.0));
    acme.root.ok("ModifyPWByDomain", json!({ "domain_name": "mail.example", "password": "New-Harbour-21" })).await;
    for (password, result) in
        [(OLD, "MATCHED_PREVIOUS"), ("New-Harbour-21", "MATCHED_CURRENT"), ("Other-Port-34", "NOT_MATCHED")]
    {
        assert_eq!(hashes_of(password).await, (json!(result), 2.0), "{password}");
    }
    acme.root.ok("EndPasswordOverlap", json!({ "subject": subject })).await;
    assert_eq!(hashes_of(OLD).await, (json!("NOT_MATCHED"), 1.0));
}

#[tokio::test]
async fn calls_and_what_they_cause_are_counted() {
    let installation = Installation::new();
    let (_serving, acme, address) = measured(&installation).await;
    acme.ram_user("harbour-master", OLD).await;
    let before = get(address, "/metrics");
    for (password, result) in [(OLD, "MATCHED_CURRENT"), ("Other-Port-34", "NOT_MATCHED")] {
        let reply = acme.relay.ok("VerifyPassword", verification("harbour-master", password)).await;
        assert_eq!(reply["result"], result);
    }
    assert_eq!(acme.relay.call("CreateRamUser", json!({ "user_name": "b" })).await.reason(), "ACCESS_DENIED");
    let nobody = acme.relay.call("DescribeRamUser", json!({})).await;
    assert_eq!(nobody.reason(), "INVALID_FIELD");
    let after = get(address, "/metrics");
    let grown = |name: &str| {
        let absent_is_zero = |metrics: &str| if metrics.contains(name) { value(metrics, name) } else { 0.0 };
        absent_is_zero(&after) - absent_is_zero(&before)
    };
    for (name, expected) in [
        (r#"credentiald_requests_total{rpc="VerifyPassword",code="OK"}"#, 2.0),
        (r#"credentiald_requests_total{rpc="CreateRamUser",code="PERMISSION_DENIED"}"#, 1.0),
        (r#"credentiald_requests_total{rpc="DescribeRamUser",code="INVALID_ARGUMENT"}"#, 1.0),
        (r#"credentiald_request_duration_seconds_count{rpc="VerifyPassword"}"#, 2.0),
        (r#"credentiald_request_duration_seconds_bucket{le="+Inf",rpc="VerifyPassword"}"#, 2.0),
        (r#"credentiald_attempts_total{outcome="right"}"#, 1.0),
        (r#"credentiald_attempts_total{outcome="wrong"}"#, 1.0),
        (r#"credentiald_permissions_refused_total{rpc="CreateRamUser"}"#, 1.0),
        // The wrong password and the refusal.
        ("credentiald_audit_events_total", 2.0),
        (r#"credentiald_store_failures_total{reason="unavailable"}"#, 0.0),
    ] {
        assert!((grown(name) - expected).abs() < 0.1, "{name}\n{after}");
    }
    assert!(value(&after, "credentiald_connections") >= 1.0, "{after}");
    assert!(!after.contains("harbour-master") && !after.contains("acme"), "{after}");
}

#[tokio::test]
async fn a_running_service_shows_every_metric_that_is_described_and_no_other() {
    let installation = Installation::new();
    let (_serving, acme, address) = measured(&installation).await;
    // Those by method appear with their first event.
    acme.relay.err("CreateRamUser", json!({ "user_name": "b" }), "ACCESS_DENIED").await;
    let metrics = get(address, "/metrics");
    let served: BTreeSet<_> =
        metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let described = described();
    assert_eq!(served.len(), described.len(), "{metrics}");
    for DescribedMetric { name, kind, labels, help, .. } in described {
        let family = name.trim_end_matches("_total").trim_end_matches("_info");
        for line in [format!("# TYPE {family} {kind}"), format!("# HELP {family} {help}")] {
            assert!(metrics.lines().any(|found| found.trim_end_matches('.') == line), "{line}: {metrics}");
        }
        let sample = if kind == "histogram" { format!("{name}_count") } else { name.clone() };
        let of_metric = |line: &&str| line.strip_prefix(&sample).is_some_and(|rest| rest.starts_with(['{', ' ']));
        let Some(sample) = metrics.lines().find(of_metric) else {
            assert_eq!(name, "credentiald_store_retries_total", "it has no sample: {metrics}");
            continue;
        };
        assert!(labels.iter().all(|(label, _)| sample.contains(&format!("{label}=\""))), "{sample}");
    }
    for (name, least) in [
        (r#"credentiald_refusals_total{rpc="CreateRamUser",reason="ACCESS_DENIED"}"#, 1.0),
        (r#"credentiald_store_duration_seconds_count{work="create_tenant"}"#, 1.0),
        (r#"credentiald_store_duration_seconds_count{work="read"}"#, 1.0),
        ("credentiald_store_up", 1.0),
    ] {
        assert!(value(&metrics, name) >= least, "{name}: {metrics}");
    }
}

#[tokio::test]
async fn probes_tell_whether_the_process_is_alive_started_and_ready() {
    let installation = Installation::new();
    let flags = ["--metrics-listen=127.0.0.1:0", "--server-shutdown-delay-seconds=3600"];
    let (serving, _) = installation.acme(&flags).await;
    let address = scraped_at(&serving);
    let answers = || {
        ["/livez", "/startupz", "/readyz"].map(|path| {
            let answer = get(address, path);
            answer.split(' ').nth(1).unwrap().to_owned()
        })
    };
    assert_eq!(answers(), ["200"; 3]);
    assert!(get(address, "/readyz").ends_with("serving\n"));
    serving.signal("TERM");
    serving.logs("health is NOT_SERVING").await;
    assert_eq!(answers(), ["200", "200", "503"]);
    assert!(get(address, "/readyz").ends_with("stopping\n"));
}
