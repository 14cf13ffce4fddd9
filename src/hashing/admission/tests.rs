//! Tests of what is admitted, and when.

use super::*;

const LONG: Duration = Duration::from_hours(1);

/// Two workers, 10 ms per hash, at most 100 ms of waiting.
fn admission() -> Arc<Admission> {
    let admission = Admission::new(NonZeroU32::new(2).unwrap(), false, Duration::from_millis(100));
    admission.measured(Duration::from_millis(10), false);
    Arc::new(admission)
}

/// So many hashes, all at the same time.
const fn beside(total: u32) -> HashDemand {
    HashDemand { total, in_sequence: 1 }
}

/// Admission of one tenant while no other has work.
impl Admission {
    fn admit_alone(self: &Arc<Self>, count: u32, remaining: Duration) -> Result<Reservation, NotAdmitted> {
        self.admit_all(beside(count), remaining)
    }

    fn admit_all(self: &Arc<Self>, demand: HashDemand, remaining: Duration) -> Result<Reservation, NotAdmitted> {
        self.admit(&TenantName::parse("alone").unwrap(), demand, remaining)
    }

    fn outstanding(&self) -> u32 {
        self.figures().outstanding
    }
}

#[test]
fn one_tenants_load_is_ahead_of_another_only_in_turn() {
    let admission = admission();
    let [greedy, modest] = ["greedy", "modest"].map(|name| TenantName::parse(name).unwrap());
    let _ahead = admission.admit(&greedy, beside(20), LONG).ok();
    assert!(admission.admit(&greedy, beside(2), Duration::from_millis(100)).is_err());
    // Behind two hashes of the other tenant, which take 10 ms on two workers, and at most 13.3 ms.
    assert!(admission.admit(&modest, beside(2), Duration::from_millis(23)).is_err());
    assert!(admission.admit(&modest, beside(2), Duration::from_millis(24)).is_ok());
}

/// Finishes `count` of the admitted hashes, one every 20 ms: a quarter of what two workers can do.
#[expect(clippy::disallowed_methods, reason = "there is no other instant to begin with")]
fn finish_slowly(reservation: &Reservation, count: u32) {
    let now = Instant::now();
    for number in 0..count {
        reservation.take(1).unwrap().finished(now + Duration::from_millis(20) * number);
    }
}

#[test]
fn what_others_take_again_and_again_counts_as_it_was_lately() {
    let admission = admission();
    let reservation = admission.admit_alone(20, LONG).unwrap();
    let _others_outstanding = admission.admit_alone(1, LONG).unwrap();
    finish_slowly(&reservation, 16);
    let Err(NotAdmitted::DeadlineTooShort { expected_wait, .. }) = admission.admit_alone(1, Duration::ZERO) else {
        panic!("no time is too short");
    };
    // Five hashes at 5 ms take 25 ms, and at the new pace 100 ms; the average is in between.
    assert!((40..100).contains(&expected_wait.as_millis()), "{expected_wait:?}");
}

#[test]
fn who_asks_slowly_is_not_served_slowly() {
    let admission = admission();
    for _ in 0..100 {
        finish_slowly(&admission.admit_alone(2, LONG).unwrap(), 2);
    }
    let _burst = admission.admit_alone(10, LONG).unwrap();
    let refused = admission.admit_alone(1, Duration::ZERO).err();
    let ahead = Duration::from_millis(50);
    assert!(
        matches!(refused, Some(NotAdmitted::DeadlineTooShort { expected_wait, .. }) if expected_wait == ahead),
        "{refused:?}"
    );
}

#[test]
fn an_idle_engine_admits_what_fits_the_deadline_exactly() {
    assert!(admission().admit_alone(2, Duration::from_millis(10)).is_ok());
    let refused = admission().admit_alone(3, Duration::from_millis(19)).err();
    let (expected_wait, enough) = (Duration::ZERO, Duration::from_millis(20));
    assert_eq!(refused, Some(NotAdmitted::DeadlineTooShort { expected_wait, enough }));
    assert!(admission().admit_alone(3, Duration::from_millis(20)).is_ok());
}

#[test]
fn hashes_in_sequence_take_their_time_however_many_workers_there_are() {
    let millis = Duration::from_millis;
    let tries = HashDemand::in_sequence(3);
    for (demand, enough) in [
        (tries, 30),
        (tries.beside(HashDemand::ONE), 30),
        (tries.beside(HashDemand::in_sequence(5)), 50),
        (tries.then(HashDemand::in_sequence(2)).beside(HashDemand::ONE), 50),
        // More than two workers compute at a time.
        (tries.beside(beside(8)), 60),
    ] {
        let refused = admission().admit_all(demand, millis(enough - 1)).err();
        let (expected_wait, enough) = (Duration::ZERO, millis(enough));
        assert_eq!(refused, Some(NotAdmitted::DeadlineTooShort { expected_wait, enough }), "{demand:?}");
        let admitted = admission().admit_all(demand, enough).unwrap();
        assert_eq!(admitted.own_time(), enough, "what begins later does not finish in time");
        assert!(admitted.take(demand.total).is_some() && admitted.take(1).is_none());
    }
}

