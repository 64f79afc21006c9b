//! What a prefix scan of 100 keys costs among 10k, 100k and 1M others, and what a time to live adds to a Set.
//! `cargo run --profile dist -p prism-memstore --example scan_cost`

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use prism_memstore::MemStore;
use prism_plugin::keyvalue::Range;
use prism_plugin::types::{Key, Namespace, Ttl};
use prism_plugin::{Context, KeyValue as _};

#[global_allocator]
static ALLOCATOR: prism_runtime::allocator::Allocator = prism_runtime::allocator::Allocator;

const ROUNDS: u32 = 1000;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    for keys in [10_000, 100_000, 1_000_000] {
        scan(keys).await;
    }
    for keys in [1_000, 1_000_000] {
        sets(keys).await;
    }
}

async fn scan(keys: u64) {
    let store = MemStore::new(None);
    for i in 0..keys {
        set(&store, mixed(i), None).await;
    }
    for i in 0..100 {
        set(&store, format!("match-{i:03}"), None).await;
    }
    let range = Range::new(namespace(), "match-".to_owned());
    let start = Instant::now();
    for _ in 0..ROUNDS {
        let pages: Vec<_> =
            store.scan(&Context::default(), range.clone()).try_collect().await.expect("scans");
        assert_eq!(pages.iter().map(|page| page.items.len()).sum::<usize>(), 100);
    }
    println!("scan of 100 keys among {keys}: {:?}", start.elapsed() / ROUNDS);
    let start = Instant::now();
    let count = store.count(&Context::default(), namespace(), "a".to_owned()).await.expect("counts");
    println!("count of {count} of {keys} keys: {:?}", start.elapsed());
}

async fn sets(keys: u64) {
    let ttl = Some(Ttl::from_secs(3600).expect("a time to live"));
    for (what, ttl) in [("without", None), ("with", ttl), ("without", None), ("with", ttl)] {
        let store = MemStore::new(None);
        let expiry = tokio::spawn(store.expiry().run(std::future::pending::<()>()));
        let start = Instant::now();
        for i in 0..keys {
            set(&store, mixed(i), ttl).await;
            if i % 64 == 0 {
                tokio::task::yield_now().await;
            }
        }
        let new = start.elapsed();
        let start = Instant::now();
        let overwrites = 1_000_000;
        for i in 0..overwrites {
            set(&store, mixed(i % keys), ttl).await;
            if i % 64 == 0 {
                tokio::task::yield_now().await;
            }
        }
        println!(
            "{keys} keys {what} ttl: {:?} a new key, {:?} an overwrite",
            each(new, keys),
            each(start.elapsed(), overwrites)
        );
        expiry.abort();
    }
}

async fn set(store: &MemStore, key: String, ttl: Option<Ttl>) {
    store
        .set(&Context::default(), namespace(), Key::stored(key), Bytes::from_static(&[7; 100]), ttl)
        .await
        .expect("no limit");
}

fn namespace() -> Namespace {
    Namespace::new(String::new()).expect("the default namespace")
}

/// Multiplying by an odd number visits every key once, in no particular order.
fn mixed(i: u64) -> String {
    format!("{:016x}", i.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn each(total: Duration, count: u64) -> Duration {
    total / count as u32
}
