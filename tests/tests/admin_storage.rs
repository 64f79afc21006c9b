//! The admin on a disk that is full, read-only, or mounted in the way.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use prism_e2e::admin::{Admin, NO_PROXY, namespace};
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, mount_remount, unmount};

const TEXT: &str = "# ours\nnamespaces: []\n";

/// A mount that goes with the test.
struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    fn tmpfs(at: &'a Path, options: &std::ffi::CStr) -> Self {
        let mounted = mount("tmpfs", at, "tmpfs", MountFlags::empty(), Some(options));
        mounted.expect("this test mounts a tmpfs: run it as root, or in a user namespace that may mount");
        Self(at)
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        unmount(self.0, UnmountFlags::DETACH).unwrap();
    }
}

fn files(folder: &Path) -> Vec<String> {
    let entries =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut files: Vec<_> = entries.collect();
    files.sort();
    files
}

#[test]
fn a_full_disk_changes_nothing_and_says_what_to_do() {
    let outer = tempfile::tempdir().unwrap();
    let folder = tempfile::tempdir_in(outer.path()).unwrap();
    let path = folder.path().to_owned();
    let _mounted = Mounted::tmpfs(&path, c"size=64k");
    std::fs::write(path.join("prism.yaml"), TEXT).unwrap();
    let admin = Admin::within(folder, &["--proxy", NO_PROXY]);
    assert_eq!(admin.json("POST", "/namespaces", &namespace("a", "b:1")).status, 201);
    let before = (admin.text(), files(&path), files(&path.join("prism.yaml.revisions")));
    let audit = std::fs::read(path.join("prism.yaml.audit.jsonl")).unwrap();
    let large = format!("namespaces: []\n# {}\n", "x".repeat(100 << 10));
    for _ in 0..2 {
        let refused = admin.yaml("/config", large.as_bytes());
        assert_eq!(refused.status, 507, "{refused:?}");
        let says = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(says.contains("nothing was changed") && says.contains("free space"), "{says}");
    }
    assert_eq!((admin.text(), files(&path), files(&path.join("prism.yaml.revisions"))), before);
    assert_eq!(std::fs::read(path.join("prism.yaml.audit.jsonl")).unwrap(), audit);
    assert_eq!(
        admin.json("POST", "/namespaces", &namespace("b", "b:1")).status,
        201,
        "a small one fits still"
    );
}

#[test]
fn a_read_only_folder_is_read_and_not_written() {
    let outer = tempfile::tempdir().unwrap();
    let folder = tempfile::tempdir_in(outer.path()).unwrap();
    let path = folder.path().to_owned();
    let _mounted = Mounted::tmpfs(&path, c"size=1m");
    std::fs::write(path.join("prism.yaml"), TEXT).unwrap();
    mount_remount(&path, MountFlags::RDONLY, c"size=1m").unwrap();
    let admin = Admin::within(folder, &["--proxy", NO_PROXY]);
    let refused = admin.json("POST", "/namespaces", &namespace("a", "b:1"));
    let says = refused.text();
    assert!(refused.status == 503 && says.contains("read-only") && says.contains("--proxy-config"), "{says}");
    assert_eq!(admin.ask("GET", "/config").text(), TEXT);
    assert_eq!(admin.ask("GET", "/config/revisions").status, 200);
    assert_eq!(admin.text(), TEXT);
}

#[test]
fn a_file_that_is_a_mount_of_its_own_is_not_written_in_place() {
    let outer = tempfile::tempdir().unwrap();
    let folder = tempfile::tempdir_in(outer.path()).unwrap();
    let file = folder.path().join("prism.yaml");
    let elsewhere = folder.path().join("elsewhere.yaml");
    std::fs::write(&file, "").unwrap();
    std::fs::write(&elsewhere, TEXT).unwrap();
    mount_bind(&elsewhere, &file).expect("this test mounts a file: run it as root");
    let _mounted = Mounted(&file);
    let admin = Admin::within(folder, &["--proxy", NO_PROXY]);
    let refused = admin.json("POST", "/namespaces", &namespace("a", "b:1"));
    let says = refused.text();
    assert!(refused.status == 503 && says.contains("mount the folder"), "{says}");
    assert_eq!(std::fs::read_to_string(&elsewhere).unwrap(), TEXT);
    assert_eq!(admin.ask("GET", "/config/revisions").json()["revisions"].as_array().unwrap().len(), 1);
}
