//! Callers by JWT.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use credentiald::ambient::SystemClock;
use credentiald::domain::time::Timestamp;
use credentiald::jwt::{JwtReader, JwtTexts, Jwts};
use credentiald::ports::{
    BackgroundTraces, CertificateHolder, CertificateValidity, Clock, JwtRefusal, JwtVerifier, NoMeter, PeerCertificate,
    PresentedJwt,
};
use futures_util::FutureExt;
use http::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::support::certificates::Authority;
use crate::support::client::{frame, method_named, path};
use crate::support::clock::MovedClock;
use crate::support::installation::write_secretly;
use crate::support::jwt::{
    ALGORITHMS, AUDIENCE, BETWEEN_FETCHES, ISSUER, JwksServer, REFRESH, SigningKey, claims, encoded, issuers, key_set,
    seconds_from_now,
};
use crate::support::{Client, Setup, World};

/// A reader for files that hold no secret.
fn reader() -> JwtReader {
    JwtReader::new("".as_ref(), |path| Err(format!("{} is not expected", path.display()).into()))
}

/// A server that accepts the tokens of an issuer.
struct Site {
    world: World,
    _files: TempDir,
}

impl Site {
    async fn start(setup: Setup, jwks: &str, keys: &[&SigningKey]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), setup, jwks, keys).await
    }

    async fn start_in(files: TempDir, setup: Setup, jwks: &str, keys: &[&SigningKey]) -> Self {
        fs::write(files.path().join("issuers.toml"), issuers(jwks)).unwrap();
        fs::write(files.path().join("keys.json"), key_set(keys)).unwrap();
        let path = files.path().join("issuers.toml");
        let world = setup.with("jwt.issuers_file", path.to_str().unwrap()).start().await;
        Self { world, _files: files }
    }

    /// With keys at a URL, by a clock that the test moves.
    async fn fetching(server: &JwksServer, clock: &MovedClock) -> Self {
        Self::start(Setup::default().by(clock), &server.setting(), &[]).await
    }

    fn caller(&self, token: &str) -> Client {
        self.world.anybody().with_token(token)
    }

    async fn accepts(&self, token: &str) -> bool {
        let reply = self.caller(token).call("ListRamUsers", json!({})).await;
        assert!(["OK", "UNAUTHENTICATED"].contains(&reply.reason().as_str()), "{:?}", reply.status);
        reply.reason() == "OK"
    }

    /// Waits for the work in the background.
    async fn until_it_accepts(&self, token: &str, accepted: bool) {
        while self.accepts(token).await != accepted {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn a_token_of_each_algorithm_names_its_caller() {
    let keys = ALGORITHMS.map(|algorithm| SigningKey::new(&format!("key {algorithm}"), algorithm));
    let site = Site::start(Setup::default(), "jwks_file = \"keys.json\"", &keys.each_ref()).await;
    for key in &keys {
        assert!(site.accepts(&key.token(&claims("root"))).await, "{}", key.algorithm);
    }
    // The rule for the relay wants another claim.
    let [key, ..] = &keys;
    let mut claims = claims("relay");
    assert!(!site.accepts(&key.token(&claims)).await);
    claims["azp"] = json!("mail");
    let relay = site.caller(&key.token(&claims));
    site.world.ram_user("alice", "mypassword").await;
    let request = json!({ "subject": { "ram_user": "alice" }, "password": "mypassword" });
    assert_eq!(relay.ok("VerifyPassword", request).await["result"], "MATCHED_CURRENT");
    relay.err("ListRamUsers", json!({}), "ACCESS_DENIED").await;
    // Where no issuer is configured, no JWT is accepted.
    let world = World::start().await;
    world.anybody().with_token(&key.token(&claims)).err("ListRamUsers", json!({}), "UNAUTHENTICATED").await;
}

fn changed(of: &Value, name: &str, value: Value) -> Value {
    let mut changed = of.clone();
    changed[name] = value;
    changed
}

fn without(of: &Value, name: &str) -> Value {
    let mut less = of.clone();
    less.as_object_mut().unwrap().remove(name);
    less
}

/// Tokens that are refused, and by which check.
fn bad_tokens(rsa: &SigningKey, ec: &SigningKey) -> Vec<(String, JwtRefusal)> {
    let good = claims("root");
    let with_header = |name, value| ec.sign(&changed(&ec.header(), name, value).to_string(), &good.to_string());
    let with = |name, value| ec.token(&changed(&good, name, value));
    let signed = ec.token(&good);
    let (signed_part, signature) = signed.rsplit_once('.').unwrap();
    // A secret that everybody knows: the public key.
    let hmac = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, rsa.jwk()["n"].as_str().unwrap().as_bytes());
    let symmetric = changed(&rsa.header(), "alg", json!("HS256")).to_string();
    let symmetric = format!("{}.{}", encoded(symmetric), encoded(good.to_string()));
    let symmetric = format!("{symmetric}.{}", encoded(aws_lc_rs::hmac::sign(&hmac, symmetric.as_bytes())));
    let none = changed(&ec.header(), "alg", json!("none")).to_string();
    let twice = good.to_string().replacen('{', "{\"sub\":\"relay\",", 1);
    let twice_in_header = ec.header().to_string().replacen('{', "{\"alg\":\"none\",", 1);
    vec![
        (format!("{}.{}.", encoded(none), encoded(good.to_string())), JwtRefusal::Algorithm),
        (symmetric, JwtRefusal::Algorithm),
        (format!("{signed_part}."), JwtRefusal::Signature),
        (format!("{signed_part}.{}", encoded([7; 64])), JwtRefusal::Signature),
        (rsa.sign(&ec.header().to_string(), &good.to_string()), JwtRefusal::Signature),
        (with_header("alg", json!("RS256")), JwtRefusal::Key),
        (with_header("kid", json!("unknown")), JwtRefusal::Key),
        (ec.sign(&without(&ec.header(), "kid").to_string(), &good.to_string()), JwtRefusal::NoKeyId),
        (with_header("crit", json!(["exp"])), JwtRefusal::CriticalExtension),
        (with_header("crit", json!([])), JwtRefusal::CriticalExtension),
        (with_header("typ", json!("logout+jwt")), JwtRefusal::Type),
        (with_header("typ", json!(7)), JwtRefusal::Malformed),
        (ec.sign(&ec.header().to_string(), &twice), JwtRefusal::Malformed),
        (ec.sign(&twice_in_header, &good.to_string()), JwtRefusal::Malformed),
        (ec.sign(&ec.header().to_string(), "[]"), JwtRefusal::Malformed),
        (format!("{signed_part}.{signature}="), JwtRefusal::Malformed),
        (format!("{signed}.{signature}"), JwtRefusal::Malformed),
        (format!("a.{signed_part}"), JwtRefusal::Malformed),
        ("..".to_owned(), JwtRefusal::Malformed),
        (with("more", json!("x".repeat(8192))), JwtRefusal::TooLong),
        (with("iss", json!("https://elsewhere.example.com")), JwtRefusal::Issuer),
        (with("iss", json!([ISSUER])), JwtRefusal::Issuer),
        (ec.token(&without(&good, "iss")), JwtRefusal::Issuer),
        (with("aud", json!("credentiald2")), JwtRefusal::Audience),
        (with("aud", json!(["other", "CREDENTIALD"])), JwtRefusal::Audience),
        (ec.token(&without(&good, "aud")), JwtRefusal::Audience),
        (with("exp", json!(seconds_from_now(-60))), JwtRefusal::Expired),
        (with("exp", json!("never")), JwtRefusal::Malformed),
        (ec.token(&without(&good, "exp")), JwtRefusal::NoExpiry),
        (with("nbf", json!(seconds_from_now(3600))), JwtRefusal::NotYetValid),
        (ec.token(&without(&good, "sub")), JwtRefusal::NoSubject),
        (with("sub", json!("")), JwtRefusal::NoSubject),
        (with("sub", json!("stranger")), JwtRefusal::NoRule),
        (with("cnf", json!({ "x5t#S256": encoded([7; 32]) })), JwtRefusal::Certificate),
        (with("cnf", json!({ "jkt": "another kind of binding" })), JwtRefusal::Certificate),
    ]
}

#[tokio::test]
async fn each_bad_token_is_refused_by_its_check() {
    let (rsa, ec) = (SigningKey::new("rsa", "RS256"), SigningKey::new("ec", "ES256"));
    let jwks = "jwks_file = \"keys.json\"";
    let site = Site::start(Setup::default(), jwks, &[&rsa, &ec]).await;
    let texts = JwtTexts { issuers: issuers(jwks), files: [("keys.json".into(), key_set(&[&rsa, &ec]))].into() };
    let in_force = reader().read(&texts).unwrap();
    let issuers = watch::Sender::new(in_force);
    let verifier = Jwts::new(issuers.subscribe());
    for (token, refusal) in bad_tokens(&rsa, &ec) {
        let presented = PresentedJwt { text: &token, certificate: None };
        assert_eq!(verifier.verify(presented, SystemClock.now()).await.err(), Some(refusal), "{token}");
        assert!(!site.accepts(&token).await, "{token}");
    }
    // Forms that are fine, and the header's own key, which is not read.
    let good = claims("root");
    let mut bringing_keys = ec.header();
    for name in ["jku", "jwk", "x5u"] {
        bringing_keys[name] = json!("https://elsewhere.example.com/keys");
    }
    for token in [
        ec.token(&changed(&good, "aud", json!(["other", AUDIENCE]))),
        ec.token(&changed(&good, "exp", json!(seconds_from_now(60).to_string().parse::<f64>().unwrap() + 0.5))),
        ec.sign(&without(&ec.header(), "typ").to_string(), &good.to_string()),
        ec.sign(&changed(&ec.header(), "typ", json!("application/at+JWT")).to_string(), &good.to_string()),
        ec.sign(&bringing_keys.to_string(), &good.to_string()),
    ] {
        assert!(site.accepts(&token).await, "{token}");
    }
}

/// A certificate that is valid until then.
#[derive(Debug)]
struct Until(Timestamp);

impl CertificateValidity for Until {
    fn is_valid_at(&self, at: Timestamp) -> bool {
        at < self.0
    }
}

#[tokio::test]
async fn a_token_that_is_bound_to_a_certificate_needs_it() {
    let ec = SigningKey::new("ec", "ES256");
    let jwks = "jwks_file = \"keys.json\"";
    let texts = JwtTexts { issuers: issuers(jwks), files: [("keys.json".into(), key_set(&[&ec]))].into() };
    let in_force = watch::Sender::new(reader().read(&texts).unwrap());
    let verifier = Jwts::new(in_force.subscribe());
    let text = &ec.token(&changed(&claims("root"), "cnf", json!({ "x5t#S256": encoded([7; 32]) })));
    let certificate = |thumbprint| {
        let validity = Arc::new(Until(SystemClock.now().after(REFRESH)));
        Some(PeerCertificate { thumbprint, validity, holder: CertificateHolder::Unnamed })
    };
    for certificate in [certificate([8; 32]), None] {
        let presented = PresentedJwt { text, certificate: certificate.as_ref() };
        assert_eq!(verifier.verify(presented, SystemClock.now()).await.err(), Some(JwtRefusal::Certificate));
    }
    let its_own = certificate([7; 32]);
    let presented = PresentedJwt { text, certificate: its_own.as_ref() };
    let identity = verifier.verify(presented, SystemClock.now()).await.unwrap();
    assert!(identity.is_valid_at(SystemClock.now()));
    assert!(!identity.is_valid_at(SystemClock.now().after(REFRESH)), "the certificate is no longer valid");
}

#[tokio::test]
async fn keys_are_rotated_without_a_restart() {
    let (old, new) = (SigningKey::new("old", "ES256"), SigningKey::new("new", "EdDSA"));
    let (server, clock) = (JwksServer::start(&[&old]).await, MovedClock::stopped());
    let site = Site::fetching(&server, &clock).await;
    let [of_old, of_new] = [&old, &new].map(|key| key.token(&claims("root")));
    assert!(site.accepts(&of_old).await);
    server.put(&[&old, &new]);
    clock.forward(BETWEEN_FETCHES);
    assert!(site.accepts(&of_new).await, "an unknown key is fetched");
    assert!(site.accepts(&of_old).await);
    // A key that is removed is missed when its set is fetched the next time.
    server.put(&[&new]);
    clock.forward(REFRESH);
    site.until_it_accepts(&of_old, false).await;
    assert!(site.accepts(&of_new).await);
    // A key of the same id is another one.
    let impostor = SigningKey::new("new", "EdDSA");
    server.put(&[&impostor]);
    clock.forward(REFRESH);
    site.until_it_accepts(&of_new, false).await;
}

#[tokio::test]
async fn unknown_keys_cause_one_fetch_for_each_interval() {
    let key = SigningKey::new("a", "ES256");
    let (server, clock) = (JwksServer::start(&[&key]).await, MovedClock::stopped());
    let site = Site::fetching(&server, &clock).await;
    assert!(site.accepts(&key.token(&claims("root"))).await);
    assert_eq!(server.requests(), 1);
    let unknown = |number: usize| {
        let header = changed(&key.header(), "kid", json!(format!("unknown {number}"))).to_string();
        key.sign(&header, &claims("root").to_string())
    };
    for interval in 1..=2 {
        let mut calls = tokio::task::JoinSet::new();
        for caller in 0..20 {
            let client = site.world.anybody();
            let tokens: Vec<_> = (0..50).map(|number| unknown(caller * 100 + number)).collect();
            calls.spawn(async move {
                for token in tokens {
                    client.with_token(&token).err("ListRamUsers", json!({}), "UNAUTHENTICATED").await;
                }
            });
        }
        calls.join_all().await;
        assert_eq!(server.requests(), interval);
        clock.forward(BETWEEN_FETCHES);
    }
}

#[tokio::test]
async fn stale_keys_are_used_for_a_bounded_time() {
    let key = SigningKey::new("a", "ES256");
    let (server, clock) = (JwksServer::start(&[&key]).await, MovedClock::stopped());
    let site = Site::fetching(&server, &clock).await;
    let token = key.token(&claims("root"));
    assert!(site.accepts(&token).await);
    for broken in [None, Some("<html>".to_owned()), Some("x".repeat(300 * 1024))] {
        server.answer(broken);
        clock.forward(Duration::from_mins(15));
        let before = server.requests();
        while server.requests() == before {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(site.accepts(&token).await, "the keys from before are used");
    }
    clock.forward(Duration::from_mins(16));
    assert!(!site.accepts(&token).await, "they are too old");
    server.put(&[&key]);
    clock.forward(BETWEEN_FETCHES);
    assert!(site.accepts(&token).await);
}

#[tokio::test]
async fn fetched_keys_stay_for_as_long_as_their_server_is_trusted() {
    let (old, new, server_ca) =
        (SigningKey::new("old", "ES256"), SigningKey::new("new", "EdDSA"), Authority::new("ca"));
    let server = JwksServer::start_with(&[&old, &new], &server_ca.server(&["127.0.0.1"]), "").await;
    let reader = reader();
    let texts = |cas: &str, url: &str, issuers: &dyn Fn(String) -> String| JwtTexts {
        issuers: issuers(self::issuers(&format!("{url}\njwks_ca_file = \"ca.pem\""))),
        files: [("ca.pem".into(), cas.to_owned())].into(),
    };
    let (url, only_old) = (server.setting(), |text: String| text.replace(", \"EdDSA\"", ""));
    let (server_ca, other_ca) = (server_ca.pem(), Authority::new("other").pem());
    let both_cas = format!("{other_ca}{server_ca}");
    let in_force = watch::Sender::new(reader.read(&texts(&server_ca, &url, &only_old)).unwrap());
    let jwts = Jwts::new(in_force.subscribe());
    let [of_old, of_new] = [&old, &new].map(|key| key.token(&claims("root")));
    let verified = async |text: &String| jwts.verify(PresentedJwt { text, certificate: None }, SystemClock.now()).await;
    {
        let following = jwts.clone().follow(Arc::new(SystemClock), Arc::new(NoMeter), BackgroundTraces::default());
        tokio::select! {
            never = following => match never {},
            found = verified(&of_old) => drop(found.unwrap()),
        }
    }
    // Nothing is fetched from here on.
    let replace = |texts: JwtTexts| drop(in_force.send_replace(reader.read(&texts).unwrap()));
    assert_eq!(verified(&of_new).await.err(), Some(JwtRefusal::Algorithm));
    replace(texts(&both_cas, &url, &|text| text));
    let identity = verified(&of_old).await.unwrap();
    verified(&of_new).await.expect("its key was left out before, and is for an algorithm that is allowed now");
    replace(texts(&server_ca, &url, &only_old));
    assert_eq!(verified(&of_new).await.err(), Some(JwtRefusal::Algorithm));
    assert!(identity.is_valid_at(SystemClock.now()), "it is the same key");
    // Keys of another URL are others, and another issuer with other CAs fetches its own.
    let other_name = |text: String| text.replace(ISSUER, "https://id.example.org");
    let other_url = |text: String| text.replace("/keys", "/other");
    let both = |text: String| other_url(text.clone()) + &other_name(text);
    replace(texts(&both_cas, &url, &both));
    assert!(!identity.is_valid_at(SystemClock.now()));
    let of_other = old.token(&changed(&claims("root"), "iss", json!("https://id.example.org")));
    assert!(verified(&of_other).now_or_never().is_none(), "it waits for keys of its own");
}

#[tokio::test]
async fn keys_of_a_server_whose_ca_was_removed_are_not_used() {
    let (key, authority) = (SigningKey::new("a", "ES256"), Authority::new("ca"));
    let server = JwksServer::start_with(&[&key], &authority.server(&["127.0.0.1"]), "").await;
    let reader = reader();
    let texts = |cas: String| JwtTexts {
        issuers: issuers(&format!("{}\njwks_ca_file = \"ca.pem\"", server.setting())),
        files: [("ca.pem".into(), cas)].into(),
    };
    let in_force = watch::Sender::new(reader.read(&texts(authority.pem())).unwrap());
    let jwts = Jwts::new(in_force.subscribe());
    let text = &key.token(&claims("root"));
    let following =
        tokio::spawn(jwts.clone().follow(Arc::new(SystemClock), Arc::new(NoMeter), BackgroundTraces::default()));
    let verified = async || jwts.verify(PresentedJwt { text, certificate: None }, SystemClock.now()).await;
    let identity = verified().await.unwrap();
    in_force.send_replace(reader.read(&texts(Authority::new("ca").pem())).unwrap());
    assert!(!identity.is_valid_at(SystemClock.now()), "what has begun with it ends");
    assert_eq!(verified().await.err(), Some(JwtRefusal::NoKeys));
    // With the CA again, they are fetched at once.
    in_force.send_replace(reader.read(&texts(authority.pem())).unwrap());
    verified().await.unwrap();
    following.abort();
}

#[tokio::test]
async fn keys_are_fetched_over_tls_from_a_server_that_is_verified() {
    let (key, authority) = (SigningKey::new("a", "ES256"), Authority::new("first"));
    let server = JwksServer::start_with(&[&key], &authority.server(&["127.0.0.1"]), "Bearer its-own-token").await;
    let site = async |ca: &Authority, token: &str| {
        let files = tempfile::tempdir().unwrap();
        fs::write(files.path().join("ca.pem"), ca.pem()).unwrap();
        write_secretly(&files.path().join("token"), format!("{token}\n"));
        let jwks = format!("{}\njwks_ca_file = \"ca.pem\"\njwks_token_file = \"token\"", server.setting());
        Site::start_in(files, Setup::default(), &jwks, &[]).await
    };
    let token = key.token(&claims("root"));
    assert!(site(&authority, "its-own-token").await.accepts(&token).await);
    assert!(!site(&authority, "another").await.accepts(&token).await, "the answer is no set of keys");
    assert!(!site(&Authority::new("other"), "its-own-token").await.accepts(&token).await, "another CA");
}

#[tokio::test]
async fn a_token_for_the_server_of_keys_is_not_sent_once_all_users_can_read_it() {
    let (key, authority, clock) = (SigningKey::new("a", "ES256"), Authority::new("first"), MovedClock::stopped());
    let server = JwksServer::start_with(&[], &authority.server(&["127.0.0.1"]), "").await;
    let files = tempfile::tempdir().unwrap();
    let token_file = files.path().join("token");
    fs::write(files.path().join("ca.pem"), authority.pem()).unwrap();
    write_secretly(&token_file, "its-own-token");
    let jwks = format!("{}\njwks_ca_file = \"ca.pem\"\njwks_token_file = \"token\"", server.setting());
    let site = Site::start_in(files, Setup::default().by(&clock), &jwks, &[]).await;
    let token = key.token(&claims("root"));
    assert!(!site.accepts(&token).await);
    server.put(&[&key]);
    fs::set_permissions(&token_file, Permissions::from_mode(0o644)).unwrap();
    let before = server.requests();
    clock.forward(BETWEEN_FETCHES);
    assert!(!site.accepts(&token).await);
    assert_eq!(server.requests(), before);
    fs::set_permissions(&token_file, Permissions::from_mode(0o600)).unwrap();
    clock.forward(BETWEEN_FETCHES);
    assert!(site.accepts(&token).await);
}

/// Longer than the headers of a request may be: nothing reads it.
#[tokio::test]
async fn a_token_of_any_length_is_refused() {
    let key = SigningKey::new("a", "ES256");
    let site = Site::start(Setup::default(), "jwks_file = \"keys.json\"", &[&key]).await;
    let of_bytes = |bytes: usize| key.token(&changed(&claims("root"), "more", json!("x".repeat(bytes))));
    assert!(!site.accepts(&of_bytes(8 << 10)).await);
    let path = path(&method_named("ListRamUsers"));
    for bytes in [12 << 10, 32 << 10] {
        let answer = site.caller(&of_bytes(bytes)).request_http(Method::POST, &path, frame(b"")).await;
        assert_eq!(answer.status(), 431, "{bytes}");
    }
    let of_a_mebibyte = site.caller(&of_bytes(1 << 20)).at(site.world.address);
    assert!(of_a_mebibyte.try_send(&path, frame(b"")).await.is_none(), "its connection is closed");
    assert!(site.accepts(&key.token(&claims("root"))).await, "others go on");
}
