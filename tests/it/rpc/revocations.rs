//! A call that began before its token ended does nothing after that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use prost_reflect::DynamicMessage;
use rcgen::CertificateParams;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::support::barrier::BarrierStore;
use crate::support::certificates::{Authority, ClientTls, client_params};
use crate::support::client::{OpenStream, Watching, frame, method_named, path};
use crate::support::clock::MovedClock;
use crate::support::installation::write_secretly;
use crate::support::jwt::{JwksServer, REFRESH, SigningKey, claims, encoded, issuers, key_set, seconds_from_now};
use crate::support::serving::eventually_async;
use crate::support::{Client, Setup, World};

const OLD: &str = "mypassword";

/// A world that tells how many calls were looked at by their headers.
async fn counting(setup: Setup) -> (World, watch::Receiver<u32>) {
    let (count, counted) = watch::channel(0);
    let world = setup.around(move |store| Arc::new(BarrierStore::counting_callers(store, count))).start().await;
    (world, counted)
}

fn message(method: &str, request: Value) -> Bytes {
    let message = DynamicMessage::deserialize(method_named(method).input(), request).unwrap();
    frame(&message.encode_to_vec())
}

/// Begins a call with its headers. When this returns, they have been found good.
async fn begun(caller: &Client, method: &str, counted: &mut watch::Receiver<u32>) -> OpenStream {
    let before = *counted.borrow_and_update();
    let stream = caller.open_stream(&path(&method_named(method))).await;
    counted.wait_for(|count| *count > before).await.unwrap();
    stream
}

async fn reason_after(stream: OpenStream, data: Bytes) -> String {
    stream.send(data).await;
    stream.end().await.reason()
}

async fn issued(issuer: &Client, world: &World, request: Value) -> (Client, Value) {
    let reply = issuer.ok("IssueAccessToken", request).await;
    let caller = world.anybody().with_token(reply["token"].as_str().unwrap());
    (caller, reply["access_token"]["token_id"].clone())
}

/// Waits until a call has that reason.
async fn answered(caller: &Client, method: &str, request: Value, reason: &str) {
    let look = async || (caller.call(method, request.clone()).await.reason() == reason).then_some(());
    eventually_async(reason, look).await;
}

async fn make_again(world: &World) {
    world.operator.ok("DeleteTenant", json!({ "tenant": "acme" })).await;
    world.operator.ok("CreateTenant", json!({ "tenant": "acme" })).await;
}

fn for_root() -> Value {
    json!({ "caller_kind": "CALLER_KIND_ROOT" })
}

#[tokio::test]
async fn a_message_that_comes_after_the_token_was_revoked_does_nothing() {
    let (world, mut counted) = counting(Setup::default()).await;
    world.ram_user("alice", OLD).await;
    let request = json!({ "tenant": "acme", "caller_kind": "CALLER_KIND_ROOT" });
    let calls = [
        ("IssueAccessToken", for_root()),
        ("CreateRamUser", json!({ "user_name": "bob" })),
        ("ResetPassword", json!({ "subject": { "ram_user": "alice" }, "password": "newpassword" })),
        ("VerifyPassword", json!({ "subject": { "ram_user": "alice" }, "password": OLD })),
        ("ListRamUsers", json!({})),
        ("WatchChanges", json!({ "from_oldest": true })),
        ("ImportCredentials", json!({ "rows": [{ "subject": { "ram_user": "bob" }, "hash": "x" }] })),
    ];
    for (method, asked) in calls {
        let (root, id) = issued(&world.operator, &world, request.clone()).await;
        let stream = begun(&root, method, &mut counted).await;
        world.root.ok("RevokeAccessToken", json!({ "token_id": id })).await;
        assert_eq!(reason_after(stream, message(method, asked)).await, "UNAUTHENTICATED", "{method}");
    }
    // An operator's as well.
    let operator = json!({ "caller_kind": "CALLER_KIND_OPERATOR", "caller_name": "second" });
    let (second, id) = issued(&world.operator, &world, operator.clone()).await;
    let stream = begun(&second, "IssueAccessToken", &mut counted).await;
    world.operator.ok("RevokeAccessToken", json!({ "token_id": id })).await;
    assert_eq!(reason_after(stream, message("IssueAccessToken", operator)).await, "UNAUTHENTICATED");

    assert_eq!(world.verify(json!({ "ram_user": "alice" }), OLD).await, "MATCHED_CURRENT");
    world.root.err("DescribeRamUser", json!({ "user_name": "bob" }), "USER_NOT_FOUND").await;
}

