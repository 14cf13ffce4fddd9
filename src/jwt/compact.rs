//! A signed JWT in its compact form (RFC 7515, section 7.1), parsed and not yet verified.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::contents::Contents;
use super::json;
use crate::ports::JwtRefusal;

/// Longest text of a token. Parsing it costs an unauthenticated caller no more than a small request does.
const MAX_BYTES: usize = 8 * 1024;

/// A token.
pub(super) struct CompactJwt<'a> {
    pub(super) contents: Contents,
    /// What the signature is of: the first two parts, as they were sent.
    pub(super) signed: &'a str,
    pub(super) signature: Vec<u8>,
}

impl<'a> CompactJwt<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, JwtRefusal> {
        if text.len() > MAX_BYTES {
            return Err(JwtRefusal::TooLong);
        }
        let malformed = || JwtRefusal::Malformed;
        let (signed, signature) = text.rsplit_once('.').ok_or_else(malformed)?;
        let (header, claims) = signed.split_once('.').ok_or_else(malformed)?;
        let object = |part| json::object(&decoded(part)?);
        let (header, claims) = object(header).zip(object(claims)).ok_or_else(malformed)?;
        let contents = Contents::new(&header, claims)?;
        Ok(Self { contents, signed, signature: decoded(signature).ok_or_else(malformed)? })
    }
}

/// The bytes of a part, which has no padding and only one form. A further dot is not base64url.
fn decoded(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}
