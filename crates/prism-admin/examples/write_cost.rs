//! What changing one namespace costs the admin as the file grows: `cargo run --profile dist -p prism-admin --example
//! write_cost [FOLDER]`. The files are written to that folder, so that its disk counts; the default is a temporary one.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use prism_admin::error::Problem;
use prism_admin::file::diff;
use prism_admin::file::edit::Change;
use prism_admin::file::snapshot::Snapshot;
use prism_admin::file::store::{Caller, Request, Store};
use prism_admin::file::yaml::List;

#[global_allocator]
static ALLOCATOR: prism_runtime::allocator::Allocator = prism_runtime::allocator::Allocator;

const ROUNDS: usize = 21;

fn file(count: usize) -> String {
    let mut text = "# ours\nserver:\n  listen_address: \"0.0.0.0:8980\"\nnamespaces:\n".to_owned();
    for number in 0..count {
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "  - name: n{number} # its team\n    pattern: keyvalue\n    plugin:\n      endpoint: \"localhost:50051\"\n"
        );
    }
    text
}

fn change(round: usize) -> Change {
    let text = format!(
        "{{name: n5, pattern: keyvalue, plugin: {{endpoint: 'localhost:50051'}}, timeout: {}s}}",
        round + 1
    );
    Change::Replace(5, serde_yaml::from_str(&text).expect("it is YAML"))
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e3
}

fn main() {
    let folder = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    println!(
        "{:>10} {:>10} {:>12} {:>12} {:>12} {:>12}",
        "namespaces", "bytes", "first, ms", "edit, ms", "diff, ms", "write, ms"
    );
    for count in [10, 1000, 3000, 10_000] {
        let folder = tempfile::tempdir_in(&folder).expect("the folder can be written");
        let path = folder.path().join("prism.yaml");
        std::fs::write(&path, file(count)).expect("the folder can be written");
        let store = Store::new(path);
        store.open().expect("the folder can be written");
        let (mut edits, mut diffs, mut writes) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let begun = Instant::now();
            let caller = Caller { who: "example".to_owned(), request_id: round.to_string() };
            let request = Request { caller, action: "patch namespace n5".to_owned() };
            let written = store.change(&request, |now| -> Result<(Option<Snapshot>, ()), Problem> {
                let begun = Instant::now();
                let (new, _) = now.edited(List::Namespaces, change(round))?;
                edits.push(begun.elapsed());
                let begun = Instant::now();
                let _ = diff::unified(&now.text(), &new.text());
                diffs.push(begun.elapsed());
                Ok((Some(new), ()))
            });
            written.expect("the file can be written");
            writes.push(begun.elapsed());
        }
        let first = writes.remove(0).as_secs_f64() * 1e3;
        println!(
            "{count:>10} {:>10} {first:>12.2} {:>12.2} {:>12.2} {:>12.2}",
            file(count).len(),
            median(edits.split_off(1)),
            median(diffs.split_off(1)),
            median(writes)
        );
    }
}
