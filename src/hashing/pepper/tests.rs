use std::sync::Arc;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use proptest::prelude::*;

use super::key::KEY_BYTES;
use super::*;
use crate::ambient::SystemEntropy;

const SUBJECT: SubjectId = SubjectId(uuid::uuid!("6f9619ff-8b86-d011-b42d-00c04fc964ff"));
const HASH: &str = "$argon2id$v=19$m=47104,t=1,p=1$AAECAwQFBgcICQoLDA0ODw$3q2+7wABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhs";

/// Computed with Python's `cryptography` 48.0.0 (OpenSSL), for [`SUBJECT`] at version 7, with the key `00 01 … 1f` and
/// the nonce `a0 a1 … ab`. Stores are full of such texts, so it has to open for ever.
const KNOWN: &str = "oKGio6SlpqeoqaqrwnkOSiqlMNYGQfHuNkPks02YbiGig24YoT8K9kKaUUCTMwS+2HMVfzj/TYtYFc+9BisJDBX0KQ9zdTwp5TLE1/n5xz5p7aehn6\
                     m8b/iAiN31Wu72jJXfOLsieOLWwAr8/Aw/GXwwpB6zB1FY3ymPWjk";
/// One for each purpose, in their order.
const KNOWN_SEALED: [&str; 3] = [
    "oKGio6SlpqeoqaqrgF2/EdZoXZ/Vx2PzKyZLBEhxXYGfNg4ZMD8",
    "oKGio6Slpqeoqaqr505fPkn/iw9Jesbr2aFmFAGEf+c8FySU86E",
    "oKGio6SlpqeoqaqroiESTNPsl/bDrKi6/YTczI9yda3isV5JyZU",
];
pub(super) const KNOWN_RING: &str = "2026-11:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Counts up from `a0`, as the nonces of the known texts do.
pub(super) struct Counting;

impl Entropy for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.iter_mut().zip(0xa0..).for_each(|(byte, value)| *byte = value);
    }
}

pub(super) fn ring(text: &str) -> KeyRing {
    KeyRing::parse(text, Arc::new(SystemEntropy)).unwrap()
}

fn mistakes(text: &str) -> Vec<String> {
    let mistakes = KeyRing::parse(text, Arc::new(SystemEntropy)).err().unwrap_or_default();
    mistakes.iter().map(ToString::to_string).collect()
}

fn id(text: &str) -> PepperKeyId {
    PepperKeyId::parse(text).unwrap()
}

fn version(number: u64) -> Version {
    Version::new(number).unwrap()
}

fn hash(text: &str) -> PasswordHash {
    PasswordHash::new(text.to_owned())
}

/// A ring of new keys with these ids.
fn ring_of(ids: &[&str]) -> KeyRing {
    let lines: Vec<_> = ids.iter().map(|name| new_key(&id(name), &SystemEntropy).to_string()).collect();
    ring(&lines.join("\n"))
}

#[test]
fn what_another_implementation_made_opens_and_is_made() {
    let known = StoredHash::new(Some(id("2026-11")), KNOWN.to_owned());
    let ring = KeyRing::parse(KNOWN_RING, Arc::new(Counting)).unwrap();
    assert_eq!(ring.open(&known, SUBJECT, version(7)), Ok(hash(HASH)));
    assert_eq!(ring.wrap(&hash(HASH), SUBJECT, version(7)), Ok(known));
}

#[test]
fn without_a_key_a_hash_stays_as_it_is() {
    let stored = ring("# nothing\n\n").wrap(&hash(HASH), SUBJECT, Version::FIRST).unwrap();
    assert_eq!(stored, StoredHash::new(None, HASH.to_owned()));
    assert_eq!(ring_of(&["a"]).open(&stored, SUBJECT, version(9)), Ok(hash(HASH)));
}

#[test]
fn the_first_key_wraps_and_all_open() {
    let (old, new) = (new_key(&id("old"), &SystemEntropy), new_key(&id("new"), &SystemEntropy));
    let both = ring(&format!("{}\r\n  {}\n", *new, *old));
    assert_eq!(both.ids().map(PepperKeyId::as_str).collect::<Vec<_>>(), ["new", "old"]);
    let by_old = ring(&old).wrap(&hash(HASH), SUBJECT, Version::FIRST).unwrap();
    assert_eq!(by_old.key(), Some(&id("old")));
    assert_eq!(both.open(&by_old, SUBJECT, Version::FIRST), Ok(hash(HASH)));
    let by_new = both.wrap(&hash(HASH), SUBJECT, Version::FIRST).unwrap();
    assert_eq!(by_new.key(), both.current());
    let missing = ring(&old).open(&by_new, SUBJECT, Version::FIRST).unwrap_err();
    assert_eq!(missing.problem, PepperProblem::KeyMissing(id("new")));
    assert!(missing.to_string().contains(&SUBJECT.to_string()), "{missing}");
}

