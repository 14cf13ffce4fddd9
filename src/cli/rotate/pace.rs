//! How fast a rotation goes: batches, pauses and a rate.

use std::time::Duration;

use clap::Args;
use tokio::sync::Mutex;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::ambient::SystemEntropy;
use crate::ports::Entropy;

/// How fast.
#[derive(Debug, Clone, Args)]
pub(super) struct PaceArgs {
    /// Subjects whose passwords are prepared at the destination together, before any of their changes is sent.
    #[arg(long, value_name = "NUMBER", default_value_t = 50, help_heading = "Pace",
        value_parser = clap::value_parser!(u32).range(1..=1000))]
    batch: u32,
    /// Seconds to wait before each batch but the first.
    #[arg(long, value_name = "SECONDS", default_value_t = 0, hide_default_value = true, help_heading = "Pace")]
    pause: u32,
    /// Wait up to this many seconds more before each batch, at random.
    #[arg(long, value_name = "SECONDS", default_value_t = 0, hide_default_value = true, help_heading = "Pace")]
    jitter: u32,
    /// Make at most this many changes in a second.
    #[arg(long, value_name = "NUMBER", help_heading = "Pace", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: Option<u32>,
}

/// The same, in use.
pub(super) struct Pace {
    args: PaceArgs,
    ticks: Option<Mutex<Interval>>,
    /// Whether nothing is changed.
    pub(super) is_dry: bool,
}

impl Pace {
    pub(super) fn of(args: &PaceArgs, is_dry: bool) -> Self {
        let ticks = args.rate.map(|rate| {
            let mut ticks = interval(Duration::from_secs(1) / rate);
            // What was slow is not made up for.
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            Mutex::new(ticks)
        });
        Self { args: args.clone(), ticks, is_dry }
    }

    pub(super) const fn batch_size(&self) -> usize {
        self.args.batch as usize
    }

    pub(super) async fn wait_before_batch(&self, is_first: bool) {
        let pause = if is_first { Duration::ZERO } else { Duration::from_secs(self.args.pause.into()) };
        let mut random = [0; 4];
        SystemEntropy.fill(&mut random);
        let jitter = f64::from(self.args.jitter) * f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX);
        tokio::time::sleep(pause + Duration::from_secs_f64(jitter)).await;
    }

    pub(super) async fn wait_before_change(&self) {
        if let Some(ticks) = &self.ticks {
            ticks.lock().await.tick().await;
        }
    }
}
