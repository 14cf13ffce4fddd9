//! Functions for the fuzz targets in `fuzz/`. No shipped build has them.

use super::authenticate::Credentials;

/// The token in the values of `authorization` headers, and whether it is taken for a JWT.
pub fn token_of<'a>(values: impl Iterator<Item = Option<&'a str>>) -> Option<(&'a str, bool)> {
    match Credentials::of(values, None)? {
        Credentials::BearerToken(text) => Some((text, false)),
        Credentials::Jwt(text) => Some((text, true)),
        Credentials::Certificate(_) => None,
    }
}
