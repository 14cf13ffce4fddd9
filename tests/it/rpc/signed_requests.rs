//! Callers that sign their requests with an access key, whatever the form of the signature.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use credentiald::domain::caller::CallerKind;
use credentiald::domain::time::Timestamp;
use credentiald::ports::{Clock, SIGNATURE_WINDOW, SignatureRefusal, SignedRequest};
use credentiald::service::ServiceError;
use serde_json::{Value, json};
use uuid::Uuid;

use super::access_keys::{key_of, ring, text};
use crate::support::barrier::{BarrierStore, Calls};
use crate::support::clock::MovedClock;
use crate::support::serving::eventually_async;
use crate::support::{Setup, World};

/// A request, and the length of the secret that it was last checked with.
struct Signed {
    key: String,
    secret: String,
    nonce: Option<String>,
    at: Timestamp,
    tried: AtomicUsize,
}

impl SignedRequest for Signed {
    fn access_key_id(&self) -> &str {
        &self.key
    }

    fn nonce(&self) -> Option<&str> {
        self.nonce.as_deref()
    }

    fn signed_at(&self) -> Timestamp {
        self.at
    }

    fn proven(&self, secret: &str, now: Timestamp) -> Result<(), SignatureRefusal> {
        self.tried.store(secret.len(), Ordering::SeqCst);
        if now > self.at.after(SIGNATURE_WINDOW) || self.at > now.after(SIGNATURE_WINDOW) {
            return Err(SignatureRefusal::Expired);
        }
        if secret == self.secret { Ok(()) } else { Err(SignatureRefusal::Mismatch) }
    }
}

/// A world with a pepper, whose clock only the test moves.
struct Signing {
    world: World,
    clock: MovedClock,
}

impl Signing {
    async fn start(setup: Setup) -> Self {
        let clock = MovedClock::stopped();
        Self { world: setup.with("pepper.keys", &ring()).by(&clock).start().await, clock }
    }

    /// A request that a new key of that caller signs, without a nonce.
    async fn key_of(&self, kind: &str, name: &str) -> Signed {
        let issued = self.world.root.ok("IssueAccessToken", key_of(kind, name)).await;
        let key = text(&issued["access_token"], "access_key_id").to_owned();
        let secret = text(&issued, "access_key_secret").to_owned();
        Signed { key, secret, nonce: None, at: self.clock.now(), tried: AtomicUsize::default() }
    }

    /// The caller, or why the request is refused.
    async fn outcome(&self, request: &Signed) -> String {
        match self.world.service_itself().authenticate_signed(request).await {
            Ok((caller, _)) => caller.to_string(),
            Err(ServiceError::SignatureRefused(refusal)) => format!("{refusal:?}"),
            Err(ServiceError::TooManyAttempts { retry_after }) => format!("wait {retry_after:?}"),
            Err(error) => error.to_string(),
        }
    }

    async fn last_use(&self, key: &str) -> Value {
        let listed = self.world.root.ok("ListAccessTokens", json!({})).await;
        let tokens = listed["access_tokens"].as_array().unwrap();
        tokens.iter().find(|token| token["access_key_id"] == key).unwrap()["last_use_time"].clone()
    }
}

/// A setup whose store counts its calls.
fn counting() -> (Setup, Calls) {
    let calls = Calls::default();
    let counted = Arc::clone(&calls);
    (Setup::default().around(move |store| Arc::new(BarrierStore::counting(store, &counted))), calls)
}

fn token_id(key: &str) -> String {
    Uuid::parse_str(key.strip_prefix("CDAK").unwrap()).unwrap().to_string()
}

#[tokio::test]
async fn an_access_key_proves_the_caller_that_it_was_issued_to() {
    let signing = Signing::start(Setup::default()).await;
    signing.world.ram_user("alice", "mypassword").await;
    for (kind, name, caller) in [
        ("RAM_USER", "alice", "acme/ram-user/alice"),
        ("SERVICE", "relay", "acme/service/relay"),
        ("ROOT", "", "acme/root/root"),
    ] {
        let request = signing.key_of(kind, name).await;
        assert_eq!(signing.outcome(&request).await, caller);
    }
    let request = signing.key_of("RAM_USER", "alice").await;
    let (caller, evidence) = signing.world.service_itself().authenticate_signed(&request).await.unwrap();
    assert_eq!((caller.kind(), evidence.tenant.is_some()), (CallerKind::RamUser, true));
    assert_eq!(evidence.token().unwrap().0.to_string(), token_id(&request.key));
}

