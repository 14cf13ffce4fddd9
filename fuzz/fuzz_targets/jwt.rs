//! No text makes the parsers of tokens and of sets of keys panic, and an object is read as `serde_json` reads it, or refused.
#![no_main]

use credentiald::jwt::fuzzing::{parse_jwt, parse_key_set, parse_object};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    parse_key_set(bytes);
    if let (Some(strict), lax) = parse_object(bytes) {
        assert_eq!(Some(strict), lax);
    }
    if let Some(signed) = std::str::from_utf8(bytes).ok().and_then(parse_jwt) {
        assert!(signed.matches('.').count() == 1 && bytes.starts_with(signed.as_bytes()));
    }
});
