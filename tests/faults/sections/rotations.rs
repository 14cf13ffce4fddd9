//! Accounts on real Redis nodes whose passwords are rotated, while the service, the nodes and the connections between them are
//! killed. Clients sign in at the nodes and at the service with every password that may be good, and afterwards each answer is
//! judged, alone and together with all others, and each node compared with the store.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use credentiald::domain::delivery::PasswordDigest;
use credentiald::domain::password::Password;
use serde_json::json;
use tokio::task::{JoinSet, block_in_place};

use crate::checker::{self, State};
use crate::load::insist;
use crate::places::{self, Known};
use crate::rotated::{ACCOUNTS, Account, Fleet, INSTANCES, NODES, first_password, has_overlap, reply_of};
use crate::random::Random;
use crate::run::{Demand, Run, millis};
use crate::sign_in_client::SignInClient;
use crate::sign_ins::{Lives, SignIn, judge};
use crate::site::{Site, steady_address};
use crate::support::postgres::Cluster;
use crate::support::redis::{ADMIN_PASSWORD, Node};
use crate::support::serving::Serving;
use crate::support::tenant::Acme;
use crate::wire::Wire;

/// How many clients sign in.
const CLIENTS: usize = 6;
/// Longer than another process waits before it delivers what a killed one has begun.
const SETTLED_WITHIN: Duration = Duration::from_mins(5);

/// One server.
pub async fn sqlite(run: Arc<Run>) {
    rotate(&run, Site::sqlite(), 1).await;
}

/// Two servers of one store.
pub async fn postgres(run: Arc<Run>) {
    let cluster = Cluster::with_store().await;
    rotate(&run, Site::postgres(&cluster.url("credentiald")), 2).await;
}

async fn rotate(run: &Arc<Run>, site: Site, replicas: usize) {
    let (rotations, kills) = (run.size(16, 1_000), run.size(1, 50));
    let mut random = run.random();
    let ring = site.installation.run(&["pepper", "new-key"]).printed();
    let site = site.with("--pepper-keys-file", "ring").with_file("ring", &ring);
    let operator = site.bootstrap();
    let addresses: Vec<SocketAddr> = (0..replicas).map(|_| steady_address()).collect();
    let mut serving = Vec::new();
    for address in &addresses {
        serving.push(site.serve(*address).await);
    }
    let mut nodes: Vec<Node> = (0..NODES).map(|_| Node::on(steady_address().port(), &users())).collect();
    let mut wires = Vec::new();
    for node in &nodes {
        wires.push(Wire::to(node.address().parse().unwrap(), random.split()).await);
    }
    let fleet = prepare(run, Acme::create(addresses[0], &operator).await, &addresses, &nodes, &wires).await;

    let mut tasks = JoinSet::new();
    let left = Arc::new(AtomicU64::new(rotations));
    let (done, is_over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    for account in 0..ACCOUNTS {
        let (fleet, left, done, random) = (Arc::clone(&fleet), Arc::clone(&left), Arc::clone(&done), random.split());
        tasks.spawn(async move {
            let mut account = Account::new(fleet, account, random);
            while left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
                account.rotate().await;
                done.fetch_add(1, Ordering::SeqCst);
            }
            account.end().await;
        });
    }
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn(SignInClient::new(Arc::clone(&fleet), random.split()).sign_in_until(Arc::clone(&is_over)));
    }
    clients.spawn(close_connections_until(Arc::clone(&is_over), Arc::clone(&fleet), random.split()));

    for wire in &wires {
        wire.trouble(true);
    }
    for kill in 0..kills {
        while done.load(Ordering::SeqCst) * kills < rotations * kill && !tasks.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(random.millis(0..400)).await;
        let replica = usize::try_from(random.within(0..replicas as u64)).unwrap();
        kill_service(run, &site, &mut serving[replica], addresses[replica]).await;
        let node = usize::try_from(random.within(0..NODES as u64)).unwrap();
        fleet.kills[node].fetch_add(1, Ordering::SeqCst);
        block_in_place(|| nodes[node].kill());
        fleet.killed.lock().unwrap().push((node, run.history.now()));
        tokio::time::sleep(random.millis(0..1_500)).await;
        block_in_place(|| nodes[node].run());
        fleet.kills[node].fetch_add(1, Ordering::SeqCst);
    }
    for wire in &wires {
        wire.trouble(false);
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    is_over.store(true, Ordering::SeqCst);
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }

    let different = different(run, &fleet, &nodes).await;
    for server in serving {
        let log = server.stop().await;
        run.require(!log.contains("panicked"), || log);
    }
    let checked = site.run(&["store", "check"]);
    run.require(checked == "the store is undamaged\n", || checked.clone());
    run.figure("rotations", rotations, Demand::AtLeast(1_000));
    run.figure("servers", replicas as u64, Demand::None);
    run.figure("`kill -9` of a server, and of a node", kills, Demand::AtLeast(50));
    let troubles: u64 = wires.iter().flat_map(Wire::met).map(|(_, count)| count).sum();
    run.figure("messages to nodes that were late, cut or lost", troubles, Demand::None);
    run.figure("connections that nodes closed (`CLIENT KILL`)", fleet.closed.load(Ordering::SeqCst), Demand::None);
    tell(run, &fleet, different);
}

