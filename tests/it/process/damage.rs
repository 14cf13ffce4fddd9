//! A store that was damaged while no service used it.

use std::fs;

use memchr::memmem;
use serde_json::json;

use super::installation::{Installation, write_secretly};
use super::serving::Serving;
use super::tenant::{Acme, verification};
use crate::store::stored_hash;

const PAGE: usize = 4096;
/// In each page: its header with the first cell pointers, its middle, and its end, where cells begin.
const IN_PAGE: [usize; 4] = [0, 1800, 3300, 4032];
const RUN: usize = 64;
/// Each damaged store is checked, and one of so many is also served from.
const SERVED: usize = 9;

/// What a server that runs on a damaged store says of passwords.
async fn assert_does_no_harm(serving: &Serving, acme: &Acme, is_sound: bool, place: &str) {
    let acme = acme.at(serving.address);
    for name in ["alice", "bob"] {
        let wrong = acme.relay.call("VerifyPassword", verification(name, "notmypassword")).await;
        assert_ne!(wrong.reason(), "(no details)", "{place}: {:?}", wrong.status);
        assert!(wrong.json["result"].is_null() || wrong.json["result"] == "NOT_MATCHED", "{place}: {wrong:?}");
        let right = acme.relay.call("VerifyPassword", verification(name, "mypassword")).await;
        assert_ne!(right.reason(), "(no details)", "{place}: {:?}", right.status);
        assert!(!is_sound || right.json["result"] == "MATCHED_CURRENT", "{place}: {right:?}");
    }
    let listed = acme.root.call("ListRamUsers", json!({})).await;
    assert_ne!(listed.reason(), "(no details)", "{place}: {:?}", listed.status);
}

#[tokio::test]
async fn a_damaged_store_is_found_and_verifies_no_wrong_password() {
    let installation = Installation::new();
    let (serving, acme) = installation.acme(&[]).await;
    for name in ["alice", "bob"] {
        acme.ram_user(name, "mypassword").await;
    }
    assert_eq!(acme.verify("bob", "guessed-wrong").await, "NOT_MATCHED");
    serving.stop().await;
    let sound = fs::read(installation.database()).unwrap();

    let (mut found, mut served) = (0, 0);
    let places = (0..sound.len() / PAGE).flat_map(|page| IN_PAGE.map(|at| page * PAGE + at));
    for (number, at) in places.enumerate() {
        let place = format!("byte {at}");
        let mut bytes = sound.clone();
        bytes[at..at + RUN].iter_mut().for_each(|byte| *byte ^= 0xff);
        fs::remove_dir_all(installation.data()).unwrap();
        fs::create_dir(installation.data()).unwrap();
        write_secretly(&installation.database(), &bytes);

        let check = installation.run(&["store", "check"]);
        assert!(matches!(check.status, Some(0 | 1)), "{place}: {check:?}");
        for secret in ["$argon2id$", "panicked"] {
            assert!(!check.stdout.contains(secret) && !check.stderr.contains(secret), "{place}: {check:?}");
        }
        let is_sound = check.status == Some(0);
        found += usize::from(!is_sound);
        if number % SERVED != 0 {
            continue;
        }
        let command = installation.command(&["serve", "--server-listen", "127.0.0.1:0"]);
        match Serving::try_start(command, &installation.path("")).await {
            Ok(mut serving) => {
                assert_does_no_harm(&serving, &acme, is_sound, &place).await;
                serving.kill();
                assert!(!serving.log().contains("panicked"), "{place}: {}", serving.log());
                served += 1;
            }
            Err((status, log)) => {
                assert!(!is_sound && status.code() == Some(1), "{place}: {status}: {log}");
                assert!(log.starts_with("error: can't serve: ") && !log.contains("panicked"), "{place}: {log}");
            }
        }
    }
    assert!(found > 20 && served > 3, "{found} found, {served} served");
}

#[tokio::test]
async fn each_flipped_byte_of_a_wrapped_hash_is_found_and_verifies_nothing() {
    let installation = Installation::new();
    let key = installation.run(&["pepper", "new-key"]).printed();
    write_secretly(&installation.path("ring"), &key);
    let ring = "--pepper-keys-file=ring";
    let (serving, acme) = installation.acme(&[ring]).await;
    for name in ["alice", "bob"] {
        acme.ram_user(name, "mypassword").await;
    }
    serving.stop().await;
    let (id, hash) = stored_hash(&installation.database(), "alice");
    let sound = fs::read(installation.database()).unwrap();
    let at = memmem::find(&sound, hash.as_bytes()).unwrap();

    let positions = (0..hash.len()).step_by(7).chain([hash.len() - 1]);
    for (number, position) in positions.enumerate() {
        let mut bytes = sound.clone();
        bytes[at + position] ^= 1 << (number % 8);
        fs::write(installation.database(), &bytes).unwrap();
        let check = installation.run(&["store", "check", ring]);
        let is_told = check.stdout.contains(&id) || check.stdout.contains("\"hash\" can't be read");
        assert!(check.status == Some(1) && is_told, "byte {position}: {check:?}");
        if number % SERVED == 0 {
            let serving = installation.serve(&[ring]).await;
            let acme = acme.at(serving.address);
            for password in ["mypassword", "notmypassword"] {
                acme.relay.err("VerifyPassword", verification("alice", password), "INTERNAL").await;
            }
            assert_eq!(acme.verify("bob", "mypassword").await, "MATCHED_CURRENT");
            serving.stop().await;
        }
    }
}
