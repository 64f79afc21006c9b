//! What writes cost: Sets of 100 bytes a second with 64 at once, by durability, and the size on disk after keys were
//! overwritten.
//!
//! `cargo run --release -p prism-diskstore --example commit_cost -- FOLDER`, with a folder on the disk that is measured.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::Bytes;
use prism_diskstore::DiskStore;
use prism_diskstore::config::{Durability, Live, Settings};
use prism_plugin::list::{End, List as _};
use prism_plugin::types::{Key, Namespace};
use prism_plugin::{Context, KeyValue as _};

const TASKS: u64 = 64;
const KEYS: u64 = 1_000_000;
const FOR: Duration = Duration::from_secs(5);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder: PathBuf = std::env::args_os().nth(1).ok_or("name a folder")?.into();
    std::fs::create_dir_all(&folder)?;
    for durability in [Durability::EveryWrite, Durability::Periodic, Durability::Never] {
        let store = open(&folder.join(format!("{durability:?}")), durability)?;
        let (per_second, p99) = sets(&store).await?;
        println!("{durability:?}: {per_second:.0} Set/s, p99 {p99:?}");
    }
    let path = folder.join("overwritten");
    let store = open(&path, Durability::Never)?;
    lists(&store).await?;
    for round in 1..=10 {
        overwrite(&store).await?;
        println!("round {round} of overwriting {KEYS} keys: {}", size(&path)?);
    }
    tokio::time::sleep(Duration::from_secs(20)).await;
    println!("20 s later: {}", size(&path)?);
    let begun = Instant::now();
    // As after kill -9: without a close.
    std::mem::forget(store);
    let copy = folder.join("copy");
    copy_all(&path, &copy)?;
    let copied = begun.elapsed();
    let begun = Instant::now();
    drop(open(&copy, Durability::Never)?);
    println!(
        "a copy of the open store was opened and closed in {:?} (copied in {copied:?})",
        begun.elapsed()
    );
    Ok(())
}

fn open(path: &Path, durability: Durability) -> Result<DiskStore, String> {
    let live = Live { durability, min_free: 0, ..Live::default() };
    DiskStore::open(&Settings { path: path.to_owned(), live })
}

fn key(number: u64) -> Key {
    Key::stored(format!("key-{number:012}"))
}

fn namespace() -> Result<Namespace, prism_plugin::Error> {
    Namespace::new("cost".to_owned())
}

async fn sets(store: &DiskStore) -> Result<(f64, Duration), Box<dyn Error>> {
    let done = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (store, done) = (store.clone(), Arc::clone(&done));
            tokio::spawn(async move {
                let mut number = task;
                let mut took = Vec::new();
                while begun.elapsed() < FOR {
                    // Spread over the keys by a multiplication that is a bijection.
                    number = number.wrapping_add(TASKS);
                    let spread = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) % KEYS;
                    let call = Instant::now();
                    let value = Bytes::from_static(&[b'v'; 100]);
                    store.set(&Context::default(), namespace()?, key(spread), value, None).await?;
                    took.push(call.elapsed());
                    done.fetch_add(1, Relaxed);
                }
                Ok::<_, prism_plugin::Error>(took)
            })
        })
        .collect();
    let mut took = Vec::new();
    for task in tasks {
        took.extend(task.await??);
    }
    took.sort_unstable();
    let p99 = took.get(took.len() * 99 / 100).copied().unwrap_or_default();
    Ok((done.load(Relaxed) as f64 / begun.elapsed().as_secs_f64(), p99))
}

async fn overwrite(store: &DiskStore) -> Result<(), Box<dyn Error>> {
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut number = task;
                while number < KEYS {
                    let value = Bytes::from_static(&[b'v'; 100]);
                    store.set(&Context::default(), namespace()?, key(number), value, None).await?;
                    number += TASKS;
                }
                Ok::<_, prism_plugin::Error>(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(())
}

/// Push and pop on a list of ten values and on a long one.
async fn lists(store: &DiskStore) -> Result<(), Box<dyn Error>> {
    let push = async |list: &str| {
        store
            .push(
                &Context::default(),
                namespace()?,
                Key::stored(list.to_owned()),
                End::Right,
                Bytes::from_static(b"v"),
            )
            .await
    };
    for length in [10, 100_000] {
        let list = format!("list-{length}");
        for _ in 0..length {
            push(&list).await?;
        }
        let begun = Instant::now();
        for _ in 0..5000 {
            push(&list).await?;
            store.pop(&Context::default(), namespace()?, Key::stored(list.clone()), End::Left).await?;
        }
        println!("push and pop on a list of {length}: {:.0}/s", 5000.0 / begun.elapsed().as_secs_f64());
    }
    Ok(())
}

fn size(path: &Path) -> std::io::Result<String> {
    let (mut blocks, mut pending) = (0, vec![path.to_owned()]);
    while let Some(path) = pending.pop() {
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            let file = entry.metadata()?;
            if file.is_dir() {
                pending.push(entry.path());
            } else {
                use std::os::unix::fs::MetadataExt as _;
                blocks += file.blocks() * 512;
            }
        }
    }
    Ok(format!(
        "{} MiB on disk, {:.2} for each byte of keys and values",
        blocks >> 20,
        blocks as f64 / (KEYS * 116) as f64
    ))
}

fn copy_all(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            copy_all(&entry.path(), &to.join(entry.file_name()))?;
        } else {
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
