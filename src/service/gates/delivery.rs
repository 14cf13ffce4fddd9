//! Delivers the passwords of accounts to the nodes of their instances.
//!
//! What is delivered is a state: which passwords are valid on a node, never a difference. So an attempt can be repeated at any
//! time, and the newest password is all that is left to deliver. First the new password is added on every node, and only when
//! all have it, those that are not valid any more are removed: at every moment there is one that works on all nodes.

use std::collections::HashMap;
use std::future::ready;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::Notify;
use uuid::Uuid;

use super::Gates;
use super::delivered::Waiters;
use super::nodes::{Found, described};
use super::upkeep::LastFailure;
use crate::domain::credential::Version;
use crate::domain::delivery::{DeliveredPasswords, DeliveryPhase, DeliveryStep, DueDelivery};
use crate::domain::delivery_progress::SeenDelivery;
use crate::domain::endpoint::{Discovery, StoredEndpoint};
use crate::domain::names::{InstanceId, TenantName};
use crate::domain::sealed::{SealPurpose, Sealed};
use crate::domain::subject::SubjectId;
use crate::domain::time::Timestamp;
use crate::ports::meter::{Counter, Gauge, UpkeepTask};
use crate::ports::spans::BackgroundTask;
use crate::ports::{AccountPasswords, StoreError};
use crate::service::ServiceError;

/// How often to look for deliveries that are due, while an instance has an endpoint, and at those for which calls wait.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// The same while none has.
const WITHOUT_ENDPOINTS: Duration = Duration::from_mins(1);
/// How long a round has its instance before another one may take over, counted anew each time that it asks nodes: these take
/// five seconds, and the clocks of processes may be ten seconds apart.
const LEASE: Duration = Duration::from_secs(20);
/// How much of a lease may be over when nodes are asked.
const BEFORE_NODES: Duration = Duration::from_secs(5);
/// How long rounds that have begun may go on after a stop. A node that does not answer takes longer.
const LAST_ROUNDS_WITHIN: Duration = Duration::from_secs(1);
/// How many instances a process delivers to at a time.
const INSTANCES_AT_ONCE: u32 = 8;
/// How many accounts of an instance are delivered in one round.
const ACCOUNTS_AT_ONCE: u32 = 32;
/// How many deliveries are counted in the metrics.
const COUNTED: u32 = 1000;

/// The deliveries of this process.
#[derive(Default)]
pub(super) struct Deliveries {
    /// Signals that one may be due.
    wanted: Notify,
    /// Whether an instance had an endpoint when this process last looked.
    has_endpoints: AtomicBool,
    /// The calls that wait for one.
    pub(super) waiters: Waiters,
}

/// The rounds that have begun. Each ends with its instance, and with what became of it.
type Rounds<'a> = FuturesUnordered<BoxFuture<'a, (Instance, Result<(), ServiceError>)>>;
type Instance = (TenantName, InstanceId);

/// A round of deliveries to an instance, which it has leased.
pub(super) struct Round {
    id: Uuid,
    pub(super) tenant: TenantName,
    pub(super) instance: InstanceId,
    pub(super) leased: StoredEndpoint,
}

/// What a round does about an account: the passwords that it has then, and how far their delivery is once all nodes have them.
struct Plan {
    due: DueDelivery,
    passwords: AccountPasswords,
    then: DeliveryPhase,
    then_due: Option<Timestamp>,
}

impl Gates {
    /// Signals that a delivery may be due, if any instance may have an endpoint.
    pub(super) fn want_delivery(&self) {
        if self.has_endpoints() {
            self.deliveries.wanted.notify_one();
        }
    }

    /// Whether any instance may have an endpoint, as far as this process knows.
    pub(super) fn has_endpoints(&self) -> bool {
        self.deliveries.has_endpoints.load(Ordering::Relaxed)
    }

    /// Signals that an endpoint was set.
    pub(super) fn endpoint_is_set(&self) {
        self.deliveries.has_endpoints.store(true, Ordering::Relaxed);
        self.want_delivery();
    }

    /// The passwords of a change, sealed for their delivery. Without a pepper key there is no endpoint, and nothing to deliver.
    pub(in crate::service) fn seal_passwords(
        &self,
        subject: SubjectId,
        version: Version,
        passwords: &DeliveredPasswords,
    ) -> Option<Sealed> {
        let bound = DeliveredPasswords::seal_bound(subject, version);
        self.ports.pepper.seal(SealPurpose::DeliveredPasswords, &bound, &passwords.to_text())
    }

