//! `backup` and `restore`.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use futures_util::future::join_all;

use super::installation::{Installation, files, outcome};
use super::serving::{eventually, send_signal};
use super::tenant::{Acme, change};
use crate::store::{connection_to, tamper};
use crate::support::Client;

fn password(version: u64) -> String {
    format!("mypassword-{version}")
}

/// Changes a password again and again, and answers the last version that was acknowledged when the service went away.
async fn keep_changing(user: Client, acknowledged: tokio::sync::watch::Sender<u64>) -> u64 {
    loop {
        let version = *acknowledged.borrow();
        let request = change(&password(version), &password(version + 1));
        let Some(reply) = user.try_call("ChangePassword", request).await else { return version };
        assert_eq!(reply.reason(), "OK");
        acknowledged.send_replace(version + 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_has_every_change_that_was_acknowledged_before_it_began() {
    let installation = Installation::new();
    let (mut serving, acme) = installation.acme(&[]).await;
    let names = ["ann", "ben", "cat"];
    let mut changing = Vec::new();
    let mut versions = Vec::new();
    for name in names {
        let token = acme.ram_user(name, &password(1)).await;
        let (acknowledged, version) = tokio::sync::watch::channel(1);
        versions.push(version);
        let user = Client::new(serving.address).with_token(&token);
        changing.push(tokio::spawn(keep_changing(user, acknowledged)));
    }
    for version in &mut versions {
        version.wait_for(|version| *version > 2).await.unwrap();
    }
    let before: Vec<u64> = versions.iter().map(|version| *version.borrow()).collect();
    let backup = tokio::task::block_in_place(|| installation.run(&["backup", "backup.db"]));
    assert!(backup.printed().starts_with("backed up to backup.db: "));
    let after: Vec<u64> = versions.iter().map(|version| *version.borrow()).collect();
    serving.kill();
    join_all(changing).await;

    let file = installation.path("backup.db");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let restored = installation.run(&["restore", "--replace", "backup.db"]);
    assert!(restored.stderr.contains("is kept as") && restored.status == Some(0), "{}", restored.stderr);
    let serving = installation.serve(&[]).await;
    let acme = acme.at(serving.address);
    for ((name, before), after) in names.iter().zip(before).zip(after) {
        let version = acme.version(name).await;
        assert!(before <= version && version <= after + 1, "{name}: {before} {version} {after}");
        assert_eq!(acme.verify(name, &password(version)).await, "MATCHED_CURRENT", "{name}");
    }
    serving.stop().await;
    assert_eq!(installation.run(&["store", "check"]).printed(), "the store is undamaged\n");
}

#[tokio::test]
async fn a_backup_through_a_pipe_is_one_like_any_other() {
    let (installation, acme) = changed_since_the_backup().await;
    let mut command = installation.command(&["backup", "-"]);
    command.stdout(fs::File::create(installation.path("piped.db")).unwrap());
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.starts_with("backed up to standard output: "), "{said}");
    installation.run(&["restore", "--replace", "piped.db"]).printed();
    assert_eq!(version_of_ann(&installation, &acme).await, 2);
    let left = files(&installation.data());
    assert!(!left.iter().any(|(path, _)| path.to_string_lossy().contains("backup")), "{left:?}");

    let refused = installation.run(&["backup", "--keep", "2", "-"]);
    assert_eq!((refused.status, refused.stdout.as_str()), (Some(2), ""));
    assert!(refused.stderr.contains("needs a folder"), "{}", refused.stderr);
    // Nothing is written of a store that can't be backed up.
    let absent = installation.run(&["backup", "--store-url", "sqlite:absent.db", "-"]);
    assert_eq!((absent.status, absent.stdout.as_str()), (Some(1), ""));
}

#[test]
fn of_backups_named_after_their_time_the_latest_are_kept_and_other_files_left_alone() {
    let installation = Installation::new();
    installation.bootstrap();
    let folder = installation.path("backups");
    fs::create_dir(&folder).unwrap();
    let names = || {
        let mut names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names.into_iter().map(|name| name.into_string().unwrap()).collect::<Vec<_>>()
    };
    let own = ["credentiald-monday.db", "credentiald.db"];
    let old = ["credentiald-2020-01-01T00-00-00Z.db", "credentiald-2021-01-01T00-00-00Z.db"];
    for name in own.iter().chain(&old) {
        fs::write(folder.join(name), "").unwrap();
    }
    let printed = installation.run(&["backup", "--keep", "2", "backups"]).printed();
    let (made, removed) = printed.trim_end().split_once('\n').unwrap();
    assert_eq!(removed, format!("removed {}", old[0]));
    let made = made.strip_prefix("backed up to backups/").unwrap().split_once(": ").unwrap().0;
    assert_eq!(names(), [old[1], made, own[0], own[1]]);
    installation.run(&["restore", "--replace", &format!("backups/{made}")]).printed();

    // The clock was ahead once.
    let ahead = ["credentiald-9998-01-01T00-00-00Z.db", "credentiald-9999-01-01T00-00-00Z.db"];
    for name in ahead {
        fs::write(folder.join(name), "").unwrap();
    }
    fs::remove_file(folder.join(made)).unwrap();
    let printed = installation.run(&["backup", "--keep", "2", "backups"]).printed();
    let (made, removed) = printed.trim_end().split_once('\n').unwrap();
    assert_eq!(removed, format!("removed {}\nremoved {}", ahead[0], old[1]));
    let made = made.strip_prefix("backed up to backups/").unwrap().split_once(": ").unwrap().0;
    assert_eq!(names(), [made, ahead[1], own[0], own[1]]);

    let refused = installation.run(&["backup", "--keep", "2", "missing"]);
    assert_eq!(refused.status, Some(1));
    assert!(refused.stderr.contains(&installation.path("missing").display().to_string()), "{}", refused.stderr);
    assert_eq!(names().len(), 4, "a failure removes nothing");
    assert_eq!(installation.run(&["backup", "--keep", "0", "backups"]).status, Some(2));
}

/// The names in the installation's own folder that begin so.
fn names_of(installation: &Installation, beginning: &str) -> Vec<String> {
    let names = fs::read_dir(installation.path(".")).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.retain(|name| name.starts_with(beginning));
    names.sort();
    names
}

#[tokio::test]
async fn a_backup_that_is_interrupted_leaves_nothing() {
    let installation = Installation::new();
    installation.bootstrap();
    // It waits a while for the store.
    let other = connection_to(&installation.database());
    other.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; SELECT count(*) FROM tenant").unwrap();
    for signal in ["TERM", "INT", "HUP"] {
        let mut backup = installation.command(&["backup", "a.db"]).stderr(Stdio::null()).spawn().unwrap();
        eventually("a copy", || names_of(&installation, "a.db").pop()).await;
        send_signal(signal, backup.id());
        let status = eventually("the end", || backup.try_wait().unwrap()).await;
        assert_eq!((status.code(), names_of(&installation, "a.db")), (Some(1), vec![]), "{signal}");
    }
}

#[test]
fn copies_of_backups_that_were_killed_are_removed_a_day_later() {
    let installation = Installation::new();
    installation.bootstrap();
    fs::create_dir(installation.path("backups")).unwrap();
    let two_days = Duration::from_hours(48);
    let put = |name: &str, age: Duration| {
        let path = installation.path(name);
        let file = fs::File::create(&path).unwrap();
        file.set_modified(file.metadata().unwrap().modified().unwrap() - age).unwrap();
        path
    };
    let timed = |day: u32| format!("backups/credentiald-2026-11-{day}T08-00-00Z.db.new-1234567");
    let beside_store = "credentiald-data/credentiald.db.new-12";
    let left = [put("a.db.new-7", two_days), put(&timed(10), two_days), put(beside_store, two_days)];
    let kept = [
        put("a.db.new-8", Duration::ZERO),
        put("b.db.new-7", two_days),
        put("a.db.new-x", two_days),
        put(&timed(11), Duration::ZERO),
        put("backups/credentiald-2026-11-10T08-00-00Z.db", two_days),
    ];
    installation.run(&["backup", "a.db"]).printed();
    installation.run(&["backup", "--keep", "3", "backups"]).printed();
    let mut piped = installation.command(&["backup", "-"]);
    piped.stdout(fs::File::create(installation.path("piped.db")).unwrap());
    assert!(piped.status().unwrap().success());
    let exist = |paths: &[PathBuf]| paths.iter().map(|path| path.exists()).collect::<Vec<_>>();
    assert_eq!((exist(&left), exist(&kept)), (vec![false; 3], vec![true; 5]));
}

#[test]
fn a_file_system_needs_no_hard_links() {
    let installation = Installation::new();
    installation.bootstrap();
    let library = installation.path("without_links.so");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o"]).arg(&library);
    compiler.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/process/without_links.c"));
    assert!(compiler.status().unwrap().success());
    let run = |arguments: &[&str]| {
        let mut command = installation.command(arguments);
        command.env("LD_PRELOAD", &library);
        outcome(command)
    };
    assert!(run(&["backup", "a.db"]).printed().starts_with("backed up to a.db: "));
    assert_eq!(names_of(&installation, "a.db"), ["a.db"]);
    run(&["restore", "--store-url", "sqlite:b.db", "a.db"]).printed();
    let again = run(&["backup", "a.db"]);
    assert!(again.status == Some(1) && again.stderr.contains("already exists"), "{again:?}");
}

#[test]
fn a_folder_that_is_missing_is_named() {
    let installation = Installation::new();
    installation.bootstrap();
    for arguments in [&["backup", "missing/monday.db"][..], &["restore", "--store-url", "sqlite:missing/a.db", "b.db"]]
    {
        if arguments[0] == "restore" {
            installation.run(&["backup", "b.db"]).printed();
        }
        let refused = installation.run(arguments);
        let folder = installation.path("missing").display().to_string();
        assert!(refused.stderr.ends_with(&format!(": the directory {folder} does not exist\n")), "{}", refused.stderr);
        assert_eq!(refused.status, Some(1));
    }
}

/// An installation with a user `ann`, a backup in which her password is the first, and a store in which it is the second.
async fn changed_since_the_backup() -> (Installation, Acme) {
    let installation = Installation::new();
    let (serving, acme) = installation.acme(&[]).await;
    let token = acme.ram_user("ann", &password(1)).await;
    installation.run(&["backup", "backup.db"]).printed();
    let ann = Client::new(serving.address).with_token(&token);
    ann.ok("ChangePassword", change(&password(1), &password(2))).await;
    serving.stop().await;
    (installation, acme)
}

async fn version_of_ann(installation: &Installation, acme: &Acme) -> u64 {
    let serving = installation.serve(&[]).await;
    let version = acme.at(serving.address).version("ann").await;
    serving.stop().await;
    version
}

#[tokio::test]
async fn a_store_is_replaced_only_where_that_is_wanted_and_kept_beside() {
    let (installation, acme) = changed_since_the_backup().await;
    let refused = installation.run(&["restore", "backup.db"]);
    assert_eq!(refused.status, Some(1));
    assert!(refused.stderr.contains("--replace"), "{}", refused.stderr);
    assert_eq!(version_of_ann(&installation, &acme).await, 2);

    installation.run(&["restore", "--replace", "backup.db"]).printed();
    assert_eq!(version_of_ann(&installation, &acme).await, 1);
    let kept = installation.data().join("credentiald.db.replaced-1");
    installation.run(&["restore", "--replace", kept.to_str().unwrap()]).printed();
    assert_eq!(version_of_ann(&installation, &acme).await, 2);
    let names: Vec<_> = files(&installation.data()).into_iter().map(|(path, _)| path).collect();
    let names: Vec<_> = names.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["credentiald.db", "credentiald.db.replaced-1", "credentiald.db.replaced-2"]);
    let elsewhere = installation.run(&["restore", "--store-url", "sqlite:new/store.db", "backup.db"]);
    assert_eq!(elsewhere.status, Some(1), "the directory is the operator's to make");
    fs::create_dir(installation.path("new")).unwrap();
    installation.run(&["restore", "--store-url", "sqlite:new/store.db", "backup.db"]).printed();
}

#[tokio::test]
async fn a_store_that_root_makes_belongs_to_the_user_of_the_one_before_or_of_its_folder() {
    let (installation, acme) = changed_since_the_backup().await;
    let owner = |path: &Path| fs::metadata(path).map(|metadata| (metadata.uid(), metadata.gid())).unwrap();
    // Only root can give files away. For others, the user of all of these is their own.
    let (own, _) = owner(Path::new("/proc/self"));
    let [service, another] =
        if own == 0 { [(64_001, 64_002), (64_003, 64_004)] } else { [owner(&installation.path("")); 2] };
    let give = |path: &Path, (user, group)| chown(path, Some(user), Some(group)).unwrap();
    give(&installation.database(), service);
    installation.run(&["restore", "--replace", "backup.db"]).printed();
    assert_eq!(owner(&installation.database()), service);
    assert_eq!(owner(&installation.data().join("credentiald.db.replaced-1")), service);
    assert_eq!(version_of_ann(&installation, &acme).await, 1);

    for (folder, command) in [("new", &["restore", "backup.db"][..]), ("newer", &["bootstrap"])] {
        fs::create_dir(installation.path(folder)).unwrap();
        give(&installation.path(folder), another);
        let url = format!("sqlite:{folder}/store.db");
        installation.run(&[command, &["--store-url", &url]].concat()).printed();
        assert_eq!(owner(&installation.path(folder).join("store.db")), another, "{folder}");
    }
    let backup = owner(&installation.path("backup.db"));
    assert_eq!(backup.0, own, "a backup is its maker's");
}

#[tokio::test]
async fn nothing_is_replaced_while_a_service_has_the_store() {
    let (installation, acme) = changed_since_the_backup().await;
    let serving = installation.serve(&[]).await;
    let refused = installation.run(&["restore", "--replace", "backup.db"]);
    assert_eq!(refused.status, Some(1));
    assert!(refused.stderr.contains("locked by another process"), "{}", refused.stderr);
    assert_eq!(acme.at(serving.address).verify("ann", &password(2)).await, "MATCHED_CURRENT");
    serving.stop().await;
    assert_eq!(version_of_ann(&installation, &acme).await, 2);
    assert!(!installation.data().join("credentiald.db.replaced-1").exists());
}

/// After a kill, the log has changes that the database has not. Read with another database, it would damage that one, or mix
/// the two.
#[tokio::test]
async fn the_log_of_a_store_that_was_moved_away_is_read_with_no_other() {
    let installation = Installation::new();
    let (mut serving, acme) = installation.acme(&[]).await;
    acme.ram_user("ann", &password(1)).await;
    installation.run(&["backup", "backup.db"]).printed();
    serving.kill();
    let (store, log) = (installation.database(), installation.data().join("credentiald.db-wal"));
    assert!(fs::metadata(&log).unwrap().len() > 0);
    let aside = installation.path("aside.db");
    fs::rename(&store, &aside).unwrap();
    let serve = &["serve", "--server-listen=127.0.0.1:0"];
    for arguments in [&["restore", "backup.db"][..], &["restore", "--replace", "backup.db"], &["bootstrap"], serve] {
        let refused = installation.run(arguments);
        assert_eq!((refused.status, refused.stdout.as_str()), (Some(1), ""), "{arguments:?}");
        let expected = format!("{} is the log of a store that is not there", log.display());
        assert!(refused.stderr.contains(&expected), "{arguments:?}: {}", refused.stderr);
        assert!(!store.exists(), "{arguments:?}");
    }
    // Put back, the store has lost nothing. An orderly stop leaves no log, so a backup can take its place.
    fs::rename(&aside, &store).unwrap();
    assert_eq!(version_of_ann(&installation, &acme).await, 1);
    fs::rename(&store, &aside).unwrap();
    installation.run(&["restore", "backup.db"]).printed();
    assert_eq!(version_of_ann(&installation, &acme).await, 1);
    assert_eq!(installation.run(&["store", "check"]).printed(), "the store is undamaged\n");
}

/// Puts a text in the place of another of the same length, wherever that is.
fn replace(content: &mut [u8], old: &str, new: &str) {
    let is_there = |at: &usize| content[*at..].starts_with(old.as_bytes());
    let places: Vec<usize> = (0..content.len()).filter(is_there).collect();
    assert!(!places.is_empty(), "{old}");
    for at in places {
        content[at..at + old.len()].copy_from_slice(new.as_bytes());
    }
}

type Damage = fn(&mut Vec<u8>);

#[tokio::test]
async fn a_damaged_backup_replaces_nothing() {
    let (installation, _) = changed_since_the_backup().await;
    let (backup, good) = (installation.path("backup.db"), fs::read(installation.path("backup.db")).unwrap());
    let store = files(&installation.data());
    let damages: [(&str, Damage); 6] = [
        ("no header", |content| content[0] = b'T'),
        ("another program's", |content| content[68..72].copy_from_slice(b"NONE")),
        ("a newer schema", |content| content[63] = 99),
        ("another schema", |content| replace(content, "settings   TEXT", "setting_   TEXT")),
        ("a row", |content| replace(content, "$argon2id$v=19$", "$argon2id v=19$")),
        ("cut off", |content| content.truncate(content.len() / 2)),
    ];
    for (what, damage) in damages {
        let mut content = good.clone();
        damage(&mut content);
        fs::write(&backup, &content).unwrap();
        for arguments in [&["restore", "--replace", "backup.db"][..], &["restore", "--replace", "absent.db"]] {
            let refused = installation.run(arguments);
            assert_eq!((refused.status, refused.stdout.as_str()), (Some(1), ""), "{what}: {}", refused.stderr);
        }
        assert_eq!(files(&installation.data()), store, "{what}");
    }
}

#[test]
fn a_message_names_only_the_first_damages() {
    let installation = Installation::new();
    installation.bootstrap();
    let damage = "
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
        INSERT INTO leftover (tenant_id, kind, after) SELECT 'no id ' || i, 'subject', '' FROM n
    ";
    tamper(&installation.database(), damage);
    let refused = installation.run(&["backup", "a.db"]);
    assert_eq!(refused.status, Some(1));
    assert!(refused.stderr.ends_with("; and 990 more\n") && refused.stderr.len() < 1000, "{}", refused.stderr);
    assert_eq!(installation.run(&["store", "check"]).stdout.lines().count(), 1000);
}

#[tokio::test]
async fn a_damaged_store_is_never_backed_up_and_can_be_replaced() {
    let (installation, acme) = changed_since_the_backup().await;
    let store = installation.database();
    let good = fs::read(&store).unwrap();
    let mut damaged = good.clone();
    replace(&mut damaged, "$argon2id$v=19$", "$argon2id v=19$");
    fs::write(&store, &damaged).unwrap();
    let refused = installation.run(&["backup", "second.db"]);
    assert_eq!(refused.status, Some(1));
    assert!(refused.stderr.contains("damaged"), "{}", refused.stderr);
    assert_eq!(installation.run(&["backup", "backup.db"]).status, Some(1), "nothing is written over");
    let left: Vec<_> = fs::read_dir(installation.path(".")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("second.db")), "{left:?}");

    for content in [damaged, b"not a database at all".to_vec(), good[..5000].to_vec()] {
        fs::write(&store, &content).unwrap();
        installation.run(&["restore", "--replace", "backup.db"]).printed();
        assert_eq!(version_of_ann(&installation, &acme).await, 1);
    }
}
