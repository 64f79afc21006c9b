//! A proxy's `/traffic`.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

/// A proxy's response.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    pub(super) started_at: Value,
    pub(super) latency_bounds_seconds: Vec<f64>,
    pub(super) namespaces: Vec<Namespace>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Namespace {
    pub(super) name: String,
    pub(super) in_flight: i64,
    pub(super) codes: HashMap<String, u64>,
    pub(super) latency: Vec<u64>,
}
