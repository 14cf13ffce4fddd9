//! A call that is wrong in every way is refused for what is checked first, as the contract orders it. What is wrong is mended
//! one by one, and each time the next reason is due. Until a password has to be proven, no hash is computed; then as many if it
//! is wrong as if it is right.

use std::fs;

use serde_json::{Value, json};

use crate::support::clock::MovedClock;
use crate::support::tenant::change;
use crate::support::{Client, Setup, World};

const OLD: &str = "Password1";
const NEW: &str = "Password2";
const NEXT: &str = "Password3";
/// A wait that no test outlasts: a server that is started again has the machine's clock.
const BACKOFF: (&str, &str) = ("attempts.backoff_seconds", "600");
const TOO_LONG: usize = 1025;
/// What a change computes: the check of the old password, or of the current one against reuse, and the hash of the new one.
const HASHES: u64 = 2;

/// A call with everything that is wrong with it.
struct Call {
    world: World,
    rpc: &'static str,
    caller: Client,
    request: Value,
}

impl Call {
    /// A call without credentials, at a server that permits nothing.
    async fn begin(world: World, rpc: &'static str, request: Value) -> Self {
        let policies = world.directory.path().join("policies");
        fs::create_dir(&policies).unwrap();
        let forbid = "@id(\"closed\") forbid (principal, action, resource);";
        fs::write(policies.join("closed.cedar"), forbid).unwrap();
        let closed = ("policies.directory", policies.to_str().unwrap());
        let world = world.restart_with(&[BACKOFF, closed]).await;
        Self { caller: world.anybody(), world, rpc, request }
    }

    async fn reason(&self) -> String {
        self.caller.at(self.world.address).call(self.rpc, self.request.clone()).await.reason()
    }

    /// The call is refused for that reason, without a hash.
    async fn refused(&self, reason: &str) {
        self.refused_after(0, reason).await;
    }

    /// The call is refused for that reason, after the check and the hash of the new password, which is made whatever the
    /// check finds.
    async fn refused_after_hashes(&self, reason: &str) {
        self.refused_after(HASHES, reason).await;
    }

    async fn refused_after(&self, hashes: u64, reason: &str) {
        let before = self.world.engine().begun;
        assert_eq!(self.reason().await, reason, "{}", self.rpc);
        assert_eq!(self.world.engine().begun - before, hashes, "{}, {reason}", self.rpc);
    }

    fn by(&mut self, caller: &Client) {
        self.caller = caller.clone();
    }

    /// Mends fields of the request.
    fn with(&mut self, fields: &Value) {
        self.request.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    }

    /// Mends what an administrator has set.
    async fn after(&self, rpc: &str, request: Value) {
        self.world.root.ok(rpc, request).await;
    }

    /// Mends the permissions.
    async fn permitted(mut self) -> Self {
        self.world = self.world.restart_with(&[BACKOFF]).await;
        self
    }

    async fn makes(&self, version: &str) {
        let before = self.world.engine().begun;
        let reply = self.caller.at(self.world.address).ok(self.rpc, self.request.clone()).await;
        assert_eq!(reply["version"], version, "{}", self.rpc);
        assert_eq!(self.world.engine().begun - before, HASHES, "{}", self.rpc);
    }
}

/// What is wrong with the fields that all four requests have.
fn malformed(mut request: Value) -> Value {
    request["expected_version"] = json!(9);
    request["client_token"] = json!("two words");
    request
}

async fn start() -> World {
    Setup::default().with(BACKOFF.0, BACKOFF.1).start().await
}

/// Uses up what a caller may try.
async fn guess(caller: &Client, rpc: &str, request: &Value, reason: &str) {
    for _ in 0..5 {
        caller.err(rpc, request.clone(), reason).await;
    }
}

