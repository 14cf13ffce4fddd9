//! Passwords of instance accounts on the nodes of a Redis cluster, which tell each other.

use std::time::{Duration, Instant};

use serde_json::json;

use super::delivery::{ALL, FIRST, SECOND, THIRD, change, delivered, endpoint, in_phase, setup, waited, world};
use crate::support::certificates::{Authority, Leaf};
use crate::support::redis::Node;
use crate::support::serving::PATIENCE;

/// A node of a cluster of its own, and the port of its bus. With a certificate, it serves over TLS alone, the bus as well.
fn of_cluster(encrypted: Option<(&Authority, &Leaf)>) -> (Node, String) {
    let bus = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let node = Node::start_with(FIRST, |directory| {
        let mut arguments = vec!["--cluster-enabled", "yes", "--cluster-port", &bus];
        if let Some((authority, leaf)) = encrypted {
            for (name, text) in [("node.pem", &leaf.certificate), ("node.key", &leaf.key), ("ca.pem", &authority.pem())]
            {
                std::fs::write(directory.join(name), text).unwrap();
            }
            arguments.extend([
                "--tls-cert-file",
                "node.pem",
                "--tls-key-file",
                "node.key",
                "--tls-ca-cert-file",
                "ca.pem",
            ]);
            arguments.extend(["--tls-auth-clients", "no", "--tls-cluster", "yes"]);
        }
        arguments.into_iter().map(str::to_owned).collect()
    });
    (node, bus)
}

/// Adds the last of these nodes to the cluster of the others, and waits until all know each other.
async fn join(nodes: &[(Node, String)]) {
    let ((first, _), (last, bus)) = (&nodes[0], &nodes[nodes.len() - 1]);
    assert_eq!(first.answer(&["CLUSTER", "MEET", "127.0.0.1", &last.port().to_string(), bus]), "OK");
    let start = Instant::now();
    let knows = |node: &Node| {
        let known = node.answer(&["CLUSTER", "NODES"]);
        known.lines().count() == nodes.len() && !known.contains("handshake")
    };
    while !nodes.iter().all(|(node, _)| knows(node)) {
        assert!(start.elapsed() < PATIENCE, "{}", first.answer(&["CLUSTER", "NODES"]));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn all_nodes_of_a_cluster_are_found_those_that_are_added_later_too() {
    let nodes: Vec<_> = (0..4).map(|_| of_cluster(None)).collect();
    join(&nodes[..2]).await;
    join(&nodes[..3]).await;
    let world = world(setup()).await;
    let mut cluster = endpoint(&[&nodes[0].0]);
    cluster["cluster"] = json!(true);
    let described = world.operator.ok("SetInstanceEndpoint", cluster).await["endpoint"].clone();
    assert_eq!(described["cluster"], json!(true));
    let complete = |count| json!({ "complete": true, "reached_nodes": count, "nodes": count });
    assert_eq!(waited(&world, FIRST, SECOND).await["delivery"], complete(3));
    let taken = || nodes.iter().map(|(node, _)| node.taken(&ALL)).collect::<Vec<_>>();
    assert_eq!(taken(), [[SECOND], [SECOND], [SECOND], [FIRST]]);

    join(&nodes).await;
    let master = nodes[1].0.answer(&["CLUSTER", "MYID"]);
    assert_eq!(nodes[3].0.answer(&["CLUSTER", "REPLICATE", &master]), "OK");
    assert_eq!(waited(&world, SECOND, THIRD).await["delivery"], complete(4));
    assert_eq!(taken(), [[THIRD], [THIRD], [THIRD], [THIRD]], "replicas as well");

    let mut wrong = endpoint(&[&nodes[0].0]);
    wrong["cluster"] = json!(true);
    wrong["nodes"] = (1..=17).map(|port| format!("127.0.0.1:{port}")).collect::<Vec<_>>().into();
    world.operator.err("SetInstanceEndpoint", wrong, "INVALID_FIELD").await;
}

#[tokio::test]
async fn a_node_that_has_lost_its_cluster_does_not_pass_for_all_of_it() {
    let nodes: Vec<_> = (0..2).map(|_| of_cluster(None)).collect();
    join(&nodes).await;
    let world = world(setup()).await;
    let mut cluster = endpoint(&[&nodes[0].0]);
    cluster["cluster"] = json!(true);
    world.operator.ok("SetInstanceEndpoint", cluster).await;
    assert_eq!(waited(&world, FIRST, SECOND).await["delivery"]["nodes"], 2);

    let lost = nodes[0].0.answer(&["CLUSTER", "MYID"]);
    assert_eq!(nodes[0].0.answer(&["CLUSTER", "RESET", "HARD"]), "OK");
    change(&world, SECOND, THIRD).await;
    let pending = delivered(&world, |delivery| delivery["failed_attempts"].as_u64() >= Some(1)).await;
    assert_eq!(pending["phase"], "DELIVERY_PHASE_ADDING", "{pending}");
    let failure = pending["failure"].as_str().unwrap();
    assert!(failure.contains("knows no other node"), "{failure}");

    assert_eq!(nodes[1].0.answer(&["CLUSTER", "FORGET", &lost]), "OK");
    join(&nodes).await;
    in_phase(&world, "3", "DONE").await;
    assert!(nodes.iter().all(|(node, _)| node.taken(&ALL) == [THIRD]));
}

#[tokio::test]
async fn a_cluster_that_serves_over_tls_alone_is_found_and_reached_over_tls() {
    let authority = Authority::new("of the cluster");
    let leaf = authority.server(&["127.0.0.1"]);
    let nodes: Vec<_> = (0..2).map(|_| of_cluster(Some((&authority, &leaf)))).collect();
    join(&nodes).await;
    let world = world(setup()).await;
    let mut cluster = endpoint(&[&nodes[0].0]);
    cluster["cluster"] = json!(true);
    cluster["allow_plaintext"] = json!(false);
    cluster["ca_pem"] = json!(authority.pem());
    world.operator.ok("SetInstanceEndpoint", cluster).await;
    let complete = json!({ "complete": true, "reached_nodes": 2, "nodes": 2 });
    assert_eq!(waited(&world, FIRST, SECOND).await["delivery"], complete);
    for (node, _) in &nodes {
        assert_eq!(node.answer_to(["app", SECOND], &["PING"]), "PONG");
    }
}
