//! The files of the issuers of JWTs.

use std::fs;

use serde_json::json;

use super::installation::{Installation, write_secretly};
use super::tenant::{Acme, verification};
use crate::support::Client;
use crate::support::certificates::Authority;
use crate::support::jwt::{JwksServer, SigningKey, claims, issuers, key_set};

const KEYS: &str = "jwks_file = \"keys.json\"";
const FLAGS: [&str; 2] = ["--jwt-issuers-file", "issuers.toml"];

#[test]
fn every_mistake_in_the_file_of_issuers_is_reported_at_once() {
    let installation = Installation::new();
    let check = |text: &str| {
        fs::write(installation.path("issuers.toml"), text).unwrap();
        installation.run(&[&["config", "check"], &FLAGS[..]].concat())
    };
    let key = SigningKey::new("a", "ES256");
    let publish = |keys: String| fs::write(installation.path("keys.json"), keys).unwrap();
    publish(key_set(&[&key]));
    assert_eq!(check(&issuers(KEYS)).printed(), "the configuration is valid\n");

    let rule = |text: &str| format!("{}[[issuer.rule]]\n{text}", issuers(KEYS));
    let table: Vec<(String, Vec<&str>)> = vec![
        (String::new(), vec!["holds no [[issuer]]"]),
        ("[[issuer]\n".to_owned(), vec!["line 1: "]),
        (
            "unknown = 1\n[[issuer]]\naudience = 7\nalgorithms = [\"HS256\", \"none\"]\njwks_url = \"http://id.example.com/\"\nkeys = 1\n"
                .to_owned(),
            vec![
                "unknown: is not a setting of issuers",
                "issuer 1: issuer: is missing",
                "issuer 1: audience: must be text in quotes",
                "issuer 1: algorithms: must be among RS256, ",
                "issuer 1: jwks_url: must begin with https://",
                "issuer 1: rule: is missing",
                "issuer 1: keys: is not a setting of issuers",
            ],
        ),
        (issuers("jwks_file = \"keys.json\"\njwks_url = \"https://id.example.com\""), vec!["only one of them"]),
        (issuers("jwks_file = \"keys.json\"\njwks_ca_file = \"ca.pem\""), vec!["those are for jwks_url"]),
        (issuers("jwks_url = \"https://id.example.com\"\njwks_used_for_seconds = 1"), vec!["between 600 and 86400"]),
        (issuers("jwks_url = \"http://127.0.0.1\"\njwks_token_file = \"t\""), vec!["must be https:// for a CA or a token"]),
        (issuers("jwks_file = \"absent.json\""), vec!["absent.json can't be read"]),
        (issuers(KEYS).repeat(2), vec!["issuer 2: issuer: is the same as that of another table"]),
        (rule("subject = \"a\"\ncaller = \"stranger\"\n"), vec!["issuer 1: rule 3: caller: must be `operator NAME`"]),
        (rule("subject = \"root\"\ncaller = \"root b\"\n"), vec!["rule 3: a token could match an earlier rule as well"]),
        (
            rule("subject = \"relay\"\ncaller = \"root b\"\nclaims = { sid = \"a\" }\n"),
            vec!["rule 3: a token could match an earlier rule as well"],
        ),
        (rule("subject = \"a\"\ncaller = \"root b\"\nclaims = { sid = 7 }\n"), vec!["claims: must all be text in quotes"]),
    ];
    for (text, mistakes) in table {
        let checked = check(&text);
        assert_eq!(checked.status, Some(78), "{text}: {}", checked.stderr);
        for mistake in mistakes {
            assert!(checked.stderr.contains(mistake), "{mistake}: {}", checked.stderr);
        }
    }
    // The same subject with different claims is no contradiction.
    check(&rule("subject = \"relay\"\ncaller = \"root b\"\nclaims = { azp = \"web\" }\n")).printed();

    for (keys, mistake) in [
        ("nothing".to_owned(), "keys.json is not a set of keys"),
        (json!({ "keys": [{ "kty": "oct", "kid": "s", "k": "AAAA" }] }).to_string(), "the key \"s\" is symmetric"),
    ] {
        publish(keys);
        let checked = check(&issuers(KEYS));
        assert!(checked.status == Some(78) && checked.stderr.contains(mistake), "{mistake}: {}", checked.stderr);
    }
}

