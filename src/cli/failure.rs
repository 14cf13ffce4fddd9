//! Failures of commands.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use crate::config::Mistake;
use crate::service::error::with_causes;

/// Why a command failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// It could not be done.
    Failed(String),
    /// It can be done later: the service is away, overloaded or too slow, or makes the caller wait.
    NotNow(String),
    /// A password is wrong.
    WrongPassword(String),
    /// A password is right, but can't be used before it is changed.
    PasswordToChange(String),
    /// With the exit status that another protocol defines, and perhaps a message.
    WithStatus(u8, Option<String>),
    /// The arguments are wrong.
    Usage(String),
    /// The configuration is bad. Holds every mistake.
    BadConfiguration(Vec<String>),
}

impl Failure {
    /// A failure with that message.
    pub(super) fn failed(message: impl fmt::Display) -> Self {
        Self::Failed(message.to_string())
    }

    /// A failure with the chain of its causes.
    pub(super) fn caused(context: impl fmt::Display, cause: &dyn Error) -> Self {
        Self::Failed(with_causes(context.to_string(), Some(cause)))
    }

    /// The same, with another line.
    pub(super) fn with_line(self, line: &str) -> Self {
        let add = |message| format!("{message}\n  {line}");
        match self {
            Self::Failed(message) => Self::Failed(add(message)),
            Self::NotNow(message) => Self::NotNow(add(message)),
            other => other,
        }
    }

    /// The same, for a command that has one exit status for all that fails.
    pub(super) fn lasting(self) -> Self {
        match self {
            Self::NotNow(message) => Self::Failed(message),
            other => other,
        }
    }

    /// 1 failed, 2 usage, 3 wrong password, 4 a password that has to be changed, 75 not now, 78 bad configuration. The last
    /// two are `EX_TEMPFAIL` and `EX_CONFIG` of sysexits.h.
    pub(super) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::WrongPassword(_) => 3,
            Self::PasswordToChange(_) => 4,
            Self::NotNow(_) => 75,
            Self::WithStatus(status, _) => *status,
            Self::BadConfiguration(_) => 78,
        })
    }
}

impl From<Vec<Mistake>> for Failure {
    fn from(mut mistakes: Vec<Mistake>) -> Self {
        mistakes.sort_by_key(Mistake::order);
        Self::BadConfiguration(mistakes.iter().map(ToString::to_string).collect())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(message)
            | Self::Usage(message)
            | Self::WrongPassword(message)
            | Self::PasswordToChange(message)
            | Self::NotNow(message) => write!(formatter, "error: {message}"),
            Self::WithStatus(_, message) => formatter.write_str(message.as_deref().unwrap_or_default()),
            Self::BadConfiguration(mistakes) => {
                let noun = if mistakes.len() == 1 { "mistake" } else { "mistakes" };
                write!(formatter, "error: {} {noun} in the configuration", mistakes.len())?;
                mistakes.iter().try_for_each(|mistake| write!(formatter, "\n  {mistake}"))
            }
        }
    }
}
