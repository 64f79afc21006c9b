//! Files that are cut off or have a flipped bit: the store is refused, or reading fails, or everything is still right, such
//! as where nothing is stored. Never is anything else served.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use fastrand::Rng;
use libtest_mimic::Trial;

use crate::verify::{May, verify};
use crate::worker::{Job, On, acknowledged};
use crate::{amount, folder, trial};

/// Damages of each kind, to each file.
const DAMAGES: usize = 6;

#[derive(Clone, Copy, Debug)]
enum Damage {
    Flip,
    Zeros,
    Cut,
    Gone,
}

pub(crate) fn trials() -> Vec<Trial> {
    let kinds = [
        (Damage::Flip, "a_flipped_bit_is_found_or_harmless"),
        (Damage::Zeros, "a_sector_of_zeros_is_found_or_harmless"),
        (Damage::Cut, "a_file_that_is_cut_off_is_refused"),
        (Damage::Gone, "a_missing_file_is_refused"),
    ];
    let mut trials: Vec<_> =
        kinds.map(|(damage, name)| trial(name, move || is_found(damage, On::Lsm))).into();
    trials.push(trial("ChecksOff_is_caught", || match is_found(Damage::Zeros, On::Unchecked) {
        Ok(()) => Err("the suite has not noticed it".to_owned()),
        Err(_) => Ok(()),
    }));
    trials
}

fn is_found(damage: Damage, on: On) -> Result<(), String> {
    let folder = folder();
    let root = folder.path().join("run");
    fs::create_dir(&root).unwrap();
    let mut job = Job { on, closes: true, ..Job::new(7) };
    job.workload.calls = 120;
    assert!(job.command(&root).status().unwrap().success());
    let acks = acknowledged(&fs::read(root.join("acks")).unwrap());
    let held: Vec<_> = (0..job.workload.tasks).map(|task| job.workload.held(task)).collect();
    let mut rng = Rng::with_seed(7);
    let mut found = 0;
    for file in files(&root.join("store")) {
        // Elsewhere, what is not checked may end the process.
        if on == On::Unchecked && file.extension().is_none_or(|extension| extension != "jnl") {
            continue;
        }
        let times = match damage {
            Damage::Gone => 1,
            _ => amount("PRISM_CRASH_DAMAGES", DAMAGES),
        };
        for time in 0..times {
            let copy = folder.path().join("copy");
            copy_all(&root, &copy);
            let name = file.strip_prefix(&root).unwrap();
            let Some(at) = apply(damage, &copy.join(name), time, &mut rng) else {
                fs::remove_dir_all(&copy).unwrap();
                break;
            };
            let compared = catch_unwind(AssertUnwindSafe(|| verify(&job, &copy, &acks, &held, May::Nothing)));
            fs::remove_dir_all(&copy).unwrap();
            match compared {
                Ok(Ok(())) => {}
                Ok(Err(why)) if why.starts_with("refused") || why.starts_with("damaged") => found += 1,
                Ok(Err(why)) => return Err(format!("{damage:?} at {at} of {}: {why}", name.display())),
                Err(_) => return Err(format!("{damage:?} at {at} of {}: panicked", name.display())),
            }
        }
    }
    if found == 0 { Err("no damage was found".to_owned()) } else { Ok(()) }
}

/// Damages a file, and returns where; `None` if there is nothing to damage.
fn apply(damage: Damage, file: &Path, time: usize, rng: &mut Rng) -> Option<usize> {
    let mut content = fs::read(file).unwrap();
    let bytes = content.len();
    // Of a journal, most is zeros that nobody reads.
    let used = used(&content);
    if used == 0 {
        return None;
    }
    // The first and last bytes are as likely as all others together.
    let at = match time % 3 {
        0 => rng.usize(..used.min(64)),
        1 => used - 1 - rng.usize(..used.min(64)),
        _ => rng.usize(..used),
    };
    match damage {
        Damage::Flip => content[at] ^= 1 << rng.u8(..8),
        Damage::Zeros => {
            let from = at / 512 * 512;
            let to = content.len().min(from + 512);
            content[from..to].fill(0);
        }
        Damage::Cut => content.truncate(at),
        Damage::Gone => {
            fs::remove_file(file).unwrap();
            return Some(0);
        }
    }
    let is_cut = content.len() < bytes;
    content.truncate(used);
    fs::write(file, content).unwrap();
    if !is_cut {
        fs::File::options().write(true).open(file).unwrap().set_len(bytes as u64).unwrap();
    }
    Some(at)
}

/// The bytes before the zeros at the end; by blocks, since there may be 64 MiB of them.
fn used(content: &[u8]) -> usize {
    const ZEROS: [u8; 4096] = [0; 4096];
    let blocks =
        content.chunks(ZEROS.len()).rev().take_while(|block| **block == ZEROS[..block.len()]).count();
    let kept = (content.len().div_ceil(ZEROS.len()) - blocks) * ZEROS.len();
    content[..kept.min(content.len())].iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_all(&path, &target);
        } else {
            // Most of a journal is zeros that take no room.
            let content = fs::read(&path).unwrap();
            fs::write(&target, &content[..used(&content)]).unwrap();
            fs::File::options().write(true).open(&target).unwrap().set_len(content.len() as u64).unwrap();
        }
    }
}
