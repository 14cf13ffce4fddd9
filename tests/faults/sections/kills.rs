//! `kill -9` at random points under load: while the service starts, while it changes passwords, while it cleans up.

use std::sync::Arc;

use serde_json::json;
use tokio::task::block_in_place;

use crate::ledger::{Ledger, check_watch};
use crate::load::{Kind, Load, Mix, text};
use crate::moved_clock::MovedClock;
use crate::random::Random;
use crate::run::{Demand, Run, millis};
use crate::site::{Site, steady_address};
use crate::support::Client;
use crate::support::postgres::Cluster;
use crate::support::serving::Serving;
use crate::support::tenant::token;

const KINDS: [Kind; 3] = [Kind::RamUser, Kind::MailDomain, Kind::InstanceAccount];
/// Subjects that one client has for itself, and subjects that the other clients share.
const ALONE: usize = 6;
const SHARED: usize = 3;
const DAY: i64 = 24 * 60 * 60;
const MIX: Mix = Mix { changes: 70, versions: 5, unbound: 0 };

pub async fn sqlite(run: Arc<Run>) {
    let site = Site::sqlite();
    let token = site.bootstrap();
    let database = site.installation.database();
    live_and_die(&run, site, &token, &Ledger::Sqlite(&database)).await;
}

pub async fn postgres(run: Arc<Run>) {
    let cluster = Cluster::with_store().await;
    let site = Site::postgres(&cluster.url("credentiald"));
    let token = site.bootstrap();
    live_and_die(&run, site, &token, &Ledger::Postgres(&cluster, "credentiald")).await;
}

/// What is removed once it is too old: client tokens, two days after the one for which they are remembered, and here change
/// events as well.
const LEFTOVERS: [&str; 2] = [
    "SELECT 'events', count(*) FROM change_event WHERE tenant = 'elders'",
    "SELECT 'tokens', count(*) FROM client_token JOIN subject ON subject.id = subject_id WHERE tenant = 'elders'",
];

/// One life of the service after the other, and then a look at what is left.
async fn live_and_die(run: &Arc<Run>, site: Site, operator: &str, ledger: &Ledger<'_>) {
    let kills = run.size(12, 510);
    let (address, mut random) = (steady_address(), run.random());
    let clock = MovedClock::in_folder(&site.installation.path(""));
    let site = site.with("--watch-kept-days", "3").by(&clock);
    let mut serving = site.serve(address).await;
    let made = make_elders(run, &clock, &Client::new(address).with_token(operator)).await;
    let load = Load::create(Arc::clone(run), address, operator, &KINDS, ALONE + SHARED).await;
    let mut subjects: Vec<Vec<usize>> = (0..ALONE).map(|subject| vec![subject]).collect();
    subjects.extend([(ALONE..ALONE + SHARED).collect(), (ALONE..ALONE + SHARED).collect()]);
    let clients = load.start(&subjects, &[address], MIX);

    let (mut while_it_started, mut crashes) = (0, 0);
    for _ in 0..kills {
        if random.percent(15) {
            tokio::time::sleep(random.millis(0..150)).await;
            while_it_started += u64::from(serving.is_silent());
        } else {
            site.listening(&mut serving, address).await;
            clients.changed(random.within(0..8)).await;
            tokio::time::sleep(random.millis(0..20)).await;
        }
        match ledger {
            Ledger::Postgres(cluster, _) if random.percent(20) => {
                block_in_place(|| die_with_server(cluster, &mut serving, &mut random));
                crashes += 1;
            }
            _ => serving.kill(),
        }
        let log = serving.take_log();
        run.require(!log.contains("panicked"), || log);
        serving = site.begin(address);
    }
    site.listening(&mut serving, address).await;
    clients.end().await;

    let gap = load.take_gap();
    let versions = load.settle(address).await;
    let as_root = Client::new(address).with_token(&load.root);
    check_watch(run, &load, &as_root, &versions).await;
    ledger.check(run, &load, &versions).await;
    serving.kill();
    let checked = site.run(&["store", "check"]);
    run.require(checked == "the store is undamaged\n", || checked.clone());

    run.figure("`kill -9` of the service", kills, Demand::AtLeast(500));
    run.figure("of these while it started", while_it_started, Demand::None);
    if let Ledger::Postgres(..) = ledger {
        run.figure("together with the database server", crashes, Demand::None);
    }
    let left = left_over(ledger).await;
    run.figure("rows that grew too old meanwhile and were removed", made.saturating_sub(left), Demand::None);
    run.figure("longest time without a change, ms", millis(gap), Demand::AtMost(60_000));
    load.tell_figures(&versions);
}

/// Makes changes of three days ago, some of which grow too old in each of the lives to come. Answers how many rows tell of them.
async fn make_elders(run: &Run, clock: &MovedClock, operator: &Client) -> u64 {
    let (count, seconds) = (run.size(20, 300), run.size(10, 300));
    operator.ok("CreateTenant", json!({ "tenant": "elders" })).await;
    let root = token(operator, json!({ "tenant": "elders", "caller_kind": "CALLER_KIND_ROOT" })).await;
    let root = operator.with_token_instead(&root);
    clock.set(-3 * DAY);
    root.ok("CreateMailDomain", json!({ "domain_name": "elder", "password": text(0) })).await;
    for number in 0..count {
        clock.set(-3 * DAY + i64::try_from(number * seconds / count).unwrap());
        let request = json!({ "domain_name": "elder", "password": text(number + 1), "client_token": number.to_string() });
        root.ok("ModifyPWByDomain", request).await;
    }
    // Told to somebody, they have their positions, before those of all that is to come.
    root.watch(json!({ "from_oldest": true })).await.event().await;
    clock.set(0);
    1 + 2 * count
}

async fn left_over(ledger: &Ledger<'_>) -> u64 {
    let mut left = 0;
    for query in LEFTOVERS {
        left += ledger.rows(query).await.iter().map(|(_, count)| count.unsigned_abs()).sum::<u64>();
    }
    left
}

/// Ends the database server as well, the one before the other or after.
fn die_with_server(cluster: &Cluster, serving: &mut Serving, random: &mut Random) {
    let is_first = random.percent(50);
    if is_first {
        serving.kill();
    }
    cluster.crash();
    std::thread::sleep(random.millis(0..50));
    if !is_first {
        serving.kill();
    }
    cluster.run_again();
}
