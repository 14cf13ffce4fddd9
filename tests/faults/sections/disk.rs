//! The embedded store's disk is full, and its file is locked by somebody else, again and again under load.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;

use crate::ledger::{Ledger, check_watch};
use crate::load::{Clients, Kind, Load, Mix};
use crate::run::{Demand, Run, millis};
use crate::site::{Site, steady_address};
use crate::support::Client;
use crate::support::installation::fill_disk;
use crate::support::serving::{Serving, eventually};

const KINDS: [Kind; 3] = [Kind::RamUser, Kind::MailDomain, Kind::InstanceAccount];
const SUBJECTS: usize = 9;
const CLIENTS: usize = 6;
const MIX: Mix = Mix { changes: 70, versions: 5, unbound: 0 };
/// How many changes succeed between two faults.
const BETWEEN: u64 = 5;
/// How long a refusal is waited for on a disk that is full again.
const SLACK: Duration = Duration::from_secs(3);

/// On a disk of a few MiB, which only the server sees.
pub async fn full(run: Arc<Run>) {
    let (site, address) = (Site::sqlite(), steady_address());
    let mount = "mkdir credentiald-data; mount -t tmpfs -o size=64m,mode=700 tmpfs credentiald-data
        \"$0\" bootstrap > token";
    let mut serving = site.begin_with_mounts(mount, address);
    serving.listening().await.unwrap_or_else(|(status, log)| panic!("it does not serve: {status}: {log}"));
    let token = fs::read_to_string(site.installation.path("token")).unwrap();
    let data = site.installation.data();
    let disk = PathBuf::from(format!("/proc/{}/root", serving.id())).join(data.strip_prefix("/").unwrap());
    let (load, clients) = begin(&run, &serving, token.trim()).await;

    let (faults, mut until_refused, mut random) = (run.size(4, 60), 0, run.random());
    for fault in 0..faults {
        clients.changed(BETWEEN).await;
        let refused = refused(&load);
        fill_disk(&disk.join("ballast"));
        let refusal = eventually("a refusal", || (self::refused(&load) > refused).then_some(()));
        // Later, changes go on for as long as the log has room that it was given before.
        let patience = if fault == 0 { Duration::MAX } else { SLACK };
        let is_refused = tokio::time::timeout(patience, refusal).await.is_ok();
        until_refused += u64::from(is_refused);
        tokio::time::sleep(random.millis(0..200)).await;
        run.require(serving.is_healthy(), || "it is not healthy while the disk is full".to_owned());
        fs::remove_file(disk.join("ballast")).unwrap();
    }
    clients.changed(BETWEEN).await;
    clients.end().await;
    run.figure("times that the disk was full", faults, Demand::AtLeast(60));
    run.figure("of these until changes were refused", until_refused, Demand::AtLeast(10));

    let versions = ended(&run, &load, &serving).await;
    // The disk goes away with its server.
    serving.signal("STOP");
    fs::create_dir_all(&data).unwrap();
    for file in ["credentiald.db", "credentiald.db-wal"] {
        fs::copy(disk.join(file), data.join(file)).unwrap();
    }
    serving.kill();
    left(&run, &site, &load, &versions, &serving).await;
}

/// Another process writes for a while, sometimes for longer than anybody waits for it.
pub async fn locked(run: Arc<Run>) {
    let (site, address) = (Site::sqlite(), steady_address());
    let token = site.bootstrap();
    let mut serving = site.serve(address).await;
    let (load, clients) = begin(&run, &serving, &token).await;

    let (faults, long, mut random) = (run.size(4, 200), run.size(1, 10), run.random());
    let other = Connection::open(site.installation.database()).unwrap();
    for number in 0..faults {
        clients.changed(BETWEEN).await;
        other.busy_timeout(Duration::from_mins(1)).unwrap();
        other.execute_batch("BEGIN IMMEDIATE; UPDATE change_position SET last = last").unwrap();
        if number < long {
            let refused = refused(&load);
            eventually("a refusal", || (self::refused(&load) > refused).then_some(())).await;
            run.require(serving.is_healthy(), || "it is not healthy while its store is locked".to_owned());
        } else {
            tokio::time::sleep(random.millis(0..1000)).await;
        }
        other.execute_batch("ROLLBACK").unwrap();
    }
    drop(other);
    clients.changed(BETWEEN).await;
    clients.end().await;
    run.figure("times that the file was locked", faults, Demand::AtLeast(200));
    run.figure("of these until changes were refused", long, Demand::AtLeast(10));

    let versions = ended(&run, &load, &serving).await;
    serving.kill();
    left(&run, &site, &load, &versions, &serving).await;
}

async fn begin(run: &Arc<Run>, serving: &Serving, operator: &str) -> (Arc<Load>, Clients) {
    let load = Load::create(Arc::clone(run), serving.address, operator, &KINDS, SUBJECTS).await;
    let subjects: Vec<Vec<usize>> =
        (0..CLIENTS).map(|client| (client..SUBJECTS).step_by(CLIENTS).collect()).collect();
    let clients = load.start(&subjects, &[serving.address], MIX);
    (load, clients)
}

/// How often a caller got the answer that the store is not available.
fn refused(load: &Load) -> u64 {
    load.answers().get("STORE_UNAVAILABLE").copied().unwrap_or_default()
}

/// What the service says when it is over.
async fn ended(run: &Arc<Run>, load: &Arc<Load>, serving: &Serving) -> Vec<u64> {
    run.figure("longest time without a change, ms", millis(load.take_gap()), Demand::AtMost(60_000));
    let versions = load.settle(serving.address).await;
    check_watch(run, load, &Client::new(serving.address).with_token(&load.root), &versions).await;
    versions
}

/// What is left in the store.
async fn left(run: &Run, site: &Site, load: &Load, versions: &[u64], serving: &Serving) {
    run.require(!serving.log().contains("panicked"), || serving.log());
    Ledger::Sqlite(&site.installation.database()).check(run, load, versions).await;
    let checked = site.run(&["store", "check"]);
    run.require(checked == "the store is undamaged\n", || checked.clone());
    load.tell_figures(versions);
}
