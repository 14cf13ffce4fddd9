//! What a disk that lost or altered bytes leaves of the embedded store: a log that ends anywhere, and flipped bytes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use credentiald::ambient::SystemEntropy;
use credentiald::domain::credential::Credential;
use credentiald::domain::subject::SubjectId;
use credentiald::hashing::KeyRing;
use credentiald::ports::Pepper;
use credentiald::ports::store::{Credentials, Lookup, Subjects};
use credentiald::store::{SqlStore, sqlite};
use tempfile::TempDir;

use crate::load::text;
use crate::random::Random;
use crate::run::{Demand, Run};
use crate::site::{Site, steady_address};
use crate::support::Client;
use crate::support::installation::write_secretly;
use crate::support::tenant::{Acme, change, verification};
use crate::values::{self, ram_user, tenant};

/// In the log's last part, each byte is tried as its end.
const TAIL: usize = 4096;
/// Users with passwords of their own. The first half of them is in the file; the rest, and that some of the first half
/// changed their passwords, is in the log alone.
const USERS: usize = 24;
const CHANGED: usize = 8;
/// How many users each server is asked for.
const ASKED: usize = 6;

/// A store as a crash leaves it: the file and its log.
struct Remains {
    file: Vec<u8>,
    log: Vec<u8>,
}

impl Remains {
    fn of(database: &Path) -> Self {
        Self { file: fs::read(database).unwrap(), log: fs::read(log_of(database)).unwrap() }
    }

    /// Puts them, and nothing else, where a store is.
    fn put(&self, database: &Path) {
        let folder = database.parent().unwrap();
        let _ = fs::remove_dir_all(folder);
        fs::create_dir(folder).unwrap();
        write_secretly(database, &self.file);
        write_secretly(&log_of(database), &self.log);
    }

    /// The same, with so much of the log.
    fn cut(&self, length: usize) -> Self {
        Self { file: self.file.clone(), log: self.log[..length].to_vec() }
    }

    /// The same with another byte in the log, or in the file.
    fn flipped(&self, is_in_log: bool, random: &mut Random) -> Self {
        let (mut file, mut log) = (self.file.clone(), self.log.clone());
        let part = if is_in_log { &mut log } else { &mut file };
        let at = place(random, part.len());
        // One bit, as a cell of memory loses it, or anything else.
        let flip = if random.percent(50) { 1 << random.within(0..8) } else { random.within(1..256) };
        part[at] ^= u8::try_from(flip).unwrap();
        Self { file, log }
    }
}

fn place(random: &mut Random, length: usize) -> usize {
    usize::try_from(random.within(0..length as u64)).unwrap()
}

fn size(run: &Run, short: usize, full: usize) -> usize {
    usize::try_from(run.size(short as u64, full as u64)).unwrap()
}

fn log_of(database: &Path) -> PathBuf {
    PathBuf::from(format!("{}-wal", database.display()))
}

fn user(number: usize) -> String {
    format!("user-{number}")
}

/// An installation whose store holds the first half of the users, and is closed.
async fn installed(site: &Site) -> (Acme, Vec<String>) {
    let token = site.bootstrap();
    let serving = site.serve(steady_address()).await;
    let acme = Acme::create(serving.address, &token).await;
    let mut tokens = Vec::new();
    for number in 0..USERS / 2 {
        tokens.push(acme.ram_user(&user(number), &text(number as u64)).await);
    }
    serving.stop().await;
    (acme, tokens)
}

/// Adds the rest of the users, changes some passwords, and leaves what a crash leaves.
async fn crashed(site: &Site, acme: &Acme, tokens: &[String]) -> Remains {
    let mut serving = site.serve(steady_address()).await;
    let acme = acme.at(serving.address);
    for number in USERS / 2..USERS {
        acme.ram_user(&user(number), &text(number as u64)).await;
    }
    for (number, token) in tokens.iter().enumerate().take(CHANGED) {
        let (old, new) = (text(number as u64), text((USERS + number) as u64));
        Client::new(serving.address).with_token(token).ok("ChangePassword", change(&old, &new)).await;
    }
    serving.kill();
    Remains::of(&site.installation.database())
}

async fn credential(store: &SqlStore, user: &str) -> Option<(SubjectId, Credential)> {
    let Ok(Lookup::Found(subject)) = store.look_up(&tenant("acme"), &ram_user(user)).await else { return None };
    Some((subject.id, store.credential(subject.id).await.ok()??))
}

