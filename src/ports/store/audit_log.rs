//! The audit log.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::audit_event::AuditEvent;
use crate::domain::time::Timestamp;

/// The audit log. Events of writes are added by those, in their transactions.
#[async_trait]
pub trait AuditLog: Send + Sync {
    /// Records a decision that changed nothing.
    async fn record(&self, event: &AuditEvent) -> Result<(), StoreError>;

    /// Removes some of the audit events of before that time, the oldest first. Answers whether there may be more. By a
    /// clock of its own, the store MUST refuse to remove one that is younger than 30 days, and remove none then.
    async fn remove_old_audit_events(&self, before: Timestamp) -> Result<bool, StoreError>;
}
