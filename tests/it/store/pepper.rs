//! Stored hashes are found by the key that they are wrapped under, and replaced if no one else wrote meanwhile.

use std::collections::BTreeSet;
use std::sync::Arc;

use credentiald::domain::access_token::AccessToken;
use credentiald::domain::caller::Caller;
use credentiald::domain::credential::{Credential, StoredHash, VersionedHash};
use credentiald::domain::names::FreeName;
use credentiald::domain::sealed::{SealPurpose, Sealed};
use credentiald::domain::subject::SubjectId;
use credentiald::ports::Store;
use credentiald::ports::store::{
    CommitOutcome, Generation, HashCount, HashEntry, Replacement, SecretEntry, SecretReplacement, StoredHashes,
    TokenInsertion, TokenProof,
};
use tokio::sync::Barrier;
use uuid::Uuid;

use super::backend::Backend;
use super::values::*;

fn under(key: &str, text: &str) -> StoredHash {
    StoredHash::new(Some(pepper_key(key)), text.to_owned())
}

fn entry(subject: SubjectId, number: u64, hash: StoredHash) -> HashEntry {
    HashEntry { subject, version: version(number), hash }
}

fn replacement(subject: SubjectId, number: u64) -> Replacement {
    Replacement { found: entry(subject, number, hash(number)), hash: under("new", &format!("rewrapped{number}")) }
}

async fn credential(store: &dyn Store, subject: SubjectId) -> Credential {
    store.credential(subject).await.unwrap().unwrap()
}

/// All hashes under a key, by pages of two.
async fn all_under(hashes: &dyn StoredHashes, age: Generation, key: Option<&str>) -> Vec<HashEntry> {
    let (key, mut found, mut after) = (key.map(pepper_key), Vec::<HashEntry>::new(), None);
    loop {
        let page = hashes.hashes_under(age, key.as_ref(), after, 2).await.unwrap();
        let Some(last) = page.last() else { return found };
        after = Some((last.subject, last.version));
        found.extend(page);
    }
}

pub async fn hashes_are_found_by_their_key(backend: &mut impl Backend) {
    let (store, hashes) = (backend.store(), backend.hashes());
    assert_eq!(hashes.keys_in_use().await.unwrap(), BTreeSet::new());
    let acme = add_tenant(&*store, "acme").await;
    let keys = [None, Some("a"), Some("b"), None, Some("a")];
    let mut subjects = Vec::new();
    for number in 0..7 {
        let id = add_subject(&*store, &acme, ram_user(&format!("user-{number}"))).await.id;
        for (expected, key) in keys.iter().enumerate() {
            let mut commit = change(id, (expected > 0).then_some(expected as u64));
            commit.hash = StoredHash::new(key.map(pepper_key), format!("{number}x{}", expected + 1));
            commit.keep_history = 24;
            store.commit(&commit).await.unwrap();
        }
        subjects.push((id.to_string(), id, number));
    }
    subjects.sort_by(|one, other| one.0.cmp(&other.0));

    let in_use: BTreeSet<_> = [None, Some(pepper_key("a")), Some(pepper_key("b"))].into();
    assert_eq!(hashes.keys_in_use().await.unwrap(), in_use);
    let expected = |key: Option<&str>, versions: &[u64]| {
        let of = |(_, id, number): &(String, SubjectId, u64)| {
            let (id, number) = (*id, *number);
            let text = move |version| format!("{number}x{version}");
            versions
                .iter()
                .map(move |v| entry(id, *v, StoredHash::new(key.map(pepper_key), text(*v))))
                .collect::<Vec<_>>()
        };
        subjects.iter().flat_map(of).collect::<Vec<_>>()
    };
    for (key, current, earlier) in [
        (None, vec![], vec![1, 4]),
        (Some("a"), vec![5], vec![2]),
        (Some("b"), vec![], vec![3]),
        (Some("c"), vec![], vec![]),
    ] {
        let count = HashCount { current: 7 * current.len() as u64, earlier: 7 * earlier.len() as u64, secrets: 0 };
        assert_eq!(hashes.count_under(key.map(pepper_key).as_ref()).await.unwrap(), count, "{key:?}");
        assert_eq!(all_under(&*hashes, Generation::Current, key).await, expected(key, &current), "{key:?}");
        assert_eq!(all_under(&*hashes, Generation::Earlier, key).await, expected(key, &earlier), "{key:?}");
    }
}

