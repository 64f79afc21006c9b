//! Copies of namespaces between backends, through real proxies: nothing is lost, whatever is cut or killed in the middle.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use prism_client::{Client, ErrorKind, ErrorReason, Exported, Item, Namespace};
use prism_e2e::client;
use prism_e2e::process::{Process, Proxy};
use prism_e2e::redis::Redis;
use prism_e2e::relay;

const HOUR: Duration = Duration::from_secs(3600);

/// A gateway with the namespaces `memory`, `disk` and `redis`.
struct Gateway {
    proxy: Proxy,
    _plugins: [Process; 3],
    _redis: Redis,
    _folder: tempfile::TempDir,
}

impl Gateway {
    fn start() -> Self {
        let (redis, folder) = (Redis::start(), tempfile::tempdir().unwrap());
        let path = folder.path().join("store").display().to_string();
        let listen = ["--listen", "127.0.0.1:0"];
        let memory = Process::start("prism-memstore", listen);
        let disk = Process::start("prism-diskstore", [&listen[..], &["--path", &path]].concat());
        let remote = Process::start("prism-redis", [&listen[..], &["--redis", &redis.url()]].concat());
        let proxy =
            Proxy::start(&[("memory", memory.grpc()), ("disk", disk.grpc()), ("redis", remote.grpc())]);
        Self { proxy, _plugins: [memory, disk, remote], _redis: redis, _folder: folder }
    }

    fn namespace(&self, name: &str) -> Namespace {
        client(self.proxy.grpc()).namespace(name)
    }
}

/// What a namespace holds.
#[derive(Debug, Default, PartialEq)]
struct Content {
    /// With whether they expire.
    keys: BTreeMap<String, (Bytes, bool)>,
    lists: BTreeMap<String, Vec<Bytes>>,
}

impl Content {
    /// 2,000 keys, some of which expire, a list of 20 MiB, one of 40,000 values, and short ones.
    fn new() -> Self {
        let mut content = Self::default();
        for n in 0..2000 {
            let value = Bytes::from(vec![b'x'; n % 700]);
            content.keys.insert(format!("key:{n:04}"), (value, n % 10 == 0));
        }
        let large = (0..20).map(|n| vec![n; 1 << 20].into()).collect();
        content.lists.insert("large".to_owned(), large);
        content.lists.insert("many".to_owned(), (0..40_000).map(|n| n.to_string().into()).collect());
        for n in 0..300 {
            content.lists.insert(format!("short:{n:03}"), vec![n.to_string().into(), Bytes::new()]);
        }
        content
    }

    /// Its items, lists in parts of at most 2 MiB and 1,000 values.
    fn items(&self) -> Vec<Item> {
        let key = |(key, (value, expires)): (&String, &(Bytes, bool))| Item::Key {
            key: key.clone(),
            value: value.clone(),
            ttl_left: expires.then_some(HOUR),
        };
        let mut items: Vec<_> = self.keys.iter().map(key).collect();
        for (list_key, values) in &self.lists {
            let size = if values[0].len() > 1000 { 2 } else { 1000 };
            let parts: Vec<_> = values.chunks(size).collect();
            items.extend(parts.iter().enumerate().map(|(part, values)| Item::ListPart {
                list_key: list_key.clone(),
                values: values.to_vec(),
                part: part as u64,
                last: part + 1 == parts.len(),
            }));
        }
        items
    }

    /// What an export returns, where no key may come twice if it `comes_once`. A list that begins again replaces what came of it before.
    async fn of(mut export: prism_client::Export, comes_once: bool) -> Self {
        let mut content = Self::default();
        while let Some(exported) = export.next().await {
            let Exported { item, taken_at_unix_millis } = exported.unwrap();
            assert!(taken_at_unix_millis > 0);
            match item {
                Item::Key { key, value, ttl_left } => {
                    let half = HOUR / 2;
                    assert!(ttl_left.is_none_or(|left| left > half && left <= HOUR), "{ttl_left:?}");
                    let before = content.keys.insert(key, (value, ttl_left.is_some()));
                    assert!(before.is_none() || !comes_once, "a key came twice");
                }
                Item::ListPart { list_key, values, part: 0, .. } => {
                    content.lists.insert(list_key, values);
                }
                Item::ListPart { list_key, values, .. } => {
                    content.lists.get_mut(&list_key).unwrap().extend(values);
                }
            }
        }
        content
    }

    async fn store(&self, namespace: &Namespace) {
        let mut import = namespace.transfer().import();
        let items = self.items();
        let count = items.len() as u64;
        for item in items {
            import.send(item).await.unwrap();
        }
        let imported = import.finish().await.unwrap();
        assert_eq!((imported.items, imported.skipped), (count, 0));
    }

    async fn assert_in(&self, namespace: &Namespace) {
        let found = Self::of(namespace.transfer().export(""), false).await;
        assert_eq!((found.keys.len(), found.lists.len()), (self.keys.len(), self.lists.len()));
        assert!(found == *self, "it is another content");
    }
}

