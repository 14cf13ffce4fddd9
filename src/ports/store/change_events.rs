//! What watchers need from the store.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::change_event::{ChangeEvent, KeptEvents, Position};
use crate::domain::tenant::TenantId;
use crate::domain::time::Timestamp;

/// Change events, each written in the transaction of the change that it reports.
///
/// A reader by position MUST NOT miss an event that commits late: an event gets its position after its commit, in
/// transactions that exclude each other. Events of one subject get theirs in the order in which they happened.
#[async_trait]
pub trait ChangeEvents: Send + Sync {
    /// Gives positions to committed events that have none, as many as fit into a short transaction. MUST write nothing
    /// if there are no such events.
    async fn number_change_events(&self) -> Result<Numbered, StoreError>;

    /// The events of a tenant after a position, in order. MUST be a consistent snapshot, and MUST fail if one of them can't be
    /// read: a watcher must not miss it.
    async fn change_events(&self, tenant: TenantId, after: Position, most: u32) -> Result<ChangeEventPage, StoreError>;

    /// The events of all tenants after a position, in order. MUST be a consistent snapshot. An event that can't be read is in
    /// its place, so that it keeps no other tenant's watchers waiting.
    async fn all_change_events(
        &self,
        after: Position,
        most: u32,
    ) -> Result<ChangeEventPage<(TenantId, Option<ChangeEvent>)>, StoreError>;

    /// Removes events from before that time, starting at the first position: only some, so that no other transaction
    /// waits long. Returns whether there may be more. Events without a position stay.
    async fn purge_change_events(&self, before: Timestamp) -> Result<bool, StoreError>;
}

/// The outcome of giving positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbered {
    /// The events that are kept now.
    pub kept: KeptEvents,
    /// Whether there were more than fitted.
    pub more: bool,
}

/// A part of the events, of one tenant or of all. The audit log is read in such pages too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeEventPage<Event = ChangeEvent> {
    /// The events that were kept at the time of the read. If they do not reach back to the requested position, events
    /// are missing.
    pub kept: KeptEvents,
    /// The events, each with its position.
    pub events: Vec<(Position, Event)>,
    /// Where to resume: no requested event lies between the last of the events and this position.
    pub up_to: Position,
}
