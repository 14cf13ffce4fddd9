//! Access tokens stand for callers that are there.

use credentiald::domain::access_token::{AccessToken, AccessTokenStatus, NonceKey};
use credentiald::domain::caller::Caller;
use credentiald::domain::names::{FreeName, IamUserId, RamUserName};
use credentiald::domain::subject::SubjectId;
use credentiald::domain::tenant::{Tenant, TenantId};
use credentiald::ports::Evidence;
use credentiald::ports::StoreError;
use credentiald::ports::store::{Authority, Commit, FoundKey, TokenInsertion, TokenProof};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::backend::Backend;
use super::values::*;

pub async fn a_token_is_found_by_its_digest(backend: &mut impl Backend) {
    let store = backend.store();
    let acme = add_tenant(&*store, "acme").await;
    let alice = add_subject(&*store, &acme, ram_user("alice")).await.id;
    let jane = add_subject(&*store, &acme, iam_user("jane")).await.id;
    let callers = [
        Caller::Root(acme.clone()),
        Caller::RamUser(acme.clone(), RamUserName::parse("alice").unwrap(), alice),
        Caller::IamUser(acme.clone(), IamUserId::parse("jane").unwrap(), jane),
        Caller::Service(acme.clone(), FreeName::parse("relay").unwrap()),
        operator(),
    ];
    for (number, caller) in (1..).zip(callers) {
        let issued = token(caller);
        assert!(add_token(&*store, &issued, digest(number)).await);
        assert_eq!(store.access_token(&digest(number)).await.unwrap(), Some(issued));
    }
    assert_eq!(store.access_token(&digest(99)).await.unwrap(), None);
}

pub async fn the_soonest_expiry_is_that_of_a_token_that_still_counts(backend: &mut impl Backend) {
    let store = backend.store();
    assert_eq!(store.next_expiry(at(0)).await.unwrap(), None);
    let issued = [(1, 30), (2, 20), (3, 40)]
        .map(|(number, expires_at)| (number, AccessToken { expires_at: at(expires_at), ..token(operator()) }));
    for (number, token) in &issued {
        assert!(add_token(&*store, token, digest(*number)).await);
    }
    for (after, expected) in [(19, Some(20)), (20, Some(30)), (39, Some(40)), (40, None)] {
        assert_eq!(store.next_expiry(at(after)).await.unwrap(), expected.map(at), "{after}");
    }
    let disabled = AccessTokenStatus::Inactive;
    assert!(store.set_access_token_status(None, issued[1].1.id, disabled, &authority()).await.unwrap());
    assert_eq!(store.next_expiry(at(0)).await.unwrap(), Some(at(30)));
}

pub async fn a_token_for_what_is_absent_is_refused(backend: &mut impl Backend) {
    let store = backend.store();
    let (acme, globex) = (add_tenant(&*store, "acme").await, add_tenant(&*store, "globex").await);
    let alice = add_subject(&*store, &acme, ram_user("alice")).await.id;
    let user = |tenant, name, id| Caller::RamUser(tenant, RamUserName::parse(name).unwrap(), id);
    let events = backend.audit_events().await;
    for caller in [
        Caller::Root(tenant("nowhere")),
        user(acme.clone(), "alice", SubjectId(Uuid::new_v4())),
        user(acme, "bob", alice),
        user(globex, "alice", alice),
    ] {
        assert!(!add_token(&*store, &token(caller.clone()), digest(1)).await, "{caller}");
        assert_eq!(store.access_token(&digest(1)).await.unwrap(), None);
    }
    assert_eq!(backend.audit_events().await, events);
}

