//! Stored hashes outlive the parameters that they were made with.

use serde_json::{Value, json};

use crate::store::connection_to;
use crate::support::{Setup, World, database};

const DEARER: &[(&str, &str)] = &[("hashing.iterations", "2")];

/// `algorithm parameters: below target of hashes`, for each group.
fn groups(posture: &Value) -> Vec<String> {
    let text = |value: &Value, absent: &str| value.as_str().unwrap_or(absent).to_owned();
    let groups = posture["groups"].as_array().into_iter().flatten();
    groups
        .map(|group| {
            let [algorithm, parameters] = ["algorithm", "parameters"].map(|field| text(&group[field], "-"));
            let [hashes, below] = ["hashes", "below_target"].map(|field| text(&group[field], "0"));
            format!("{algorithm} {parameters}: {below} of {hashes}")
        })
        .collect()
}

pub async fn posture(world: &World) -> Vec<String> {
    groups(&world.root.ok("DescribeHashPosture", json!({})).await)
}

/// The algorithm of each RAM user's hash, in the order of their names.
pub async fn algorithms(world: &World) -> Vec<Value> {
    let listed = world.root.ok("ListRamUsers", json!({})).await;
    let users = listed["ram_users"].as_array().unwrap();
    users.iter().map(|user| user["credential"]["hash_algorithm"].clone()).collect()
}

/// Puts another hash in the place of a RAM user's, as an import would.
pub fn import(world: &World, user: &str, hash: &str) {
    let update = "UPDATE credential SET hash = ?2, pepper_key = NULL, revision = revision + 1
         WHERE subject_id = (SELECT id FROM subject WHERE name = ?1)";
    assert_eq!(connection_to(&database(&world.directory)).execute(update, [user, hash]).unwrap(), 1);
}

#[tokio::test]
async fn a_verified_password_is_hashed_anew_where_the_cost_was_raised() {
    let world = World::start().await;
    world.ram_user("alice", "mypassword").await;
    world.ram_user("bob", "hispassword").await;
    assert_eq!(posture(&world).await, ["argon2id v=19,m=47104,t=1,p=1: 0 of 2"]);

    let world = world.restart_with(DEARER).await;
    assert_eq!(posture(&world).await, ["argon2id v=19,m=47104,t=1,p=1: 2 of 2"]);
    assert_eq!(world.verify(json!({ "ram_user": "alice" }), "mypassword").await, "MATCHED_CURRENT");
    assert_eq!(world.verify(json!({ "ram_user": "bob" }), "mypassword").await, "NOT_MATCHED");

    // An orderly stop waits for what is under way without a caller.
    let world = world.restart_with(DEARER).await;
    let mut expected =
        ["argon2id v=19,m=47104,t=1,p=1: 1 of 1".to_owned(), "argon2id v=19,m=47104,t=2,p=1: 0 of 1".to_owned()];
    expected.sort();
    assert_eq!(posture(&world).await, expected);
    let described = world.root.ok("DescribeRamUser", json!({ "user_name": "alice" })).await;
    assert_eq!(described["ram_user"]["credential"]["version"], "1");
    assert_eq!(world.verify(json!({ "ram_user": "alice" }), "mypassword").await, "MATCHED_CURRENT");
    assert_eq!(world.verify(json!({ "ram_user": "alice" }), "another").await, "NOT_MATCHED");
}

#[tokio::test]
async fn an_imported_hash_verifies_and_is_upgraded_on_first_use() {
    let world = World::start().await;
    for user in ["alice", "bob", "carol"] {
        world.ram_user(user, "mypassword").await;
    }
    // Of "caf" and "e" with an accent after it; of 72 times "x".
    import(&world, "alice", "$2b$05$abcdefghijklmnopqrstuukYd4qNHyZ/ow.11gfHuCEngbXKNA6ZG");
    import(&world, "bob", "$2b$05$abcdefghijklmnopqrstuujf8SX2ahXLwp9w/B.Y5XdysS6yR576q");
    import(&world, "carol", "$2b$31$abcdefghijklmnopqrstuujf8SX2ahXLwp9w/B.Y5XdysS6yR576q");
    assert_eq!(posture(&world).await, ["bcrypt cost=5: 2 of 2", "unreadable -: 1 of 1"]);
    assert_eq!(algorithms(&world).await, ["bcrypt", "bcrypt", "unreadable"]);

    assert_eq!(world.verify(json!({ "ram_user": "alice" }), "cafe\u{301}").await, "MATCHED_CURRENT");
    // What bcrypt cut off may be wrong, so it must not become a part of the password.
    assert_eq!(world.verify(json!({ "ram_user": "bob" }), &"x".repeat(90)).await, "MATCHED_CURRENT");
    let request = json!({ "subject": { "ram_user": "carol" }, "password": "mypassword" });
    world.service().await.err("VerifyPassword", request, "INTERNAL").await;

    let world = world.restart().await;
    assert_eq!(
        posture(&world).await,
        ["argon2id v=19,m=47104,t=1,p=1: 0 of 1", "bcrypt cost=5: 1 of 1", "unreadable -: 1 of 1"]
    );
    for form in ["cafe\u{301}", "caf\u{e9}"] {
        assert_eq!(world.verify(json!({ "ram_user": "alice" }), form).await, "MATCHED_CURRENT");
    }
    assert_eq!(world.verify(json!({ "ram_user": "bob" }), &"x".repeat(72)).await, "MATCHED_CURRENT");
}

