//! JSON Web Tokens behind the port: the issuers that an operator has configured, their keys, and what a token proves.

mod algorithm;
mod compact;
mod contents;
mod fetched;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod identity;
mod issuer;
mod issuers;
mod issuers_file;
mod json;
mod key_set;

pub use identity::Jwts;
pub use issuers::{JwtFileNames, JwtIssuers, JwtReader, JwtTexts};
