//! Where settings come from, and what is said about mistakes.

use std::os::unix::fs::PermissionsExt;

use super::{credentiald, file};

#[test]
fn flags_win_over_the_environment_which_wins_over_the_file() {
    let (_folder, path) = file("[attempts]\nallowance = 7\nbackoff_seconds = 7\nsubject_allowance = 7\n");
    let environment = [("CREDENTIALD_ATTEMPTS_ALLOWANCE", "8"), ("CREDENTIALD_ATTEMPTS_BACKOFF_SECONDS", "8")];
    let shown = credentiald(&["config", "show", "--config", &path, "--attempts-allowance", "9"], &environment);
    assert_eq!(shown.line("allowance"), "allowance = 9 # --attempts-allowance");
    assert_eq!(shown.line("backoff_seconds"), "backoff_seconds = 8 # CREDENTIALD_ATTEMPTS_BACKOFF_SECONDS");
    assert_eq!(shown.line("subject_allowance"), format!("subject_allowance = 7 # {path}"));
    assert_eq!(shown.line("iterations"), "iterations = 1 # default");
}

#[test]
fn the_kernel_that_hashes_here_is_shown_with_the_reason() {
    let chosen = credentiald(&["config", "show"], &[]);
    assert!(chosen.line("# the hash kernel here: ").contains(": "), "{}", chosen.stdout);
    let asked_for = credentiald(&["config", "show", "--hashing-kernel", "portable"], &[]);
    let line = asked_for.line("# the hash kernel here: portable");
    assert!(line.ends_with("the setting hashing.kernel asks for it"), "{line}");
}

#[test]
fn a_ceiling_below_the_cost_is_a_mistake_of_the_ceiling() {
    let low = credentiald(&["config", "check", "--hashing-ceiling-kib", "47103"], &[]);
    assert_eq!(low.status, 78);
    assert!(low.stderr.contains("--hashing-ceiling-kib: ") && low.stderr.contains("47104 KiB"), "{}", low.stderr);
    let weak = credentiald(&["config", "check", "--hashing-memory-kib", "7000"], &[]);
    assert!(weak.stderr.contains("--hashing-memory-kib: "), "{}", weak.stderr);
    assert_eq!(credentiald(&["config", "check", "--hashing-ceiling-kib", "65536"], &[]).status, 0);
}

#[test]
fn a_variable_can_name_the_file() {
    let (_folder, path) = file("[log]\nlevel = \"debug\"\n");
    let shown = credentiald(&["config", "show"], &[("CREDENTIALD_CONFIG", &path)]);
    assert_eq!(shown.line("level"), format!("level = \"debug\" # {path}"));
}

