//! Limits of the operating system: the service says what it is short of, and goes on.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use credentiald::listener::raise_descriptor_limit;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::json;

use super::installation::{Installation, outcome};
use super::metrics::{get, scraped_at, value};
use super::serving::{Serving, eventually};
use super::tenant::Acme;

/// The command with a limit of that kind, as `ulimit` knows it.
fn limited(kind: &str, limit: u32, command: &Command) -> Command {
    let mut inside = Command::new("sh");
    inside.args(["-ec", &format!("ulimit {kind} {limit}\nexec \"$0\" \"$@\"")]);
    inside.arg(command.get_program()).args(command.get_args());
    inside.env_clear().current_dir(command.get_current_dir().unwrap());
    inside
}

#[tokio::test]
async fn silent_sockets_keep_no_caller_out() {
    let installation = Installation::new();
    let arguments = ["serve", "--server-listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"];
    let command = installation.command(&[&arguments[..], &["--server-handshake-seconds", "2"]].concat());
    let serving = Serving::start(limited("-n", 256, &command), &installation.path("")).await;
    let silent: Vec<_> = (0..200).map(|_| TcpStream::connect(serving.address).unwrap()).collect();
    serving.logs("server.max_connections is reached").await;
    let metrics = get(scraped_at(&serving), "/metrics");
    assert!(value(&metrics, r#"credentiald_accept_waits_total{reason="limit"}"#) >= 1.0, "{metrics}");
    // While they are open: in the end they are closed, and calls are answered.
    eventually("health", || serving.is_healthy().then_some(())).await;
    drop(silent);
    serving.stop().await;
}

/// More connections than `server.max_connections` leaves descriptors for: other files have taken them meanwhile.
#[tokio::test]
async fn a_service_that_is_short_of_descriptors_says_so_and_accepts_connections_once_there_are_some() {
    raise_descriptor_limit();
    let installation = Installation::new();
    let serving = installation.serve(&["--metrics-listen", "127.0.0.1:0"]).await;
    let process = Pid::from_raw(serving.id().try_into().unwrap());
    prlimit(process, Resource::Nofile, Rlimit { current: Some(256), maximum: Some(256) }).unwrap();
    let silent: Vec<_> = (0..300).map(|_| TcpStream::connect(serving.address).unwrap()).collect();
    serving.logs("can't accept connections; it will be retried").await;
    drop(silent);
    eventually("health", || serving.is_healthy().then_some(())).await;
    let metrics = get(scraped_at(&serving), "/metrics");
    assert!(value(&metrics, r#"credentiald_accept_waits_total{reason="resources"}"#) >= 1.0, "{metrics}");
    serving.stop().await;
}

#[tokio::test]
async fn a_client_that_asks_slowly_for_metrics_is_not_waited_for() {
    let installation = Installation::new();
    let serving = installation.serve(&["--metrics-listen", "127.0.0.1:0"]).await;
    let address: SocketAddr = scraped_at(&serving);
    let slow: Vec<_> = (0..200)
        .map(|_| {
            let mut socket = TcpStream::connect(address).unwrap();
            socket.write_all(b"GET /metrics HT").unwrap();
            socket
        })
        .collect();
    assert!(get(address, "/metrics").starts_with("HTTP/1.1 200"));
    assert!(get(address, "/livez").starts_with("HTTP/1.1 200"));
    drop(slow);
    serving.stop().await;
}

#[tokio::test]
async fn a_command_that_is_short_of_descriptors_blames_no_directory() {
    let installation = Installation::new();
    installation.bootstrap();
    let mut failed = 0;
    for descriptors in 6..40 {
        let command = installation.command(&["store", "check"]);
        let outcome = outcome(limited("-n", descriptors, &command));
        assert!(!outcome.stderr.contains("is read-only"), "with {descriptors}: {}", outcome.stderr);
        failed += usize::from(outcome.stderr.contains("can't be opened"));
    }
    assert!(failed > 0, "no start was short of descriptors while it opened the store");
}

#[tokio::test]
async fn a_file_that_may_not_grow_fails_changes_and_not_the_service() {
    let installation = Installation::new();
    let token = installation.bootstrap();
    let command =
        installation.command(&["serve", "--server-listen", "127.0.0.1:0", "--log-level", "off,credentiald::cli=info"]);
    // In blocks of 512 bytes: enough to begin with.
    let mut serving = Serving::start(limited("-f", 1200, &command), &installation.path("")).await;
    let acme = Acme::create(serving.address, &token).await;
    let mut number = 0;
    let refused = loop {
        number += 1;
        let request = json!({ "user_name": format!("user-{number}"), "password": "mypassword" });
        let reply = acme.root.call("CreateRamUser", request).await;
        if reply.reason() != "OK" {
            break reply;
        }
        assert!(number < 5000, "the store grows without end");
    };
    assert_eq!(refused.reason(), "STORE_UNAVAILABLE", "{refused:?}");
    assert!(serving.is_healthy());
    assert_eq!(acme.verify("user-1", "mypassword").await, "MATCHED_CURRENT");
    serving.signal("TERM");
    assert!(serving.ended().await.success(), "{}", serving.log());
}