pub async fn a_hash_is_replaced_where_it_is_still_the_one_that_was_read(backend: &mut impl Backend) {
    let (store, hashes) = (backend.store(), backend.hashes());
    let alice = alice(&*store).await;
    make_change(&*store, alice, 1).await;
    make_change(&*store, alice, 2).await;
    let (before, events) = (credential(&*store, alice).await, backend.audit_events().await);

    let gone = replacement(SubjectId(Uuid::new_v4()), 3);
    let altered = Replacement { found: entry(alice, 3, hash(1)), ..replacement(alice, 3) };
    for stale in [gone, altered, replacement(alice, 2), replacement(alice, 4)] {
        assert_eq!(hashes.replace_hashes(Generation::Current, &[stale]).await.unwrap(), 0);
    }
    assert_eq!(hashes.replace_hashes(Generation::Earlier, &[replacement(alice, 3)]).await.unwrap(), 0);
    assert_eq!(credential(&*store, alice).await, before);

    let batch = [replacement(alice, 9), replacement(alice, 1), replacement(alice, 2)];
    assert_eq!(hashes.replace_hashes(Generation::Earlier, &batch).await.unwrap(), 2);
    assert_eq!(hashes.replace_hashes(Generation::Current, &[replacement(alice, 3)]).await.unwrap(), 1);

    let after = credential(&*store, alice).await;
    assert_ne!(after.revision, before.revision, "an upgrade that is under way must notice");
    let rewrapped = |number| replacement(alice, number).hash;
    let history = [2, 1].map(|number| VersionedHash { version: version(number), hash: rewrapped(number) });
    let expected = Credential { hash: rewrapped(3), revision: after.revision, history: history.to_vec(), ..before };
    assert_eq!(after, expected);
    assert_eq!(backend.audit_events().await, events);
}

pub async fn of_a_rewrap_and_a_change_the_change_wins(backend: &mut impl Backend) {
    let (store, hashes) = (backend.store(), backend.hashes());
    let alice = alice(&*store).await;
    for round in 1..30 {
        let start = Arc::new(Barrier::new(2));
        let (hashes, other_start) = (Arc::clone(&hashes), Arc::clone(&start));
        let rewrap = tokio::spawn(async move {
            other_start.wait().await;
            hashes.replace_hashes(Generation::Current, &[replacement(alice, round)]).await.unwrap()
        });
        start.wait().await;
        let outcome = store.commit(&change(alice, Some(round))).await.unwrap();
        let rewrapped = rewrap.await.unwrap() > 0;

        assert_eq!(outcome, CommitOutcome::Committed(version(round + 1)));
        let after = credential(&*store, alice).await;
        assert_eq!(after.hash, hash(round + 1));
        let replaced = if rewrapped { replacement(alice, round).hash } else { hash(round) };
        assert_eq!(after.history[0], VersionedHash { version: version(round), hash: replaced });
    }
}

pub async fn secrets_are_found_by_their_key_and_replaced_where_they_are_still_the_same(backend: &mut impl Backend) {
    let (store, hashes) = (backend.store(), backend.hashes());
    let acme = add_tenant(&*store, "acme").await;
    assert!(add_token(&*store, &token(operator()), digest(1)).await);
    let mut tokens = Vec::new();
    for number in 0..5 {
        let service = FreeName::parse(&format!("service-{number}")).unwrap();
        let token = access_key(Caller::Service(acme.clone(), service));
        let sealed = secret("a", &format!("sealed{number}"));
        let inserted = store.insert_access_token(&token, TokenProof::Secret(&sealed), &authority()).await.unwrap();
        assert_eq!(inserted, TokenInsertion::Inserted);
        tokens.push((token, sealed));
    }
    tokens.sort_by_key(|(token, _)| token.id.0.to_string());
    let (a, b) = (pepper_key("a"), pepper_key("b"));
    assert_eq!(hashes.keys_in_use().await.unwrap(), [Some(a.clone())].into());
    let count = HashCount { secrets: 5, ..HashCount::default() };
    assert_eq!(hashes.count_under(Some(&a)).await.unwrap(), count);
    assert_eq!(hashes.count_under(None).await.unwrap(), HashCount::default());
    let purpose = SealPurpose::AccessKeySecret;
    let entry = |number: usize, secret: Sealed| {
        let token: &AccessToken = &tokens[number].0;
        SecretEntry { id: token.id.0.to_string(), bound: token.seal_bound(), secret }
    };
    let entries: Vec<_> = (0..5).map(|number| entry(number, tokens[number].1.clone())).collect();
    let first = hashes.secrets_under(purpose, &a, None, 3).await.unwrap();
    assert_eq!(first, entries[..3]);
    assert_eq!(hashes.secrets_under(purpose, &a, Some(&first[2].id), 3).await.unwrap(), entries[3..]);

    let replacement = |number: usize, found: Sealed| SecretReplacement {
        found: entry(number, found),
        secret: secret("b", &format!("resealed{number}")),
    };
    let events = backend.audit_events().await;
    let stale = [replacement(0, secret("a", "another")), replacement(1, tokens[1].1.clone())];
    assert_eq!(hashes.replace_secrets(purpose, &stale).await.unwrap(), 1);
    let resealed = [entry(1, secret("b", "resealed1"))];
    assert_eq!(hashes.secrets_under(purpose, &b, None, 9).await.unwrap(), resealed);
    assert_eq!(hashes.secrets_under(purpose, &a, None, 9).await.unwrap().len(), 4);
    assert_eq!(backend.audit_events().await, events);
}
