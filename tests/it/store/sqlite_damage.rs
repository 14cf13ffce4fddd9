//! Each damage to the file is reported, or does no harm.

use std::fs;
use std::path::Path;

use credentiald::domain::caller::Caller;
use credentiald::domain::names::RamUserName;
use credentiald::domain::overlap::PasswordUse;
use credentiald::domain::subject::SubjectKind;
use credentiald::ports::StoreError;
use credentiald::ports::store::{
    AccessTokens, Attempts, AuditLog, Credentials, Instances, Overlaps, Subjects, Tenants, TokenProof,
};
use credentiald::store::sqlite;
use tempfile::TempDir;

use super::sqlite::{connection_to, tamper};
use super::values::*;

/// Something of everything.
async fn fill(path: &Path) {
    let store = sqlite::open(path).await.unwrap();
    let acme = add_tenant(&store, "acme").await;
    add_instance(&store, &acme, "r-1").await;
    for name in [iam_user("jane"), mail_domain("Example.com"), account("r-1", "reader")] {
        add_subject_with_password(&store, &acme, name).await;
    }
    let alice = add_subject_with_password(&store, &acme, ram_user("alice")).await.id;
    store.commit(&change_under(alice, 1, client_token(1), at(1))).await.unwrap();
    let used = PasswordUse { caller: Caller::Root(acme.clone()), at: at(2) };
    store.note_use(alice, version(2), &used).await.unwrap();
    store.record_failure(&pair(1, 1), at(1), &limit(), &event()).await.unwrap();
    let caller = Caller::RamUser(acme, RamUserName::parse("alice").unwrap(), alice);
    assert!(add_token(&store, &token(caller), digest(1)).await);
    let key = access_key(Caller::Root(tenant("acme")));
    store.insert_access_token(&key, TokenProof::Secret(&secret("a", "c2VhbGVk")), &authority()).await.unwrap();
    store.record(&repeated_refusal()).await.unwrap();
    store.close().await;
}

/// Runs SQL past the store, and past what keeps audit events from being changed.
fn tamper_unprotected(path: &Path, statements: &str) {
    let select = "SELECT sql FROM sqlite_schema WHERE name = 'audit_event_unchanged'";
    let protection: String = connection_to(path).query_row(select, [], |row| row.get(0)).unwrap();
    tamper(path, &format!("DROP TRIGGER audit_event_unchanged; {statements}; {protection}"));
}

/// Everything that a caller would miss, as text. Not the times: a number that became another one is still a number.
async fn everything(path: &Path) -> String {
    let store = sqlite::open(path).await.unwrap();
    let acme = tenant("acme");
    let mut seen = vec![format!("{:?}", store.settings(&acme).await.unwrap())];
    for instance in store.instances(&acme, &page(10, None)).await.unwrap().items {
        seen.push(format!("{:?} {:?} {:?}", instance.id, instance.region, instance.status));
    }
    for &kind in SubjectKind::ALL {
        for entry in store.subjects(&acme, kind, None, &page(10, None)).await.unwrap().items {
            let credential = store.credential(entry.subject.id).await.unwrap().unwrap();
            let hashes: Vec<_> = credential.history.iter().map(|earlier| earlier.hash.expose().to_owned()).collect();
            seen.push(format!("{:?} {:?}", entry.subject.name, entry.subject.attributes));
            seen.push(format!("{} {} {hashes:?}", credential.version, credential.hash.expose()));
        }
    }
    store.close().await;
    seen.join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flipped_bytes_are_found_or_do_no_harm() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.db");
    fill(&path).await;
    let (sound, before) = (fs::read(&path).unwrap(), everything(&path).await);

    let mut found = 0;
    // The header, and in each page its own header, its cell pointers, the middle, and the end, where cells begin.
    let in_page = [0, 1, 3, 5, 7, 8, 9, 12, 40, 2048, 3600, 3900, 4000, 4050, 4090, 4095];
    let positions =
        (0..100).step_by(3).chain((0..sound.len() / 4096).flat_map(|page| in_page.map(|at| page * 4096 + at)));
    for position in positions {
        let mut bytes = sound.clone();
        bytes[position] ^= 0xff;
        fs::write(&path, &bytes).unwrap();
        match sqlite::check(&path, None).await {
            Ok(report) if report.is_sound() => assert_eq!(everything(&path).await, before, "byte {position}"),
            Ok(report) => {
                found += 1;
                let lines = report.damages.join("\n");
                assert!(!lines.contains("argon2id"), "no hash is shown: {lines}");
            }
            Err(_) => found += 1,
        }
        for suffix in ["-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{suffix}", path.display()));
        }
    }
    assert!(found > 50, "{found}");
}

