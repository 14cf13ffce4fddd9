//! What must not be found, and everything in which it might be.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};
use tonic::Code;
use unicode_normalization::UnicodeNormalization;

use super::installation::{Outcome, files};
use crate::support::{Client, Reply};

/// How many characters of a password are as good as the password.
pub const PART_OF_A_PASSWORD: usize = 6;
/// Parts of a token are hexadecimal, as many other things are.
pub const PART_OF_A_TOKEN: usize = 16;
/// Keys are base64, as the wrapped hashes are.
pub const PART_OF_A_KEY: usize = 8;

/// What must not be found: parts, each with what it is a part of, by their first two bytes.
pub struct Secrets(Vec<Vec<(Vec<u8>, String)>>);

impl Secrets {
    pub fn new() -> Self {
        Self(vec![Vec::new(); 1 << 16])
    }

    /// Adds each part of so many bytes: as it is, in hexadecimal, and as a list of numbers.
    pub fn add(&mut self, secret: &str, part: usize) {
        for form in [secret.to_owned(), secret.nfc().collect(), format!("{secret:?}"), json!(secret).to_string()] {
            for part in form.trim_matches('"').as_bytes().windows(part) {
                let numbers: Vec<_> = part.iter().map(ToString::to_string).collect();
                let hex: Vec<_> = part.iter().map(|byte| format!("{byte:02x}")).collect();
                for shown in [part.to_owned(), hex.concat().into_bytes(), numbers.join(", ").into_bytes()] {
                    self.0[start_of(&shown)].push((shown, secret.to_owned()));
                }
            }
        }
        self.0.iter_mut().for_each(Vec::dedup);
    }

    pub fn found_in(&self, bytes: &[u8]) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        for at in 0..bytes.len().saturating_sub(1) {
            let begin_so = self.0[start_of(&bytes[at..])].iter();
            found.extend(begin_so.filter(|(part, _)| bytes[at..].starts_with(part)).map(|(_, secret)| secret.as_str()));
        }
        found
    }
}

/// The first two bytes as a number.
fn start_of(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
}

/// Everything that a run let out, with where.
#[derive(Default)]
pub struct Seen(RefCell<Vec<(String, Vec<u8>)>>);

impl Seen {
    pub fn add(&self, place: &str, bytes: impl Into<Vec<u8>>) {
        self.0.borrow_mut().push((place.to_owned(), bytes.into()));
    }

    /// All of it.
    pub fn all(self) -> Vec<(String, Vec<u8>)> {
        self.0.into_inner()
    }

    /// Calls, and keeps what an error shows.
    pub async fn call(&self, client: &Client, method: &str, request: Value) -> Reply {
        self.reply(method, client.call(method, request).await)
    }

    pub fn reply(&self, method: &str, reply: Reply) -> Reply {
        if reply.status.code() != Code::Ok {
            let shown = format!("{} {:?} {:?}", reply.status.message(), reply.status.metadata(), reply.initial);
            self.add(method, [reply.status.details(), &reply.body, shown.as_bytes()].concat());
        }
        reply
    }

    pub fn outcome(&self, command: &str, outcome: &Outcome) {
        self.add(command, format!("{}{}", outcome.stdout, outcome.stderr));
    }

    pub fn files(&self, directory: &Path) {
        for (path, content) in files(directory) {
            self.add(&path.display().to_string(), content);
        }
    }
}
