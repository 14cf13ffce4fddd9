//! The hook that verifies passwords, from the settings.

use std::sync::Arc;
use std::time::Duration;

use super::{BadSettings, OperatorFile};
use crate::config;
use crate::hook::{MAX_ANSWER_BYTES, WebHook};
use crate::outgoing::{Address, Outgoing, OutgoingLimits};
use crate::ports::Clock;

const URL: &str = "hook.url";
const CA_FILE: &str = "hook.ca_file";
const TOKEN_FILE: &str = "hook.token_file";

/// The hook that the settings name, or `None` if they name none.
///
/// # Errors
/// The URL, or a file that they name, can't be used.
pub fn web_hook(settings: &config::Hook, clock: &Arc<dyn Clock>) -> Result<Option<WebHook>, BadSettings> {
    if settings.url.is_empty() {
        return Ok(None);
    }
    let address = Address::parse(&settings.url).map_err(|problem| BadSettings::one(URL, problem))?;
    if settings.ca_file.is_some() && !address.is_encrypted() {
        return Err(BadSettings::one(CA_FILE, "is only for a URL that begins with https://"));
    }
    let cas = settings.ca_file.as_deref().map(OperatorFile::read).transpose();
    let cas = cas.map_err(|error| BadSettings::one(CA_FILE, error))?;
    if let Some(file) = &settings.token_file {
        OperatorFile::read_secret(file).map_err(|error| BadSettings::one(TOKEN_FILE, error))?;
    }
    let within = Duration::from_millis(settings.timeout_milliseconds);
    let limits = OutgoingLimits { within, max_bytes: MAX_ANSWER_BYTES };
    let cas = cas.as_ref().map(|file| file.text.as_str());
    let outgoing = Outgoing::new(address, cas, |path| Ok(OperatorFile::read_secret(path)?), limits);
    let outgoing = outgoing.map_err(|problem| BadSettings::one(if cas.is_some() { CA_FILE } else { URL }, problem))?;
    let (token_file, concurrency) = (settings.token_file.clone(), settings.concurrency);
    Ok(Some(WebHook::new(outgoing, token_file, within, concurrency, Arc::clone(clock))))
}
