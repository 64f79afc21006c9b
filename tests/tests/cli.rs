//! The `prism` tool: what its commands print, read and end with, as `docs/CLI.md` documents it for scripts.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};

use prism_e2e::dev::{Dev, Ran};
use prism_e2e::process::{Process, binary, command};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use serde_json::{Value, json};

/// Bytes that are not text, with line ends that must survive.
const BINARY: &[u8] = b"\0\xff\n\r\ta\n";
const BINARY_BASE64: &str = "AP8KDQlhCg==";

#[test]
fn keyvalue_commands_speak_to_people() {
    let dev = Dev::start();
    assert_eq!(dev.run(&["kv", "set", "user:1", "alice"]).text(), "OK\n");
    assert_eq!(dev.run(&["kv", "set", "user:2", "-5", "--ttl", "1h"]).text(), "OK\n");
    assert_eq!(dev.run(&["kv", "get", "user:1"]).text(), "alice", "nothing is added to a value");
    assert_eq!(dev.run(&["kv", "get", "user:2"]).text(), "-5");
    assert_eq!(dev.run(&["kv", "exists", "user:1"]).text(), "true\n");
    assert_eq!(dev.run(&["kv", "count", "user:"]).text(), "2\n");
    assert_eq!(dev.run(&["kv", "count"]).text(), "2\n");
    assert_eq!(dev.run(&["kv", "scan", "user:"]).text(), "user:1\talice\nuser:2\t-5\n");
    assert_eq!(dev.run(&["kv", "scan", "--keys-only"]).text(), "user:1\nuser:2\n");
    assert_eq!(dev.run(&["kv", "del", "user:1", "user:3"]).text(), "user:1\tdeleted\nuser:3\tnot found\n");
    let missing = dev.run(&["kv", "exists", "user:1"]);
    assert_eq!((missing.code, &missing.out[..]), (3, &b"false\n"[..]));
}

#[test]
fn keyvalue_commands_speak_json() {
    let dev = Dev::start();
    let run = |words: &[&str]| dev.run(&[words, &["-o", "json"]].concat()).json();
    assert_eq!(run(&["kv", "set", "a", "x"]), [json!({"key": "a", "value_bytes": 1, "ttl_seconds": null})]);
    assert_eq!(
        run(&["kv", "set", "b", "", "--ttl", "3599500ms"]),
        [json!({"key": "b", "value_bytes": 0, "ttl_seconds": 3600})]
    );
    assert_eq!(run(&["kv", "get", "a"]), [json!({"key": "a", "value_bytes": 1, "value_base64": "eA=="})]);
    assert_eq!(run(&["kv", "exists", "a"]), [json!({"key": "a", "exists": true})]);
    assert_eq!(run(&["kv", "exists", "c"]), [json!({"key": "c", "exists": false})]);
    assert_eq!(run(&["kv", "count", "a"]), [json!({"prefix": "a", "count": 1})]);
    assert_eq!(
        run(&["kv", "scan"]),
        [json!({"key": "a", "value_base64": "eA=="}), json!({"key": "b", "value_base64": ""})]
    );
    assert_eq!(run(&["kv", "scan", "--keys-only", "--limit", "1"]), [json!({"key": "a"})]);
    assert_eq!(run(&["kv", "scan", "--keys-only", "--start-after", "a"]), [json!({"key": "b"})]);
    assert_eq!(
        run(&["kv", "del", "a", "c"]),
        [json!({"key": "a", "found": true}), json!({"key": "c", "found": false})]
    );
}

