//! Commands into a pipe whose reader reads nothing: they end when they are asked to.

use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::io::ioctl_fionread;
use serde_json::json;

use super::installation::{Installation, files, with_input};
use super::serving::{eventually, send_signal};
use super::tenant::token;

/// A pipe that holds so many bytes has next to no room.
const FULL: u64 = 60 * 1024;

/// Starts a command, and waits until its output is full.
async fn stalled(mut command: Command) -> Child {
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let output = command.stdout.as_ref().unwrap();
    eventually("a full pipe", || (ioctl_fionread(output).unwrap() >= FULL).then_some(())).await;
    command
}

/// Sends a signal. Returns the exit status and what is on standard error.
async fn ended_by(signal: &str, command: &mut Child) -> (Option<i32>, String) {
    send_signal(signal, command.id());
    let status = eventually("the end", || command.try_wait().unwrap()).await;
    let mut complaint = String::new();
    command.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
    (status.code(), complaint)
}

#[tokio::test]
async fn a_backup_whose_reader_reads_nothing_ends_by_each_signal_and_leaves_nothing() {
    let installation = Installation::new();
    installation.bootstrap();
    assert!(fs::metadata(installation.database()).unwrap().len() > 2 * FULL);
    let is_copy = |path: &PathBuf| path.to_string_lossy().contains(".new-");
    for signal in ["TERM", "INT", "HUP"] {
        let mut backup = stalled(installation.command(&["backup", "-"])).await;
        let expected = "error: interrupted by a signal: the output is no complete backup\n".to_owned();
        assert_eq!(ended_by(signal, &mut backup).await, (Some(1), expected), "{signal}");
        let left: Vec<_> = files(&installation.data()).into_iter().map(|(path, _)| path).filter(is_copy).collect();
        assert!(left.is_empty(), "{signal}: {left:?}");
    }
}

#[tokio::test]
async fn a_watch_whose_reader_reads_nothing_ends_and_resumes_after_what_it_printed() {
    let installation = Installation::new();
    let (serving, acme) = installation.acme(&[]).await;
    let address = serving.address.to_string();
    let root = token(&acme.root, json!({ "caller_kind": "CALLER_KIND_ROOT" })).await;
    let hash = "$2b$05$abcdefghijklmnopqrstuuqR2uuDorzuqQLTtL7Oj8K/e7dgq/Feq";
    let row = |number| json!({ "kind": "ram-user", "name": format!("u{number}"), "hash": hash }).to_string() + "\n";
    let rows: String = (0..2000).map(row).collect();
    with_input(installation.calling(&address, &root, &["import", "-"]), &rows).printed();

    let relay = json!({ "caller_kind": "CALLER_KIND_SERVICE", "caller_name": "relay" });
    let relay = token(&acme.root, relay).await;
    let mut watch = stalled(installation.calling(&address, &relay, &["watch", "--from-oldest"])).await;
    let (status, complaint) = ended_by("TERM", &mut watch).await;
    let cursor = complaint.strip_prefix("resume with --cursor ").unwrap().trim_end();
    assert_eq!(status, Some(0));
    let mut printed = String::new();
    watch.stdout.take().unwrap().read_to_string(&mut printed).unwrap();

    let all = installation.call(&address, &relay, &["watch", "--from-oldest", "--limit", "2000"], "").printed();
    let rest = all.strip_prefix(&printed).unwrap();
    let next = installation.call(&address, &relay, &["watch", "--cursor", cursor, "--limit", "1"], "").printed();
    assert!(rest.starts_with(&next), "{next}");
    serving.stop().await;
}
