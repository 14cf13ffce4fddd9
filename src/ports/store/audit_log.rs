//! The audit log.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::audit_event::AuditEvent;
use crate::domain::time::Timestamp;

/// The audit log. Writes add their own events, in their transactions.
#[async_trait]
pub trait AuditLog: Send + Sync {
    /// Records a decision that changed nothing.
    async fn record(&self, event: &AuditEvent) -> Result<(), StoreError>;

    /// Removes some of the audit events from before that time, the oldest first. Returns whether there may be more. If
    /// one of them is younger than 30 days by the store's own clock, the store MUST refuse, and remove none.
    async fn remove_old_audit_events(&self, before: Timestamp) -> Result<bool, StoreError>;
}
