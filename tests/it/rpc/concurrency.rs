//! Many at once: one success, and every other answer typed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use serde_json::json;
use tonic::Code;

use crate::support::barrier::BarrierStore;
use crate::support::clock::MovedClock;
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
    let world = Setup::default().with("hashing.workers", "1").start().await;
    let alice = world.ram_user("alice", OLD).await;
    world.ram_user("busy", OLD).await;
    let relay = world.service().await;
    // Enough work ahead that the calls below are still waiting when their callers go.
    let work = (0..5).map(|_| {
        let relay = relay.clone();
        let request = json!({ "subject": { "ram_user": "busy" }, "password": OLD });
        tokio::spawn(async move { relay.call("VerifyPassword", request).await })
    });
    let work: Vec<_> = work.collect();
    for _ in 0..20 {
        let request = json!({ "old_password": OLD, "new_password": "newpassword" });
        let gone = alice.at(world.address);
        let call = tokio::spawn(async move { gone.call("ChangePassword", request).await });
        tokio::task::yield_now().await;
        call.abort();
    }
    for reply in work {
        assert_eq!(reply.await.unwrap().json["result"], "MATCHED_CURRENT");
    }
    let reply = alice.call("ChangePassword", json!({ "old_password": OLD, "new_password": "newpassword-2" })).await;
    assert!(["OK", "OLD_PASSWORD_INCORRECT"].contains(&reply.reason().as_str()), "{:?}", reply.status);
}