#[tokio::test]
async fn what_no_valid_key_signed_is_refused_alike_and_at_the_same_cost() {
    let (setup, calls) = counting();
    let signing = Signing::start(setup).await;
    let world = &signing.world;
    for name in ["alice", "bob"] {
        world.ram_user(name, "mypassword").await;
    }
    let right = signing.key_of("RAM_USER", "alice").await;
    let wrong = Signed { secret: "cdk_".repeat(17), ..signing.key_of("RAM_USER", "alice").await };
    let unknown = Signed { key: format!("CDAK{}", "0".repeat(32)), ..signing.key_of("ROOT", "").await };
    let disabled = signing.key_of("SERVICE", "relay").await;
    let inactive = json!({ "token_id": token_id(&disabled.key), "status": "ACCESS_TOKEN_STATUS_INACTIVE" });
    world.root.ok("SetAccessTokenStatus", inactive).await;
    let revoked = signing.key_of("SERVICE", "relay").await;
    world.root.ok("RevokeAccessToken", json!({ "token_id": token_id(&revoked.key) })).await;
    let of_deleted = signing.key_of("RAM_USER", "bob").await;
    world.root.ok("DeleteRamUser", json!({ "user_name": "bob" })).await;
    let mut expired = key_of("SERVICE", "short");
    expired["time_to_live"] = json!("1s");
    let issued = world.root.ok("IssueAccessToken", expired).await;
    let expired = Signed {
        key: text(&issued["access_token"], "access_key_id").to_owned(),
        secret: text(&issued, "access_key_secret").to_owned(),
        ..signing.key_of("SERVICE", "other").await
    };
    signing.clock.forward(Duration::from_secs(2));

    for (what, request) in [
        ("wrong", &wrong),
        ("unknown", &unknown),
        ("disabled", &disabled),
        ("revoked", &revoked),
        ("of a user that is gone", &of_deleted),
        ("expired", &expired),
    ] {
        calls.lock().unwrap().clear();
        assert_eq!(signing.outcome(request).await, "Mismatch", "{what}");
        let made: Vec<_> = calls.lock().unwrap().iter().map(|(method, times)| (*method, *times)).collect();
        let of_callers: Vec<_> = made.into_iter().filter(|(method, _)| method.contains("key")).collect();
        assert_eq!(of_callers, [("access_key", 1)], "{what}");
        assert_eq!(request.tried.load(Ordering::SeqCst), right.secret.len(), "{what}");
    }
    assert_eq!(signing.outcome(&right).await, "acme/ram-user/alice");
}

#[tokio::test]
async fn a_nonce_is_accepted_once_for_each_key_and_spent_by_right_signatures_alone() {
    let signing = Signing::start(Setup::default()).await;
    let with = |nonce: &str, request| Signed { nonce: Some(nonce.to_owned()), ..request };
    let first = with("a", signing.key_of("SERVICE", "relay").await);
    let other = with("a", signing.key_of("SERVICE", "relay").await);
    let forged = Signed { key: first.key.clone(), ..with("a", signing.key_of("ROOT", "").await) };
    assert_eq!(signing.outcome(&forged).await, "Mismatch");
    assert_eq!(signing.outcome(&first).await, "acme/service/relay");
    assert_eq!(signing.outcome(&first).await, "NonceUsed");
    assert_eq!(signing.outcome(&forged).await, "Mismatch", "only a right signature learns of the nonce");
    assert_eq!(signing.outcome(&other).await, "acme/service/relay");
    // Any text may be one.
    let odd = with("\0'\u{451}", Signed { nonce: None, ..first });
    assert_eq!(signing.outcome(&odd).await, "acme/service/relay");
    assert_eq!(signing.outcome(&odd).await, "NonceUsed");
    // A form without nonces may repeat itself.
    let plain = Signed { nonce: None, ..odd };
    for _ in 0..2 {
        assert_eq!(signing.outcome(&plain).await, "acme/service/relay");
    }
}

