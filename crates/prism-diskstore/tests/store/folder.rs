//! Folders that are no store, or not one to open: each refusal names the path and what to do.

use std::fs;
use std::path::Path;

use prism_diskstore::DiskStore;

use crate::support::{open, set, settings};

fn refusal(path: &Path) -> String {
    let why = DiskStore::open(&settings(path)).map(drop).unwrap_err();
    assert!(why.contains(path.to_str().unwrap()), "{why}");
    why
}

#[test]
fn a_path_that_cannot_be_a_store_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "x").unwrap();
    assert!(refusal(&file).contains("is a file, not a folder"));
    assert!(refusal(folder.path()).contains("neither empty nor a store"));
    assert!(refusal(&folder.path().join("missing/store")).contains("does not exist"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was created");
}

#[test]
fn a_floor_above_the_disk_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path());
    settings.live.min_free = u64::MAX;
    let why = DiskStore::open(&settings).map(drop).unwrap_err();
    assert!(why.contains("min_free") && why.contains("choose less"), "{why}");
}

#[test]
fn a_store_that_is_open_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    assert!(refusal(folder.path()).contains("is open in another process"));
    drop(store);
    open(folder.path());
}

#[test]
fn a_newer_format_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    fs::write(folder.path().join("FORMAT"), "prism-diskstore format 3\n").unwrap();
    assert!(refusal(folder.path()).contains("has format 3, from a newer version"));
    fs::write(folder.path().join("FORMAT"), "").unwrap();
    assert!(refusal(folder.path()).contains("cannot be read"));
    fs::write(folder.path().join("FORMAT"), "prism-diskstore format 0\n").unwrap();
    assert!(refusal(folder.path()).contains("cannot be read"));
}

#[tokio::test]
async fn a_store_of_format_1_becomes_one_of_the_current_format() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    set(&store, "key", "v", None).await.unwrap();
    drop(store);
    let format = folder.path().join("FORMAT");
    fs::write(&format, "prism-diskstore format 1\n").unwrap();
    assert_eq!(open(folder.path()).verify().unwrap().keys, 1);
    assert_eq!(fs::read_to_string(&format).unwrap(), "prism-diskstore format 2\n");
    open(folder.path());
}

#[tokio::test]
async fn a_store_without_one_of_its_files_is_refused_and_not_begun_anew() {
    let whole = tempfile::tempdir().unwrap();
    let path = whole.path().join("store");
    let store = open(&path);
    set(&store, "key", "v", None).await.unwrap();
    drop(store);
    for missing in ["FORMAT", "data", "data/version", "data/0.jnl", "data/keyspaces/1/current"] {
        let gone = whole.path().join("gone");
        fs::rename(path.join(missing), &gone).unwrap();
        refusal(&path);
        // The check for a store that was closed finds it first; one whose process was killed has no such record.
        let closed = fs::read(path.join("CLOSED")).unwrap();
        fs::remove_file(path.join("CLOSED")).unwrap();
        refusal(&path);
        fs::rename(&gone, path.join(missing)).unwrap();
        fs::write(path.join("CLOSED"), closed).unwrap();
    }
    let store = open(&path);
    assert_eq!(store.verify().unwrap().keys, 1);
}

#[test]
fn a_store_whose_creation_was_interrupted_is_created_again() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    fs::remove_file(folder.path().join("FORMAT")).unwrap();
    fs::remove_file(folder.path().join("CLOSED")).unwrap();
    fs::write(folder.path().join("creating"), "").unwrap();
    open(folder.path());
}
