//! Creating, replacing, changing and removing an item of a list of the file: the same for namespaces and backends.

use std::sync::{Arc, Mutex, PoisonError};

use http::StatusCode;
use prism_plugin::driver::Drivers;
use prism_proxy::config::Plugin;
use serde_yaml::Value;

use super::request::{Terms, WriteParams};
use super::settings::{json, merged, named, tag};
use super::write::{Answer, Decision, Order, write};
use crate::error::{Kind, Problem};
use crate::file::edit::Change;
use crate::file::entry::plugin_of;
use crate::file::reach::Reach;
use crate::file::snapshot::Snapshot;
use crate::file::yaml::List;
use crate::file::{check, reach};
use crate::state::Admin;

/// The longest list of namespaces that a refusal spells out.
const NAMED_MAX: usize = 10;

/// A write of an item.
pub(super) struct Write {
    pub(super) list: List,
    pub(super) terms: Terms,
    pub(super) params: WriteParams,
}

/// What was written, or would be.
pub(super) struct Written {
    pub(super) answer: Answer,
    /// The status, which tells whether the item is new.
    pub(super) status: StatusCode,
    /// Its name.
    pub(super) name: String,
    /// The tag of its settings.
    pub(super) tag: String,
}

impl Write {
    /// Adds an item, which must not exist.
    pub(super) async fn create(self, admin: &Admin, new: Value) -> Result<Written, Problem> {
        let list = self.list;
        let now = admin.blocking(|store| store.read()).await?;
        check(list, &new, &now, &admin.drivers)?;
        let name = new.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let order = self.order(admin, format!("create {list} {name}"), &new);
        let dry_run = order.dry_run;
        let adding = (name.clone(), new.clone());
        let answer = write(admin, order, move |now, terms| {
            let (name, new) = adding;
            let old = now.find(list, &name)?;
            terms.check(&name, old.map(|(_, old)| tag(old)).as_deref())?;
            if old.is_some() {
                let detail = format!("{list} {name} already exists; PUT replaces it, PATCH changes it");
                return Err(Problem::new(Kind::Exists, detail));
            }
            edited(now, list, Change::Append(new))
        })
        .await?;
        written(list, answer, !dry_run, name, &new)
    }

    /// Replaces an item, or adds it.
    pub(super) async fn put(self, admin: &Admin, name: String, new: Value) -> Result<Written, Problem> {
        let list = self.list;
        let new = named(new, list, &name)?;
        let now = admin.blocking(|store| store.read()).await?;
        check(list, &new, &now, &admin.drivers)?;
        let order = self.order(admin, format!("put {list} {name}"), &new);
        let dry_run = order.dry_run;
        let (wanted, created) = (new.clone(), Arc::new(Mutex::new(false)));
        let (note, at) = (Arc::clone(&created), name.clone());
        let answer = write(admin, order, move |now, terms| {
            let old = now.find(list, &at)?;
            terms.check(&at, old.map(|(_, old)| tag(old)).as_deref())?;
            *note.lock().unwrap_or_else(PoisonError::into_inner) = old.is_none();
            let replaced = old.map(|(index, _)| index);
            edited(
                now,
                list,
                match replaced {
                    None => Change::Append(wanted),
                    Some(index) => Change::Replace(index, wanted),
                },
            )
        })
        .await?;
        let created = *created.lock().unwrap_or_else(PoisonError::into_inner) && !dry_run;
        written(list, answer, created, name, &new)
    }

    /// Changes an item by a merge patch.
    pub(super) async fn patch(self, admin: &Admin, name: String, change: Value) -> Result<Written, Problem> {
        let list = self.list;
        let now = admin.blocking(|store| store.read()).await?;
        let old = now.find(list, &name).ok().flatten().map(|(_, old)| old.clone());
        let order =
            self.order(admin, format!("patch {list} {name}"), &merged(old.unwrap_or_default(), &change));
        let result = Arc::new(Mutex::new(Value::Null));
        let (note, at, drivers) = (Arc::clone(&result), name.clone(), admin.drivers.clone());
        let answer = write(admin, order, move |now, terms| {
            let old = now.find(list, &at)?;
            terms.check(&at, old.map(|(_, old)| tag(old)).as_deref())?;
            let (index, old) = old.ok_or_else(|| missing(list, &at))?;
            let new = named(merged(old.clone(), &change), list, &at)?;
            check(list, &new, now, &drivers)?;
            new.clone_into(&mut note.lock().unwrap_or_else(PoisonError::into_inner));
            edited(now, list, Change::Replace(index, new))
        })
        .await?;
        let new = result.lock().unwrap_or_else(PoisonError::into_inner).clone();
        written(list, answer, false, name, &new)
    }

