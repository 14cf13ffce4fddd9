//! A database server that is restarted, has no connection to give, no disk left, or takes no writes.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{Connection, PgConnection};
use tokio::task::block_in_place;

use crate::ledger::{Ledger, check_watch};
use crate::load::{Clients, Kind, Load, Mix};
use crate::random::Random;
use crate::run::{Demand, Run, millis};
use crate::site::{Site, steady_address};
use crate::support::Client;
use crate::support::postgres::Cluster;
use crate::support::serving::Serving;
use crate::wire::a_while;

const KINDS: [Kind; 3] = [Kind::MailDomain, Kind::RamUser, Kind::InstanceAccount];
const SUBJECTS: usize = 9;
const MIX: Mix = Mix { changes: 60, versions: 10, unbound: 0 };
const DATABASE: &str = "credentiald";
/// The longest fault, and what the service and the server take to get over it.
const RECOVERED_WITHIN_MS: u64 = 30_000;

/// A service under load.
struct Scene {
    cluster: Cluster,
    /// Where it runs.
    _site: Site,
    serving: Serving,
    load: Arc<Load>,
    clients: Clients,
    random: Random,
}

impl Scene {
    async fn of(run: &Arc<Run>, cluster: Cluster) -> Self {
        let site = Site::postgres(&cluster.url(DATABASE)).with("--postgres-connections", "8");
        let operator = site.bootstrap();
        let address = steady_address();
        let serving = site.serve(address).await;
        let load = Load::create(Arc::clone(run), address, &operator, &KINDS, SUBJECTS).await;
        let subjects: Vec<Vec<usize>> = (0..SUBJECTS).map(|subject| vec![subject]).collect();
        let clients = load.start(&subjects, &[address], MIX);
        Self { cluster, _site: site, serving, load, clients, random: run.random() }
    }

    /// Waits until the service has recovered, and for a moment that is as good as any.
    async fn recovered(&mut self) {
        self.clients.changed(self.random.within(10..40)).await;
    }

    /// Checks what is left, and reports what was seen.
    async fn end(mut self, run: &Run, what: &str, faults: u64) {
        self.recovered().await;
        self.clients.end().await;
        let gap = self.load.take_gap();
        let address = self.serving.address;
        let versions = self.load.settle(address).await;
        check_watch(run, &self.load, &Client::new(address).with_token(&self.load.root), &versions).await;
        Ledger::Postgres(&self.cluster, DATABASE).check(run, &self.load, &versions).await;
        let log = self.serving.stop().await;
        run.require(!log.contains("panicked"), || log);
        run.figure(what, faults, Demand::None);
        run.figure("longest time without a change, ms", millis(gap), Demand::AtMost(RECOVERED_WITHIN_MS));
        self.load.tell_figures(&versions);
    }
}

pub async fn restarts(run: Arc<Run>) {
    let restarts = run.size(2, 60);
    let mut scene = Scene::of(&run, Cluster::with_store().await).await;
    for restart in 0..restarts {
        scene.recovered().await;
        let pause = scene.random.millis(0..500);
        block_in_place(|| {
            if restart % 2 == 0 {
                scene.cluster.stop();
            } else {
                scene.cluster.crash();
            }
            std::thread::sleep(pause);
            scene.cluster.run_again();
        });
    }
    scene.end(&run, "restarts, by turns in order and as after a crash", restarts).await;
}

pub async fn connections(run: Arc<Run>) {
    let times = run.size(1, 12);
    let cluster = Cluster::with_store().await;
    cluster.run("postgres", &["ALTER SYSTEM SET max_connections = 24"]).await;
    block_in_place(|| {
        cluster.stop();
        cluster.run_again();
    });
    let mut scene = Scene::of(&run, cluster).await;
    for _ in 0..times {
        scene.recovered().await;
        let mut past = scene.cluster.connection("postgres").await;
        let ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'credentiald'";
        // Whoever is faster gets them: the others try until they have all.
        let url = scene.cluster.url(DATABASE);
        let mut taken = Vec::new();
        while taken.len() < 20 {
            sqlx::query(ended).execute(&mut past).await.unwrap();
            while let Ok(connection) = PgConnection::connect(&url).await {
                taken.push(connection);
            }
        }
        tokio::time::sleep(Duration::from_secs(2) + a_while(&mut scene.random)).await;
        for connection in taken {
            connection.close().await.unwrap();
        }
    }
    scene.end(&run, "times that others had all connections", times).await;
}

pub async fn disk(run: Arc<Run>) {
    let times = run.size(1, 15);
    let cluster = Cluster::with_store().await;
    block_in_place(|| {
        cluster.stop();
        cluster.run_on_small_disk();
    });
    let mut scene = Scene::of(&run, cluster).await;
    for _ in 0..times {
        scene.recovered().await;
        block_in_place(|| scene.cluster.fill_disk());
        tokio::time::sleep(a_while(&mut scene.random)).await;
        block_in_place(|| scene.cluster.clear_disk());
    }
    scene.end(&run, "times that the disk was full", times).await;
}

pub async fn read_only(run: Arc<Run>) {
    let times = run.size(1, 25);
    let mut scene = Scene::of(&run, Cluster::with_store().await).await;
    for _ in 0..times {
        scene.recovered().await;
        for value in ["on", "off"] {
            let set = [
                format!("ALTER DATABASE {DATABASE} SET default_transaction_read_only = {value}"),
                format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{DATABASE}'"),
            ];
            scene.cluster.run("postgres", &set).await;
            if value == "on" {
                tokio::time::sleep(a_while(&mut scene.random)).await;
            }
        }
    }
    scene.end(&run, "times that it took no writes", times).await;
}
