//! The limits of the service, from the settings.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::config::{Attempts, Config, Quotas, Watch};
use crate::domain::attempts::{Backoff, COUNTED_FOR, STOPPED_FOR};
use crate::domain::time::days;
use crate::listener::Limits;
use crate::service::gates::{AttemptLimits, QuotaLimits, WatchLimits};

pub(super) fn limits(config: &Config) -> Limits {
    let server = &config.server;
    Limits {
        connections: server.max_connections,
        other_descriptors: config.postgres.connections.try_into().unwrap_or(usize::MAX),
        handshake: Duration::from_secs(server.handshake_seconds),
        idle: Duration::from_secs(server.idle_seconds),
        stall: Duration::from_secs(server.stall_seconds),
    }
}

pub(super) fn attempt_limits(attempts: &Attempts) -> AttemptLimits {
    let initial = Duration::from_secs(attempts.backoff_seconds);
    let stop_after = NonZeroU32::new(attempts.stop_after);
    AttemptLimits {
        pair: Backoff {
            allowance: attempts.allowance,
            initial,
            longest: Duration::from_secs(attempts.longest_backoff_seconds),
            // As long as a stop: a guesser who pauses comes no further.
            counts_for: if stop_after.is_some() { STOPPED_FOR } else { COUNTED_FOR },
            stop_after,
        },
        subject: Backoff {
            allowance: attempts.subject_allowance,
            initial,
            longest: Duration::from_secs(attempts.subject_longest_backoff_seconds),
            counts_for: COUNTED_FOR,
            stop_after: None,
        },
    }
}

pub(super) fn quota_limits(quotas: &Quotas) -> QuotaLimits {
    QuotaLimits {
        per_caller: NonZeroU32::new(quotas.per_caller),
        per_tenant: NonZeroU32::new(quotas.per_tenant),
        burst_seconds: NonZeroU32::new(quotas.burst_seconds).unwrap_or(NonZeroU32::MIN),
    }
}

pub(super) fn watch_limits(watch: &Watch) -> WatchLimits {
    WatchLimits {
        kept: days(watch.kept_days),
        heartbeat: Duration::from_secs(watch.heartbeat_seconds),
        patience: Duration::from_secs(watch.patience_seconds),
        per_caller: watch.per_caller,
        per_tenant: watch.per_tenant,
    }
}
