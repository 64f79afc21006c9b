//! Fills a store and compares its memory accounting with the growth of the process.
//! `cargo run --profile dist -p prism-memstore --example memory [keys|expiring|spread|namespaces|list] [count] [value bytes]`

use std::fs;
use std::time::Duration;

use bytes::Bytes;
use prism_memstore::MemStore;
use prism_plugin::{Context, KeyValue as _, List as _};

use prism_plugin::list::End;
use prism_plugin::types::{Key, Namespace, Ttl};

#[global_allocator]
static ALLOCATOR: prism_runtime::allocator::Allocator = prism_runtime::allocator::Allocator;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().unwrap_or_else(|| "keys".to_owned());
    let mut numbers = arguments.map(|argument| argument.parse().expect("a number"));
    let count: u64 = numbers.next().unwrap_or(1_000_000);
    let value = Bytes::from(vec![7; numbers.next().unwrap_or(100) as usize]);
    // Times from 10 minutes to a day make hundreds of timer lists; an hour makes a few.
    let ttl = |i: u64| match what.as_str() {
        "expiring" => Some(Ttl::from_secs(3600).expect("a time to live")),
        "spread" => Some(Ttl::from_secs(600 + i as i64 % 86_400).expect("a time to live")),
        _ => None,
    };
    let namespace = Namespace::new(String::new()).expect("the default namespace");
    // Multiplying by an odd number visits every key once, in no particular order.
    let key = |i: u64| Key::stored(format!("{:016x}", i.wrapping_mul(0x9e37_79b9_7f4a_7c15)));

    let store = MemStore::new(None);
    let expiry = tokio::spawn(store.expiry().run(std::future::pending::<()>()));
    let start = rss_bytes();
    for i in 0..count {
        let (namespace, value) = (namespace.clone(), value.clone());
        match what.as_str() {
            "keys" | "expiring" | "spread" => {
                store.set(&Context::default(), namespace, key(i), value, ttl(i)).await.expect("no limit");
            }
            "namespaces" => {
                let namespace = Namespace::new(format!("n{i}")).expect("a valid name");
                store.set(&Context::default(), namespace, key(i), value, None).await.expect("no limit");
            }
            "list" => {
                store
                    .push(&Context::default(), namespace, key(0), End::Right, value)
                    .await
                    .expect("no limit");
            }
            other => panic!("cannot measure {other}"),
        }
        if i % 1024 == 0 {
            tokio::task::yield_now().await;
        }
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    report(&what, &store, start, count);
    for i in 0..count {
        store.delete(&Context::default(), namespace.clone(), key(i)).await.expect("deletes");
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    println!("keys deleted: accounted {} bytes, RSS +{} bytes", store.totals().bytes, rss_bytes() - start);
    expiry.abort();
}

fn report(what: &str, store: &MemStore, start: i64, count: u64) {
    let (account, grown) = (store.totals().bytes as f64, (rss_bytes() - start) as f64);
    println!(
        "{count} {what}: {:.1} bytes each as accounted, {:.1} by RSS ({:+.1} %)",
        account / count as f64,
        grown / count as f64,
        (account / grown - 1.0) * 100.0
    );
}

fn rss_bytes() -> i64 {
    let statm = fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: i64 = statm.split_whitespace().nth(1).expect("the second field").parse().expect("a number");
    pages * 4096
}
