//! Every call of KeyValue and List, and expiry, against a running gateway:
//!
//! ```text
//! prism dev
//! cargo run -p prism-examples --bin demo [ADDRESS]
//! ```
//!
//! Its keys and lists begin with a prefix of their own and are removed at the end, so that it can run again, and
//! beside others. Every answer is checked: the demo ends with 0 only if all are as promised.

use std::error::Error;
use std::fmt::Debug;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use prism_client::{Client, ErrorKind, KeyValue, List};

type Shown = Result<(), Box<dyn Error>>;

/// How long the demo waits for a key with a time to live of a second to go.
const EXPIRY_PATIENCE: Duration = Duration::from_secs(10);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let address = std::env::args().nth(1).unwrap_or_else(|| "localhost:8980".to_owned());
    match demo(&address).await {
        Ok(()) => {
            println!("\n✅ The demo is complete: every answer was as promised.");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("\n❌ The demo failed: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn demo(address: &str) -> Shown {
    println!("Prism at {address}");
    let client = Client::new(address)?;
    let (keyvalue, list) = (client.keyvalue(), client.list());
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let names = Names(format!("demo-{}-{}:", std::process::id(), since_epoch.as_nanos()));
    let shown = async {
        show_keyvalue(&keyvalue, &names).await?;
        show_list(&list, &names).await
    };
    let shown = shown.await;
    // First what failed, if it did; else what was left behind.
    let cleaned = clean_up(&keyvalue, &list, &names).await;
    shown.and(cleaned)
}

/// The names that this run uses, and how they are printed.
struct Names(String);

impl Names {
    fn full(&self, name: &str) -> String {
        format!("{}{name}", self.0)
    }

    fn short<'a>(&self, full: &'a str) -> &'a str {
        full.strip_prefix(&self.0).unwrap_or(full)
    }
}

async fn show_keyvalue(keyvalue: &KeyValue, names: &Names) -> Shown {
    println!("\n=== KeyValue ===");
    let (alice, bob) = (names.full("user:alice"), names.full("user:bob"));
    let users = names.full("user:");

    println!("\n1. Set two keys ...");
    keyvalue.set(&alice, r#"{"name": "Alice", "age": 30}"#).await?;
    keyvalue.set(&bob, r#"{"name": "Bob", "age": 25}"#).await?;
    println!("   ✓ user:alice and user:bob are set");

    println!("\n2. Get a value ...");
    let value = keyvalue.get(&alice).await?;
    check("the value of user:alice", &value[..], &br#"{"name": "Alice", "age": 30}"#[..])?;
    println!("   ✓ user:alice = {}", String::from_utf8_lossy(&value));

    println!("\n3. Scan, scan keys and count the prefix user: ...");
    let mut scan = keyvalue.scan(&users);
    let mut found = Vec::new();
    while let Some(entry) = scan.next().await {
        let entry = entry?;
        println!("   ✓ {} = {}", names.short(&entry.key), String::from_utf8_lossy(&entry.value));
        found.push(entry.key);
    }
    found.sort();
    check("the keys of the scan", &found, &vec![alice.clone(), bob.clone()])?;
    let mut scan = keyvalue.scan_keys(&users).limit(1);
    let first = scan.next().await.ok_or("the scan of the keys is empty")??;
    println!("   ✓ the first key is {}", names.short(&first));
    check("the second key of a scan limited to one", &scan.next().await.is_some(), &false)?;
    check("the count", &keyvalue.count(&users).await?, &2)?;
    println!("   ✓ 2 keys are counted");

    show_expiry(keyvalue, &names.full("session:123")).await?;

    println!("\n5. Delete a key ...");
    check("whether user:bob was deleted", &keyvalue.delete(&bob).await?, &true)?;
    println!("   ✓ user:bob is deleted");
    check("whether user:bob was deleted again", &keyvalue.delete(&bob).await?, &false)?;
    println!("   ✓ deleting it again finds nothing");
    match keyvalue.get(&bob).await {
        Err(error) if error.kind() == ErrorKind::NotFound => println!("   ✓ getting it fails: {error}"),
        Err(error) => return Err(error.into()),
        Ok(_) => return Err("user:bob is still there".into()),
    }
    Ok(())
}

async fn show_expiry(keyvalue: &KeyValue, session: &str) -> Shown {
    println!("\n4. Set a key that lives for 1 hour ...");
    keyvalue.set(session, "temporary").ttl(Duration::from_secs(3600)).await?;
    check("whether session:123 exists", &keyvalue.exists(session).await?, &true)?;
    println!("   ✓ session:123 exists: true");
    println!("   Setting it again, to live for 1 second ...");
    keyvalue.set(session, "temporary").ttl(Duration::from_secs(1)).await?;
    println!("   Waiting for it to expire ...");
    let begun = Instant::now();
    while keyvalue.exists(session).await? {
        if begun.elapsed() > EXPIRY_PATIENCE {
            return Err(format!("session:123 is still there after {EXPIRY_PATIENCE:?}").into());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!("   ✓ session:123 exists: false");
    Ok(())
}

async fn show_list(list: &List, names: &Names) -> Shown {
    println!("\n=== List ===");
    let (queue, stack) = (names.full("queue"), names.full("stack"));

    println!("\n1. A queue, first in, first out: push right, pop left ...");
    for task in ["task-1", "task-2", "task-3"] {
        list.push_right(&queue, task).await?;
    }
    let length = list.push_left(&queue, "task-0, which is urgent").await?;
    check("the length after the pushes", &length, &4)?;
    check("the length", &list.length(&queue).await?, &4)?;
    println!("   ✓ the queue holds {length}: three pushed at the right, an urgent one at the left");
    let mut order = Vec::new();
    while let Some(task) = list.pop_left(&queue).await? {
        let task = String::from_utf8_lossy(&task).into_owned();
        println!("   ✓ processed {task}");
        order.push(task);
    }
    check(
        "the order",
        &order,
        &["task-0, which is urgent", "task-1", "task-2", "task-3"].map(str::to_owned).to_vec(),
    )?;

    println!("\n2. A stack, last in, first out: push right, pop right ...");
    for page in ["page-1", "page-2", "page-3"] {
        list.push_right(&stack, page).await?;
    }
    println!("   ✓ the stack holds {}", list.length(&stack).await?);
    let mut order = Vec::new();
    while let Some(page) = list.pop_right(&stack).await? {
        let page = String::from_utf8_lossy(&page).into_owned();
        println!("   ✓ popped {page}");
        order.push(page);
    }
    check("the order", &order, &["page-3", "page-2", "page-1"].map(str::to_owned).to_vec())?;
    check("the length of the emptied stack", &list.length(&stack).await?, &0)
}

/// Removes what a run leaves, also one that failed midway.
async fn clean_up(keyvalue: &KeyValue, list: &List, names: &Names) -> Shown {
    let mut scan = keyvalue.scan_keys(&names.0);
    while let Some(key) = scan.next().await {
        keyvalue.delete(key?).await?;
    }
    for name in ["queue", "stack"] {
        while list.pop_left(names.full(name)).await?.is_some() {}
    }
    Ok(())
}

fn check<T: PartialEq + Debug + ?Sized>(what: &str, actual: &T, expected: &T) -> Shown {
    if actual == expected {
        return Ok(());
    }
    Err(format!("{what} should be {expected:?}, and is {actual:?}").into())
}
