//! The examples of administration work one after the other, with the token of the operator that the README makes.

use std::fmt::Write;

use super::commands::{Ended, calls_in, run};
use super::documents;

/// What the README creates, the guides' instance and account, and what the examples read from files.
const PREPARED: &str = "\
umask 077
credentiald pepper new-key > pepper.keys
export CREDENTIALD_PEPPER_KEYS_FILE=pepper.keys
CREDENTIALD_TOKEN=$(credentiald bootstrap)
export CREDENTIALD_TOKEN
credentiald serve &
until credentiald healthcheck; do sleep 1; done
credentiald admin create-tenant --tenant acme
credentiald admin create-ram-user --tenant acme --user-name alice --generate-password
credentiald admin create-mail-domain --tenant acme --domain-name example.com --generate-password
credentiald admin create-instance --tenant acme --instance-id r-1
credentiald admin create-instance-account --tenant acme --instance-id r-1 --account-name app --generate-password
";

/// Documents whose examples another test runs, or that name what is not here: why.
const ELSEWHERE: [(&str, &str); 3] = [
    ("README.md", "the test of the README runs them"),
    ("docs/rotating-redis.md", "the test of the guide runs them"),
    ("docs/tls.md", "a service with a certificate"),
];

/// Commands that need what is not here: why.
const APART: [(&str, &str); 9] = [
    ("create-tenant", "the tenant is there before"),
    ("set-instance-endpoint", "servers of Redis"),
    ("describe-delivery", "an endpoint"),
    ("decode-authorization-message", "a message of a refusal"),
    ("--attempts-id ID", "the id that the list has"),
    ("audit tail", "it does not end"),
    ("--end-overlaps", "uses of the new passwords"),
    ("--vault", "a server of OpenBao"),
    ("audit verify", "an export with a signing key"),
];

fn is_run(call: &str) -> bool {
    let administers = ["admin ", "audit list", "rotate "].iter().any(|start| call.starts_with(start));
    administers && !APART.iter().any(|(part, _)| call.contains(part))
}

#[test]
fn every_example_of_administration_works_with_the_token_of_the_readme() {
    let documents: Vec<_> = documents().into_iter().filter(|document| document.name != "CHANGELOG.md").collect();
    let mut script = PREPARED.to_owned();
    let mut count = 0;
    for document in documents.iter().filter(|document| !ELSEWHERE.iter().any(|(name, _)| *name == document.name)) {
        for block in document.blocks().iter().filter(|block| ["sh", "console"].contains(&block.language.as_str())) {
            for call in calls_in(&block.text).iter().map(|call| call.join(" ")).filter(|call| is_run(call)) {
                writeln!(script, "credentiald {call} || echo 'FAILED: {}: {call}'", document.name).unwrap();
                count += 1;
            }
        }
    }
    script += "kill $!\nwait\n";
    let folder = tempfile::tempdir().unwrap();
    let Ended { is_success, stdout, complaints } = run(&script, folder.path());
    assert!(is_success && !stdout.contains("FAILED"), "{stdout}{complaints}");
    assert!(count > 15, "{count}");
}
