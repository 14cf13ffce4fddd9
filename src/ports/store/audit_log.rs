//! The audit log.

use async_trait::async_trait;

use super::{ChangeEventPage, StoreError};
use crate::domain::audit_chain::{Checkpoint, Cut, EventFields};
use crate::domain::audit_event::AuditEvent;
use crate::domain::audit_filter::AuditFilter;
use crate::domain::change_event::Position;
use crate::domain::tenant::TenantId;
use crate::domain::time::Timestamp;
use crate::ports::AuditSealer;

/// A part of the audit log. An event that can't be read is in its place all the same.
pub type AuditEventPage = ChangeEventPage<Result<AuditEvent, UnreadableEvent>>;

/// A stored event that this version of the program can't read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnreadableEvent {
    /// The tenant that it belongs to, if it belongs to one and that can be read.
    pub tenant: Option<TenantId>,
}

/// A range of the chain.
#[derive(Debug)]
pub struct AuditRange {
    /// Its end.
    pub checkpoint: Checkpoint,
    /// Its events as they are stored.
    pub events: Vec<(Position, EventFields)>,
    /// Those of them that this version of the program can't read.
    pub unreadable: Vec<Position>,
}

/// The audit log. Writes add their own events, in their transactions.
///
/// An event gets its position after its commit, as a change event does, and never changes from then on. Positions have
/// no gaps. They are given to a range of events at a time, together with the hash that continues the chain.
#[async_trait]
pub trait AuditLog: Send + Sync {
    /// Records a decision that changed nothing.
    async fn record(&self, event: &AuditEvent) -> Result<(), StoreError>;

    /// Gives positions to committed events that have none, as many as fit into a short transaction, and stores the
    /// checkpoint of that range. MUST write nothing if there are no such events. An event that can't be read MUST NOT keep
    /// the others waiting. Returns whether there may be more.
    async fn close_audit_range(&self, now: Timestamp, sealer: &dyn AuditSealer) -> Result<bool, StoreError>;

    /// Events after a position, in order, among which are all that match the filter: the store may use a part of the
    /// filter that it has an index for. MUST be a consistent snapshot, and read no more than `most` events.
    async fn audit_events(
        &self,
        filter: &AuditFilter,
        after: Position,
        most: u32,
    ) -> Result<AuditEventPage, StoreError>;

    /// A position before which all events happened before that time.
    async fn audit_position_before(&self, time: Timestamp) -> Result<Position, StoreError>;

    /// Where the kept part of the chain begins.
    async fn audit_cut(&self) -> Result<Cut, StoreError>;

    /// The first range that ends after a position, with all events after that position up to its end. MUST be a
    /// consistent snapshot.
    async fn audit_range(&self, after: Position) -> Result<Option<AuditRange>, StoreError>;

    /// Removes some of the ranges whose events are all from before that time, the oldest first, and moves the cut to
    /// their end. Returns whether there may be more. If one of the events is younger than 30 days by the store's own
    /// clock, or the removed events are not those that the checkpoints cover, the store MUST refuse, and remove none.
    async fn remove_old_audit_events(&self, before: Timestamp, sealer: &dyn AuditSealer) -> Result<bool, StoreError>;
}
