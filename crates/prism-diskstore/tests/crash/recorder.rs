//! Builds the recorder and reads its notes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

/// What a process has done to a file or folder; paths are relative to the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Folder(String),
    Create(String),
    Write { path: String, at: usize, data: Vec<u8> },
    Truncate { path: String, bytes: usize },
    Sync(String),
    Rename { from: String, to: String },
    Unlink(String),
}

/// The library to preload.
pub(crate) fn library() -> &'static Path {
    static BUILT: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, library) = BUILT.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("recorder.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/crash/recorder.c");
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let built = Command::new(&compiler)
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&library)
            .arg(&source)
            .status();
        let built = built.unwrap_or_else(|error| {
            panic!("the C compiler that Rust links with is needed: {compiler:?}: {error}")
        });
        assert!(built.success(), "the recorder cannot be built");
        (folder, library)
    });
    library
}

/// The notes in a log.
pub(crate) fn read(log: &Path) -> Vec<Op> {
    let log = fs::read(log).unwrap();
    let mut rest = log.as_slice();
    let mut ops = Vec::new();
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let line = std::str::from_utf8(&rest[..end]).unwrap();
        rest = &rest[end + 1..];
        let [name, path, other, at, bytes] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line:?}")
        };
        let (path, at, bytes): (_, usize, usize) =
            (path.to_owned(), at.parse().unwrap(), bytes.parse().unwrap());
        ops.push(match name {
            "folder" => Op::Folder(path),
            "create" => Op::Create(path),
            "write" => {
                let (data, behind) = rest.split_at(bytes);
                rest = behind;
                Op::Write { path, at, data: data.to_vec() }
            }
            "truncate" => Op::Truncate { path, bytes: at },
            "sync" => Op::Sync(path),
            "rename" => Op::Rename { from: path, to: other.to_owned() },
            "unlink" => Op::Unlink(path),
            _ => panic!("{line:?}"),
        });
    }
    assert!(rest.is_empty(), "the last note is cut off");
    ops
}
