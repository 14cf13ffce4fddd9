//! How commands find the service that they call.

use std::os::unix::fs::PermissionsExt;

use super::installation::{Installation, outcome, with_input, write_secretly};

#[tokio::test]
async fn a_profile_holds_what_a_call_needs() {
    let installation = Installation::new();
    let token = installation.bootstrap();
    let serving = installation.serve(&[]).await;
    let address = serving.address.to_string();
    let home = installation.path("home");
    let run = |arguments: &[&str], input: &str| {
        let mut command = installation.command(arguments);
        command.env("HOME", &home);
        with_input(command, input)
    };
    // A token that the service does not know makes no profile.
    let refused = run(&["login", "--address", &address, "--token-stdin"], "cdt_wrong\n");
    assert_eq!(refused.status, Some(1), "{}", refused.stderr);
    assert_eq!(run(&["login", "--list"], "").printed(), "none\n");

    run(&["login", "one", "--address", &address, "--tenant", "acme", "--token-stdin"], &format!("{token}\n")).printed();
    for file in ["profiles.toml", "one.token"] {
        let mode = std::fs::metadata(home.join(".config/credentiald").join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    run(&["admin", "create-tenant", "--tenant", "acme"], "").printed();
    // The profile's tenant is that of commands that name none, and never the one that is deleted.
    run(&["admin", "create-ram-user", "--user-name", "alice", "--password-stdin"], "mypassword\n").printed();
    let listed = run(&["admin", "list-ram-users", "--tenant", "acme", "--json"], "").printed();
    assert!(listed.contains("alice"), "{listed}");
    assert_eq!(run(&["admin", "delete-tenant"], "").status, Some(2));
    run(&["admin", "issue-access-token", "--caller-kind", "operator", "--caller-name", "jane"], "").printed();

    // A token that is refused leaves the one that is there, and a token of the environment is for another service.
    let refused = run(&["login", "one", "--address", &address, "--token-stdin"], "cdt_wrong\n");
    assert_eq!(refused.status, Some(1), "{}", refused.stderr);
    let mut listing = installation.command(&["admin", "list-tenants", "--output", "name"]);
    listing.env("HOME", &home).env("CREDENTIALD_TOKEN", "cdt_of_another_service");
    assert_eq!(outcome(listing).printed(), "acme\n");
    let files = std::fs::read_dir(home.join(".config/credentiald")).unwrap();
    assert_eq!(files.count(), 2, "no token that was tried is left");
    // What is shown once is not thrown away.
    let issue = ["admin", "issue-access-token", "--caller-kind", "operator", "--caller-name", "joe"];
    let only_name = run(&[&issue[..], &["--output", "name"]].concat(), "");
    assert_eq!(only_name.status, Some(2));
    assert!(only_name.stderr.contains("`token`"), "{}", only_name.stderr);

    // Another profile; the last one that was named is used, unless an address or a profile is given.
    run(&["login", "two", "--address", "127.0.0.1:1", "--token-stdin"], "cdt_two\n");
    assert_eq!(run(&["admin", "list-tenants", "--profile", "two"], "").status, Some(2), "it was not reached");
    let elsewhere = run(&["admin", "list-tenants", "--address", &address], "");
    assert!(elsewhere.stderr.contains("there is no access token"), "its token is for its address alone");
    assert_eq!(run(&["login", "three"], "").status, Some(2));
    assert!(run(&["login", "--list"], "").printed().contains("one"));
    serving.stop().await;
}

#[tokio::test]
async fn logging_out_removes_the_profile_and_only_the_token_that_login_wrote() {
    let installation = Installation::new();
    let token = installation.bootstrap();
    let serving = installation.serve(&[]).await;
    let address = serving.address.to_string();
    let home = installation.path("home");
    let run = |arguments: &[&str], input: &str| {
        let mut command = installation.command(arguments);
        command.env("HOME", &home);
        with_input(command, input)
    };
    let own = installation.path("own.token");
    write_secretly(&own, &token);
    let own = own.to_str().unwrap();
    run(&["login", "typed", "--address", &address, "--token-stdin"], &token).printed();
    run(&["login", "own", "--address", &address, "--token-file", own], "").printed();
    assert_eq!(run(&["logout", "absent"], "").status, Some(2));

    // The profile in use: no other takes its place unasked.
    let printed = run(&["logout"], "").printed();
    assert_eq!(
        printed,
        format!(
            "`own` is removed; its token stays in {own}\nno profile is in use now: credentiald login NAME chooses one\n"
        )
    );
    assert_eq!(std::fs::read_to_string(own).unwrap(), token);
    assert_eq!(run(&["logout"], "").status, Some(2), "none is in use");
    assert!(run(&["login", "--list"], "").printed().contains("typed"));
    let elsewhere = run(&["admin", "list-tenants", "--address", &address], "");
    assert!(elsewhere.stderr.contains("there is no access token"), "{}", elsewhere.stderr);

    let folder = home.join(".config/credentiald");
    assert!(folder.join("typed.token").exists());
    assert_eq!(run(&["logout", "typed"], "").printed(), "`typed` is removed\n");
    assert!(!folder.join("typed.token").exists());
    assert_eq!(run(&["login", "--list"], "").printed(), "none\n");
    serving.stop().await;
}

#[tokio::test]
async fn an_administrator_on_the_machine_follows_the_configuration() {
    let installation = Installation::new();
    let token = installation.bootstrap();
    let serving = installation.serve(&[]).await;
    let configuration = installation.path("credentiald.toml");
    std::fs::write(&configuration, format!("[server]\nlisten = \"{}\"\n", serving.address)).unwrap();
    let list = |arguments: &[&str], name: &str, value: &str| {
        let mut command = installation.command(&[&["admin", "list-tenants"], arguments].concat());
        command.env("CREDENTIALD_TOKEN", &token).env(name, value);
        outcome(command)
    };
    let file = configuration.to_str().unwrap();
    list(&["--config", file], "UNRELATED", "").printed();
    list(&[], "CREDENTIALD_CONFIG", file).printed();
    list(&[], "CREDENTIALD_SERVER_LISTEN", &serving.address.to_string()).printed();
    assert_eq!(list(&["--config", "absent.toml"], "UNRELATED", "").status, Some(78));
    serving.stop().await;
}