#[test]
fn what_is_shown_is_a_file_that_says_the_same() {
    let first = credentiald(&["config", "show"], &[("CREDENTIALD_POLICY_REFUSED_PASSWORDS_FILE", "a \"b\" \\c.txt")]);
    let (_folder, path) = file(&first.stdout);
    let second = credentiald(&["config", "show", "--config", &path], &[]);
    let values = |text: &str| text.lines().map(|line| line.split(" # ").next().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(values(&first.stdout), values(&second.stdout));
}

#[test]
fn every_mistake_is_reported_at_once_with_its_source() {
    let (_folder, path) = file("[server]\nlisten = \"here\"\nport = 1\n\n[log]\nformat = \"xml\"\n");
    let environment = [("CREDENTIALD_HASHING_WORKERS", "two"), ("CREDENTIALD_LOG_LEVLE", "info")];
    for command in [&["config", "check"][..], &["config", "show"], &["serve"], &["migrate"], &["store", "check"]] {
        let arguments = [command, &["--config", &path, "--attempts-allowance", "101"]].concat();
        let outcome = credentiald(&arguments, &environment);
        assert_eq!(outcome.status, 78, "{command:?}");
        assert_eq!(outcome.stdout, "", "{command:?}");
        let sources = [
            format!("{path}:2: server.listen: is `here`; must be an IP address and a port"),
            format!("{path}:3: server.port: is not a setting\n"),
            format!("{path}:6: log.format: is `xml`; use `text` or `json`\n"),
            "CREDENTIALD_HASHING_WORKERS: is `two`; must be a whole number".to_owned(),
            "CREDENTIALD_LOG_LEVLE: is not a setting; did you mean `CREDENTIALD_LOG_LEVEL`?\n".to_owned(),
            "--attempts-allowance: is `101`; must be a whole number between 1 and 100".to_owned(),
        ];
        for source in &sources {
            assert!(outcome.stderr.contains(source), "{source} in {}", outcome.stderr);
        }
        assert!(outcome.stderr.starts_with("error: 6 mistakes in the configuration\n"), "{}", outcome.stderr);
    }
}

#[test]
fn a_file_that_is_absent_or_no_toml_is_a_mistake() {
    let absent = credentiald(&["config", "check", "--config", "absent.toml"], &[]);
    assert_eq!(absent.status, 78);
    assert!(absent.stderr.contains("absent.toml"), "{}", absent.stderr);
    let (_folder, path) = file("[server]\n\nlisten = 127.0.0.1\n");
    let broken = credentiald(&["config", "check", "--config", &path], &[]);
    assert_eq!(broken.status, 78);
    assert!(broken.stderr.contains(&format!("{path}:3: ")), "{}", broken.stderr);
}

#[test]
fn a_check_goes_on_behind_a_mistake() {
    // A broken line, a misspelt section, a key outside of sections, a wrong type, a bad file, and a store that is none.
    let text = "listen = 1\n[log]\nformat = yaml\nlevel = 3\n[servre]\nreflection = true\n\
                [policy]\nrefused_passwords_file = \"absent.txt\"\n[store]\nurl = \"postgres://u:hunter2@h/d?sslmode=no\"\n";
    let (_folder, path) = file(text);
    let outcome = credentiald(&["config", "check", "--config", &path], &[]);
    assert_eq!(outcome.status, 78);
    for mistake in [
        format!("{path}:1: listen: is not in a section: `listen` belongs to one, as in [server]\n"),
        format!("{path}:3: "),
        format!("{path}:4: log.level: is of type integer; use text in quotes\n"),
        format!("{path}:6: servre.reflection: is not a setting; did you mean `server.reflection`?\n"),
        format!("{path}:8: policy.refused_passwords_file: absent.txt can't be read"),
        format!("{path}:10: store.url: "),
    ] {
        assert!(outcome.stderr.contains(&mistake), "{mistake} in {}", outcome.stderr);
    }
    assert!(outcome.stderr.starts_with("error: 6 mistakes"), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
}

#[test]
fn a_byte_order_mark_before_the_configuration_is_no_part_of_it() {
    let (_folder, path) = file("\u{feff}[log]\r\nlevel = \"debug\"\r\n");
    let shown = credentiald(&["config", "show", "--config", &path], &[]);
    assert_eq!(shown.line("level"), format!("level = \"debug\" # {path}"));
}

#[test]
fn a_configuration_that_everybody_can_read_holds_no_secret() {
    let (_folder, path) = file("[pepper]\nkeys = \"hunter2\"\n\n[store]\nurl = \"postgres://u:hunter2@h/d\"\n");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let refused = credentiald(&["config", "check", "--config", &path], &[]);
    assert_eq!(refused.status, 78);
    for key in ["pepper.keys", "store.url"] {
        let mistake = format!(": {key}: is a secret, and {path} is accessible to all users: run chmod o= {path}");
        assert!(refused.stderr.contains(&mistake), "{}", refused.stderr);
    }
    assert!(!refused.stderr.contains("hunter2"), "{}", refused.stderr);
}

#[test]
fn a_password_in_a_url_that_is_logged_is_refused_and_not_shown() {
    let url = "http://u:hunter2@127.0.0.1:1";
    let variables = [("CREDENTIALD_TRACES_ENDPOINT", url), ("CREDENTIALD_HOOK_URL", url)];
    for command in [&["config", "check"][..], &["config", "show"], &["serve"]] {
        let refused = credentiald(command, &variables);
        assert_eq!(refused.status, 78, "{command:?}");
        for (name, _) in variables {
            let mistake = format!("{name}: must not hold a user or a password");
            assert!(refused.stderr.contains(&mistake), "{command:?}: {}", refused.stderr);
        }
        assert!(!format!("{}{}", refused.stdout, refused.stderr).contains("hunter2"), "{command:?}");
    }
}

#[test]
fn a_file_with_the_url_of_the_store_is_not_open_to_everybody_where_it_holds_a_password() {
    let check = |url: &str, mode| {
        let (_folder, path) = file(url);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        credentiald(&["config", "check", "--store-url-file", &path], &[])
    };
    let refused = check("postgres://u:hunter2@h/d\n", 0o644);
    assert_eq!(refused.status, 78);
    assert!(
        refused.stderr.contains("is accessible to all users") && !refused.stderr.contains("hunter2"),
        "{}",
        refused.stderr
    );
    for (url, mode) in
        [("postgres://u:hunter2@h/d\n", 0o640), ("postgres://u@h/d", 0o644), ("\u{feff}sqlite:a.db\r\n", 0o644)]
    {
        let checked = check(url, mode);
        assert_eq!(checked.status, 0, "{}", checked.stderr);
    }
}

#[test]
fn a_check_reads_the_files_that_the_service_reads() {
    let list = credentiald(&["config", "check", "--policy-refused-passwords-file", "absent.txt"], &[]);
    assert_eq!(list.status, 78);
    let mistake = "--policy-refused-passwords-file: absent.txt can't be read: No such file or directory";
    assert!(list.stderr.contains(mistake), "{}", list.stderr);
    let url = "postgres://u@h/d?sslmode=verify-full&sslrootcert=absent.pem";
    let certificate = credentiald(&["config", "check", "--store-url", url], &[]);
    assert_eq!(certificate.status, 78);
    let mistake = "--store-url: names a file: absent.pem can't be read: No such file or directory";
    assert!(certificate.stderr.contains(mistake), "{}", certificate.stderr);
}

#[test]
fn plaintext_leaves_the_machine_only_by_name() {
    for address in ["0.0.0.0:50051", "[::]:50051", "192.0.2.1:50051"] {
        let refused = credentiald(&["config", "check", "--server-listen", address], &[]);
        assert_eq!(refused.status, 78, "{address}");
        assert!(refused.stderr.contains("server.allow_plaintext"), "{}", refused.stderr);
        let arguments = ["config", "check", "--server-listen", address, "--server-allow-plaintext"];
        assert_eq!(credentiald(&arguments, &[]).status, 0, "{address}");
    }
    assert_eq!(credentiald(&["config", "check", "--server-listen", "[::1]:50051"], &[]).status, 0);
}

#[test]
fn no_token_is_shown() {
    let environment = [("CREDENTIALD_TOKEN", "hunter2-token"), ("CREDENTIALD_ADDRESS", "http://127.0.0.1:1")];
    let runs = [
        credentiald(&["config", "show"], &environment),
        credentiald(&["config", "check", "--log-level", "loud"], &environment),
        credentiald(&["admin", "--help"], &environment),
        credentiald(&["admin", "list-tenants"], &environment),
    ];
    for outcome in runs {
        assert!(!outcome.stdout.contains("hunter2") && !outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
    }
}

#[test]
fn a_command_that_never_listens_needs_no_permission_for_plaintext() {
    let anywhere = [("CREDENTIALD_SERVER_LISTEN", "0.0.0.0:50051")];
    assert_eq!(credentiald(&["serve"], &anywhere).status, 78);
    let first = credentiald(&["bootstrap"], &anywhere);
    assert_eq!(first.status, 0, "{}", first.stderr);
    assert!(first.stdout.starts_with("cdt_"));
}
