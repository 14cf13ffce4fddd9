//! An issuer, and what its tokens have to claim.

use std::path::PathBuf;
use std::time::Duration;

use super::algorithm::Algorithm;
use super::contents::Contents;
use crate::domain::named_caller::NamedCaller;
use crate::ports::JwtRefusal;

/// The types of tokens that are accepted if the issuer has no type of its own: RFC 7519, section 5.1, and RFC 9068.
const USUAL_TYPES: [&str; 2] = ["jwt", "at+jwt"];

/// An issuer, as its table in the file describes it.
pub(super) struct Issuer {
    /// Its `iss`.
    pub(super) name: String,
    /// The `aud` of tokens for this service.
    pub(super) audience: String,
    pub(super) algorithms: Vec<&'static Algorithm>,
    /// The only `typ` that is accepted, in lower case.
    pub(super) token_type: Option<String>,
    pub(super) jwks: Jwks,
    pub(super) rules: Vec<Rule>,
}

/// Where the keys of an issuer are.
pub(super) enum Jwks {
    File(PathBuf),
    Url(JwksUrl),
}

/// Keys that are fetched.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct JwksUrl {
    pub(super) url: String,
    /// The CAs of its server, instead of the public ones.
    pub(super) ca_file: Option<PathBuf>,
    /// The file of a bearer token for its server.
    pub(super) token_file: Option<PathBuf>,
    /// How long keys are used after they were fetched.
    pub(super) used_for: Duration,
}

/// The caller of tokens that claim this.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) subject: String,
    /// Claims that have to have these values.
    pub(super) claims: Vec<(String, String)>,
    pub(super) caller: NamedCaller,
}

impl Issuer {
    pub(super) fn may_use(&self, algorithm: &str) -> bool {
        self.algorithms.iter().any(|allowed| allowed.name == algorithm)
    }

    /// The caller that a token of this issuer names, if the token is for this service.
    pub(super) fn caller(&self, contents: &Contents) -> Result<&NamedCaller, JwtRefusal> {
        if !self.accepts_type(contents.token_type.as_deref()) {
            return Err(JwtRefusal::Type);
        }
        if !contents.is_for(&self.audience) {
            return Err(JwtRefusal::Audience);
        }
        if contents.text("sub").is_none_or(str::is_empty) {
            return Err(JwtRefusal::NoSubject);
        }
        let rule = self.rules.iter().find(|rule| rule.matches(contents));
        rule.map(|rule| &rule.caller).ok_or(JwtRefusal::NoRule)
    }

    fn accepts_type(&self, found: Option<&str>) -> bool {
        match &self.token_type {
            Some(only) => found == Some(only),
            None => found.is_none_or(|found| USUAL_TYPES.contains(&found)),
        }
    }
}

impl Rule {
    fn matches(&self, contents: &Contents) -> bool {
        contents.text("sub") == Some(&self.subject)
            && self.claims.iter().all(|(name, value)| contents.text(name) == Some(value))
    }

    /// Whether a token could match both.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let differs = |(name, value): &(String, String)| {
            other.claims.iter().any(|(other_name, other_value)| name == other_name && value != other_value)
        };
        self.subject == other.subject && !self.claims.iter().any(differs)
    }
}
