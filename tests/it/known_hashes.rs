//! Hashes made by other implementations verify for ever.

mod forms;
mod published;

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use credentiald::ambient::{SystemClock, SystemEntropy};
use credentiald::domain::credential::PasswordHash;
use credentiald::domain::names::TenantName;
use credentiald::domain::password::Password;
use credentiald::domain::password_form::PasswordForm;
use credentiald::hashing::{Ceiling, Cost, EngineSettings, HashEngine, KernelSetting};
use credentiald::ports::{AdmittedHashes, Clock, Deadline, HashDemand, Hasher, HasherError};

const PASSWORD: &str = "Tr0ub4dor&3 \u{e9}";
/// What is returned of a password that matches as it is.
const NFC: Result<Option<PasswordForm>, HasherError> = Ok(Some(PasswordForm::Nfc));

/// By argon2-cffi 25 with libargon2, of [`PASSWORD`]; the first and the last also by Debian's `argon2` tool.
const KNOWN: [&str; 8] = [
    "$argon2id$v=19$m=47104,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$xvTPsSIOKh7n/JBzSpsmAHJVW33f6iIJyWiuPi89lBM",
    "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$BXndOOLBet0oq0DZ4Mw9NnMdyVmZR8r7AK8Gr+UNlz4",
    "$argon2id$v=19$m=19456,t=2,p=4$MDEyMzQ1Njc4OWFiY2RlZg$U6n2J2O7NzbYLdHLouzyAMQzDhEYWPH8p749oPba3GA",
    "$argon2id$v=19$m=7168,t=5,p=1$MDEyMzQ1Njc4OWFiY2RlZg$+LHgzBUa4UYtpGYpEE2hSa9Il/XZsJ0sLB2+v/6MZJU",
    "$argon2id$v=19$m=12288,t=3,p=2$c2FsdHNhbHQ$2A4oN7LU0UEvMUtEeHUTICvUiFCQdXeEBu4RmtMteWfLHkKgumC2gWihln3+qpIPYyktcr/wiS6Uy++vtJn70g",
    "$argon2i$v=19$m=4096,t=3,p=1$MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY$wIxzdPp4DqlgRE10yDOubg",
    "$argon2d$v=19$m=4096,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$spu4q8PKiYnyTTXmrFxyv+p/v/8QW88BxW2iOoxm5dI",
    "$argon2id$v=16$m=4096,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$HZ/25QIPA6z7eO3gGQ/qM7vlwFFaSEs3T2pq+9GnWzs",
];

/// Also of [`PASSWORD`]: by the Python packages `bcrypt` 5 and `passlib` 1.7, by Python's `hashlib` (OpenSSL), and by
/// libxcrypt. `openssl passwd` makes the same of `$5$saltstring` and `$6$saltstring`.
const FOREIGN: [&str; 18] = [
    "$2b$05$abcdefghijklmnopqrstuuqR2uuDorzuqQLTtL7Oj8K/e7dgq/Feq",
    "$2y$05$abcdefghijklmnopqrstuuqR2uuDorzuqQLTtL7Oj8K/e7dgq/Feq",
    "$2a$06$CCCCCCCCCCCCCCCCCCCCC.LK/tTnXTKRJOGTFdtDAH0n.fjzMbbGG",
    "$2b$10$abcdefghijklmnopqrstuuyQv8vsWhQjcCeXJ4PJbGCDPdxsB6RNO",
    "$scrypt$ln=14,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$UVqN8uKhGwjqycxqsRmblmUULyWw2cY2llROA/GmSYU",
    "$scrypt$ln=10,r=4,p=3$MDEyMzQ1Njc4OWFiY2RlZg$yW+VRVPG5FPRrIHp+dqJf2w83ob7Ee+NnZGRNTSC8mA",
    "$scrypt$ln=12,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$VmIEZaeKkiRB5KF9UtmzQYZmJ79O6oC5BzVQjVkd1o3CMmPJxlRYIw3rhEKCIYOchNDlDWHVyUhfvuzcIZ8mgQ",
    "$pbkdf2-sha256$29000$MDEyMzQ1Njc4OWFiY2RlZg$f9l1Zhm2aQC8YoY43s3vfD.ErgWUFU4ni8wj7jFR9Qw",
    "$pbkdf2-sha256$i=29000$MDEyMzQ1Njc4OWFiY2RlZg$f9l1Zhm2aQC8YoY43s3vfD+ErgWUFU4ni8wj7jFR9Qw",
    "$pbkdf2-sha256$i=600000,l=32$MDEyMzQ1Njc4OWFiY2RlZg$vxd2BNPHUTWmwMtqfRqteQGLvvOWmfLBg0Dk2qtKKGI",
    "$pbkdf2-sha512$25000$MDEyMzQ1Njc4OWFiY2RlZg$diKcx8VwHIBAMwMWt5ml1NBJngSmR6abE66yd6Y5A3T3YsArVesIK3f2GP9/UixcW7trr5l.KMIVqsFwHNBaaA",
    "$pbkdf2-sha512$i=1000$MDEyMzQ1Njc4OWFiY2RlZg$rF+Pgthv0PflQ4Chk/Ob5cI0adj84m1nM6QNbVEq80StPrPoEIuDMWjEoV+EMIzmGwOMZ4lFjFuUnrMaxIG6/Q",
    "$5$saltstring$frHR6Ix2hKx9/57A5HTF6sr1Ywqynok5BQyevWPs1Z7",
    "$5$rounds=5000$saltstring$frHR6Ix2hKx9/57A5HTF6sr1Ywqynok5BQyevWPs1Z7",
    "$5$rounds=10000$toolongsaltstrin$EjqHF4ScBjgRRC3dJdkSIUxGEEaiujWTpjqGH/rx8S1",
    "$6$saltstring$zSp0vOlKPItpIULXlbly.8OkNhWrboclmg1L7y2whSBqEcOjeGxI7HDouLCv71A2h00UFk5rov4StXyYifwPZ0",
    "$6$rounds=1000$./AZaz09$WzksBS0C9hrdigb96kN90CIN0MSJgtFeOT7NP/vrCN4.Hg7uxQ7tGPde8lvdpEsquQG/H.L1RPlgtJQD5kaW70",
    "$6$rounds=5000$saltstring$zSp0vOlKPItpIULXlbly.8OkNhWrboclmg1L7y2whSBqEcOjeGxI7HDouLCv71A2h00UFk5rov4StXyYifwPZ0",
];

