//! Each verb is on each floor: served by each backend, checked by the conformance suite, callable by the clients, from a terminal
//! and from the console, and documented.
//!
//! [`MISSING`] is the only list of what is not built yet, and [`reach`] has what is left out for a reason. A verb that is missing and
//! not listed fails the test, and so does one that is listed although it is there: whoever builds one removes it from the list.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use http::uri::PathAndQuery;
use prism_e2e::admin::{Admin, NO_PROXY};
use prism_e2e::dev::Ran;
use prism_e2e::http::send;
use prism_e2e::process::{Process, command, config, workspace};
use prism_e2e::reach::{COMMANDS, NO_COMMAND, NO_REQUEST, REQUESTS, Request as ConsoleRequest};
use prism_e2e::recorder::Recorder;
use prism_e2e::stack::BYTES;
use prism_proto::codec::Codec;
use prism_proto::methods::KNOWN;
use prism_proto::{Error, ErrorReason};
use tonic::Request;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};

/// What each floor lacks.
const MISSING: &[(&str, &[&str])] = &[
    ("prism-memstore", &[]),
    ("prism-diskstore", &[]),
    ("prism-redis", &[]),
    ("conformance", &[]),
    ("prism-client", &[]),
    ("python", &[]),
    ("command line", &[]),
    ("console", &[]),
    ("docs/PLUGINS.md", &[]),
    ("docs/CLI.md", &[]),
    ("docs/ADMIN.md", &[]),
    ("bindings/python/README.md", &[]),
];

/// How long a backend may take to answer, or to find that nothing is behind it.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// The name of the method at a path. Each name belongs to one path.
fn verb(path: &str) -> &str {
    path.rsplit('/').next().unwrap()
}

/// The path of the method of this name.
fn path_of(name: &str) -> &'static str {
    KNOWN.keys().find(|path| verb(path) == name).unwrap_or_else(|| panic!("there is no method {name}"))
}

/// Compares what a floor lacks with what is listed.
fn check(floor: &str, is_there: impl Fn(&str) -> bool) {
    check_except(floor, &[], is_there);
}

/// The same for a floor that leaves out some for a reason.
fn check_except(floor: &str, left_out: &[(&str, &str)], is_there: impl Fn(&str) -> bool) {
    let missing: BTreeSet<_> = KNOWN.keys().filter(|path| !is_there(path)).map(|path| verb(path)).collect();
    let (_, listed) = MISSING.iter().find(|(listed, _)| *listed == floor).unwrap();
    let listed = listed.iter().copied().chain(left_out.iter().map(|(verb, _)| *verb));
    assert_eq!(missing, listed.collect(), "what {floor} lacks is not what is listed");
}

/// Whether a server knows the method at a path: an empty message changes nothing.
async fn is_served(channel: &Channel, path: &str) -> bool {
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    let path = PathAndQuery::try_from(path).unwrap();
    let mut request = Request::new(());
    request.set_timeout(ANSWER_MAX);
    let answer = match grpc.server_streaming(request, path, Codec::<(), ()>::default()).await {
        Ok(answer) => answer.into_inner().message().await.map(drop),
        Err(status) => Err(status),
    };
    let reason = answer.err().and_then(|status| Error::from_status(&status)).map(|error| error.reason);
    reason != Some(ErrorReason::MethodUnknown)
}

#[test]
fn a_verb_has_one_name() {
    let verbs: BTreeSet<_> = KNOWN.keys().map(|path| verb(path)).collect();
    assert_eq!(verbs.len(), KNOWN.len(), "two methods have the same name");
}

#[test]
fn each_backend_serves_each_verb() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    for (name, flags) in [
        ("prism-memstore", &["--listen", "127.0.0.1:0"][..]),
        ("prism-diskstore", &["--listen", "127.0.0.1:0", "--path", path.to_str().unwrap()]),
        // Nothing listens there: a method that is served fails in another way.
        ("prism-redis", &["--listen", "127.0.0.1:0", "--redis", "redis://127.0.0.1:1"]),
    ] {
        let plugin = Process::start(name, flags);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let served: BTreeSet<_> = runtime.block_on(async {
            let endpoint = Endpoint::from_shared(format!("http://{}", plugin.grpc())).unwrap();
            let channel = endpoint.connect().await.unwrap();
            let mut served = BTreeSet::new();
            for path in KNOWN.keys() {
                if is_served(&channel, path).await {
                    served.insert(path.as_str());
                }
            }
            served
        });
        check(name, |path| served.contains(path));
    }
}

/// The text of all sources below a folder or of a file.
fn sources(path: &Path) -> String {
    if path.is_file() {
        return fs::read_to_string(path).unwrap();
    }
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| sources(&path)).collect()
}

#[test]
fn the_conformance_suite_calls_each_verb() {
    let suite = sources(&workspace().join("crates/prism-plugin/src/conformance"));
    check("conformance", |path| suite.contains(&format!("{}Request", verb(path))));
}

#[test]
fn the_client_calls_each_verb() {
    let client = workspace().join("crates/prism-client/src");
    let calls: String = ["method.rs", "deletion.rs", "scan/item.rs", "transfer"]
        .iter()
        .map(|file| sources(&client.join(file)))
        .collect();
    check("prism-client", |path| {
        let package = path.split('.').nth(2).unwrap();
        let rpc = format!("{package}::{}", verb(path));
        calls.contains(&format!("{rpc},")) || calls.contains(&format!("{rpc};"))
    });
}

