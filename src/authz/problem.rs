//! Mistakes in policies, each with its place.

use std::fmt;

use miette::Diagnostic;

use super::policies::PolicyFile;

/// A mistake in an operator's policies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PolicyProblem {
    file: String,
    line: Option<usize>,
    message: String,
}

impl PolicyProblem {
    /// A mistake in all files together.
    pub(super) fn in_all(message: impl Into<String>) -> Self {
        Self { file: String::new(), line: None, message: message.into() }
    }

    /// A mistake in a file, at the text if the file holds it.
    pub(super) fn at(file: &PolicyFile, text: &str, message: impl Into<String>) -> Self {
        let line = file.text.find(text).map(|offset| line_of(file, offset));
        Self { file: file.name.clone(), line, message: message.into() }
    }

    /// A mistake in a policy, at a part of its text if it holds that.
    pub(super) fn in_policy(file: &PolicyFile, policy: &str, part: &str, message: impl Into<String>) -> Self {
        let offset = file.text.find(policy).map(|start| start + policy.find(part).unwrap_or_default());
        Self { file: file.name.clone(), line: offset.map(|offset| line_of(file, offset)), message: message.into() }
    }

    /// A mistake at an offset of a file.
    pub(super) fn at_offset(file: &PolicyFile, offset: usize, message: impl Into<String>) -> Self {
        Self { file: file.name.clone(), line: Some(line_of(file, offset)), message: message.into() }
    }

    /// A mistake that Cedar found.
    pub(super) fn found(file: &PolicyFile, diagnostic: &dyn Diagnostic) -> Self {
        let offset = diagnostic.labels().and_then(|mut labels| labels.next()).map(|label| label.offset());
        let help = diagnostic.help().map(|help| format!(" ({help})")).unwrap_or_default();
        // A message may repeat a part of the policy, with its line ends.
        let message = format!("{diagnostic}{help}").split_whitespace().collect::<Vec<_>>().join(" ");
        Self { file: file.name.clone(), line: offset.map(|offset| line_of(file, offset)), message }
    }
}

impl fmt::Display for PolicyProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.file.is_empty() {
            write!(formatter, "{}:", self.file)?;
            self.line.map_or(Ok(()), |line| write!(formatter, "{line}:"))?;
            formatter.write_str(" ")?;
        }
        formatter.write_str(&self.message)
    }
}

/// The line of an offset, counted from 1.
fn line_of(file: &PolicyFile, offset: usize) -> usize {
    file.text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}
