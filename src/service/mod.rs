//! The use cases: one file for each, and [`change`] in the middle of those that set a password.

pub mod call;
pub mod error;
pub mod gates;
pub mod page_tokens;
pub mod requests;

mod admin;
mod authenticate;
mod bootstrap;
mod change;
mod change_password;
mod change_password_v5;
mod check;
mod modify_account_password;
mod modify_pw_by_domain;
mod verify;
mod watch;

use std::sync::Arc;

pub use admin::Import;
pub use authenticate::ProofRefusal;
pub use call::Call;
pub use error::ServiceError;
pub use watch::Watch;

use admin::DryRuns;
use gates::{Gates, Installation, Ports};

/// Everything that a caller can request.
pub struct Service {
    gates: Arc<Gates>,
    dry_runs: Arc<DryRuns>,
}

impl Service {
    /// Puts the use cases on top of the ports.
    pub fn new(ports: Ports, installation: Installation) -> Self {
        Self { gates: Arc::new(Gates::new(ports, installation)), dry_runs: Arc::default() }
    }

    /// Maintains the store until watches are ended: without this, no watcher receives events, and rows that are over
    /// stay. Reports failures now and then.
    pub async fn tend_store(&self, failed: impl Fn(&ServiceError)) {
        self.gates.tend_store(failed).await;
    }

    /// Waits until every change and verification under way is concluded. For an orderly stop.
    ///
    /// # Errors
    /// Failed attempts are lost, because the store does not take them.
    pub async fn concluded(&self) -> Result<(), ServiceError> {
        self.gates.concluded().await
    }

    /// Records the refusals that were counted but not recorded individually. For an orderly stop, after the last call.
    ///
    /// # Errors
    /// The store does not take them.
    pub async fn record_repeats(&self) -> Result<(), ServiceError> {
        self.gates.record_repeats().await
    }

    /// Closes the last range of the audit log. For an orderly stop, after the last event.
    ///
    /// # Errors
    /// The store does not take it.
    pub async fn close_audit_ranges(&self) -> Result<(), ServiceError> {
        self.gates.close_audit_ranges().await
    }
}
