//! Whether operations can be true together: whether each can have happened at one moment between its invocation and its return,
//! all of them one after the other (Herlihy and Wing, "Linearizability", TOPLAS 1990).
//!
//! The search is Wing and Gong's with Lowe's memory of what was tried ("Testing for linearizability", 2017): time is followed
//! from event to event with the set of all states that are possible so far. What changes nothing is put as early as it is
//! possible, which loses no order: it binds nothing after it.

use std::collections::{BTreeSet, HashSet};
use std::fmt::Debug;
use std::hash::Hash;

/// With so many possibilities at a time, the search is given up.
const MOST: usize = 200_000;

/// What operations, which are numbered, do to a state.
pub trait Model {
    type State: Clone + Ord + Hash + Debug;

    /// The state after an operation, or nothing where it can't happen in this state.
    fn next(&self, state: &Self::State, index: usize) -> Option<Self::State>;

    /// Whether the operation changes nothing.
    fn only_reads(&self, index: usize) -> bool;

    fn describe(&self, index: usize) -> String;

    /// What is possible after a node was killed.
    fn after_kill(
        &self,
        one: &Possible<Self::State>,
        _node: usize,
        _pending: &BTreeSet<usize>,
    ) -> Vec<Possible<Self::State>> {
        vec![one.clone()]
    }
}

/// Possibly the state of affairs: the state, and which of the pending operations have happened.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Possible<S> {
    pub state: S,
    pub happened: BTreeSet<usize>,
}

/// What happens at a moment, in this order: so what returns when another is invoked may have happened after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    Invoked(usize),
    Killed(usize),
    Returned(usize),
}

impl Event {
    /// Those of an operation. Where it has not returned, it may happen at any time after its invocation.
    pub fn of(index: usize, invoked: u64, returned: Option<u64>) -> impl Iterator<Item = (u64, Self)> {
        let returned = returned.map(|at| (at, Self::Returned(index)));
        std::iter::once((invoked, Self::Invoked(index))).chain(returned)
    }
}

/// Searches for an order of the operations.
///
/// # Errors
/// What can't be true, beside what is possible up to there.
pub fn search<M: Model>(model: &M, start: M::State, mut events: Vec<(u64, Event)>) -> Result<(), String> {
    events.sort_unstable();
    let mut pending = BTreeSet::new();
    let mut possible = HashSet::from([Possible { state: start, happened: BTreeSet::new() }]);
    for (_, event) in events {
        match event {
            Event::Invoked(index) => {
                pending.insert(index);
                possible = possible.into_iter().map(|one| with_reads(model, one, &pending)).collect();
            }
            Event::Killed(node) => {
                let after = possible.iter().flat_map(|one| model.after_kill(one, node, &pending));
                possible = after.map(|one| with_reads(model, one, &pending)).collect();
            }
            Event::Returned(index) => {
                let after = after_return(model, index, &possible, &pending)?;
                if after.is_empty() {
                    let states: BTreeSet<M::State> = possible.into_iter().map(|one| one.state).collect();
                    return Err(format!("{} can't be true; before it one of {states:?}", model.describe(index)));
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
fn after_return<M: Model>(
    model: &M,
    index: usize,
    possible: &HashSet<Possible<M::State>>,
    pending: &BTreeSet<usize>,
) -> Result<HashSet<Possible<M::State>>, String> {
    let mut after = HashSet::new();
    let mut tried = possible.clone();
    let mut ahead: Vec<_> = possible.iter().cloned().collect();
    while let Some(mut one) = ahead.pop() {
        if one.happened.remove(&index) {
            after.insert(one);
            continue;
        }
        for other in pending.iter().filter(|other| !one.happened.contains(other)) {
            let Some(state) = model.next(&one.state, *other) else { continue };
            let mut happened = one.happened.clone();
            happened.insert(*other);
            let then = with_reads(model, Possible { state, happened }, pending);
            if tried.insert(then.clone()) {
                ahead.push(then);
            }
        }
        if tried.len() > MOST {
            return Err(format!("too much is possible at {}", model.describe(index)));
        }
    }
    Ok(after)
}

/// The same with everything that changes nothing and can happen now.
fn with_reads<M: Model>(model: &M, mut one: Possible<M::State>, pending: &BTreeSet<usize>) -> Possible<M::State> {
    let reads = pending.iter().copied().filter(|index| model.only_reads(*index));
    one.happened.extend(reads.filter(|index| model.next(&one.state, *index).is_some()));
    one
}
