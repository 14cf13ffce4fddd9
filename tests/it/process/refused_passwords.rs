//! Filters of refused passwords: built by the command, and replaced while the service runs.

use std::fs;

use super::installation::Installation;
use super::tenant::change;
use crate::support::Client;

#[tokio::test]
async fn a_filter_is_replaced_while_the_service_runs_and_never_by_a_bad_one() {
    let installation = Installation::new();
    let filter = installation.path("refused.filter").to_str().unwrap().to_owned();
    let list = installation.path("list.txt").to_str().unwrap().to_owned();
    let build = |passwords: &str, options: &[&str]| {
        fs::write(&list, passwords).unwrap();
        installation.run(&[&["blocklist", "build", &list, "--output", &filter], options].concat()).printed()
    };
    let printed = build("Refused-1\n", &[]);
    assert!(printed.starts_with("entries 1\ndigest SHA-1\ncase matters\nbuilt 2"), "{printed}");
    let setting = ["--policy-refused-passwords-file", &filter];
    let (serving, acme) = installation.acme(&setting).await;
    let user = Client::new(serving.address).with_token(&acme.ram_user("alice", "mypassword").await);
    let refuses = async |new: &str| {
        let reply = user.err("ChangePassword", change("mypassword", new), "PASSWORD_POLICY_VIOLATION").await;
        assert_eq!(reply.problems(), ["new_password: PASSWORD_BLOCKED"]);
    };
    refuses("Refused-1").await;

    // Another password, in any case.
    build("REFUSED-2\n", &["--fold-case"]);
    serving.signal("HUP");
    serving.logs("the new refused passwords are in force").await;
    refuses("refused-2").await;

    // Cut short, and put in its place as a copy would be.
    let bytes = fs::read(&filter).unwrap();
    let cut = installation.path("cut");
    fs::write(&cut, &bytes[..bytes.len() - 1]).unwrap();
    fs::rename(&cut, &filter).unwrap();
    serving.signal("HUP");
    serving.logs("is cut short").await;
    refuses("refused-2").await;
    assert_eq!(user.call("ChangePassword", change("mypassword", "Refused-1")).await.reason(), "OK");
    let log = serving.stop().await;
    assert!(!log.to_lowercase().contains("refused-"), "{log}");

    let outcome = installation.run(&["blocklist", "show", &filter]);
    assert_eq!(outcome.status, Some(1));
    assert!(outcome.stderr.contains("is cut short"), "{}", outcome.stderr);
    let outcome = installation.run(&[&["config", "check"], &setting[..]].concat());
    assert_eq!(outcome.status, Some(78));
    assert!(outcome.stderr.contains("is cut short"), "{}", outcome.stderr);
}