#[tokio::test]
async fn change_password_checks_in_order() {
    let world = start().await;
    world.root.ok("SetPasswordPolicy", json!({ "password_reuse_prevention": 1 })).await;
    let alice = world.ram_user("alice", OLD).await;
    guess(&alice, "ChangePassword", &change("guess", NEW), "OLD_PASSWORD_INCORRECT").await;
    world.root.ok("SetSecurityPreference", json!({ "allow_user_to_change_password": false })).await;

    let wrong = change(&"x".repeat(TOO_LONG), &"x".repeat(TOO_LONG));
    let mut call = Call::begin(world, "ChangePassword", malformed(wrong)).await;
    call.refused("UNAUTHENTICATED").await;
    call.by(&call.world.root.clone());
    call.refused("CALLER_NOT_ELIGIBLE").await;
    call.by(&alice);
    call.refused("INVALID_FIELD").await;
    call.with(&json!({ "old_password": "guess", "new_password": "short", "client_token": "" }));
    call.refused("ACCESS_DENIED").await;
    let mut call = call.permitted().await;
    call.refused("SELF_CHANGE_DISABLED").await;
    call.after("SetSecurityPreference", json!({ "allow_user_to_change_password": true })).await;
    call.refused("VERSION_CONFLICT").await;
    call.with(&json!({ "expected_version": 1 }));
    call.refused("PASSWORD_POLICY_VIOLATION").await;
    call.with(&json!({ "new_password": OLD }));
    call.refused("TOO_MANY_ATTEMPTS").await;
    call.after("ClearAttempts", json!({ "subject": { "ram_user": "alice" } })).await;
    call.refused_after_hashes("OLD_PASSWORD_INCORRECT").await;
    call.with(&json!({ "old_password": OLD }));
    call.refused_after_hashes("PASSWORD_REUSED").await;
    call.with(&json!({ "new_password": NEW }));
    call.makes("2").await;
}

#[tokio::test]
async fn change_password_v5_checks_in_order() {
    let world = start().await;
    let (bob, alice) = (world.iam_user("bob", OLD).await, world.ram_user("alice", OLD).await);
    bob.ok("ChangePasswordV5", change(OLD, NEW)).await;
    guess(&bob, "ChangePasswordV5", &change("guess", NEXT), "OLD_PASSWORD_INCORRECT").await;
    let policy = json!({ "allow_user_to_change_password": false, "minimum_password_age": 60 });
    world.root.ok("UpdatePasswordPolicyV5", policy).await;

    let wrong = change(&"x".repeat(TOO_LONG), &"x".repeat(TOO_LONG));
    let mut call = Call::begin(world, "ChangePasswordV5", malformed(wrong)).await;
    call.refused("UNAUTHENTICATED").await;
    call.by(&alice);
    call.refused("CALLER_NOT_ELIGIBLE").await;
    call.by(&bob);
    call.refused("INVALID_FIELD").await;
    call.with(&json!({ "old_password": "guess", "new_password": "short", "client_token": "" }));
    call.refused("ACCESS_DENIED").await;
    let mut call = call.permitted().await;
    call.refused("SELF_CHANGE_DISABLED").await;
    call.after("UpdatePasswordPolicyV5", json!({ "allow_user_to_change_password": true })).await;
    call.refused("PASSWORD_TOO_YOUNG").await;
    call.after("UpdatePasswordPolicyV5", json!({ "minimum_password_age": 0 })).await;
    call.refused("VERSION_CONFLICT").await;
    call.with(&json!({ "expected_version": 2 }));
    call.refused("PASSWORD_POLICY_VIOLATION").await;
    call.with(&json!({ "new_password": NEW }));
    call.refused("TOO_MANY_ATTEMPTS").await;
    call.after("ClearAttempts", json!({ "subject": { "iam_user": "bob" } })).await;
    call.refused_after_hashes("OLD_PASSWORD_INCORRECT").await;
    call.with(&json!({ "old_password": NEW }));
    call.refused_after_hashes("PASSWORD_REUSED").await;
    call.with(&json!({ "new_password": NEXT }));
    call.makes("3").await;
}

