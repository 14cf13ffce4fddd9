//! Tests of what each format accepts, what it refuses, and what it counts as.

use proptest::prelude::*;
use sha2::{Digest, Sha256, Sha512};

use super::*;
use crate::hashing::cost::Cost;

const SALT: &str = "MDEyMzQ1Njc4OWFiY2RlZg";
const TAG: &str = "xvTPsSIOKh7n/JBzSpsmAHJVW33f6iIJyWiuPi89lBM";
const BCRYPT: &str = "abcdefghijklmnopqrstuuqR2uuDorzuqQLTtL7Oj8K/e7dgq/Feq";
const SHA256_CRYPT: &str = "frHR6Ix2hKx9/57A5HTF6sr1Ywqynok5BQyevWPs1Z7";

fn parse(text: &str) -> Result<Stored, &'static str> {
    Stored::parse(text, Ceiling::of(Cost::DEFAULT))
}

fn described(text: &str) -> (&'static str, String) {
    parse(text).unwrap().method.description()
}

#[test]
fn each_format_is_read() {
    for (text, algorithm, parameters) in [
        (format!("$2y$12${BCRYPT}"), "bcrypt", "cost=12"),
        (format!("$scrypt$ln=15,r=8,p=2${SALT}${TAG}"), "scrypt", "ln=15,r=8,p=2"),
        (format!("$pbkdf2-sha256$i=600000${SALT}${TAG}"), "pbkdf2-sha256", "i=600000"),
        (format!("$pbkdf2-sha512$i=210000,l=32${SALT}${TAG}"), "pbkdf2-sha512", "i=210000"),
        (format!("$pbkdf2-sha256$29000${SALT}${}", TAG.replace('+', ".")), "pbkdf2-sha256", "i=29000"),
        (format!("$5$saltstring${SHA256_CRYPT}"), "sha256-crypt", "rounds=5000"),
        (format!("$6$rounds=10000$s${SHA256_CRYPT}{SHA256_CRYPT}"), "sha512-crypt", "rounds=10000"),
        (format!("$argon2i$v=16$m=4096,t=3,p=1${SALT}${TAG}"), "argon2i", "v=16,m=4096,t=3,p=1"),
    ] {
        assert_eq!(described(&text), (algorithm, parameters.to_owned()));
    }
}

#[test]
fn hostile_strings_are_refused() {
    let long = "A".repeat(1 << 20);
    let hostile = [
        format!("$2b$16${BCRYPT}"),
        format!("$2b$31${BCRYPT}"),
        format!("$2b$03${BCRYPT}"),
        format!("$2b$5${BCRYPT}"),
        format!("$2b$+5${BCRYPT}"),
        format!("$2b$005${BCRYPT}"),
        format!("$2x$05${BCRYPT}"),
        format!("$2$05${BCRYPT}"),
        format!("$2b$05${BCRYPT}A"),
        format!("$2b$05$\u{e9}{}", &BCRYPT[2..]),
        format!("$2b$05${}", &BCRYPT[..52]),
        format!("$2b$05$abcdefghijklmnopqrstuv{}", &BCRYPT[22..]),
        "$2b$05$".to_owned(),
        format!("$scrypt$ln=16,r=8,p=1${SALT}${TAG}"),
        format!("$scrypt$ln=63,r=8,p=1${SALT}${TAG}"),
        format!("$scrypt$ln=64,r=8,p=1${SALT}${TAG}"),
        format!("$scrypt$ln=255,r=8,p=1${SALT}${TAG}"),
        format!("$scrypt$ln=256,r=8,p=1${SALT}${TAG}"),
        format!("$scrypt$ln=14,r=4294967295,p=1${SALT}${TAG}"),
        format!("$scrypt$ln=14,r=8,p=17${SALT}${TAG}"),
        format!("$scrypt$ln=1,r=8,p=4294967295${SALT}${TAG}"),
        format!("$scrypt$ln=0,r=8,p=1${SALT}${TAG}"),
        format!("$scrypt$ln=14,r=0,p=1${SALT}${TAG}"),
        format!("$scrypt$r=8,ln=14,p=1${SALT}${TAG}"),
        format!("$scrypt$ln=14,r=8,p=1,p=1${SALT}${TAG}"),
        format!("$scrypt$ln=014,r=8,p=1${SALT}${TAG}"),
        format!("$scrypt$ln=14,r=8,p=1${SALT}$AAAA"),
        format!("$scrypt$ln=14,r=8,p=1${SALT}${TAG}$"),
        format!("$pbkdf2-sha256$i=10000001${SALT}${TAG}"),
        format!("$pbkdf2-sha256$i=4294967295${SALT}${TAG}"),
        format!("$pbkdf2-sha256$i=0${SALT}${TAG}"),
        format!("$pbkdf2-sha256$i=1,i=1${SALT}${TAG}"),
        format!("$pbkdf2-sha256$i=1000,l=31${SALT}${TAG}"),
        format!("$pbkdf2-sha256$i=1000,l=032${SALT}${TAG}"),
        format!("$pbkdf2-sha256$i=1000${SALT}${TAG}AAAAAAAAAAAAAAAAAAAAAA"),
        format!("$pbkdf2-sha512$i=1000${SALT}${}", "A".repeat(90)),
        format!("$pbkdf2-sha256$i=1000$AAAA${TAG}"),
        format!("$pbkdf2-sha1$i=1000${SALT}${TAG}"),
        format!("$pbkdf2-sha256$i=1000${long}${TAG}"),
        format!("$5$rounds=5000001$salt${SHA256_CRYPT}"),
        format!("$5$rounds=999999999$salt${SHA256_CRYPT}"),
        format!("$5$rounds=999$salt${SHA256_CRYPT}"),
        format!("$5$rounds=05000$salt${SHA256_CRYPT}"),
        format!("$5$rounds=5000$rounds=5000$salt${SHA256_CRYPT}"),
        format!("$5$rounds=5000${SHA256_CRYPT}"),
        format!("$5$${SHA256_CRYPT}"),
        format!("$5$seventeencharacte${SHA256_CRYPT}"),
        format!("$5$sa lt${SHA256_CRYPT}"),
        format!("$5$salt${SHA256_CRYPT}."),
        format!("$6$salt${SHA256_CRYPT}"),
        format!("$1$salt${SHA256_CRYPT}"),
        format!("$7${SALT}${TAG}"),
        "rl0uE7f5fBAOY".to_owned(),
    ];
    for text in hostile {
        assert!(parse(&text).is_err(), "{text:.200}");
    }
}

