//! What watchers need of the store.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::change_event::{ChangeEvent, KeptEvents, Position};
use crate::domain::tenant::TenantId;
use crate::domain::time::Timestamp;

/// Change events, each written in the transaction of what it tells of.
///
/// Whoever reads by position MUST NOT miss one that commits late: an event gets its position after its commit, in
/// transactions that exclude each other, and those of one subject in the order in which they happened.
#[async_trait]
pub trait ChangeEvents: Send + Sync {
    /// Gives positions to committed events that have none, as many as fit into a short transaction. MUST write nothing
    /// where there are none.
    async fn number_change_events(&self) -> Result<Numbered, StoreError>;

    /// The events of a tenant that come after a position, in their order. MUST be one moment's.
    async fn change_events(&self, tenant: TenantId, after: Position, most: u32) -> Result<ChangeEventPage, StoreError>;

    /// The events of all tenants that come after a position, in their order. MUST be one moment's.
    async fn all_change_events(
        &self,
        after: Position,
        most: u32,
    ) -> Result<ChangeEventPage<(TenantId, ChangeEvent)>, StoreError>;

    /// Removes events of before that time, from the first position on: some, so that nobody waits long. Answers whether
    /// there may be more. What has no position yet stays.
    async fn purge_change_events(&self, before: Timestamp) -> Result<bool, StoreError>;
}

/// What came of giving positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbered {
    /// What is kept now.
    pub kept: KeptEvents,
    /// Whether there were more than fitted.
    pub more: bool,
}

/// A part of the events, of one tenant or of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeEventPage<Event = ChangeEvent> {
    /// What was kept when it was read. Where that does not reach back to what was asked for, events are missing.
    pub kept: KeptEvents,
    /// The events, each with its position.
    pub events: Vec<(Position, Event)>,
    /// Where to go on: nothing of what was asked for lies between the last of the events and this.
    pub up_to: Position,
}
