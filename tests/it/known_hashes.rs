//! Hashes made by other implementations verify for ever.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use credentiald::ambient::{SystemClock, SystemEntropy};
use credentiald::domain::credential::PasswordHash;
use credentiald::domain::names::TenantName;
use credentiald::domain::password::Password;
use credentiald::hashing::{Ceiling, Cost, EngineSettings, HashEngine, KernelSetting};
use credentiald::ports::{AdmittedHashes, Clock, Deadline, Hasher, HasherError};

const PASSWORD: &str = "Tr0ub4dor&3 \u{e9}";

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

fn engine() -> HashEngine {
    engine_with(KernelSetting::Auto, Ceiling::of(Cost::DEFAULT))
}

fn engine_with(kernel: KernelSetting, ceiling: Ceiling) -> HashEngine {
    let workers = NonZeroUsize::new(1);
    let settings =
        EngineSettings { cost: Cost::DEFAULT, ceiling, kernel, workers, longest_wait: Duration::from_hours(1) };
    HashEngine::start(settings, Arc::new(SystemClock), &SystemEntropy).unwrap()
}

fn admit(engine: &HashEngine, count: u32) -> Box<dyn AdmittedHashes> {
    let deadline = Deadline::at(SystemClock.instant() + Duration::from_hours(1));
    engine.admit(&TenantName::parse("acme").unwrap(), count, deadline).unwrap()
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
            assert_eq!(hashes.verify(password(PASSWORD), &known).await, Ok(true), "{}", known.expose());
            assert_eq!(hashes.verify(password("Tr0ub4dor&3 e"), &known).await, Ok(false), "{}", known.expose());
        }
    }
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
    assert_eq!(admit(&raised, 1).verify(password(PASSWORD), &dear).await, Ok(true));
}

#[tokio::test]
async fn a_string_without_a_version_verifies_as_the_first_version() {
    let engine = engine();
    let unversioned = PasswordHash::new(KNOWN[7].replace("v=16$", ""));
    assert_eq!(admit(&engine, 1).verify(password(PASSWORD), &unversioned).await, Ok(true));
}

#[tokio::test]
async fn an_altered_hash_does_not_verify() {
    let engine = engine();
    let hashes = admit(&engine, 2);
    let other_tag = PasswordHash::new(KNOWN[0].replace("$xvTP", "$xvTQ"));
    assert_eq!(hashes.verify(password(PASSWORD), &other_tag).await, Ok(false));
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
    assert_eq!(hashes.verify(password(PASSWORD), &decoy).await, Ok(false));
}
