//! A disk that is full.

use std::fs;
use std::path::PathBuf;

use serde_json::json;
use tonic::Code;

use super::installation::{Installation, fill_disk, with_mounts};
use super::metrics::{get, scraped_at, value};
use super::quickstart::Demonstration;
use super::serving::Serving;
use super::tenant::tells_when_to_retry;
use crate::support::Client;

/// A quickstart on a small disk, what it printed, and the file that fills the disk. The disk is seen only by the process
/// that mounted it.
async fn on_a_small_disk(installation: &Installation) -> (Serving, Demonstration, PathBuf) {
    fs::create_dir(installation.data()).unwrap();
    let anywhere = ["--server-listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"];
    let quickstart = installation.command(&[&["quickstart", "--log-level", "info"], &anywhere[..]].concat());
    let mount = "mount -t tmpfs -o size=8m,mode=700 tmpfs credentiald-data";
    let serving = Serving::start(with_mounts(mount, &quickstart), &installation.path("")).await;
    let root = PathBuf::from(format!("/proc/{}/root", serving.id()));
    let ballast = root.join(installation.data().strip_prefix("/").unwrap()).join("ballast");
    let demonstration = Demonstration::of(&serving);
    // More than the file of the store has room for. Otherwise the log, once full, is moved into it and starts over.
    for _ in 0..30 {
        demonstration.calls[0].client.ok("IssueAccessToken", json!({ "caller_kind": "CALLER_KIND_ROOT" })).await;
    }
    (serving, demonstration, ballast)
}

#[tokio::test]
async fn a_full_disk_gives_no_more_guesses() {
    let installation = Installation::new();
    let (serving, demonstration, ballast) = on_a_small_disk(&installation).await;
    let relay = Client::new(serving.address).with_token(&demonstration.tokens[2]);
    let [_, ram, ..] = &demonstration.calls[..] else { panic!("no call") };
    let verification = |password: &str| json!({ "subject": { "ram_user": "alice" }, "password": password });
    let right = verification(ram.request["old_password"].as_str().unwrap());

    fill_disk(&ballast);
    for guess in 0..50 {
        relay.err("VerifyPassword", verification(&format!("guess-{guess}")), "STORE_UNAVAILABLE").await;
    }
    relay.err("VerifyPassword", right.clone(), "STORE_UNAVAILABLE").await;
    let measured = |name: &str| value(&get(scraped_at(&serving), "/metrics"), name);
    assert!(measured(r#"credentiald_store_failures_total{reason="unavailable"}"#) >= 1.0);
    assert!(measured("credentiald_attempts_held") >= 1.0);

    fs::remove_file(&ballast).unwrap();
    assert_eq!(relay.ok("VerifyPassword", right).await["result"], "MATCHED_CURRENT");
    assert!(measured("credentiald_attempts_held").abs() < 0.1);
    serving.stop().await;
}

#[tokio::test]
async fn a_full_disk_refuses_changes_and_breaks_nothing() {
    let installation = Installation::new();
    let (serving, demonstration, ballast) = on_a_small_disk(&installation).await;
    let [domain, ram, ..] = &demonstration.calls[..] else { panic!("no call") };
    let relay = Client::new(serving.address).with_token(&demonstration.tokens[2]);
    let verification = |key: &str| json!({ "subject": { "ram_user": "alice" }, "password": ram.request[key] });

    fill_disk(&ballast);
    for call in &demonstration.calls {
        let reply = call.make().await;
        assert_eq!(reply.reason(), "STORE_UNAVAILABLE", "{}: {:?}", call.method, reply.status);
        assert_eq!(reply.status.code(), Code::Unavailable);
        assert!(tells_when_to_retry(&reply), "{}", call.method);
    }
    assert!(serving.is_healthy());
    let described = domain.client.ok("DescribeRamUser", json!({ "user_name": "alice" })).await;
    assert_eq!(described["ram_user"]["credential"]["version"], "1", "reading goes on");
    let verified = relay.ok("VerifyPassword", verification("old_password")).await;
    assert_eq!(verified["result"], "MATCHED_CURRENT", "the old password goes on");

    fs::remove_file(&ballast).unwrap();
    for call in &demonstration.calls {
        let reply = call.make().await;
        assert_eq!((reply.reason().as_str(), &reply.json["version"]), ("OK", &json!("2")), "{}", call.method);
    }
    let verified = relay.ok("VerifyPassword", verification("new_password")).await;
    assert_eq!(verified["result"], "MATCHED_CURRENT");
    assert!(!serving.log().contains("panicked"), "{}", serving.log());
    serving.stop().await;
}
