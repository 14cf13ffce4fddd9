//! Which sign-ins are believed.

use super::sign_ins::{Life, Lives, Place, SignIn, judge};

const NODE: Place = Place::Node { number: 0, kills: 0 };
const OTHER: Place = Place::Node { number: 1, kills: 0 };

fn sign_in(password: usize, place: Place, is_accepted: bool, moments: (u64, u64)) -> SignIn {
    SignIn { account: 0, password, place, is_accepted, invoked: moments.0, returned: moments.1 }
}

/// How many sign-ins are wrong: refused though good, let in though ended, refused between two that were let in. The first
/// password ends between 20 and 40, and the second begins between 10 and 30.
fn wrong(sign_ins: &[SignIn]) -> [usize; 3] {
    let first = Life { begun: 0, good: Some(0), ending: Some(20), ended: Some(40) };
    let second = Life { begun: 10, good: Some(30), ending: None, ended: None };
    let lives = vec![first, second];
    let judged = judge(vec![Lives { at_service: lives.clone(), on_nodes: lives }], sign_ins);
    [judged.refused_though_good.len(), judged.accepted_though_ended.len(), judged.out_of_order.len()]
}

#[test]
fn a_password_is_accepted_while_it_is_valid_and_refused_while_it_is_not() {
    for place in [NODE, Place::Service] {
        assert_eq!(wrong(&[sign_in(0, place, true, (1, 20)), sign_in(1, place, true, (30, 50))]), [0; 3]);
        assert_eq!(wrong(&[sign_in(0, place, false, (1, 20))]), [1, 0, 0]);
        assert_eq!(wrong(&[sign_in(1, place, false, (30, 50))]), [1, 0, 0]);
        assert_eq!(wrong(&[sign_in(0, place, true, (40, 41))]), [0, 1, 0]);
        assert_eq!(wrong(&[sign_in(1, place, true, (1, 9))]), [0, 1, 0]);
    }
}

#[test]
fn a_sign_in_that_races_with_a_change_may_be_answered_either_way() {
    for is_accepted in [true, false] {
        assert_eq!(wrong(&[sign_in(0, NODE, is_accepted, (19, 21))]), [0; 3]);
        assert_eq!(wrong(&[sign_in(0, NODE, is_accepted, (25, 45))]), [0; 3]);
        assert_eq!(wrong(&[sign_in(1, NODE, is_accepted, (9, 11))]), [0; 3]);
        assert_eq!(wrong(&[sign_in(1, NODE, is_accepted, (29, 31))]), [0; 3]);
    }
}

#[test]
fn a_node_that_refuses_the_old_password_proves_that_the_new_one_is_everywhere() {
    let refused = sign_in(0, NODE, false, (21, 22));
    assert_eq!(wrong(&[refused, sign_in(1, OTHER, false, (21, 23))]), [0; 3]);
    assert_eq!(wrong(&[refused, sign_in(1, OTHER, false, (23, 24))]), [1, 0, 0]);
    assert_eq!(wrong(&[refused, sign_in(1, Place::Service, false, (23, 24))]), [0; 3]);
}

#[test]
fn a_password_ends_once_at_each_place_until_a_node_is_killed() {
    let [first, last] = [sign_in(0, NODE, true, (20, 21)), sign_in(0, NODE, true, (24, 25))];
    assert_eq!(wrong(&[first, sign_in(0, NODE, false, (22, 23)), last]), [0, 0, 1]);
    assert_eq!(wrong(&[first, sign_in(0, NODE, false, (22, 24)), last]), [0; 3]);
    assert_eq!(wrong(&[first, sign_in(0, OTHER, false, (22, 23)), last]), [0; 3]);
    let killed = SignIn { place: Place::Node { number: 0, kills: 1 }, ..last };
    assert_eq!(wrong(&[first, sign_in(0, NODE, false, (22, 23)), killed]), [0; 3]);
}
