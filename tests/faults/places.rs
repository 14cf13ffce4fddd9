//! Whether everything that clients were answered about an account can be true at once: by the service, and by each node that it
//! delivers to.
//!
//! One model has all of it. A change happens at one moment at the service, and after that at one moment at each node. A password
//! ends at one moment at the service, and after that at one moment at each node, where a newer one is on all nodes by then. A
//! sign-in sees what is valid at its place at one moment. Each of these moments lies between the request and the answer that says
//! so. The `search` is that of `checker`.

use std::collections::BTreeSet;

use super::search::{Event, Model, Possible, search};
use super::sign_ins::{Lives, Place, SignIn};

/// What is known of an account. Passwords are counted from its first, which is there before anything begins.
pub struct Known<'a> {
    pub nodes: usize,
    /// Whether the password before the current one stays valid until it is ended.
    pub has_overlap: bool,
    pub lives: &'a Lives,
    pub sign_ins: Vec<SignIn>,
    /// Which nodes were killed, and when. What a node had not saved is lost then.
    pub kills: &'a [(usize, u64)],
}

/// Something that happens at one moment.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// A password becomes the current one.
    Change(usize),
    /// The overlap ends, and with it that password.
    End(usize),
    /// A node gets a password.
    Add { node: usize, password: usize },
    /// A node loses a password.
    Remove { node: usize, password: usize },
    /// A client tries a password.
    SignIn(SignIn),
}

#[derive(Debug)]
struct Operation {
    step: Step,
    invoked: u64,
    /// Without it, it may happen at any time after.
    returned: Option<u64>,
}

/// Which passwords are valid where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct State {
    current: usize,
    at_service: BTreeSet<usize>,
    on_nodes: Vec<BTreeSet<usize>>,
}

/// Checks an account. Returns how many operations that were.
///
/// # Errors
/// What can't be true, beside what is possible up to there.
pub fn check(known: &Known<'_>) -> Result<usize, String> {
    let operations = operations(known);
    let mut events: Vec<_> = known.kills.iter().map(|(node, at)| (*at, Event::Killed(*node))).collect();
    for (index, operation) in operations.iter().enumerate() {
        events.extend(Event::of(index, operation.invoked, operation.returned));
    }
    let first = BTreeSet::from([0]);
    let start = State { current: 0, at_service: first.clone(), on_nodes: vec![first; known.nodes] };
    search(&Account { operations: &operations, has_overlap: known.has_overlap }, start, events)?;
    Ok(operations.len())
}

/// Everything that happens to an account.
fn operations(known: &Known<'_>) -> Vec<Operation> {
    let Lives { at_service, on_nodes } = known.lives;
    let mut operations = Vec::new();
    for (password, life) in at_service.iter().enumerate() {
        if password > 0 {
            operations.push(Operation { step: Step::Change(password), invoked: life.begun, returned: life.good });
        }
        // Where a change ends it, that is one step.
        let is_by_change = |ending| at_service[password + 1..].iter().any(|later| later.begun == ending);
        if let Some(invoked) = life.ending.filter(|ending| !is_by_change(*ending)) {
            operations.push(Operation { step: Step::End(password), invoked, returned: life.ended });
        }
    }
    for (password, life) in on_nodes.iter().enumerate() {
        for node in 0..known.nodes {
            if password > 0 {
                let step = Step::Add { node, password };
                operations.push(Operation { step, invoked: life.begun, returned: life.good });
            }
            if let Some(invoked) = life.ending {
                operations.push(Operation { step: Step::Remove { node, password }, invoked, returned: life.ended });
            }
        }
    }
    operations.extend(known.sign_ins.iter().map(|one| Operation {
        step: Step::SignIn(*one),
        invoked: one.invoked,
        returned: Some(one.returned),
    }));
    operations
}

struct Account<'a> {
    operations: &'a [Operation],
    has_overlap: bool,
}

impl Model for Account<'_> {
    type State = State;

    fn only_reads(&self, index: usize) -> bool {
        matches!(self.operations[index].step, Step::SignIn(_))
    }

    fn describe(&self, index: usize) -> String {
        format!("{:?}", self.operations[index])
    }

    /// Each step at the node that has not returned may be undone.
    fn after_kill(&self, one: &Possible<State>, node: usize, pending: &BTreeSet<usize>) -> Vec<Possible<State>> {
        let unsaved: Vec<usize> = pending
            .iter()
            .copied()
            .filter(|index| one.happened.contains(index))
            .filter(|index| match self.operations[*index].step {
                Step::Add { node: at, .. } | Step::Remove { node: at, .. } => at == node,
                _ => false,
            })
            .collect();
        let undone = |which: usize| {
            let mut then = one.clone();
            for (_, index) in unsaved.iter().enumerate().filter(|(place, _)| which & 1 << place != 0) {
                then.happened.remove(index);
                let on_node = &mut then.state.on_nodes[node];
                match self.operations[*index].step {
                    Step::Add { password, .. } => drop(on_node.remove(&password)),
                    Step::Remove { password, .. } => drop(on_node.insert(password)),
                    _ => {}
                }
            }
            then
        };
        (0..1 << unsaved.len()).map(undone).collect()
    }

    fn next(&self, state: &State, index: usize) -> Option<State> {
        let mut next = state.clone();
        match self.operations[index].step {
            Step::Change(new) => {
                next.at_service.retain(|old| self.has_overlap && *old == state.current);
                next.at_service.insert(new);
                next.current = new;
                (new == state.current + 1).then_some(next)
            }
            Step::End(old) => {
                next.at_service.remove(&old);
                (old != state.current).then_some(next)
            }
            Step::Add { node, password } => {
                let is_new = next.on_nodes[node].insert(password);
                (is_new && password <= state.current).then_some(next)
            }
            Step::Remove { node, password } => {
                let was_there = next.on_nodes[node].remove(&password);
                let is_everywhere = |new| state.on_nodes.iter().all(|on_node| on_node.contains(&new));
                let is_replaced = (password + 1..=state.current).any(is_everywhere);
                (was_there && is_replaced && !state.at_service.contains(&password)).then_some(next)
            }
            Step::SignIn(one) => {
                let valid = match one.place {
                    Place::Service => &state.at_service,
                    Place::Node { number, .. } => &state.on_nodes[number],
                };
                (valid.contains(&one.password) == one.is_accepted).then_some(next)
            }
        }
    }
}
