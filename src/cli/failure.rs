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

    /// 1 failed, 2 usage, 78 bad configuration (`EX_CONFIG` of sysexits.h).
    pub(super) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::BadConfiguration(_) => 78,
        })
    }
}

impl From<Vec<Mistake>> for Failure {
    fn from(mistakes: Vec<Mistake>) -> Self {
        Self::BadConfiguration(mistakes.iter().map(ToString::to_string).collect())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(message) | Self::Usage(message) => write!(formatter, "error: {message}"),
            Self::BadConfiguration(mistakes) => {
                let noun = if mistakes.len() == 1 { "mistake" } else { "mistakes" };
                write!(formatter, "error: {} {noun} in the configuration", mistakes.len())?;
                mistakes.iter().try_for_each(|mistake| write!(formatter, "\n  {mistake}"))
            }
        }
    }
}
