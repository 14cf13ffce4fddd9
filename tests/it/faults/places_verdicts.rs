//! Which answers of the service and its nodes are believed together.

use super::places::{Known, check};
use super::sign_ins::{Life, Lives, Place, SignIn};

const NODES: [Place; 2] = [Place::Node { number: 0, kills: 0 }, Place::Node { number: 1, kills: 0 }];
const SERVICE: Place = Place::Service;

fn sign_in(password: usize, place: Place, is_accepted: bool, moments: (u64, u64)) -> SignIn {
    SignIn { account: 0, password, place, is_accepted, invoked: moments.0, returned: moments.1 }
}

/// A change between 20 and 30, which is on all nodes by 40. Without an overlap the first password is over there by 50. With one it
/// ends between 60 and 70, and on the nodes by 80.
fn lives(has_overlap: bool) -> Lives {
    let second = Life { begun: 20, good: Some(30), ..Life::default() };
    let [ending, ended, ended_on_nodes] = if has_overlap { [60, 70, 80] } else { [20, 30, 50] };
    let first = Life { begun: 0, good: Some(0), ending: Some(ending), ended: Some(ended) };
    Lives {
        at_service: vec![first, second],
        on_nodes: vec![Life { ended: Some(ended_on_nodes), ..first }, Life { good: Some(40), ..second }],
    }
}

fn is_believed(has_overlap: bool, kills: &[(usize, u64)], sign_ins: &[SignIn]) -> bool {
    let lives = lives(has_overlap);
    check(&Known { nodes: 2, has_overlap, lives: &lives, sign_ins: sign_ins.to_vec(), kills }).is_ok()
}

#[test]
fn what_races_with_a_change_may_be_answered_either_way() {
    for has_overlap in [false, true] {
        assert!(is_believed(has_overlap, &[], &[]));
        for place in [SERVICE, NODES[0]] {
            for is_accepted in [true, false] {
                assert!(is_believed(has_overlap, &[], &[sign_in(1, place, is_accepted, (15, 30))]));
            }
            assert_eq!(is_believed(has_overlap, &[], &[sign_in(0, place, false, (21, 45))]), !has_overlap);
            assert!(is_believed(has_overlap, &[], &[sign_in(0, place, true, (1, 20))]));
            assert!(!is_believed(has_overlap, &[], &[sign_in(0, place, false, (1, 19))]));
            assert!(!is_believed(has_overlap, &[], &[sign_in(1, place, true, (1, 19))]));
            assert!(!is_believed(has_overlap, &[], &[sign_in(1, place, false, (41, 42))]));
        }
    }
}

#[test]
fn the_old_password_is_over_once_that_is_said_and_not_before_its_overlap_ends() {
    let both = [sign_in(0, NODES[1], true, (51, 52)), sign_in(1, NODES[1], true, (51, 52))];
    assert!(is_believed(true, &[], &both));
    assert!(!is_believed(false, &[], &both));
    assert!(!is_believed(true, &[], &[sign_in(0, NODES[1], false, (51, 52))]));
    for is_accepted in [true, false] {
        assert!(is_believed(true, &[], &[sign_in(0, NODES[1], is_accepted, (61, 79))]));
    }
    assert!(!is_believed(true, &[], &[sign_in(0, NODES[1], true, (81, 82))]));
}

#[test]
fn no_client_is_locked_out_between_the_two() {
    let old_is_over = sign_in(0, NODES[0], false, (31, 32));
    assert!(is_believed(false, &[], &[old_is_over, sign_in(1, NODES[0], true, (33, 34))]));
    for place in NODES {
        assert!(
            !is_believed(false, &[], &[old_is_over, sign_in(1, place, false, (33, 34))]),
            "it is on all nodes by then"
        );
    }
}

#[test]
fn no_node_is_ahead_of_the_service() {
    let ahead = sign_in(1, NODES[0], true, (21, 22));
    assert!(is_believed(false, &[], &[ahead, sign_in(1, SERVICE, true, (23, 24))]));
    assert!(!is_believed(false, &[], &[ahead, sign_in(1, SERVICE, false, (23, 24))]));
    assert!(!is_believed(false, &[], &[ahead, sign_in(0, SERVICE, true, (23, 24))]));
}

#[test]
fn a_killed_node_may_lose_what_it_has_not_confirmed_and_nothing_else() {
    let seen_and_gone = [sign_in(1, NODES[0], true, (21, 22)), sign_in(1, NODES[0], false, (24, 25))];
    assert!(!is_believed(false, &[], &seen_and_gone));
    assert!(!is_believed(false, &[(1, 23)], &seen_and_gone));
    assert!(is_believed(false, &[(0, 23)], &seen_and_gone));
    assert!(!is_believed(false, &[(0, 45)], &[sign_in(1, NODES[0], false, (46, 47))]));
    assert!(!is_believed(false, &[(0, 55)], &[sign_in(0, NODES[0], true, (56, 57))]));
}