/// Copies from one namespace into another, and calls `each` with the number of each item before it is sent.
async fn copy(from: &Namespace, to: &Namespace, mut each: impl FnMut(usize)) {
    let (mut export, mut import) = (from.transfer().export(""), to.transfer().import());
    let mut number = 0;
    while let Some(exported) = export.next().await {
        each(number);
        import.send(exported.unwrap()).await.unwrap();
        number += 1;
    }
    import.finish().await.unwrap();
}

#[tokio::test]
async fn a_namespace_is_copied_from_backend_to_backend() {
    let gateway = Gateway::start();
    let content = Content::new();
    let [memory, disk, redis] = ["memory", "disk", "redis"].map(|name| gateway.namespace(name));
    content.store(&memory).await;
    content.assert_in(&memory).await;
    copy(&memory, &disk, |_| ()).await;
    content.assert_in(&disk).await;
    copy(&disk, &redis, |_| ()).await;
    content.assert_in(&redis).await;
    // Back into what is there already: it is replaced.
    memory.list().push_right("short:000", "more").await.unwrap();
    memory.keyvalue().set("key:0000", "other").await.unwrap();
    copy(&redis, &memory, |_| ()).await;
    content.assert_in(&memory).await;
}

#[tokio::test]
async fn what_is_there_stays_if_asked_on_each_backend() {
    let gateway = Gateway::start();
    for name in ["memory", "disk", "redis"] {
        let namespace = gateway.namespace(name);
        namespace.keyvalue().set("there", "before").await.unwrap();
        namespace.list().push_right("there", "before").await.unwrap();
        let mut import = namespace.transfer().import().if_absent();
        for key in ["there", "new"] {
            let (key, value) = (key.to_owned(), Bytes::from_static(b"after"));
            import.send(Item::list(key.clone(), vec![value.clone()])).await.unwrap();
            import.send(Item::Key { key, value, ttl_left: None }).await.unwrap();
        }
        let imported = import.finish().await.unwrap();
        assert_eq!((imported.items, imported.skipped), (4, 2), "{name}");
        let (keys, lists) = (namespace.keyvalue(), namespace.list());
        assert_eq!(
            (keys.get("there").await.unwrap(), keys.get("new").await.unwrap()),
            ("before".into(), "after".into())
        );
        assert_eq!(lists.range("there", 0, -1).await.unwrap(), ["before"]);
        assert_eq!(lists.range("new", 0, -1).await.unwrap(), ["after"]);
    }
}

#[tokio::test]
async fn an_export_that_is_cut_goes_on_and_returns_each_key_once() {
    let gateway = Gateway::start();
    let content = Content::new();
    for name in ["memory", "disk"] {
        content.store(&gateway.namespace(name)).await;
        // Within the first page, in the keys, in the large list, in the short ones.
        let cuts = [20_000, 300_000, 10_000_000, 12_000_000];
        let cut = relay::cut_at(&[gateway.proxy.grpc()], &cuts);
        let losses = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&losses);
        let count = move |_: &prism_client::Error| _ = counted.fetch_add(1, SeqCst);
        let cut = Client::builder(&cut).on_retry(count).build().unwrap();
        let found = Content::of(cut.namespace(name).transfer().export(""), true).await;
        assert_eq!(losses.load(SeqCst), cuts.len(), "{name}");
        assert!(found == content, "{name}: {} keys, {} lists", found.keys.len(), found.lists.len());
    }
}

#[tokio::test]
async fn an_import_that_is_cut_goes_on_and_stores_everything() {
    let gateway = Gateway::start();
    let content = Content::new();
    for name in ["memory", "disk", "redis"] {
        let cuts = [3000, 200_000, 500_000, 9_000_000];
        let cut = relay::cut_at(&[gateway.proxy.grpc()], &cuts);
        content.store(&client(&cut).namespace(name)).await;
        content.assert_in(&gateway.namespace(name)).await;
    }
}

#[tokio::test]
async fn a_killed_proxy_costs_no_item() {
    let store = Process::start("prism-memstore", ["--listen", "127.0.0.1:0"]);
    let namespaces = [("from", store.grpc()), ("to", store.grpc())];
    let (first, second) = (Proxy::start(&namespaces), Proxy::start(&namespaces));
    let direct = client(second.grpc());
    let content = Content::new();
    content.store(&direct.namespace("from")).await;
    let relay = relay::cut_at(&[first.grpc(), second.grpc()], &[]);
    let gateway = client(&relay);
    let mut first = Some(first);
    copy(&gateway.namespace("from"), &gateway.namespace("to"), |number| {
        if number == 1000 {
            // Without a drain.
            first.take();
        }
    })
    .await;
    assert!(first.is_none());
    content.assert_in(&direct.namespace("to")).await;
}