    /// Removes an item.
    pub(super) async fn delete(self, admin: &Admin, name: String) -> Result<Answer, Problem> {
        let list = self.list;
        let order = self.order(admin, format!("delete {list} {name}"), &Value::Null);
        write(admin, order, move |now, terms| {
            let old = now.find(list, &name)?;
            terms.check(&name, old.map(|(_, old)| tag(old)).as_deref())?;
            let (index, _) = old.ok_or_else(|| missing(list, &name))?;
            if list == List::Backends {
                check_unused(now, &name)?;
            }
            let mut decision = edited(now, list, Change::Remove(index))?;
            if list == List::Namespaces {
                decision.warnings.push(format!(
                    "the data of {name} stays in its backend; a namespace of that name shows it again"
                ));
            }
            Ok(decision)
        })
        .await
    }

    fn order(self, admin: &Admin, action: String, settings: &Value) -> Order {
        Order {
            terms: self.terms,
            dry_run: self.params.dry_run,
            action,
            reached: reached(self.list, settings, &admin.drivers),
            may_lose: self.list == List::Backends,
        }
    }
}

/// An item with this name, as the file has it.
pub(super) fn find(now: &Snapshot, list: List, name: &str) -> Result<Value, Problem> {
    now.find(list, name)?.map(|(_, found)| found.clone()).ok_or_else(|| missing(list, name))
}

fn check(list: List, settings: &Value, now: &Snapshot, drivers: &Drivers) -> Result<(), Problem> {
    let checked = match list {
        List::Backends => check::backend(settings, drivers).map(drop),
        List::Namespaces => {
            let backends = now.backends().iter().map(|backend| backend.settings.name.as_str());
            check::namespace(settings, now.server(), backends, drivers)
        }
    };
    checked.map_err(Problem::invalid)
}

/// What settings reach, by their pointers. Of what is invalid, and refused for that, there is nothing.
fn reached(list: List, settings: &Value, drivers: &Drivers) -> Vec<(String, Reach)> {
    match list {
        List::Backends => {
            check::backend(settings, drivers).map(|backend| reach::of(&backend, drivers)).unwrap_or_default()
        }
        List::Namespaces => match plugin_of(settings) {
            Some(Plugin::Endpoint(endpoint)) => {
                vec![("/plugin/endpoint".to_owned(), Reach::Endpoint(endpoint))]
            }
            _ => Vec::new(),
        },
    }
}

fn check_unused(now: &Snapshot, name: &str) -> Result<(), Problem> {
    let uses = |plugin: &Plugin| matches!(plugin, Plugin::Backend(backend) if backend == name);
    let users = now.entries()?.iter().filter(|entry| entry.plugin.as_ref().is_some_and(uses));
    let mut users: Vec<_> = users.map(|entry| entry.name.as_str()).collect();
    let more = users.len().saturating_sub(NAMED_MAX);
    users.truncate(NAMED_MAX);
    if users.is_empty() {
        return Ok(());
    }
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let detail = format!(
        "backend {name} serves {}{more}; give them another backend or remove them first",
        users.join(", ")
    );
    Err(Problem::new(Kind::InUse, detail))
}

fn missing(list: List, name: &str) -> Problem {
    let shown: String = name.chars().take(64).collect();
    Problem::new(Kind::NotFound, format!("{list} {shown} does not exist; POST /{} creates one", list.key()))
}

fn edited(now: &Snapshot, list: List, change: Change) -> Result<Decision, Problem> {
    let (new, warnings) = now.edited(list, change)?;
    Ok(Decision { new, warnings })
}

fn written(
    list: List,
    mut answer: Answer,
    created: bool,
    name: String,
    new: &Value,
) -> Result<Written, Problem> {
    let settings = Some(json(new)?);
    match list {
        List::Backends => answer.backend = settings,
        List::Namespaces => answer.namespace = settings,
    }
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok(Written { answer, status, name, tag: tag(new) })
}
