//! Functions for the fuzz targets in `fuzz/`. No shipped build has them.

use std::path::Path;

use serde_json::Value;

use super::algorithm::Algorithm;
use super::compact::CompactJwt;
use super::issuers_file;
use super::json;
use super::key_set::KeySet;

/// Parses a token. Returns whether it is accepted, and what it is without its signature.
pub fn parse_jwt(text: &str) -> Option<&str> {
    CompactJwt::parse(text).ok().map(|jwt| jwt.signed)
}

/// Parses an object as those of tokens are, and again as any JSON. The second is `None` if the bytes are no JSON.
pub fn parse_object(bytes: &[u8]) -> (Option<Value>, Option<Value>) {
    (json::object(bytes).map(Value::from), serde_json::from_slice(bytes).ok())
}

/// Parses a set of keys. Returns how many are not used.
pub fn parse_key_set(bytes: &[u8]) -> Option<usize> {
    let all: Vec<_> = Algorithm::all().iter().collect();
    KeySet::parse(bytes, &all).map(|(_, skipped)| skipped.len())
}

/// Reads a file of issuers. Returns how many there are, or every mistake.
pub fn read_issuers(text: &str) -> Result<usize, Vec<String>> {
    issuers_file::read(text, Path::new("")).map(|issuers| issuers.len())
}
