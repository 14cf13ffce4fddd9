//! A process that is killed in the middle of its work.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use rusqlite::Connection;
use serde_json::json;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::installation::Installation;
use super::tenant::change;
use crate::store::connection_to;
use crate::support::Client;

fn password(version: u64) -> String {
    format!("mypassword-{version}")
}

/// Changes the password again and again, until the server is gone. Tells of each change, and answers the last version
/// that was acknowledged.
async fn keep_changing(user: Client, mut version: u64, acknowledged: UnboundedSender<()>) -> u64 {
    loop {
        let request = change(&password(version), &password(version + 1));
        let Some(reply) = user.try_call("ChangePassword", request).await else { return version };
        assert_eq!(reply.reason(), "OK");
        version += 1;
        assert_eq!(reply.json["version"], version.to_string());
        acknowledged.send(()).unwrap();
    }
}

#[tokio::test]
async fn every_acknowledged_change_survives_a_kill() {
    let installation = Installation::new();
    let (mut serving, mut acme) = installation.acme(&[]).await;
    let names = ["ann", "ben", "cat", "dan"];
    let mut tokens = Vec::new();
    for name in names {
        tokens.push(acme.ram_user(name, &password(1)).await);
    }
    let mut versions = [1; 4];
    for changes_before_the_kill in [2, 5, 9] {
        let (acknowledge, mut acknowledged) = unbounded_channel();
        let changing = join_all(tokens.iter().zip(versions).map(|(token, version)| {
            let user = Client::new(serving.address).with_token(token);
            tokio::spawn(keep_changing(user, version, acknowledge.clone()))
        }));
        drop(acknowledge);
        for _ in 0..changes_before_the_kill {
            acknowledged.recv().await.unwrap();
        }
        serving.kill();
        let kept = changing.await;

        serving = installation.serve(&[]).await;
        acme = acme.at(serving.address);
        for ((name, kept), version) in names.iter().zip(kept).zip(&mut versions) {
            let kept = kept.unwrap();
            *version = acme.version(name).await;
            assert!([kept, kept + 1].contains(version), "{name}: {kept} was acknowledged, {version} is there");
            assert_eq!(acme.verify(name, &password(*version)).await, "MATCHED_CURRENT", "{name}");
        }
    }
    assert!(versions.iter().sum::<u64>() >= 4 + 2 + 5 + 9);
    let mut received = BTreeMap::<_, Vec<_>>::new();
    let mut watch = acme.root.watch(json!({ "from_oldest": true })).await;
    for _ in 0..versions.iter().sum() {
        let event = watch.event().await["event"].clone();
        let what = if event["changed"].is_null() { &event["created"] } else { &event["changed"] };
        let version: u64 = what["version"].as_str().unwrap().parse().unwrap();
        received.entry(event["subject"]["ram_user"].as_str().unwrap().to_owned()).or_default().push(version);
    }
    for (name, version) in names.iter().zip(versions) {
        assert_eq!(received[*name], (1..=version).collect::<Vec<_>>(), "{name}: each version is sent once");
    }
    serving.kill();
    assert_eq!(installation.run(&["store", "check"]).printed(), "the store is undamaged\n");
}

#[tokio::test]
async fn a_change_whose_reply_a_kill_took_is_answered_when_it_is_sent_again() {
    let installation = Installation::new();
    let (mut serving, mut acme) = installation.acme(&[]).await;
    let ann = acme.ram_user("ann", &password(1)).await;
    for version in 1..=3 {
        let mut request = change(&password(version), &password(version + 1));
        request["client_token"] = format!("change-{version}").into();
        let user = Client::new(serving.address).with_token(&ann);
        let sent = tokio::spawn({
            let request = request.clone();
            async move { user.try_call("ChangePassword", request).await }
        });
        let store = connection_to(&installation.database());
        while stored_version(&store) != version + 1 {
            tokio::task::yield_now().await;
        }
        serving.kill();
        drop(store);
        sent.await.unwrap();

        serving = installation.serve(&[]).await;
        acme = acme.at(serving.address);
        let again = Client::new(serving.address).with_token(&ann).ok("ChangePassword", request).await;
        assert_eq!(again["version"], (version + 1).to_string());
        assert_eq!(acme.version("ann").await, version + 1);
        assert_eq!(acme.verify("ann", &password(version + 1)).await, "MATCHED_CURRENT");
    }
}

fn stored_version(store: &Connection) -> u64 {
    let version: i64 = store.query_row("SELECT version FROM credential", [], |row| row.get(0)).unwrap();
    version.try_into().unwrap()
}
