//! No text opens but a message that the service made, and what it makes opens as it was, with fewer policies at most.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use credentiald::ambient::SystemEntropy;
use credentiald::domain::action::Action;
use credentiald::domain::denial::Denial;
use credentiald::domain::names::AuthorizationMessage;
use credentiald::domain::tenant::TenantId;
use credentiald::domain::time::Timestamp;
use credentiald::hashing::KeyRing;
use credentiald::ports::DenialCipher;
use uuid::Uuid;

/// A message that another implementation made, its key and its tenant.
const KNOWN: &str = include_str!("../src/hashing/pepper/denial/known.txt");
const RING: &str = "2026-11:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const TENANT: TenantId = TenantId(uuid::uuid!("6f9619ff-8b86-d011-b42d-00c04fc964ff"));

static KEYS: LazyLock<KeyRing> =
    LazyLock::new(|| KeyRing::parse(RING, Arc::new(SystemEntropy)).unwrap_or_else(|_| panic!("a key")));

pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(message) = AuthorizationMessage::parse(text) {
        assert!(KEYS.decrypt(&message, None).is_err(), "{text}");
        assert!(KEYS.decrypt(&message, Some(TENANT)).is_err() || message.as_str() == KNOWN.trim_end(), "{text}");
    }
    let denial = denial_of(text);
    let Some(message) = KEYS.encrypt(&denial, Some(TENANT)) else { return };
    let found = KEYS.decrypt(&message, Some(TENANT)).expect("it opens");
    assert!(denial.policies.starts_with(&found.policies));
    assert_eq!(found.policies.len() + found.left_out as usize, denial.policies.len());
    assert_eq!(Denial { policies: denial.policies.clone(), left_out: 0, ..found }, denial);
}

/// The first lines are the caller and the resource, and the others are policies.
fn denial_of(text: &str) -> Denial {
    let mut lines = text.lines().map(str::to_owned);
    let (caller, resource) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let policies: Vec<_> = lines.collect();
    Denial {
        at: Timestamp::from_micros(i64::try_from(text.len()).unwrap()),
        readable_for: Duration::from_secs(text.len() as u64),
        request_id: Uuid::nil(),
        caller,
        action: Action::ALL[text.len() % Action::ALL.len()],
        resource,
        is_explicit: !policies.is_empty(),
        policies,
        left_out: 0,
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let denial = "acme/ram-user/jane\nacs:dm:cn-hangzhou:acme:domain/example.com\nmail.cedar/frozen\nno";
    vec![KNOWN.trim_end().into(), denial.into(), "A".repeat(1600).into()]
}
