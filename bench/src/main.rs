//! Measures the gateway end to end beside its baseline, and prints one table.
//!
//! ```sh
//! cargo build --release --workspace --bins && cargo run --release -p prism-bench --bin prism-bench
//! ```

mod contender;
mod load;

use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Parser;
use prism_client::Client;

use crate::contender::Contender;
use crate::load::{Outcome, Shape, gets};

/// Measures proxy plus memstore against the typed forward that RFC-026 draws, and the cost of a prefix scan.
#[derive(Parser)]
struct Args {
    /// Rounds; in each, every contender is measured once.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds that a measurement takes.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
}

const KEY: &str = "bench";
const SHAPE: Shape = Shape { connections: 4, streams: 16 };

/// As many workers as a machine of the given size leaves to servers: all of them, shared with the load.
const MEMSTORE: [&str; 4] = ["--listen", "127.0.0.1:0", "--memory-limit", "0"];

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    throughput(&args).await?;
    scan_cost().await
}

/// The gateway and its baseline before one memstore, in turns.
async fn throughput(args: &Args) -> anyhow::Result<()> {
    let memstore = Contender::start("prism-memstore", &MEMSTORE)?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("prism.yaml");
    let namespace = "{ name: default, pattern: keyvalue, plugin: { endpoint: \"ADDRESS\" } }";
    std::fs::write(&file, format!("namespaces: [{}]\n", namespace.replace("ADDRESS", &memstore.address)))?;
    let file = file.to_str().context("a temporary path is UTF-8")?;
    let proxy_arguments = ["--listen", "127.0.0.1:0", "--http-listen", "off", "--config", file];
    let proxy = Contender::start("prism-proxy", &proxy_arguments)?;
    let typed = Contender::start("typed-forward", &["127.0.0.1:0", &memstore.address])?;
    println!("ready after: prism-memstore {:?}, prism-proxy {:?}", memstore.ready_after, proxy.ready_after);

    Client::new(&memstore.address)?.keyvalue().set(KEY, vec![b'x'; 100]).await?;
    let time = Duration::from_secs(args.seconds);
    let mut ratios = Vec::new();
    let mut best = 0_f64;
    println!(
        "\nGet of 100 bytes, {} connections x {} streams, closed loop:",
        SHAPE.connections, SHAPE.streams
    );
    println!("| round | prism-proxy req/s | CPU/req | typed forward req/s | CPU/req | ratio |");
    println!("|---|---|---|---|---|---|");
    for round in 1..=args.rounds {
        let (ours, our_cpu) = measured(&proxy, time).await?;
        let (theirs, their_cpu) = measured(&typed, time).await?;
        let ratio = ours.per_second() / theirs.per_second();
        println!(
            "| {round} | {:.0} | {our_cpu:.1?} | {:.0} | {their_cpu:.1?} | {ratio:.2} |",
            ours.per_second(),
            theirs.per_second()
        );
        ratios.push(ratio);
        best = best.max(ours.per_second());
    }
    ratios.sort_by(f64::total_cmp);
    let (min, median, max) = (ratios[0], ratios[ratios.len() / 2], ratios[ratios.len() - 1]);
    println!("\nthroughput, prism-proxy / typed forward: {median:.2} ({min:.2} to {max:.2})");

    let half = gets(&proxy.address, KEY, SHAPE, time, Some(best / 2.0)).await?;
    println!("\nopen loop at half of the best ({:.0} req/s):", half.per_second());
    for quantile in [0.5, 0.9, 0.99, 0.999] {
        let value = Duration::from_nanos(half.latency.value_at_quantile(quantile));
        println!("  p{}: {value:?}", quantile * 100.0);
    }
    Ok(())
}

/// A closed loop, and the CPU time of the contender for each request.
async fn measured(contender: &Contender, time: Duration) -> anyhow::Result<(Outcome, Duration)> {
    let cpu_before = contender.cpu_time()?;
    let outcome = gets(&contender.address, KEY, SHAPE, time, None).await?;
    let cpu = contender.cpu_time()? - cpu_before;
    let per_request = cpu.div_f64(outcome.requests.max(1) as f64);
    Ok((outcome, per_request))
}

/// A scan of 100 matching keys among more and more others.
async fn scan_cost() -> anyhow::Result<()> {
    const MATCHING: usize = 100;
    const SCANS: u32 = 200;
    println!("\nscan of {MATCHING} matching keys, straight from prism-memstore:");
    for total in [10_000, 100_000, 1_000_000] {
        let memstore = Contender::start("prism-memstore", &MEMSTORE)?;
        let keyvalue = Client::new(&memstore.address)?.keyvalue();
        let mut key = 0;
        while key < total {
            let batch = (key..(key + 1000).min(total)).map(|number| {
                let prefix = if number % (total / MATCHING) == 0 { "match" } else { "other" };
                keyvalue.set(format!("{prefix}:{number:08}"), vec![b'x'; 100]).into_future()
            });
            futures_util::future::try_join_all(batch).await?;
            key += 1000;
        }
        let begun = Instant::now();
        for _ in 0..SCANS {
            let mut scan = keyvalue.scan("match:");
            let mut found = 0;
            while let Some(entry) = scan.next().await {
                entry?;
                found += 1;
            }
            anyhow::ensure!(found == MATCHING, "the scan found {found} keys");
        }
        println!("  among {total:>9} keys: {:?}", begun.elapsed() / SCANS);
    }
    Ok(())
}