#[test]
fn an_empty_value_must_be_asked_for() {
    let dev = Dev::start();
    for words in [&["kv", "set", "a"][..], &["list", "push-left", "a"]] {
        let refused = dev.run(words);
        assert_eq!(refused.code, 2, "{refused:?}");
        assert!(refused.err.contains("standard input is empty") && refused.err.contains("''"), "{refused:?}");
        let error = dev.run(&[words, &["-o", "json"]].concat()).error();
        assert_eq!(error["kind"], "usage");
    }
    assert_eq!(dev.run(&["kv", "exists", "a"]).code, 3, "nothing was stored");
    assert_eq!(dev.run(&["list", "length", "a"]).text(), "0\n");
    for (words, stored) in [
        (&["kv", "set", "a", "-"][..], "OK\n"),
        (&["kv", "set", "b", ""], "OK\n"),
        (&["kv", "set", "c", "--file", "/dev/null"], "OK\n"),
        (&["list", "push-left", "a", "-"], "1\n"),
    ] {
        assert_eq!(dev.run(words).text(), stored);
    }
    assert_eq!(dev.run(&["kv", "scan"]).text(), "a\t\nb\t\nc\t\n");
}

#[test]
fn one_of_a_thing_is_told_as_one() {
    let dev = Dev::start();
    assert_eq!(dev.run(&["kv", "set", "a", "x"]).text(), "OK\n");
    let file = dev.folder().join("file").display().to_string();
    let got = dev.run(&["kv", "get", "a", "--output-file", &file]);
    assert_eq!(got.text(), format!("wrote 1 byte to {file}\n"));
    let export = dev.folder().join("export").display().to_string();
    let exported = dev.run(&["export", "default", "--output-file", &export]);
    assert_eq!(exported.text(), format!("wrote 1 key of default to {export}\n"));
    assert_eq!(dev.run(&["import", "default", &export]).text(), "stored 1 key in default\n");
}

#[test]
fn list_commands_speak_to_people() {
    let dev = Dev::start();
    assert_eq!(dev.run(&["list", "push-right", "jobs", "b"]).text(), "1\n");
    assert_eq!(dev.run(&["list", "push-right", "jobs", "c"]).text(), "2\n");
    assert_eq!(dev.run(&["list", "push-left", "jobs", "a"]).text(), "3\n");
    assert_eq!(dev.run(&["list", "length", "jobs"]).text(), "3\n");
    assert_eq!(dev.run(&["list", "pop-left", "jobs"]).text(), "a");
    assert_eq!(dev.run(&["list", "pop-right", "jobs"]).text(), "c");
    assert_eq!(dev.run(&["list", "pop-right", "jobs"]).text(), "b");
    for pop in ["pop-left", "pop-right"] {
        let empty = dev.run(&["list", pop, "jobs"]);
        assert_eq!((empty.code, empty.out.len()), (3, 0), "an empty list is told by the exit code");
    }
    assert_eq!(dev.run(&["list", "length", "jobs"]).text(), "0\n");
}

#[test]
fn list_commands_speak_json() {
    let dev = Dev::start();
    let run = |words: &[&str]| dev.run(&[words, &["-o", "json"]].concat()).json();
    assert_eq!(run(&["list", "push-left", "jobs", "x"]), [json!({"key": "jobs", "length": 1})]);
    assert_eq!(run(&["list", "push-right", "jobs", ""]), [json!({"key": "jobs", "length": 2})]);
    assert_eq!(run(&["list", "length", "jobs"]), [json!({"key": "jobs", "length": 2})]);
    let popped = |found, value: Value| [json!({"key": "jobs", "found": found, "value_base64": value})];
    assert_eq!(run(&["list", "pop-left", "jobs"]), popped(true, json!("eA==")));
    assert_eq!(run(&["list", "pop-left", "jobs"]), popped(true, json!("")));
    assert_eq!(run(&["list", "pop-left", "jobs"]), popped(false, Value::Null));
}

