//! The steps of a write: check the input, decide and store under the lock, wait for the proxies, respond.

use std::collections::HashSet;
use std::sync::Arc;

use prism_plugin::driver::Drivers;
use prism_proto::limits::NAMESPACE_DEFAULT;
use prism_proxy::endpoint::Endpoint;
use prism_proxy::route::Named;
use serde::Serialize;
use utoipa::ToSchema;

use super::held::Held;
use super::request::Terms;
use crate::error::{Kind, Problem};
use crate::file::reach::Reach;
use crate::file::snapshot::Snapshot;
use crate::file::store::{self, Written};
use crate::file::{check, diff};
use crate::proxies::Applied;
use crate::state::Admin;

/// The result of a write.
#[derive(Debug, Serialize, ToSchema)]
pub struct Answer {
    /// The namespace as it is now; missing after a removal and for other writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<crate::api::namespace::Namespace>)]
    pub namespace: Option<serde_json::Value>,
    /// The backend as it is now; missing after a removal and for other writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<crate::api::backend::BackendSettings>)]
    pub backend: Option<serde_json::Value>,
    /// Whether the file changed; in a dry run, whether it would.
    pub changed: bool,
    /// Whether this is the result of a dry run, which writes nothing.
    pub dry_run: bool,
    /// Number of the revision in force; missing if there is no file.
    #[schema(required = true)]
    pub revision: Option<u64>,
    /// SHA-256 of the file, in hex, which proxies report as the revision; in a dry run, what it would be.
    pub sha256: String,
    /// SHA-256 of the previous file, in hex; in quotes, it is its ETag.
    pub previous_sha256: String,
    /// Whether every proxy reports this revision or a later one. False for a dry run.
    pub applied: bool,
    /// Each proxy; empty for a dry run.
    pub proxies: Vec<Applied>,
    /// What could not be kept, what is lost, and other warnings.
    pub warnings: Vec<String>,
    /// Unified diff against the previous file.
    pub diff: String,
    /// In a dry run, the resulting file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
}

/// The result of a decision.
#[derive(Debug)]
pub struct Decision {
    /// The new file.
    pub new: Snapshot,
    /// What could not be kept, and other warnings.
    pub warnings: Vec<String>,
}

/// A write to perform.
#[derive(Debug)]
pub struct Order {
    /// Who requests it, and on what conditions.
    pub terms: Terms,
    /// Whether it is a dry run.
    pub dry_run: bool,
    /// Its description for the audit log.
    pub action: String,
    /// The endpoints in the request, by their pointers.
    pub reached: Vec<(String, Reach)>,
    /// Whether it may remove a backend, with what that holds in memory.
    pub may_lose: bool,
}

/// Performs a write. `decide` sees the file while nobody else writes.
///
/// # Errors
/// An endpoint is not allowed, the decision is a refusal or breaks a rule or one of a driver, or the file cannot be
/// written.
pub async fn write(
    admin: &Admin,
    order: Order,
    decide: impl FnOnce(&Snapshot, &Terms) -> Result<Decision, Problem> + Send + 'static,
) -> Result<Answer, Problem> {
    let dry_run = order.dry_run;
    let now = admin.blocking(|store| store.read()).await?;
    // What the file reaches already is not part of this request.
    let known = Reached::by(&now, &admin.drivers);
    let new: Vec<_> = order.reached.iter().filter(|(_, new)| !known.has(new)).cloned().collect();
    let refusals = admin.policy.refusals(&new).await;
    if !refusals.is_empty() {
        return Err(Problem::invalid(refusals));
    }
    let request = store::Request { caller: order.terms.caller.clone(), action: order.action };
    let (terms, drivers) = (order.terms, admin.drivers.clone());
    let judged: Vec<_> = order.reached.into_iter().map(|(_, reach)| reach).collect();
    let held = if order.may_lose { Held::ask(&admin.proxies, &now).await } else { Held::default() };
    let decided = move |now: &Snapshot| {
        let Decision { new, mut warnings } = decide(now, &terms)?;
        let mistakes = new.mistakes(&drivers);
        if !mistakes.is_empty() {
            return Err(Problem::invalid(mistakes));
        }
        Reached::by(now, &drivers).check(&new, &drivers, &judged)?;
        warnings.extend(held.lost(now, &new));
        let is_new = |named: &Named<'_>| now.drivers().all(|known| known.driver != named.driver);
        warnings.extend(check::unknown(new.drivers().filter(is_new), &drivers));
        warnings.extend(about_the_file(now, &new));
        let before = now.bytes_in_file().map(|_| now.text()).unwrap_or_default();
        let told = Told { warnings, diff: diff::unified(&before, &new.text()) };
        Ok((new, told))
    };
    if dry_run {
        return admin
            .blocking(move |store| {
                let now = store.read()?;
                let (new, told) = decided(&now)?;
                Ok(told.dry(&now, &new))
            })
            .await;
    }
    let written = admin
        .blocking(move |store| {
            store.change(&request, |now| decided(now).map(|(new, told)| (Some(new), told)))
        })
        .await?;
    let proxies = match written.revision {
        Some(number) => {
            let age = |sha256: String| admin.blocking(move |store| store.age(&sha256, number));
            admin.proxies.wait_for(written.after.sha256(), age).await
        }
        None => Vec::new(),
    };
    Ok(answer(written, proxies))
}