/// Of 300 times `y`, by `passlib`.
const OF_A_LONG_PASSWORD: &str =
    "$6$rounds=1000$s$QX0Jf2.hEEac0uwh3SqR1pyAJlKlWqoXfxBqVdMwpat3rsIfkqF97dM3/GCFzCBcZGftfYLFfyTo9YNe7BuK01";

/// Of 72 times `x`, by `bcrypt`; libxcrypt makes the same of 90 times `x`.
const OF_WHAT_BCRYPT_CUTS: &str = "$2b$05$abcdefghijklmnopqrstuujf8SX2ahXLwp9w/B.Y5XdysS6yR576q";

/// Of `a`, by `bcrypt`.
const OF_ONE_LETTER: &str = "$2b$05$abcdefghijklmnopqrstuu8.veTXNDPV2eEsdpKNczMw2otgh5LnK";

/// Of `cafe` and a combining acute accent, by `bcrypt`.
const OF_A_DECOMPOSED_PASSWORD: &str = "$2b$05$abcdefghijklmnopqrstuukYd4qNHyZ/ow.11gfHuCEngbXKNA6ZG";

/// Of `P`, by Python's `hashlib`.
const OF_ONE_CAPITAL: [&str; 3] = [
    "$pbkdf2-sha256$i=1000$MDEyMzQ1Njc4OWFiY2RlZg$ld1Libq6nznHN5LMuQnnK0lUjMnqRXA43ErrYKuT7hg",
    "$pbkdf2-sha512$i=1000$MDEyMzQ1Njc4OWFiY2RlZg$BJXhclc/FQm3b68Iual14FHzkAs4wbWmcJf7ny0ceDli36AZJCCgTaz+Sd6ryQbTY7apxjutB8TYFzeX5IO7ew",
    "$scrypt$ln=10,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$QfifrKSeud0nBiOkCQapWmu/ukbR3S9Fh+IHvQkQn80",
];

/// Longer than a block of SHA-256, and one in a hundred million whose digest is UTF-8.
const LONG: &str = "correct horse battery staple, and then some more of it: number 0006175451";

/// SHA-256 of [`LONG`], as text.
const DIGEST_OF_LONG: &str = "*\u{7f}E\u{1a}\u{45c}(oUM6U\u{14}\u{15}PS-U\u{8}2XERd\u{17}\u{3b20}\u{6}P\u{b}\u{3}";

/// Of [`LONG`], by Python's `hashlib`.
const OF_LONG: [&str; 2] = [
    "$pbkdf2-sha256$i=1000$MDEyMzQ1Njc4OWFiY2RlZg$2cM7T6t/z6xtxPxgHlbhEt8HUgFsy3Yes94MoY7KNhA",
    "$scrypt$ln=10,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$abx9oFubbPvNDdn1qQeBY51rATE2exdqK8xcIW6hpx4",
];

/// 73 bytes.
const OF_73_BYTES: &str = "0123456789012345678901234567890123456789012345678901234567890123456789ABC";

