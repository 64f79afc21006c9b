//! The admin on a disk that is full, read-only, or mounted in the way.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use prism_e2e::admin::{NO_PROXY, namespace};
use prism_e2e::http::{self, Answer};
use prism_e2e::mounts;
use prism_e2e::process::{Process, binary};
use tempfile::TempDir;

const TEXT: &str = "# ours\nnamespaces: []\n";

fn main() -> ExitCode {
    mounts::run(&[
        ("a_full_disk_changes_nothing_and_says_what_to_do", a_full_disk_changes_nothing_and_says_what_to_do),
        ("a_read_only_folder_is_read_and_not_written", a_read_only_folder_is_read_and_not_written),
        (
            "a_file_that_is_a_mount_of_its_own_is_not_written_in_place",
            a_file_that_is_a_mount_of_its_own_is_not_written_in_place,
        ),
    ])
}

/// An admin with its own mounts.
struct Admin {
    process: Process,
    folder: TempDir,
}

impl Admin {
    /// Starts one on `disk/prism.yaml`, after a shell line has mounted it. Beside the folder `disk` is a file `text`.
    fn after(mount: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let disk = folder.path().join("disk");
        std::fs::create_dir(&disk).unwrap();
        std::fs::write(folder.path().join("text"), TEXT).unwrap();
        std::fs::write(disk.join("prism.yaml"), "").unwrap();
        let line = format!("cd '{}' && {mount}", folder.path().display());
        let file = disk.join("prism.yaml");
        let flags =
            ["--listen", "127.0.0.1:0", "--proxy", NO_PROXY, "--proxy-config", file.to_str().unwrap()];
        let mut command = mounts::command_after(&line, binary("prism-admin"), flags);
        Self { process: Process::spawn("prism-admin", &mut command), folder }
    }

    /// Its folder, as the admin sees it.
    fn disk(&self) -> PathBuf {
        let root = format!("/proc/{}/root", self.process.pid().as_raw_nonzero());
        Path::new(&root).join(self.folder.path().strip_prefix("/").unwrap()).join("disk")
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.disk().join("prism.yaml")).unwrap()
    }

    fn ask(&self, path: &str) -> Answer {
        self.send("GET", path, "application/json", "")
    }

    fn create(&self, name: &str) -> Answer {
        self.send("POST", "/namespaces", "application/json", &namespace(name, "b:1"))
    }

    fn send(&self, method: &str, path: &str, content_type: &str, body: &str) -> Answer {
        let headers = [("content-type", content_type)];
        http::send(self.process.address("http"), method, path, &headers, body.as_bytes())
    }
}

fn files(folder: &Path) -> Vec<String> {
    let entries =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut files: Vec<_> = entries.collect();
    files.sort();
    files
}

fn a_full_disk_changes_nothing_and_says_what_to_do() {
    let admin = Admin::after("mount -t tmpfs -o size=64k tmpfs disk && cp text disk/prism.yaml");
    let disk = admin.disk();
    assert_eq!(admin.create("a").status, 201);
    let before = (admin.text(), files(&disk), files(&disk.join("prism.yaml.revisions")));
    let audit = std::fs::read(disk.join("prism.yaml.audit.jsonl")).unwrap();
    let large = format!("namespaces: []\n# {}\n", "x".repeat(100 << 10));
    for _ in 0..2 {
        let refused = admin.send("PUT", "/config", "application/yaml", &large);
        assert_eq!(refused.status, 507, "{refused:?}");
        let says = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(says.contains("nothing was changed") && says.contains("free space"), "{says}");
    }
    assert_eq!((admin.text(), files(&disk), files(&disk.join("prism.yaml.revisions"))), before);
    assert_eq!(std::fs::read(disk.join("prism.yaml.audit.jsonl")).unwrap(), audit);
    assert_eq!(admin.create("b").status, 201, "a small one fits still");
}

fn a_read_only_folder_is_read_and_not_written() {
    let admin =
        Admin::after("mount -t tmpfs tmpfs disk && cp text disk/prism.yaml && mount -o remount,bind,ro disk");
    let refused = admin.create("a");
    let says = refused.text();
    assert!(refused.status == 503 && says.contains("read-only") && says.contains("--proxy-config"), "{says}");
    assert_eq!(admin.ask("/config").text(), TEXT);
    assert_eq!(admin.ask("/config/revisions").status, 200);
    assert_eq!(admin.text(), TEXT);
}

fn a_file_that_is_a_mount_of_its_own_is_not_written_in_place() {
    let admin = Admin::after("mount --bind text disk/prism.yaml");
    let refused = admin.create("a");
    let says = refused.text();
    assert!(refused.status == 503 && says.contains("mount the folder"), "{says}");
    assert_eq!(std::fs::read_to_string(admin.folder.path().join("text")).unwrap(), TEXT);
    assert_eq!(admin.ask("/config/revisions").json()["revisions"].as_array().unwrap().len(), 1);
}