#[tokio::test]
async fn modify_pw_by_domain_checks_in_order() {
    const FIRST: &str = "OLDmail1234";
    let world = start().await;
    world.mail_domain("mail.example", FIRST).await;
    let reused = json!({ "domain_name": "mail.example", "password": FIRST });
    guess(&world.root, "ModifyPWByDomain", &reused, "PASSWORD_REUSED").await;
    let status = |status| json!({ "domain_name": "mail.example", "status": status });
    world.root.ok("SetMailDomainStatus", status("MAIL_DOMAIN_STATUS_VERIFICATION_FAILED")).await;

    let wrong = json!({ "domain_name": "no domain", "password": "x".repeat(TOO_LONG) });
    let mut call = Call::begin(world, "ModifyPWByDomain", malformed(wrong)).await;
    call.refused("UNAUTHENTICATED").await;
    call.by(&call.world.operator.clone());
    call.refused("CALLER_NOT_ELIGIBLE").await;
    call.by(&call.world.root.clone());
    call.refused("INVALID_FIELD").await;
    call.with(&json!({ "domain_name": "absent.example", "password": "short", "client_token": "" }));
    call.refused("ACCESS_DENIED").await;
    let mut call = call.permitted().await;
    call.refused("DOMAIN_NOT_FOUND").await;
    call.with(&json!({ "domain_name": "mail.example" }));
    call.refused("RESOURCE_STATE").await;
    call.after("SetMailDomainStatus", status("MAIL_DOMAIN_STATUS_VERIFIED")).await;
    call.refused("VERSION_CONFLICT").await;
    call.with(&json!({ "expected_version": 1 }));
    call.refused("PASSWORD_POLICY_VIOLATION").await;
    call.with(&json!({ "password": FIRST }));
    call.refused("TOO_MANY_ATTEMPTS").await;
    call.after("ClearAttempts", json!({ "subject": { "mail_domain": "mail.example" } })).await;
    call.refused_after_hashes("PASSWORD_REUSED").await;
    call.with(&json!({ "password": "NEWmail1234" }));
    call.makes("2").await;
}

#[tokio::test]
async fn modify_account_password_checks_in_order() {
    let world = start().await;
    world.instance_account("r-1", "app", OLD).await;
    let request = |instance: &str, account: &str, old: &str, new: &str| {
        json!({
            "instance_id": instance, "account_name": account,
            "old_account_password": old, "new_account_password": new,
        })
    };
    let guesses = request("r-1", "app", "guess", NEW);
    guess(&world.root, "ModifyAccountPassword", &guesses, "OLD_PASSWORD_INCORRECT").await;
    let instance = |status| json!({ "instance_id": "r-1", "status": status });
    let account = |status| json!({ "instance_id": "r-1", "account_name": "app", "account_status": status });
    world.root.ok("SetInstanceStatus", instance("INSTANCE_STATUS_FLUSHING")).await;
    world.root.ok("SetInstanceAccountStatus", account("INSTANCE_ACCOUNT_STATUS_UNAVAILABLE")).await;

    let wrong = request("", "1App", &"x".repeat(TOO_LONG), &"x".repeat(TOO_LONG));
    let mut call = Call::begin(world, "ModifyAccountPassword", malformed(wrong)).await;
    call.refused("UNAUTHENTICATED").await;
    call.by(&call.world.operator.clone());
    call.refused("CALLER_NOT_ELIGIBLE").await;
    call.by(&call.world.root.clone());
    call.refused("INVALID_FIELD").await;
    call.with(&request("r-9", "other", "guess", "short"));
    call.with(&json!({ "client_token": "" }));
    call.refused("ACCESS_DENIED").await;
    let mut call = call.permitted().await;
    call.refused("INSTANCE_NOT_FOUND").await;
    call.with(&json!({ "instance_id": "r-1" }));
    call.refused("ACCOUNT_NOT_FOUND").await;
    call.with(&json!({ "account_name": "app" }));
    call.refused("RESOURCE_STATE").await;
    call.after("SetInstanceStatus", instance("INSTANCE_STATUS_NORMAL")).await;
    call.refused("RESOURCE_STATE").await;
    call.after("SetInstanceAccountStatus", account("INSTANCE_ACCOUNT_STATUS_AVAILABLE")).await;
    call.refused("VERSION_CONFLICT").await;
    call.with(&json!({ "expected_version": 1 }));
    call.refused("PASSWORD_POLICY_VIOLATION").await;
    call.with(&json!({ "new_account_password": NEW }));
    call.refused("TOO_MANY_ATTEMPTS").await;
    let subject = json!({ "instance_account": { "instance_id": "r-1", "account_name": "app" } });
    call.after("ClearAttempts", json!({ "subject": subject })).await;
    call.refused_after_hashes("OLD_PASSWORD_INCORRECT").await;
    call.with(&json!({ "old_account_password": OLD }));
    call.makes("2").await;
}

#[tokio::test]
async fn of_a_flood_only_the_attempts_that_are_allowed_are_hashed() {
    let quota = Setup::default().with("quotas.per_caller", "1").with("quotas.burst_seconds", "60");
    let world = quota.by(&MovedClock::stopped()).start().await;
    let alice = world.ram_user("alice", OLD).await;
    let before = world.engine().begun;
    let guesses = (0..200).map(|_| alice.call("ChangePassword", change("guess", NEW)));
    let replies = futures_util::future::join_all(guesses).await;
    let count = |reason: &str| replies.iter().filter(|reply| reply.reason() == reason).count();
    assert_eq!(count("OLD_PASSWORD_INCORRECT"), 5);
    assert!(count("TOO_MANY_ATTEMPTS") >= 50 && count("OVERLOADED") >= 1, "{replies:?}");
    assert_eq!(world.engine().begun - before, 10, "the old password and the new one of each attempt");
}

