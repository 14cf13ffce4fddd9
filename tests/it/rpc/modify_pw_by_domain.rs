//! `ModifyPWByDomain`: the password of a mail domain is set without its old one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use tonic::Code;

use crate::support::barrier::BarrierStore;
use crate::support::clock::MovedClock;
use crate::support::{Setup, World};

const FIRST: &str = "DM1mail1234";
const NEXT: &str = "DM2mail5678";

#[tokio::test]
async fn a_mail_domains_password_is_set() {
    let world = World::start().await;
    world.mail_domain("Example.com", FIRST).await;

    let reply = world.root.call("ModifyPWByDomain", json!({ "domain_name": "example.COM", "password": NEXT })).await;

    assert_eq!(reply.reason(), "OK");
    assert_eq!(reply.json["code"], "OK");
    assert_eq!(reply.json["success"], true);
    assert_eq!(reply.json["version"], "2");
    assert_eq!(reply.json["request_id"].as_str(), reply.header("x-request-id"));
    assert_eq!(world.verify(json!({ "mail_domain": "example.com" }), NEXT).await, "MATCHED_CURRENT");
    assert_eq!(world.verify(json!({ "mail_domain": "EXAMPLE.com" }), FIRST).await, "NOT_MATCHED");
}

#[tokio::test]
async fn a_domain_without_a_password_gets_its_first() {
    let world = World::start().await;
    world.root.ok("CreateMailDomain", json!({ "domain_name": "example.com" })).await;
    let request = json!({ "domain_name": "example.com", "password": FIRST, "expected_version": 0 });
    assert_eq!(world.root.ok("ModifyPWByDomain", request).await["version"], "1");
}

#[tokio::test]
async fn the_last_password_may_not_come_again() {
    let world = World::start().await;
    world.mail_domain("example.com", FIRST).await;

    let request = json!({ "domain_name": "example.com", "password": FIRST });
    let reply = world.root.err("ModifyPWByDomain", request, "PASSWORD_REUSED").await;

    assert_eq!(reply.status.code(), Code::InvalidArgument);
    assert_eq!(reply.metadata("vendor_code").as_deref(), Some("InvalidDomainPassword.equalcurrent"));
    // One further back may: the page forbids the last one only.
    world.root.ok("ModifyPWByDomain", json!({ "domain_name": "example.com", "password": NEXT })).await;
    world.root.ok("ModifyPWByDomain", json!({ "domain_name": "example.com", "password": FIRST })).await;
}

#[tokio::test]
async fn guessing_the_current_password_by_reuse_is_an_attempt() {
    let world = Setup::default().by(&MovedClock::stopped()).start().await;
    world.mail_domain("example.com", FIRST).await;
    let request = json!({ "domain_name": "example.com", "password": FIRST });
    for _ in 0..5 {
        world.root.err("ModifyPWByDomain", request.clone(), "PASSWORD_REUSED").await;
    }
    world.root.err("ModifyPWByDomain", request, "TOO_MANY_ATTEMPTS").await;
}

#[tokio::test]
async fn every_broken_rule_is_reported_at_once() {
    let world = World::start().await;
    world.mail_domain("example.com", FIRST).await;

    let request = json!({ "domain_name": "example.com", "password": "aaaa11\u{e9}" });
    let reply = world.root.err("ModifyPWByDomain", request, "PASSWORD_POLICY_VIOLATION").await;

    assert_eq!(reply.metadata("vendor_code").as_deref(), Some("InvalidDomainPassword.Malformed"));
    let mut problems = reply.problems();
    problems.sort();
    assert_eq!(
        problems,
        [
            "password: DIGITS_NOT_ALL_SAME",
            "password: LETTERS_NOT_ALL_SAME",
            "password: MIN_LENGTH",
            "password: MIN_UPPER_CASE",
            "password: PRINTABLE_ASCII",
        ]
    );
}

#[tokio::test]
async fn a_bad_domain_name_is_reported_with_every_other_bad_field() {
    let world = World::start().await;
    for name in ["exa mple.com", "exa_mple.com", &"a".repeat(51), ""] {
        let request = json!({ "domain_name": name, "password": "x".repeat(1025) });
        let reply = world.root.err("ModifyPWByDomain", request, "INVALID_FIELD").await;
        let fields: Vec<String> = reply.violations().iter().map(|violation| violation.field.clone()).collect();
        assert_eq!(fields, ["domain_name", "password"], "{name}");
        assert_eq!(reply.metadata("vendor_code").as_deref(), Some("InvalidDomainName.Malformed"));
    }
}

#[tokio::test]
async fn only_permitted_callers_learn_that_a_domain_is_missing() {
    let world = World::start().await;
    world.mail_domain("example.com", FIRST).await;
    let alice = world.ram_user("alice", "mypassword").await;
    let request = |name| json!({ "domain_name": name, "password": NEXT });

    for name in ["example.com.", "example.org"] {
        let reply = world.root.err("ModifyPWByDomain", request(name), "DOMAIN_NOT_FOUND").await;
        assert_eq!(reply.status.code(), Code::NotFound);
        assert_eq!(reply.metadata("http_status").as_deref(), Some("404"));
        assert_eq!(reply.metadata("vendor_code").as_deref(), Some("InvalidDomain.NotFound"));
    }
    let exists = alice.err("ModifyPWByDomain", request("example.com"), "ACCESS_DENIED").await;
    let missing = alice.err("ModifyPWByDomain", request("example.org"), "ACCESS_DENIED").await;
    assert_eq!(exists.status.code(), Code::PermissionDenied);
    assert_eq!(exists.metadata("http_status").as_deref(), Some("403"));
    assert_eq!(exists.metadata("vendor_code").as_deref(), Some("Forbidden"));
    assert_eq!(exists.status.message(), missing.status.message());
}

#[tokio::test]
async fn an_unverified_domain_keeps_its_password() {
    let world = World::start().await;
    world.mail_domain("example.com", FIRST).await;
    let status = |status| json!({ "domain_name": "example.com", "status": status });
    let request = json!({ "domain_name": "example.com", "password": NEXT });

    world.root.ok("SetMailDomainStatus", status("MAIL_DOMAIN_STATUS_VERIFICATION_FAILED")).await;
    let reply = world.root.err("ModifyPWByDomain", request.clone(), "RESOURCE_STATE").await;
    assert_eq!(reply.status.code(), Code::FailedPrecondition);
    assert_eq!(reply.metadata("vendor_code").as_deref(), Some("InvalidDomainStatus.Malformed"));

    world.root.ok("SetMailDomainStatus", status("MAIL_DOMAIN_STATUS_WITHOUT_CNAME")).await;
    world.root.ok("ModifyPWByDomain", request).await;
}

#[tokio::test]
async fn a_guess_whose_change_is_not_made_counts_as_well() {
    let armed = Arc::new(AtomicBool::new(false));
    let of_store = Arc::clone(&armed);
    let setup = Setup::default().by(&MovedClock::stopped());
    let world = setup.around(move |store| Arc::new(BarrierStore::refusing_commits(store, of_store))).start().await;
    world.mail_domain("mail.example", "OLDmail1234").await;
    armed.store(true, Ordering::SeqCst);
    let change = |password: String| json!({ "domain_name": "mail.example", "password": password });
    for guess in 0..5 {
        world.root.err("ModifyPWByDomain", change(format!("GUESSmail{guess}9")), "STORE_UNAVAILABLE").await;
    }
    armed.store(false, Ordering::SeqCst);
    world.root.err("ModifyPWByDomain", change("NEWmail1234".to_owned()), "TOO_MANY_ATTEMPTS").await;
}
