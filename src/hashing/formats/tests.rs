//! Tests of what each format accepts, what it refuses, and what it counts as.

use proptest::prelude::*;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use super::*;
use crate::hashing::cost::Cost;

const SALT: &str = "MDEyMzQ1Njc4OWFiY2RlZg";
const TAG: &str = "xvTPsSIOKh7n/JBzSpsmAHJVW33f6iIJyWiuPi89lBM";
const BCRYPT: &str = "abcdefghijklmnopqrstuuqR2uuDorzuqQLTtL7Oj8K/e7dgq/Feq";
const SHA256_CRYPT: &str = "frHR6Ix2hKx9/57A5HTF6sr1Ywqynok5BQyevWPs1Z7";

fn parse(text: &str) -> Result<Stored, HashProblem> {
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
fn every_form_is_kept_in_one() {
    let sixteen = "MDEyMzQ1Njc4OWFiY2RlZg==";
    let hex_salt = "30313233343536373839616263646566";
    let hex_tag = "c6f4cfb1220e2a1ee7fc90734a9b260072555b7ddfea2209c968ae3e2f3d9413";
    let bcrypt = format!("$2b$12${BCRYPT}");
    let symfony = format!("$bcrypt-symfony$12${BCRYPT}");
    let bun = format!("$bcrypt-bun$12${BCRYPT}");
    let flask_bcrypt = format!("$bcrypt-hex-sha256$12${BCRYPT}");
    let pbkdf2 = format!("$pbkdf2-sha256$i=1000${SALT}${TAG}");
    let scrypt = format!("$scrypt$ln=14,r=8,p=1${SALT}${TAG}");
    let argon2 = format!("$argon2id$v=19$m=4096,t=3,p=1${SALT}${TAG}");
    let sha_crypt = format!("$5$rounds=5000$sixteencharacter${SHA256_CRYPT}");
    for (text, normal_form) in [
        (format!("$2a$12${BCRYPT}"), &bcrypt),
        (format!("$2y$12$abcdefghijklmnopqrstux{}", &BCRYPT[22..]), &bcrypt),
        (format!("{{blf-crypt}}$2y$12${BCRYPT}"), &bcrypt),
        (format!("{{CRYPT}}$2y$12${BCRYPT}"), &bcrypt),
        (format!("{{symfony}}$2y$12${BCRYPT}"), &symfony),
        (format!("{{symfony}}$argon2id$v=19$m=4096,t=3,p=1${SALT}${TAG}"), &argon2),
        (format!("{{bun}}$2b$12${BCRYPT}"), &bun),
        (format!("{{flask-bcrypt}}$2b$12${BCRYPT}"), &flask_bcrypt),
        (format!("bcrypt$$2b$12${BCRYPT}"), &bcrypt),
        (format!("alice:$2y$12${BCRYPT}"), &bcrypt),
        (format!("alice:{{CRYPT}}$2y$12${BCRYPT}"), &bcrypt),
        (format!("$argon2id$v=19$m=4096,p=1,t=3${SALT}${TAG}"), &argon2),
        (format!("argon2$argon2id$v=19$m=4096,t=3,p=1${SALT}${TAG}"), &argon2),
        (format!("argon2:$argon2id$v=19$m=4096,t=3,p=1${SALT}${TAG}"), &argon2),
        (format!("{{ARGON2}}$argon2id$v=19$t=3,m=4096,p=1${SALT}${TAG}"), &argon2),
        (format!("$pbkdf2-sha256$1000${SALT}${}", TAG.replace('+', ".")), &pbkdf2),
        (format!("{{PBKDF2-SHA256}}1000${SALT}${}", TAG.replace('+', ".")), &pbkdf2),
        (format!("{{PBKDF2-SHA256}}1000${sixteen}${TAG}="), &pbkdf2),
        (format!("$pbkdf2-sha256$i=1000,l=32${sixteen}${TAG}="), &pbkdf2),
        (format!("pbkdf2_sha256$1000$0123456789abcdef${TAG}="), &pbkdf2),
        (format!("pbkdf2:sha256:1000$0123456789abcdef${hex_tag}"), &pbkdf2),
        (format!("{{X-PBKDF2}}HMACSHA2+256:AAAD6A:{sixteen}:{TAG}="), &pbkdf2),
        (format!("$scrypt$n=16384,r=8,p=1${SALT}${TAG}"), &scrypt),
        (format!("$scrypt$ln=16384,p=1,r=8${sixteen}${TAG}="), &scrypt),
        (format!("scrypt$16384$0123456789abcdef$8$1${TAG}="), &scrypt),
        (format!("scrypt:16384:8:1$0123456789abcdef${hex_tag}"), &scrypt),
        (format!("$s1$0e0801${sixteen}${TAG}="), &scrypt),
        (format!("16384$8$1${hex_salt}${hex_tag}"), &scrypt),
        (format!("{{scrypt}}$e0801${sixteen}${TAG}="), &scrypt),
        (format!("{{scrypt@SpringSecurity_v5_8}}$0e0801${sixteen}${TAG}="), &scrypt),
        (format!("{{argon2@SpringSecurity_v5_8}}$argon2id$v=19$m=4096,t=3,p=1${SALT}${TAG}"), &argon2),
        (format!("$5$sixteencharacter${SHA256_CRYPT}"), &sha_crypt),
        (format!("$5$rounds=5000$sixteencharacters${SHA256_CRYPT}"), &sha_crypt),
        (format!("{{SHA256-CRYPT}}$5$sixteencharacter${SHA256_CRYPT}"), &sha_crypt),
    ] {
        assert_eq!(&parse(&text).map(|read| read.to_string()), &Ok(normal_form.clone()), "{text}");
        assert_eq!(&parse(normal_form).map(|read| read.to_string()), &Ok(normal_form.clone()));
    }
}

/// Some of the problems, in words.
#[test]
fn a_problem_names_the_part_the_bound_and_what_helps() {
    for (text, words, reason) in [
        (
            format!("$argon2id$v=19$m=65536,t=3,p=4${SALT}${TAG}"),
            "takes 65536 KiB, at most 47104 are verified: set `hashing.ceiling_kib` to 65536 or more",
            "OUT_OF_RANGE",
        ),
        (
            format!("$scrypt$ln=16,r=8,p=1${SALT}${TAG}"),
            "takes 65538 KiB, at most 47104 are verified: set `hashing.ceiling_kib` to 65538 or more",
            "OUT_OF_RANGE",
        ),
        (
            format!("$argon2id$v=19$m=4096,t=17,p=1${SALT}${TAG}"),
            "its passes (t) must be between 1 and 16, found 17",
            "OUT_OF_RANGE",
        ),
        (
            format!("$argon2id$v=19$m=2097153,t=1,p=1${SALT}${TAG}"),
            "its memory in KiB must be between 0 and 2097152, found 2097153",
            "OUT_OF_RANGE",
        ),
        (format!("$2b$16${BCRYPT}"), "its cost must be between 4 and 15, found 16", "OUT_OF_RANGE"),
        (
            format!("$argon2id$v=19$m=4096,t=1,p=1$AAAA${TAG}"),
            "its salt's length in bytes must be between 8 and 48, found 3",
            "OUT_OF_RANGE",
        ),
        (format!("$argon2id$v=19$m=4096,t=1,p=1${SALT}$*"), "its tag can't be read: expected base64", "MALFORMED"),
        (
            format!("$argon2id$v=19$m=4096,t=1${SALT}${TAG}"),
            "its parameters can't be read: expected `m=`, `t=` and `p=`, each once",
            "MALFORMED",
        ),
        (
            format!("$argon2id$v=19$m=8192,t=3,p=4,data=dXNlci0x${SALT}${TAG}"),
            "this is argon2 with associated data or a key (`data=`, `keyid=`), which can't be imported: \
             they are not in the string",
            "ALGORITHM_NOT_SUPPORTED",
        ),
        (
            "{CRYPT}kDTVESnD/I60IjHb.h83sCQA".to_owned(),
            "this is DES crypt, which can't be imported: it is too weak to be kept; reset the password",
            "ALGORITHM_NOT_SUPPORTED",
        ),
        (
            format!("{{firebase}}MDEy${TAG}"),
            "this is firebase-scrypt, and its key is missing: add it to `import.keys_file` or `import.keys`",
            "KEY_MISSING",
        ),
        ("plain".to_owned(), "has no known form: it begins like no hash that can be read", "MALFORMED"),
        ("x".repeat(513), "is 513 bytes long, at most 512 are read", "TOO_LONG"),
    ] {
        let problem = parse(&text).err().unwrap();
        assert_eq!((problem.to_string().as_str(), problem.reason()), (words, reason), "{text}");
    }
}

#[test]
fn what_is_not_a_hash_that_verifies_is_named() {
    for (text, name) in [
        ("*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19".to_owned(), "MySQL's native hash, SHA-1 without a salt"),
        ("*".to_owned(), "a locked account"),
        ("!".to_owned(), "a locked account"),
        ("!$6$salt$tag".to_owned(), "a locked account"),
        ("alice:!".to_owned(), "a locked account"),
        ("alice:*".to_owned(), "a locked account"),
        ("alice:!:19000:0:99999:7:::".to_owned(), "a whole line of a password file"),
        (format!("alice:$5$salt${SHA256_CRYPT}:19000:0:99999:7:::"), "a whole line of a password file"),
        ("alice:x:1000:1000:Alice:/home/alice:/bin/sh".to_owned(), "a whole line of a password file"),
        ("{SSHA384}AAAA".to_owned(), "salted SHA-384"),
        ("{SSHA224}AAAA".to_owned(), "salted SHA-224"),
        (format!("U$S$5saltsalt{SHA256_CRYPT}"), "Drupal 7's hash of an MD5 from Drupal 6"),
        ("{noop}password".to_owned(), "a password, not a hash"),
        ("{pbkdf2@ours}00".to_owned(), "Spring's PBKDF2 under another name"),
    ] {
        match parse(&text).err() {
            Some(HashProblem::NotSupported { algorithm, .. }) => assert_eq!(algorithm, name, "{text}"),
            other => panic!("{text}: {other:?}"),
        }
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
        "$2b$05$".to_owned(),
        format!("$scrypt$ln=16,r=8,p=1${SALT}${TAG}"),
        format!("$scrypt$ln=63,r=8,p=1${SALT}${TAG}"),
        format!("$scrypt$ln=64,r=8,p=1${SALT}${TAG}"),
        format!("$scrypt$ln=255,r=8,p=1${SALT}${TAG}"),
        format!("$scrypt$ln=257,r=8,p=1${SALT}${TAG}"),
        format!("$scrypt$ln=14,r=4294967295,p=1${SALT}${TAG}"),
        format!("$scrypt$ln=14,r=8,p=17${SALT}${TAG}"),
        format!("$scrypt$ln=1,r=8,p=4294967295${SALT}${TAG}"),
        format!("$scrypt$ln=0,r=8,p=1${SALT}${TAG}"),
        format!("$scrypt$ln=14,r=0,p=1${SALT}${TAG}"),
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
        format!("$y$j9T$salt${SHA256_CRYPT}$"),
        "$y$j9T$$kaRVRsp/EX5CkwKM7dDsdAQRYMJ7yUA7U/CFWMBJgK2".to_owned(),
        "$y$jUT$salt$kaRVRsp/EX5CkwKM7dDsdAQRYMJ7yUA7U/CFWMBJgK2".to_owned(),
        "$y$j9T0$salt$kaRVRsp/EX5CkwKM7dDsdAQRYMJ7yUA7U/CFWMBJgK2".to_owned(),
        "$P$Ksaltsalt27iVSQMqI2QcZ3Ewd8yLX.".to_owned(),
        "$P$4saltsalt27iVSQMqI2QcZ3Ewd8yLX.".to_owned(),
        format!("$S$Ksaltsalt{SHA256_CRYPT}"),
        format!("{{SSHA256}}{TAG}="),
        format!("$A$001$twentycharactersalt!{SHA256_CRYPT}"),
        format!("$A$+05$twentycharactersalt!{SHA256_CRYPT}"),
        format!("{{X-PBKDF2}}sha256:AAAD6A:{SALT}==:{TAG}="),
        format!("$bcrypt-sha256$v=2,t=2b,4${}${}", &BCRYPT[..22], &BCRYPT[22..]),
        format!("$bcrypt-sha256$v=2,t=2y,r=4${}${}", &BCRYPT[..22], &BCRYPT[22..]),
        format!("$bcrypt-sha256$2y,4${}${}", &BCRYPT[..22], &BCRYPT[22..]),
        format!("$pbkdf2-sha256$1000${SALT}${TAG}="),
        "{PBKDF2_SHA256}AAAD6A==".to_owned(),
        format!("$A$00G$twentycharactersalt!{SHA256_CRYPT}"),
        format!("$A$005$short{SHA256_CRYPT}"),
        "0x244124".to_owned(),
        format!("$scram-sha-256$i=10000001${SALT}${TAG}"),
        format!("$pbkdf2-sha256$i=1000$${TAG}"),
        format!("$pbkdf2-sha256$i=1000${SALT}${}", "A".repeat(200)),
        format!("$pbkdf2-sha256$i=1000${}${TAG}", "A".repeat(100)),
        format!("$2b$05${}/", &BCRYPT[..52]),
        format!("$pbkdf2-sha256$i=1000${long}${TAG}"),
        format!("$5$rounds=5000001$salt${SHA256_CRYPT}"),
        format!("$5$rounds=999999999$salt${SHA256_CRYPT}"),
        format!("$5$rounds=999$salt${SHA256_CRYPT}"),
        format!("$5$rounds=05000$salt${SHA256_CRYPT}"),
        format!("$5$rounds=5000$rounds=5000$salt${SHA256_CRYPT}"),
        format!("$5$rounds=5000${SHA256_CRYPT}"),
        format!("$5$sa lt${SHA256_CRYPT}"),
        format!("$5$salt${SHA256_CRYPT}."),
        format!("$6$salt${SHA256_CRYPT}"),
        format!("$1$salt${SHA256_CRYPT}"),
        format!("$wp$2y$16${BCRYPT}"),
        format!("$bcrypt-sha256$v=3,t=2b,r=4${}${}", &BCRYPT[..22], &BCRYPT[22..]),
        format!("$7${SALT}${TAG}"),
        "rl0uE7f5fBAOY".to_owned(),
    ];
    for text in hostile {
        assert!(parse(&text).is_err(), "{text:.200}");
    }
}

#[test]
fn the_smallest_yescrypt_is_computed() {
    for (n, r) in "/0123456".chars().flat_map(|n| "./0123".chars().map(move |r| (n, r))) {
        let text = format!("$y$j{n}{r}$salt$kaRVRsp/EX5CkwKM7dDsdAQRYMJ7yUA7U/CFWMBJgK2");
        let method = parse(&text).unwrap().method;
        assert_eq!(method.description().0, "yescrypt");
        if let Method::Foreign(foreign) = method {
            assert_eq!(foreign.compute(b"x").unwrap().len(), 32, "{text}");
        }
    }
}

#[test]
fn work_is_bounded_for_every_string_that_is_read() {
    let dearest = [
        format!("$2b$15${BCRYPT}"),
        format!("$scrypt$ln=15,r=8,p=16${SALT}${TAG}"),
        format!("$pbkdf2-sha512$i=10000000${SALT}${TAG}"),
        format!("$5$rounds=5000000$salt${SHA256_CRYPT}"),
        format!("$scram-sha-256$i=10000000${SALT}${TAG}"),
    ];
    for text in dearest {
        let work = parse(&text).unwrap().method.work(20);
        assert!((1_000_000..=10_000_000).contains(&work), "{text}: {work}");
    }
}

proptest! {
    #[test]
    fn no_string_panics(
        name in "(2a|2b|5|6|7|1|y|P|S|wp|scrypt|pbkdf2-sha256|pbkdf2-sha512|pbkdf2|bcrypt-sha256|scram-sha-256|s1|ssha)",
        text in "([$,=.]|ln=|r=|p=|i=|l=|rounds=|[0-9]{1,3}|[0-9a-zA-Z+/]{1,30}|\u{e9}){0,12}",
    ) {
        let _ = parse(&format!("${name}${text}"));
    }
}

/// One of each method, as cheap as possible.
fn methods() -> Vec<Arc<dyn Foreign>> {
    let texts = [
        format!("$2b$04${BCRYPT}"),
        format!("$pbkdf2-sha256$i=1${SALT}${TAG}"),
        format!("$pbkdf2-sha512$i=1${SALT}${TAG}"),
        format!("$scrypt$ln=1,r=1,p=1${SALT}${TAG}"),
        format!("$5$rounds=1000$salt${SHA256_CRYPT}"),
        format!("$6$rounds=1000$salt${SHA256_CRYPT}{SHA256_CRYPT}"),
        format!("$pbkdf2-sha1$i=1${SALT}$7zmcaUS/yZs9nJYkBFUjsTvmI9A"),
        "$1$salt$27iVSQMqI2QcZ3Ewd8yLX.".to_owned(),
        "$apr1$salt$27iVSQMqI2QcZ3Ewd8yLX.".to_owned(),
        format!("$ssha256$c2FsdA${TAG}"),
        "$P$5saltsalt27iVSQMqI2QcZ3Ewd8yLX.".to_owned(),
        format!("$S$5saltsalt{SHA256_CRYPT}"),
        format!("$wp$2y$04${BCRYPT}"),
        format!("$bcrypt-hex-sha256$04${BCRYPT}"),
        format!("$bcrypt-symfony$04${BCRYPT}"),
        format!("$bcrypt-bun$04${BCRYPT}"),
        format!("$bcrypt-sha256$2b,4${}${}", &BCRYPT[..22], &BCRYPT[22..]),
        format!("$bcrypt-sha256$v=2,t=2b,r=4${}${}", &BCRYPT[..22], &BCRYPT[22..]),
        "$y$j/5$salt$kaRVRsp/EX5CkwKM7dDsdAQRYMJ7yUA7U/CFWMBJgK2".to_owned(),
        format!("$scram-sha-256$i=1${SALT}${TAG}"),
        format!("$caching-sha2$rounds=5000$MDEyMzQ1Njc4OWFiY2RlZjAxMjM${SHA256_CRYPT}"),
    ];
    let method = |text: &String| match parse(text).unwrap().method {
        Method::Foreign(foreign) => Some(foreign),
        Method::Argon2(_) | Method::Keyed(_) => None,
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
        Sha1::digest(password).to_vec(),
        Sha256::digest(password).to_vec(),
        Sha512::digest(password).to_vec(),
    ];
    found.retain(|other| other != password && !other.is_empty());
    found
}

fn verifies(method: &Arc<dyn Foreign>, made: &Tag, password: &[u8]) -> bool {
    Stored { method: Method::Foreign(method.clone()), tag: made.clone() }.is_of(&method.compute(password).unwrap())
}

/// Whether the passwords differ only in the end that bcrypt is documented to ignore.
fn is_cut_alike(method: &Arc<dyn Foreign>, one: &[u8], other: &[u8]) -> bool {
    let is_cut = |password| !method.takes_all_of(password);
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
            let made = method.tag_of(&password).unwrap();
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
            let made = method.tag_of(password).unwrap();
            let others = lookalikes(password).into_iter().filter(|other| verifies(&method, &made, other));
            let others: Vec<_> = others.filter(|other| !is_cut_alike(&method, password, other)).collect();
            prop_assert!(verifies(&method, &made, password) && others.is_empty(), "{method:?}: {others:?}");
        }
    }
}
