//! Why a request over this edge is refused, and what its vendor says to that.

use std::borrow::Cow;
use std::time::Duration;

use super::Vendor;
use crate::edge::{Explanation, Reason, Violation};
use crate::http::message::camel_case;
use crate::http::parameters::ParameterProblem;
use crate::ports::{SignatureProblem, SignatureRefusal, TransportProblem};

/// Alibaba Cloud's code for a signature that does not match.
const MISMATCH: &str = "SignatureDoesNotMatch";
/// The message with it. An old SDK fails on one without a colon, and compares what follows
/// with the string that it signed: that has the passwords in it, and is never answered.
const DOES_NOT_MATCH: &str = "the signature does not match the request; the string to sign is: withheld";

/// Why a request is refused.
#[derive(Debug)]
pub(in crate::http) enum Refusal {
    /// An error of a use case, or of the authentication.
    Explained(Box<Explanation>),
    /// Its signature can't be checked.
    Signature(SignatureProblem),
    /// Its parameters can't be read.
    Parameters(ParameterProblem),
    /// The request itself could not be read.
    Transport(TransportProblem),
}

impl From<Explanation> for Refusal {
    fn from(explanation: Explanation) -> Self {
        Self::Explained(Box::new(explanation))
    }
}

impl From<SignatureProblem> for Refusal {
    fn from(problem: SignatureProblem) -> Self {
        Self::Signature(problem)
    }
}

impl From<ParameterProblem> for Refusal {
    fn from(problem: ParameterProblem) -> Self {
        Self::Parameters(problem)
    }
}

/// What is answered to a refused request.
#[derive(Debug)]
pub(super) struct Error {
    pub(super) status: u16,
    pub(super) code: Cow<'static, str>,
    pub(super) message: Cow<'static, str>,
    pub(super) retry_after: Option<Duration>,
    /// The requested action, and the message for administrators, if permission was refused.
    pub(super) denial: Option<(String, Option<String>)>,
}

impl Refusal {
    /// The reason, which is the same over every edge.
    pub(in crate::http) fn reason(&self) -> Reason {
        match self {
            Self::Explained(explanation) => explanation.reason,
            Self::Signature(_) => Reason::Unauthenticated,
            Self::Parameters(_) => Reason::InvalidField,
            Self::Transport(problem) => of_transport(*problem).0,
        }
    }

    /// What that vendor answers.
    pub(super) fn error(self, vendor: Vendor) -> Error {
        let (code, status) = vendor.code_of(self.reason());
        let error = |code: &'static str, status, message| Error {
            status,
            code: code.into(),
            message,
            retry_after: None,
            denial: None,
        };
        let mut error = match self {
            Self::Explained(explanation) => explained(*explanation, vendor),
            Self::Signature(problem) => {
                let code = if vendor == Vendor::Alibaba { code_of_signature(problem) } else { code };
                error(code, status, problem.to_string().into())
            }
            Self::Parameters(problem) => error(code, status, problem.to_string().into()),
            Self::Transport(problem) => {
                let (_, status, message) = of_transport(problem);
                error(code, status, message.into())
            }
        };
        if error.code == MISMATCH {
            error.message = DOES_NOT_MATCH.into();
        }
        error
    }
}

/// Alibaba Cloud's code for a signature that can't be checked.
const fn code_of_signature(problem: SignatureProblem) -> &'static str {
    match problem {
        SignatureProblem::Absent
        | SignatureProblem::Algorithm
        | SignatureProblem::Malformed(_)
        | SignatureProblem::HeaderNotSigned(_)
        | SignatureProblem::NotCovered(_) => "IncompleteSignature",
        SignatureProblem::BodyDigest => MISMATCH,
        SignatureProblem::Time => "IllegalTimestamp",
    }
}

/// The reason, the status and the message for a request that could not be read.
const fn of_transport(problem: TransportProblem) -> (Reason, u16, &'static str) {
    match problem {
        TransportProblem::Malformed => (Reason::InvalidField, 400, "the request is not well-formed HTTP"),
        TransportProblem::Incomplete => (Reason::InvalidField, 400, "the request is incomplete"),
        TransportProblem::TooSlow => (Reason::DeadlineTooShort, 408, "the request took too long to arrive"),
        TransportProblem::BodyTooLarge => (Reason::MessageTooLarge, 413, "the body is too large"),
        TransportProblem::HeadTooLarge => (Reason::MessageTooLarge, 431, "the headers are too large"),
        TransportProblem::Internal => (Reason::Internal, 500, Reason::Internal.message()),
        TransportProblem::Version => (Reason::InvalidField, 505, "this version of HTTP is not supported"),
    }
}

fn explained(explanation: Explanation, vendor: Vendor) -> Error {
    let (nearest, mut status) = vendor.code_of(explanation.reason);
    let mut code = Cow::from(nearest);
    let Explanation { reason, message, mut metadata, violations, retry_after, signature, .. } = explanation;
    let mut message = Cow::from(message);
    match reason {
        Reason::Unauthenticated if vendor == Vendor::Alibaba && signature == Some(SignatureRefusal::ForeignKey) => {
            status = 404;
        }
        // A quota is what the vendors call throttling.
        Reason::Overloaded if metadata.contains_key("quota") => {
            let (throttled, throttled_status) = vendor.code_of(Reason::TooManyAttempts);
            (code, status) = (throttled.into(), throttled_status);
        }
        Reason::InvalidField if vendor == Vendor::Alibaba && violations.iter().any(is_missing) => {
            code = "MissingParameter".into();
        }
        // It depends on what has that state.
        Reason::ResourceState => {
            status = metadata.get("http_status").and_then(|text| text.parse().ok()).unwrap_or(status);
        }
        _ => {}
    }
    let of_operation = metadata.remove("vendor_code").or_else(|| metadata.remove("vendor_code_nearest"));
    if let Some(of_operation) = of_operation {
        code = of_operation.into();
    }
    if !violations.is_empty() {
        message = [message.as_ref(), &listed(&violations, vendor)].concat().into();
    }
    let denial = (reason == Reason::AccessDenied)
        .then(|| (metadata.remove("action").unwrap_or_default(), metadata.remove("encoded_authorization_message")));
    Error { status, code, message, retry_after, denial }
}

fn is_missing(violation: &Violation) -> bool {
    violation.reason == "REQUIRED"
}

/// Every violation in words. A rule that several fields break is named once for each.
fn listed(violations: &[Violation], vendor: Vendor) -> String {
    let name = |field: &str| if vendor == Vendor::Alibaba { camel_case(field) } else { field.to_owned() };
    let listed: Vec<_> = violations.iter().map(|each| format!("{} {}", name(each.field), each.description)).collect();
    format!(": {}", listed.join("; "))
}
