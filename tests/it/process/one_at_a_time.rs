//! Two replicas that deliver to one instance: one of them at a time.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::installation::{Installation, write_secretly};
use super::postgres::on;
use super::serving::PATIENCE;
use super::tenant::Acme;
use crate::support::postgres::Cluster;

const PASSWORDS: [&str; 2] = ["Rk7vQz2mXw9tLp4", "Wy6JxDk2Pf9uTc3"];
/// How long the node takes to save its users, so that deliveries that may overlap do.
const SLOW: Duration = Duration::from_millis(50);

/// Who delivers to the node.
#[derive(Default)]
struct Deliveries {
    now: AtomicUsize,
    most: AtomicUsize,
    all: AtomicUsize,
}

/// Answers what is asked for on one connection as a node with every user and no password does. A delivery begins with the password
/// of the administrator and ends before the answer that its users are saved.
async fn answer(socket: TcpStream, deliveries: Arc<Deliveries>) -> io::Result<()> {
    let mut lines = BufReader::new(socket);
    loop {
        let mut words = Vec::new();
        let mut line = String::new();
        if lines.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        for _ in 0..line.trim_start_matches('*').trim().parse::<usize>().unwrap() {
            let (mut length, mut word) = (String::new(), String::new());
            lines.read_line(&mut length).await?;
            lines.read_line(&mut word).await?;
            words.push(word.trim().to_owned());
        }
        let answer = match [words[0].as_str(), words[1].as_str()] {
            ["AUTH", _] => {
                let now = deliveries.now.fetch_add(1, Ordering::SeqCst) + 1;
                deliveries.most.fetch_max(now, Ordering::SeqCst);
                "+OK\r\n"
            }
            ["ACL", "GETUSER"] => "*2\r\n$9\r\npasswords\r\n*0\r\n",
            ["ACL", "SETUSER"] => "+OK\r\n",
            ["ACL", "SAVE"] => {
                tokio::time::sleep(SLOW).await;
                deliveries.all.fetch_add(1, Ordering::SeqCst);
                deliveries.now.fetch_sub(1, Ordering::SeqCst);
                "+OK\r\n"
            }
            _ => panic!("{words:?}"),
        };
        lines.get_mut().write_all(answer.as_bytes()).await?;
    }
}

/// The processes that have completed a delivery.
async fn processes(acme: &Acme) -> BTreeSet<String> {
    let mut list = acme.root.watch_by("ListAuditEvents", json!({ "outcome": "delivered" })).await;
    let mut found = BTreeSet::new();
    while let Ok(reply) = list.next().await {
        found.extend(reply["event"]["process"].as_str().map(str::to_owned));
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_replicas_one_at_a_time_delivers_to_an_instance() {
    let (cluster, installation) = (Cluster::with_store().await, Installation::new());
    write_secretly(&installation.path("ring"), installation.run(&["pepper", "new-key"]).printed());
    let arguments = on(&installation, &cluster);
    let operator = installation.run(&["bootstrap", &arguments[0], &arguments[1]]).printed().trim().to_owned();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).chain(["--pepper-keys-file=ring"]).collect();
    let one = installation.serve(&[&arguments[..], &["--audit-process-name=one"]].concat()).await;
    let other = installation.serve(&[&arguments[..], &["--audit-process-name=other"]].concat()).await;

    let (listener, deliveries) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), Arc::new(Deliveries::default()));
    let address = listener.local_addr().unwrap().to_string();
    let counted = Arc::clone(&deliveries);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(answer(socket, Arc::clone(&counted)));
        }
    });
    let here = Acme::create(one.address, &operator).await;
    let there = here.at(other.address);
    here.root.ok("CreateInstance", json!({ "instance_id": "r-1" })).await;
    let endpoint = json!({ "tenant": "acme", "instance_id": "r-1", "nodes": [address], "user_name": "admin",
        "password": PASSWORDS[0], "allow_plaintext": true, "acl_save": true });
    here.operator.ok("SetInstanceEndpoint", endpoint).await;
    for name in ["app_0", "app_1"] {
        let account = json!({ "instance_id": "r-1", "account_name": name, "password": PASSWORDS[0] });
        here.root.ok("CreateInstanceAccount", account).await;
    }

    let (start, mut turn) = (Instant::now(), 0);
    while turn < 6 || processes(&here).await.len() < 2 {
        assert!(start.elapsed() < PATIENCE, "one of them delivers nothing");
        let [old, new] = [PASSWORDS[turn % 2], PASSWORDS[(turn + 1) % 2]];
        let change = |name: &str| {
            json!({ "instance_id": "r-1", "account_name": name, "old_account_password": old,
                "new_account_password": new, "deliver": "DELIVER_WAIT" })
        };
        tokio::join!(
            here.root.ok("ModifyAccountPassword", change("app_0")),
            there.root.ok("ModifyAccountPassword", change("app_1")),
        );
        turn += 1;
    }
    let [most, all] = [&deliveries.most, &deliveries.all].map(|count| count.load(Ordering::SeqCst));
    assert!(most == 1 && all >= 12, "{most} at a time, {all} in all");
    one.stop().await;
    other.stop().await;
}
