//! How long hashes take, as measured: alone, in pairs, and under load. Decides whether pairs pay.

use std::time::Duration;

/// Of so many turns under load, one is a trial of the other way: of single hashes while pairs pay, and of pairs while not.
const TRIAL_EVERY: u32 = 64;

/// The other way has to be better so many times in a row.
const TRIALS: u32 = 3;

/// Moving averages of what was measured, each absent before its first value.
#[derive(Debug, Default)]
pub(super) struct Times {
    /// Time of one hash alone, under load or not.
    alone: Option<Duration>,
    /// The same under load: while more hashes waited than there were idle workers.
    alone_under_load: Option<Duration>,
    /// Time of two hashes together, which is always under load.
    pair: Option<Duration>,
    /// Time of a pair, divided by that of a single hash at the same moment. Unlike the times, it does not depend on what else
    /// the machine does.
    ratio: Option<f64>,
    /// Time of a worker for each hash under load, as it computed them: alone or in pairs.
    each_under_load: Option<Duration>,
    /// Number of turns under load.
    turns: u32,
    /// Number of times in a row that the other way was better.
    lost: u32,
    /// Whether two single hashes take less time than a pair.
    alone_is_better: bool,
}

impl Times {
    /// Learns from the time that one hash took.
    pub(super) fn measured(&mut self, took: Duration, is_under_load: bool) {
        self.alone = Some(moved(self.alone, took, 8));
        if is_under_load {
            self.alone_under_load = Some(moved(self.alone_under_load, took, 8));
            self.each_under_load = Some(moved(self.each_under_load, took, 8));
            self.turns = self.turns.wrapping_add(1);
            if let (Some(pair), false) = (self.pair, self.alone_is_better) {
                self.compared(pair, took);
            }
        }
    }

    /// Learns from the time that two hashes took together. A single hash would have taken its usual part of it.
    pub(super) fn measured_pair(&mut self, took: Duration) {
        let first = || Some(took.as_secs_f64() / self.alone?.as_secs_f64().max(f64::EPSILON));
        let ratio = *self.ratio.get_or_insert_with(|| first().map_or(2.0, bounded));
        self.alone = Some(moved(self.alone, took.div_f64(ratio), 8));
        self.pair = Some(moved(self.pair, took, 8));
        self.each_under_load = Some(moved(self.each_under_load, took / 2, 8));
        self.turns = self.turns.wrapping_add(1);
        if let (Some(alone), true) = (self.alone_under_load, self.alone_is_better) {
            self.compared(took, alone);
        }
    }

    /// Time of one hash alone.
    pub(super) fn alone(&self) -> Duration {
        self.alone.unwrap_or_default()
    }

    /// Time of two hashes together; before the first pair, of one alone.
    pub(super) fn pair(&self) -> Duration {
        self.believable(self.pair, 4)
    }

    /// Time that a worker which can have two hashes takes until it is free again: for both together, or for the first of them.
    pub(super) fn turn(&self) -> Duration {
        if self.alone_is_better { self.alone() } else { self.pair() }
    }

    /// Time of a worker for each hash while more are waiting.
    pub(super) fn each_under_load(&self) -> Duration {
        self.believable(self.each_under_load, 2)
    }

    /// Whether the next turn under load is to be a pair.
    pub(super) const fn pairs_next(&self) -> bool {
        let is_trial = self.turns % TRIAL_EVERY == TRIAL_EVERY - 1;
        self.alone_is_better == is_trial
    }

    /// Only load teaches it, and too high a value would keep load away for ever. So it is bounded by what every hash
    /// teaches.
    fn believable(&self, time: Option<Duration>, times_alone: u32) -> Duration {
        time.map_or(self.alone(), |time| time.min(self.alone().saturating_mul(times_alone)))
    }

    /// Learns from both ways at the same moment. If a pair takes between 0.95 and 1 of two single hashes, it stays what it was:
    /// better or not.
    fn compared(&mut self, pair: Duration, alone: Duration) {
        let now = bounded(pair.as_secs_f64() / alone.as_secs_f64().max(f64::EPSILON));
        self.ratio = Some(self.ratio.map_or(now, |ratio| (ratio * 3.0 + now) / 4.0));
        let other_is_better = if self.alone_is_better { now < 1.9 } else { now > 2.0 };
        self.lost = if other_is_better { self.lost + 1 } else { 0 };
        if self.lost < TRIALS {
            return;
        }
        (self.lost, self.alone_is_better) = (0, !self.alone_is_better);
        let one_after_the_other = alone.saturating_mul(2);
        if self.alone_is_better {
            tracing::info!(?pair, ?one_after_the_other, "two hashes take longer together: no pairs until they pay");
        } else {
            tracing::info!(?pair, ?one_after_the_other, "two hashes take less time together: pairs again");
        }
    }
}

