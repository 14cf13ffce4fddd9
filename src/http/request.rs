//! A request as it was received. Signatures cover its parts as they were sent.

use std::fmt;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method};

use super::parameters::{ParameterProblem, Parameters};
use crate::edge::only;

/// A request whose body is there.
pub struct ReceivedRequest<'a> {
    /// The method.
    pub method: &'a Method,
    /// The path, as it was sent.
    pub path: &'a str,
    /// The query, as it was sent.
    pub query: &'a str,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body.
    pub body: &'a [u8],
}

impl ReceivedRequest<'_> {
    /// The parameters of the query, and those of the body if it is a form.
    ///
    /// # Errors
    /// They can't be understood in exactly one way.
    pub fn parameters(&self) -> Result<Parameters, ParameterProblem> {
        let form = if self.has_form() { self.body } else { &[] };
        Parameters::parse(self.query, std::str::from_utf8(form).map_err(|_| ParameterProblem::Encoding)?)
    }

    /// The text of a header that is there exactly once.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(only(self.headers.get_all(name))?.as_bytes()).ok()
    }

    /// Whether its body is a form.
    pub(super) fn has_form(&self) -> bool {
        const FORM: &str = "application/x-www-form-urlencoded";
        let content_type = self.header(CONTENT_TYPE.as_str()).unwrap_or_default();
        content_type.get(..FORM.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(FORM))
    }
}

impl fmt::Debug for ReceivedRequest<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ReceivedRequest").field("method", self.method).finish_non_exhaustive()
    }
}
