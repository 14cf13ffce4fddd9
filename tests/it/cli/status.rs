//! How commands end: 0 done, 1 failed, 2 usage, 75 not now, 78 bad configuration. The statuses of passwords, 3 to
//! 5, are in `process/passwords.rs`.

use std::net::TcpListener;

use super::{credentiald, file};

/// An address without a listener.
fn nobody() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn what_can_not_be_understood_is_usage() {
    for arguments in [
        &[][..],
        &["sreve"],
        &["serve", "--no-such-flag"],
        &["admin"],
        &["admin", "create-tenant", "--no-such-field", "x"],
        &["admin", "list-tenants", "--limit", "0"],
        &["completions", "no-such-shell"],
        &["verify", "--ram-user", "a", "--mail-domain", "b"],
        &["verify", "--ram-user", "a", "--instance-id", "b"],
        &["verify", "--ram-user", "a", "--password", "on-the-command-line"],
        &["change", "--mail-domain", "a", "--instance-id", "b", "--account-name", "c"],
    ] {
        let outcome = credentiald(arguments, &[]);
        assert_eq!((outcome.status, outcome.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(outcome.stderr.contains("--help") || outcome.stderr.contains("Usage:"), "{}", outcome.stderr);
    }
}

#[test]
fn an_administrator_without_a_token_sees_where_to_put_one() {
    let outcome = credentiald(&["admin", "list-tenants"], &[]);
    assert_eq!(outcome.status, 2);
    assert!(
        outcome.stderr.contains("CREDENTIALD_TOKEN") && outcome.stderr.contains("--token-file"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn a_service_that_is_not_there_may_be_there_later() {
    let address = nobody();
    let (_folder, token) = file("some-token\n");
    let admin = credentiald(&["admin", "list-tenants", "--address", &address, "--token-file", &token], &[]);
    assert_eq!(admin.status, 75);
    assert!(admin.stderr.starts_with(&format!("error: can't reach {address}")), "{}", admin.stderr);
    assert_eq!(credentiald(&["healthcheck", "--address", &address], &[]).status, 1);
    assert_eq!(credentiald(&["healthcheck"], &[("CREDENTIALD_SERVER_LISTEN", &address)]).status, 1);
}

#[test]
fn usage_comes_before_a_service_that_is_not_there() {
    let address = nobody();
    let (_folder, token) = file("some-token\n");
    let here = ["--address", &address, "--token-file", &token];
    let (verify, change) = (["verify", "--ram-user", "alice"], ["change"]);
    for command in [&verify[..], &change] {
        let outcome = credentiald(&[command, &here].concat(), &[]);
        assert_eq!(outcome.status, 2, "{command:?} {}", outcome.stderr);
        assert!(outcome.stderr.contains("--password-stdin"), "{}", outcome.stderr);
    }
    // Standard input holds no two lines.
    let outcome = credentiald(&[&change[..], &["--password-stdin"], &here].concat(), &[]);
    assert_eq!(outcome.status, 2, "{}", outcome.stderr);
}

#[test]
fn a_server_that_accepts_and_never_answers_is_not_healthy() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let outcome = credentiald(&["healthcheck", "--address", &silent.local_addr().unwrap().to_string()], &[]);
    assert_eq!(outcome.status, 1);
    assert!(outcome.stderr.starts_with("error: "), "{}", outcome.stderr);
}

#[test]
fn the_demonstration_stays_on_this_machine_and_in_its_own_store() {
    let open = ["quickstart", "--server-listen", "0.0.0.0:50051", "--server-allow-plaintext"];
    let outcome = credentiald(&open, &[]);
    assert_eq!(outcome.status, 78);
    assert!(outcome.stderr.contains("loopback"), "{}", outcome.stderr);
    let elsewhere = credentiald(&["quickstart", "--store-url", "sqlite:production.db"], &[]);
    assert_eq!(elsewhere.status, 2);
    assert!(elsewhere.stderr.contains("--data-dir"), "{}", elsewhere.stderr);
}