#[test]
fn a_key_that_is_lost_neither_wraps_nor_opens() {
    let key = new_key(&id("new"), &SystemEntropy);
    let ring = ring(&format!("old:lost\n{}\n", *key));
    assert_eq!((ring.current(), ring.has(&id("old")), ring.has_lost(&id("old"))), (Some(&id("new")), false, true));
    let stored = StoredHash::new(Some(id("old")), KNOWN.to_owned());
    assert_eq!(ring.open(&stored, SUBJECT, version(7)).unwrap_err().problem, PepperProblem::KeyLost(id("old")));
    let sealed = Sealed::new(id("old"), KNOWN_SEALED[0].to_owned());
    let unsealed = ring.unseal(SealPurpose::AccessKeySecret, "bound to", &sealed);
    assert_eq!(unsealed, Err(PepperProblem::KeyLost(id("old"))));
    assert_eq!(mistakes(&format!("new:lost\n{}", *key)), ["line 2: the id is already used on line 1"]);
}

#[test]
fn a_hash_that_is_not_wrapped_is_refused_where_that_is_required() {
    let stored = StoredHash::new(None, HASH.to_owned());
    let refused = ring_of(&["a"]).requiring_wrapped(true).open(&stored, SUBJECT, Version::FIRST).unwrap_err();
    assert_eq!(refused.problem, PepperProblem::NotWrapped);
}

#[test]
fn two_wraps_of_one_hash_differ() {
    let ring = ring_of(&["a"]);
    let wrap = || ring.wrap(&hash(HASH), SUBJECT, Version::FIRST).unwrap();
    assert_ne!(wrap(), wrap());
}

#[test]
fn every_mistake_in_a_ring_is_reported_by_its_line() {
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    let long = "x".repeat(33);
    let text = format!(
        "a:{key}\nno key\n\n:{key}\nb c:{key}\n{long}:{key}\na:{key}=\nd:\ne:{key}AAAA\nf:{key}==\ng:{}\nh i:short\n",
        key.replace('8', "9")
    );
    let found = mistakes(&text);
    let expected = [
        "line 2: must be an id, a colon and a key",
        "line 4: the id is required",
        "line 5: the id contains a character that is not allowed; allowed are A-Z a-z 0-9 . _ -",
        "line 6: the id must be at most 32 characters long, found 33",
        "line 7: the id is already used on line 1",
        "line 8: the key must be 32 bytes in base64, or the word lost",
        "line 9: the key must be 32 bytes in base64, or the word lost",
        "line 10: the key must be 32 bytes in base64, or the word lost",
        "line 11: the key must be 32 bytes in base64, or the word lost",
        "line 12: the id contains a character that is not allowed; allowed are A-Z a-z 0-9 . _ -",
        "line 12: the key must be 32 bytes in base64, or the word lost",
    ];
    assert_eq!(found, expected);
}

#[test]
fn no_mistake_repeats_what_was_written() {
    let mistakes = mistakes("hunter2\nhunter2:hunter2\nhunter2 hunter2:\n");
    assert!(!mistakes.is_empty() && !mistakes.concat().contains("hunter2"), "{mistakes:?}");
}

#[test]
fn every_flipped_bit_is_refused() {
    let ring = ring_of(&["a"]);
    let stored = ring.wrap(&hash(HASH), SUBJECT, version(3)).unwrap();
    let refused = |text: Vec<u8>| {
        let Ok(text) = String::from_utf8(text) else { return true };
        ring.open(&StoredHash::new(stored.key().cloned(), text), SUBJECT, version(3)).is_err()
    };
    for bit in 0..stored.expose().len() * 8 {
        let mut text = stored.expose().as_bytes().to_vec();
        text[bit / 8] ^= 1 << (bit % 8);
        assert!(refused(text), "bit {bit} of the text");
    }
    let bytes = BASE64_STANDARD_NO_PAD.decode(stored.expose()).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut bytes = bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(refused(BASE64_STANDARD_NO_PAD.encode(bytes).into_bytes()), "bit {bit} of nonce, ciphertext and tag");
    }
    for length in 0..stored.expose().len() {
        assert!(refused(stored.expose().as_bytes()[..length].to_vec()), "the first {length} bytes");
    }
}