/// What a file reaches.
struct Reached<'a> {
    endpoints: HashSet<&'a Endpoint>,
    by_backends: Vec<Reach>,
}

impl<'a> Reached<'a> {
    fn by(file: &'a Snapshot, drivers: &Drivers) -> Self {
        let endpoints = file.endpoints_of_namespaces().map(|(_, endpoint)| endpoint).collect();
        let by_backends = file.reached_by_backends(drivers).into_iter().map(|(_, reach)| reach).collect();
        Self { endpoints, by_backends }
    }

    fn has(&self, reach: &Reach) -> bool {
        matches!(reach, Reach::Endpoint(endpoint) if self.endpoints.contains(endpoint))
            || self.by_backends.contains(reach)
    }

    /// Refuses a new file that reaches more than this one and what was judged: what is merged with this file was judged as merged with
    /// an earlier one.
    fn check(&self, new: &Snapshot, drivers: &Drivers, judged: &[Reach]) -> Result<(), Problem> {
        let is_judged = |reach: &Reach| self.has(reach) || judged.contains(reach);
        let of_namespaces = |endpoint: &Endpoint| {
            self.endpoints.contains(endpoint) || is_judged(&Reach::Endpoint(endpoint.clone()))
        };
        let are_judged = new.endpoints_of_namespaces().all(|(_, endpoint)| of_namespaces(endpoint))
            && new.reached_by_backends(drivers).iter().all(|(_, reach)| is_judged(reach));
        if are_judged {
            return Ok(());
        }
        let detail = "what this request changes was changed meanwhile, so nothing was; read it again, and repeat the request";
        Err(Problem::new(Kind::ChangedMeanwhile, detail))
    }
}

struct Told {
    warnings: Vec<String>,
    diff: String,
}

impl Told {
    fn dry(self, now: &Snapshot, new: &Snapshot) -> Answer {
        Answer {
            namespace: None,
            backend: None,
            changed: now.bytes_in_file() != new.bytes_in_file(),
            dry_run: true,
            revision: None,
            sha256: new.sha256().to_owned(),
            previous_sha256: now.sha256().to_owned(),
            applied: false,
            proxies: Vec::new(),
            warnings: self.warnings,
            diff: self.diff,
            config: Some(new.text().into_owned()),
        }
    }
}

fn answer(written: Written<Told>, proxies: Vec<Applied>) -> Answer {
    Answer {
        namespace: None,
        backend: None,
        changed: !Arc::ptr_eq(&written.before, &written.after),
        dry_run: false,
        revision: written.revision,
        sha256: written.after.sha256().to_owned(),
        previous_sha256: written.before.sha256().to_owned(),
        applied: !proxies.is_empty() && proxies.iter().all(|proxy| proxy.applied),
        proxies,
        warnings: written.outcome.warnings,
        diff: written.outcome.diff,
        config: None,
    }
}

/// What creating the file changes: proxies without one serve the built-in namespace.
fn about_the_file(now: &Snapshot, new: &Snapshot) -> Option<String> {
    if now.bytes_in_file().is_some() || now.entries().is_err() {
        return None;
    }
    let keeps_default = new.entries().unwrap_or_default().iter().any(|entry| entry.name == NAMESPACE_DEFAULT);
    Some(if keeps_default {
        "there was no file: the new file contains the namespace default, which proxies without a file serve from \
         localhost:50051, too"
            .to_owned()
    } else {
        "there was no file, and proxies without one serve the namespace default; the new file does not contain it, so it \
         is no longer served"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(lines: &str) -> Snapshot {
        Snapshot::of(lines.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn what_was_not_judged_is_not_written() {
        let backends = |endpoint: &str| {
            file(&format!("backends: [{{name: a, endpoint: '{endpoint}'}}]\nnamespaces: []\n"))
        };
        let namespaces = |endpoint: &str| {
            file(&format!("namespaces: [{{name: a, pattern: list, plugin: {{endpoint: '{endpoint}'}}}}]\n"))
        };
        let drivers = Drivers::new();
        let is_written = |now: &Snapshot, new: &Snapshot, judged: &[Reach]| {
            let checked = Reached::by(now, &drivers).check(new, &drivers, judged);
            checked.inspect_err(|refused| assert_eq!(refused.status, 409)).is_ok()
        };
        let other = [Reach::Endpoint("c:1".parse().unwrap())];
        for of in [&backends as &dyn Fn(&str) -> Snapshot, &namespaces] {
            let (now, new) = (of("b:1"), of("c:1"));
            assert!(is_written(&now, &now, &[]), "it is there already");
            assert!(is_written(&now, &new, &other));
            assert!(!is_written(&now, &new, &[]));
            assert!(!is_written(&now, &of("d:1"), &other));
        }
    }
}