/// A key in an index, whose last byte is the number of the row: the header of the record says so
/// (<https://www.sqlite.org/fileformat.html#record_format>).
fn places_in_indexes(bytes: &[u8], key: &[u8], kind: usize) -> Vec<usize> {
    let entry = [&[3, u8::try_from(key.len() * 2 + kind).unwrap(), 1], key].concat();
    let ends = (entry.len()..bytes.len()).filter(|end| bytes[end - entry.len()..*end] == entry);
    ends.collect()
}

#[tokio::test]
async fn an_index_that_leads_to_another_row_gives_no_caller_what_is_anothers() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.db");
    fill(&path).await;
    let store = sqlite::open(&path).await.unwrap();
    let acme = tenant("acme");
    // Another token, so that there are two to take for one another.
    assert!(add_token(&store, &token(Caller::Root(acme.clone())), digest(2)).await);
    let alice = store.subject(&acme, &ram_user("alice")).await.unwrap().unwrap().subject.id;
    store.close().await;
    let sound = fs::read(&path).unwrap();

    let (text, blob) = (13, 12);
    let of_subject = places_in_indexes(&sound, alice.to_string().as_bytes(), text);
    let of_token = places_in_indexes(&sound, &digest(2).0, blob);
    assert!(of_subject.len() >= 2 && of_token.len() == 1, "{of_subject:?} {of_token:?}");
    let mut refused = 0;
    for place in of_subject.into_iter().chain(of_token) {
        for row in (1..=4).filter(|row| *row != sound[place]) {
            let mut bytes = sound.clone();
            bytes[place] = row;
            fs::write(&path, &bytes).unwrap();
            let store = sqlite::open(&path).await.unwrap();
            match store.credential(alice).await {
                Ok(found) => assert!(found.is_none_or(|found| found.hash == hash(2)), "byte {place}"),
                Err(error) => refused += u64::from(matches!(error, StoreError::Damaged(_))),
            }
            match store.access_token(&digest(2)).await {
                Ok(found) => assert!(found.is_none_or(|found| found.caller == Caller::Root(acme.clone()))),
                Err(error) => refused += u64::from(matches!(error, StoreError::Damaged(_))),
            }
            store.close().await;
        }
    }
    assert!(refused >= 4, "{refused}");
}

#[tokio::test]
async fn a_cut_file_is_found() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.db");
    fill(&path).await;
    let sound = fs::read(&path).unwrap();
    for length in [50, 512, 4096, 8192, sound.len() / 2, sound.len() - 4096, sound.len() - 1] {
        fs::write(&path, &sound[..length]).unwrap();
        let report = sqlite::check(&path, None).await;
        assert!(report.is_err() || report.is_ok_and(|report| !report.is_sound()), "{length}");
    }
}

