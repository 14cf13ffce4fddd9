//! Many at once: one success, and every other answer typed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use serde_json::json;
use tonic::Code;

use crate::support::barrier::BarrierStore;
use crate::support::clock::MovedClock;
use crate::support::serving::eventually;
use crate::support::tenant::change;
use crate::support::{Setup, World};

const RACERS: usize = 64;
const OLD: &str = "mypassword";

#[tokio::test]
async fn of_sixty_four_changes_held_until_all_have_loaded_one_wins() {
    let armed = Arc::new(AtomicBool::new(false));
    let for_store = Arc::clone(&armed);
    let world =
        Setup::default().around(move |store| Arc::new(BarrierStore::new(store, RACERS, for_store))).start().await;
    let alice = world.ram_user("alice", OLD).await;
    armed.store(true, Ordering::SeqCst);
    let before = world.engine().begun;

    let changes = (0..RACERS).map(|racer| {
        let request = json!({ "old_password": OLD, "new_password": format!("newpassword-{racer}") });
        let alice = alice.clone();
        async move { (racer, alice.call("ChangePassword", request).await) }
    });
    let replies = join_all(changes).await;

    let winners: Vec<usize> =
        replies.iter().filter(|(_, reply)| reply.status.code() == Code::Ok).map(|(racer, _)| *racer).collect();
    let [winner] = winners[..] else { panic!("winners: {winners:?}") };
    for (racer, reply) in &replies {
        if *racer != winner {
            assert_eq!((reply.status.code(), reply.reason().as_str()), (Code::Aborted, "VERSION_CONFLICT"));
            assert_eq!(reply.metadata("current_version").as_deref(), Some("2"));
        }
    }
    // Only as many as may try at once were hashed, the old password and the new one. The others waited until the version had moved.
    assert_eq!(world.engine().begun - before, 10);
    let subject = json!({ "ram_user": "alice" });
    assert_eq!(world.verify(subject.clone(), &format!("newpassword-{winner}")).await, "MATCHED_CURRENT");
    let described = world.root.ok("DescribeRamUser", json!({ "user_name": "alice" })).await;
    assert_eq!(described["ram_user"]["credential"]["version"], "2");
}

#[tokio::test]
async fn parallel_honest_verifications_are_not_punished() {
    let world = World::start().await;
    world.ram_user("alice", OLD).await;
    let relay = world.service().await;
    let request = json!({ "subject": { "ram_user": "alice" }, "password": OLD });

    let replies = join_all((0..40).map(|_| relay.call("VerifyPassword", request.clone()))).await;

    assert!(replies.iter().all(|reply| reply.json["result"] == "MATCHED_CURRENT"), "{replies:?}");
}

#[tokio::test]
async fn parallel_guesses_get_no_more_than_the_allowance() {
    let world = Setup::default().by(&MovedClock::stopped()).start().await;
    world.ram_user("alice", OLD).await;
    let relay = world.service().await;
    let guess = |number: u32| json!({ "subject": { "ram_user": "alice" }, "password": format!("guess-{number}") });

    let replies = join_all((0..40).map(|number| relay.call("VerifyPassword", guess(number)))).await;

    let tried = replies.iter().filter(|reply| reply.status.code() == Code::Ok).count();
    let refused = replies.iter().filter(|reply| reply.reason() == "TOO_MANY_ATTEMPTS").count();
    assert_eq!((tried, refused), (5, 35), "{replies:?}");
}

#[tokio::test]
async fn a_verification_that_waited_behind_a_change_tells_what_holds_after_it() {
    let armed = Arc::new(AtomicBool::new(false));
    let for_store = Arc::clone(&armed);
    let setup = Setup::default().with("attempts.allowance", "1");
    let world = setup.around(move |store| Arc::new(BarrierStore::new(store, 2, for_store))).start().await;
    for round in 0..4 {
        let domain = format!("round-{round}.example");
        world.mail_domain(&domain, "OLDmail1234").await;
        armed.store(true, Ordering::SeqCst);

        let verify = json!({ "subject": { "mail_domain": domain }, "password": "OLDmail1234" });
        let change = json!({ "domain_name": domain, "password": "NEWmail1234" });
        let (verified, changed) =
            tokio::join!(world.root.call("VerifyPassword", verify), world.root.call("ModifyPWByDomain", change));

        assert_eq!((changed.reason().as_str(), verified.reason().as_str()), ("OK", "OK"), "{verified:?}");
    }
}

#[tokio::test]
async fn who_hangs_up_before_anything_begins_spends_no_attempt() {
    // One hash at a time, with enough work ahead that the calls below still wait when their callers go.
    let slowly = [
        ("hashing.workers", "1"),
        ("hashing.interleave", "1"),
        ("hashing.iterations", "4"),
        ("hashing.longest_wait_seconds", "600"),
    ];
    let setup = slowly.iter().fold(Setup::default(), |setup, (key, value)| setup.with(key, value));
    let world = setup.by(&MovedClock::stopped()).start().await;
    let alice = world.ram_user("alice", OLD).await;
    world.ram_user("busy", OLD).await;
    let relay = world.service().await;
    let before = world.engine();
    let work = (0..5).map(|_| {
        let relay = relay.clone();
        let request = json!({ "subject": { "ram_user": "busy" }, "password": OLD });
        tokio::spawn(async move { relay.call("VerifyPassword", request).await })
    });
    let work: Vec<_> = work.collect();
    eventually("work", || (world.engine().begun > before.begun).then_some(())).await;
    // All that are allowed, each with two hashes.
    let guesses = (0..5).map(|_| {
        let gone = alice.at(world.address);
        tokio::spawn(async move { gone.call("ChangePassword", change("guess", "newpassword")).await })
    });
    let guesses: Vec<_> = guesses.collect();
    // What is computed is begun and outstanding.
    let admitted = || {
        let now = world.engine();
        u64::from(now.outstanding) + now.begun - before.begun - 1
    };
    eventually("guesses behind the work", || (admitted() >= 15).then_some(())).await;
    for guess in guesses {
        guess.abort();
        assert!(guess.await.unwrap_err().is_cancelled(), "it was answered");
    }
    for reply in work {
        assert_eq!(reply.await.unwrap().json["result"], "MATCHED_CURRENT");
    }
    alice.ok("ChangePassword", change(OLD, "newpassword")).await;
    assert_eq!(world.engine().abandoned - before.abandoned, 10);
    assert_eq!(world.root.ok("ListAttempts", json!({ "subject": { "ram_user": "alice" } })).await, json!({}));
}
