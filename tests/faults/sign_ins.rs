//! Whether what clients were answered with their passwords can be true: by the service and by the nodes that it delivers to.
//!
//! At each place a password is switched on once and off once. Both happen at one moment between two that are known: between
//! the request and the answer that says so. A sign-in that lies wholly in the time when it is on has to be let in, one that lies
//! wholly outside has to be refused, and none that lies between two that were let in may be refused.

use std::collections::BTreeMap;

/// When a password is on, in the history's time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Life {
    /// It may be on from then on.
    pub begun: u64,
    /// It is on from then on.
    pub good: Option<u64>,
    /// It may be off from then on.
    pub ending: Option<u64>,
    /// It is off from then on.
    pub ended: Option<u64>,
}

/// Where a client signs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    Service,
    /// A node, and how often it was killed before. What it had not saved then is lost.
    Node {
        number: usize,
        kills: u64,
    },
}

/// A sign-in that was answered.
#[derive(Debug, Clone, Copy)]
pub struct SignIn {
    pub account: usize,
    /// The password, counted from the account's first.
    pub password: usize,
    pub place: Place,
    pub is_accepted: bool,
    pub invoked: u64,
    pub returned: u64,
}

/// The lives of the passwords of one account.
#[derive(Debug, Clone, Default)]
pub struct Lives {
    pub at_service: Vec<Life>,
    /// On each of the nodes.
    pub on_nodes: Vec<Life>,
}

/// What came of all sign-ins.
#[derive(Debug, Default)]
pub struct Judged {
    /// How many had to be let in, and how many had to be refused.
    pub bound: [u64; 2],
    pub refused_though_good: Vec<String>,
    pub accepted_though_ended: Vec<String>,
    /// Refused between two that were let in.
    pub out_of_order: Vec<String>,
}

/// Judges all sign-ins.
pub fn judge(mut accounts: Vec<Lives>, sign_ins: &[SignIn]) -> Judged {
    // A node that refuses a password which was on everywhere proves that its successor is on everywhere.
    for sign_in in sign_ins.iter().filter(|one| !one.is_accepted && one.place != Place::Service) {
        let lives = &mut accounts[sign_in.account].on_nodes;
        let was_on = lives[sign_in.password].good.is_some_and(|good| good <= sign_in.invoked);
        if let Some(next) = lives.get_mut(sign_in.password + 1).filter(|_| was_on) {
            next.good = Some(next.good.unwrap_or(u64::MAX).min(sign_in.returned));
        }
    }
    let mut judged = Judged::default();
    for sign_in in sign_ins {
        let lives = &accounts[sign_in.account];
        let lives = if sign_in.place == Place::Service { &lives.at_service } else { &lives.on_nodes };
        let life = lives[sign_in.password];
        let is_on = life.good.is_some_and(|good| good <= sign_in.invoked)
            && life.ending.is_none_or(|ending| sign_in.returned <= ending);
        let is_off = sign_in.returned < life.begun || life.ended.is_some_and(|ended| ended <= sign_in.invoked);
        judged.bound[0] += u64::from(is_on);
        judged.bound[1] += u64::from(is_off);
        match (is_on, is_off, sign_in.is_accepted) {
            (true, _, false) => judged.refused_though_good.push(format!("{sign_in:?}, {life:?}")),
            (_, true, true) => judged.accepted_though_ended.push(format!("{sign_in:?}, {life:?}")),
            _ => {}
        }
    }
    judged.out_of_order = out_of_order(sign_ins);
    judged
}

/// The refusals that lie between two sign-ins with the same password at the same place that were let in.
fn out_of_order(sign_ins: &[SignIn]) -> Vec<String> {
    let mut first_accepted = BTreeMap::new();
    let mut last_accepted = BTreeMap::new();
    let key = |one: &SignIn| (one.account, one.password, one.place);
    for one in sign_ins.iter().filter(|one| one.is_accepted) {
        let first = first_accepted.entry(key(one)).or_insert(one.returned);
        *first = one.returned.min(*first);
        let last = last_accepted.entry(key(one)).or_insert(one.invoked);
        *last = one.invoked.max(*last);
    }
    let refused = sign_ins.iter().filter(|one| !one.is_accepted);
    let between = refused.filter(|one| {
        let first = first_accepted.get(&key(one)).is_some_and(|first| *first < one.invoked);
        first && last_accepted.get(&key(one)).is_some_and(|last| one.returned < *last)
    });
    between.map(|one| format!("{one:?}")).collect()
}
