//! The parts of `tests/faults` that others are judged by are judged here.

#[path = "../../faults/checker.rs"]
mod checker;
#[path = "../../faults/history.rs"]
#[allow(dead_code, reason = "shared with the harness, which uses all of it")]
mod history;
#[path = "../../faults/places.rs"]
mod places;
mod places_verdicts;
#[path = "../../faults/search.rs"]
mod search;
#[path = "../../faults/sign_ins.rs"]
mod sign_ins;
mod sign_ins_verdicts;
mod verdicts;
