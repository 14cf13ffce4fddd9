//! What a token says (RFC 7519, section 4).

use std::time::Duration;

use serde_json::{Map, Value};

use crate::domain::time::Timestamp;
use crate::ports::JwtRefusal;

/// How far the clocks of an issuer and of the service may be apart.
const LEEWAY: Duration = Duration::from_secs(10);

/// The claims of a token, and the members of its header that matter. `jwk`, `jku`, `x5c` and `x5u` would let a token bring
/// its own key: they are not read.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) algorithm: String,
    pub(super) key_id: String,
    /// In lower case, without the prefix that may be left out (RFC 7515, section 4.1.9).
    pub(super) token_type: Option<String>,
    claims: Map<String, Value>,
}

impl Contents {
    pub(super) fn new(header: &Map<String, Value>, claims: Map<String, Value>) -> Result<Self, JwtRefusal> {
        // Every extension that has to be understood is one that is not.
        if header.contains_key("crit") {
            return Err(JwtRefusal::CriticalExtension);
        }
        let text = |name| match header.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(JwtRefusal::Malformed),
        };
        let token_type = text("typ")?.map(|found| found.to_ascii_lowercase());
        Ok(Self {
            algorithm: text("alg")?.ok_or(JwtRefusal::Malformed)?,
            key_id: text("kid")?.ok_or(JwtRefusal::NoKeyId)?,
            token_type: token_type.map(|found| found.strip_prefix("application/").unwrap_or(&found).to_owned()),
            claims,
        })
    }

    /// A claim that is text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.claims.get(name).and_then(Value::as_str)
    }

    pub(super) fn is_for(&self, audience: &str) -> bool {
        match self.claims.get("aud") {
            Some(Value::String(found)) => found == audience,
            Some(Value::Array(found)) => found.iter().any(|found| found == audience),
            _ => false,
        }
    }

    /// When the token expires, if it is valid at that time.
    pub(super) fn lifetime(&self, at: Timestamp) -> Result<Timestamp, JwtRefusal> {
        let expires_at = self.time("exp")?.ok_or(JwtRefusal::NoExpiry)?.after(LEEWAY);
        if at >= expires_at {
            return Err(JwtRefusal::Expired);
        }
        if self.time("nbf")?.is_some_and(|not_before| at < not_before.before(LEEWAY)) {
            return Err(JwtRefusal::NotYetValid);
        }
        Ok(expires_at)
    }

    /// The thumbprint of the certificate that the token is bound to (RFC 8705, section 3.1), or `None` if it is not bound.
    pub(super) fn confirmation(&self) -> Result<Option<&str>, JwtRefusal> {
        match self.claims.get("cnf") {
            None => Ok(None),
            // A binding that can't be checked must not be taken for none.
            Some(Value::Object(cnf)) if cnf.len() == 1 => {
                cnf.get("x5t#S256").and_then(Value::as_str).map(Some).ok_or(JwtRefusal::Certificate)
            }
            Some(_) => Err(JwtRefusal::Certificate),
        }
    }

    /// A point in time: seconds since 1970-01-01 UTC, and parts of one.
    fn time(&self, name: &str) -> Result<Option<Timestamp>, JwtRefusal> {
        let Some(found) = self.claims.get(name) else { return Ok(None) };
        let whole = found.as_u64().map(Duration::from_secs);
        let since = whole.or_else(|| Duration::try_from_secs_f64(found.as_f64()?).ok());
        since.map(|since| Some(Timestamp::from_micros(0).after(since))).ok_or(JwtRefusal::Malformed)
    }
}