/// Forms that are tried and do not match decide nothing.
#[tokio::test]
async fn a_hash_is_upgraded_if_the_form_that_matched_was_hashed_whole() {
    let world = Setup::default().with("import.forms", "nfd").start().await;
    world.ram_user("alice", "mypassword").await;
    // By libxcrypt, of 60 bytes; in NFD they are 90, of which bcrypt takes 72.
    import(&world, "alice", "$2b$05$abcdefghijklmnopqrstuuH697yjJ5RciYzyfi0k5spE7VBzoKg6G");
    assert_eq!(world.verify(json!({ "ram_user": "alice" }), &"\u{e9}".repeat(30)).await, "MATCHED_CURRENT");
    let world = world.restart().await;
    assert_eq!(posture(&world).await, ["argon2id v=19,m=47104,t=1,p=1: 0 of 1"]);
    assert_eq!(world.verify(json!({ "ram_user": "alice" }), &"\u{e9}".repeat(30)).await, "MATCHED_CURRENT");
}

#[tokio::test]
async fn a_password_with_nul_after_it_neither_matches_nor_takes_the_place_of_the_right_one() {
    let world = World::start().await;
    world.ram_user("alice", "mypassword").await;
    // Of "P".
    import(
        &world,
        "alice",
        "$pbkdf2-sha256$i=600000$MDEyMzQ1Njc4OWFiY2RlZg$h6nkJAuRenXN5l7+mlRdNd7gRnP9Qq7maJjeFcGgTyM",
    );
    let alice = json!({ "ram_user": "alice" });
    assert_eq!(world.verify(alice.clone(), "P\0").await, "NOT_MATCHED");

    let world = world.restart().await;
    assert_eq!(posture(&world).await, ["pbkdf2-sha256 i=600000: 1 of 1"]);
    assert_eq!(world.verify(alice.clone(), "P").await, "MATCHED_CURRENT");
    let world = world.restart().await;
    assert_eq!(posture(&world).await, ["argon2id v=19,m=47104,t=1,p=1: 0 of 1"]);
    assert_eq!(world.verify_each(&alice, &["P\0", "P"]).await, ["NOT_MATCHED", "MATCHED_CURRENT"]);
}

#[tokio::test]
async fn an_imported_password_can_be_changed_and_does_not_come_again() {
    let world = World::start().await;
    world.root.ok("SetPasswordPolicy", json!({ "password_reuse_prevention": 3 })).await;
    let alice = world.ram_user("alice", "mypassword").await;
    // Of "Tr0ub4dor&3 é".
    import(&world, "alice", "$pbkdf2-sha256$29000$MDEyMzQ1Njc4OWFiY2RlZg$f9l1Zhm2aQC8YoY43s3vfD.ErgWUFU4ni8wj7jFR9Qw");
    let change = |old: &str, new: &str| json!({ "old_password": old, "new_password": new });
    alice.err("ChangePassword", change("mypassword", "newpassword"), "OLD_PASSWORD_INCORRECT").await;
    alice.ok("ChangePassword", change("Tr0ub4dor&3 \u{e9}", "newpassword")).await;
    alice.err("ChangePassword", change("newpassword", "Tr0ub4dor&3 \u{e9}"), "PASSWORD_REUSED").await;
    assert_eq!(posture(&world).await, ["argon2id v=19,m=47104,t=1,p=1: 0 of 1"]);
}

#[tokio::test]
async fn root_sees_the_posture_of_its_tenant_and_an_operator_that_of_all() {
    let world = Setup::default().with("hashing.memory_kib", "19456").with("hashing.iterations", "2").start().await;
    let globex = world.tenant("globex").await;
    for number in 0..3 {
        let request = json!({ "user_name": format!("user-{number}"), "generate_password": true });
        globex.ok("CreateRamUser", request).await;
    }
    world.ram_user("alice", "mypassword").await;
    let target = "argon2id v=19,m=19456,t=2,p=1";

    let of_globex = globex.ok("DescribeHashPosture", json!({})).await;
    assert_eq!((&of_globex["hashes"], &of_globex["target"]), (&json!("3"), &json!(target)));
    let of_all = world.operator.ok("DescribeHashPosture", json!({})).await;
    assert_eq!(groups(&of_all), [format!("{target}: 0 of 4")]);
    let of_acme = world.operator.ok("DescribeHashPosture", json!({ "tenant": "acme" })).await;
    assert_eq!(of_acme["hashes"], "1");

    world.root.err("DescribeHashPosture", json!({ "tenant": "globex" }), "ACCESS_DENIED").await;
    world.operator.err("DescribeHashPosture", json!({ "tenant": "nobody" }), "TENANT_NOT_FOUND").await;
    world.service().await.err("DescribeHashPosture", json!({}), "ACCESS_DENIED").await;
}