#[tokio::test]
async fn a_message_that_comes_after_the_token_expired_does_nothing() {
    let clock = MovedClock::stopped();
    let (world, mut counted) = counting(Setup::default().by(&clock)).await;
    let mut short_lived = for_root();
    short_lived["time_to_live"] = json!("60s");
    let (root, _) = issued(&world.root, &world, short_lived).await;
    let stream = begun(&root, "IssueAccessToken", &mut counted).await;
    clock.forward(Duration::from_secs(61));
    assert_eq!(reason_after(stream, message("IssueAccessToken", for_root())).await, "UNAUTHENTICATED");
}

/// A world that takes client certificates, by a clock that the test moves.
struct Certified {
    world: World,
    clock: MovedClock,
    folder: TempDir,
    authority: Authority,
}

impl Certified {
    /// With more settings, in a folder that has their files.
    async fn start(folder: TempDir, server: &CertificateParams, settings: &[(&str, &str)]) -> Self {
        let (clock, authority) = (MovedClock::stopped(), Authority::new("ca"));
        let put = |name: &str, text: &str| {
            let path = folder.path().join(name);
            write_secretly(&path, text);
            path.display().to_string()
        };
        let server = authority.issue(server);
        let setup = Setup::default()
            .by(&clock)
            .over(ClientTls::trusting(&authority.pem()))
            .with("tls.certificate_file", &put("server.pem", &server.certificate))
            .with("tls.key_file", &put("server.key", &server.key))
            .with("tls.client_ca_file", &put("ca.pem", &authority.pem()))
            .with("tls.client_crl_file", &put("crl.pem", &authority.revocations(&[])))
            .with("tls.client_certificates", "optional")
            .with("tls.client_callers_file", &put("callers", "spiffe://example.org/relay service acme relay"))
            .with("watch.heartbeat_seconds", "1");
        let world = settings.iter().fold(setup, |setup, (key, value)| setup.with(key, value)).start().await;
        Self { world, clock, folder, authority }
    }

    async fn usual() -> Self {
        Self::start(tempfile::tempdir().unwrap(), &server_params(), &[]).await
    }

    /// A client with a certificate, and the thumbprint of that.
    fn with_thumbprint(&self, params: &CertificateParams) -> (Client, String) {
        let leaf = self.authority.issue(params);
        let der = CertificateDer::from_pem_slice(leaf.certificate.as_bytes()).unwrap();
        let client = self.world.anybody().over(&ClientTls::with_certificate(&self.authority.pem(), &leaf));
        (client, encoded(Sha256::digest(der)))
    }

    /// A client with a certificate for the relay that another CA has signed, and with that CA's certificate.
    fn with_intermediate(&self, issuer: &Authority, intermediate: &Authority) -> Client {
        let mut leaf = issuer.issue(&of_relay(8));
        leaf.certificate.push_str(&intermediate.pem());
        self.world.anybody().over(&ClientTls::with_certificate(&self.authority.pem(), &leaf))
    }

    /// A client with this certificate.
    fn with(&self, params: &CertificateParams) -> Client {
        self.with_thumbprint(params).0
    }

    /// Revokes the certificate of that serial number, and waits until its watch ends.
    async fn revoke(&self, serial: u64, watch: Watching) {
        std::fs::write(self.folder.path().join("crl.pem"), self.authority.revocations(&[serial])).unwrap();
        let ended = tokio::time::timeout(Duration::from_mins(1), watch.end()).await.expect("it is revoked");
        assert_eq!(ended.reason(), "UNAUTHENTICATED");
    }
}

fn server_params() -> CertificateParams {
    CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap()
}

fn of_relay(serial: u64) -> CertificateParams {
    let mut params = client_params(&["spiffe://example.org/relay"]);
    params.serial_number = Some(serial.into());
    params
}

fn verification() -> Value {
    json!({ "subject": { "ram_user": "alice" }, "password": OLD })
}