/// Where another commit is whole is known, because this process wrote the log.
pub async fn cut_log(run: Arc<Run>) {
    let site = Site::sqlite();
    let (acme, _) = installed(&site).await;
    let database = site.installation.database();
    let store = sqlite::open(&database).await.unwrap();
    let (id, _) = credential(&store, &user(0)).await.unwrap();
    let mut ends = vec![(0, 1)];
    for version in 1..CHANGED {
        // Each version has the password of another user.
        let mut commit = values::change(id, Some(version as u64));
        commit.hash = credential(&store, &user(version)).await.unwrap().1.hash;
        store.commit(&commit).await.unwrap();
        ends.push((usize::try_from(fs::metadata(log_of(&database)).unwrap().len()).unwrap(), version as u64 + 1));
    }
    let whole = Remains::of(&database);
    store.close().await;

    let (mut random, tail) = (run.random(), whole.log.len() - TAIL);
    let in_tail = size(&run, 48, TAIL);
    let mut cuts: Vec<usize> = (0..in_tail).map(|cut| tail + cut * TAIL / in_tail).collect();
    cuts.extend((0..run.size(48, 2000)).map(|_| place(&mut random, tail)));
    cuts.extend(ends.iter().map(|(end, _)| *end));
    let (folder, every) = (TempDir::new().unwrap(), cuts.len() / size(&run, 2, 100));
    let copy = folder.path().join("data/store.db");
    let (mut others, mut unsound, mut served) = (0, 0, 0);
    for (number, cut) in cuts.iter().enumerate() {
        let expected = ends.iter().rev().find(|(end, _)| end <= cut).unwrap().1;
        let remains = whole.cut(*cut);
        remains.put(&copy);
        unsound += u64::from(!sqlite::check(&copy, None).await.is_ok_and(|report| report.is_sound()));
        let store = sqlite::open(&copy).await.unwrap();
        let found = credential(&store, &user(0)).await.map(|(_, credential)| credential.version.number());
        store.close().await;
        others += u64::from(found != Some(expected));
        if number % every == 0 {
            remains.put(&database);
            let checked = site.run(&["store", "check"]);
            let mut serving = site.serve(steady_address()).await;
            let acme = acme.at(serving.address);
            let verified = acme.verify(&user(0), &text(expected - 1)).await;
            let served_version = acme.version(&user(0)).await;
            let is_right = served_version == expected && verified == "MATCHED_CURRENT";
            run.require(is_right && checked == "the store is undamaged\n", || {
                format!("cut at {cut}: {verified} at version {served_version} instead of {expected}; {checked}")
            });
            serving.kill();
            served += 1;
        }
    }
    run.figure("cuts in the last 4,096 bytes of the log", in_tail as u64, Demand::AtLeast(TAIL as u64));
    run.figure("cuts before, and at each commit's end", (cuts.len() - in_tail) as u64, Demand::None);
    run.figure("not exactly the commits before the cut", others, Demand::Exactly(0));
    run.figure("`store check` finds something", unsound, Demand::Exactly(0));
    run.figure("of the cut stores, served by the binary", served, Demand::None);
}

pub async fn flipped_bytes(run: Arc<Run>) {
    flip(&run, &Site::sqlite(), None).await;
}

pub async fn flipped_bytes_with_pepper(run: Arc<Run>) {
    let site = Site::sqlite();
    let key = site.run(&["pepper", "new-key"]);
    write_secretly(&site.installation.path("ring"), &key);
    let ring = KeyRing::parse(&key, Arc::new(SystemEntropy)).unwrap_or_else(|_| panic!("it is a ring"));
    flip(&run, &site.with("--pepper-keys-file", "ring"), Some(ring)).await;
}

async fn flip(run: &Run, site: &Site, ring: Option<KeyRing>) {
    let (acme, tokens) = installed(site).await;
    let database = site.installation.database();
    let mut known = Known { hashes: vec![Vec::new(); USERS], ring };
    known.learn(&database).await;
    let crashed = crashed(site, &acme, &tokens).await;
    let folder = TempDir::new().unwrap();
    let copy = folder.path().join("data/store.db");
    crashed.put(&copy);
    known.learn(&copy).await;
    // Closed in order, so that everything is in the file.
    let closed = Remains { file: fs::read(&copy).unwrap(), log: Vec::new() };

    let (flips, mut random, known) = (run.size(120, 5000), run.random(), Arc::new(known));
    let (mut came, mut panics, mut served) = (BTreeMap::new(), 0, 0);
    for number in 0..flips {
        let is_in_log = number % 2 == 0;
        let flipped = if is_in_log { &crashed } else { &closed }.flipped(is_in_log, &mut random);
        flipped.put(&copy);
        let (path, of_known) = (copy.clone(), Arc::clone(&known));
        match tokio::spawn(async move { of_known.look(&path, is_in_log).await }).await {
            Ok(noticed) => *came.entry(noticed).or_insert(0) += 1,
            Err(_) => panics += 1,
        }
        if number % (flips / run.size(3, 150)) == 0 {
            flipped.put(&database);
            served += u64::from(serves_no_wrong_password(run, site, &acme, &mut random).await);
        }
    }
    let of = |noticed| came.get(&noticed).copied().unwrap_or_default();
    run.figure("flipped bytes", flips, Demand::AtLeast(5000));
    run.figure("panics", panics, Demand::Exactly(0));
    run.figure("a password verifies that never was the user's", of(Noticed::Wrong), Demand::Exactly(0));
    run.figure("noticed at the start, which is refused", of(Noticed::AtStart), Demand::None);
    run.figure("noticed by `store check`", of(Noticed::ByCheck), Demand::None);
    run.figure("noticed by the pepper alone", of(Noticed::ByPepper), Demand::None);
    run.figure("of the log, which ends there: an earlier state", of(Noticed::Back), Demand::None);
    run.figure("not noticed, and a password is gone", of(Noticed::Gone), Demand::None);
    run.figure("not noticed, and no password is touched", of(Noticed::Harmless), Demand::None);
    run.figure("served by the binary, and wrong passwords tried", served, Demand::None);
}

