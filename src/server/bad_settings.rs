//! Mistakes in what settings name, found when it is read.

use std::fmt;

/// A mistake, and the setting that it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingProblem {
    /// The setting's key.
    pub setting: &'static str,
    /// The mistake. Contains no secret.
    pub message: String,
}

/// All mistakes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadSettings(pub Vec<SettingProblem>);

impl BadSettings {
    /// One mistake.
    pub(super) fn one(setting: &'static str, message: impl fmt::Display) -> Self {
        Self::all(setting, [message])
    }

    /// Several mistakes in one setting.
    pub(super) fn all(setting: &'static str, messages: impl IntoIterator<Item = impl fmt::Display>) -> Self {
        let problem = |message: &dyn fmt::Display| SettingProblem { setting, message: message.to_string() };
        Self(messages.into_iter().map(|message| problem(&message)).collect())
    }
}

impl std::error::Error for BadSettings {}

impl fmt::Display for BadSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problems: Vec<_> =
            self.0.iter().map(|problem| format!("{}: {}", problem.setting, problem.message)).collect();
        formatter.write_str(&problems.join("; "))
    }
}
