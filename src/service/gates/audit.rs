//! The audit log in order: the task that closes its ranges, and readers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::Gates;
use super::lasting::LastingPermit;
use super::upkeep::LastFailure;
use super::watches::WatchSlot;
use crate::domain::audit_event::AuditEvent;
use crate::domain::change_event::Position;
use crate::domain::denial::is_of_a_file;
use crate::domain::names::TenantName;
use crate::domain::resource::Resource;
use crate::ports::meter::{Gauge, UpkeepTask};
use crate::ports::store::UnreadableEvent;
use crate::service::error::{Interruption, Missing};
use crate::service::requests::{AuditItem, AuditQuery};
use crate::service::{Call, ServiceError};

/// How often ranges are closed. A range takes the events that were committed since the last one.
const EVERY: Duration = Duration::from_secs(1);
/// How many events are read at a time.
const PAGE: u32 = 500;

impl Gates {
    /// Closes ranges of the audit log as events come.
    pub(super) async fn keep_closing_audit_ranges(&self, failed: impl Fn(&ServiceError)) {
        let mut due = tokio::time::interval(EVERY);
        let mut last = LastFailure::of(UpkeepTask::AuditChain);
        // The lag begins now, also if no range can be closed.
        self.ports.meter.set(Gauge::AuditRangesClosed, self.now().as_seconds());
        loop {
            due.tick().await;
            let now = self.now();
            let closed = self.close_audit_ranges().await;
            if closed.is_ok() {
                self.ports.meter.set(Gauge::AuditRangesClosed, now.as_seconds());
            }
            last.report(&closed, &*self.ports.meter, &failed);
        }
    }

    /// Closes ranges until every event committed before is in one.
    pub(in crate::service) async fn close_audit_ranges(&self) -> Result<(), ServiceError> {
        while self.ports.store.close_audit_range(self.now(), &*self.ports.sealer).await? {}
        Ok(())
    }

    /// Begins to read the audit log of a permitted tenant, or of all tenants.
    pub(in crate::service) async fn audit_reader(
        self: &Arc<Self>,
        call: Call,
        tenant: Option<TenantName>,
        mut query: AuditQuery,
    ) -> Result<AuditReader, ServiceError> {
        let resource = tenant.clone().map_or(Resource::Installation, Resource::Tenant);
        let permit = self.permit(call, &resource).await?;
        if self.watches.stopping.is_cancelled() {
            return Err(ServiceError::WatchInterrupted(Interruption::Stopping));
        }
        if tenant.is_some() {
            query.filter.tenant = Some(permit.tenant().ok_or(ServiceError::NotFound(Missing::Tenant))?);
        }
        let slot = self.slot(permit.call().caller())?;
        // So that what was committed before the call is found. The task above reports a failure; what is closed can be read.
        let _ = self.close_audit_ranges().await;
        let cursor = match (query.cursor, query.filter.from) {
            (Some(cursor), _) => cursor,
            (None, Some(from)) => self.ports.store.audit_position_before(from).await?,
            (None, None) => {
                let kept = self.ports.store.audit_events(&query.filter, Position(0), 0).await?.kept;
                if query.follow { kept.last } else { kept.after }
            }
        };
        let page = VecDeque::new();
        let lasting = LastingPermit::new(self, permit, resource);
        let gates = Arc::clone(self);
        Ok(AuditReader { gates, lasting, query, cursor, page, up_to: cursor, state: State::New, _slot: slot })
    }
}

/// A reader of the audit log.
pub struct AuditReader {
    gates: Arc<Gates>,
    lasting: LastingPermit,
    query: AuditQuery,
    /// All events up to here are returned or left out.
    cursor: Position,
    /// Events that were read, and not returned yet.
    page: VecDeque<(Position, Result<AuditEvent, UnreadableEvent>)>,
    /// All events up to here were read.
    up_to: Position,
    state: State,
    _slot: WatchSlot,
}

#[derive(PartialEq, Eq)]
enum State {
    New,
    Reading,
    Ended,
}

impl AuditReader {
    /// The next item: first the cursor at which the reader begins, then events, and from time to time a cursor; at the
    /// end of a reader that does not follow, its last cursor, and then nothing. Nothing follows an error.
    pub async fn next(&mut self) -> Option<Result<AuditItem, ServiceError>> {
        if self.state == State::Ended {
            return None;
        }
        let ended = self.lasting.ended(&self.gates);
        let next = tokio::select! {
            biased;
            error = ended => Err(error),
            next = self.advance() => next,
        };
        if next.is_err() {
            self.state = State::Ended;
        }
        Some(next)
    }

    async fn advance(&mut self) -> Result<AuditItem, ServiceError> {
        if self.state == State::New {
            self.state = State::Reading;
            return Ok(self.only_cursor());
        }
        loop {
            if self.query.most == Some(0) {
                self.state = State::Ended;
                return Ok(self.only_cursor());
            }
            if self.lasting.is_due(&self.gates) {
                self.lasting.check(&self.gates).await?;
                return Ok(self.only_cursor());
            }
            let Some((position, event)) = self.page.pop_front() else {
                self.cursor = self.up_to;
                if !self.read_page().await? {
                    if !self.query.follow {
                        self.state = State::Ended;
                        return Ok(self.only_cursor());
                    }
                    tokio::time::sleep(EVERY).await;
                    let _ = self.gates.close_audit_ranges().await;
                }
                continue;
            };
            self.cursor = position;
            // One that can't be read is shown with every filter, to readers of all that belongs to its tenant.
            let is_shown = match &event {
                Ok(event) => self.query.filter.matches(event),
                Err(event) => self.query.filter.tenant.is_none_or(|tenant| event.tenant == Some(tenant)),
            };
            if is_shown {
                self.query.most = self.query.most.map(|most| most.saturating_sub(1));
                let event = event.map(|mut event| {
                    if self.lasting.call().caller().tenant().is_some() {
                        event.policies.retain(|id| !is_of_a_file(id));
                    }
                    event
                });
                return Ok(AuditItem { cursor: position, event: Some(event) });
            }
        }
    }

    /// Reads on. Returns whether anything was there.
    async fn read_page(&mut self) -> Result<bool, ServiceError> {
        let page = self.gates.ports.store.audit_events(&self.query.filter, self.cursor, PAGE).await?;
        if !page.kept.reaches_back_to(self.cursor) {
            return Err(ServiceError::CursorExpired);
        }
        // Checked after the read: if the caller's own tenant still exists, the events are of that tenant.
        self.gates.check_evidence(self.lasting.call()).await?;
        self.up_to = page.up_to;
        self.page = page.events.into();
        Ok(!self.page.is_empty() || self.up_to > self.cursor)
    }

    fn only_cursor(&self) -> AuditItem {
        AuditItem { cursor: self.cursor, event: None }
    }
}