#[test]
fn any_bytes_pass_through_standard_input_and_files() {
    let dev = Dev::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("value");
    let path = file.to_str().unwrap();
    std::fs::write(&file, BINARY).unwrap();

    for words in [&["kv", "set", "a"][..], &["kv", "set", "a", "-"], &["kv", "set", "a", "--file", path]] {
        assert_eq!(Ran::of(&mut dev.prism(words), BINARY).text(), "OK\n", "{words:?}");
        assert_eq!(dev.run(&["kv", "get", "a"]).out, BINARY, "{words:?}");
        assert_eq!(dev.run(&["kv", "get", "a", "-o", "json"]).json()[0]["value_base64"], BINARY_BASE64);
        assert_eq!(dev.run(&["kv", "del", "a"]).code, 0);
    }
    for words in [&["list", "push-left", "l"][..], &["list", "push-right", "l", "--file", path]] {
        assert_eq!(Ran::of(&mut dev.prism(words), BINARY).text(), "1\n", "{words:?}");
        assert_eq!(dev.run(&["list", "pop-left", "l"]).out, BINARY, "{words:?}");
    }

    std::fs::write(&file, "before").unwrap();
    assert_eq!(dev.run(&["kv", "get", "a", "--output-file", path]).code, 3);
    assert_eq!(std::fs::read(&file).unwrap(), b"before", "a missing key leaves the file alone");
    assert_eq!(Ran::of(&mut dev.prism(&["kv", "set", "a"]), BINARY).code, 0);
    let written = dev.run(&["kv", "get", "a", "--output-file", path, "-o", "json"]);
    assert_eq!(written.json(), [json!({"key": "a", "value_bytes": BINARY.len(), "file": path})]);
    assert_eq!(std::fs::read(&file).unwrap(), BINARY);

    let missing = dev.run(&["kv", "set", "a", "--file", "/nowhere/value"]);
    assert!(missing.code == 1 && missing.err.contains("/nowhere/value"), "{missing:?}");
}

#[test]
fn a_scan_for_people_keeps_its_columns() {
    let dev = Dev::start();
    assert_eq!(Ran::of(&mut dev.prism(&["kv", "set", "tab\tand\nline"]), BINARY).code, 0);
    assert_eq!(dev.run(&["kv", "scan"]).text(), "tab\\tand\\nline\t\\0\\xff\\n\\r\\ta\\n\n");
}

