//! Many clients change and verify the passwords of a few subjects through two servers of one store, and the history of what
//! they were answered is searched for an order in which all of it can have happened.

use std::sync::Arc;

use crate::ledger::{Ledger, check_watch};
use crate::load::{Kind, Load, Mix};
use crate::run::{Demand, Run};
use crate::site::{Site, steady_address};
use crate::support::Client;
use crate::support::postgres::Cluster;

const KINDS: [Kind; 3] = [Kind::MailDomain, Kind::RamUser, Kind::InstanceAccount];
const SUBJECTS: usize = 9;
const CLIENTS: usize = 24;
const MIX: Mix = Mix { changes: 25, versions: 30, unbound: 20 };

/// One server.
pub async fn sqlite(run: Arc<Run>) {
    let site = Site::sqlite();
    let token = site.bootstrap();
    let database = site.installation.database();
    contend(&run, &site, &token, &Ledger::Sqlite(&database), 1).await;
}

/// Two servers.
pub async fn postgres(run: Arc<Run>) {
    let cluster = Cluster::with_store().await;
    let site = Site::postgres(&cluster.url("credentiald"));
    let token = site.bootstrap();
    contend(&run, &site, &token, &Ledger::Postgres(&cluster, "credentiald"), 2).await;
}

async fn contend(run: &Arc<Run>, site: &Site, operator: &str, ledger: &Ledger<'_>, replicas: usize) {
    let operations = run.size(400, 51_000);
    let (mut addresses, mut serving) = (Vec::new(), Vec::new());
    for _ in 0..replicas {
        addresses.push(steady_address());
        serving.push(site.serve(addresses[addresses.len() - 1]).await);
    }
    let load = Load::create(Arc::clone(run), addresses[0], operator, &KINDS, SUBJECTS).await;
    // Each client takes three subjects of different kinds, and each subject has eight clients.
    let subjects: Vec<Vec<usize>> = (0..CLIENTS).map(|client| client % 3 * 3).map(|at| (at..at + 3).collect()).collect();
    let clients = load.start(&subjects, &addresses, MIX);
    clients.asked(operations).await;
    clients.end().await;
    let versions = load.settle(addresses[0]).await;
    check_watch(run, &load, &Client::new(addresses[0]).with_token(&load.root), &versions).await;
    ledger.check(run, &load, &versions).await;
    for server in serving {
        let log = server.stop().await;
        run.require(!log.contains("panicked"), || log);
    }
    run.figure("servers", replicas as u64, Demand::None);
    run.figure("operations that are checked", run.history.len() as u64, Demand::AtLeast(50_000));
    load.tell_figures(&versions);
}
