//! `/backends/probe`: what is at the other end of a backend, before it is saved.

pub mod remote;

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use http::Request;
use prism_plugin::driver::{Driver, Options};
use prism_proto::interfaces::capabilities::GetCapabilitiesResponse;
use prism_proxy::config::Place;
use serde::Serialize;
use serde_yaml::{Mapping, Value};
use tokio::time::{Instant, timeout};
use utoipa::ToSchema;

use super::backend::BackendSettings;
use super::request::{NoParams, Params};
use super::settings::read_whole;
use crate::error::Problem;
use crate::file::yaml::List;
use crate::file::{check, reach};
use crate::state::Admin;
use remote::{BackendHealth, Probed, SILENT};

/// How long a probe may take: somebody waits for it, and the backend may be far away.
const PROBE_MAX: Duration = Duration::from_secs(5);

/// The name of a backend that has none yet.
const UNNAMED: &str = "probed";

/// What a probe found.
#[derive(Debug, Serialize, ToSchema)]
pub struct Report {
    /// Health of the backend.
    health: BackendHealth,
    /// Why it could not be probed.
    #[schema(required = true)]
    error: Option<String>,
    /// Response time of the health check, in milliseconds, on an open connection; missing for a driver.
    #[schema(required = true)]
    latency_ms: Option<f64>,
    /// What the backend reports about itself, such as its version, role and persistence.
    facts: Vec<Fact>,
    /// Its interfaces, by full name; missing if it does not list them.
    #[schema(required = true)]
    interfaces: Option<Vec<String>>,
    /// What it promises; missing if it does not say.
    #[schema(required = true)]
    capabilities: Option<Promises>,
}

/// A fact.
#[derive(Debug, Serialize, ToSchema)]
pub struct Fact {
    /// What it is about.
    #[schema(example = "version")]
    label: String,
    /// What is so.
    value: String,
}

/// What a backend promises.
#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_excessive_bools, reason = "they are those of the contract")]
pub struct Promises {
    /// Scans return keys in ascending byte order.
    ordered: bool,
    /// A scan returns each key that is there throughout exactly once.
    scan_exactly_once: bool,
    /// Count is exact while nothing changes.
    exact_count: bool,
    /// Calls on one key or list take effect one at a time.
    linearizable: bool,
    /// Not a promise but a warning: all data is in memory, and lost when the backend ends.
    in_memory: bool,
    /// A scan can continue at the resume token of a page.
    resumable: bool,
}

/// Probe a backend without saving it: connect, and report what is there.
#[utoipa::path(post, path = "/backends/probe", tag = "backends",
    request_body(content = BackendSettings, description = "`name` may be omitted."), responses(
    (status = 200, description = "What was found, or why nothing was.", body = Report),
))]
pub async fn post(
    State(admin): State<Admin>,
    Params(NoParams {}): Params<NoParams>,
    request: Request<Body>,
) -> Result<Json<Report>, Problem> {
    let settings = named(read_whole(request, List::Backends).await?);
    let backend = check::backend(&settings, &admin.drivers).map_err(Problem::invalid)?;
    let refusals = admin.policy.refusals(&reach::of(&backend.place, &admin.drivers)).await;
    if !refusals.is_empty() {
        return Err(Problem::invalid(refusals));
    }
    let report = match &backend.place {
        Place::Remote { endpoint, tls } => {
            let until = Instant::now() + PROBE_MAX;
            Report::from(remote::probe(&admin.policy, endpoint, tls.as_ref(), until).await)
        }
        Place::Embedded { driver, options } => match admin.drivers.get(driver.as_str()) {
            Some(driver) => by_driver(&**driver, options).await,
            None => Report::without(
                BackendHealth::NotAsked,
                format!("the driver {driver:?} is not in this program; the proxies may have it"),
            ),
        },
    };
    Ok(Json(report))
}

