//! The command lines of the documents are understood, and the README's way to run the service works as written.

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::{assert_none, document, documents, root};

const BINARY: &str = env!("CARGO_BIN_EXE_credentiald");
/// Far more than it takes.
const LONGEST: Duration = Duration::from_mins(3);

/// The arguments of every call of the program in a text for a shell.
pub(super) fn calls_in(script: &str) -> Vec<Vec<String>> {
    let script = script.replace("\\\n", " ");
    let lines = script.lines().map(|line| line.split(" #").next().unwrap().trim_start_matches("$ "));
    let commands = lines.flat_map(|line| line.split([';', '|', '&', '(', ')', '>', '<']));
    commands.filter_map(|command| arguments(&command.split_whitespace().collect::<Vec<_>>())).collect()
}

/// The program's arguments, where the command runs it.
fn arguments(command: &[&str]) -> Option<Vec<String>> {
    let is_before = |word: &&&str| ["until", "do", "export"].contains(*word) || word.contains('=');
    let start = command.iter().take_while(is_before).count();
    let skip = match command.get(start..)? {
        ["credentiald", ..] => start + 1,
        ["cargo", "run", ..] => command.iter().position(|word| *word == "--")? + 1,
        ["docker", "run", ..] => command.iter().position(|word| *word == "credentiald")? + 1,
        _ => return None,
    };
    // A quoted word has no blanks in these documents.
    Some(command[skip..].iter().map(|word| word.trim_matches('\'').to_owned()).collect())
}

#[test]
fn every_command_line_is_understood() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for document in documents() {
        let blocks = document.blocks().into_iter().filter(|block| ["sh", "console"].contains(&block.language.as_str()));
        let scripts = blocks.map(|block| block.text).chain(document.spans());
        for arguments in scripts.flat_map(|script| calls_in(&script)) {
            count += 1;
            let output = Command::new(BINARY).args(&arguments).arg("--help").env_clear().output().unwrap();
            if !output.status.success() {
                let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
                wrong.push(format!("{}: credentiald {}\n{complaint}", document.name, arguments.join(" ")));
            }
        }
    }
    assert_none(&wrong);
    assert!(count > 20, "{count}");
}

#[test]
fn calls_are_found_where_a_shell_would_find_them() {
    let script = "$ A=b credentiald serve --log-level debug & # later\nB=$(credentiald bootstrap)\n\
                  until credentiald healthcheck; do sleep 1; done\ndocker run -v credentiald:/x credentiald admin\n\
                  docker build -t credentiald .\ncargo run --release -- quickstart\necho credentiald\n";
    let found: Vec<String> = calls_in(script).iter().map(|call| call.join(" ")).collect();
    assert_eq!(found, ["serve --log-level debug", "bootstrap", "healthcheck", "admin", "quickstart"]);
}

#[test]
fn the_readme_s_way_to_run_the_service_works_as_written() {
    let script = document("README.md").block_below("## Run it for real").text;
    let folder = tempfile::tempdir().unwrap();
    let Ended { is_success, stdout, complaints } = run(&script, folder.path());
    assert!(is_success, "{stdout}{complaints}");
    for expected in ["the configuration is valid", "serving", "generated password", "the store is undamaged"] {
        assert!(stdout.contains(expected), "no {expected:?} in:\n{stdout}{complaints}");
    }
    assert_eq!(stdout.matches("cdt_").count(), script.matches("issue-access-token").count(), "{stdout}");
    assert!(complaints.contains("stopped"), "{complaints}");
    assert!(folder.path().join("data/credentiald.db").exists());
}

#[test]
fn the_examples_of_importing_and_of_backups_work_as_written() {
    let example = |name, heading| document(name).block_below(heading).text;
    let script = [
        "CREDENTIALD_TOKEN=$(credentiald bootstrap)\nexport CREDENTIALD_TOKEN\ncredentiald serve &",
        "until credentiald healthcheck; do sleep 1; done",
        "credentiald admin create-tenant --tenant acme",
        "credentiald admin create-instance --tenant acme --instance-id r-1",
        &example("docs/import-files.md", "# Importing and exporting"),
        &example("docs/backups.md", "## Backing up"),
        "kill $!\nwait",
        &example("docs/backups.md", "## Restoring"),
    ];
    let folder = tempfile::tempdir().unwrap();
    let Ended { is_success, stdout, complaints } = run(&script.join("\n"), folder.path());
    assert!(is_success, "{stdout}{complaints}");
    for expected in ["dry run: would import 2, unchanged 0", "\nimported 2, unchanged 0", "rows, all read back"] {
        assert!(stdout.contains(expected), "no {expected:?} in:\n{stdout}{complaints}");
    }
    assert_eq!(fs::read_to_string(folder.path().join("directory.csv")).unwrap().lines().count(), 7);
}

/// How a script ended, and what it printed.
pub(super) struct Ended {
    pub(super) is_success: bool,
    pub(super) stdout: String,
    pub(super) complaints: String,
}

/// Runs a script in a folder, with the program on the path and an address of its own. Nothing of it is left running.
pub(super) fn run(script: &str, folder: &Path) -> Ended {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let path = std::env::var("PATH").unwrap();
    // Files: a pipe would stay open as long as the service that a failed script leaves behind.
    let printed = tempfile::tempdir().unwrap();
    let [stdout, complaints] = ["stdout", "complaints"].map(|name| printed.path().join(name));
    let mut shell = Command::new("sh")
        .args(["-e", "-u", "-c", script])
        .env_clear()
        .env("PATH", format!("{}:{path}", Path::new(BINARY).parent().unwrap().display()))
        .env("CREDENTIALD_SERVER_LISTEN", &address)
        .env("CREDENTIALD_ADDRESS", &address)
        .env("CREDENTIALD_HASHING_WORKERS", "1")
        .current_dir(folder)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(File::create(&stdout).unwrap())
        .stderr(File::create(&complaints).unwrap())
        .spawn()
        .unwrap();
    let group = format!("-{}", shell.id());
    let (ended, end) = mpsc::channel();
    let waiting = thread::spawn(move || {
        // Once the time is up, the other end is gone.
        let _ = ended.send(shell.wait().unwrap().success());
    });
    let is_success = end.recv_timeout(LONGEST).unwrap_or(false);
    // Where all of it has ended by itself, there is no such group any more.
    let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
    waiting.join().unwrap();
    let [stdout, complaints] = [stdout, complaints].map(|path| fs::read_to_string(path).unwrap());
    Ended { is_success, stdout, complaints }
}

#[test]
fn the_test_command_is_a_program() {
    let block = document("README.md").block_below("Run all tests:");
    assert_eq!((block.language.as_str(), block.text.lines().count()), ("sh", 1));
    let program = root().join(block.text.trim());
    let mode = fs::metadata(&program).unwrap_or_else(|error| panic!("{}: {error}", program.display())).permissions();
    assert!(mode.mode() & 0o111 != 0, "{}", program.display());
}