/// The table of the Python client has the rpc of each native verb, and its own tests see that it is complete and that a method of
/// the package calls each.
#[test]
fn the_python_client_calls_each_verb() {
    let table = sources(&workspace().join("bindings/python/python/prism/_traces.py"));
    check("python", |path| {
        let rpc = path.strip_prefix("/prism.interfaces.").unwrap();
        table.contains(&format!("\"{rpc}\","))
    });
}

/// An admin whose gateway is the recorder.
fn admin(gateway: &Recorder) -> Admin {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("prism.yaml"), config(&[("default", gateway.address())])).unwrap();
    Admin::within(folder, &["--proxy", NO_PROXY, "--gateway", gateway.address()])
}

#[test]
fn the_tool_has_a_command_for_each_verb() {
    let gateway = Recorder::start();
    let admin = admin(&gateway);
    let mut made = BTreeSet::new();
    for (name, words) in COMMANDS {
        let mut prism = command("prism");
        prism.args(words.split(' ')).env("PRISM_ADDRESS", gateway.address()).env("PRISM_TIMEOUT", "1min");
        prism.env("PRISM_ADMIN", format!("http://{}", admin.http()));
        let ran = Ran::of(&mut prism, b"");
        assert!(gateway.calls().contains(path_of(name)), "prism {words} does not call {name}: {ran:?}");
        made.insert(path_of(name));
    }
    check_except("command line", NO_COMMAND, |path| made.contains(path));
}

#[test]
fn the_console_has_a_request_for_each_verb() {
    let gateway = Recorder::start();
    let admin = admin(&gateway);
    let mut made = BTreeSet::new();
    for (name, ConsoleRequest { sent, file, code }) in REQUESTS {
        let source = sources(&workspace().join("crates/prism-admin/src/console").join(file));
        assert!(source.contains(code), "{file} does not send {sent}: it has no {code}");
        let (address, sent) = (admin.http().to_owned(), *sent);
        // The console follows some responses, which do not end.
        let sending = std::thread::spawn(move || request(&address, sent));
        let calls = gateway.calls_until(path_of(name));
        assert!(calls.contains(path_of(name)), "{sent} makes {calls:?}, not {name}: {:?}", sending.join());
        made.insert(path_of(name));
    }
    check_except("console", NO_REQUEST, |path| made.contains(path));
}

/// Sends what the console sends.
fn request(address: &str, sent: &str) -> u16 {
    let mut words = sent.split(' ');
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/namespaces/default/{path}") };
    let header = words.next().map(|header| header.split_once(':').unwrap());
    send(address, method, &path, &[&[BYTES][..], header.as_slice()].concat(), b"v").status
}

#[test]
fn each_verb_is_documented_for_those_who_serve_it() {
    let page = sources(&workspace().join("docs/PLUGINS.md"));
    let words: BTreeSet<_> = page.split(|letter: char| !letter.is_alphanumeric()).collect();
    check("docs/PLUGINS.md", |path| words.contains(verb(path)));
}

/// A command has a row of its own, or one with its twin, which names the options that make it this call; one that is called like the
/// rpc has a section.
#[test]
fn each_command_is_documented() {
    let page = sources(&workspace().join("docs/CLI.md"));
    let has_row = |group: &str, rest: &str| {
        let command = rest.split(' ').next().unwrap();
        let names = [" ", "`"].map(|end| format!("`{group} {command}{end}"));
        let options: Vec<_> = rest.split(' ').filter(|word| word.starts_with("--")).collect();
        page.lines().filter(|line| line.starts_with(&format!("| `{group} "))).any(|row| {
            let is_named =
                names.iter().any(|name| row.contains(name)) || row.contains(&format!("`{command}`"));
            is_named && options.iter().all(|option| row.contains(option))
        })
    };
    let has_section = |command: &str| {
        page.lines().any(|line| line.starts_with("## ") && line.contains(&format!("`prism {command} ")))
    };
    check_except("docs/CLI.md", NO_COMMAND, |path| {
        let Some((_, words)) = COMMANDS.iter().find(|(name, _)| *name == verb(path)) else { return false };
        let (first, rest) = words.split_once(' ').unwrap();
        if first.eq_ignore_ascii_case(verb(path)) { has_section(first) } else { has_row(first, rest) }
    });
}

/// The paths of the console's requests are documented.
#[test]
fn each_request_of_the_console_is_documented() {
    let page = sources(&workspace().join("docs/ADMIN.md"));
    check_except("docs/ADMIN.md", NO_REQUEST, |path| {
        let request = REQUESTS.iter().find(|(name, _)| *name == verb(path));
        request.is_some_and(|(_, request)| {
            let path = request.sent.split([' ', '?']).nth(1).unwrap().trim_start_matches('/');
            let written = ["N", "`"].map(|begin| format!("{begin}/{path}"));
            written.iter().any(|path| ["?", "`"].iter().any(|end| page.contains(&format!("{path}{end}"))))
        })
    });
}

/// The README has each verb by the name that the table of the Python client has for it, or by that of one of its ends.
#[test]
fn each_verb_is_documented_for_python() {
    let python = workspace().join("bindings/python");
    let (table, page) =
        (sources(&python.join("python/prism/_traces.py")), sources(&python.join("README.md")));
    check("bindings/python/README.md", |path| {
        let rpc = format!("\": \"{}\",", path.strip_prefix("/prism.interfaces.").unwrap());
        let names = table.lines().filter_map(|line| line.trim().strip_prefix('"')?.strip_suffix(&rpc));
        names.into_iter().any(|name| {
            let written = ["`", "`jobs."].map(|begin| format!("{begin}{name}"));
            written
                .iter()
                .any(|name| ["(", "_left(", "`"].iter().any(|end| page.contains(&format!("{name}{end}"))))
        })
    });
}