#[tokio::test]
async fn a_certificate_that_expires_ends_calls_and_watches() {
    let certified = Certified::usual().await;
    let mut params = of_relay(8);
    params.not_after = rcgen::date_time_ymd(2050, 1, 1);
    let relay = certified.with(&params);
    let watch = relay.watch(json!({})).await;
    relay.ok("VerifyPassword", verification()).await;
    certified.clock.forward(Duration::from_hours(30 * 365 * 24));
    relay.err("VerifyPassword", verification(), "UNAUTHENTICATED").await;
    assert_eq!(watch.end().await.reason(), "UNAUTHENTICATED");
    let again = certified.with(&params);
    assert!(again.try_call("VerifyPassword", verification()).await.is_none(), "a new connection");
}

#[tokio::test]
async fn a_call_with_a_token_ends_with_the_certificate_beside_it() {
    let certified = Certified::usual().await;
    let relay = json!({ "caller_kind": "CALLER_KIND_SERVICE", "caller_name": "relay" });
    let issued = certified.world.root.ok("IssueAccessToken", relay).await;
    let token = issued["token"].as_str().unwrap();
    let watching = async |params: &CertificateParams| certified.with(params).with_token(token).watch(json!({})).await;
    let mut short_lived = of_relay(8);
    short_lived.not_after =
        rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds_from_now(3600).unsigned_abs());
    let (expiring, revoked, mut good) =
        (watching(&short_lived).await, watching(&of_relay(9)).await, watching(&of_relay(10)).await);
    certified.revoke(9, revoked).await;
    certified.clock.forward(Duration::from_hours(2));
    assert_eq!(expiring.end().await.reason(), "UNAUTHENTICATED");
    good.next().await.unwrap();
}

#[tokio::test]
async fn an_intermediate_ca_that_expires_ends_calls_and_watches() {
    // Without revocation lists, which each CA would have to sign.
    let no_lists = [("tls.client_crl_file", "")];
    let certified = Certified::start(tempfile::tempdir().unwrap(), &server_params(), &no_lists).await;
    let between = certified.authority.intermediate("between", |params| {
        params.not_after = rcgen::date_time_ymd(2050, 1, 1);
    });
    let below = certified.with_intermediate(&between, &between);
    let not_below = certified.with_intermediate(&certified.authority, &between);
    let watch = below.watch(json!({})).await;
    for relay in [&below, &not_below] {
        relay.ok("VerifyPassword", verification()).await;
    }
    certified.clock.forward(Duration::from_hours(30 * 365 * 24));
    below.err("VerifyPassword", verification(), "UNAUTHENTICATED").await;
    assert_eq!(watch.end().await.reason(), "UNAUTHENTICATED");
    // A certificate that only came along may expire.
    not_below.ok("VerifyPassword", verification()).await;
}

#[tokio::test]
async fn a_call_by_a_jwt_ends_when_the_certificate_that_it_is_bound_to_is_revoked() {
    let (folder, key) = (tempfile::tempdir().unwrap(), SigningKey::new("a", "ES256"));
    let issuers_file = folder.path().join("issuers.toml");
    std::fs::write(&issuers_file, issuers("jwks_file = \"keys.json\"")).unwrap();
    std::fs::write(folder.path().join("keys.json"), key_set(&[&key])).unwrap();
    let settings = [("jwt.issuers_file", issuers_file.to_str().unwrap())];
    let certified = Certified::start(folder, &server_params(), &settings).await;
    // A certificate that names no caller.
    let mut params = client_params(&["spiffe://example.org/other"]);
    params.serial_number = Some(8.into());
    let (client, thumbprint) = certified.with_thumbprint(&params);
    let bound = |thumbprint: &str| {
        let mut claims = claims("root");
        claims["cnf"] = json!({ "x5t#S256": thumbprint });
        key.token(&claims)
    };
    let root = client.with_token(&bound(&thumbprint));
    root.ok("ListRamUsers", json!({})).await;
    certified.with(&params).with_token(&bound(&thumbprint)).err("ListRamUsers", json!({}), "UNAUTHENTICATED").await;
    let watch = root.watch(json!({})).await;
    certified.revoke(8, watch).await;
    root.err("ListRamUsers", json!({}), "UNAUTHENTICATED").await;
    // It is the binding that ended: the connection stays, and a token without one can be used.
    client.with_token(&key.token(&claims("root"))).ok("ListRamUsers", json!({})).await;
}

