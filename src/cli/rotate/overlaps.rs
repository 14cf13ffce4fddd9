//! The second step of a rotation with overlaps: ends those whose old password is no longer used.

use std::time::Duration;

use tonic::{Code, Status};

use super::calls::{Calls, may_pass};
use super::state::{State, Step};
use super::subject::Subject;
use crate::ambient::SystemClock;
use crate::cli::admin::refusal;
use crate::cli::failure::Failure;
use crate::cli::terminal::Terminal;
use crate::domain::overlap::MOST_CALLERS;
use crate::domain::time::Timestamp;
use crate::grpc::generated::credential::admin::v1 as wire;
use crate::ports::Clock;

/// How often to look again.
const LOOK_AGAIN: Duration = Duration::from_secs(15);

/// What an overlap is like.
#[derive(Debug, PartialEq, Eq)]
enum Overlap {
    /// Only one password is valid.
    Over,
    /// Each caller that was seen uses the new password.
    Unused,
    /// Nodes verify the passwords by themselves, so who uses which is not known. It lasts until it expires.
    Delivered,
    /// It is not known yet that the old password can go, for this reason.
    InUse(String),
}

/// How many overlaps are in which state.
#[derive(Default)]
struct Tally {
    ended: usize,
    over: usize,
    left_to_expire: usize,
    in_use: Vec<String>,
    failed: Vec<String>,
}

