//! The primary of a PostgreSQL pair is killed under load, and its synchronous standby takes over, while two servers of the
//! service go on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::block_in_place;

use crate::ledger::{Ledger, check_watch};
use crate::load::{Clients, Kind, Load, Mix};
use crate::run::{Demand, Run, millis};
use crate::site::{Site, steady_address};
use crate::support::Client;
use crate::support::postgres::Cluster;

const KINDS: [Kind; 3] = [Kind::RamUser, Kind::MailDomain, Kind::InstanceAccount];
const MIX: Mix = Mix { changes: 70, versions: 5, unbound: 0 };
/// How long the service waits for a database server before it refuses: the default of `postgres.patience_seconds`.
const PATIENCE: Duration = Duration::from_secs(5);
const DATABASE: &str = "credentiald";

pub async fn postgres(run: Arc<Run>) {
    let failovers = run.size(2, 21);
    let mut random = run.random();
    let mut primary = Cluster::with_store().await;
    let ports = [primary.port, steady_address().port()];
    let mut standby = block_in_place(|| primary.standby_on(ports[1]));
    let one_host = format!("127.0.0.1:{}", ports[0]);
    let url = primary.url(DATABASE).replace(&one_host, &format!("{one_host},127.0.0.1:{}", ports[1]));
    let site = Site::postgres(&url);
    let operator = site.bootstrap();
    let addresses = [steady_address(), steady_address()];
    let serving = [site.serve(addresses[0]).await, site.serve(addresses[1]).await];
    let load = Load::create(Arc::clone(&run), addresses[0], &operator, &KINDS, 9).await;
    let mut subjects: Vec<Vec<usize>> = (0..6).map(|subject| vec![subject]).collect();
    subjects.extend([vec![6, 7, 8], vec![6, 7, 8]]);
    let clients = load.start(&subjects, &addresses, MIX);

    let (mut gaps, mut late) = (Vec::new(), Vec::new());
    for failover in 0..failovers {
        wait_for_both(&primary, &clients).await;
        tokio::time::sleep(random.millis(0..100)).await;
        load.take_gap();
        block_in_place(|| primary.crash());
        let is_late = failover % 3 == 1;
        if is_late {
            tokio::time::sleep(PATIENCE + random.millis(500..2000)).await;
        }
        block_in_place(|| standby.promote());
        let promoted = Instant::now();
        clients.changed(1).await;
        if is_late { late.push(promoted.elapsed()) } else { gaps.push(load.take_gap()) }

        // Where the dead one was, a standby of the one that lives.
        let port = primary.port;
        drop(primary);
        primary = standby;
        standby = block_in_place(|| primary.standby_on(port));
    }
    clients.end().await;

    let versions = load.settle(addresses[1]).await;
    let as_root = Client::new(addresses[1]).with_token(&load.root);
    check_watch(&run, &load, &as_root, &versions).await;
    Ledger::Postgres(&primary, DATABASE).check(&run, &load, &versions).await;
    for server in serving {
        let log = server.stop().await;
        run.require(!log.contains("panicked"), || log);
    }
    let checked = site.run(&["store", "check"]);
    run.require(checked == "the store is undamaged\n", || checked.clone());

    run.figure("failovers", failovers, Demand::AtLeast(20));
    run.figure("of these, with a standby that was promoted late", late.len() as u64, Demand::None);
    let (at_once, after) = ("without a change, promoted at once", "from a late promotion to the next change");
    run.figure(&format!("longest time {at_once}, ms"), millis(longest(&gaps)), Demand::AtMost(30_000));
    run.figure(&format!("median time {at_once}, ms"), millis(median(&mut gaps)), Demand::None);
    run.figure(&format!("longest time {after}, ms"), millis(longest(&late)), Demand::AtMost(30_000));
    load.tell_figures(&versions);
}

/// Waits until what is acknowledged is on both.
async fn wait_for_both(primary: &Cluster, clients: &Clients) {
    let synchronous = ["ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"];
    primary.run("postgres", &synchronous).await;
    let mut connection = primary.connection("postgres").await;
    let state = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = 'sync'";
    while sqlx::query_scalar::<_, i64>(state).fetch_one(&mut connection).await.unwrap() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // These waited for the standby, and with them what is before them in the log.
    clients.changed(10).await;
}

fn longest(times: &[Duration]) -> Duration {
    times.iter().copied().max().unwrap_or_default()
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
