//! Passwords of instance accounts on nodes that Sentinels watch.

use std::time::{Duration, Instant};

use serde_json::json;

use super::delivery::{
    ALL, FIRST, SECOND, THIRD, change, delivered, delivery, endpoint, in_phase, setup, waited, world,
};
use crate::support::redis::{ADMIN_PASSWORD, Node, Sentinel, users};
use crate::support::serving::PATIENCE;

/// The user by which nodes and Sentinels reach each other, and its password.
const LINKS: [&str; 2] = ["links", "Vb4tYq8nHs2kWd7"];

/// A node that follows another one, if there is one.
fn node(primary: Option<&Node>) -> Node {
    let users = format!("{}user links on >{} ~* &* +@all\n", users(FIRST), LINKS[1]);
    Node::start_as(&users, |_| {
        let mut arguments = vec!["--masteruser", LINKS[0], "--masterauth", LINKS[1], "--repl-diskless-sync-delay", "0"];
        let port = primary.map(|node| node.port().to_string());
        if let Some(port) = &port {
            arguments.extend(["--replicaof", "127.0.0.1", port]);
        }
        arguments.into_iter().map(str::to_owned).collect()
    })
}

/// A Sentinel with more users.
fn sentinel(primary: &Node, users: &str) -> Sentinel {
    let [user, password] = LINKS;
    let settings = [
        format!("sentinel auth-user mymaster {user}\nsentinel auth-pass mymaster {password}"),
        format!("sentinel sentinel-user {user}\nsentinel sentinel-pass {password}"),
        "sentinel down-after-milliseconds mymaster 1000".to_owned(),
        // Two Sentinels that vote for themselves at the same time try again after twice that long.
        "sentinel failover-timeout mymaster 2000".to_owned(),
        format!("user {user} on >{password} ~* &* +@all"),
        users.to_owned(),
    ];
    Sentinel::start(primary, &settings.join("\n"))
}

/// Waits until a server answers with these words.
async fn answers(words: &[&str], answer: impl Fn() -> String) {
    let start = Instant::now();
    loop {
        let answer = answer();
        if words.iter().all(|words| answer.replace('\r', "").contains(words)) {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{answer}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn nodes_that_sentinels_watch_are_found_also_after_a_failover() {
    let mut primary = node(None);
    let replica = node(Some(&primary));
    answers(&["master_link_status:up"], || replica.answer_to(LINKS, &["INFO", "replication"])).await;
    // One of them lets everybody ask, and one demands the password.
    let open = sentinel(&primary, "");
    let only = format!("user admin on >{ADMIN_PASSWORD} +sentinel|master +sentinel|replicas");
    let closed = sentinel(&primary, &format!("user default off\n{only}"));
    let master = ["SENTINEL", "MASTER", "mymaster"];
    for sentinel in [&open, &closed] {
        let complete = ["num-slaves\n1\n", "num-other-sentinels\n1\n"];
        answers(&complete, || sentinel.answer_to(LINKS, &master)).await;
    }

    let world = world(setup()).await;
    let mut watched = endpoint(&[]);
    watched["nodes"] = json!([open.address(), closed.address()]);
    watched["acl_save"] = json!(true);
    watched["sentinel_master"] = json!("another");
    world.operator.ok("SetInstanceEndpoint", watched.clone()).await;
    change(&world, FIRST, SECOND).await;
    let failed = delivered(&world, |delivery| !delivery["failure"].is_null()).await;
    assert_eq!(failed["failure"], json!("a Sentinel answered: ERR to SENTINEL MASTER"));
    watched["sentinel_master"] = json!("mymaster");
    let described = world.operator.ok("SetInstanceEndpoint", watched.clone()).await["endpoint"].clone();
    assert_eq!(described["sentinel_master"], json!("mymaster"));
    let done = in_phase(&world, "2", "DONE").await;
    assert_eq!((&done["reached_nodes"], &done["nodes"]), (&json!(2), &json!(2)), "{done}");
    let taken = |nodes: [&Node; 2]| nodes.map(|node| node.taken(&ALL));
    assert_eq!(taken([&primary, &replica]), [[SECOND], [SECOND]]);

    // Each of them alone is enough.
    for (seed, old, new) in [(&closed, SECOND, THIRD), (&open, THIRD, SECOND)] {
        let mut alone = watched.clone();
        alone["nodes"] = json!([seed.address()]);
        world.operator.ok("SetInstanceEndpoint", alone).await;
        let complete = json!({ "complete": true, "reached_nodes": 2, "nodes": 2 });
        assert_eq!(waited(&world, old, new).await["delivery"], complete);
    }
    world.operator.ok("SetInstanceEndpoint", watched.clone()).await;

    primary.kill();
    let promoted = format!("port\n{}\n", replica.port());
    answers(&[&promoted], || open.answer_to(LINKS, &master)).await;
    change(&world, SECOND, THIRD).await;
    let pending = delivered(&world, |delivery| delivery["reached_nodes"] == 1).await;
    assert_eq!((&pending["phase"], &pending["nodes"]), (&json!("DELIVERY_PHASE_ADDING"), &json!(2)), "{pending}");
    assert!(pending["failure"].as_str().unwrap().starts_with(&primary.address()), "{pending}");
    assert_eq!(replica.taken(&ALL), [SECOND, THIRD]);
    primary.run();
    in_phase(&world, "5", "DONE").await;
    assert_eq!(taken([&primary, &replica]), [[THIRD], [THIRD]]);

    for wrong in [json!({ "sentinel_master": "my master" }), json!({ "cluster": true })] {
        let mut request = watched.clone();
        request.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
        let refused = world.operator.err("SetInstanceEndpoint", request, "INVALID_FIELD").await;
        let fields: Vec<_> = refused.violations().into_iter().map(|violation| violation.field).collect();
        assert_eq!(fields, ["sentinel_master"]);
    }
    assert_eq!(delivery(&world).await["phase"], json!("DELIVERY_PHASE_DONE"));
}