pub async fn a_change_ends_the_tokens_of_its_subject_except_the_one_that_made_it(backend: &mut impl Backend) {
    let store = backend.store();
    let acme = add_tenant(&*store, "acme").await;
    let alice = add_subject_with_password(&*store, &acme, ram_user("alice")).await.id;
    let bob = add_subject(&*store, &acme, ram_user("bob")).await.id;
    let mut tokens = Vec::new();
    for (number, (name, id)) in (1..).zip([("alice", alice), ("alice", alice), ("bob", bob)]) {
        let token = token(Caller::RamUser(acme.clone(), RamUserName::parse(name).unwrap(), id));
        assert!(add_token(&*store, &token, digest(number)).await);
        tokens.push(token);
    }
    let of_second = Evidence::of_token(&tokens[1]);
    for (expected, ends_tokens, evidence, left) in [
        (1, false, None, [true, true, true]),
        // This one is not made: the version has moved.
        (1, true, None, [true, true, true]),
        (2, true, Some(of_second), [false, true, true]),
        (3, true, None, [false, false, true]),
    ] {
        let mut commit = Commit { ends_tokens, ..change(alice, Some(expected)) };
        commit.authority.evidence = evidence;
        store.commit(&commit).await.unwrap();
        for ((number, token), is_left) in (1..).zip(&tokens).zip(left) {
            let found = store.access_token(&digest(number)).await.unwrap();
            assert_eq!(found, is_left.then(|| token.clone()), "after version {expected}");
        }
    }
}

pub async fn a_deleted_token_is_gone(backend: &mut impl Backend) {
    let store = backend.store();
    let acme = add_tenant(&*store, "acme").await;
    let root = token(Caller::Root(acme.clone()));
    assert!(add_token(&*store, &root, digest(1)).await);
    assert!(!store.delete_access_token(None, root.id, &authority()).await.unwrap(), "it is not an operator's");
    assert!(!store.delete_access_token(Some(&tenant("globex")), root.id, &authority()).await.unwrap());
    assert_eq!(store.access_token(&digest(1)).await.unwrap(), Some(root.clone()));
    assert!(store.delete_access_token(Some(&acme), root.id, &authority()).await.unwrap());
    assert_eq!(store.access_token(&digest(1)).await.unwrap(), None);
    assert!(!store.delete_access_token(Some(&acme), root.id, &authority()).await.unwrap());
}

pub async fn the_first_operator_is_made_once(backend: &mut impl Backend) {
    let store = backend.store();
    let first = token(operator());
    assert!(store.bootstrap(&first, &digest(1), &event()).await.unwrap());
    assert!(!store.bootstrap(&token(operator()), &digest(2), &event()).await.unwrap());
    assert_eq!(store.access_token(&digest(1)).await.unwrap(), Some(first));
    assert_eq!(store.access_token(&digest(2)).await.unwrap(), None);
    assert_eq!(backend.audit_events().await.len(), 1);
}

pub async fn when_no_operators_token_is_valid_any_more_one_can_be_made_again(backend: &mut impl Backend) {
    let store = backend.store();
    let first = token(operator());
    assert!(store.bootstrap(&first, &digest(1), &event()).await.unwrap());
    let mut second = token(operator());
    second.created_at = first.expires_at;
    assert!(store.bootstrap(&second, &digest(2), &event()).await.unwrap());
}

pub async fn of_racing_first_operators_exactly_one_is_made(backend: &mut impl Backend) {
    let mut racers = JoinSet::new();
    for number in 0..8 {
        let store = backend.store();
        racers.spawn(async move { store.bootstrap(&token(operator()), &digest(number), &event()).await.unwrap() });
    }
    assert_eq!(racers.join_all().await.into_iter().filter(|made| *made).count(), 1);
    assert_eq!(backend.store().access_tokens(None, &page(10, None)).await.unwrap().items.len(), 1);
}

pub async fn tokens_that_have_expired_are_removed(backend: &mut impl Backend) {
    let store = backend.store();
    assert!(add_token(&*store, &token(operator()), digest(1)).await);
    let left = async || store.access_tokens(None, &page(10, None)).await.unwrap().items.len();
    for (now, expected) in [(20, 1), (21, 0)] {
        store.remove_old(at(now)).await.unwrap();
        assert_eq!(left().await, expected, "{now}");
    }
}