/// What comes of a flipped byte: the first of these that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Noticed {
    Wrong,
    AtStart,
    ByCheck,
    ByPepper,
    Back,
    Gone,
    Harmless,
}

/// What is known of the store before anything was flipped.
struct Known {
    /// Each user's hashes, as they verify, the current one last.
    hashes: Vec<Vec<String>>,
    ring: Option<KeyRing>,
}

impl Known {
    /// Adds the hashes of a sound store.
    async fn learn(&mut self, path: &Path) {
        let store = sqlite::open(path).await.unwrap();
        for number in 0..USERS {
            let hash = self.hash(&store, number).await;
            self.hashes[number].extend(hash);
        }
        store.close().await;
    }

    /// The hash that a user's password is compared with.
    async fn hash(&self, store: &SqlStore, number: usize) -> Option<String> {
        let (id, credential) = credential(store, &user(number)).await?;
        match &self.ring {
            None => Some(credential.hash.expose().to_owned()),
            Some(ring) => Some(ring.open(&credential.hash, id, credential.version).ok()?.expose().to_owned()),
        }
    }

    async fn look(&self, path: &Path, is_in_log: bool) -> Noticed {
        let is_sound = async |pepper| sqlite::check(path, pepper).await.is_ok_and(|report| report.is_sound());
        let found_by_check = !is_sound(None).await;
        let found_by_pepper = match &self.ring {
            Some(ring) => !is_sound(Some(ring as &dyn Pepper)).await,
            None => false,
        };
        let Ok(store) = sqlite::open(path).await else { return Noticed::AtStart };
        let (mut wrong, mut touched) = (false, false);
        for (number, own) in self.hashes.iter().enumerate() {
            let hash = self.hash(&store, number).await;
            touched |= hash.as_ref() != own.last();
            // One that is nobody's has no password.
            wrong |= hash.is_some_and(|hash| !own.contains(&hash) && self.hashes.concat().contains(&hash));
        }
        store.close().await;
        match (found_by_check, found_by_pepper) {
            _ if wrong => Noticed::Wrong,
            (true, _) => Noticed::ByCheck,
            (_, true) => Noticed::ByPepper,
            _ if !touched => Noticed::Harmless,
            _ if is_in_log => Noticed::Back,
            _ => Noticed::Gone,
        }
    }
}

/// Answers whether the binary serves from the store.
async fn serves_no_wrong_password(run: &Run, site: &Site, acme: &Acme, random: &mut Random) -> bool {
    let mut serving = site.begin(steady_address());
    if let Err((status, log)) = serving.listening().await {
        let is_told = status.code() == Some(1) && log.starts_with("error: can't serve: ");
        run.require(is_told && !log.contains("panicked"), || format!("{status}: {log}"));
        return false;
    }
    let acme = acme.at(serving.address);
    for _ in 0..ASKED {
        let (asked, other) = (place(random, USERS), 1 + place(random, USERS - 1));
        let wrong = text(((asked + other) % USERS) as u64);
        let reply = acme.relay.call("VerifyPassword", verification(&user(asked), &wrong)).await;
        run.require(reply.reason() != "(no details)", || format!("{:?}", reply.status));
        let is_refused = reply.json["result"].is_null() || reply.json["result"] == "NOT_MATCHED";
        run.require(is_refused, || format!("{} has the password of another: {reply:?}", user(asked)));
    }
    serving.kill();
    run.require(!serving.log().contains("panicked"), || serving.log());
    true
}
