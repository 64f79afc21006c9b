//! What a store holds after its process was killed, the power failed, the disk failed or a file was damaged.
//!
//! A worker process makes calls and notes which were acknowledged; the recorder notes what it does to its files. From the
//! notes, the states are made that a power loss could have left at each moment, each is opened, and what it holds is
//! compared with what was acknowledged by then. `just crash` does more of the same: `PRISM_CRASH_STATES` and
//! `PRISM_CRASH_KILLS` say how much.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[cfg(target_os = "linux")]
mod disk;
#[cfg(target_os = "linux")]
mod faults;
#[cfg(target_os = "linux")]
mod flips;
#[cfg(target_os = "linux")]
mod kills;
#[cfg(target_os = "linux")]
mod planted;
#[cfg(target_os = "linux")]
mod power;
#[cfg(target_os = "linux")]
mod recorder;
#[cfg(target_os = "linux")]
mod redb;
#[cfg(target_os = "linux")]
mod verify;
#[cfg(target_os = "linux")]
mod worker;
#[cfg(target_os = "linux")]
mod workload;

#[cfg(target_os = "linux")]
fn main() {
    use libtest_mimic::{Arguments, Trial};

    if worker::run() {
        return;
    }
    let tests: Vec<Trial> =
        [power::trials(), kills::trials(), faults::trials(), flips::trials()].into_iter().flatten().collect();
    libtest_mimic::run(&Arguments::from_args(), tests).exit();
}

#[cfg(not(target_os = "linux"))]
fn main() {}

/// A test of this suite.
#[cfg(target_os = "linux")]
fn trial(name: &str, run: impl FnOnce() -> Result<(), String> + Send + 'static) -> libtest_mimic::Trial {
    libtest_mimic::Trial::test(name, move || run().map_err(Into::into))
}

/// How much of something is done: what the variable says, or the default.
#[cfg(target_os = "linux")]
fn amount(variable: &str, default: usize) -> usize {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

/// A folder in memory if there is one: states are written and opened by the thousand.
#[cfg(target_os = "linux")]
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}
