//! The key that signs the audit log, from the settings.

use super::{BadSettings, OperatorFile};
use crate::config::Audit;
use crate::signing::SigningKey;

const KEY_FILE: &str = "audit.signing_key_file";

/// The key that the settings name, if they name one.
///
/// # Errors
/// It can't be read, is exposed, or is no Ed25519 key.
pub fn audit_key(audit: &Audit) -> Result<Option<SigningKey>, BadSettings> {
    let Some(path) = &audit.signing_key_file else { return Ok(None) };
    let text = OperatorFile::read_secret(path).map_err(|error| BadSettings::one(KEY_FILE, error))?;
    SigningKey::from_pem(&text).map(Some).map_err(|error| BadSettings::one(KEY_FILE, error))
}
