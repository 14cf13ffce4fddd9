use std::sync::Arc;

use proptest::prelude::*;

use super::super::tests::{Counting, KNOWN_RING, ring};
use super::*;

const TENANT: TenantId = TenantId(uuid::uuid!("6f9619ff-8b86-d011-b42d-00c04fc964ff"));
const OTHER: TenantId = TenantId(uuid::uuid!("6f9619ff-8b86-d011-b42d-00c04fc964fe"));

/// Computed with Python's `cryptography` (OpenSSL) for [`known`], with the key `00 01 … 1f`, the salt `a0 a1 … af` and the
/// nonce `a0 a1 … ab`.
const KNOWN: &str = include_str!("known.txt");

fn known() -> Denial {
    Denial {
        at: Timestamp::from_micros(1_795_867_200_000_001),
        readable_for: Duration::from_hours(24),
        request_id: uuid::uuid!("a9c9d7d2-3d9f-4c8c-817c-5e2249c94420"),
        caller: "acme/ram-user/jane".to_owned(),
        action: Action::ModifyPwByDomain,
        resource: "acs:dm:cn-hangzhou:acme:domain/example.com".to_owned(),
        is_explicit: true,
        policies: vec!["mail.cedar/frozen".to_owned(), "nobody-else-crosses-tenants".to_owned()],
        left_out: 0,
    }
}

fn message(text: &str) -> AuthorizationMessage {
    AuthorizationMessage::parse(text).unwrap()
}

#[test]
fn a_denial_that_another_implementation_encrypted_decrypts_and_is_made() {
    let known_message = message(KNOWN.trim_end());
    let ring = KeyRing::parse(KNOWN_RING, Arc::new(Counting)).unwrap();
    assert_eq!(ring.decrypt(&known_message, Some(TENANT)), Ok(known()));
    assert_eq!(ring.encrypt(&known(), Some(TENANT)), Some(known_message));
}

#[test]
fn a_denial_decrypts_under_each_key_of_its_ring_for_its_tenant_alone() {
    let (old, new) = (KNOWN_RING, "b:BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    let made = ring(old).encrypt(&known(), Some(TENANT)).unwrap();
    assert_eq!(ring(&format!("{new}\n{old}")).decrypt(&made, Some(TENANT)), Ok(known()));
    for other in [None, Some(OTHER)] {
        assert_eq!(ring(old).decrypt(&made, other), Err(DenialProblem::DoesNotOpen));
    }
    for without in ["", new, "2026-11:lost"] {
        assert_eq!(ring(without).decrypt(&made, Some(TENANT)), Err(DenialProblem::UnknownKey), "{without}");
    }
    assert_eq!(ring("").encrypt(&known(), Some(TENANT)), None);
    let of_none = ring(old).encrypt(&known(), None).unwrap();
    assert_eq!(ring(old).decrypt(&of_none, None), Ok(known()));
    assert_eq!(ring(old).decrypt(&of_none, Some(TENANT)), Err(DenialProblem::DoesNotOpen));
}

#[test]
fn every_flipped_bit_of_a_message_and_every_other_text_is_refused() {
    let ring = ring(KNOWN_RING);
    let made = ring.encrypt(&known(), Some(TENANT)).unwrap();
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(made.as_str()).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut altered = bytes.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        let altered = message(&BASE64_URL_SAFE_NO_PAD.encode(altered));
        let expected = match bit / 8 {
            0 => DenialProblem::Malformed,
            1..=8 => DenialProblem::UnknownKey,
            _ => DenialProblem::DoesNotOpen,
        };
        assert_eq!(ring.decrypt(&altered, Some(TENANT)), Err(expected), "bit {bit}");
    }
    let shorter = &made.as_str()[..made.as_str().len() - 4];
    for text in ["x", "AQ", shorter, &format!("{}AAAA", made.as_str()), &"A".repeat(1600), &"_".repeat(1599)] {
        assert_eq!(ring.decrypt(&message(text), Some(TENANT)), Err(DenialProblem::Malformed), "{text}");
    }
}

#[test]
fn no_two_messages_share_a_part_that_depends_on_the_denial() {
    let ring = ring(KNOWN_RING);
    let bytes = || BASE64_URL_SAFE_NO_PAD.decode(ring.encrypt(&known(), Some(TENANT)).unwrap().as_str()).unwrap();
    let (first, second) = (bytes(), bytes());
    assert_eq!(first[..HEADER_BYTES], second[..HEADER_BYTES]);
    let shared = first.iter().zip(&second).skip(HEADER_BYTES).filter(|(one, other)| one == other).count();
    assert!(shared < 50, "{shared} of {} bytes are equal", first.len());
}

proptest! {
    #[test]
    fn every_denial_takes_1600_characters_and_comes_back_whole_but_for_policies_that_are_counted(
        tenant in prop::option::of(any::<u128>()),
        at in 0..i64::MAX,
        hours in 1u64..720,
        caller in "[a-zA-Z0-9._-]{1,64}/ram-user/[a-zA-Z0-9._-]{1,64}",
        action in prop::sample::select(Action::ALL),
        resource in "acs:kvstore:[a-z-]{1,64}:[a-z-]{1,64}:instance/[a-z-]{1,64}/account/[a-z_]{1,100}",
        policies in prop::collection::vec("[a-zA-Z0-9._-]{1,58}\\.cedar/[a-zA-Z0-9._-]{1,64}", 0..40),
    ) {
        let tenant = tenant.map(|id| TenantId(Uuid::from_u128(id)));
        let denial = Denial {
            at: Timestamp::from_micros(at),
            readable_for: Duration::from_hours(hours),
            caller,
            action,
            resource,
            is_explicit: !policies.is_empty(),
            policies,
            ..known()
        };
        let ring = ring(KNOWN_RING);
        let made = ring.encrypt(&denial, tenant).unwrap();
        prop_assert_eq!(made.as_str().len(), 1600);
        let found = ring.decrypt(&made, tenant).unwrap();
        prop_assert_eq!(found.policies.len() + found.left_out as usize, denial.policies.len());
        prop_assert!(denial.policies.starts_with(&found.policies));
        prop_assert!(found.policies.len() >= denial.policies.len().min(2), "{:?}", found.policies);
        prop_assert_eq!(Denial { policies: denial.policies.clone(), left_out: 0, ..found }, denial);
    }
}
