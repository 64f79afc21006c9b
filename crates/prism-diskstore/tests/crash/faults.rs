//! A disk that fills, and one that fails to read, write or sync, while the store is open.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use libtest_mimic::Trial;
use prism_diskstore::{DiskStore, State};
use prism_plugin::conformance::{self, Options};
use prism_plugin::types::{Key, Namespace};
use prism_plugin::{Context, Error, ErrorReason, KeyValue as _};

use crate::worker::{Job, acting, under_recorder};
use crate::{folder, trial};

/// How long a store may take to notice that a fault is over.
const HEALED_WITHIN: Duration = Duration::from_secs(30);

const ENOSPC: i32 = 28;
const EIO: i32 = 5;

/// What a process under the recorder does; its environment says which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Full,
    FailedSync,
    FailedWrite,
    FailedRead,
}

impl Act {
    const ALL: [Self; 4] = [Self::Full, Self::FailedSync, Self::FailedWrite, Self::FailedRead];

    pub(crate) fn named(name: &str) -> Self {
        Self::ALL.into_iter().find(|act| format!("{act:?}") == name).expect("an act")
    }

    /// In the process under the recorder. Panics if the store does not behave.
    pub(crate) async fn play(self, root: &Path, fault: &Path) {
        let job = Job::new(0);
        let store = job.open(root).unwrap();
        for number in 0..10 {
            set(&store, &format!("before-{number}")).await.unwrap();
        }
        match self {
            Self::Full => full(&store, fault).await,
            Self::FailedSync | Self::FailedWrite => failed(self, &store, fault).await,
            Self::FailedRead => failed_read(&job, store, root, fault).await,
        }
    }
}

pub(crate) fn trials() -> Vec<Trial> {
    let names = [
        (Act::Full, "a_full_disk_refuses_writes_and_heals"),
        (Act::FailedSync, "a_failed_sync_ends_writing_and_reads_go_on"),
        (Act::FailedWrite, "a_failed_write_ends_writing_and_reads_go_on"),
        (Act::FailedRead, "a_failed_read_is_an_error_and_no_answer"),
    ];
    let mut trials: Vec<_> = names.map(|(act, name)| trial(name, move || play(act))).into();
    trials.push(trial("a_plugin_is_not_ready_while_its_disk_is_full", plugin_on_a_full_disk));
    trials
}

fn play(act: Act) -> Result<(), String> {
    let folder = folder();
    let root = folder.path().join("run");
    fs::create_dir(&root).unwrap();
    let ended = acting(act, &root).output().unwrap();
    if !ended.status.success() {
        return Err(String::from_utf8_lossy(&ended.stderr).into_owned());
    }
    // What was acknowledged is there, and what was refused as not applied is not.
    let store = Job::new(0).open(&root)?;
    store.verify()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for number in 0..10 {
            let key = format!("before-{number}");
            get(&store, &key).await.ok().flatten().ok_or(format!("{key} is lost"))?;
        }
        match (act, get(&store, "full").await) {
            (Act::Full, Ok(Some(_))) => Err("a write that was refused is there".to_owned()),
            _ => Ok(()),
        }
    })
}

async fn full(store: &DiskStore, fault: &Path) {
    fs::write(fault, format!("write {ENOSPC}")).unwrap();
    let error = set(store, "full").await.unwrap_err();
    assert_eq!(error.reason, ErrorReason::DiskFull, "{error}");
    assert!(matches!(store.state(), State::Healing { .. }));
    assert_eq!(set(store, "full").await.unwrap_err().reason, ErrorReason::DiskFull);
    assert!(get(store, "before-1").await.unwrap().is_some(), "reads go on");
    assert!(get(store, "full").await.unwrap().is_none(), "nothing half-written is served");
    fs::remove_file(fault).unwrap();
    let begun = Instant::now();
    while let Err(error) = set(store, "after").await {
        assert!(begun.elapsed() < HEALED_WITHIN, "{error}");
        tokio::task::yield_now().await;
    }
    assert_eq!(store.state(), State::Ready);
    assert!(get(store, "full").await.unwrap().is_none(), "what was refused does not come back");
}

