//! Which histories the checker believes.

use super::checker::{State, check};
use super::history::{Asked, Operation, Outcome};

const START: State = State { version: 1, password: 1 };

/// An operation from one moment to another.
fn operation(moments: (u64, u64), asked: Asked, outcome: Outcome) -> Operation {
    Operation { client: 0, subject: 0, asked, outcome, invoked: moments.0, returned: moments.1 }
}

/// A change from one password to another that made a version.
fn change(moments: (u64, u64), old: u64, new: u64, version: u64) -> Operation {
    let asked = Asked::Change { old: Some(old), expected_version: None, new };
    operation(moments, asked, Outcome::Changed { version })
}

/// A change to a password, bound to a version, of which nothing is known.
fn lost(moments: (u64, u64), expected_version: u64, new: u64) -> Operation {
    let asked = Asked::Change { old: None, expected_version: Some(expected_version), new };
    operation(moments, asked, Outcome::Unknown)
}

fn matched(moments: (u64, u64), password: u64) -> Operation {
    operation(moments, Asked::Verify { password }, Outcome::Matched)
}

fn not_matched(moments: (u64, u64), password: u64) -> Operation {
    operation(moments, Asked::Verify { password }, Outcome::NotMatched)
}

fn conflict(moments: (u64, u64), expected: Option<u64>, new: u64, current: u64) -> Operation {
    let asked = Asked::Change { old: None, expected_version: expected, new };
    operation(moments, asked, Outcome::VersionConflict { current })
}

fn is_believed(operations: &[Operation]) -> bool {
    check(START, operations).is_ok()
}

#[test]
fn what_happens_one_after_the_other_is_believed() {
    assert!(is_believed(&[]));
    assert!(is_believed(&[
        matched((1, 2), 1),
        change((3, 4), 1, 2, 2),
        not_matched((5, 6), 1),
        matched((7, 8), 2),
        operation((9, 10), Asked::Version, Outcome::Version(2)),
        conflict((11, 12), Some(1), 3, 2),
        operation(
            (13, 14),
            Asked::Change { old: Some(1), expected_version: None, new: 4 },
            Outcome::OldPasswordIncorrect
        ),
        change((15, 16), 2, 5, 3),
    ]));
}

#[test]
fn what_happens_at_the_same_time_may_have_happened_in_either_order() {
    for (old, new) in [(matched((1, 9), 1), matched((2, 8), 2)), (not_matched((1, 9), 1), not_matched((2, 8), 2))] {
        assert!(is_believed(&[change((3, 7), 1, 2, 2), old, new]));
    }
    // One whose version was taken by the other.
    assert!(is_believed(&[change((1, 9), 1, 2, 2), conflict((2, 8), None, 3, 2)]));
    // A chain in the order opposite to that of the invocations.
    assert!(is_believed(&[change((1, 20), 3, 4, 4), change((2, 20), 2, 3, 3), change((3, 20), 1, 2, 2)]));
}

#[test]
fn a_stale_read_is_not_believed() {
    assert!(!is_believed(&[change((1, 2), 1, 2, 2), matched((3, 4), 1)]));
    assert!(!is_believed(&[change((1, 2), 1, 2, 2), not_matched((3, 4), 2)]));
    assert!(!is_believed(&[change((1, 2), 1, 2, 2), operation((3, 4), Asked::Version, Outcome::Version(1))]));
    // Seen, and then not any more, while the change is under way.
    assert!(!is_believed(&[change((1, 9), 1, 2, 2), matched((2, 3), 2), matched((4, 5), 1)]));
}

#[test]
fn a_lost_update_is_not_believed() {
    assert!(!is_believed(&[change((1, 2), 1, 2, 2), change((3, 4), 2, 3, 3), matched((5, 6), 2)]));
    assert!(!is_believed(&[change((1, 2), 1, 2, 2), change((3, 4), 2, 3, 2)]));
}

#[test]
fn two_winners_are_not_believed() {
    assert!(!is_believed(&[change((1, 9), 1, 2, 2), change((2, 8), 1, 3, 2)]));
    assert!(!is_believed(&[change((1, 9), 1, 2, 2), change((2, 8), 1, 3, 3)]));
    let bound = |new| Asked::Change { old: None, expected_version: Some(1), new };
    let won = |moments, new| operation(moments, bound(new), Outcome::Changed { version: 2 });
    assert!(!is_believed(&[won((1, 9), 2), won((2, 8), 3)]));
}

#[test]
fn a_refusal_without_its_cause_is_not_believed() {
    assert!(!is_believed(&[conflict((1, 2), Some(1), 2, 1)]));
    assert!(!is_believed(&[conflict((1, 2), Some(1), 2, 2)]));
    let right = Asked::Change { old: Some(1), expected_version: None, new: 2 };
    assert!(!is_believed(&[operation((1, 2), right, Outcome::OldPasswordIncorrect)]));
}

#[test]
fn what_is_unknown_may_happen_at_any_time_after_or_never_and_only_once() {
    let lost = lost((1, 2), 1, 2);
    assert!(is_believed(&[lost.clone(), matched((3, 4), 1), matched((5, 6), 1)]));
    assert!(is_believed(&[lost.clone(), matched((3, 4), 1), matched((5, 6), 2)]));
    assert!(is_believed(&[lost.clone(), change((3, 4), 2, 3, 3)]));
    assert!(!is_believed(&[lost.clone(), matched((3, 4), 2), matched((5, 6), 1)]));
    assert!(!is_believed(&[lost.clone(), change((3, 4), 1, 3, 2), matched((5, 6), 2)]));
    assert!(!is_believed(&[matched((0, 0), 2), lost]));
}

#[test]
fn a_refusal_that_says_nothing_about_the_subject_has_changed_nothing() {
    let asked = Asked::Change { old: Some(1), expected_version: None, new: 2 };
    let refused = operation((1, 2), asked, Outcome::Refused { reason: "STORE_UNAVAILABLE".to_owned() });
    assert!(is_believed(&[refused.clone(), matched((3, 4), 1)]));
    assert!(!is_believed(&[refused, matched((3, 4), 2)]));
}

#[test]
fn many_clients_are_checked_in_no_time() {
    // Eight at a time, each change overlapped by seven verifications, and every tenth of them lost.
    let mut operations = Vec::new();
    for version in 1..5000 {
        let (begin, end) = (version * 10, version * 10 + 9);
        let asked = Asked::Change { old: None, expected_version: Some(version), new: version + 1 };
        let outcome = if version % 10 == 0 { Outcome::Unknown } else { Outcome::Changed { version: version + 1 } };
        operations.push(operation((begin, end), asked, outcome));
        operations.extend((0..7).map(|client| matched((begin + client % 3, end), version + client % 2)));
    }
    assert_eq!(check(START, &operations), Ok(()));
}
