//! `grpc.health.v1`: whether the server, and each of its services, accepts calls; and the same for `/readyz`.

use std::sync::{Arc, Mutex, PoisonError};

use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

/// Reports and serves health. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Health {
    reporter: HealthReporter,
    names: Arc<[String]>,
    state: Arc<Mutex<HealthState>>,
    /// Held while the reporter is told, so that of two changes at once the later one holds.
    telling: Arc<tokio::sync::Mutex<()>>,
}

/// A server serves while it runs and what it depends on is available.
#[derive(Clone, Copy, Debug)]
struct HealthState {
    running: bool,
    available: bool,
}

impl HealthState {
    fn is_serving(self) -> bool {
        self.running && self.available
    }
}

impl Health {
    /// The health of a server (the empty name) and of the services with these full names, all NOT_SERVING for now.
    pub async fn new(names: &[&str]) -> Self {
        let names = names.iter().copied().chain([""]).map(str::to_owned).collect();
        let state = Arc::new(Mutex::new(HealthState { running: false, available: true }));
        let health = Self { reporter: HealthReporter::new(), names, state, telling: Arc::default() };
        health.set_serving(false).await;
        health
    }

    /// Sets whether the server runs: from its start to the begin of its drain.
    pub async fn set_serving(&self, serving: bool) {
        self.change(|state| state.running = serving).await;
    }

    /// Sets whether what the server depends on is available; it is, unless this says otherwise. It never makes a server
    /// that is stopping report SERVING.
    pub async fn set_available(&self, available: bool) {
        self.change(|state| state.available = available).await;
    }

    async fn change(&self, change: impl FnOnce(&mut HealthState)) {
        let _telling = self.telling.lock().await;
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        let status = if self.is_serving() { ServingStatus::Serving } else { ServingStatus::NotServing };
        for name in self.names.iter() {
            self.reporter.set_service_status(name, status).await;
        }
    }

    /// Whether the server accepts calls.
    #[must_use]
    pub fn is_serving(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).is_serving()
    }

    /// The gRPC service.
    #[must_use]
    pub fn service(&self) -> HealthServer<HealthService> {
        HealthServer::new(HealthService::from_health_reporter(self.reporter.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_serves_while_it_runs_and_what_it_needs_is_there() {
        let health = Health::new(&["a.B"]).await;
        assert!(!health.is_serving());
        health.set_serving(true).await;
        assert!(health.is_serving());
        health.set_available(false).await;
        assert!(!health.is_serving());
        health.set_available(true).await;
        assert!(health.is_serving());
        health.set_serving(false).await;
        health.set_available(true).await;
        assert!(!health.is_serving(), "a server that is stopping stays NOT_SERVING");
    }
}
