//! Passwords on their way to a Redis server: they survive a kill, and leave no trace.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use credentiald::domain::delivery::PasswordDigest;
use credentiald::domain::password::Password;
use serde_json::{Value, json};

use super::fleets::Fleet;
use super::installation::{Installation, write_secretly};
use super::postgres::on;
use super::secrets::{PART_OF_A_PASSWORD, PART_OF_A_TOKEN, Secrets, Seen};
use super::serving::PATIENCE;
use super::tenant::{Acme, token};
use crate::support::postgres::Cluster;
use crate::support::redis::{ADMIN_PASSWORD, Node};

const FIRST: &str = "Rk7vQz2mXw9tLp4";
const SECOND: &str = "Wy6JxDk2Pf9uTc3";

async fn delivered(acme: &Acme, is_wanted: impl Fn(&Value) -> bool) {
    let account = json!({ "instance_id": "r-1", "account_name": "app" });
    let start = Instant::now();
    loop {
        let delivery = &acme.root.ok("DescribeDelivery", account.clone()).await["delivery"];
        if is_wanted(delivery) {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{delivery}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_process_that_is_killed_leaves_a_delivery_to_the_next_and_no_trace_of_a_password() {
    let (installation, mut node) = (Installation::new(), Node::start(FIRST));
    write_secretly(&installation.path("ring"), installation.run(&["pepper", "new-key"]).printed());
    let settings = ["--pepper-keys-file=ring", "--log-level=trace", "--log-calls=all"];
    let (mut serving, acme) = installation.acme(&settings).await;
    let operator = json!({ "caller_kind": "CALLER_KIND_OPERATOR", "caller_name": "jane" });
    let operator = token(&acme.operator, operator).await;
    acme.root.ok("CreateInstance", json!({ "instance_id": "r-1" })).await;
    let (address, listens) = (node.address(), serving.address.to_string());
    let set = ["set-instance-endpoint", "--tenant=acme", "--instance-id=r-1", "--node", &address, "--user-name=admin"];
    let set = [&set[..], &["--allow-plaintext=true", "--acl-save=true", "--password-stdin"]].concat();
    let printed = installation.admin(&listens, &operator, &set, ADMIN_PASSWORD).printed();
    assert!(printed.contains(&address), "{printed}");
    let app = json!({ "instance_id": "r-1", "account_name": "app", "password": FIRST });
    acme.root.ok("CreateInstanceAccount", app).await;
    delivered(&acme, |delivery| delivery["phase"] == "DELIVERY_PHASE_DONE").await;

    node.kill();
    let change = json!({ "instance_id": "r-1", "account_name": "app", "old_account_password": FIRST,
        "new_account_password": SECOND });
    let seen = Seen::default();
    assert_eq!(seen.call(&acme.root, "ModifyAccountPassword", change).await.reason(), "OK");
    delivered(&acme, |delivery| !delivery["failure"].is_null()).await;
    seen.files(&installation.data());
    serving.kill();
    seen.add("log of the first", serving.log());
    node.run();
    assert_eq!(node.taken(&[FIRST, SECOND]), [FIRST]);

    let serving = installation.serve(&settings).await;
    let acme = acme.at(serving.address);
    delivered(&acme, |delivery| delivery["version"] == "2" && delivery["phase"] == "DELIVERY_PHASE_DONE").await;
    assert_eq!(node.taken(&[FIRST, SECOND]), [SECOND]);
    let named = ["describe-instance-endpoint", "--tenant=acme", "--instance-id=r-1"];
    let described = installation.admin(&serving.address.to_string(), &operator, &named, "").printed();
    seen.files(&installation.data());
    seen.add("endpoint", described);
    seen.add("log", serving.stop().await);
    let mut secrets = Secrets::new();
    for password in [FIRST, SECOND, ADMIN_PASSWORD] {
        secrets.add(password, PART_OF_A_PASSWORD);
        let digest = PasswordDigest::of(&Password::parse(password.to_owned()).unwrap());
        secrets.add(digest.expose(), PART_OF_A_TOKEN);
    }
    for (place, bytes) in seen.all() {
        assert_eq!(secrets.found_in(&bytes), BTreeSet::new(), "in {place}");
    }
}

/// Creates the instance `r-1` with an endpoint of one node.
async fn instance_at(acme: &Acme, address: &str) {
    acme.root.ok("CreateInstance", json!({ "instance_id": "r-1" })).await;
    let endpoint = json!({ "tenant": "acme", "instance_id": "r-1", "nodes": [address], "user_name": "admin",
        "password": ADMIN_PASSWORD, "allow_plaintext": true, "acl_save": true });
    acme.operator.ok("SetInstanceEndpoint", endpoint).await;
}

/// Creates an account, and waits until its password is delivered.
async fn account(acme: &Acme, name: &str, password: &str) {
    let app = json!({ "instance_id": "r-1", "account_name": name, "password": password, "deliver": "DELIVER_WAIT" });
    assert_eq!(acme.root.ok("CreateInstanceAccount", app).await["delivery"]["complete"], json!(true));
}

#[tokio::test]
async fn overlaps_of_accounts_that_are_delivered_are_left_to_expire() {
    let (keys, node) = (Installation::new(), Node::start(FIRST));
    let ring = keys.path("ring");
    write_secretly(&ring, keys.run(&["pepper", "new-key"]).printed());
    let fleet = Fleet::start(&["--pepper-keys-file", ring.to_str().unwrap()]).await;
    instance_at(&fleet.acme, &node.address()).await;
    account(&fleet.acme, "app", FIRST).await;
    let selection = ["--kind", "instance-account", "--instance-id", "r-1", "--overlap-seconds", "3600"];
    let rotated = fleet.rotate(&[&selection[..], &["--state", "state", "--file", "passwords"]].concat());
    assert_eq!(rotated.printed(), "rotated 1, left 0, failed 0, to go 0\n");

    // It does not wait for uses, which this service never sees.
    let ending = ["--end-overlaps", "--state", "state", "--unused-for", "0", "--wait", "86400"];
    let ended = fleet.rotate(&ending);
    assert!(ended.stderr.contains("credentiald admin end-password-overlap"), "{}", ended.stderr);
    assert_eq!(ended.printed(), "ended 0, over before 0, left to expire 1, in use 0, failed 0\n");
    let app = json!({ "subject": { "instance_account": { "instance_id": "r-1", "account_name": "app" } } });
    let described = fleet.acme.root.ok("DescribePasswordOverlap", app.clone()).await;
    assert!(!described["overlap"]["previous"].is_null(), "{described}");
    fleet.acme.root.ok("EndPasswordOverlap", app).await;
    assert_eq!(fleet.rotate(&ending).printed(), "ended 0, over before 1, left to expire 0, in use 0, failed 0\n");
}

#[tokio::test]
async fn keys_are_rotated_with_an_endpoint_and_a_password_that_is_not_delivered_yet() {
    let (installation, mut node) = (Installation::new(), Node::start(FIRST));
    let [old, new] = ["old", "new"].map(|id| installation.run(&["pepper", "new-key", "--id", id]).printed());
    for (ring, keys) in [("only-old", old.clone()), ("new-then-old", format!("{new}{old}")), ("only-new", new)] {
        write_secretly(&installation.path(ring), keys);
    }
    let (serving, acme) = installation.acme(&["--pepper-keys-file=only-old"]).await;
    instance_at(&acme, &node.address()).await;
    account(&acme, "app", FIRST).await;
    node.kill();
    let change = json!({ "instance_id": "r-1", "account_name": "app", "old_account_password": FIRST,
        "new_account_password": SECOND });
    acme.root.ok("ModifyAccountPassword", change).await;
    serving.stop().await;

    let missing = installation.run(&["serve", "--pepper-keys-file=only-new"]);
    assert!(missing.stderr.contains("the pepper key old is missing"), "{missing:?}");
    let rewrapped = installation.run(&["pepper", "rewrap", "--pepper-keys-file=new-then-old"]).printed();
    assert!(rewrapped.contains("re-encrypted secrets: 2\nold: unused"), "{rewrapped}");
    let serving = installation.serve(&["--pepper-keys-file=only-new"]).await;
    let acme = acme.at(serving.address);
    node.run();
    delivered(&acme, |delivery| delivery["version"] == "2" && delivery["phase"] == "DELIVERY_PHASE_DONE").await;
    assert_eq!(node.taken(&[FIRST, SECOND]), [SECOND]);
    serving.stop().await;
}

#[tokio::test]
async fn a_process_that_is_killed_leaves_what_is_to_be_withdrawn_to_the_next() {
    let (installation, mut node) = (Installation::new(), Node::start(FIRST));
    write_secretly(&installation.path("ring"), installation.run(&["pepper", "new-key"]).printed());
    let settings = ["--pepper-keys-file=ring"];
    let (mut serving, acme) = installation.acme(&settings).await;
    instance_at(&acme, &node.address()).await;
    account(&acme, "app", SECOND).await;
    let named = json!({ "instance_id": "r-1", "account_name": "app" });
    assert_eq!(node.taken(&[FIRST, SECOND]), [SECOND]);
    node.kill();
    acme.root.ok("DeleteInstanceAccount", named.clone()).await;
    serving.kill();
    node.run();
    assert_eq!(node.taken(&[FIRST, SECOND]), [SECOND]);

    let serving = installation.serve(&settings).await;
    let acme = acme.at(serving.address);
    let start = Instant::now();
    while acme.root.call("DescribeDelivery", named.clone()).await.reason() != "ACCOUNT_NOT_FOUND" {
        assert!(start.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(node.taken(&[FIRST, SECOND]).is_empty());
    serving.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_deliver_what_either_has_set_also_after_one_is_killed() {
    let (cluster, installation, mut node) = (Cluster::with_store().await, Installation::new(), Node::start(FIRST));
    write_secretly(&installation.path("ring"), installation.run(&["pepper", "new-key"]).printed());
    let arguments = on(&installation, &cluster);
    let operator = installation.run(&["bootstrap", &arguments[0], &arguments[1]]).printed().trim().to_owned();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).chain(["--pepper-keys-file=ring"]).collect();
    let (mut one, other) = (installation.serve(&arguments).await, installation.serve(&arguments).await);
    let here = Acme::create(one.address, &operator).await;
    let there = here.at(other.address);
    instance_at(&here, &node.address()).await;
    let complete = json!({ "complete": true, "reached_nodes": 1, "nodes": 1 });
    let app = json!({ "instance_id": "r-1", "account_name": "app", "password": FIRST, "deliver": "DELIVER_WAIT" });
    assert_eq!(there.root.ok("CreateInstanceAccount", app).await["delivery"], complete);

    let change = |old: &str, new: &str, token: &str| {
        json!({ "instance_id": "r-1", "account_name": "app", "old_account_password": old, "new_account_password": new,
            "client_token": token, "deliver": "DELIVER_WAIT" })
    };
    for (replica, old, new) in [(&here, FIRST, SECOND), (&there, SECOND, FIRST)] {
        let changed = replica.root.ok("ModifyAccountPassword", change(old, new, new)).await;
        assert_eq!((&changed["delivery"], node.taken(&[FIRST, SECOND])), (&complete, vec![new]));
    }

    node.kill();
    let hurried = here.root.with_header("grpc-timeout", "8S");
    let changed = hurried.ok("ModifyAccountPassword", change(FIRST, SECOND, "once")).await;
    assert_eq!((&changed["version"], &changed["delivery"]["complete"]), (&json!("4"), &Value::Null));
    one.kill();
    node.run();
    // The other one takes over, and so may the caller: the same request waits there.
    delivered(&there, |delivery| delivery["version"] == "4" && delivery["phase"] == "DELIVERY_PHASE_DONE").await;
    assert_eq!(node.taken(&[FIRST, SECOND]), [SECOND]);
    let again = there.root.ok("ModifyAccountPassword", change(FIRST, SECOND, "once")).await;
    assert_eq!((&again["version"], &again["delivery"]), (&json!("4"), &complete));
}