#[tokio::test]
async fn a_right_and_a_wrong_password_take_the_same_hashes() {
    let world = start().await;
    let (alice, bob) = (world.ram_user("alice", OLD).await, world.iam_user("bob", OLD).await);
    world.instance_account("r-1", "app", OLD).await;
    world.root.ok("CreateRamUser", json!({ "user_name": "without" })).await;
    let relay = world.service().await;
    let of_account = |old: &str| json!({ "instance_id": "r-1", "account_name": "app", "old_account_password": old, "new_account_password": NEW });
    let verification = |name: &str, password: &str| json!({ "subject": { "ram_user": name }, "password": password });
    let (ok, wrong, hashes_of_a_verification) = ("OK", "OLD_PASSWORD_INCORRECT", 1);
    for (caller, rpc, request, reason, hashes) in [
        (&relay, "VerifyPassword", verification("alice", OLD), ok, hashes_of_a_verification),
        (&relay, "VerifyPassword", verification("alice", "guess"), ok, hashes_of_a_verification),
        (&relay, "VerifyPassword", verification("without", "guess"), ok, hashes_of_a_verification),
        (&relay, "VerifyPassword", verification("unknown", "guess"), ok, hashes_of_a_verification),
        (&alice, "ChangePassword", change("guess", NEW), wrong, HASHES),
        (&alice, "ChangePassword", change(OLD, NEW), ok, HASHES),
        (&bob, "ChangePasswordV5", change("guess", NEW), wrong, HASHES),
        (&bob, "ChangePasswordV5", change(OLD, NEW), ok, HASHES),
        (&world.root, "ModifyAccountPassword", of_account("guess"), wrong, HASHES),
        (&world.root, "ModifyAccountPassword", of_account(OLD), ok, HASHES),
    ] {
        let before = world.engine().begun;
        assert_eq!(caller.call(rpc, request.clone()).await.reason(), reason, "{rpc}: {request}");
        assert_eq!(world.engine().begun - before, hashes, "{rpc}: {request}");
    }
}

#[tokio::test]
async fn a_reset_a_verification_and_a_first_password_that_are_refused_are_not_hashed() {
    let world = Setup::default().by(&MovedClock::stopped()).start().await;
    let alice = world.ram_user("alice", OLD).await;
    let relay = world.service().await;
    let verification = json!({ "subject": { "ram_user": "alice" }, "password": "guess" });
    for _ in 0..5 {
        relay.ok("VerifyPassword", verification.clone()).await;
    }
    let reset = |name: &str, password: &str, version: u64| json!({ "subject": { "ram_user": name }, "password": password, "expected_version": version });
    let user = |password: &str| json!({ "user_name": "bob", "password": password });
    let hurried = world.root.with_header("grpc-timeout", "4m");
    let before = world.engine().begun;
    for (caller, rpc, request, reasons) in [
        (&relay, "VerifyPassword", verification.clone(), "TOO_MANY_ATTEMPTS"),
        (&alice, "VerifyPassword", verification, "ACCESS_DENIED"),
        (&alice, "ResetPassword", reset("alice", NEW, 1), "ACCESS_DENIED"),
        (&world.root, "ResetPassword", reset("nobody", NEW, 1), "USER_NOT_FOUND"),
        (&world.root, "ResetPassword", reset("alice", "short", 9), "VERSION_CONFLICT"),
        (&world.root, "ResetPassword", reset("alice", "short", 1), "PASSWORD_POLICY_VIOLATION"),
        (&hurried, "ResetPassword", reset("alice", NEW, 1), "DEADLINE_TOO_SHORT or DEADLINE_EXCEEDED"),
        (&alice, "CreateRamUser", user(NEW), "ACCESS_DENIED"),
        (&world.root, "CreateRamUser", user("short"), "PASSWORD_POLICY_VIOLATION"),
    ] {
        let reason = caller.call(rpc, request).await.reason();
        assert!(reasons.split(" or ").any(|one| one == reason), "{rpc}: {reason} instead of {reasons}");
    }
    assert_eq!(world.engine().begun, before);
}