/// By systems that hash the password before bcrypt: Symfony 5.4 and Bun 1.4 of [`OF_73_BYTES`], Flask-Bcrypt 1.0 of a
/// short one.
const PRE_HASHED: [(&str, &str); 3] = [
    ("{symfony}$2y$05$WlNzPs.BQtA/cuDmrAGxquu.Df0R/21jAW23QotUdqUDsLt2uRZhK", OF_73_BYTES),
    ("{bun}$2b$05$djdEfzwxBSPF31EeU3XYO.3LjLDMFArgS7KRzrq2ollFewwcN/HFu", OF_73_BYTES),
    ("{flask-bcrypt}$2b$05$LKLvRHPr2vv35ZozK6FcuecL2voFka6ZRtwu9RXQ7m2Y7DlETUkJO", "Correct-Horse_7"),
];

fn engine() -> HashEngine {
    engine_with(KernelSetting::Auto, Ceiling::of(Cost::DEFAULT))
}

fn engine_with(kernel: KernelSetting, ceiling: Ceiling) -> HashEngine {
    let workers = NonZeroUsize::new(1);
    let settings = EngineSettings { ceiling, kernel, workers, ..EngineSettings::of(Cost::DEFAULT) };
    HashEngine::start(settings, Arc::new(SystemClock), &SystemEntropy).unwrap()
}

fn admit(engine: &HashEngine, count: u32) -> std::sync::Arc<dyn AdmittedHashes> {
    let deadline = Deadline::at(SystemClock.instant() + Duration::from_hours(1));
    engine.admit(&TenantName::parse("acme").unwrap(), HashDemand { total: count, in_sequence: 1 }, deadline).unwrap()
}

fn password(text: &str) -> Arc<Password> {
    Arc::new(Password::parse(text.to_owned()).unwrap())
}

#[tokio::test]
async fn hashes_of_other_implementations_verify_with_every_kernel() {
    for kernel in [KernelSetting::Auto, KernelSetting::Portable] {
        let engine = engine_with(kernel, Ceiling::of(Cost::DEFAULT));
        let hashes = admit(&engine, 16);
        for known in KNOWN {
            let known = PasswordHash::new(known.to_owned());
            assert_eq!(hashes.verify(password(PASSWORD), &known).await, NFC, "{}", known.expose());
            assert_eq!(hashes.verify(password("Tr0ub4dor&3 e"), &known).await, Ok(None), "{}", known.expose());
        }
    }
}

/// The form in which a password matches, verified as a service does: admitted by what it counts as.
async fn matched(engine: &HashEngine, text: &str, hash: &str) -> Option<PasswordForm> {
    let (password, hash) = (password(text), PasswordHash::new(hash.to_owned()));
    let hashes = admit(engine, engine.cost_of(&password, &hash));
    hashes.verify(password, &hash).await.unwrap_or_else(|error| panic!("{}: {error}", hash.expose()))
}

async fn verified(engine: &HashEngine, text: &str, hash: &str) -> bool {
    matched(engine, text, hash).await.is_some()
}

#[tokio::test]
async fn hashes_of_other_formats_verify() {
    let engine = engine();
    for known in FOREIGN {
        assert!(verified(&engine, PASSWORD, known).await, "{known}");
        assert!(!verified(&engine, "Tr0ub4dor&3 e", known).await, "{known}");
    }
    assert!(verified(&engine, &"y".repeat(300), OF_A_LONG_PASSWORD).await);
    assert!(!verified(&engine, &"y".repeat(299), OF_A_LONG_PASSWORD).await);
}

#[tokio::test]
async fn bcrypt_takes_72_bytes_and_no_nul() {
    let engine = engine();
    assert!(verified(&engine, &"x".repeat(72), OF_WHAT_BCRYPT_CUTS).await);
    assert!(verified(&engine, &"x".repeat(90), OF_WHAT_BCRYPT_CUTS).await);
    assert!(!verified(&engine, &"x".repeat(71), OF_WHAT_BCRYPT_CUTS).await);
    assert!(verified(&engine, "a", OF_ONE_LETTER).await);
    assert!(!verified(&engine, "a\0a", OF_ONE_LETTER).await);
}

#[tokio::test]
async fn what_was_hashed_before_bcrypt_verifies_where_that_is_said() {
    let engine = engine();
    for (known, text) in PRE_HASHED {
        assert!(verified(&engine, text, known).await, "{known}");
        for wrong in [
            format!("{text}x"),
            format!("{text}\0"),
            text.replacen(['0', 'C'], "1", 1),
            text[..text.len() - 1].to_owned(),
        ] {
            assert!(!verified(&engine, &wrong, known).await, "{known}: {wrong:?}");
        }
        // Nothing in the hash itself shows it.
        let plain = &known[known.find('}').unwrap() + 1..];
        assert!(!verified(&engine, text, plain).await, "{plain}");
    }
    // A password that the system did not change.
    for mark in ["{symfony}", "{bun}"] {
        assert!(verified(&engine, PASSWORD, &format!("{mark}{}", FOREIGN[0])).await, "{mark}");
        assert!(!verified(&engine, &"x".repeat(90), &format!("{mark}{OF_WHAT_BCRYPT_CUTS}")).await, "{mark}");
    }
}

