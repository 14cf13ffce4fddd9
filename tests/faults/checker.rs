//! Whether a history of one subject can be true, by `search`.

use super::history::{Asked, Operation, Outcome};
use super::search::{Event, Model, search};

/// Where a subject is: its version, and the number of its password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct State {
    pub version: u64,
    pub password: u64,
}

/// Checks the history of one subject.
///
/// # Errors
/// What can't be true, beside what is possible up to there.
pub fn check(start: State, operations: &[Operation]) -> Result<(), String> {
    let telling = operations.iter().enumerate().filter(|(_, operation)| says_something(operation));
    let events = telling.flat_map(|(index, operation)| {
        // What is unknown may happen at any time after.
        let returned = (operation.outcome != Outcome::Unknown).then_some(operation.returned);
        Event::of(index, operation.invoked, returned)
    });
    search(&History(operations), start, events.collect())
}

struct History<'a>(&'a [Operation]);

impl Model for History<'_> {
    type State = State;

    fn next(&self, state: &State, index: usize) -> Option<State> {
        next(*state, &self.0[index])
    }

    fn only_reads(&self, index: usize) -> bool {
        !may_change(&self.0[index])
    }

    fn describe(&self, index: usize) -> String {
        format!("{:?}", self.0[index])
    }
}

/// Whether the outcome says anything about the subject.
fn says_something(operation: &Operation) -> bool {
    match operation.outcome {
        Outcome::Refused { .. } => false,
        Outcome::Unknown => matches!(operation.asked, Asked::Change { .. }),
        _ => true,
    }
}

fn may_change(operation: &Operation) -> bool {
    matches!(operation.outcome, Outcome::Changed { .. } | Outcome::Unknown)
}

/// The state after an operation with that outcome, or nothing where it can't have that outcome in this state.
fn next(state: State, operation: &Operation) -> Option<State> {
    let is_possible = match (operation.asked, &operation.outcome) {
        (Asked::Change { old, expected_version, .. }, Outcome::Changed { .. } | Outcome::Unknown) => {
            old.is_none_or(|old| old == state.password)
                && expected_version.is_none_or(|expected| expected == state.version)
                && (operation.outcome == Outcome::Unknown
                    || operation.outcome == Outcome::Changed { version: state.version + 1 })
        }
        (Asked::Change { old, .. }, Outcome::OldPasswordIncorrect) => old != Some(state.password),
        (Asked::Change { expected_version, .. }, Outcome::VersionConflict { current }) => {
            *current == state.version && expected_version != Some(*current)
        }
        (Asked::Verify { password }, Outcome::Matched) => password == state.password,
        (Asked::Verify { password }, Outcome::NotMatched) => password != state.password,
        (Asked::Version, Outcome::Version(version)) => *version == state.version,
        _ => false,
    };
    match operation.asked {
        Asked::Change { new, .. } if is_possible && may_change(operation) => {
            Some(State { version: state.version + 1, password: new })
        }
        _ => is_possible.then_some(state),
    }
}
