//! One write's way: check what is handed in, decide and store under the lock, wait for the proxies, answer.

use std::sync::Arc;

use prism_proxy::endpoint::Endpoint;
use serde::Serialize;
use similar::TextDiff;
use utoipa::ToSchema;

use super::request::Terms;
use crate::error::Problem;
use crate::file::check;
use crate::file::entry::endpoint_of;
use crate::file::store::{self, Snapshot, Written};
use crate::proxies::Applied;
use crate::state::Admin;

/// What a write did.
#[derive(Debug, Serialize, ToSchema)]
pub struct Answer {
    /// The namespace as it is now; none after a removal and for the file as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<crate::api::namespace::Namespace>)]
    pub namespace: Option<serde_json::Value>,
    /// Whether the file is another than before; of a dry run, whether it would be.
    pub changed: bool,
    /// Whether nothing was written because none was asked for.
    pub dry_run: bool,
    /// The number of the revision in force; none if there is no file.
    #[schema(required = true)]
    pub revision: Option<u64>,
    /// SHA-256 of the file, in hex, which is what proxies report as the revision; of a dry run, what it would be.
    pub sha256: String,
    /// Whether every proxy reports the revision. False for a dry run.
    pub applied: bool,
    /// Each proxy; none for a dry run.
    pub proxies: Vec<Applied>,
    /// What could not be kept, and what else to know.
    pub warnings: Vec<String>,
    /// The difference to the file before, in the unified format.
    pub diff: String,
    /// Of a dry run, the file as it would be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
}

/// What a decision makes of the file.
#[derive(Debug)]
pub struct Decision {
    /// The new bytes.
    pub bytes: Vec<u8>,
    /// What could not be kept, and what else to know.
    pub warnings: Vec<String>,
}

/// What shall be done.
#[derive(Debug)]
pub struct Order {
    /// Who asks, and on what conditions.
    pub terms: Terms,
    /// Whether only to try.
    pub dry_run: bool,
    /// What it is, for the audit log.
    pub action: String,
    /// The endpoints that the caller names, by their pointers.
    pub endpoints: Vec<(String, Endpoint)>,
}

/// Does it. `decide` sees the file while nobody else writes.
///
/// # Errors
/// An endpoint may not be, the decision is a refusal or breaks a rule, or the file cannot be written.
pub async fn write(
    admin: &Admin,
    order: Order,
    decide: impl FnOnce(&Snapshot, &Terms) -> Result<Decision, Problem> + Send + 'static,
) -> Result<Answer, Problem> {
    let dry_run = order.dry_run;
    let now = admin.blocking(|store| store.read()).await?;
    // What is in the file already was not handed in now.
    let known: Vec<_> = now.usable().map_or_else(
        |_| Vec::new(),
        |(_, namespaces)| namespaces.iter().filter_map(|n| endpoint_of(n, "")).collect(),
    );
    let new: Vec<_> =
        order.endpoints.into_iter().filter(|(_, new)| !known.iter().any(|(_, old)| old == new)).collect();
    let refusals = admin.policy.refusals(&new).await;
    if !refusals.is_empty() {
        return Err(Problem::invalid(refusals));
    }
    let request = store::Request { caller: order.terms.caller.clone(), action: order.action };
    let terms = order.terms;
    let decided = move |now: &Snapshot| {
        let Decision { bytes, mut warnings } = decide(now, &terms)?;
        check::namespaces(&bytes).map_err(Problem::invalid)?;
        warnings.extend(about_the_file(now, &bytes));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let before = now.bytes_in_file().map_or_else(String::new, text);
        let told = Told { warnings, diff: diff(&before, &text(&bytes)) };
        Ok((bytes, told))
    };
    if dry_run {
        return admin
            .blocking(move |store| {
                let now = store.read()?;
                let (bytes, told) = decided(&now)?;
                Ok(told.dry(&now, bytes))
            })
            .await;
    }
    let written = admin
        .blocking(move |store| {
            store.change(&request, |now| decided(now).map(|(bytes, told)| (Some(bytes), told)))
        })
        .await?;
    let proxies = match written.revision {
        Some(_) => admin.proxies.wait_for(written.after.sha256()).await,
        None => Vec::new(),
    };
    Ok(answer(written, proxies))
}

struct Told {
    warnings: Vec<String>,
    diff: String,
}

impl Told {
    fn dry(self, now: &Snapshot, bytes: Vec<u8>) -> Answer {
        Answer {
            namespace: None,
            changed: now.bytes_in_file() != Some(&bytes),
            dry_run: true,
            revision: None,
            sha256: store::sha256(&bytes),
            applied: false,
            proxies: Vec::new(),
            warnings: self.warnings,
            diff: self.diff,
            config: Some(String::from_utf8_lossy(&bytes).into_owned()),
        }
    }
}

fn answer(written: Written<Told>, proxies: Vec<Applied>) -> Answer {
    Answer {
        namespace: None,
        changed: !Arc::ptr_eq(&written.before, &written.after),
        dry_run: false,
        revision: written.revision,
        sha256: written.after.sha256().to_owned(),
        applied: !proxies.is_empty() && proxies.iter().all(|proxy| proxy.applied),
        proxies,
        warnings: written.outcome.warnings,
        diff: written.outcome.diff,
        config: None,
    }
}

/// What the first file changes: proxies without one serve the built-in namespace.
fn about_the_file(now: &Snapshot, new: &[u8]) -> Option<String> {
    if now.bytes_in_file().is_some() || now.usable().is_err() {
        return None;
    }
    let namespaces = check::namespaces(new).unwrap_or_default();
    let keeps_default =
        namespaces.iter().any(|namespace| namespace.get("name").is_some_and(|name| name == "default"));
    Some(if keeps_default {
        "there was no file: it now holds the namespace default, which proxies without a file serve from \
         localhost:50051, too"
            .to_owned()
    } else {
        "there was no file, and proxies without one serve the namespace default; the new file does not hold it, so it \
         is served no more"
            .to_owned()
    })
}

/// The difference of two texts in the unified format; empty where there is none.
#[must_use]
pub fn diff(before: &str, after: &str) -> String {
    /// Little of the 30 s that a request may take; what is not compared by then is shown as replaced.
    const COMPARE_MAX: std::time::Duration = std::time::Duration::from_secs(2);
    let diff = TextDiff::configure().timeout(COMPARE_MAX).diff_lines(before, after);
    diff.unified_diff().context_radius(3).header("before", "after").to_string()
}