pub async fn a_caller_has_at_most_two_access_keys_that_have_not_expired(backend: &mut impl Backend) {
    let store = backend.store();
    let (acme, globex) = (add_tenant(&*store, "acme").await, add_tenant(&*store, "globex").await);
    let alice = add_subject(&*store, &acme, ram_user("alice")).await.id;
    let user = Caller::RamUser(acme.clone(), RamUserName::parse("alice").unwrap(), alice);
    let insert = async |token: &AccessToken| {
        store
            .insert_access_token(token, TokenProof::Secret(&secret("a", &token.id.0.to_string())), &authority())
            .await
            .unwrap()
    };
    let keys = [access_key(user.clone()), access_key(user.clone())];
    for key in &keys {
        assert_eq!(insert(key).await, TokenInsertion::Inserted);
        assert_eq!(store.access_token_of(key.id).await.unwrap().as_ref(), Some(key));
    }
    let events = backend.audit_events().await;
    assert_eq!(insert(&access_key(user.clone())).await, TokenInsertion::TooMany);
    let gone = Caller::RamUser(acme.clone(), RamUserName::parse("alice").unwrap(), SubjectId(Uuid::new_v4()));
    assert_eq!(insert(&access_key(gone)).await, TokenInsertion::HolderGone);
    assert_eq!(backend.audit_events().await, events);

    // Neither another caller, nor a bearer token, nor an expired key counts.
    for caller in [Caller::Root(acme.clone()), Caller::Root(globex)] {
        assert_eq!(insert(&access_key(caller)).await, TokenInsertion::Inserted);
    }
    assert!(add_token(&*store, &token(user.clone()), digest(1)).await);
    assert!(store.delete_access_token(Some(&acme), keys[0].id, &authority()).await.unwrap());
    assert_eq!(insert(&access_key(user.clone())).await, TokenInsertion::Inserted);
    let later = AccessToken { created_at: keys[1].expires_at, ..access_key(user) };
    assert_eq!(insert(&later).await, TokenInsertion::Inserted);
}

pub async fn of_racing_access_keys_two_are_added(backend: &mut impl Backend) {
    let acme = add_tenant(&*backend.store(), "acme").await;
    let mut racers = JoinSet::new();
    for _ in 0..8 {
        let (store, token) = (backend.store(), access_key(Caller::Root(acme.clone())));
        racers.spawn(async move {
            store.insert_access_token(&token, TokenProof::Secret(&secret("a", "x")), &authority()).await.unwrap()
        });
    }
    let added = racers.join_all().await.into_iter().filter(|outcome| *outcome == TokenInsertion::Inserted).count();
    assert_eq!(added, 2);
}

pub async fn a_disabled_token_proves_nothing_until_it_is_enabled_again(backend: &mut impl Backend) {
    let store = backend.store();
    let (acme, globex) = (add_tenant(&*store, "acme").await, tenant("globex"));
    let (bearer, key, operators) =
        (token(Caller::Root(acme.clone())), access_key(Caller::Root(acme.clone())), token(operator()));
    assert!(add_token(&*store, &bearer, digest(1)).await);
    assert!(add_token(&*store, &operators, digest(2)).await);
    store.insert_access_token(&key, TokenProof::Secret(&secret("a", "x")), &authority()).await.unwrap();
    for (number, (issued, owner)) in [(bearer, Some(&acme)), (key, Some(&acme)), (operators, None)].iter().enumerate() {
        let evidence = Evidence::of_token(issued);
        let proves = async || store.is_proven(&evidence, at(11)).await.unwrap();
        let set =
            async |owner, status| store.set_access_token_status(owner, issued.id, status, &authority()).await.unwrap();
        let events = backend.audit_events().await.len();
        assert!(!set(Some(&globex), AccessTokenStatus::Inactive).await && proves().await);
        assert_eq!(backend.audit_events().await.len(), events);

        assert!(set(*owner, AccessTokenStatus::Inactive).await && !proves().await);
        let disabled = AccessToken { status: AccessTokenStatus::Inactive, ..issued.clone() };
        assert!(!disabled.is_valid_at(at(11)));
        assert_eq!(store.access_token_of(issued.id).await.unwrap(), Some(disabled));
        let name = Authority { evidence: Some(evidence.clone()), ..authority() };
        let refused = store.create_instance(&acme, &instance(&format!("r-{number}")), &name).await;
        assert!(matches!(refused, Err(StoreError::EvidenceGone)), "{refused:?}");

        assert!(set(*owner, AccessTokenStatus::Active).await && proves().await);
        assert_eq!(store.access_token_of(issued.id).await.unwrap().as_ref(), Some(issued));
        assert_eq!(backend.audit_events().await.len(), events + 2);
    }
}