#[tokio::test]
async fn each_invalid_row_is_reported_and_not_shown() {
    for (statement, table) in [
        (
            "UPDATE tenant SET settings = replace(settings, '\"minimum_password_length\":8', '\"minimum_password_length\":7')",
            "tenant",
        ),
        ("UPDATE tenant SET settings = 'secret'", "tenant"),
        ("UPDATE instance SET status = 'secret'", "instance"),
        ("UPDATE subject SET kind = 'secret'", "subject"),
        ("UPDATE subject SET name = 'secret' WHERE kind = 'mail-domain'", "subject"),
        ("UPDATE subject SET tags = 'secret' WHERE kind = 'iam-user'", "subject"),
        ("UPDATE subject SET region = NULL", "subject"),
        ("UPDATE subject SET id = upper(id)", "subject"),
        ("UPDATE credential SET hash = 'secret'", "credential"),
        ("UPDATE credential SET hash = CAST(x'24ff24ff' AS TEXT)", "credential"),
        ("UPDATE credential SET hash = 'sec-ret', pepper_key = 'a'", "credential"),
        ("UPDATE credential SET pepper_key = 'not an id'", "credential"),
        ("UPDATE credential SET changed_by = 'secret'", "credential"),
        ("UPDATE earlier_hash SET hash = '$argon2id$ secret'", "earlier_hash"),
        ("UPDATE earlier_hash SET version = 9", "earlier hashes"),
        ("UPDATE pair_failures SET subject_key = x'00'", "pair_failures"),
        ("UPDATE subject_failures SET count = 9", "failures"),
        ("DELETE FROM subject_failures", "failures"),
        ("PRAGMA ignore_check_constraints = ON; UPDATE client_token SET token_key = x'00'", "client_token"),
        ("PRAGMA ignore_check_constraints = ON; UPDATE client_token SET expected_version = -1", "client_token"),
        ("UPDATE change_event SET what = 'secret'", "change_event"),
        ("UPDATE change_event SET what = 'locked'", "change_event"),
        ("UPDATE change_event SET written = 'sec ret'", "change_event"),
        ("UPDATE change_event SET number = number + 9", "change events"),
        ("UPDATE change_event SET position = 9 WHERE what = 'changed' OR what = 'reset'", "change events"),
        ("DELETE FROM change_position", "change events"),
        ("UPDATE credential SET overlap_started_at = 1", "credential"),
        ("UPDATE password_use SET caller_kind = 'secret'", "password_use"),
        ("UPDATE access_token SET kind = 'operator'", "access_token"),
        ("UPDATE access_token SET subject_id = NULL", "access_token"),
        ("UPDATE access_token SET disabled = 2", "access_token"),
        ("UPDATE access_token SET secret = 'sec ret' WHERE secret IS NOT NULL", "access_token"),
        ("UPDATE access_token SET pepper_key = 'not an id' WHERE secret IS NOT NULL", "access_token"),
        ("DELETE FROM subject WHERE kind = 'ram-user'", "credential"),
        ("UPDATE audit_event SET action = 'secret'", "audit_event"),
        ("UPDATE audit_event SET repeats = -1", "audit_event"),
        ("UPDATE audit_event SET repeated_since = NULL", "audit_event"),
    ] {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("store.db");
        fill(&path).await;
        tamper_unprotected(&path, &format!("PRAGMA foreign_keys = OFF; {statement}"));
        let report = sqlite::check(&path, None).await.unwrap();
        let lines = report.damages.join("\n");
        assert!(lines.contains(table), "{statement}: {lines:?}");
        // The name of the column is no value.
        let values = lines.replace("\"secret\" can't be understood", "");
        assert!(!values.contains("secret") && !values.contains("sec ret"), "{lines}");
        // Whoever serves from such a store gets an answer as well.
        let store = sqlite::open(&path).await.unwrap();
        let _ = store.look_up(&tenant("acme"), &mail_domain("example.com")).await;
        let _ = store.settings(&tenant("acme")).await;
        let _ = store.access_token(&digest(1)).await;
    }
}

#[tokio::test]
async fn settings_out_of_range_are_damage_in_every_read() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.db");
    fill(&path).await;
    tamper(&path, "UPDATE tenant SET settings = replace(settings, '\"hard_expiry\":false', '\"hard_expiry\":2')");
    let store = sqlite::open(&path).await.unwrap();
    assert!(matches!(store.settings(&tenant("acme")).await, Err(StoreError::Damaged(_))));
}

#[tokio::test]
async fn a_token_whose_subject_was_deleted_by_hand_is_not_found() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.db");
    fill(&path).await;
    tamper(&path, "PRAGMA foreign_keys = OFF; DELETE FROM subject WHERE kind = 'ram-user'");
    let store = sqlite::open(&path).await.unwrap();
    assert_eq!(store.access_token(&digest(1)).await.unwrap(), None);
}