/// Ends the overlaps of the subjects that a run has rotated, as far as their old passwords are unused for so long. Looks again
/// until that time is over.
pub(super) async fn end(
    calls: &Calls,
    state: &State,
    unused_for: Duration,
    wait: Duration,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let until = SystemClock.now().after(wait);
    let mut ended = 0;
    loop {
        let mut tally = look(calls, state, unused_for).await?;
        ended += tally.ended;
        tally.ended = ended;
        if tally.in_use.is_empty() || SystemClock.now().after(LOOK_AGAIN) > until {
            return tally.report(terminal);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

async fn look(calls: &Calls, state: &State, unused_for: Duration) -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    for (place, subject) in state.subjects().iter().enumerate() {
        let Some(Step::Rotated(version)) = state.step(place) else { continue };
        if !subject.name.kind.has_overlaps() {
            continue;
        }
        match end_of(calls, &subject.name, *version, unused_for).await {
            Ok(Overlap::Over) => tally.over += 1,
            Ok(Overlap::Unused) => tally.ended += 1,
            Ok(Overlap::Delivered) => tally.left_to_expire += 1,
            Ok(Overlap::InUse(reason)) => tally.in_use.push(format!("{}: {reason}", subject.name)),
            Err(status) if status.code() == Code::NotFound => tally.over += 1,
            Err(status) if may_pass(&status) => return Err(refusal::failure(&status)),
            Err(status) => {
                let text = refusal::text(&status).replace("\n  ", "; ");
                tally.failed.push(format!("{}: {text}", subject.name));
            }
        }
    }
    Ok(tally)
}

async fn end_of(calls: &Calls, name: &Subject, version: u64, unused_for: Duration) -> Result<Overlap, Status> {
    let found = judged(&calls.overlap(name).await?, version, SystemClock.now(), unused_for);
    if found != Overlap::Over && calls.is_delivered(name).await? {
        return Ok(Overlap::Delivered);
    }
    if found == Overlap::Unused {
        calls.end_overlap(name).await?;
    }
    Ok(found)
}

/// Whether the old password can go: the new one was set so long ago and is used, each caller that used the old one has used the
/// new one since, and none has used the old one for so long. Uses of the old one may be recorded only since then.
fn judged(overlap: &wire::PasswordOverlap, version: u64, now: Timestamp, unused_for: Duration) -> Overlap {
    let (Some(current), Some(previous)) = (&overlap.current, &overlap.previous) else { return Overlap::Over };
    // Of another change, which is not for this run to conclude.
    if current.version != version {
        return Overlap::Over;
    }
    if current.uses.is_empty() {
        return Overlap::InUse("no use of the new password is recorded".to_owned());
    }
    if previous.uses.len() >= MOST_CALLERS as usize {
        return Overlap::InUse("more callers may have used the old password than are listed".to_owned());
    }
    for old in &previous.uses {
        let is_the_same =
            |new: &&wire::PasswordUse| (new.caller_kind, &new.caller_name) == (old.caller_kind, &old.caller_name);
        let has_switched = current.uses.iter().find(is_the_same).is_some_and(|new| at(new) >= at(old));
        if !has_switched || at(old).after(unused_for) > now {
            return Overlap::InUse(format!("{} still uses the old password", old.caller_name));
        }
    }
    if micros(current.change_time.as_ref()).after(unused_for) > now {
        return Overlap::InUse("the new password was set less than --unused-for ago".to_owned());
    }
    Overlap::Unused
}

fn at(usage: &wire::PasswordUse) -> Timestamp {
    micros(usage.last_use_time.as_ref())
}

/// A time; if it is absent, one that never comes.
fn micros(time: Option<&prost_types::Timestamp>) -> Timestamp {
    let micros = |time: &prost_types::Timestamp| {
        time.seconds.saturating_mul(1_000_000).saturating_add(i64::from(time.nanos / 1000))
    };
    Timestamp::from_micros(time.map_or(i64::MAX, micros))
}

impl Tally {
    fn report(self, terminal: &mut Terminal) -> Result<(), Failure> {
        for line in self.failed.iter().chain(&self.in_use) {
            terminal.complain(line);
        }
        let Self { ended, over, left_to_expire, in_use, failed } = self;
        let (in_use, failed) = (in_use.len(), failed.len());
        if left_to_expire > 0 {
            terminal.complain(
                "overlaps of accounts with an endpoint last until they expire, because their nodes do not tell who uses \
                 which password: end them earlier with `credentiald admin end-password-overlap`",
            );
        }
        terminal.print(&format!(
            "ended {ended}, over before {over}, left to expire {left_to_expire}, in use {in_use}, failed {failed}"
        ))?;
        if failed > 0 {
            return Err(Failure::failed("not every overlap could be ended"));
        }
        if in_use > 0 {
            return Err(Failure::not_now(
                "old passwords are still in use: run the same command again later".to_owned(),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(uses: &[(&str, i64)]) -> Vec<wire::PasswordUse> {
        let usage = |(caller, seconds): &(&str, i64)| wire::PasswordUse {
            caller_kind: 4,
            caller_name: (*caller).to_owned(),
            last_use_time: Some(prost_types::Timestamp { seconds: *seconds, nanos: 0 }),
        };
        uses.iter().map(usage).collect()
    }

    #[test]
    fn an_old_password_goes_once_all_who_used_it_use_the_new_one() {
        let now = Timestamp::from_micros(1_000_000_000);
        let judge_set_at = |seconds, new: &[(&str, i64)], old: &[(&str, i64)]| {
            let change_time = Some(prost_types::Timestamp { seconds, nanos: 0 });
            let known = |version, uses| {
                Some(wire::KnownPassword { version, change_time, uses: used(uses), ..Default::default() })
            };
            let overlap =
                wire::PasswordOverlap { overlap_seconds: 60, current: known(2, new), previous: known(1, old) };
            judged(&overlap, 2, now, Duration::from_secs(100))
        };
        let judge = |new: &[(&str, i64)], old: &[(&str, i64)]| judge_set_at(700, new, old);
        assert!(
            matches!(judge_set_at(950, &[("relay", 960)], &[]), Overlap::InUse(_)),
            "others had no time to be seen"
        );
        assert!(matches!(judge(&[("relay", 950)], &[("relay", 800); MOST_CALLERS as usize]), Overlap::InUse(_)));
        assert_eq!(judge(&[("relay", 950)], &[("relay", 800)]), Overlap::Unused);
        assert_eq!(judge(&[("relay", 950)], &[]), Overlap::Unused);
        for (new, old) in [
            (&[][..], &[][..]),
            (&[("relay", 950)], &[("relay", 800), ("console", 10)]),
            (&[("relay", 950)], &[("relay", 940)]),
            (&[("relay", 700)], &[("relay", 800)]),
        ] {
            assert!(matches!(judge(new, old), Overlap::InUse(_)), "{new:?} {old:?}");
        }
        assert_eq!(judged(&wire::PasswordOverlap::default(), 2, now, Duration::ZERO), Overlap::Over);
    }
}
