//! Stopping in order: what is in flight finishes, and what was acknowledged is kept.

use std::fs;

use futures_util::future::join_all;
use tonic::Code;

use super::installation::Installation;
use super::serving::eventually;
use super::tenant::change;
use crate::support::Client;
use crate::support::client::frame;
use crate::support::raw_http2::{GOAWAY, RawConnection};

/// More than two processors hash at once.
const USERS: usize = 10;
const SERVING: &[u8] = &[0, 0, 0, 0, 2, 8, 1];
const NOT_SERVING: &[u8] = &[0, 0, 0, 0, 2, 8, 2];

async fn a_stop_loses_nothing(signal: &str) {
    let installation = Installation::new();
    // Far longer than the test waits: whatever drains for so long fails it.
    let (mut serving, acme) = installation.acme(&["--server-drain-seconds", "3600"]).await;
    let address = serving.address;
    let names: Vec<_> = (0..USERS).map(|number| format!("user-{number}")).collect();
    let tokens = join_all(names.iter().map(|name| acme.ram_user(name, "mypassword"))).await;
    let watch = Client::new(address);
    let watch = tokio::spawn(async move { watch.send("/grpc.health.v1.Health/Watch", frame(b"")).await });
    let connection = Client::new(address);
    let check = || connection.send("/grpc.health.v1.Health/Check", frame(b""));
    assert_eq!(check().await.body, SERVING);

    let callers: Vec<_> = tokens.iter().map(|token| connection.with_token(token)).collect();
    let request = change("mypassword", "newpassword");
    let calls = join_all(callers.iter().map(|caller| caller.try_call("ChangePassword", request.clone())));
    let stop_midway = async {
        // What is answered here comes after the changes on their connection: the server has them all.
        check().await;
        serving.signal(signal);
    };
    let (answers, ()) = tokio::join!(biased; calls, stop_midway);
    let status = serving.ended().await;

    assert!(status.success(), "{status}: {}", serving.log());
    assert!(watch.await.unwrap().body.ends_with(NOT_SERVING), "watchers of health are answered first");
    assert!(!serving.is_healthy());
    let again = installation.serve_on(&address.to_string(), &[]).await;
    let acme = acme.at(again.address);
    let mut changed = 0;
    for (name, answer) in names.iter().zip(answers) {
        let reply = answer.expect("what was accepted is answered");
        let password = match reply.status.code() {
            Code::Ok => "newpassword",
            _ => "mypassword",
        };
        assert_ne!(reply.reason(), "(no details)", "{:?}", reply.status);
        changed += usize::from(reply.status.code() == Code::Ok);
        assert_eq!(acme.verify(name, password).await, "MATCHED_CURRENT", "{name}");
    }
    assert!(changed > 0, "nothing was in flight");
    again.stop().await;
}

#[tokio::test]
async fn sigterm_loses_nothing_that_was_acknowledged() {
    a_stop_loses_nothing("TERM").await;
}

#[tokio::test]
async fn an_interrupt_loses_nothing_that_was_acknowledged() {
    a_stop_loses_nothing("INT").await;
}

#[tokio::test]
async fn the_drain_time_ends_a_stop_that_clients_hold_up() {
    let installation = Installation::new();
    let mut serving = installation.serve(&["--server-drain-seconds", "1"]).await;
    let slow = tokio::net::TcpStream::connect(serving.address).await.unwrap();
    // A request of which half never comes.
    let begun = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x10\x01\0\0\0\0\x01";
    slow.writable().await.unwrap();
    assert_eq!(slow.try_write(begun).unwrap(), begun.len());
    let answered = || slow.try_read(&mut [0; 1]).is_ok().then_some(());
    eventually("the server's settings", answered).await;
    serving.signal("TERM");
    let status = serving.ended().await;
    assert!(status.success(), "{status}: {}", serving.log());
}

#[tokio::test]
async fn idle_and_silent_connections_do_not_hold_up_a_stop() {
    let installation = Installation::new();
    let mut serving = installation.serve(&["--server-drain-seconds", "3600"]).await;
    let silent = tokio::net::TcpStream::connect(serving.address).await.unwrap();
    let begun = tokio::net::TcpStream::connect(serving.address).await.unwrap();
    begun.writable().await.unwrap();
    begun.try_write(b"PRI * HTTP/2.0").unwrap();
    // It answers no ping, so that it never agrees to the farewell.
    let mut idle = RawConnection::open(serving.address, 65_535).await;
    serving.signal("TERM");
    idle.wait_for("the farewell", |frame| frame.kind == GOAWAY).await;
    let status = serving.ended().await;
    assert!(status.success(), "{status}: {}", serving.log());
    drop((silent, begun));
}

#[tokio::test]
async fn before_the_drain_balancers_see_a_stop_and_everything_is_served() {
    let installation = Installation::new();
    let (mut serving, acme) = installation.acme(&["--server-shutdown-delay-seconds", "3600"]).await;
    acme.ram_user("alice", "mypassword").await;
    let health = async || Client::new(serving.address).send("/grpc.health.v1.Health/Check", frame(b"")).await.body;
    assert_eq!(health().await, SERVING);
    serving.signal("TERM");
    serving.logs("health is NOT_SERVING").await;
    assert_eq!(health().await, NOT_SERVING);
    // Over connections from before and after.
    assert_eq!(acme.verify("alice", "mypassword").await, "MATCHED_CURRENT");
    assert_eq!(acme.at(serving.address).verify("alice", "mypassword").await, "MATCHED_CURRENT");
    serving.kill();
}

#[tokio::test]
async fn a_hangup_reads_the_level_of_the_log_again_and_names_what_waits_for_the_next_start() {
    let installation = Installation::new();
    let file = installation.path("c.toml");
    fs::write(&file, "[log]\nlevel = \"info\"\n").unwrap();
    let serving = installation.serve(&["--config", "c.toml"]).await;
    serving.signal("HUP");
    serving.logs_times(" reloaded ", 1).await;

    fs::write(&file, "[log]\nlevel = \"warn\"\n[watch]\nkept_days = 3\n").unwrap();
    serving.signal("HUP");
    serving.logs("take effect at the next start settings=\"watch.kept_days\"").await;

    fs::write(&file, "[log]\nlevel = \"info\"\n[wotch]\nkept_days = 4\n").unwrap();
    serving.signal("HUP");
    serving.logs("wotch.kept_days: is not a setting").await;
    assert!(serving.is_healthy());
    assert_eq!(serving.log().matches(" reloaded ").count(), 1, "the level is that of the last good file");

    fs::write(&file, "[log]\nlevel = \"info\"\n").unwrap();
    serving.signal("HUP");
    serving.logs("the new level of the log is in force log_level=\"info\"").await;
    serving.logs_times(" reloaded ", 2).await;
    assert!(serving.stop().await.contains("stopped"));
}

#[tokio::test]
async fn a_terminal_that_is_closed_ends_a_quickstart() {
    let installation = Installation::new();
    let mut serving = installation.quickstart(&[]).await;
    serving.signal("HUP");
    assert!(serving.ended().await.success());
}