    /// Delivers what is due until the service stops. Waits for the rounds that have begun, so that their leases end with them.
    pub(super) async fn keep_delivering(&self, failed: impl Fn(&ServiceError)) {
        let failure = || LastFailure::of(UpkeepTask::Delivery);
        let meter = &*self.ports.meter;
        // Of each on its own: where one works, another may still fail.
        let (mut last_look, mut last_read) = (failure(), failure());
        let mut last_rounds: HashMap<Instance, LastFailure> = HashMap::new();
        let mut ended = |(instance, delivered): (Instance, Result<(), ServiceError>)| {
            last_rounds.entry(instance.clone()).or_insert_with(failure).report(&delivered, meter, &failed);
            if delivered.is_ok() {
                last_rounds.remove(&instance);
            }
        };
        let mut rounds = Rounds::new();
        let mut waiters_read = self.ports.clock.instant();
        let mut look_again = LOOK_AGAIN;
        loop {
            let begun = self.begin_rounds(&mut rounds).await;
            look_again = match begun {
                Ok(false) => WITHOUT_ENDPOINTS,
                Err(_) if !self.has_endpoints() => look_again,
                Ok(true) | Err(_) => LOOK_AGAIN,
            };
            last_look.report(&begun.map(drop), meter, &failed);
            let now = self.ports.clock.instant();
            if now >= waiters_read + LOOK_AGAIN {
                waiters_read = now;
                last_read.report(&self.tell_waiters().await, meter, &failed);
            }
            let next = async {
                tokio::select! {
                    Some(round) = rounds.next() => ended(round),
                    () = self.deliveries.wanted.notified() => {}
                    () = tokio::time::sleep(look_again) => {}
                }
            };
            if self.watches.stopping.run_until_cancelled(next).await.is_none() {
                break;
            }
        }
        while let Some(round) = rounds.next().await {
            ended(round);
        }
    }

