//! No text makes the parsers of tokens and of sets of keys panic, and an object is read as `serde_json` reads it, or refused.

use credentiald::jwt::fuzzing::{parse_jwt, parse_key_set, parse_object};

use crate::texts;

pub fn run(bytes: &[u8]) {
    parse_key_set(bytes);
    if let (Some(strict), lax) = parse_object(bytes) {
        assert_eq!(Some(strict), lax);
    }
    if let Some(signed) = std::str::from_utf8(bytes).ok().and_then(parse_jwt) {
        assert!(signed.matches('.').count() == 1 && bytes.starts_with(signed.as_bytes()));
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    texts(&[
        // {"alg":"EdDSA","kid":"a"} and {"iss":"i","sub":"s","aud":"a","exp":1}
        "eyJhbGciOiJFZERTQSIsImtpZCI6ImEifQ.eyJpc3MiOiJpIiwic3ViIjoicyIsImF1ZCI6ImEiLCJleHAiOjF9.AAAA",
        r#"{"iss":"https://issuer.example","aud":["a","b"],"exp":1700000000,"nbf":1,"cnf":{"x5t#S256":"AA"}}"#,
        r#"{"a":1,"a":2}"#,
        r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#,
        r#"{"keys":[{"kty":"EC","crv":"P-256","use":"sig","alg":"ES256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}"#,
        r#"{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"},{"kty":"oct","k":"AA"}]}"#,
    ])
}