/// A ratio of times, without what a pause of the machine makes of it: two hashes take as long as one, to twice as long as two.
fn bounded(ratio: f64) -> f64 {
    ratio.clamp(1.0, 4.0)
}

/// Updates a moving average over `values` values with one more value.
pub(super) fn moved(average: Option<Duration>, value: Duration, values: u32) -> Duration {
    average.map_or(value, |average| average.saturating_mul(values.saturating_sub(1)).saturating_add(value) / values)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Takes so many turns under load, with these times.
    fn run(times: &mut Times, turns: u32, alone: Duration, pair: Duration) {
        for _ in 0..turns {
            if times.pairs_next() {
                times.measured_pair(pair);
            } else {
                times.measured(alone, true);
            }
        }
    }

    fn started() -> Times {
        let mut times = Times::default();
        times.measured(ms(10), false);
        times.measured_pair(ms(14));
        times
    }

    #[test]
    fn pairs_alone_teach_what_a_single_hash_takes() {
        let mut times = started();
        run(&mut times, TRIAL_EVERY * 11, ms(10), ms(14));
        for _ in 0..60 {
            times.measured_pair(ms(28));
        }
        assert!((19..=21).contains(&times.alone().as_millis()), "{times:?}");
    }

    #[test]
    fn the_time_of_each_hash_is_that_of_what_ran() {
        let mut times = started();
        assert_eq!(times.each_under_load(), ms(7));
        for _ in 0..100 {
            times.measured(ms(10), true);
        }
        assert!(times.each_under_load() > Duration::from_micros(9_990), "{times:?}");
        // Without load, hashes are computed alone, and that tells nothing of load.
        run(&mut times, 60, ms(10), ms(14));
        let under_load = times.each_under_load();
        times.measured(ms(10), false);
        assert_eq!(times.each_under_load(), under_load);
        assert!(under_load < Duration::from_micros(7_100), "{times:?}");
    }

    #[test]
    fn an_absurd_time_does_not_keep_load_away() {
        let mut times = started();
        times.measured_pair(Duration::from_hours(1));
        for _ in 0..300 {
            times.measured(ms(10), false);
        }
        assert!(times.each_under_load() <= ms(21) && times.pair() <= ms(41), "{times:?}");
    }

    #[test]
    fn pairs_end_where_they_do_not_pay_and_begin_again_where_they_do() {
        let mut times = started();
        run(&mut times, 1000, ms(10), ms(14));
        assert!(!times.alone_is_better);
        run(&mut times, TRIAL_EVERY * 20, ms(10), ms(22));
        assert!(times.alone_is_better);
        // Near to equal, nothing changes.
        run(&mut times, TRIAL_EVERY * 60, Duration::from_micros(10_100), ms(20));
        assert!(times.alone_is_better);
        run(&mut times, TRIAL_EVERY * 60, ms(10), ms(15));
        assert!(!times.alone_is_better);
    }

    #[test]
    fn a_machine_that_gets_slower_ends_no_pairs() {
        let mut times = started();
        run(&mut times, TRIAL_EVERY * 10, ms(10), ms(14));
        for slower in [2, 4, 1, 8] {
            for _ in 0..TRIAL_EVERY * 10 {
                run(&mut times, 1, ms(10) * slower, ms(14) * slower);
                assert!(!times.alone_is_better, "{slower}: {times:?}");
            }
        }
        assert!((78..=82).contains(&times.alone().as_millis()), "{times:?}");
    }

    #[test]
    fn a_turn_takes_as_long_as_what_runs() {
        let mut times = started();
        assert_eq!(times.turn(), ms(14));
        run(&mut times, TRIAL_EVERY * 20, ms(10), ms(22));
        assert!(times.alone_is_better && (ms(10)..ms(11)).contains(&times.turn()), "{times:?}");
    }

    #[test]
    fn one_slow_pair_ends_nothing() {
        let mut times = started();
        for _ in 0..20 {
            run(&mut times, TRIAL_EVERY - 1, ms(10), ms(14));
            times.measured_pair(Duration::from_secs(1));
            assert!(!times.alone_is_better);
            run(&mut times, TRIAL_EVERY * 2, ms(10), ms(14));
        }
        assert!(!times.alone_is_better);
    }

    #[test]
    fn a_turn_of_many_is_a_trial() {
        let mut times = started();
        let pairs = (0..640).filter(|_| {
            let is_pair = times.pairs_next();
            run(&mut times, 1, ms(10), ms(14));
            is_pair
        });
        assert_eq!(pairs.count(), 630);
    }
}