pub async fn an_access_key_is_found_with_its_secret_while_its_caller_exists(backend: &mut impl Backend) {
    let store = backend.store();
    let (acme, globex) = (add_tenant(&*store, "acme").await, add_tenant(&*store, "globex").await);
    let alice = add_subject(&*store, &acme, ram_user("alice")).await.id;
    let users = access_key(Caller::RamUser(acme.clone(), RamUserName::parse("alice").unwrap(), alice));
    let (roots, theirs) = (access_key(Caller::Root(acme.clone())), access_key(Caller::Root(globex.clone())));
    for key in [&users, &roots, &theirs] {
        let sealed = secret("a", &key.id.0.simple().to_string());
        assert_eq!(
            store.insert_access_token(key, TokenProof::Secret(&sealed), &authority()).await.unwrap(),
            TokenInsertion::Inserted
        );
        let found = FoundKey { token: key.clone(), secret: sealed, is_nonce_spent: false };
        assert_eq!(store.access_key(key.id, None).await.unwrap(), Some(found));
    }
    let bearer = token(Caller::Root(acme.clone()));
    assert!(add_token(&*store, &bearer, digest(1)).await);
    for id in [bearer.id, access_key(operator()).id] {
        assert_eq!(store.access_key(id, None).await.unwrap(), None);
    }

    store.delete_subject(&acme, &ram_user("alice"), &authority()).await.unwrap();
    add_subject(&*store, &acme, ram_user("alice")).await;
    store.delete_tenant(&globex, &authority()).await.unwrap();
    let again = Tenant { id: TenantId(Uuid::new_v4()), ..new_tenant("globex", 4) };
    store.create_tenant(&again, &authority()).await.unwrap();
    for id in [users.id, theirs.id] {
        assert_eq!(store.access_key(id, None).await.unwrap(), None, "its caller has a namesake now");
    }
    assert!(store.access_key(roots.id, None).await.unwrap().is_some());
}

pub async fn a_nonce_is_spent_once_until_it_is_removed(backend: &mut impl Backend) {
    let acme = add_tenant(&*backend.store(), "acme").await;
    let key = access_key(Caller::Root(acme));
    let store = backend.store();
    store.insert_access_token(&key, TokenProof::Secret(&secret("a", "x")), &authority()).await.unwrap();
    let is_spent =
        async |nonce: &NonceKey| store.access_key(key.id, Some(nonce)).await.unwrap().unwrap().is_nonce_spent;
    let [one, other, later] = [1, 2, 3].map(|number| NonceKey([number; 32]));
    assert!(!is_spent(&one).await);

    let mut racers = JoinSet::new();
    for _ in 0..8 {
        let store = backend.store();
        racers.spawn(async move { store.spend_nonce(&one, at(30)).await.unwrap() });
    }
    assert_eq!(racers.join_all().await.into_iter().filter(|spent| *spent).count(), 1);
    assert!(is_spent(&one).await && !is_spent(&other).await);
    assert!(store.spend_nonce(&later, at(31)).await.unwrap());

    for (now, expected) in [(30, [true, true]), (31, [false, true]), (32, [false, false])] {
        assert!(!store.remove_spent_nonces(at(now)).await.unwrap());
        assert_eq!([is_spent(&one).await, is_spent(&later).await], expected, "{now}");
    }
    assert!(store.spend_nonce(&one, at(60)).await.unwrap());
}

pub async fn the_use_of_an_access_key_is_noted_once_a_minute(backend: &mut impl Backend) {
    let store = backend.store();
    let key = access_key(Caller::Root(add_tenant(&*store, "acme").await));
    store.insert_access_token(&key, TokenProof::Secret(&secret("a", "x")), &authority()).await.unwrap();
    let events = backend.audit_events().await.len();
    // The last one with a clock that was set back.
    for (used_at, noted_at) in [(100, 100), (101, 100), (60_000_099, 100), (60_000_100, 60_000_100), (5, 5), (6, 5)] {
        store.note_key_use(key.id, at(used_at)).await.unwrap();
        let found = store.access_token_of(key.id).await.unwrap().unwrap();
        assert_eq!(found, AccessToken { last_used_at: Some(at(noted_at)), ..key.clone() }, "{used_at}");
    }
    assert_eq!(backend.audit_events().await.len(), events);
}