#[tokio::test]
async fn a_password_with_nul_after_it_is_another_one() {
    let engine = engine();
    for known in OF_ONE_CAPITAL {
        assert!(verified(&engine, "P", known).await, "{known}");
        for count in [1, 2, 63, 127] {
            assert!(!verified(&engine, &format!("P{}", "\0".repeat(count)), known).await, "{known}: {count}");
        }
    }
}

#[tokio::test]
async fn the_digest_of_a_long_password_is_not_the_password() {
    let engine = engine();
    for known in OF_LONG {
        assert!(verified(&engine, LONG, known).await, "{known}");
        assert!(!verified(&engine, DIGEST_OF_LONG, known).await, "{known}");
    }
}

#[tokio::test]
async fn what_could_not_be_set_today_is_not_upgraded_to() {
    let engine = engine();
    let is_upgradable = |text: &str| {
        engine.is_upgradable(&password(text), PasswordForm::Nfc, &PasswordHash::new(OF_ONE_CAPITAL[0].to_owned()))
    };
    assert!(is_upgradable("P"));
    assert!(!is_upgradable("P\0") && !is_upgradable("P\t") && !is_upgradable("P\u{378}"));
}

#[tokio::test]
async fn what_was_hashed_without_normalizing_verifies_as_it_was_received() {
    let engine = engine();
    assert!(verified(&engine, "cafe\u{301}", OF_A_DECOMPOSED_PASSWORD).await);
    assert!(!verified(&engine, "caf\u{e9}", OF_A_DECOMPOSED_PASSWORD).await);
    // Received decomposed, hashed composed.
    assert!(verified(&engine, "Tr0ub4dor&3 e\u{301}", FOREIGN[0]).await);
}

#[tokio::test]
async fn hashes_of_every_kernel_are_those_of_other_implementations() {
    for kernel in [KernelSetting::Auto, KernelSetting::Portable] {
        let engine = engine_with(kernel, Ceiling::of(Cost::DEFAULT));
        let made = admit(&engine, 1).hash(password(PASSWORD), *b"0123456789abcdef").await.unwrap();
        assert_eq!(made.expose(), KNOWN[0]);
    }
}

#[tokio::test]
async fn a_raised_ceiling_lets_dearer_hashes_verify() {
    // By argon2-cffi 25 with its defaults, of `PASSWORD`.
    const CFFI: &str =
        "$argon2id$v=19$m=65536,t=3,p=4$MDEyMzQ1Njc4OWFiY2RlZg$XVKXAKizTsNlYDGRdTsusKsUMs6E3ZKUH8B7v0pQGiM";
    let dear = PasswordHash::new(CFFI.to_owned());
    let refused = admit(&engine(), 1).verify(password(PASSWORD), &dear).await;
    assert!(matches!(refused, Err(HasherError::Unreadable(_))));
    let raised = engine_with(KernelSetting::Auto, Ceiling::new(Cost::DEFAULT, NonZeroU32::new(65_536)).unwrap());
    let count = raised.cost_of(&password(PASSWORD), &dear);
    assert_eq!(admit(&raised, count).verify(password(PASSWORD), &dear).await, NFC);
}

#[tokio::test]
async fn a_string_without_a_version_verifies_as_the_first_version() {
    let engine = engine();
    let unversioned = PasswordHash::new(KNOWN[7].replace("v=16$", ""));
    assert_eq!(admit(&engine, 1).verify(password(PASSWORD), &unversioned).await, NFC);
}

#[tokio::test]
async fn an_altered_hash_does_not_verify() {
    let engine = engine();
    let hashes = admit(&engine, 2);
    let other_tag = PasswordHash::new(KNOWN[0].replace("$xvTP", "$xvTQ"));
    assert_eq!(hashes.verify(password(PASSWORD), &other_tag).await, Ok(None));
    let dearer = PasswordHash::new(KNOWN[0].replace("m=47104", "m=4294967295"));
    assert!(matches!(hashes.verify(password(PASSWORD), &dearer).await, Err(HasherError::Unreadable(_))));
}

#[tokio::test]
async fn the_decoy_costs_what_a_new_hash_costs_and_matches_nothing() {
    let engine = engine();
    let hashes = admit(&engine, 2);
    let decoy = engine.decoy();
    let made = hashes.hash(password(PASSWORD), [1; 16]).await.unwrap();
    let cost = |hash: &PasswordHash| hash.expose().split('$').take(4).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(cost(&decoy), cost(&made));
    assert_eq!(hashes.verify(password(PASSWORD), &decoy).await, Ok(None));
}
