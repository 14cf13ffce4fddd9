//! With a pepper the store alone is worth nothing, and callers notice no difference.

use std::fs;

use credentiald::ambient::SystemEntropy;
use credentiald::domain::names::PepperKeyId;
use credentiald::hashing::new_key;
use credentiald::server::Server;
use memchr::memmem;
use serde_json::json;

use super::upgrades::{algorithms, import, posture};
use crate::store::connection_to;
use crate::support::tenant::change;
use crate::support::world::config;
use crate::support::{Setup, World, database};

const KEYS: &str = "pepper.keys";

pub fn key(id: &str) -> String {
    new_key(&PepperKeyId::parse(id).unwrap(), &SystemEntropy).to_string()
}

fn alice() -> serde_json::Value {
    json!({ "ram_user": "alice" })
}

/// Runs a statement past the service, and answers how many rows it changed.
fn tamper(world: &World, statement: &str) -> usize {
    connection_to(&database(&world.directory)).execute(statement, []).unwrap()
}

/// Whether any file of the store holds what begins an argon2 hash.
fn shows_hashes(world: &World) -> bool {
    fs::read_dir(world.directory.path()).unwrap().any(|file| {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        memmem::find(&bytes, b"$argon2").is_some()
    })
}

/// Why a server with these settings does not start on the store of that world.
async fn refusal(world: &World, settings: &[(&str, &str)]) -> String {
    let settings = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let config = config(&database(&world.directory), settings);
    Server::build_beside(&config).await.err().expect("it starts").to_string()
}

#[tokio::test]
async fn every_way_to_a_password_works_and_no_hash_can_be_read_in_the_store() {
    let ring = key("a");
    let world = Setup::default().with(KEYS, &ring).start().await;
    world.root.ok("SetPasswordPolicy", json!({ "password_reuse_prevention": 3 })).await;
    let user = world.ram_user("alice", "mypassword1").await;
    user.ok("ChangePassword", change("mypassword1", "mypassword2")).await;
    user.ok("ChangePassword", change("mypassword2", "mypassword3")).await;
    for used in ["mypassword1", "mypassword2", "mypassword3"] {
        user.err("ChangePassword", change("mypassword3", used), "PASSWORD_REUSED").await;
    }
    user.err("ChangePassword", change("mypassword2", "mypassword4"), "OLD_PASSWORD_INCORRECT").await;
    world.root.ok("ResetPassword", json!({ "subject": alice(), "password": "mypassword5" })).await;
    let bob = world.iam_user("bob", "Correct-Horse-1").await;
    bob.ok("ChangePasswordV5", change("Correct-Horse-1", "Correct-Horse-2")).await;
    world.mail_domain("example.com", "AAbb12ccDD").await;
    world.root.ok("ModifyPWByDomain", json!({ "domain_name": "example.com", "password": "AAbb34ccDD" })).await;
    world.instance_account("r-1", "dave", "Old_pass1").await;

    assert!(!shows_hashes(&world));
    assert_eq!(posture(&world).await, ["argon2id v=19,m=47104,t=1,p=1: 0 of 4"]);
    let world = world.restart_with(&[(KEYS, &ring)]).await;
    assert!(!shows_hashes(&world));
    assert_eq!(world.verify(alice(), "mypassword5").await, "MATCHED_CURRENT");
    assert_eq!(world.verify(alice(), "mypassword3").await, "NOT_MATCHED");
    assert_eq!(world.verify(json!({ "mail_domain": "example.com" }), "AAbb34ccDD").await, "MATCHED_CURRENT");
}