async fn failed(act: Act, store: &DiskStore, fault: &Path) {
    let call = if act == Act::FailedSync { "sync" } else { "write" };
    fs::write(fault, format!("{call} {EIO}")).unwrap();
    let error = set(store, "failed").await.unwrap_err();
    assert_eq!((error.reason, error.fact("applied")), (ErrorReason::BackendLost, Some("maybe")), "{error}");
    fs::remove_file(fault).unwrap();
    // The next sync would succeed, without what the system has dropped.
    let error = set(store, "later").await.unwrap_err();
    assert_eq!(
        (error.reason, error.fact("applied")),
        (ErrorReason::BackendUnreachable, Some("no")),
        "{error}"
    );
    let State::Failed { error, .. } = store.state() else { panic!("it failed") };
    assert!(error.contains("os error 5"), "{error}");
    assert!(get(store, "before-1").await.unwrap().is_some(), "reads go on");
    assert!(get(store, "failed").await.unwrap().is_none(), "what is not acknowledged is not served");
}

async fn failed_read(job: &Job, store: DiskStore, root: &Path, fault: &Path) {
    for number in 0..200 {
        set(&store, &format!("much-{number}")).await.unwrap();
    }
    // Opened again, so that nothing is in the cache.
    drop(store);
    let store = job.open(root).unwrap();
    fs::write(fault, format!("read {EIO}")).unwrap();
    let mut failed = 0;
    for number in 0..200 {
        match get(&store, &format!("much-{number}")).await {
            Ok(found) => assert!(found.is_some(), "a key that cannot be read is not missing"),
            Err(error) => {
                assert_eq!(error.reason, ErrorReason::BackendUnreachable, "{error}");
                failed += 1;
            }
        }
    }
    assert!(failed > 0, "nothing was read from the disk");
    fs::remove_file(fault).unwrap();
    for number in 0..200 {
        assert!(get(&store, &format!("much-{number}")).await.unwrap().is_some(), "{number}");
    }
}

fn plugin_on_a_full_disk() -> Result<(), String> {
    let folder = folder();
    let root = folder.path().join("run");
    fs::create_dir(&root).unwrap();
    let fault = root.with_extension("fault");
    let mut command = under_recorder(env!("CARGO_BIN_EXE_prism-diskstore"), &root);
    let path = root.join("store");
    let flags = ["--min-free", "0", "--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--path"];
    let mut plugin = Killed(command.args(flags).arg(path).stdout(Stdio::piped()).spawn().unwrap());
    let mut ready = String::new();
    BufReader::new(plugin.0.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    let address = |name| ready.split_whitespace().find_map(|word| word.strip_prefix(name)).unwrap();
    let (grpc, http) = (address("grpc="), address("http="));
    until_ready_is(http, true)?;
    fs::write(&fault, format!("write {ENOSPC}")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let only = Options { only: vec!["keyvalue/set-then-get".to_owned()], ..Options::default() };
    let report = runtime.block_on(conformance::run(grpc, &only, |_| {})).unwrap();
    assert!(!report.is_conformant(), "a write succeeded on a full disk: {report}");
    until_ready_is(http, false)?;
    fs::remove_file(&fault).unwrap();
    until_ready_is(http, true)
}

/// A process that is killed in the end.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Asks for `/readyz` until the answer is this one.
fn until_ready_is(http: &str, expected: bool) -> Result<(), String> {
    let begun = Instant::now();
    loop {
        let mut socket = TcpStream::connect(http).unwrap();
        socket.set_read_timeout(Some(HEALED_WITHIN)).unwrap();
        socket.write_all(b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        let is_ready = answer.starts_with("HTTP/1.1 200");
        if is_ready == expected {
            return Ok(());
        }
        if begun.elapsed() > HEALED_WITHIN {
            return Err(format!("/readyz goes on answering {answer}"));
        }
        std::thread::yield_now();
    }
}

async fn set(store: &DiskStore, key: &str) -> Result<(), Error> {
    let value = Bytes::from(vec![b'v'; 500]);
    store.set(&Context::default(), namespace(), Key::stored(key.to_owned()), value, None).await
}

async fn get(store: &DiskStore, key: &str) -> Result<Option<Bytes>, Error> {
    store.get(&Context::default(), namespace(), Key::stored(key.to_owned())).await
}

fn namespace() -> Namespace {
    Namespace::new("faults".to_owned()).unwrap()
}