#[tokio::test]
async fn keys_in_a_file_are_followed_and_bad_ones_never_replace_good_ones() {
    let installation = Installation::new();
    let token = installation.bootstrap();
    let (old, new) = (SigningKey::new("old", "ES256"), SigningKey::new("new", "EdDSA"));
    let publish = |keys: String| fs::write(installation.path("keys.json"), keys).unwrap();
    fs::write(installation.path("issuers.toml"), issuers(KEYS)).unwrap();
    publish(key_set(&[&old]));
    let serving = installation.serve(&[&FLAGS[..], &["--log-level", "debug"]].concat()).await;
    Acme::create(serving.address, &token).await;
    let [of_old, of_new] = [&old, &new].map(|key| key.token(&claims("root")));
    let call = async |token: &str| {
        Client::new(serving.address).with_token(token).call("ListRamUsers", json!({})).await.reason()
    };
    assert_eq!((call(&of_old).await.as_str(), call(&of_new).await.as_str()), ("OK", "UNAUTHENTICATED"));
    serving.logs_times("is not a key of the issuer", 1).await;

    // Keys that can't be used are skipped, each with its reason.
    let (old_key, new_key) = (old.jwk(), new.jwk());
    let changed = |id: &str, name: &str, value: serde_json::Value| {
        let mut key = old_key.clone();
        key["kid"] = json!(id);
        key[name] = value;
        key
    };
    let bad = [
        (json!({ "kty": "oct", "kid": "secret", "k": "AAAA" }), "the key \"secret\" is symmetric"),
        (
            json!({ "kty": "RSA", "kid": "short", "n": "A".repeat(171), "e": "AQAB" }),
            "the key \"short\" is not of 2048",
        ),
        (changed("use", "use", json!("enc")), "the key \"use\" is not for signatures"),
        (changed("ops", "key_ops", json!(["sign"])), "the key \"ops\" is not for verifying"),
        (changed("alg", "alg", json!("RS256")), "the key \"alg\" is for no algorithm"),
        (changed("point", "x", json!("AAAA")), "the key \"point\" can't be read"),
        (changed("", "kty", json!("EC")), "has no id"),
        (new_key.clone(), "the key \"new\" has the id of another"),
    ];
    let keys: Vec<_> = [&new_key].into_iter().chain(bad.iter().map(|(key, _)| key)).collect();
    publish(json!({ "keys": keys }).to_string());
    serving.signal("HUP");
    serving.logs_times("the new issuers of JWTs are in force", 1).await;
    for (_, words) in &bad {
        assert!(serving.log().contains(words), "{words}: {}", serving.log());
    }
    assert_eq!((call(&of_old).await.as_str(), call(&of_new).await.as_str()), ("UNAUTHENTICATED", "OK"));

    publish("nothing".to_owned());
    serving.signal("HUP");
    serving.logs_times("keys.json is not a set of keys", 1).await;
    assert_eq!(call(&of_new).await, "OK");
    // The file of issuers is followed, too.
    publish(key_set(&[&new]));
    fs::write(installation.path("issuers.toml"), issuers(KEYS).replace("\"root acme\"", "\"root other\"")).unwrap();
    serving.signal("HUP");
    serving.logs_times("the new issuers of JWTs are in force", 2).await;
    assert_eq!(call(&of_new).await, "UNAUTHENTICATED");
    let mut expired = claims("root");
    expired["exp"] = json!(7);
    for _ in 0..20 {
        assert_eq!(call(&new.token(&expired)).await, "UNAUTHENTICATED");
    }
    let log = serving.stop().await;
    let lines: Vec<_> = log.lines().filter(|line| line.contains("it has expired")).collect();
    assert!(lines.len() == 1 && lines[0].contains("INFO") && lines[0].contains("left_out=0"), "{log}");
    assert!(!log.contains(&of_new) && !log.contains(of_old.split('.').next().unwrap()), "{log}");
}

/// As they are in the document, except for the address and the files of a cluster.
#[tokio::test]
async fn the_issuers_in_the_document_work_and_kubernetes_proves_a_relay() {
    let blocks = include_str!("../../../docs/jwt.md").split("```toml\n").filter_map(|block| block.split_once("```"));
    let issuers: Vec<_> = blocks.map(|(text, _)| text).filter(|text| text.contains("[[issuer]]")).collect();
    let [general, kubernetes] = issuers[..] else { panic!("{issuers:?}") };
    let installation = Installation::new();
    let check = |text: &str| {
        fs::write(installation.path("issuers.toml"), text).unwrap();
        installation.run(&[&["config", "check"], &FLAGS[..]].concat())
    };
    assert_eq!(check(general).printed(), "the configuration is valid\n");
    let outside = check(kubernetes);
    for file in ["ca.crt", "token"] {
        let words = format!("/var/run/secrets/kubernetes.io/serviceaccount/{file} can't be read");
        assert!(outside.status == Some(78) && outside.stderr.contains(&words), "{outside:?}");
    }

    let (key, authority) = (SigningKey::new("cluster", "RS256"), Authority::new("cluster"));
    let server = JwksServer::start_with(&[&key], &authority.server(&["127.0.0.1"]), "Bearer of-the-pod").await;
    fs::write(installation.path("ca.crt"), authority.pem()).unwrap();
    write_secretly(&installation.path("token"), "of-the-pod");
    let inside = kubernetes
        .replace("/var/run/secrets/kubernetes.io/serviceaccount/", "")
        .replace("jwks_url = \"https://kubernetes.default.svc/openid/v1/jwks\"", &server.setting());
    check(&inside).printed();
    let token = installation.bootstrap();
    let serving = installation.serve(&FLAGS).await;
    let acme = Acme::create(serving.address, &token).await;
    acme.ram_user("alice", "mypassword").await;
    // A projected token has more claims than the rule asks for.
    let mut claims = claims("system:serviceaccount:mail:relay");
    claims["iss"] = json!("https://kubernetes.default.svc.cluster.local");
    claims["aud"] = json!(["credentiald"]);
    claims["kubernetes.io"] = json!({ "namespace": "mail", "serviceaccount": { "name": "relay" } });
    let pod = |claims: &serde_json::Value| Client::new(serving.address).with_token(&key.token(claims));
    let verified = pod(&claims).ok("VerifyPassword", verification("alice", "mypassword")).await;
    assert_eq!(verified["result"], "MATCHED_CURRENT");
    claims["sub"] = json!("system:serviceaccount:other:relay");
    pod(&claims).err("VerifyPassword", verification("alice", "mypassword"), "UNAUTHENTICATED").await;
    serving.stop().await;
}