#[tokio::test]
async fn a_hash_that_was_altered_or_moved_is_damage_and_never_matches() {
    let ring = key("a");
    let world = Setup::default().with(KEYS, &ring).start().await;
    world.root.ok("SetPasswordPolicy", json!({ "password_reuse_prevention": 3 })).await;
    let user = world.ram_user("alice", "mypassword1").await;
    user.ok("ChangePassword", change("mypassword1", "mypassword2")).await;
    world.ram_user("mallory", "herpassword").await;
    let statements = [
        // Another subject's, at the same version.
        "UPDATE credential SET version = 1, hash = (SELECT c.hash FROM credential c JOIN subject s ON s.id = c.subject_id
             WHERE s.name = 'mallory') WHERE subject_id = (SELECT id FROM subject WHERE name = 'alice')",
        // The subject's own, of an earlier version.
        "UPDATE credential SET hash = (SELECT e.hash FROM earlier_hash e WHERE e.subject_id = credential.subject_id)
             WHERE subject_id = (SELECT id FROM subject WHERE name = 'alice')",
        // The right one at another version.
        "UPDATE credential SET version = 3 WHERE subject_id = (SELECT id FROM subject WHERE name = 'alice')",
        // A character of it.
        "UPDATE credential SET hash = substr(hash, 1, 50) || CASE substr(hash, 51, 1) WHEN 'A' THEN 'B' ELSE 'A' END
             || substr(hash, 52) WHERE subject_id = (SELECT id FROM subject WHERE name = 'alice')",
    ];
    let service = world.service().await;
    let keep = "CREATE TABLE kept AS SELECT * FROM credential";
    tamper(&world, keep);
    for statement in statements {
        assert_eq!(tamper(&world, statement), 1, "{statement}");
        for password in ["mypassword1", "mypassword2", "herpassword"] {
            service.err("VerifyPassword", json!({ "subject": alice(), "password": password }), "INTERNAL").await;
            user.err("ChangePassword", change(password, "mypassword3"), "INTERNAL").await;
        }
        tamper(&world, "DELETE FROM credential");
        tamper(&world, "INSERT INTO credential SELECT * FROM kept");
    }
    assert_eq!(world.verify(alice(), "mypassword2").await, "MATCHED_CURRENT");

    // A hash that does not open has a reason of its own, and an administrator replaces it.
    tamper(&world, statements[3]);
    assert_eq!(posture(&world).await, ["argon2id v=19,m=47104,t=1,p=1: 0 of 1", "unreadable -: 1 of 1"]);
    assert_eq!(algorithms(&world).await, ["unreadable", "argon2id"]);
    world.root.ok("ResetPassword", json!({ "subject": alice(), "password": "mypassword4" })).await;
    assert_eq!(world.verify(alice(), "mypassword4").await, "MATCHED_CURRENT");
}

#[tokio::test]
async fn damage_to_an_earlier_hash_stops_only_who_compares_with_it() {
    let world = Setup::default().with(KEYS, &key("a")).start().await;
    world.root.ok("SetPasswordPolicy", json!({ "password_reuse_prevention": 3 })).await;
    let user = world.ram_user("alice", "mypassword1").await;
    user.ok("ChangePassword", change("mypassword1", "mypassword2")).await;
    assert_eq!(tamper(&world, "UPDATE earlier_hash SET version = 1, hash = 'AAAA' || substr(hash, 5)"), 1);
    assert_eq!(world.verify(alice(), "mypassword2").await, "MATCHED_CURRENT");
    user.err("ChangePassword", change("mypassword2", "mypassword3"), "INTERNAL").await;
}

#[tokio::test]
async fn another_key_of_the_same_id_matches_nothing() {
    let world = Setup::default().with(KEYS, &key("a")).start().await;
    world.ram_user("alice", "mypassword").await;
    let world = world.restart_with(&[(KEYS, &key("a"))]).await;
    let request = json!({ "subject": alice(), "password": "mypassword" });
    world.service().await.err("VerifyPassword", request, "INTERNAL").await;
}

#[tokio::test]
async fn a_pepper_can_be_added_to_a_store_that_had_none() {
    let world = World::start().await;
    let user = world.ram_user("alice", "mypassword1").await;
    let ring = key("a");
    let world = world.restart_with(&[(KEYS, &ring)]).await;
    assert_eq!(world.verify(alice(), "mypassword1").await, "MATCHED_CURRENT");
    user.at(world.address).ok("ChangePassword", change("mypassword1", "mypassword2")).await;
    let world = world.restart_with(&[(KEYS, &ring), ("pepper.required", "true")]).await;
    assert_eq!(world.verify(alice(), "mypassword2").await, "MATCHED_CURRENT");
}

#[tokio::test]
async fn a_weaker_hash_is_upgraded_to_a_wrapped_one() {
    let ring = key("a");
    let world = Setup::default().with(KEYS, &ring).start().await;
    world.ram_user("alice", "mypassword").await;
    world.ram_user("bob", "mypassword").await;
    // Of "caf" and "e" with an accent.
    import(&world, "bob", "$2b$05$abcdefghijklmnopqrstuukYd4qNHyZ/ow.11gfHuCEngbXKNA6ZG");
    let dearer = [(KEYS, ring.as_str()), ("hashing.iterations", "2")];
    let world = world.restart_with(&dearer).await;
    assert_eq!(world.verify(alice(), "mypassword").await, "MATCHED_CURRENT");
    assert_eq!(world.verify(json!({ "ram_user": "bob" }), "cafe\u{301}").await, "MATCHED_CURRENT");
    // An orderly stop waits for what is under way without a caller.
    let required = [dearer[0], dearer[1], ("pepper.required", "true")];
    let world = world.restart_with(&required).await;
    assert_eq!(posture(&world).await, ["argon2id v=19,m=47104,t=2,p=1: 0 of 2"]);
    assert_eq!(world.verify(json!({ "ram_user": "bob" }), "caf\u{e9}").await, "MATCHED_CURRENT");
}