proptest! {
    #[test]
    fn what_is_wrapped_opens_only_where_it_belongs(
        text in prop::collection::vec(any::<char>(), 0..200),
        subject: u128,
        other_subject: u128,
        number in 1..u64::MAX,
        other_number in 1..u64::MAX,
        bytes: [u8; KEY_BYTES],
        other_bytes: [u8; KEY_BYTES],
    ) {
        prop_assume!(subject != other_subject && number != other_number && bytes != other_bytes);
        let text: String = text.into_iter().collect();
        let of = |number| SubjectId(uuid::Uuid::from_u128(number));
        let line = |id: &str, bytes: &[u8]| format!("{id}:{}\n", BASE64_STANDARD.encode(bytes));
        let ring_of_one = ring(&line("a", &bytes));
        let stored = ring_of_one.wrap(&hash(&text), of(subject), version(number)).unwrap();
        prop_assert_eq!(ring_of_one.open(&stored, of(subject), version(number)), Ok(hash(&text)));

        let does_not_open = |ring: &KeyRing, stored: &StoredHash, subject, number| {
            let problem = ring.open(stored, of(subject), version(number)).map_err(|error| error.problem);
            problem == Err(PepperProblem::DoesNotOpen(stored.key().unwrap().clone()))
        };
        prop_assert!(does_not_open(&ring_of_one, &stored, other_subject, number));
        prop_assert!(does_not_open(&ring_of_one, &stored, subject, other_number));
        prop_assert!(does_not_open(&ring(&line("a", &other_bytes)), &stored, subject, number));
        // The same key under another id.
        let renamed = StoredHash::new(Some(id("b")), stored.expose().to_owned());
        prop_assert!(does_not_open(&ring(&(line("a", &bytes) + &line("b", &bytes))), &renamed, subject, number));
    }
}

/// Computed with Python's `cryptography` 48.0.0 (OpenSSL), with the key of [`KNOWN_RING`] and the nonce `a0 a1 … ab`.
#[test]
fn what_another_implementation_sealed_opens_and_is_made() {
    let ring = KeyRing::parse(KNOWN_RING, Arc::new(Counting)).unwrap();
    for (purpose, known) in SealPurpose::ALL.into_iter().zip(KNOWN_SEALED) {
        let known = Sealed::new(id("2026-11"), known.to_owned());
        assert_eq!(*ring.unseal(purpose, "bound to", &known).unwrap(), "cdk_secret");
        assert_eq!(ring.seal(purpose, "bound to", "cdk_secret"), Some(known));
    }
}

#[test]
fn a_sealed_text_opens_only_unaltered_and_where_it_is_bound() {
    let (keys, purpose) = (ring_of(&["a", "b"]), SealPurpose::AccessKeySecret);
    let sealed = keys.seal(purpose, "here", "secret").unwrap();
    assert_eq!(*keys.unseal(purpose, "here", &sealed).unwrap(), "secret");
    let does_not_open = Err(PepperProblem::DoesNotOpen(id("a")));
    assert_eq!(keys.unseal(purpose, "there", &sealed), does_not_open);
    let mut bytes = BASE64_STANDARD_NO_PAD.decode(sealed.expose()).unwrap();
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        let altered = Sealed::new(id("a"), BASE64_STANDARD_NO_PAD.encode(&bytes));
        assert_eq!(keys.unseal(purpose, "here", &altered), does_not_open, "bit {bit}");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    let elsewhere = Sealed::new(id("b"), sealed.expose().to_owned());
    assert_eq!(keys.unseal(purpose, "here", &elsewhere), Err(PepperProblem::DoesNotOpen(id("b"))));
    assert_eq!(ring_of(&["c"]).unseal(purpose, "here", &sealed), Err(PepperProblem::KeyMissing(id("a"))));
    assert_eq!(ring("# nothing").seal(purpose, "here", "secret"), None);
    // The key of a purpose is not the key that wraps hashes.
    let as_hash = StoredHash::new(Some(id("a")), sealed.expose().to_owned());
    assert!(keys.open(&as_hash, SUBJECT, Version::FIRST).is_err());
    assert!(!format!("{sealed:?}").contains(sealed.expose()));
}

#[test]
fn nothing_that_holds_a_hash_shows_it() {
    let stored = ring_of(&["a"]).wrap(&hash(HASH), SUBJECT, Version::FIRST).unwrap();
    let shown = format!("{stored:?} {:?}", StoredHash::new(None, HASH.to_owned()));
    assert!(!shown.contains(stored.expose()) && !shown.contains("argon2"), "{shown}");
}
