//! What the proxies hold in the memory of backends, which a write may lose.

use prism_proxy::config::Place;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::file::snapshot::Snapshot;
use crate::proxies::Proxies;

/// Data in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
pub struct Data {
    /// Number of keys in all namespaces.
    pub keys: u64,
    /// Number of lists in all namespaces.
    pub lists: u64,
}

/// What each proxy reports, or why it does not.
#[derive(Debug, Default)]
pub struct Held {
    statuses: Vec<(String, Result<Value, String>)>,
}

impl Held {
    /// Asks the proxies, if the file has a backend that could lose anything.
    pub async fn ask(proxies: &Proxies, now: &Snapshot) -> Self {
        if !now.backends().iter().any(|backend| matches!(backend.settings.place, Place::Embedded { .. })) {
            return Self::default();
        }
        let statuses = proxies.statuses().await.into_iter();
        let statuses =
            statuses.map(|(url, status)| (url.to_string(), status.map_err(|error| error.to_string())));
        Self { statuses: statuses.collect() }
    }

    /// A sentence for each backend and proxy that loses data if `new` replaces `now`.
    #[must_use]
    pub fn lost(&self, now: &Snapshot, new: &Snapshot) -> Vec<String> {
        let stays = |name: &str, driver: &str| {
            new.backends().iter().any(|backend| {
                backend.settings.name == name
                    && matches!(&backend.settings.place, Place::Embedded { driver: known, .. } if known == driver)
            })
        };
        let mut lost = Vec::new();
        for backend in now.backends() {
            let (name, place) = (&backend.settings.name, &backend.settings.place);
            match place {
                Place::Embedded { driver, .. } if !stays(name, driver) => {}
                _ => continue,
            }
            for (url, status) in &self.statuses {
                match status {
                    Ok(status) => {
                        lost.extend(of_backend(status, name).and_then(|data| sentence(name, url, data)))
                    }
                    Err(error) => lost.push(format!(
                        "backend {name} may hold data in the memory of {url}, which does not say: {error}"
                    )),
                }
            }
        }
        lost
    }
}

/// What a backend with this name would lose, by a proxy's status; `None` if it keeps its data elsewhere.
fn of_backend(status: &Value, name: &str) -> Option<Data> {
    let backend = status["backends"].as_array()?.iter().find(|backend| backend["name"] == name)?;
    Data::deserialize(&backend["would_lose"]).ok()
}

fn sentence(name: &str, url: &str, Data { keys, lists }: Data) -> Option<String> {
    let counted = |count: u64, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    (keys + lists > 0).then(|| {
        format!(
            "without backend {name}, {url} loses what it holds in memory: {}, {}",
            counted(keys, "key"),
            counted(lists, "list")
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_leaves_a_memory_is_told_by_proxy() {
        let file = |backends: &str| {
            Snapshot::of(format!("backends: [{backends}]\nnamespaces: []\n").into()).unwrap()
        };
        let status = |keys: u64, lists: u64| {
            let lost = json!({ "keys": keys, "lists": lists });
            Ok(json!({ "backends": [
                { "name": null, "endpoint": "embedded:memstore", "would_lose": { "keys": 9, "lists": 9 } },
                { "name": "a", "endpoint": "embedded:memstore", "would_lose": lost },
                { "name": "b", "endpoint": "embedded:other", "would_lose": null },
            ] }))
        };
        let statuses = [
            ("http://p:1", status(1, 2)),
            ("http://p:2", status(0, 0)),
            ("http://p:3", Err("is down".to_owned())),
        ];
        let held = Held { statuses: statuses.map(|(url, status)| (url.to_owned(), status)).into() };
        let now =
            file("{name: a, embedded: memstore}, {name: b, embedded: other}, {name: c, endpoint: 'x:1'}");
        let without_a = file("{name: b, embedded: other}");
        let told = held.lost(&now, &without_a);
        assert_eq!(
            told,
            [
                "without backend a, http://p:1 loses what it holds in memory: 1 key, 2 lists",
                "backend a may hold data in the memory of http://p:3, which does not say: is down",
            ]
        );
        assert_eq!(held.lost(&now, &file("{name: a, embedded: other}, {name: b, embedded: other}")), told);
        let larger =
            file("{name: a, embedded: memstore, options: {memory_limit: 1}}, {name: b, embedded: other}");
        assert_eq!(held.lost(&now, &larger), Vec::<String>::new(), "it takes its options and stays");
    }
}