#[tokio::test]
async fn a_revocation_does_not_wait_for_the_next_certificate_of_the_service() {
    let mut server = server_params();
    server.not_after = rcgen::date_time_ymd(2050, 1, 1);
    let certified = Certified::start(tempfile::tempdir().unwrap(), &server, &[]).await;
    let relay = certified.with(&of_relay(8));
    let watch = relay.watch(json!({})).await;
    certified.clock.forward(Duration::from_hours(30 * 365 * 24));
    relay.ok("VerifyPassword", verification()).await;
    certified.revoke(8, watch).await;
    relay.err("VerifyPassword", verification(), "UNAUTHENTICATED").await;
}

#[tokio::test]
async fn a_root_gets_nothing_of_a_tenant_that_was_made_again() {
    let (world, mut counted) = counting(Setup::default()).await;
    let calls = [
        ("IssueAccessToken", for_root()),
        ("ListRamUsers", json!({})),
        ("ImportCredentials", json!({ "rows": [{ "subject": { "ram_user": "bob" }, "hash": "x" }] })),
    ];
    for (method, asked) in calls {
        let (root, _) =
            issued(&world.operator, &world, json!({ "tenant": "acme", "caller_kind": "CALLER_KIND_ROOT" })).await;
        let stream = begun(&root, method, &mut counted).await;
        make_again(&world).await;
        assert_eq!(reason_after(stream, message(method, asked)).await, "UNAUTHENTICATED", "{method}");
    }
    let listed = world.operator.ok("ListAccessTokens", json!({ "tenant": "acme" })).await;
    assert!(listed["access_tokens"].is_null(), "{listed}");
}

#[tokio::test]
async fn a_change_that_waits_its_turn_is_not_made_after_the_token_was_revoked() {
    let (world, armed, mut waiting) = holding(Setup::default()).await;
    world.ram_user("alice", OLD).await;
    let (alice, id) =
        issued(&world.root, &world, json!({ "caller_kind": "CALLER_KIND_RAM_USER", "caller_name": "alice" })).await;
    let relay = world.service().await;
    armed.store(true, Ordering::SeqCst);
    let change = json!({ "old_password": OLD, "new_password": "newpassword" });
    let changing = tokio::spawn(async move { alice.call("ChangePassword", change).await });
    // It is past every check that it meets before its hashes, and is held there until a second one comes.
    waiting.wait_for(|count| *count == 1).await.unwrap();
    world.root.ok("RevokeAccessToken", json!({ "token_id": id })).await;
    relay.ok("VerifyPassword", json!({ "subject": { "ram_user": "alice" }, "password": OLD })).await;
    let reply = changing.await.unwrap();
    assert_eq!(reply.reason(), "UNAUTHENTICATED", "{:?}", reply.status);
    assert_eq!(world.verify(json!({ "ram_user": "alice" }), OLD).await, "MATCHED_CURRENT");
    let described = world.root.ok("DescribeRamUser", json!({ "user_name": "alice" })).await;
    assert_eq!(described["ram_user"]["credential"]["version"], "1");
}

/// A world where the first two who load a credential, or list subjects, wait for each other.
async fn holding(setup: Setup) -> (World, Arc<AtomicBool>, watch::Receiver<u32>) {
    let armed = Arc::new(AtomicBool::new(false));
    let for_store = Arc::clone(&armed);
    let (count, waiting) = watch::channel(0);
    let hold = move |store| Arc::new(BarrierStore::counting_those_who_wait(store, 2, for_store, count)) as _;
    (setup.around(hold).start().await, armed, waiting)
}

#[tokio::test]
async fn no_verdict_is_returned_after_the_token_was_revoked() {
    let asked = [
        ("VerifyPassword", OLD, 1),
        ("VerifyPassword", "guess", 1),
        ("ChangePassword", "guess", 1),
        // Nor at which version the credential is.
        ("ChangePassword", OLD, 7),
    ];
    for (method, password, expected_version) in asked {
        let (world, armed, mut waiting) = holding(Setup::default()).await;
        world.ram_user("alice", OLD).await;
        let (caller, request) = match method {
            "VerifyPassword" => (
                json!({ "caller_kind": "CALLER_KIND_SERVICE", "caller_name": "second" }),
                json!({ "subject": { "ram_user": "alice" }, "password": password }),
            ),
            _ => (
                json!({ "caller_kind": "CALLER_KIND_RAM_USER", "caller_name": "alice" }),
                json!({
                    "old_password": password,
                    "new_password": "newpassword",
                    "expected_version": expected_version,
                }),
            ),
        };
        let (caller, id) = issued(&world.root, &world, caller).await;
        let relay = world.service().await;
        armed.store(true, Ordering::SeqCst);
        let asking = tokio::spawn(async move { caller.call(method, request).await });
        waiting.wait_for(|count| *count == 1).await.unwrap();
        world.root.ok("RevokeAccessToken", json!({ "token_id": id })).await;
        relay.ok("VerifyPassword", json!({ "subject": { "ram_user": "alice" }, "password": OLD })).await;
        let reply = asking.await.unwrap();
        assert_eq!(reply.reason(), "UNAUTHENTICATED", "{method} with {password}: {:?}", reply.status);
    }
}