#[tokio::test]
async fn an_export_goes_on_at_a_token_and_refuses_others() {
    let gateway = Gateway::start();
    let content = Content::new();
    for name in ["memory", "disk", "redis"] {
        let namespace = gateway.namespace(name);
        content.store(&namespace).await;
        let mut export = namespace.transfer().export("");
        let mut found = Content::default();
        while export.resume_token().is_none() {
            if let Item::Key { key, value, ttl_left } = export.next().await.unwrap().unwrap().item {
                found.keys.insert(key, (value, ttl_left.is_some()));
            }
        }
        let token = export.resume_token().unwrap().clone();
        drop(export);
        let rest = Content::of(namespace.transfer().export("").resume(token.clone()), false).await;
        assert!(rest.keys.len() < content.keys.len(), "{name}: it did not begin again");
        found.keys.extend(rest.keys);
        assert!(found.keys == content.keys && rest.lists == content.lists, "{name}");

        let other = if name == "memory" { "disk" } else { "memory" };
        for (namespace, prefix, token) in [
            (&namespace, "", Bytes::from_static(b"garbage")),
            (&namespace, "key:", token.clone()),
            (&gateway.namespace(other), "", token),
        ] {
            let mut export = namespace.transfer().export(prefix).resume(token);
            let error = export.next().await.unwrap().unwrap_err();
            let found = (error.kind(), error.reason());
            assert_eq!(found, (ErrorKind::InvalidArgument, Some(ErrorReason::ResumeInvalid)), "{name}");
        }
    }
}

#[tokio::test]
async fn an_import_that_is_refused_says_what_is_stored() {
    let gateway = Gateway::start();
    let namespace = gateway.namespace("memory");
    let part = |part, last| Item::ListPart { list_key: "l".to_owned(), values: vec!["v".into()], part, last };
    let key = |key: &str| Item::Key { key: key.to_owned(), value: "v".into(), ttl_left: None };
    for (items, stored, field) in [
        (vec![key("a"), key("")], 1, "item.key.key"),
        (vec![key("a"), part(1, true)], 1, "item.list_part.part"),
        (vec![key("a"), part(0, false), part(2, true)], 1, "item.list_part.part"),
        (vec![key("a"), part(0, false)], 1, "item.list_part.last"),
    ] {
        let mut import = namespace.transfer().import();
        for item in items {
            // It may have been refused by now.
            let _ = import.send(item).await;
        }
        let error = import.flush().await.unwrap_err();
        assert_eq!((error.kind(), error.field()), (ErrorKind::InvalidArgument, Some(field)), "{error}");
        assert_eq!(import.acknowledged().items, stored, "{error}");
        assert_eq!(namespace.list().length("l").await.unwrap(), 0);
    }
    let nowhere = client(gateway.proxy.grpc()).namespace("nowhere").transfer().import();
    assert_eq!(nowhere.finish().await.unwrap_err().kind(), ErrorKind::NamespaceNotFound);
}

#[tokio::test]
async fn a_time_to_live_counts_from_the_export_if_asked() {
    let gateway = Gateway::start();
    for name in ["memory", "disk", "redis"] {
        let namespace = gateway.namespace(name);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let taken_at_unix_millis = i64::try_from((now - HOUR).as_millis()).unwrap();
        let item = |key: &str, left| Exported {
            item: Item::Key { key: key.to_owned(), value: "v".into(), ttl_left: Some(left) },
            taken_at_unix_millis,
        };
        let mut import = namespace.transfer().import().deadline();
        import.send(item("expired", HOUR / 2)).await.unwrap();
        import.send(item("left", HOUR * 2)).await.unwrap();
        let imported = import.finish().await.unwrap();
        assert_eq!((imported.items, imported.skipped), (2, 1), "{name}");
        assert!(!namespace.keyvalue().exists("expired").await.unwrap());
        let left = namespace.keyvalue().get_ttl("left").await.unwrap();
        assert!(left.is_some_and(|left| left > HOUR / 2 && left <= HOUR), "{name}: {left:?}");
    }
}

#[tokio::test]
async fn a_list_that_is_too_large_for_parts_is_refused() {
    let gateway = Gateway::start();
    let namespace = gateway.namespace("memory");
    let value = Bytes::from(vec![0; 3 << 20]);
    let mut import = namespace.transfer().import();
    let mut refused = None;
    for part in 0..50 {
        let values = vec![value.clone()];
        let item = Item::ListPart { list_key: "l".to_owned(), values, part, last: false };
        if let Err(error) = import.send(item).await {
            refused = Some(error);
            break;
        }
    }
    let error = match refused {
        Some(error) => error,
        None => import.flush().await.unwrap_err(),
    };
    assert_eq!(
        (error.kind(), error.reason()),
        (ErrorKind::ResourceExhausted, Some(ErrorReason::MemoryLimit))
    );
    assert_eq!(error.limit(), Some(128 << 20), "{error}");
    assert_eq!(namespace.list().length("l").await.unwrap(), 0);
}
