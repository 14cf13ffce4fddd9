//! One run of a rotation: batch after batch, until all subjects are done with or too many have failed.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::StreamExt;
use futures_util::stream;
use tonic::{Code, Status};

use super::calls::{Calls, may_pass};
use super::destination::{Destination, NewPassword};
use super::pace::Pace;
use super::progress::Progress;
use super::state::{State, Step};
use super::subject::{Selected, Subject};
use crate::cli::admin::refusal;
use crate::cli::failure::Failure;
use crate::cli::terminal::Terminal;
use crate::domain::password::Password;
use crate::edge::Reason;

/// How many subjects are worked on at a time.
pub(super) const IN_FLIGHT: usize = 4;

/// How a run does its work.
pub(super) struct Run<'a> {
    pub(super) calls: &'a Calls,
    /// Its id, which is the client token of its changes.
    pub(super) id: String,
    /// Whether an earlier process has begun it.
    pub(super) continues: bool,
    /// The subjects whose change an earlier process may have sent: the password of this run may be the one in force.
    pub(super) sent: HashSet<Subject>,
    pub(super) overlap_seconds: Option<u32>,
    pub(super) pace: Pace,
    pub(super) max_failures: usize,
    /// How many subjects have failed in this process.
    pub(super) failures: AtomicUsize,
    /// Whether the service is away, so that nothing more is sent.
    pub(super) is_ended: AtomicBool,
}

/// How many subjects a run did what with.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) rotated: usize,
    pub(super) left: usize,
    pub(super) failed: usize,
}

/// A subject whose new password is at the destination.
struct Prepared {
    /// Its place in the list.
    place: usize,
    password: Password,
    /// The version that the password has, if an earlier process has set it.
    version: Option<u64>,
}

/// What was found out about a subject before anything is written.
pub(super) enum Readiness {
    /// It gets this password.
    Ready(Password),
    /// It gets none now.
    Step(Step),
}

/// Subjects with passwords for them, and what becomes of other subjects.
type Proposals<'a> = (Vec<(usize, &'a Selected, Password)>, Vec<(usize, Step)>);

