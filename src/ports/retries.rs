//! When to retry what failed: the pauses and the limits of all retries, in one place.
//!
//! A policy is a builder of [`backon`], which yields its pauses. Random numbers and the time come from ports:
//! [`random`] and [`until`].

use std::time::{Duration, Instant};

use backon::ExponentialBuilder;

use super::{Clock, Entropy};

/// A transaction that conflicted with others, lost its connection, or has an unknown outcome.
pub const TRANSACTION: ExponentialBuilder = every(Duration::from_millis(4)).with_max_delay(Duration::from_millis(250));
/// The search for a database server that takes writes.
pub const CONNECTION: ExponentialBuilder = every(Duration::from_millis(50));
/// A database file that another process has locked.
pub const FILE_LOCK: ExponentialBuilder = every(Duration::from_millis(10)).with_total_delay(Some(FILE_LOCK_PATIENCE));
/// How long to wait for that lock.
pub const FILE_LOCK_PATIENCE: Duration = Duration::from_secs(5);
/// A store that has an owner: another process may only have checked for one.
pub const OWNER: ExponentialBuilder =
    every(Duration::from_millis(10)).with_total_delay(Some(Duration::from_millis(500)));
/// A port that an outgoing connection got by chance. It usually ends soon.
pub const PORT: ExponentialBuilder = every(Duration::from_millis(200)).with_total_delay(Some(Duration::from_secs(3)));
/// A change that a command sent and whose outcome it does not know. Does not end: the command has a time limit.
pub const SENT_CHANGE: ExponentialBuilder = every(Duration::from_millis(100)).with_max_delay(Duration::from_secs(2));
/// A notification that was not delivered, and a watch that was interrupted. Does not end.
pub const NOTIFICATION: ExponentialBuilder = every(Duration::from_secs(1)).with_max_delay(Duration::from_mins(5));
/// Accepting a connection, when the system has no resources for it. Does not end.
pub const ACCEPT_AFTER: Duration = Duration::from_millis(50);
/// Recording a failed attempt that the store did not take. Does not end.
pub const RECORD_AFTER: Duration = Duration::from_secs(1);
/// How often work is done, at most, if each time another writer was faster.
pub const TRIES_IN_A_RACE: u32 = 10;
/// How often a transaction is run, at most, if each time a constraint of the database is violated: nearly always
/// another writer was faster, and the next attempt sees its result.
pub const TRIES_OF_A_CONSTRAINT: u32 = 3;

/// The same pause each time. With a longer maximum, it doubles up to there.
const fn every(pause: Duration) -> ExponentialBuilder {
    ExponentialBuilder::new().with_min_delay(pause).with_max_delay(pause).without_max_times()
}

/// Random pauses, each up to the length of the original one: what collided does not collide again.
pub fn random(pauses: impl Iterator<Item = Duration>, entropy: &dyn Entropy) -> impl Iterator<Item = Duration> {
    pauses.map(|longest| {
        let mut random = [0; 4];
        entropy.fill(&mut random);
        longest.mul_f64(f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX))
    })
}

/// The pauses up to a time: no attempt begins after it.
pub fn until(
    pauses: impl Iterator<Item = Duration>,
    clock: &dyn Clock,
    until: Instant,
) -> impl Iterator<Item = Duration> {
    pauses.take_while(move |pause| clock.instant() + *pause <= until)
}