/// The settings with a name, which a backend that is not saved may lack.
fn named(settings: Value) -> Value {
    match settings {
        Value::Mapping(settings) if !settings.contains_key("name") => {
            let first = (Value::from("name"), Value::from(UNNAMED));
            Value::Mapping(Mapping::from_iter([first].into_iter().chain(settings)))
        }
        settings => settings,
    }
}

async fn by_driver(driver: &dyn Driver, options: &Options) -> Report {
    match timeout(PROBE_MAX, driver.probe(options)).await {
        Ok(Ok(found)) => Report {
            health: BackendHealth::Serving,
            error: None,
            latency_ms: None,
            facts: found
                .facts
                .into_iter()
                .map(|(label, value)| Fact { label: label.to_owned(), value })
                .collect(),
            interfaces: Some(found.interfaces),
            capabilities: Some(GetCapabilitiesResponse::from(found.capabilities).into()),
        },
        Ok(Err(why)) => Report::without(BackendHealth::Unreachable, why),
        Err(_) => Report::without(BackendHealth::Unreachable, SILENT.to_owned()),
    }
}

impl Report {
    fn without(health: BackendHealth, error: String) -> Self {
        Self {
            health,
            error: Some(error),
            latency_ms: None,
            facts: Vec::new(),
            interfaces: None,
            capabilities: None,
        }
    }
}

impl From<Probed> for Report {
    fn from(probed: Probed) -> Self {
        Self {
            health: probed.health,
            error: probed.error,
            latency_ms: probed.latency.map(milliseconds),
            facts: Vec::new(),
            interfaces: probed.interfaces,
            capabilities: probed.capabilities.map(Into::into),
        }
    }
}

impl From<GetCapabilitiesResponse> for Promises {
    fn from(promised: GetCapabilitiesResponse) -> Self {
        Self {
            ordered: promised.ordered,
            scan_exactly_once: promised.scan_exactly_once,
            exact_count: promised.exact_count,
            linearizable: promised.linearizable,
            in_memory: promised.in_memory,
            resumable: promised.resumable,
        }
    }
}

/// Milliseconds, with as many digits as a clock is accurate to.
pub(super) fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::future::BoxFuture;
    use prism_plugin::driver::{Found, Instance, Mistake};

    use super::*;

    /// Finds what it is told to.
    #[derive(Debug)]
    struct Known(Result<Found, String>);

    impl Driver for Known {
        fn check(&self, _: &Options) -> Result<(), Vec<Mistake>> {
            Ok(())
        }

        fn open(&self, _: &Options) -> Result<Arc<dyn Instance>, Vec<Mistake>> {
            Err(Vec::new())
        }

        fn probe(&self, _: &Options) -> BoxFuture<'static, Result<Found, String>> {
            Box::pin(std::future::ready(self.0.clone()))
        }
    }

    #[tokio::test]
    async fn what_a_driver_finds_is_told_in_its_order() {
        let facts = vec![("version", "7.2".to_owned()), ("role", "primary".to_owned())];
        let found = Found { facts, interfaces: vec!["a".to_owned()], ..Found::default() };
        let told = by_driver(&Known(Ok(found)), &Options::new()).await;
        let told = serde_json::to_value(told).unwrap();
        let facts = serde_json::json!([
            { "label": "version", "value": "7.2" },
            { "label": "role", "value": "primary" },
        ]);
        assert_eq!((&told["health"], &told["facts"]), (&"serving".into(), &facts), "{told}");
        assert!(told["capabilities"]["ordered"] == false && told["interfaces"][0] == "a", "{told}");
        let lost = by_driver(&Known(Err("refused".to_owned())), &Options::new()).await;
        let lost = serde_json::to_value(lost).unwrap();
        assert!(lost["health"] == "unreachable" && lost["error"] == "refused", "{lost}");
    }

    #[test]
    fn a_latency_has_no_more_digits_than_it_is_right_by() {
        assert_eq!(milliseconds(Duration::from_nanos(1_999_867_366)).to_string(), "1999.867");
        assert_eq!(milliseconds(Duration::from_nanos(499)).to_string(), "0");
    }
}
