//! A permit that lasts: of a caller that reads on for as long as it may.

use std::time::Instant;

use super::{Gates, Permit};
use crate::domain::resource::Resource;
use crate::service::error::Interruption;
use crate::service::{Call, ServiceError};

/// A permit that is checked again at each heartbeat.
pub(super) struct LastingPermit {
    permit: Permit,
    resource: Resource,
    /// When the caller was last found to be still permitted.
    checked: Instant,
}

impl LastingPermit {
    pub(super) fn new(gates: &Gates, permit: Permit, resource: Resource) -> Self {
        Self { permit, resource, checked: gates.ports.clock.instant() }
    }

    /// The call that reads.
    pub(super) fn call(&self) -> &Call {
        self.permit.call()
    }

    /// Whether a heartbeat has passed since the last check.
    pub(super) fn is_due(&self, gates: &Gates) -> bool {
        gates.ports.clock.instant().saturating_duration_since(self.checked) >= gates.installation.watches.heartbeat
    }

    /// Checks that the caller's evidence still holds, and that the caller is still permitted.
    pub(super) async fn check(&mut self, gates: &Gates) -> Result<(), ServiceError> {
        let call = self.call().clone();
        self.permit = gates.permit(call, &self.resource).await?;
        self.checked = gates.ports.clock.instant();
        Ok(())
    }

    /// Waits until the service stops or the caller's deadline passes. Returns which.
    pub(super) fn ended(&self, gates: &Gates) -> impl Future<Output = ServiceError> + Send + use<> {
        let (stopping, deadline) = (gates.watches.stopping.clone(), self.call().deadline);
        async move {
            tokio::select! {
                biased;
                () = stopping.cancelled() => ServiceError::WatchInterrupted(Interruption::Stopping),
                () = tokio::time::sleep_until(deadline.instant().into()) => ServiceError::DeadlineExceeded,
            }
        }
    }
}