#[test]
fn the_work_ahead_counts_and_may_take_a_third_longer_than_expected() {
    let admission = admission();
    let _ahead = admission.admit_alone(6, LONG).ok();
    let refused = admission.admit_alone(1, Duration::from_millis(49)).err();
    let (expected_wait, enough) = (Duration::from_millis(30), Duration::from_millis(50));
    assert_eq!(refused, Some(NotAdmitted::DeadlineTooShort { expected_wait, enough }));
    assert!(admission.admit_alone(1, Duration::from_millis(50)).is_ok());
}

#[test]
fn beyond_the_longest_wait_nothing_is_admitted() {
    let admission = admission();
    let _up_to_the_limit = admission.admit_alone(20, LONG).ok();
    let _one_more = admission.admit_alone(1, LONG).ok();
    let refused = admission.admit_alone(1, LONG).err();
    assert_eq!(refused, Some(NotAdmitted::Overloaded { expected_wait: Duration::from_millis(105) }));
}

#[test]
fn what_is_dropped_or_finished_is_given_back() {
    let admission = admission();
    let reservation = admission.admit_alone(3, LONG).unwrap();
    let slot = reservation.take(2).unwrap();
    drop(reservation);
    assert_eq!(admission.outstanding(), 2);
    drop(slot);
    assert_eq!(admission.outstanding(), 0);
}

#[test]
fn no_more_is_taken_than_was_admitted() {
    let reservation = admission().admit_alone(4, LONG).unwrap();
    let _taken = (reservation.take(1).unwrap(), reservation.take(2).unwrap());
    assert!(reservation.take(2).is_none());
}

#[test]
fn slower_hashes_are_learned_of() {
    let admission = admission();
    for _ in 0..100 {
        admission.measured(Duration::from_millis(40), false);
    }
    assert!(admission.admit_alone(1, Duration::from_millis(39)).is_err());
}

#[test]
fn absurd_counts_neither_overflow_nor_panic() {
    let admission = admission();
    let _all = admission.admit_alone(u32::MAX, Duration::MAX);
    assert!(admission.admit_alone(u32::MAX, Duration::MAX).is_err());
}

#[test]
fn what_waits_counts_by_the_time_of_pairs() {
    let admission = Admission::new(NonZeroU32::new(2).unwrap(), true, Duration::from_millis(100));
    admission.measured(Duration::from_millis(10), false);
    admission.measured_pair(Duration::from_millis(14));
    let admission = Arc::new(admission);
    let reservation = admission.admit_alone(6, LONG).unwrap();
    assert_eq!(reservation.own_time(), Duration::from_millis(30));
    assert_eq!(reservation.own_time_in_pairs(), Duration::from_millis(42));
    let refused = admission.admit_alone(1, Duration::ZERO).err();
    // Six hashes on two workers at 7 ms each, a third more, and one hash alone.
    let (expected_wait, enough) = (Duration::from_millis(21), Duration::from_millis(38));
    assert_eq!(refused, Some(NotAdmitted::DeadlineTooShort { expected_wait, enough }));
}

#[test]
fn a_newcomer_waits_for_the_pairs_that_run() {
    let admission = Admission::new(NonZeroU32::new(2).unwrap(), true, LONG);
    admission.measured(Duration::from_millis(10), false);
    admission.measured_pair(Duration::from_millis(14));
    let admission = Arc::new(admission);
    let wait =
        |tenant: &str| match admission.admit(&TenantName::parse(tenant).unwrap(), beside(2), Duration::ZERO).err() {
            Some(NotAdmitted::DeadlineTooShort { expected_wait, .. }) => expected_wait,
            other => panic!("no time is enough, and not {other:?}"),
        };
    let greedy = TenantName::parse("greedy").unwrap();
    let _one = admission.admit(&greedy, beside(1), LONG).unwrap();
    // A worker is idle.
    assert!(wait("newcomer") < Duration::from_millis(10));
    let _another = admission.admit(&greedy, beside(1), LONG).unwrap();
    assert_eq!(wait("newcomer"), Duration::from_millis(10));
    let _many = admission.admit(&greedy, beside(50), LONG).unwrap();
    assert_eq!(wait("newcomer"), Duration::from_millis(14));
}

#[test]
fn what_waits_counts_by_what_ran() {
    let admission = Admission::new(NonZeroU32::new(2).unwrap(), true, LONG);
    admission.measured_pair(Duration::from_millis(14));
    // Hashes that do not go together run alone.
    for _ in 0..100 {
        admission.measured(Duration::from_millis(10), true);
    }
    let admission = Arc::new(admission);
    let _ahead = admission.admit_alone(20, LONG).unwrap();
    let refused = admission.admit_alone(1, Duration::ZERO).err();
    let Some(NotAdmitted::DeadlineTooShort { expected_wait, .. }) = refused else { panic!("{refused:?}") };
    assert!(expected_wait > Duration::from_millis(99), "{expected_wait:?}");
}