#[test]
fn work_is_bounded_for_every_string_that_is_read() {
    let dearest = [
        format!("$2b$15${BCRYPT}"),
        format!("$scrypt$ln=15,r=8,p=16${SALT}${TAG}"),
        format!("$pbkdf2-sha512$i=10000000${SALT}${TAG}"),
        format!("$5$rounds=5000000$salt${SHA256_CRYPT}"),
    ];
    for text in dearest {
        let work = parse(&text).unwrap().method.work(20);
        assert!((1_000_000..=10_000_000).contains(&work), "{text}: {work}");
    }
}

proptest! {
    #[test]
    fn no_string_panics(
        name in "(2a|2b|5|6|scrypt|pbkdf2-sha256|pbkdf2-sha512)",
        text in "([$,=.]|ln=|r=|p=|i=|l=|rounds=|[0-9]{1,3}|[0-9a-zA-Z+/]{1,30}|\u{e9}){0,12}",
    ) {
        let _ = parse(&format!("${name}${text}"));
    }
}

/// One of each method, as cheap as possible.
fn methods() -> Vec<Foreign> {
    let texts = [
        format!("$2b$04${BCRYPT}"),
        format!("$pbkdf2-sha256$i=1${SALT}${TAG}"),
        format!("$pbkdf2-sha512$i=1${SALT}${TAG}"),
        format!("$scrypt$ln=1,r=1,p=1${SALT}${TAG}"),
        format!("$5$rounds=1000$salt${SHA256_CRYPT}"),
        format!("$6$rounds=1000$salt${SHA256_CRYPT}{SHA256_CRYPT}"),
    ];
    let method = |text: &String| match parse(text).unwrap().method {
        Method::Foreign(foreign) => Some(foreign),
        Method::Argon2(_) => None,
    };
    texts.iter().filter_map(method).collect()
}

/// Passwords that a method could mistake for that one.
fn lookalikes(password: &[u8]) -> Vec<Vec<u8>> {
    let padded = |length: usize| {
        let mut padded = password.to_vec();
        padded.resize(length.max(password.len() + 1), 0);
        padded
    };
    let mut found = vec![
        padded(0),
        padded(32),
        padded(64),
        padded(72),
        padded(128),
        padded(129),
        [password, &[0], password].concat(),
        password.repeat(2),
        [password, b"x"].concat(),
        password[..password.len() - 1].to_vec(),
        password.iter().copied().take(72).collect(),
        password.iter().copied().take_while(|byte| *byte != 0).collect(),
        Sha256::digest(password).to_vec(),
        Sha512::digest(password).to_vec(),
    ];
    found.retain(|other| other != password && !other.is_empty());
    found
}

fn verifies(method: &Foreign, made: &Tag, password: &[u8]) -> bool {
    Stored { method: Method::Foreign(method.clone()), tag: made.clone() }.is_of(&method.compute(password).unwrap())
}

/// Whether the passwords differ only in the end that bcrypt is documented to ignore.
fn is_cut_alike(method: &Foreign, one: &[u8], other: &[u8]) -> bool {
    let is_cut = |password| !Method::Foreign(method.clone()).takes_all_of(password);
    is_cut(one) && is_cut(other) && one[..72] == other[..72]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn what_verifies_is_what_was_hashed_or_differs_in_what_the_format_ignores(
        text in "([a-d]|\u{e9}|e\u{301}|\0){1,8}", times in 1_usize..=20,
    ) {
        let password = text.repeat(times).into_bytes();
        for method in methods() {
            let made = method.compute_any(&password).unwrap();
            prop_assert_eq!(verifies(&method, &made, &password), method.is_what_was_hashed(&password));
            for other in lookalikes(&password) {
                if !verifies(&method, &made, &other) {
                    continue;
                }
                // A hash that does not show where the password ends counts as made from the one that could be typed.
                let is_the_typed_one = !method.is_what_was_hashed(&password);
                prop_assert!(is_the_typed_one || is_cut_alike(&method, &password, &other), "{method:?}: {other:?}");
            }
        }
    }

    #[test]
    fn of_the_passwords_that_share_a_tag_one_verifies(text in "[a-d]{1,100}") {
        let password = text.as_bytes();
        for method in methods() {
            let made = method.compute_any(password).unwrap();
            let others = lookalikes(password).into_iter().filter(|other| verifies(&method, &made, other));
            let others: Vec<_> = others.filter(|other| !is_cut_alike(&method, password, other)).collect();
            prop_assert!(verifies(&method, &made, password) && others.is_empty(), "{method:?}: {others:?}");
        }
    }
}
