//! Failures of commands.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use serde_json::{Map, Value as Json, json};

use crate::config::Mistake;
use crate::service::error::with_causes;

/// Why a command failed.
#[derive(Debug)]
pub(super) struct Failure {
    kind: Kind,
    message: String,
    /// What programs get besides, or in place of, the message.
    details: Map<String, Json>,
}

/// Kinds of failures: each has its exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It could not be done.
    Failed,
    /// It can be done later: the service is away, overloaded or too slow, or makes the caller wait.
    NotNow,
    /// A password is wrong.
    WrongPassword,
    /// A password is right, but can't be used before it is changed.
    PasswordToChange,
    /// A password breaks the policy. The result says so, and there is no message.
    NotAccepted,
    /// With the exit status that another protocol defines.
    WithStatus(u8),
    /// The arguments are wrong.
    Usage,
    /// The configuration is bad.
    BadConfiguration,
}

impl Failure {
    /// A failure of that kind with that message.
    pub(super) fn of(kind: Kind, message: impl fmt::Display) -> Self {
        Self { kind, message: message.to_string(), details: Map::new() }
    }

    /// It could not be done.
    pub(super) fn failed(message: impl fmt::Display) -> Self {
        Self::of(Kind::Failed, message)
    }

    /// It can be done later.
    pub(super) fn not_now(message: impl fmt::Display) -> Self {
        Self::of(Kind::NotNow, message)
    }

    /// A password breaks the policy, as the result says.
    pub(super) fn not_accepted() -> Self {
        Self::of(Kind::NotAccepted, "")
    }

    /// A password is wrong.
    pub(super) fn wrong_password(message: impl fmt::Display) -> Self {
        Self::of(Kind::WrongPassword, message)
    }

    /// The arguments are wrong.
    pub(super) fn usage(message: impl fmt::Display) -> Self {
        Self::of(Kind::Usage, message)
    }

    /// The configuration has these mistakes.
    pub(super) fn bad_configuration(mistakes: &[String]) -> Self {
        let noun = if mistakes.len() == 1 { "mistake" } else { "mistakes" };
        let heading = format!("{} {noun} in the configuration", mistakes.len());
        let lines = [&[heading.clone()][..], mistakes].concat().join("\n  ");
        let failure = Self::of(Kind::BadConfiguration, lines);
        failure.with_details(json!({ "message": heading, "mistakes": mistakes }))
    }

    /// A failure with the chain of its causes.
    pub(super) fn caused(context: impl fmt::Display, cause: &dyn Error) -> Self {
        Self::failed(with_causes(context.to_string(), Some(cause)))
    }

    /// The same, with another line.
    pub(super) fn with_line(mut self, line: &str) -> Self {
        self.message = format!("{}\n  {line}", self.message);
        self.with_details(json!({ "hint": line }))
    }

    /// The same, with another first line.
    pub(super) fn with_first_line(mut self, line: &str) -> Self {
        let rest = self.message.split_once('\n').map(|(_, rest)| format!("\n{rest}"));
        self.message = format!("{line}{}", rest.unwrap_or_default());
        self.with_details(json!({ "message": line }))
    }

    /// The same, with what programs get besides the message, or in its place.
    pub(super) fn with_details(mut self, details: Json) -> Self {
        if let Json::Object(mut details) = details {
            self.details.append(&mut details);
        }
        self
    }

    /// The same, for a command that has one exit status for all that fails.
    pub(super) fn lasting(self) -> Self {
        match self.kind {
            Kind::NotNow => Self { kind: Kind::Failed, ..self },
            _ => self,
        }
    }

    /// Its kind.
    pub(super) const fn kind(&self) -> Kind {
        self.kind
    }

    /// Its message.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// 1 failed, 2 usage, 3 wrong password, 4 a password that has to be changed, 5 a password that breaks the policy, 75 not
    /// now, 78 bad configuration. The last two are `EX_TEMPFAIL` and `EX_CONFIG` of sysexits.h.
    const fn status(&self) -> u8 {
        match self.kind {
            Kind::Failed => 1,
            Kind::Usage => 2,
            Kind::WrongPassword => 3,
            Kind::PasswordToChange => 4,
            Kind::NotAccepted => 5,
            Kind::NotNow => 75,
            Kind::WithStatus(status) => status,
            Kind::BadConfiguration => 78,
        }
    }

    /// The exit status.
    pub(super) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.status())
    }

    /// For programs.
    pub(super) fn to_json(&self) -> Json {
        let mut error = self.details.clone();
        error.entry("message").or_insert_with(|| Json::from(self.message.as_str()));
        error.insert("exit_status".to_owned(), self.status().into());
        json!({ "error": error })
    }
}

impl From<Vec<Mistake>> for Failure {
    fn from(mistakes: Vec<Mistake>) -> Self {
        let mistakes: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
        Self::bad_configuration(&mistakes)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::NotAccepted | Kind::WithStatus(_) => formatter.write_str(&self.message),
            _ => write!(formatter, "error: {}", self.message),
        }
    }
}
