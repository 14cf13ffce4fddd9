//! What the binary says about itself.

use credentiald::config::Kind;

use super::credentiald;

/// The commands that a help text lists.
fn commands_in(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    lines.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").map(str::to_owned).collect()
}

/// Asks for the help of a command and of all below it, and answers how many there are.
fn help_of(command: &[&str]) -> usize {
    let outcome = credentiald(&[command, &["--help"]].concat(), &[]);
    assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""), "{command:?}");
    assert!(outcome.stdout.contains("Usage: credentiald"), "{command:?}");
    // The package, the units and the chart have it in a folder.
    assert!(!outcome.stdout.contains("/etc/credentiald.toml"), "{command:?}");
    let below = commands_in(&outcome.stdout);
    1 + below.iter().map(|name| help_of(&[command, &[name]].concat())).sum::<usize>()
}

#[test]
fn every_command_has_help() {
    let names = commands_in(&credentiald(&["--help"], &[]).stdout);
    let expected = [
        "quickstart",
        "serve",
        "bootstrap",
        "healthcheck",
        "top",
        "migrate",
        "config",
        "store",
        "pepper",
        "blocklist",
        "policy",
        "login",
        "logout",
        "settings",
        "verify",
        "change",
        "check",
        "generate",
        "watch",
        "rotate",
        "notify",
        "hash-cost",
        "admin",
        "audit",
        "import",
        "export",
        "backup",
        "restore",
        "descriptors",
        "completions",
        "man",
    ];
    assert_eq!(names, expected);
    assert!(help_of(&[]) > 50);
}

#[test]
fn one_help_names_every_setting_with_its_variable_and_its_default() {
    let help = credentiald(&["help", "settings"], &[]).stdout;
    assert_eq!(credentiald(&["settings"], &[]).stdout.trim_end(), help.trim_end());
    let of_serve = credentiald(&["serve", "--help"], &[]).stdout;
    assert!(!of_serve.contains("--server-listen") && of_serve.contains("credentiald settings"), "{of_serve}");
    for setting in credentiald::config::SETTINGS {
        let has_flag =
            help.contains(&format!("--{} ", setting.flag())) || help.contains(&format!("--{}[", setting.flag()));
        assert_eq!(has_flag, setting.kind != Kind::Secret, "{}", setting.key);
        assert!(help.contains(&format!("[env: {}]", setting.variable())), "{}", setting.key);
        assert!(help.contains(setting.default), "{}", setting.key);
    }
}

#[test]
fn there_are_completions_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let outcome = credentiald(&["completions", shell], &[]);
        assert_eq!(outcome.status, 0, "{shell}");
        assert!(outcome.stdout.contains("issue-access-token"), "{shell}");
    }
    // What a shell proposes after a flag.
    let bash = credentiald(&["completions", "bash"], &[]).stdout;
    let proposed = |flag: &str| bash.split_once(&format!("--{flag})\n")).unwrap().1.lines().next().unwrap();
    for (flag, words) in [
        ("log-format", &["text", "json"][..]),
        ("hashing-kernel", &["auto", "portable"]),
        ("server-reflection", &["true", "false"]),
        ("outcome", &["denied", "wrong-password"]),
    ] {
        assert!(words.iter().all(|word| proposed(flag).contains(word)), "{flag}: {}", proposed(flag));
    }
}

#[test]
fn there_is_a_manual_page_for_every_command() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(credentiald(&["man", folder.path().to_str().unwrap()], &[]).status, 0);
    let page = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert!(page("credentiald.1").contains(".TH credentiald 1"));
    assert!(page("credentiald-settings.1").contains("CREDENTIALD_SERVER_LISTEN"));
    assert!(page("credentiald-admin-create-ram-user.1").contains("user\\-name"));
}

#[test]
fn the_version_is_the_package_s() {
    assert_eq!(credentiald(&["--version"], &[]).stdout, format!("credentiald {}\n", env!("CARGO_PKG_VERSION")));
}