/// The users of a node.
fn users() -> String {
    let admin = format!("user default off\nuser admin on >{ADMIN_PASSWORD} +acl +client\n");
    let app = |account| format!("user app_{account} on >{} ~* +get\n", first_password(account));
    admin + &(0..ACCOUNTS).map(app).collect::<String>()
}

/// Creates the instances with their endpoints, and the accounts.
async fn prepare(run: &Arc<Run>, acme: Acme, addresses: &[SocketAddr], nodes: &[Node], wires: &[Wire]) -> Arc<Fleet> {
    let reached: Vec<String> = wires.iter().map(|wire| wire.address.to_string()).collect();
    for instance in 0..INSTANCES {
        let instance_id = format!("r-{instance}");
        insist(&acme.root, "CreateInstance", &json!({ "instance_id": instance_id })).await;
        let endpoint = json!({ "tenant": "acme", "instance_id": instance_id, "nodes": reached, "user_name": "admin",
            "password": ADMIN_PASSWORD, "allow_plaintext": true, "acl_save": true });
        insist(&acme.operator, "SetInstanceEndpoint", &endpoint).await;
    }
    let nodes = nodes.iter().map(|node| node.address().parse().unwrap()).collect();
    let fleet = Fleet::new(Arc::clone(run), acme, addresses.to_vec(), nodes);
    for account in 0..ACCOUNTS {
        fleet.create(account).await;
    }
    Arc::new(fleet)
}

/// Has nodes close connections, at random times.
async fn close_connections_until(is_over: Arc<AtomicBool>, fleet: Arc<Fleet>, mut random: Random) {
    while !is_over.load(Ordering::SeqCst) {
        tokio::time::sleep(random.millis(50..500)).await;
        let node = usize::try_from(random.within(0..NODES as u64)).unwrap();
        fleet.close_connections(node, ADMIN_PASSWORD).await;
    }
}

async fn kill_service(run: &Run, site: &Site, serving: &mut Serving, address: SocketAddr) {
    serving.kill();
    let log = serving.take_log();
    run.require(!log.contains("panicked"), || log);
    *serving = site.begin(address);
    site.listening(serving, address).await;
}