impl Run<'_> {
    /// Rotates all subjects that are not done with yet.
    pub(super) async fn rotate(
        &self,
        state: &mut State,
        destination: &mut Destination,
        terminal: &mut Terminal,
    ) -> Result<Tally, Failure> {
        let (open, subjects) = (state.open_subjects(), state.subjects().to_vec());
        let progress = Progress::new(open.len());
        let mut tally = Tally::default();
        for (number, batch) in open.chunks(self.pace.batch_size()).enumerate() {
            self.pace.wait_before_batch(number == 0).await;
            let batch: Vec<_> = batch.iter().filter_map(|place| Some((*place, subjects.get(*place)?))).collect();
            let (ready, mut steps) = self.prepare(&batch, state, destination, terminal).await?;
            let (changed, ended) = self.change(&subjects, &ready).await;
            let set: Vec<_> = changed
                .iter()
                .filter_map(|(place, step)| match step {
                    Step::Rotated(version) => Some((ready.iter().find(|of| of.place == *place)?, *version)),
                    _ => None,
                })
                .filter_map(|(Prepared { place, password, .. }, version)| {
                    Some((*place, NewPassword { name: &subjects.get(*place)?.name, password }, version))
                })
                .collect();
            // Recorded before the destination is told: then no change is sent again, however long the run is interrupted.
            let made = set.iter().map(|(place, _, version)| (*place, Step::Changed(*version)));
            let unrecorded: Vec<_> = made.filter(|(place, step)| state.step(*place) != Some(step)).collect();
            state.record(unrecorded)?;
            let set: Vec<_> = set.into_iter().map(|(_, new, version)| (new, version)).collect();
            if !set.is_empty() {
                destination.confirm(&set, terminal).await?;
            }
            steps.extend(changed);
            for (place, step) in &steps {
                tally.add(step);
                if let (Some(reason), Some(subject)) = (step.reason(), subjects.get(*place)) {
                    progress.say(&format!("{}: {reason}", subject.name), terminal);
                }
            }
            progress.add(steps.len(), terminal);
            state.record(steps)?;
            ended?;
            if self.is_over() {
                break;
            }
        }
        progress.finish();
        Ok(tally)
    }

    /// Sees to it that each subject of a batch that can have a new password has one at the destination. Returns these, and what
    /// becomes of the others.
    async fn prepare(
        &self,
        batch: &[(usize, &Selected)],
        state: &mut State,
        destination: &mut Destination,
        terminal: &mut Terminal,
    ) -> Result<(Vec<Prepared>, Vec<(usize, Step)>), Failure> {
        let (mut ready, mut fresh, mut steps) = (Vec::new(), Vec::new(), Vec::new());
        for &(place, subject) in batch {
            let step = state.step(place);
            // A password that was refused was not set by an earlier request either: the service looks for its token first, and
            // for the version that it replaces.
            let is_refused = matches!(step, Some(Step::Refused(_)));
            let version = match step {
                Some(Step::Changed(version)) => Some(*version),
                _ => None,
            };
            let stored = if self.continues && !is_refused {
                destination.stored(&subject.name, version.is_some()).await?
            } else {
                None
            };
            match (stored, version) {
                (Some(password), version) => ready.push(Prepared { place, password, version }),
                (None, Some(version)) => steps.push((place, lost(version))),
                (None, None) => fresh.push((place, subject)),
            }
        }
        let (proposed, refused) = self.proposals(fresh).await?;
        steps.extend(refused);
        if !proposed.is_empty() {
            let new = proposed.iter().map(|(_, subject, password)| NewPassword { name: &subject.name, password });
            destination.prepare(&new.collect::<Vec<_>>(), terminal).await?;
        }
        let new = proposed.into_iter();
        ready.extend(new.map(|(place, _, password)| Prepared { place, password, version: None }));
        // Those of a failed change too: once it succeeds, their password is no longer pending.
        let unrecorded =
            ready.iter().filter(|of| of.version.is_none() && state.step(of.place) != Some(&Step::Prepared));
        let unrecorded: Vec<_> = unrecorded.map(|of| (of.place, Step::Prepared)).collect();
        state.record(unrecorded)?;
        Ok((ready, steps))
    }

    /// Passwords for the subjects that can have a new one now, and what becomes of the others. Of a run that ends meanwhile, those
    /// that were not asked about are left out.
    async fn proposals<'a>(&self, fresh: Vec<(usize, &'a Selected)>) -> Result<Proposals<'a>, Failure> {
        let asked = fresh.into_iter().map(|(place, subject)| async move {
            if self.is_over() {
                return None;
            }
            let readiness = self.readiness(subject).await;
            match &readiness {
                Ok(Readiness::Ready(_)) => {}
                Ok(Readiness::Step(step)) => self.count(step),
                // No other one is asked about.
                Err(_) => self.is_ended.store(true, Ordering::Relaxed),
            }
            Some((place, subject, readiness))
        });
        let answers: Vec<_> = stream::iter(asked).buffer_unordered(IN_FLIGHT).collect().await;
        let (mut proposed, mut steps) = (Vec::new(), Vec::new());
        for (place, subject, readiness) in answers.into_iter().flatten() {
            match readiness? {
                Readiness::Ready(password) => proposed.push((place, subject, password)),
                Readiness::Step(step) => steps.push((place, step)),
            }
        }
        Ok((proposed, steps))
    }

    /// Whether a subject can have a new password now, and which.
    pub(super) async fn readiness(&self, subject: &Selected) -> Result<Readiness, Failure> {
        match self.propose(subject).await {
            Ok(readiness) => Ok(readiness),
            Err(status) => step_of(&status, self.was_sent(subject)).map(Readiness::Step),
        }
    }

    async fn propose(&self, subject: &Selected) -> Result<Readiness, Status> {
        let Some(seconds) = self.overlap_seconds else {
            return self.calls.propose(subject, false).await.map(Readiness::Ready);
        };
        let overlap = self.calls.overlap(&subject.name).await?;
        if overlap.current.as_ref().is_some_and(|current| current.version != subject.version) {
            return Ok(Readiness::Step(changed(self.was_sent(subject))));
        }
        if overlap.previous.is_some() {
            let reason = "an overlap runs: another change would end the older password";
            return Ok(Readiness::Step(Step::Left(reason.to_owned())));
        }
        let password = self.calls.propose(subject, true).await?;
        if overlap.overlap_seconds < seconds && !self.pace.is_dry {
            self.calls.set_overlap(&subject.name, seconds).await?;
        }
        Ok(Readiness::Ready(password))
    }

    /// Sends the changes. What is not sent because the run ends is prepared, and nothing else.
    async fn change(&self, subjects: &[Selected], ready: &[Prepared]) -> (Vec<(usize, Step)>, Result<(), Failure>) {
        let sends = ready.iter().map(|Prepared { place, password, version }| async move {
            if let Some(version) = version {
                return Some((*place, Ok(Step::Rotated(*version))));
            }
            let subject = subjects.get(*place)?;
            self.pace.wait_before_change().await;
            if self.is_over() {
                return None;
            }
            let keep_previous = self.overlap_seconds.is_some();
            let step = match self.calls.set(subject, password, &self.id, keep_previous).await {
                Ok(version) => Ok(Step::Rotated(version)),
                Err(status) => step_of(&status, self.was_sent(subject)),
            };
            match &step {
                Ok(step) => self.count(step),
                // No other one is sent.
                Err(_) => self.is_ended.store(true, Ordering::Relaxed),
            }
            Some((*place, step))
        });
        let outcomes: Vec<_> = stream::iter(sends).buffer_unordered(IN_FLIGHT).collect().await;
        let (mut steps, mut ended) = (Vec::new(), Ok(()));
        for (place, step) in outcomes.into_iter().flatten() {
            match step {
                Ok(step) => steps.push((place, step)),
                Err(failure) => ended = Err(failure),
            }
        }
        (steps, ended)
    }

    fn was_sent(&self, subject: &Selected) -> bool {
        self.sent.contains(&subject.name)
    }

    fn count(&self, step: &Step) {
        if matches!(step, Step::Failed(_) | Step::Refused(_)) {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether nothing more is sent: the service is away, or so many have failed.
    pub(super) fn is_over(&self) -> bool {
        self.is_ended.load(Ordering::Relaxed) || self.failures.load(Ordering::Relaxed) >= self.max_failures
    }
}

impl Tally {
    pub(super) fn add(&mut self, step: &Step) {
        match step {
            Step::Rotated(_) => self.rotated += 1,
            Step::Left(_) | Step::Unconfirmed(_) => self.left += 1,
            Step::Failed(_) | Step::Refused(_) => self.failed += 1,
            Step::Prepared | Step::Changed(_) => {}
        }
    }
}

/// What becomes of a subject whose password was changed by an earlier process and is not at the destination.
fn lost(version: u64) -> Step {
    Step::Unconfirmed(format!(
        "its password was changed to version {version}, and is the pending one of the earlier process"
    ))
}

/// What becomes of a subject whose password was changed after the run began. The service forgets a change that an earlier process
/// sent after a day.
fn changed(was_sent: bool) -> Step {
    if was_sent {
        Step::Unconfirmed(
            "its password was changed after the run began; if this run changed it and was killed before the record, the \
             pending password is in force"
                .to_owned(),
        )
    } else {
        Step::Left("its password was changed by another caller after the run began".to_owned())
    }
}

/// What becomes of a subject whose call was refused. An error of the service itself ends the run.
fn step_of(status: &Status, was_sent: bool) -> Result<Step, Failure> {
    if may_pass(status) {
        return Err(refusal::failure(status));
    }
    let text = refusal::text(status).replace("\n  ", "; ");
    Ok(match refusal::reason(status) {
        Some(Reason::VersionConflict) => changed(was_sent),
        Some(Reason::PasswordPolicyViolation | Reason::PasswordReused) => Step::Refused(text),
        _ if status.code() == Code::NotFound => Step::Left(text),
        _ => Step::Failed(text),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tonic_types::{ErrorDetails, StatusExt};

    use super::*;

    #[test]
    fn one_subject_s_refusal_is_told_from_a_service_that_is_away() {
        let status = |code, reason: &str| {
            let mut details = ErrorDetails::new();
            details.set_error_info(reason, "credential.v1", HashMap::new());
            Status::with_error_details(code, "no", details)
        };
        let step = |code, reason| step_of(&status(code, reason), false);
        assert!(matches!(step(Code::FailedPrecondition, "VERSION_CONFLICT"), Ok(Step::Left(_))));
        let conflict = status(Code::FailedPrecondition, "VERSION_CONFLICT");
        assert!(matches!(step_of(&conflict, true), Ok(Step::Unconfirmed(_))));
        assert!(matches!(step(Code::NotFound, "USER_NOT_FOUND"), Ok(Step::Left(_))));
        assert!(matches!(step(Code::PermissionDenied, "ACCESS_DENIED"), Ok(Step::Failed(_))));
        assert!(matches!(step(Code::InvalidArgument, "PASSWORD_POLICY_VIOLATION"), Ok(Step::Refused(_))));
        assert!(matches!(step(Code::ResourceExhausted, "TOO_MANY_ATTEMPTS"), Ok(Step::Failed(_))));
        assert!(
            step(Code::Unavailable, "OVERLOADED")
                .is_err_and(|failure| failure.kind() == crate::cli::failure::Kind::NotNow)
        );
        assert!(step_of(&Status::unavailable("gone"), false).is_err());
    }
}