#[tokio::test]
async fn wrong_signatures_have_to_wait_and_never_keep_the_owner_of_the_key_out() {
    let signing = Signing::start(Setup::default()).await;
    let right = signing.key_of("SERVICE", "relay").await;
    let wrong = Signed { secret: "x".to_owned(), key: right.key.clone(), ..signing.key_of("ROOT", "").await };
    let unknown = Signed { key: format!("CDAK{}", "A".repeat(32)), ..signing.key_of("ROOT", "").await };
    for request in [&wrong, &unknown] {
        for _ in 0..5 {
            assert_eq!(signing.outcome(request).await, "Mismatch");
        }
        assert_eq!(signing.outcome(request).await, "wait 1s");
    }
    assert_eq!(signing.outcome(&right).await, "acme/service/relay");
    assert_eq!(signing.outcome(&wrong).await, "wait 1s", "the owner's request is not noticed by others");
    signing.clock.forward(Duration::from_secs(1));
    assert_eq!(signing.outcome(&unknown).await, "Mismatch");
    assert_eq!(signing.outcome(&unknown).await, "wait 2s");
}

#[tokio::test]
async fn an_old_request_and_a_key_of_another_service_say_nothing_about_any_key() {
    let (setup, calls) = counting();
    let signing = Signing::start(setup).await;
    let right = signing.key_of("SERVICE", "relay").await;
    let wrong = Signed { secret: "x".to_owned(), key: right.key.clone(), ..signing.key_of("ROOT", "").await };
    signing.clock.forward(SIGNATURE_WINDOW + Duration::from_secs(1));
    for _ in 0..9 {
        assert_eq!(signing.outcome(&right).await, "Expired");
        assert_eq!(signing.outcome(&wrong).await, "Expired");
    }
    calls.lock().unwrap().clear();
    let foreign = Signed { key: "LTAI5tExample".to_owned(), ..right };
    for _ in 0..9 {
        assert_eq!(signing.outcome(&foreign).await, "ForeignKey");
    }
    assert!(!calls.lock().unwrap().contains_key("access_key"));
}

#[tokio::test]
async fn the_last_use_of_a_key_is_listed_to_the_minute() {
    let signing = Signing::start(Setup::default()).await;
    let request = signing.key_of("SERVICE", "relay").await;
    assert_eq!(signing.last_use(&request.key).await, Value::Null);
    let mut last = Value::Null;
    for (seconds, is_noted) in [(0, true), (59, false), (1, true)] {
        signing.clock.forward(Duration::from_secs(seconds));
        assert_eq!(signing.outcome(&request).await, "acme/service/relay");
        if is_noted {
            let other = async || Some(signing.last_use(&request.key).await).filter(|found| *found != last);
            last = eventually_async("the use", other).await;
        }
        assert_eq!(signing.last_use(&request.key).await, last);
    }
}

#[tokio::test]
async fn a_caller_beyond_its_quota_spends_no_nonce() {
    let (setup, calls) = counting();
    let signing = Signing::start(setup.with("quotas.per_caller", "1").with("quotas.burst_seconds", "60")).await;
    let mut request = signing.key_of("SERVICE", "relay").await;
    let mut accepted = 0;
    for number in 0..300 {
        request.nonce = Some(number.to_string());
        accepted += usize::from(signing.outcome(&request).await == "acme/service/relay");
    }
    assert!((60..300).contains(&accepted), "{accepted} were accepted");
    assert_eq!(calls.lock().unwrap()["spend_nonce"], accepted);
    request.nonce = Some("0".to_owned());
    assert_eq!(signing.outcome(&request).await, "NonceUsed", "a replay takes nothing from the quota");
}

#[tokio::test]
async fn a_caller_is_not_taken_for_a_replay_because_the_answer_to_a_commit_was_lost() {
    let armed = Arc::new(AtomicBool::default());
    let losing = Arc::clone(&armed);
    let setup = Setup::default().around(move |store| Arc::new(BarrierStore::refusing_commits(store, losing)));
    let signing = Signing::start(setup).await;
    let mut request = signing.key_of("SERVICE", "relay").await;
    request.nonce = Some("first".to_owned());
    armed.store(true, Ordering::SeqCst);
    assert_eq!(signing.outcome(&request).await, "the store is unavailable");
    armed.store(false, Ordering::SeqCst);
    assert_eq!(signing.outcome(&request).await, "NonceUsed");
    request.nonce = Some("second".to_owned());
    assert_eq!(signing.outcome(&request).await, "acme/service/relay");
}