/// How many users of all nodes differ from the store. Everything is delivered by now.
async fn different(run: &Run, fleet: &Arc<Fleet>, nodes: &[Node]) -> u64 {
    let mut different = 0;
    for account in 0..ACCOUNTS {
        let valid = tokio::time::timeout(SETTLED_WITHIN, fleet.valid(account)).await.expect("the service answers");
        let mut expected: Vec<String> = valid
            .into_iter()
            .map(|password| PasswordDigest::of(&Password::parse(password).unwrap()).expose().to_owned())
            .collect();
        expected.sort();
        for node in nodes {
            let name = format!("app_{account}");
            let commands = [&["AUTH", "admin", ADMIN_PASSWORD][..], &["ACL", "GETUSER", &name], &["PING"]];
            let described = reply_of(node.address().parse().unwrap(), &commands, "-NOPERM").await.unwrap();
            let is_digest = |line: &&str| line.len() == 64 && line.bytes().all(|byte| byte.is_ascii_hexdigit());
            let mut found: Vec<String> = described.split("\r\n").filter(is_digest).map(str::to_owned).collect();
            found.sort();
            run.require(found == expected, || format!("{name} on {}: {found:?}, not {expected:?}", node.address()));
            different += u64::from(found != expected);
        }
    }
    different
}

/// How many operations one model of the service and the nodes explains. Fails where it does not.
fn explained(run: &Run, fleet: &Fleet, lives: &[Lives], sign_ins: &[SignIn]) -> u64 {
    let kills = fleet.killed.lock().unwrap();
    let mut explained = 0;
    for (account, lives) in lives.iter().enumerate() {
        let sign_ins = sign_ins.iter().copied().filter(|one| one.account == account).collect();
        let known = Known { nodes: NODES, has_overlap: has_overlap(account), lives, sign_ins, kills: &kills };
        match places::check(&known) {
            Ok(operations) => explained += operations as u64,
            Err(what) => run.require(false, || format!("app_{account}: {what}")),
        }
    }
    explained
}

/// Judges everything that clients were answered.
fn tell(run: &Run, fleet: &Fleet, different: u64) {
    let sign_ins = fleet.sign_ins.lock().unwrap();
    let lives: Vec<_> = fleet.lives.iter().map(|lives| lives.lock().unwrap().clone()).collect();
    let explained = explained(run, fleet, &lives, &sign_ins);
    let judged = judge(lives, &sign_ins);
    for wrong in [&judged.refused_though_good, &judged.accepted_though_ended, &judged.out_of_order] {
        for what in wrong {
            run.require(false, || what.clone());
        }
    }
    for account in 0..ACCOUNTS {
        let operations: Vec<_> = run.history.operations().into_iter().filter(|one| one.subject == account).collect();
        let checked = checker::check(State { version: 1, password: 0 }, &operations);
        run.require(checked.is_ok(), || format!("app_{account}: {}", checked.unwrap_err()));
    }
    let mut delivered = fleet.delivered.lock().unwrap().clone();
    delivered.sort();
    let at = |part: usize| delivered.get(delivered.len() * part / 100).copied().unwrap_or_default();
    run.figure("median time from a change to all nodes, ms", millis(at(50)), Demand::None);
    run.figure("99th percentile of it, ms", millis(at(99)), Demand::None);
    run.figure("sign-ins that were answered", sign_ins.len() as u64, Demand::None);
    run.figure("of these, with a valid password", judged.bound[0], Demand::None);
    run.figure("of these, with one that is over or not set yet", judged.bound[1], Demand::None);
    run.figure("refused, with a valid password", judged.refused_though_good.len() as u64, Demand::Exactly(0));
    run.figure("let in, with one that is over", judged.accepted_though_ended.len() as u64, Demand::Exactly(0));
    run.figure("refused between two that were let in", judged.out_of_order.len() as u64, Demand::Exactly(0));
    run.figure("changes and verifications that are checked", run.history.len() as u64, Demand::None);
    let complete = fleet.answered_complete.load(Ordering::SeqCst);
    run.figure("changes that were answered once all nodes had them (`DELIVER_WAIT`)", complete, Demand::None);
    run.figure("operations at the service and the nodes that one model explains", explained, Demand::None);
    run.figure("users of nodes that differ from the store afterwards", different, Demand::Exactly(0));
    run.require(judged.bound.iter().all(|bound| *bound > 0), || "nothing was to be judged".to_owned());
}