#[test]
fn a_scan_ends_quietly_when_its_reader_goes() {
    let dev = Dev::start();
    // More than a pipe holds, so that the scan writes after the reader has gone.
    let value = vec![b'x'; 1 << 20];
    for key in ["a", "b", "c"] {
        assert_eq!(Ran::of(&mut dev.prism(&["kv", "set", key]), &value).code, 0);
    }
    let mut scan = dev.prism(&["kv", "scan", "-o", "json"]);
    let mut scan = scan.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(scan.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert!(line.starts_with(r#"{"key":"a""#));
    drop(stdout);
    let ended = scan.wait_with_output().unwrap();
    assert!(ended.status.success() && ended.stderr.is_empty(), "{ended:?}");
}

#[test]
fn a_missing_key_ends_with_3() {
    let dev = Dev::start();
    let missing = dev.run(&["kv", "get", "nothing"]);
    assert_eq!((missing.code, missing.out.len()), (3, 0));
    assert!(missing.err.starts_with("prism: ") && missing.err.contains("KEY_NOT_FOUND"), "{missing:?}");

    let missing = dev.run(&["kv", "get", "nothing", "-o", "json"]);
    let error = missing.error();
    assert_eq!((missing.code, missing.out.len()), (3, 0));
    assert_eq!((&error["kind"], &error["code"]), (&json!("not_found"), &json!("NOT_FOUND")));
    assert_eq!(error["reason"], "KEY_NOT_FOUND");
    assert_eq!(error["operation"], "keyvalue.get");
    assert_eq!(error["retryable"], false);
}

#[test]
fn a_refused_call_ends_with_1_and_tells_the_limit() {
    let dev = Dev::start();
    let refused = dev.run(&["kv", "set", "a", "x", "--ttl", "0s", "-o", "json"]);
    assert_eq!((refused.code, &refused.error()["reason"]), (1, &json!("TTL_INVALID")));

    let refused = Ran::of(&mut dev.prism(&["kv", "set", "a", "-o", "json"]), &vec![0; 4_180_000]);
    let error = refused.error();
    assert_eq!((refused.code, &error["reason"]), (1, &json!("VALUE_TOO_LARGE")));
    assert_eq!(
        (&error["field"], &error["limit"], &error["size"]),
        (&json!("value"), &json!(4_177_920), &json!(4_180_000))
    );

    let refused = Ran::of(&mut dev.prism(&["kv", "set", "a", "-o", "json"]), &vec![0; 5_000_000]);
    assert_eq!((refused.code, &refused.error()["reason"]), (1, &json!("MESSAGE_TOO_LARGE")));
    assert_eq!(dev.run(&["kv", "count"]).text(), "0\n");
}

#[test]
fn the_namespace_and_the_address_come_from_flag_or_variable() {
    let dev = Dev::start();
    for refused in [
        dev.run(&["kv", "get", "a", "-n", "nowhere"]),
        Ran::of(dev.prism(&["list", "length", "a"]).env("PRISM_NAMESPACE", "nowhere"), b""),
    ] {
        assert!(refused.code == 1 && refused.err.contains("NAMESPACE_NOT_FOUND"), "{refused:?}");
        assert!(refused.err.contains("--namespace"), "it says what to do: {refused:?}");
    }
    let mut flag_wins =
        dev.prism(&["kv", "count", "--namespace", "default", "--address", dev.address("grpc")]);
    let flag_wins = flag_wins.env("PRISM_NAMESPACE", "nowhere").env("PRISM_ADDRESS", "nowhere:1");
    assert_eq!(Ran::of(flag_wins, b"").text(), "0\n");
}

#[test]
fn a_server_that_is_not_there_ends_with_4() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = format!("unix:{}", folder.path().join("nowhere").display());
    let ends_with_4 = |words: &[&str]| {
        let words = [words, &["--address", &nowhere, "--timeout", "1min"]].concat();
        let failed = Ran::prism(&words);
        assert_eq!(failed.code, 4, "{failed:?}");
        assert!(failed.err.contains(&nowhere) && failed.err.contains("prism dev"), "{failed:?}");

        let failed = Ran::prism([&words[..], &["-o", "json"]].concat());
        let error = failed.error();
        assert_eq!(
            (failed.code, &error["kind"], &error["retryable"]),
            (4, &json!("unavailable"), &json!(true))
        );
    };
    // Most of their time is the waiting between attempts.
    std::thread::scope(|scope| {
        for words in [&["kv", "get", "a"][..], &["kv", "scan"], &["list", "length", "a"]] {
            scope.spawn(move || ends_with_4(words));
        }
    });
}

#[test]
fn a_person_is_told_once_what_a_call_waits_for() {
    let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&screen).unwrap();
    unlockpt(&screen).unwrap();
    let terminal = ioctl_tiocgptpeer(&screen, OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let nowhere = format!("unix:{}", folder.path().join("nowhere").display());
    let mut get = command("prism");
    get.args(["kv", "get", "a", "--address", &nowhere, "--timeout", "1min"]).stderr(terminal);
    assert_eq!(get.status().unwrap().code(), Some(4));
    drop(get);
    let mut shown = Vec::new();
    // A terminal's end reads as EIO: the last process that had it open has gone.
    let _ = File::from(screen).read_to_end(&mut shown);
    let shown = String::from_utf8(shown).unwrap();
    let lines: Vec<_> = shown.lines().collect();
    let [waiting, failed, hint] = lines[..] else { panic!("{shown}") };
    assert!(waiting.contains("prism: ") && waiting.ends_with("; retrying"), "{shown}");
    assert!(failed.starts_with("prism: ") && failed.contains(&nowhere), "{shown}");
    assert!(hint.contains("prism dev"), "{shown}");
}

#[test]
fn a_server_that_is_silent_ends_with_4_when_the_time_is_up() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    for words in [&["kv", "get", "a"][..], &["kv", "scan"]] {
        let failed =
            Ran::prism([words, &["--address", &address, "--timeout", "50ms", "-o", "json"]].concat());
        assert_eq!((failed.code, &failed.error()["kind"]), (4, &json!("deadline_exceeded")), "{failed:?}");
    }
    assert_eq!(Ran::prism(["health", &address, "--timeout", "50ms"]).code, 4);
}

#[test]
fn called_by_the_name_of_a_server_it_is_that_server() {
    let folder = tempfile::tempdir().unwrap();
    let called = |name: &str| {
        let link = folder.path().join(name);
        std::os::unix::fs::symlink(binary("prism"), &link).unwrap();
        Command::new(link)
    };
    for server in ["prism-proxy", "prism-admin"] {
        let told = called(server).arg("--version").output().unwrap();
        let own = command(server).arg("--version").output().unwrap();
        assert_eq!((told.status.code(), &told.stdout), (Some(0), &own.stdout), "{server}: {told:?}");
        assert!(told.stdout.starts_with(server.as_bytes()), "{told:?}");
    }
    let mut memstore = called("prism-memstore");
    let memstore = Process::spawn("prism-memstore", memstore.args(["--listen", "127.0.0.1:0"]));
    assert_eq!(Ran::prism(["health", memstore.grpc()]).text(), "SERVING\n");
}

#[test]
fn wrong_usage_ends_with_2() {
    for words in [
        &["kv", "get"][..],
        &["kv", "gte", "a"],
        &["kv", "set", "a", "b", "--file", "c"],
        &["kv", "set", "a", "b", "--ttl", "5"],
        &["kv", "scan", "--limit", "-1"],
        &["list", "pop", "a"],
        &["kv", "get", "a", "--address", "nowhere"],
        &["completions", "tcsh"],
    ] {
        let wrong = Ran::prism(words);
        assert_eq!((wrong.code, wrong.out.len()), (2, 0), "{words:?}");
        assert!(wrong.err.contains("--help"), "{wrong:?}");
    }
}

#[test]
fn the_help_tells_the_exit_codes_and_examples() {
    let help = Ran::prism(["--help"]);
    assert!(help.text().contains("Exit codes:") && help.text().contains("69"), "{help:?}");
    for words in [&["kv", "--help"][..], &["list", "--help"], &["health", "--help"], &["dev", "--help"]] {
        assert!(Ran::prism(words).text().contains("Examples:\n  prism "), "{words:?}");
    }
    assert_eq!(Ran::prism(["--version"]).text(), format!("prism {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn help_that_cannot_be_written_is_a_failure() {
    const PROGRAMS: [&str; 7] = [
        "prism",
        "prism-proxy",
        "prism-memstore",
        "prism-admin",
        "prism-bench",
        "echo-plugin",
        "unordered-plugin",
    ];
    let calls = PROGRAMS.iter().flat_map(|name| [(*name, &["--help"][..]), (*name, &["--version"])]);
    let deeper: [(&str, &[&str]); 4] = [
        ("prism", &["help", "kv"]),
        ("prism", &["kv", "get", "--help"]),
        ("prism", &["completions", "bash"]),
        ("prism-admin", &["token", "--help"]),
    ];
    for (name, words) in calls.chain(deeper) {
        let run = |out: Stdio| command(name).args(words).stdout(out).output().unwrap();
        let full = run(File::options().write(true).open("/dev/full").unwrap().into());
        let says = String::from_utf8(full.stderr).unwrap();
        assert_eq!(full.status.code(), Some(1), "{name} {words:?}: {says}");
        assert!(
            says.starts_with(&format!("{name}: ")) && says.contains("No space left"),
            "{name} {words:?}: {says}"
        );
        // A reader that has seen enough.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let gone = run(writer.into());
        assert!(gone.status.success() && gone.stderr.is_empty(), "{name} {words:?}: {gone:?}");
    }
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let script = Ran::prism(["completions", shell]);
        for word in ["push-left", "start-after", "health"] {
            assert!(script.text().contains(word), "{shell} does not know {word}");
        }
    }
    // The shell itself reads what was written for it.
    let script = Ran::prism(["completions", "bash"]);
    let mut bash = std::process::Command::new("bash");
    assert_eq!(Ran::of(bash.arg("-n"), &script.out).text(), "");
}
