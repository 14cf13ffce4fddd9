//! Quotas of requests for each caller and each tenant, in memory: each process counts its own.

use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

use crate::domain::caller::Caller;
use crate::domain::names::TenantName;
use crate::ports::Clock;
use crate::ports::meter::QuotaHolder;
use crate::service::ServiceError;

/// The quotas.
#[derive(Debug, Clone, Copy)]
pub struct QuotaLimits {
    /// Requests per second of one caller; `None` for any number.
    pub per_caller: Option<NonZeroU32>,
    /// Requests per second of one tenant; `None` for any number.
    pub per_tenant: Option<NonZeroU32>,
    /// How many seconds' worth of requests may come at once.
    pub burst_seconds: NonZeroU32,
}

/// What is left of the quotas of those that made requests lately. Only authenticated callers have any.
pub(super) struct Quotas {
    of_callers: Option<Limiter<Caller>>,
    of_tenants: Option<Limiter<TenantName>>,
}

impl Quotas {
    pub(super) fn new(limits: QuotaLimits, clock: &Arc<dyn Clock>) -> Self {
        Self {
            of_callers: limits.per_caller.map(|number| Limiter::new(number, limits.burst_seconds, clock)),
            of_tenants: limits.per_tenant.map(|number| Limiter::new(number, limits.burst_seconds, clock)),
        }
    }

    /// Takes one request from the quotas of the caller and its tenant.
    pub(super) fn take(&self, caller: &Caller) -> Result<(), ServiceError> {
        let used_up = |of, retry_after| ServiceError::QuotaUsedUp { of, retry_after };
        if let Some(limiter) = &self.of_callers {
            limiter.take(caller).map_err(|wait| used_up(QuotaHolder::Caller, wait))?;
        }
        if let (Some(limiter), Some(tenant)) = (&self.of_tenants, caller.tenant()) {
            limiter.take(tenant).map_err(|wait| used_up(QuotaHolder::Tenant, wait))?;
        }
        Ok(())
    }
}

/// The port's clock, as the limiter reads it.
struct Monotonic(Arc<dyn Clock>);

impl governor::clock::Clock for Monotonic {
    type Instant = Instant;

    fn now(&self) -> Instant {
        self.0.instant()
    }
}

struct Limiter<K: Hash + Eq + Clone> {
    rates: RateLimiter<K, HashMapStateStore<K>, Monotonic, NoOpMiddleware<Instant>>,
    /// At this many keys, those with a full quota are dropped.
    most: AtomicUsize,
}

impl<K: Hash + Eq + Clone> Limiter<K> {
    /// Keys that are kept, with a full quota or not.
    const KEPT: usize = 1024;

    fn new(per_second: NonZeroU32, burst_seconds: NonZeroU32, clock: &Arc<dyn Clock>) -> Self {
        let quota = Quota::per_second(per_second).allow_burst(per_second.saturating_mul(burst_seconds));
        Self {
            rates: RateLimiter::hashmap_with_clock(quota, Monotonic(Arc::clone(clock))),
            most: AtomicUsize::new(Self::KEPT),
        }
    }

    /// Takes one from the quota of that key, or returns how long to wait for it.
    fn take(&self, key: &K) -> Result<(), Duration> {
        if self.rates.len() >= self.most.load(Ordering::Relaxed) {
            self.rates.retain_recent();
            self.most.store(Self::KEPT.max(self.rates.len().saturating_mul(2)), Ordering::Relaxed);
        }
        self.rates.check_key(key).map_err(|refused| refused.wait_time_from(self.rates.clock().0.instant()))
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;
    use crate::domain::names::FreeName;
    use crate::domain::time::Timestamp;

    struct MovedClock(Instant, Mutex<Duration>);

    impl MovedClock {
        fn forward(&self, by: Duration) {
            *self.1.lock() += by;
        }
    }

    impl Clock for MovedClock {
        fn now(&self) -> Timestamp {
            Timestamp::from_micros(0)
        }

        fn instant(&self) -> Instant {
            self.0 + *self.1.lock()
        }
    }

    #[expect(clippy::disallowed_methods, reason = "there is no other instant to begin with")]
    fn clock() -> Arc<MovedClock> {
        Arc::new(MovedClock(Instant::now(), Mutex::default()))
    }

    fn quotas(clock: &Arc<MovedClock>, per_caller: u32, per_tenant: u32) -> Quotas {
        let [per_caller, per_tenant] = [per_caller, per_tenant].map(NonZeroU32::new);
        let limits = QuotaLimits { per_caller, per_tenant, burst_seconds: NonZeroU32::new(3).unwrap() };
        Quotas::new(limits, &(Arc::clone(clock) as Arc<dyn Clock>))
    }

    fn relay(tenant: &str, name: &str) -> Caller {
        Caller::Service(TenantName::parse(tenant).unwrap(), FreeName::parse(name).unwrap())
    }

    /// How many requests in a row are served, and whose quota ends them after how long a wait.
    fn served(quotas: &Quotas, caller: &Caller) -> (u32, QuotaHolder, Duration) {
        for number in 0..10_000 {
            match quotas.take(caller) {
                Ok(()) => {}
                Err(ServiceError::QuotaUsedUp { of, retry_after }) => return (number, of, retry_after),
                Err(error) => panic!("{error}"),
            }
        }
        panic!("there is no quota")
    }

    #[test]
    fn a_caller_gets_a_burst_and_then_its_rate_and_others_keep_theirs() {
        let clock = clock();
        let quotas = quotas(&clock, 10, 0);
        let (one, other) = (relay("acme", "one"), relay("acme", "other"));
        let tenth = Duration::from_millis(100);
        assert_eq!(served(&quotas, &one), (30, QuotaHolder::Caller, tenth));
        assert_eq!(served(&quotas, &other), (30, QuotaHolder::Caller, tenth));
        clock.forward(tenth / 2);
        assert_eq!(served(&quotas, &one), (0, QuotaHolder::Caller, tenth / 2));
        clock.forward(Duration::from_secs(1));
        assert_eq!(served(&quotas, &one).0, 10);
        clock.forward(Duration::from_mins(1));
        assert_eq!(served(&quotas, &one).0, 30, "no more than the burst");
    }

    #[test]
    fn the_callers_of_a_tenant_share_its_quota_and_an_operator_has_none_of_it() {
        let clock = clock();
        let quotas = quotas(&clock, 100, 10);
        assert_eq!(served(&quotas, &relay("acme", "one")).0, 30);
        let (number, of, _) = served(&quotas, &relay("acme", "other"));
        assert_eq!((number, of), (0, QuotaHolder::Tenant));
        assert_eq!(served(&quotas, &relay("globex", "one")).0, 30);
        assert_eq!(served(&quotas, &Caller::Operator(FreeName::parse("boss").unwrap())).1, QuotaHolder::Caller);
    }

    #[test]
    fn without_quotas_any_number_is_served_and_nothing_is_kept() {
        let quotas = quotas(&clock(), 0, 0);
        assert!((0..10_000).all(|_| quotas.take(&relay("acme", "one")).is_ok()));
        assert!(quotas.of_callers.is_none() && quotas.of_tenants.is_none());
    }

    #[test]
    fn callers_that_make_no_requests_are_forgotten() {
        let clock = clock();
        let quotas = quotas(&clock, 10, 0);
        for number in 0..20_000 {
            quotas.take(&relay("acme", &format!("relay-{number}"))).unwrap();
            clock.forward(Duration::from_millis(1));
        }
        assert!(quotas.of_callers.unwrap().rates.len() <= 1024);
    }
}