#[tokio::test]
async fn data_of_a_later_tenant_of_the_same_name_is_not_returned() {
    let (world, armed, mut waiting) = holding(Setup::default()).await;
    armed.store(true, Ordering::SeqCst);
    let root = world.root.clone();
    let listing = tokio::spawn(async move { root.call("ListRamUsers", json!({})).await });
    waiting.wait_for(|count| *count == 1).await.unwrap();
    make_again(&world).await;
    world.operator.ok("CreateRamUser", json!({ "tenant": "acme", "user_name": "of-the-second" })).await;
    world.operator.ok("ListRamUsers", json!({ "tenant": "acme" })).await;
    let reply = listing.await.unwrap();
    assert_eq!(reply.reason(), "UNAUTHENTICATED", "{:?}", reply.status);
}

#[tokio::test]
async fn an_import_ends_with_the_token_or_the_tenant_that_it_began_with() {
    let world = World::start().await;
    let hash = "$2b$05$abcdefghijklmnopqrstuuqR2uuDorzuqQLTtL7Oj8K/e7dgq/Feq";
    let row = |tenant: &str, name: &str| json!({ "rows": [{ "tenant": tenant, "subject": { "ram_user": name }, "hash": hash }] });
    let (root, id) = issued(&world.root, &world, for_root()).await;
    let stream = root.open_stream(&path(&method_named("ImportCredentials"))).await;
    stream.send(message("ImportCredentials", row("acme", "first"))).await;
    answered(&world.root, "DescribeRamUser", json!({ "user_name": "first" }), "OK").await;
    world.root.ok("RevokeAccessToken", json!({ "token_id": id })).await;
    stream.send(message("ImportCredentials", row("acme", "second"))).await;
    assert_eq!(stream.reply().await.reason(), "UNAUTHENTICATED");
    world.root.err("DescribeRamUser", json!({ "user_name": "second" }), "USER_NOT_FOUND").await;

    // An operator's goes on, and not into the tenant that took the name.
    let stream = world.operator.open_stream(&path(&method_named("ImportCredentials"))).await;
    stream.send(message("ImportCredentials", row("acme", "third"))).await;
    answered(&world.root, "DescribeRamUser", json!({ "user_name": "third" }), "OK").await;
    for name in ["first", "third"] {
        world.root.ok("DeleteRamUser", json!({ "user_name": name })).await;
    }
    make_again(&world).await;
    stream.send(message("ImportCredentials", row("acme", "fourth"))).await;
    assert_eq!(stream.reply().await.reason(), "TENANT_NOT_FOUND");
    let listed = world.operator.ok("ListRamUsers", json!({ "tenant": "acme" })).await;
    assert!(listed["ram_users"].is_null(), "{listed}");
}

