//! The command line, from outside: the built binary with nothing in its environment but what a test puts there.

mod configuration;
mod hash_cost;
mod help;
mod status;

use std::process::Command;

use crate::support::installation::write_secretly;

/// How a run of the binary ended.
struct Outcome {
    status: i32,
    stdout: String,
    stderr: String,
}

impl Outcome {
    /// The line of standard output that begins like that.
    fn line(&self, start: &str) -> &str {
        let line = self.stdout.lines().find(|line| line.starts_with(start));
        line.unwrap_or_else(|| panic!("no line begins with {start:?} in:\n{}{}", self.stdout, self.stderr))
    }
}

/// Runs the binary in an empty folder.
fn credentiald(arguments: &[&str], environment: &[(&str, &str)]) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_credentiald"));
    command.args(arguments).env_clear().envs(environment.iter().copied()).current_dir(folder.path());
    let output = command.output().unwrap();
    Outcome {
        status: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A configuration file that goes away with the test.
fn file(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("credentiald.toml");
    write_secretly(&path, text);
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}
