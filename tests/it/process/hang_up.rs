//! Clients that go away before they are answered.

use std::net::SocketAddr;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use super::installation::Installation;
use super::tenant::{change, verification};
use crate::support::Client;

/// A client whose connection is reset once the second is aborted.
async fn client_that_hangs_up(server: SocketAddr) -> (Client, AbortHandle) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(listener.local_addr().unwrap());
    let between = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut server = TcpStream::connect(server).await.unwrap();
        server.set_zero_linger().unwrap();
        let _ = copy_bidirectional(&mut client, &mut server).await;
    });
    (client, between.abort_handle())
}

#[tokio::test]
async fn a_change_whose_caller_hangs_up_is_made_wholly_or_not_at_all() {
    let installation = Installation::new();
    // One hash at a time, so that some changes are under way when the first one is answered.
    let (serving, acme) = installation.acme(&["--hashing-workers", "1"]).await;
    let names = ["ann", "ben", "cat", "dan", "eve"];
    let mut tokens = Vec::new();
    for name in names {
        tokens.push(acme.ram_user(name, "mypassword").await);
    }
    let (client, connection) = client_that_hangs_up(serving.address).await;
    let users: Vec<_> = tokens.iter().map(|token| client.with_token(token)).collect();
    let request = change("mypassword", "newpassword");
    let changes = users.iter().map(|user| user.try_call("ChangePassword", request.clone()));
    let mut changes: FuturesUnordered<_> = changes.collect();
    assert_eq!(changes.next().await.unwrap().unwrap().reason(), "OK");
    connection.abort();
    let mut lost = 0;
    while let Some(reply) = changes.next().await {
        lost += usize::from(reply.is_none());
    }
    assert!(lost > 0, "everybody was answered");
    // A stop waits for what is under way.
    serving.stop().await;

    let serving = installation.serve(&[]).await;
    let acme = acme.at(serving.address);
    for name in names {
        let (old, new) = match acme.version(name).await {
            1 => ("MATCHED_CURRENT", "NOT_MATCHED"),
            2 => ("NOT_MATCHED", "MATCHED_CURRENT"),
            version => panic!("{name} has version {version}"),
        };
        assert_eq!(acme.verify(name, "mypassword").await, old, "{name}");
        assert_eq!(acme.verify(name, "newpassword").await, new, "{name}");
    }
    serving.stop().await;
}

#[tokio::test]
async fn who_guesses_and_hangs_up_has_guessed() {
    let installation = Installation::new();
    let slowly = ["--hashing-workers", "1", "--hashing-iterations", "8", "--hashing-longest-wait-seconds", "60"];
    let settings = [&slowly[..], &["--attempts-allowance", "2", "--attempts-backoff-seconds", "900"]].concat();
    let (serving, acme) = installation.acme(&settings).await;
    let token = acme.ram_user("alice", "mypassword").await;
    let (client, connection) = client_that_hangs_up(serving.address).await;
    let user = client.with_token(&token);
    // With one worker, the second guess is being verified when the first is answered.
    let guesses = (0..2).map(|guess| user.try_call("ChangePassword", change(&format!("guess-{guess}"), "newpassword")));
    let mut guesses: FuturesUnordered<_> = guesses.collect();
    assert_eq!(guesses.next().await.unwrap().unwrap().reason(), "OLD_PASSWORD_INCORRECT");
    connection.abort();
    let mut lost = 0;
    while let Some(reply) = guesses.next().await {
        lost += usize::from(reply.is_none());
    }
    assert!(lost > 0, "every guess was answered");

    // This call waits for the guesses under way: with one refunded, it would succeed.
    let user = Client::new(serving.address).with_token(&token);
    user.err("ChangePassword", change("mypassword", "newpassword"), "TOO_MANY_ATTEMPTS").await;
    assert_eq!(acme.relay.ok("VerifyPassword", verification("alice", "mypassword")).await["result"], "MATCHED_CURRENT");
    serving.stop().await;
}