#[tokio::test]
async fn a_planted_hash_is_refused_where_wrapped_ones_are_required() {
    let ring = key("a");
    let world = Setup::default().with(KEYS, &ring).with("pepper.required", "true").start().await;
    world.ram_user("alice", "mypassword").await;
    // Of "caf" and "e" with an accent.
    import(&world, "alice", "$2b$05$abcdefghijklmnopqrstuukYd4qNHyZ/ow.11gfHuCEngbXKNA6ZG");
    let request = json!({ "subject": alice(), "password": "caf\u{e9}" });
    world.service().await.err("VerifyPassword", request, "INTERNAL").await;
    let required = [(KEYS, ring.as_str()), ("pepper.required", "true")];
    let refusal = refusal(&world, &required).await;
    assert_eq!(refusal, "1 stored hash is not encrypted, which pepper.required forbids");
}

#[tokio::test]
async fn without_a_key_that_is_needed_nothing_starts() {
    let (a, b, c) = (key("a"), key("b"), key("c"));
    let world = Setup::default().with(KEYS, &a).start().await;
    for user in ["alice", "bob"] {
        world.ram_user(user, "mypassword").await;
    }
    let world = world.restart_with(&[(KEYS, &format!("{b}\n{a}"))]).await;
    world.ram_user("carol", "mypassword").await;
    let needs_a = "the pepper key a is missing: 2 stored hashes are encrypted under it";
    let needs_b = "the pepper key b is missing: 1 stored hash is encrypted under it";
    assert_eq!(refusal(&world, &[]).await, format!("{needs_a}; {needs_b}"));
    assert_eq!(refusal(&world, &[(KEYS, &c)]).await, format!("{needs_a}; {needs_b}"));
    assert_eq!(refusal(&world, &[(KEYS, &b)]).await, needs_a);

    // Declared lost, it stops nothing but its own passwords.
    let world = world.restart_with(&[(KEYS, &format!("{b}\na:lost"))]).await;
    assert_eq!(world.verify(json!({ "ram_user": "carol" }), "mypassword").await, "MATCHED_CURRENT");
    let request = json!({ "subject": alice(), "password": "mypassword" });
    world.service().await.err("VerifyPassword", request, "INTERNAL").await;
}

#[tokio::test]
async fn a_password_under_a_lost_key_can_be_reset_and_then_changed() {
    let (a, b) = (key("a"), key("b"));
    let world = Setup::default().with(KEYS, &a).start().await;
    world.root.ok("SetPasswordPolicy", json!({ "password_reuse_prevention": 3 })).await;
    let user = world.ram_user("alice", "mypassword1").await;
    user.ok("ChangePassword", change("mypassword1", "mypassword2")).await;

    let world = world.restart_with(&[(KEYS, &format!("{b}\na:lost"))]).await;
    let user = user.at(world.address);
    user.err("ChangePassword", change("mypassword2", "mypassword3"), "INTERNAL").await;
    let reset = json!({ "subject": alice(), "password": "mypassword3", "password_reset_required": true });
    world.root.ok("ResetPassword", reset).await;
    // An earlier password under the key matches none. Others still count.
    user.err("ChangePassword", change("mypassword3", "mypassword3"), "PASSWORD_REUSED").await;
    user.ok("ChangePassword", change("mypassword3", "mypassword2")).await;
    user.err("ChangePassword", change("mypassword2", "mypassword3"), "PASSWORD_REUSED").await;
    assert_eq!(world.verify(alice(), "mypassword2").await, "MATCHED_CURRENT");

    // A key that is only missing may come back: until then it stops who compares with its hash.
    assert_eq!(tamper(&world, "UPDATE earlier_hash SET pepper_key = 'c' WHERE pepper_key = 'b'"), 1);
    user.err("ChangePassword", change("mypassword2", "mypassword4"), "INTERNAL").await;
}
