//! `rotate`, continued after the service has forgotten what a killed process sent.

use std::fs;

use serde_json::{Value, json};

use super::fleets::{FIRST, Fleet};

/// Makes the files of a run with one subject those of a run that was killed after it recorded `last`, and that the service has
/// forgotten since.
fn forget(fleet: &Fleet, state: &str, passwords: &str, last: &str) {
    let rewrite = |file: &str, keeps: &dyn Fn(&Value) -> bool| {
        let path = fleet.installation.path(file);
        let Ok(text) = fs::read_to_string(&path) else { return };
        let lines = text.lines().filter(|line| keeps(&serde_json::from_str(line).unwrap()));
        let kept: String = lines.flat_map(|line| [line, "\n"]).collect();
        let id = fleet.lines(state)[0]["run"]["id"].as_str().unwrap().to_owned();
        fs::write(path, kept.replace(&id, "6f5c1a1e-0000-4000-8000-000000000000")).unwrap();
    };
    rewrite(passwords, &|line| line["state"] == "pending");
    rewrite(state, &|line| {
        let step = &line["step"]["step"];
        step.is_null() || step == "prepared" || last == "changed" && !step["changed"].is_null()
    });
}

#[tokio::test]
async fn a_run_whose_pending_password_may_be_in_force_fails_until_another_one_begins() {
    let fleet = Fleet::start(&[]).await;
    let bob = fleet.acme.ram_user("bob", FIRST).await;
    for (instance, is_printed, last, retries) in [
        ("r-1", false, "prepared", 0),
        ("r-2", true, "prepared", 0),
        ("r-3", true, "changed", 0),
        ("r-4", false, "prepared", 1),
        ("r-5", true, "prepared", 1),
        ("r-6", false, "prepared", 2),
    ] {
        fleet.accounts_of(instance, &["app"]).await;
        let passwords = format!("{instance}.jsonl");
        let destination = if is_printed { &["--stdout"][..] } else { &["--file", &passwords] };
        let selection = ["--kind", "instance-account", "--instance-id", instance, "--overlap-seconds", "3600"];
        let arguments = [&selection[..], &["--state", instance], destination].concat();
        fleet.rotate(&arguments).printed();
        forget(&fleet, instance, &passwords, last);
        for _ in 0..retries {
            let failed = fleet.rotate_as(&bob, &arguments);
            assert_eq!(failed.status, Some(1), "{instance}: {}", failed.stderr);
            assert!(failed.stderr.contains("ACCESS_DENIED"), "{instance}: {}", failed.stderr);
        }
        for _ in 0..2 {
            let ended = fleet.rotate(&arguments);
            assert_eq!(ended.status, Some(1), "{instance}: {}", ended.stderr);
            let said = format!("the pending password may be the one in force: instance-account {instance}/app\n");
            assert!(ended.stderr.contains(&said), "{}", ended.stderr);
        }
        let another = fleet.rotate(&[&arguments[..], &["--again"]].concat());
        assert!(another.stderr.contains("an overlap runs"), "{}", another.stderr);
        assert_eq!(another.status, Some(0), "{}", another.stderr);
        if !is_printed {
            let [pending] = &fleet.lines(&passwords)[..] else { panic!("one line") };
            let account = json!({ "instance_account": { "instance_id": instance, "account_name": "app" } });
            let pending = pending["password"].as_str().unwrap();
            assert_eq!(fleet.verified(account, pending).await, "MATCHED_CURRENT", "{instance}");
        }
    }
}