    /// Begins a round for each instance to which something is due, as far as there are places. Instances that have a round, of
    /// this process or of another one, are leased: they take no place from others. So are those whose endpoint can't be read.
    /// Returns whether any instance has an endpoint.
    async fn begin_rounds<'a>(&'a self, rounds: &mut Rounds<'a>) -> Result<bool, ServiceError> {
        let store = &self.ports.store;
        loop {
            let before = rounds.len();
            let places = INSTANCES_AT_ONCE.saturating_sub(u32::try_from(before).unwrap_or(u32::MAX));
            let now = self.now();
            let found = store.due_instances(now, places).await?;
            for (tenant, instance) in found.due {
                let id = self.new_id();
                let of = (tenant.clone(), instance.clone());
                match store.lease_endpoint(&tenant, &instance, id, now, now.after(LEASE)).await {
                    Ok(Some(leased)) => {
                        let round = self.deliver_in(Round { id, tenant, instance, leased });
                        let round = self.ports.traces.around(BackgroundTask::Delivery, round);
                        rounds.push(Box::pin(round.map(|delivered| (of, delivered))));
                    }
                    Ok(None) => {}
                    Err(error @ StoreError::Damaged(_)) => {
                        let failed: Result<(), ServiceError> = Err(error.into());
                        rounds.push(Box::pin(ready((of, failed))));
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            // Those with a round may have hidden others.
            if rounds.len() > before && places > 0 {
                continue;
            }
            let had_endpoints = self.deliveries.has_endpoints.swap(found.has_endpoints, Ordering::Relaxed);
            if found.has_endpoints || had_endpoints {
                self.measure_backlog().await?;
            }
            return Ok(found.has_endpoints);
        }
    }

    async fn measure_backlog(&self) -> Result<(), ServiceError> {
        let backlog = self.ports.store.delivery_backlog(COUNTED).await?;
        let meter = &self.ports.meter;
        meter.set(Gauge::DeliveriesPending, backlog.pending.into());
        meter.set(Gauge::DeliveriesFailing, backlog.failing.into());
        let oldest = backlog.oldest.map_or(0, Timestamp::as_seconds);
        meter.set(Gauge::OldestDelivery, oldest);
        Ok(())
    }

    /// One round. What a stop leaves undone is found again by the next one: the state is delivered, not the steps.
    async fn deliver_in(&self, round: Round) -> Result<(), ServiceError> {
        let stopped = async {
            self.watches.stopping.cancelled().await;
            tokio::time::sleep(LAST_ROUNDS_WITHIN).await;
        };
        let delivered = tokio::select! {
            delivered = self.deliver_due(&round) => delivered,
            () = stopped => Ok(()),
        };
        // What has failed here fails at once again.
        let rests_until = delivered.is_err().then(|| self.now().after(LOOK_AGAIN));
        self.ports.store.release_endpoint(&round.tenant, &round.instance, round.id, rests_until).await?;
        delivered
    }

    /// Delivers what is due and can be read, and fails with the rest.
    async fn deliver_due(&self, round: &Round) -> Result<(), ServiceError> {
        let Round { tenant, instance, .. } = round;
        let found = self.ports.store.due_deliveries(tenant, instance, self.now(), ACCOUNTS_AT_ONCE).await?;
        let (mut due, mut unreadable) = (Vec::new(), Ok(()));
        for found in found {
            match found {
                Ok(found) => due.push(found),
                Err(error) => unreadable = Err(error.into()),
            }
        }
        self.deliver_round(round, due).await.and(unreadable)
    }

    async fn deliver_round(&self, round: &Round, due: Vec<DueDelivery>) -> Result<(), ServiceError> {
        let endpoint = &round.leased.endpoint;
        let mut plans = Vec::new();
        for due in due {
            match self.plan(&due, endpoint) {
                Ok((passwords, then, then_due)) => plans.push(Plan { due, passwords, then, then_due }),
                Err(step) => self.record(round, &due, &step).await?,
            }
        }
        if plans.is_empty() {
            return Ok(());
        }
        let (secret, all) = match self.nodes_of(round).await {
            Ok(known) => known,
            Err(failure) => {
                let named = if endpoint.discovery == Discovery::Named { endpoint.nodes.len() } else { 0 };
                let nodes = u32::try_from(named).unwrap_or(u32::MAX);
                for Plan { due, .. } in plans {
                    self.record(round, &due, &self.failed(&due, [nodes, 0], failure.clone())).await?;
                }
                return Ok(());
            }
        };
        let nodes = u32::try_from(all.len()).unwrap_or(u32::MAX);
        for Plan { due: DueDelivery { subject, version, phase, attempts, .. }, .. } in &plans {
            if *phase == DeliveryPhase::Adding && *attempts == 0 {
                let seen = SeenDelivery { version: *version, phase: *phase, reached: 0, nodes };
                self.deliveries.waiters.tell(*subject, Some(seen));
            }
        }
        let (outcomes, passwords): (Vec<_>, Vec<_>) =
            plans.into_iter().map(|plan| ((plan.due, plan.then, plan.then_due), plan.passwords)).unzip();
        let Some(found) = self.set_on_nodes(round, &all, &secret, &passwords).await? else { return Ok(()) };
        for ((due, then, then_due), Found { problems, different }) in outcomes.into_iter().zip(found) {
            let drift = different.filter(|_| due.phase == DeliveryPhase::Done);
            if drift.is_some() {
                self.ports.meter.count(Counter::NodeDrifts);
            }
            let drift = drift.map(|node| (self.now(), node.to_string()));
            let step = match described(&problems) {
                None => DeliveryStep {
                    phase: then,
                    due_at: then_due,
                    attempts: 0,
                    nodes,
                    reached: nodes,
                    failure: None,
                    drift,
                },
                Some(failure) => {
                    let failed = u32::try_from(problems.len()).unwrap_or(u32::MAX);
                    let step = self.failed(&due, [nodes, nodes.saturating_sub(failed)], failure);
                    DeliveryStep { drift, ..step }
                }
            };
            self.record(round, &due, &step).await?;
        }
        Ok(())
    }

    /// Records what became of a delivery, and tells the calls that wait for it.
    async fn record(&self, round: &Round, due: &DueDelivery, step: &DeliveryStep) -> Result<(), ServiceError> {
        let event = self.delivery_event(round, due, step);
        if self.ports.store.record_delivery(due, step, round.id, event.as_ref()).await? {
            let DeliveryStep { phase, reached, nodes, .. } = *step;
            let seen = SeenDelivery { version: due.version, phase, reached, nodes };
            self.deliveries.waiters.tell(due.subject, Some(seen));
        }
        Ok(())
    }

    /// Whether a round has its instance for as long as nodes take. If the store took too long, the instance may get another
    /// round meanwhile, and passwords that this one does not know.
    pub(super) async fn holds(&self, Round { id, tenant, instance, .. }: &Round) -> Result<bool, ServiceError> {
        let now = self.now();
        let leased = self.ports.store.lease_endpoint(tenant, instance, *id, now, now.after(LEASE)).await?;
        Ok(leased.is_some() && self.now() < now.after(BEFORE_NODES))
    }
}
