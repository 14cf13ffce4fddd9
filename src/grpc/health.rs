//! `grpc.health.v1.Health`: whether clients should send calls here.

use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

use crate::domain::action::{ADMIN_SERVICE, CREDENTIAL_SERVICE, VERIFICATION_SERVICE};

/// The process as a whole, and each of our services.
const NAMES: [&str; 4] = ["", CREDENTIAL_SERVICE, VERIFICATION_SERVICE, ADMIN_SERVICE];

/// Sets the status that the health service returns.
#[derive(Debug, Clone)]
pub struct Health {
    reporter: HealthReporter,
    ended: CancellationToken,
}

impl Health {
    /// Not serving yet.
    pub async fn starting() -> Self {
        let health = Self { reporter: HealthReporter::new(), ended: CancellationToken::new() };
        health.set(ServingStatus::NotServing).await;
        health
    }

    /// Calls are welcome.
    pub async fn serving(&self) {
        self.set(ServingStatus::Serving).await;
    }

    /// Calls should go elsewhere; calls that arrive are still served.
    pub async fn not_serving(&self) {
        self.set(ServingStatus::NotServing).await;
    }

    /// Ends the open watches, and everything else that needs no caller: a graceful stop would otherwise wait for it.
    pub async fn end_watches(&self) {
        let mut reporter = self.reporter.clone();
        for name in NAMES {
            reporter.clear_service_status(name).await;
        }
        self.ended.cancel();
    }

    /// Cancelled when the watches are ended.
    pub(super) fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }

    /// The health service that returns the status set here.
    pub(super) fn service(&self) -> HealthServer<HealthService> {
        HealthServer::new(HealthService::from_health_reporter(self.reporter.clone()))
    }

    async fn set(&self, status: ServingStatus) {
        for name in NAMES {
            self.reporter.set_service_status(name, status).await;
        }
    }
}
