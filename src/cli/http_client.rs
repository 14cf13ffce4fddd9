//! Calls a server of a URL over HTTP, as commands do.

use std::path::Path;

use super::failure::Failure;
use crate::outgoing::{Address, Outgoing, OutgoingLimits};
use crate::server::OperatorFile;

/// A client of the server at a URL, whose certificate is checked with these CAs, or with the public ones. `name` says in a message
/// where the URL is from.
pub(super) fn http_client(
    name: &str,
    url: &str,
    ca_file: Option<&Path>,
    limits: OutgoingLimits,
) -> Result<Outgoing, Failure> {
    let usage = |problem| Failure::usage(format!("{name}{url}: {problem}"));
    let address = Address::parse(url).map_err(usage)?;
    let cas = ca_file.map(OperatorFile::read).transpose().map_err(Failure::failed)?;
    let cas = cas.as_ref().map(|file| file.text.as_str());
    Outgoing::new(address, cas, |path| Ok(OperatorFile::read_secret(path)?), limits).map_err(usage)
}
