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
        "migrate",
        "config",
        "store",
        "pepper",
        "blocklist",
        "policy",
        "login",
        "verify",
        "change",
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
    ];
    assert_eq!(names, expected);
    assert!(help_of(&[]) > 50);
}

#[test]
fn the_help_of_serve_names_every_setting_with_its_variable_and_its_default() {
    let help = credentiald(&["serve", "--help"], &[]).stdout;
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
}

#[test]
fn the_version_is_the_package_s() {
    assert_eq!(credentiald(&["--version"], &[]).stdout, format!("credentiald {}\n", env!("CARGO_PKG_VERSION")));
}
