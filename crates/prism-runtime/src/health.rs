//! `grpc.health.v1`: whether the server, and each of its services, accepts calls; and the same for `/readyz`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

/// Reports and serves health. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Health {
    reporter: HealthReporter,
    names: Arc<[String]>,
    serving: Arc<AtomicBool>,
}

impl Health {
    /// The health of a server (the empty name) and of the services with these full names, all NOT_SERVING for now.
    pub async fn new(names: &[&str]) -> Self {
        let names = names.iter().copied().chain([""]).map(str::to_owned).collect();
        let health = Self { reporter: HealthReporter::new(), names, serving: Arc::default() };
        health.set_serving(false).await;
        health
    }

    /// Sets the status of all services.
    pub async fn set_serving(&self, serving: bool) {
        let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        for name in self.names.iter() {
            self.reporter.set_service_status(name, status).await;
        }
        self.serving.store(serving, Ordering::Release);
    }

    /// Whether the server accepts calls.
    #[must_use]
    pub fn is_serving(&self) -> bool {
        self.serving.load(Ordering::Acquire)
    }

    /// The gRPC service.
    #[must_use]
    pub fn service(&self) -> HealthServer<HealthService> {
        HealthServer::new(HealthService::from_health_reporter(self.reporter.clone()))
    }
}
