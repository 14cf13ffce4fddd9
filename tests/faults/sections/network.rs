//! A network that delays, cuts, resets, stalls in the midst of a message, swallows, and is down at times: between the service
//! and its database, and between clients and the service.

use std::sync::Arc;

use crate::ledger::{Ledger, check_watch};
use crate::load::{Kind, Load, Mix};
use crate::run::{Demand, Run, millis};
use crate::site::{Site, steady_address};
use crate::support::Client;
use crate::support::postgres::Cluster;
use crate::wire::{Wire, a_while};

const KINDS: [Kind; 3] = [Kind::RamUser, Kind::MailDomain, Kind::InstanceAccount];
const SUBJECTS: usize = 9;
const MIX: Mix = Mix { changes: 60, versions: 10, unbound: 0 };
/// What every fault is over in, and the service's patience besides.
const RECOVERED_WITHIN_MS: u64 = 30_000;

/// Between the service and PostgreSQL.
pub async fn database(run: Arc<Run>) {
    let cluster = Cluster::with_store().await;
    let mut random = run.random();
    let wire = Wire::to(([127, 0, 0, 1], cluster.port).into(), random.split()).await;
    let url = cluster.url("credentiald").replace(&format!(":{}/", cluster.port), &format!(":{}/", wire.address.port()));
    // Made without the wire, and served through it.
    let operator = Site::postgres(&cluster.url("credentiald")).bootstrap();
    let site = Site::postgres(&url);
    let address = steady_address();
    let serving = site.serve(address).await;
    let load = Load::create(Arc::clone(&run), address, &operator, &KINDS, SUBJECTS).await;
    let clients = load.start(&each_alone(), &[address], MIX);
    endure(&run, &wire, &load, &mut random).await;
    // It has recovered by itself.
    clients.changed(20).await;
    clients.end().await;
    let gap = load.take_gap();
    let versions = load.settle(address).await;
    check_watch(&run, &load, &Client::new(address).with_token(&load.root), &versions).await;
    Ledger::Postgres(&cluster, "credentiald").check(&run, &load, &versions).await;
    let log = serving.stop().await;
    run.require(!log.contains("panicked"), || log);
    run.figure("longest time without a change, ms", millis(gap), Demand::AtMost(RECOVERED_WITHIN_MS));
    load.tell_figures(&versions);
}

/// Between clients and the service.
pub async fn clients(run: Arc<Run>) {
    let site = Site::sqlite();
    let operator = site.bootstrap();
    let database = site.installation.database();
    let address = steady_address();
    let mut serving = site.serve(address).await;
    let load = Load::create(Arc::clone(&run), address, &operator, &KINDS, SUBJECTS).await;
    let mut random = run.random();
    let wire = Wire::to(address, random.split()).await;
    let clients = load.start(&each_alone(), &[wire.address], MIX);
    endure(&run, &wire, &load, &mut random).await;
    clients.changed(20).await;
    clients.end().await;
    let gap = load.take_gap();
    let versions = load.settle(address).await;
    check_watch(&run, &load, &Client::new(address).with_token(&load.root), &versions).await;
    Ledger::Sqlite(&database).check(&run, &load, &versions).await;
    run.require(serving.is_healthy(), || "it is not healthy".to_owned());
    let log = serving.log();
    serving.kill();
    run.require(!log.contains("panicked"), || log);
    run.figure("longest time without a change, ms", millis(gap), Demand::AtMost(RECOVERED_WITHIN_MS));
    load.tell_figures(&versions);
}

/// So many pieces meet with troubles, and in between the wire is down a few times.
async fn endure(run: &Run, wire: &Wire, load: &Load, random: &mut crate::random::Random) {
    let (troubles, outages) = (run.size(8, 600), run.size(1, 25));
    wire.trouble(true);
    for outage in 1..=outages {
        load.until(|| wire.met().iter().map(|(_, count)| count).sum::<u64>() * outages >= troubles * outage).await;
        wire.go_down(true);
        tokio::time::sleep(a_while(random)).await;
        wire.go_down(false);
    }
    wire.trouble(false);
    run.figure("times that nothing got through", outages, Demand::None);
    for (trouble, count) in wire.met() {
        run.figure(&format!("messages that met with: {}", format!("{trouble:?}").to_lowercase()), count, Demand::None);
    }
}

fn each_alone() -> Vec<Vec<usize>> {
    (0..SUBJECTS).map(|subject| vec![subject]).collect()
}
