//! Lists are read in parts.

use credentiald::domain::access_token::AccessToken;
use credentiald::domain::caller::Caller;
use credentiald::domain::names::FreeName;
use credentiald::domain::page::{CountedPageRequest, Page};
use credentiald::domain::subject::SubjectKind;

use super::backend::Backend;
use super::values::*;

/// Reads a list to its end, in parts of that size, and gives what `name` makes of each item.
macro_rules! visit {
    ($size:expr, |$page:ident| $list:expr, $name:expr) => {{
        let (mut names, mut after) = (Vec::new(), None);
        loop {
            let $page = page($size, after);
            let Page { items, next } = $list.await.unwrap();
            assert!(items.len() <= $size as usize);
            names.extend(items.iter().map($name));
            match next {
                Some(key) => after = Some(key),
                None => break names,
            }
        }
    }};
}

pub async fn paging_visits_everything_once_in_order(backend: &mut impl Backend) {
    let store = backend.store();
    let sorted = ["B-1", "a", "a-1", "a.1", "a1", "b_1"];
    for name in ["a1", "B-1", "a", "b_1", "a.1", "a-1"] {
        add_tenant(&*store, name).await;
    }
    let acme = tenant("a");
    for name in ["a1", "B-1", "a", "b_1", "a.1", "a-1"] {
        add_subject(&*store, &acme, ram_user(name)).await;
        add_instance(&*store, &acme, name).await;
        add_subject(&*store, &tenant("a1"), ram_user(name)).await;
    }
    add_subject(&*store, &acme, mail_domain("elsewhere")).await;
    for size in [1, 2, 3, 6, 7] {
        let tenants = visit!(size, |part| store.tenants(&part), |tenant| tenant.name.as_str().to_owned());
        let instances = visit!(size, |part| store.instances(&acme, &part), |item| item.id.as_str().to_owned());
        let users = visit!(size, |part| store.subjects(&acme, SubjectKind::RamUser, None, &part), |entry| entry
            .subject
            .name
            .key()
            .to_owned());
        assert_eq!(tenants, sorted, "{size}");
        assert_eq!(instances, sorted, "{size}");
        assert_eq!(users, sorted, "{size}");
    }
}

pub async fn accounts_of_all_instances_come_in_order(backend: &mut impl Backend) {
    let store = backend.store();
    let acme = add_tenant(&*store, "acme").await;
    for instance in ["r-2", "r-1", "r-10"] {
        add_instance(&*store, &acme, instance).await;
        for name in ["writer", "admin"] {
            add_subject(&*store, &acme, account(instance, name)).await;
        }
    }
    let kind = SubjectKind::InstanceAccount;
    for size in [1, 2, 4, 6] {
        let all = visit!(size, |part| store.subjects(&acme, kind, None, &part), |entry| entry.subject.name.to_string());
        let expected = ["r-1/admin", "r-1/writer", "r-10/admin", "r-10/writer", "r-2/admin", "r-2/writer"];
        assert_eq!(all, expected.map(|name| format!("instance-account {name}")));
        let instance = instance_id("r-1");
        let one = visit!(size, |part| store.subjects(&acme, kind, Some(&instance), &part), |entry| entry
            .subject
            .name
            .key()
            .to_owned());
        assert_eq!(one, ["admin", "writer"]);
    }
}

pub async fn accounts_of_an_instance_are_counted(backend: &mut impl Backend) {
    let store = backend.store();
    let acme = add_tenant(&*store, "acme").await;
    for instance in ["r-1", "r-2"] {
        add_instance(&*store, &acme, instance).await;
        for name in ["writer", "a_b", "admin", "reader"] {
            add_subject(&*store, &acme, account(instance, name)).await;
        }
    }
    let r_1 = instance_id("r-1");
    for (containing, skip, size, expected, total) in [
        ("", 0, 2, &["a_b", "admin"][..], 4),
        ("", 2, 2, &["reader", "writer"], 4),
        ("", 3, 9, &["writer"], 4),
        ("", 9, 9, &[], 4),
        ("", u64::MAX, 9, &[], 4),
        ("er", 0, 9, &["reader", "writer"], 2),
        ("er", 1, 1, &["writer"], 2),
        // No pattern.
        ("_", 0, 9, &["a_b"], 1),
        ("%", 0, 9, &[], 0),
        ("absent", 0, 9, &[], 0),
    ] {
        let found = store.accounts(&acme, &r_1, containing, CountedPageRequest { skip, size }).await.unwrap();
        let names: Vec<_> = found.items.iter().map(|entry| entry.subject.name.key()).collect();
        assert_eq!((names.as_slice(), found.total), (expected, total), "{containing} {skip} {size}");
        assert!(found.items.iter().all(|entry| entry.subject.name.instance() == Some(&r_1)));
    }
}

pub async fn tokens_come_the_oldest_first(backend: &mut impl Backend) {
    let store = backend.store();
    let acme = add_tenant(&*store, "acme").await;
    let mut issued = Vec::new();
    for (number, created_at) in [30, 10, -20, 10, 20].into_iter().enumerate() {
        let number = u8::try_from(number).unwrap();
        let name = FreeName::parse(&format!("relay-{number}")).unwrap();
        let of_tenant = AccessToken { created_at: at(created_at), ..token(Caller::Service(acme.clone(), name)) };
        assert!(add_token(&*store, &of_tenant, digest(number)).await);
        assert!(add_token(&*store, &token(operator()), digest(100 + number)).await);
        issued.push(of_tenant);
    }
    issued.sort_by_key(|token| (token.created_at, token.id.0.to_string()));
    for size in [1, 2, 5, 6] {
        let visited = visit!(size, |part| store.access_tokens(Some(&acme), &part), AccessToken::clone);
        assert_eq!(visited, issued);
        assert_eq!(visit!(size, |part| store.access_tokens(None, &part), AccessToken::clone).len(), 5);
    }
    let nowhere = store.access_tokens(None, &page(5, Some("nowhere".to_owned()))).await.unwrap();
    assert_eq!(nowhere, Page { items: vec![], next: None });
}