#[tokio::test]
async fn an_import_ends_when_the_evidence_for_its_caller_expires_or_the_key_of_a_jwt_is_removed() {
    let (key, clock) = (SigningKey::new("a", "ES256"), MovedClock::stopped());
    let server = JwksServer::start(&[&key]).await;
    let files = tempfile::tempdir().unwrap();
    let issuers_file = files.path().join("issuers.toml");
    std::fs::write(&issuers_file, issuers(&server.setting())).unwrap();
    let setup = Setup::default().by(&clock).with("jwt.issuers_file", issuers_file.to_str().unwrap());
    let world = setup.start().await;
    let mut short_lived = for_root();
    short_lived["time_to_live"] = json!("60s");
    let (by_token, _) = issued(&world.root, &world, short_lived).await;
    let mut expiring = claims("root");
    expiring["exp"] = json!(seconds_from_now(60));
    let by_jwt = |claims: &Value| world.anybody().with_token(&key.token(claims));
    let remove_the_key = || server.put(&[]);
    let callers: [(&str, Client, &dyn Fn(), Duration); 3] = [
        ("token", by_token, &|| {}, Duration::from_secs(61)),
        ("jwt", by_jwt(&expiring), &|| {}, Duration::from_mins(1)),
        ("key", by_jwt(&claims("root")), &remove_the_key, REFRESH),
    ];
    let hash = "$2b$05$abcdefghijklmnopqrstuuqR2uuDorzuqQLTtL7Oj8K/e7dgq/Feq";
    let import = path(&method_named("ImportCredentials"));
    for (evidence, caller, change, later) in callers {
        let row = |when: &str| {
            let subject = json!({ "ram_user": format!("{when}-{evidence}") });
            message("ImportCredentials", json!({ "rows": [{ "subject": subject, "hash": hash }] }))
        };
        let user = |when: &str| json!({ "user_name": format!("{when}-{evidence}") });
        let stream = caller.open_stream(&import).await;
        stream.send(row("before")).await;
        answered(&world.root, "DescribeRamUser", user("before"), "OK").await;
        change();
        clock.forward(later);
        // Keys are fetched in the background.
        answered(&caller, "ListRamUsers", json!({}), "UNAUTHENTICATED").await;
        stream.send(row("after")).await;
        assert_eq!(stream.reply().await.reason(), "UNAUTHENTICATED", "{evidence}");
        world.root.err("DescribeRamUser", user("after"), "USER_NOT_FOUND").await;
    }
}

#[tokio::test]
async fn a_watcher_sees_nothing_of_a_tenant_that_was_made_again() {
    let world = Setup::default().with("watch.heartbeat_seconds", "1").start().await;
    let relay = world.service().await;
    let mut watch = relay.watch(json!({})).await;
    watch.next().await.unwrap();
    make_again(&world).await;
    let request = json!({ "tenant": "acme", "user_name": "of-the-second" });
    world.operator.ok("CreateRamUser", request).await;
    let ended = loop {
        match watch.next().await {
            Ok(reply) => assert!(reply["event"].is_null(), "{reply}"),
            Err(ended) => break ended,
        }
    };
    assert_eq!(ended.reason(), "UNAUTHENTICATED");
}

#[tokio::test]
async fn a_call_by_a_jwt_ends_when_its_key_is_removed() {
    let (key, clock) = (SigningKey::new("a", "ES256"), MovedClock::stopped());
    let server = JwksServer::start(&[&key]).await;
    let files = tempfile::tempdir().unwrap();
    let path = files.path().join("issuers.toml");
    std::fs::write(&path, issuers(&server.setting())).unwrap();
    let setup = Setup::default().by(&clock).with("jwt.issuers_file", path.to_str().unwrap());
    let (world, armed, mut waiting) = holding(setup.with("watch.heartbeat_seconds", "1")).await;
    world.ram_user("alice", OLD).await;
    let relay = world.service().await;
    let root = world.anybody().with_token(&key.token(&claims("root")));
    let mut watch = root.watch(json!({})).await;
    watch.next().await.unwrap();

    armed.store(true, Ordering::SeqCst);
    let reset = json!({ "subject": { "ram_user": "alice" }, "password": "newpassword" });
    let resets = root.clone();
    let resetting = tokio::spawn(async move { resets.call("ResetPassword", reset).await });
    // It is past every check before its write, and is held there until a second one comes.
    waiting.wait_for(|count| *count == 1).await.unwrap();
    server.put(&[]);
    clock.forward(REFRESH);
    let ended = watch.end().await;
    assert_eq!(ended.reason(), "UNAUTHENTICATED", "{:?}", ended.status);
    root.err("DescribeRamUser", json!({ "user_name": "alice" }), "UNAUTHENTICATED").await;
    relay.ok("VerifyPassword", json!({ "subject": { "ram_user": "alice" }, "password": OLD })).await;
    let reply = resetting.await.unwrap();
    assert_eq!(reply.reason(), "UNAUTHENTICATED", "{:?}", reply.status);
    assert_eq!(world.verify(json!({ "ram_user": "alice" }), OLD).await, "MATCHED_CURRENT");
}
