//! Whether a history of one subject can be true: whether each operation can have happened at one moment between its
//! invocation and its return, all of them one after the other (Herlihy and Wing, "Linearizability", TOPLAS 1990).
//!
//! The search is Wing and Gong's with Lowe's memory of what was tried ("Testing for linearizability", 2017): time is followed
//! from event to event with the set of all states that are possible so far. What changed nothing is put as early as it is
//! possible, which loses no order: it binds nobody after it.

use std::collections::{BTreeSet, HashSet};

use super::history::{Asked, Operation, Outcome};

/// Where a subject is: its version, and the number of its password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct State {
    pub version: u64,
    pub password: u64,
}

/// With so many possibilities at a time, the search is given up.
const MOST: usize = 200_000;

/// Possibly the state of affairs: the state, and which of the pending operations have happened.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Possible {
    state: State,
    happened: BTreeSet<usize>,
}

/// What happens at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Invoked(usize),
    Returned(usize),
}

/// Checks the history of one subject.
///
/// # Errors
/// What can't be true, beside what is possible up to there.
pub fn check(start: State, operations: &[Operation]) -> Result<(), String> {
    let mut events: Vec<(u64, Event)> = Vec::new();
    for (index, operation) in operations.iter().enumerate().filter(|(_, operation)| says_something(operation)) {
        events.push((operation.invoked, Event::Invoked(index)));
        // What is unknown may happen at any time after.
        if operation.outcome != Outcome::Unknown {
            events.push((operation.returned, Event::Returned(index)));
        }
    }
    // At the same moment: the invocation first, so that both may have happened in either order.
    events.sort_by_key(|(at, event)| (*at, matches!(event, Event::Returned(_)), *event));

    let mut pending = BTreeSet::new();
    let mut possible = HashSet::from([Possible { state: start, happened: BTreeSet::new() }]);
    for (_, event) in events {
        match event {
            Event::Invoked(index) => {
                pending.insert(index);
                possible = possible.into_iter().map(|one| one.with_reads(&pending, operations)).collect();
            }
            Event::Returned(index) => {
                let after = after_return(index, &possible, &pending, operations)?;
                if after.is_empty() {
                    let states: BTreeSet<State> = possible.iter().map(|one| one.state).collect();
                    return Err(format!(
                        "{:?} can't be true; before it the subject was in one of {states:?}",
                        operations[index]
                    ));
                }
                possible = after;
                pending.remove(&index);
            }
        }
    }
    Ok(())
}

/// What is possible once an operation has returned: where it has happened already, or happens now, after others that are
/// pending.
fn after_return(
    index: usize,
    possible: &HashSet<Possible>,
    pending: &BTreeSet<usize>,
    operations: &[Operation],
) -> Result<HashSet<Possible>, String> {
    let mut after = HashSet::new();
    let mut tried = possible.clone();
    let mut ahead: Vec<Possible> = possible.iter().cloned().collect();
    while let Some(mut one) = ahead.pop() {
        if one.happened.remove(&index) {
            after.insert(one);
            continue;
        }
        for other in pending.iter().filter(|other| !one.happened.contains(other)) {
            let Some(state) = next(one.state, &operations[*other]) else { continue };
            let mut happened = one.happened.clone();
            happened.insert(*other);
            let then = Possible { state, happened }.with_reads(pending, operations);
            if tried.insert(then.clone()) {
                ahead.push(then);
            }
        }
        if tried.len() > MOST {
            return Err(format!("too much is possible at {:?}", operations[index]));
        }
    }
    Ok(after)
}

impl Possible {
    /// With everything that changes nothing and can happen now.
    fn with_reads(mut self, pending: &BTreeSet<usize>, operations: &[Operation]) -> Self {
        let happening = pending.iter().filter(|index| {
            let operation = &operations[**index];
            !may_change(operation) && next(self.state, operation).is_some()
        });
        self.happened.extend(happening.copied().collect::<Vec<_>>());
        self
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
