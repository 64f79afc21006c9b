//! `prism namespaces` and `prism config` with a real admin and the proxy that follows its file.

use prism_e2e::admin::{Gateway, NO_PROXY};
use prism_e2e::dev::Ran;
use prism_e2e::http::send;
use prism_e2e::process::{Process, Proxy, command, config};
use serde_json::{Value, json};

fn memstore() -> Process {
    Process::start("prism-memstore", ["--listen", "127.0.0.1:0"])
}

/// The exit code, and the fields of the error that programs branch on.
fn refused(ran: &Ran) -> (i32, String, String) {
    assert!(ran.out.is_empty(), "{ran:?}");
    let error = ran.error();
    let word = |name: &str| error[name].as_str().unwrap_or("null").to_owned();
    (ran.code, word("kind"), word("field"))
}

fn is(code: i32, kind: &str, field: &str) -> (i32, String, String) {
    (code, kind.to_owned(), field.to_owned())
}

#[test]
fn namespaces_come_change_and_go_by_command() {
    let store = memstore();
    let proxy = Proxy::start(&[("first", store.grpc())]);
    let address = proxy.grpc().to_owned();
    let gateway = Gateway::of(proxy, &["--gateway", &address]);
    let endpoint = store.grpc();
    let applied = gateway.applied();

    let create = ["namespaces", "create", "orders", "--pattern", "keyvalue", "--endpoint", endpoint];
    assert_eq!(gateway.run(&create).text(), format!("written as revision 2\n{applied}"));
    assert_eq!(gateway.run(&["kv", "set", "a", "x", "-n", "orders"]).text(), "OK\n", "it serves at once");

    let set =
        ["namespaces", "set", "orders", "--timeout", "5s", "--read-only", "true", "--max-in-flight", "9"];
    assert_eq!(gateway.run(&set).text(), format!("written as revision 3\n{applied}"));
    let read_only = gateway.run(&["kv", "set", "a", "y", "-n", "orders"]);
    assert!(read_only.code == 1 && read_only.err.contains("READ_ONLY"), "{read_only:?}");
    assert_eq!(
        gateway.run(&["namespaces", "get", "orders"]).text(),
        format!(
            "name           orders\npattern        keyvalue\nendpoint       {endpoint}\nmax_in_flight  9\nread_only      \
             true\ntimeout        5s\ncan lose       everything, when the backend ends\n"
        )
    );
    let width = endpoint.len();
    assert_eq!(
        gateway.run(&["namespaces", "ls"]).text(),
        format!(
            "NAME    PATTERN   {:width$}  SETTINGS\nfirst   keyvalue  {endpoint}\norders  keyvalue  {endpoint}  \
             max_in_flight=9 read_only=true timeout=5s\n",
            "BACKEND"
        )
    );
    let found = gateway.run(&["namespaces", "ls", "irs"]);
    assert!(found.text().contains("first") && !found.text().contains("orders"), "{found:?}");

    // A setting spelt as in the file, and as the flag.
    let unset = ["namespaces", "set", "orders", "--unset", "read_only", "--unset", "max-in-flight"];
    assert_eq!(gateway.run(&unset).text(), format!("written as revision 4\n{applied}"));
    assert_eq!(gateway.run(&unset).text(), format!("no difference to revision 4\n{applied}"));
    assert_eq!(gateway.run(&["kv", "set", "a", "y", "-n", "orders"]).text(), "OK\n");

    let deleted = gateway.run(&["namespaces", "delete", "orders"]);
    assert!(deleted.text().starts_with("note: the data of orders stays in its backend"), "{deleted:?}");
    assert!(deleted.text().ends_with(&format!("written as revision 5\n{applied}")), "{deleted:?}");
    let gone = gateway.run(&["kv", "get", "a", "-n", "orders"]);
    assert!(gone.code == 1 && gone.err.contains("NAMESPACE_NOT_FOUND"), "{gone:?}");
}

#[test]
fn namespaces_speak_json() {
    let store = memstore();
    let gateway = Gateway::start(&[("first", store.grpc())], &[]);
    let one = |words: &[&str]| {
        let ran = gateway.run_json(words);
        assert!(ran.code == 0 && ran.err.is_empty(), "{ran:?}");
        let [answer] = ran.json().try_into().unwrap();
        answer
    };
    let list = "prism.interfaces.list.ListBasicInterface";
    let created = one(&[
        "namespaces",
        "create",
        "jobs",
        "--pattern",
        "list",
        "--endpoint",
        store.grpc(),
        "--interface",
        list,
        "--max-message-bytes",
        "2048",
        "--requests-per-second",
        "100",
    ]);
    let jobs = json!({"name": "jobs", "pattern": "list", "plugin": {"endpoint": store.grpc()}, "interfaces": [list],
        "max_message_bytes": 2048, "requests_per_second": 100});
    assert_eq!((&created["namespace"], &created["applied"]), (&jobs, &json!(true)), "{created}");
    assert_eq!((&created["changed"], &created["revision"]), (&json!(true), &json!(2)));
    assert_eq!(one(&["namespaces", "get", "jobs"]), jobs);
    let first = json!({"name": "first", "pattern": "keyvalue", "plugin": {"endpoint": store.grpc()}});
    assert_eq!(gateway.run_json(&["namespaces", "ls"]).json(), [first, jobs]);
    let set = one(&["namespaces", "set", "jobs", "--unset", "interfaces", "--pattern", "keyvalue"]);
    assert_eq!(
        (&set["namespace"]["pattern"], &set["namespace"]["interfaces"]),
        (&json!("keyvalue"), &Value::Null)
    );
    let deleted = one(&["namespaces", "delete", "jobs"]);
    assert!(deleted["warnings"][0].as_str().unwrap().contains("stays in its backend"), "{deleted}");
    assert_eq!(gateway.run_json(&["namespaces", "ls", "jobs"]).json(), Vec::<Value>::new());
}

#[test]
fn more_namespaces_than_a_page_holds_are_listed() {
    let store = memstore();
    let names: Vec<_> = (0..1001).map(|number| format!("n{number:04}")).collect();
    let namespaces: Vec<_> = names.iter().map(|name| (name.as_str(), store.grpc())).collect();
    let gateway = Gateway::start(&namespaces, &[]);
    let listed = gateway.run_json(&["namespaces", "ls"]).json();
    assert!(listed.iter().map(|namespace| namespace["name"].as_str().unwrap()).eq(&names));
}

#[test]
fn a_dry_run_shows_the_change_and_makes_none() {
    let store = memstore();
    let gateway = Gateway::start(&[("first", store.grpc())], &[]);
    assert_eq!(gateway.run(&["namespaces", "set", "first", "--timeout", "5s"]).code, 0);
    let before = gateway.text();
    for (words, line) in [
        (
            &["namespaces", "create", "orders", "--pattern", "list", "--endpoint", "a:1"][..],
            "+  - name: orders\n",
        ),
        (&["namespaces", "set", "first", "--timeout", "9s"], "+    timeout: 9s\n"),
        (&["namespaces", "delete", "first"], "-  - name: first\n"),
        (&["config", "rollback", "1"], "-    timeout: 5s\n"),
    ] {
        let words = [words, &["--dry-run"]].concat();
        let text = gateway.run(&words);
        assert!(text.text().contains(line) && text.text().ends_with("nothing was written\n"), "{text:?}");
        let told = &gateway.run_json(&words).json()[0];
        assert_eq!(
            (&told["dry_run"], &told["changed"], &told["applied"]),
            (&json!(true), &json!(true), &json!(false))
        );
        assert!(told["diff"].as_str().unwrap().contains(line), "{told}");
        assert_eq!(gateway.text(), before, "{words:?}");
    }
    let same = gateway.run(&["namespaces", "set", "first", "--timeout", "5s", "--dry-run"]);
    assert_eq!(same.text(), "no difference\n");
    let wrong = gateway.run_json(&["namespaces", "set", "first", "--timeout", "never", "--dry-run"]);
    assert_eq!(refused(&wrong), is(1, "invalid_argument", "/timeout"));
}

#[test]
fn a_refused_change_names_the_field_and_changes_nothing() {
    let store = memstore();
    let gateway = Gateway::start(&[("first", store.grpc())], &[]);
    let before = gateway.text();
    let create = ["namespaces", "create"];
    for (words, code, kind, field, says) in [
        (
            &["Orders", "--pattern", "list", "--endpoint", "a:1"][..],
            1,
            "invalid_argument",
            "/name",
            "1 to 64",
        ),
        (
            &["orders", "--pattern", "graph", "--endpoint", "a:1"],
            1,
            "invalid_argument",
            "/pattern",
            "keyvalue",
        ),
        (&["orders", "--pattern", "list"], 1, "invalid_argument", "/plugin", "missing"),
        (
            &["orders", "--pattern", "list", "--endpoint", "169.254.169.254:80"],
            1,
            "invalid_argument",
            "/plugin/endpoint",
            "link-local",
        ),
        (&["first", "--pattern", "list", "--endpoint", "a:1"], 1, "failed_precondition", "null", "first"),
    ] {
        let words = [&create, words].concat();
        let text = gateway.run(&words);
        assert!(text.code == code && text.err.starts_with("prism: ") && text.err.contains(says), "{text:?}");
        assert!(field == "null" || text.err.contains(field), "{text:?}");
        assert_eq!(refused(&gateway.run_json(&words)), is(code, kind, field), "{words:?}");
    }
    let many =
        gateway.run(&["namespaces", "create", "Orders", "--pattern", "graph", "--endpoint", "nowhere"]);
    for field in ["/name", "/pattern", "/plugin/endpoint"] {
        assert!(many.err.contains(&format!("\n  {field}: ")), "{many:?}");
    }
    for (words, hint) in [
        (&["namespaces", "create", "orders"][..], "the options are --pattern, --endpoint or --backend"),
        (&["namespaces", "create", "orders", "--endpoint", "a:1"], "the option is --pattern"),
        (&["namespaces", "create", "orders", "--pattern", "list"], "the option is --endpoint or --backend"),
        (&["namespaces", "set", "first", "--timeout", "soon"], "the option is --timeout"),
        (&["namespaces", "set", "first", "--interface", "nothing"], "the option is --interface"),
        (&["namespaces", "set", "first", "--max-message-bytes", "1"], "the option is --max-message-bytes"),
        (&["backends", "create", "fast"], "the option is --embedded or --endpoint"),
        (&["backends", "create", "fast", "--embedded", "redis"], "the option is --option url=VALUE"),
        (
            &["backends", "create", "fast", "--embedded", "memstore", "--option", "memory_limit=much"],
            "the option is --option memory_limit=VALUE",
        ),
        (&["backends", "create", "fast", "--endpoint", "nowhere"], "the option is --endpoint"),
    ] {
        let refused = gateway.run(words);
        let ends = format!("\n  {hint}\n");
        assert!(refused.code == 1 && refused.err.ends_with(&ends), "{words:?}: {refused:?}");
        assert_eq!(gateway.run_json(words).error()["hint"], hint, "{words:?}");
    }
    for words in [
        &["namespaces", "set", "first"][..],
        &["namespaces", "set", "first", "--timeout", "5s", "--unset", "timeout"],
        &["namespaces", "set", "first", "--unset", "tiemout"],
        &["namespaces", "set", "first", "--unset", "pattern"],
        &["namespaces", "set", "first", "--read-only", "perhaps"],
        &["namespaces", "ls", "--admin", "ftp://127.0.0.1:1"],
        &["namespaces", "ls", "--token", "two\nlines"],
    ] {
        assert_eq!(gateway.run(words).code, 2, "{words:?}");
    }
    assert_eq!(gateway.text(), before);
}

#[test]
fn what_is_not_there_ends_with_3() {
    let store = memstore();
    let gateway = Gateway::start(&[("first", store.grpc())], &[]);
    for (words, says) in [
        (&["namespaces", "get", "nothing"][..], "nothing"),
        (&["namespaces", "get", "a/../b?c"], "a/../b?c"),
        (&["namespaces", "set", "nothing", "--timeout", "5s"], "nothing"),
        (&["namespaces", "delete", "nothing"], "nothing"),
        (&["namespaces", "delete", "nothing", "--dry-run"], "nothing"),
        (&["config", "revisions", "99"], "revision 99"),
        (&["config", "revisions", "99", "--diff"], "revision 99"),
        (&["config", "rollback", "99"], "revision 99"),
    ] {
        let text = gateway.run(words);
        assert!(text.code == 3 && text.err.contains(says), "{words:?}: {text:?}");
        assert_eq!(refused(&gateway.run_json(words)), is(3, "not_found", "null"), "{words:?}");
    }
}

#[test]
fn a_change_by_command_is_a_conflict_for_who_saw_the_namespace_before() {
    let store = memstore();
    let gateway = Gateway::start(&[("first", store.grpc())], &[]);
    let seen = send(gateway.http(), "GET", "/namespaces/first", &[], b"");
    let tag = seen.header("etag").unwrap();
    assert_eq!(gateway.run(&["namespaces", "set", "first", "--timeout", "5s"]).code, 0);
    let headers = [("content-type", "application/merge-patch+json"), ("if-match", tag)];
    let late = send(gateway.http(), "PATCH", "/namespaces/first", &headers, br#"{"timeout":"6s"}"#);
    assert_eq!((late.status, &late.json()["type"]), (412, &json!("urn:prism:problem:precondition-failed")));
    assert_eq!(gateway.run_json(&["namespaces", "get", "first"]).json()[0]["timeout"], "5s");
}

#[test]
fn an_admin_that_is_not_there_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new.yaml");
    std::fs::write(&file, config(&[])).unwrap();
    for words in [
        &["namespaces", "ls"][..],
        &["namespaces", "delete", "a"],
        &["config", "status"],
        &["config", "apply", file.to_str().unwrap(), "--overwrite"],
    ] {
        let words = [words, &["--admin", NO_PROXY]].concat();
        let text = Ran::prism(&words);
        assert!(text.code == 4 && text.err.contains(NO_PROXY), "{text:?}");
        assert!(text.err.contains("is prism-admin running?") && text.err.contains("PRISM_ADMIN"), "{text:?}");
        let json = Ran::prism([&words[..], &["-o", "json"]].concat());
        assert_eq!(refused(&json), is(4, "unavailable", "null"));
        assert_eq!(json.error()["retryable"], true, "it was not reached");
    }
    // A proxy is not an admin, and its own responses do not mean that something was not found.
    let store = memstore();
    let gateway = Gateway::start(&[("first", store.grpc())], &[]);
    let proxy = format!("http://{}", gateway.proxy.process.address("http"));
    let other = gateway.run(&["namespaces", "get", "first", "--admin", &proxy]);
    assert!(other.code == 1 && other.err.contains("is it a prism-admin?"), "{other:?}");
}

#[test]
fn a_token_is_sent_from_flag_or_variable() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens").display().to_string();
    let make = |role: &str| {
        let words = ["token", "--role", role, "--name", role, "--token-file", &tokens];
        let made = Ran::of(command("prism-admin").args(words), b"");
        assert_eq!(made.code, 0, "{made:?}");
        String::from_utf8(made.out).unwrap().trim().to_owned()
    };
    let (read, write) = (make("read"), make("write"));
    let store = memstore();
    let gateway = Gateway::start(&[("first", store.grpc())], &["--token-file", &tokens]);
    let set = ["namespaces", "set", "first", "--timeout", "5s"];
    for words in [&["namespaces", "ls"][..], &set, &["config", "status"]] {
        assert_eq!(refused(&gateway.run_json(words)), is(1, "unauthenticated", "null"), "{words:?}");
        let wrong = [words, &["--token", "wrong"]].concat();
        assert_eq!(refused(&gateway.run_json(&wrong)), is(1, "unauthenticated", "null"), "{words:?}");
    }
    let needed = gateway.run(&["namespaces", "ls"]);
    assert!(needed.err.contains("token"), "{needed:?}");
    assert!(gateway.run(&["namespaces", "ls", "--token", &read]).text().contains("first"));
    let small = gateway.run_json(&[&set[..], &["--token", &read]].concat());
    assert_eq!(refused(&small), is(1, "permission_denied", "null"));
    let with = |words: &[&str], token: &str| Ran::of(gateway.prism(words).env("PRISM_TOKEN", token), b"");
    assert_eq!(with(&set, &read).code, 1);
    assert!(with(&set, &write).text().ends_with(&gateway.applied()));
    let flag_wins = [&set[..], &["--token", &write]].concat();
    assert_eq!(with(&flag_wins, "wrong").code, 0);
    assert!(with(&["config", "revisions"], &read).text().contains("  write    patch namespace first\n"));
    assert!(
        !Ran::of(gateway.prism(&["config", "--help"]).env("PRISM_TOKEN", &write), b"")
            .text()
            .contains(&write)
    );
}

#[test]
fn a_file_is_validated_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("prism.yaml");
    let path = file.to_str().unwrap();
    let validate = |text: &[u8]| {
        std::fs::write(&file, text).unwrap();
        let words = ["config", "validate", path, "--admin", NO_PROXY];
        (Ran::prism(words), Ran::prism([&words[..], &["-o", "json"]].concat()))
    };
    let (text, json) = validate(config(&[("a", "a:1"), ("b", "b:1")]).as_bytes());
    assert_eq!(text.text(), format!("{path} is valid; namespaces: 2\n"));
    assert_eq!(
        json.json(),
        [json!({"file": path, "valid": true, "namespaces": 2, "warnings": [], "errors": []})]
    );

    let named = |options: &str| {
        let backend = format!("backends: [{{name: a, embedded: memstore, options: {{{options}}}}}]\n");
        validate(
            format!("{backend}namespaces: [{{name: a, pattern: list, plugin: {{backend: a}}}}]\n").as_bytes(),
        )
    };
    assert_eq!(named("memory_limit: 1MiB").0.text(), format!("{path} is valid; namespaces: 1\n"));
    let wrong = named("memory_limit: 1MB").1;
    assert_eq!(
        (wrong.code, &wrong.json()[0]["errors"][0]["pointer"]),
        (78, &json!("/backends/0/options/memory_limit"))
    );
    let (text, json) = validate(b"backends: [{name: a, embedded: other}]\nnamespaces: []\n");
    assert!(text.text().starts_with("note: the driver \"other\"") && text.code == 0, "{text:?}");
    assert_eq!(json.json()[0]["warnings"].as_array().unwrap().len(), 1);

    let (text, json) =
        validate(b"namespaces:\n  - {name: A, pattern: graph, plugin: {endpoint: 'a:1'}, colour: red}\n");
    assert_eq!((text.code, json.code), (78, 78), "{text:?}");
    let told = &json.json()[0];
    assert_eq!((&told["valid"], &told["namespaces"]), (&json!(false), &Value::Null));
    let out = String::from_utf8(text.out).unwrap();
    for pointer in ["/namespaces/0/name", "/namespaces/0/pattern", "/namespaces/0/colour"] {
        assert!(out.contains(&format!("\n  {pointer}: ")), "{pointer} is missing in {out}");
        assert!(told["errors"].as_array().unwrap().iter().any(|error| error["pointer"] == pointer), "{told}");
    }
    for wrong in [&b"namespaces: ["[..], b"", b"\0\xff", b"server: {}\n"] {
        let (text, json) = validate(wrong);
        assert_eq!((text.code, json.code, &json.json()[0]["valid"]), (78, 78, &json!(false)), "{text:?}");
        assert!(text.err.is_empty() && text.out.len() > path.len() + " is not valid:\n".len(), "{text:?}");
    }
    std::fs::remove_file(&file).unwrap();
    let missing = Ran::prism(["config", "validate", path]);
    assert!(
        missing.code == 1 && missing.err.contains(path) && missing.err.contains("No such file"),
        "{missing:?}"
    );
}

#[test]
fn a_file_is_compared_applied_followed_and_rolled_back() {
    let store = memstore();
    let gateway = Gateway::start(&[("first", store.grpc())], &[]);
    let old = gateway.text();
    let new = format!("# by command\n{}", config(&[("first", store.grpc()), ("second", store.grpc())]));
    let file = gateway.proxy.folder().join("new.yaml");
    std::fs::write(&file, &new).unwrap();
    let path = file.to_str().unwrap();
    let url = format!("http://{}", gateway.proxy.process.address("http"));

    let diff = gateway.run(&["config", "diff", path]);
    assert!(
        diff.text().contains("+# by command\n") && diff.text().contains("+  - name: second\n"),
        "{diff:?}"
    );
    assert_eq!(gateway.text(), old);
    assert_eq!(gateway.run_json(&["config", "diff", path]).json()[0]["changed"], true);

    let tag = diff.text().trim_end().rsplit(' ').next().unwrap().to_owned();
    assert!(
        diff.text().ends_with(&format!("nothing was written\napply it with --if-match {tag}\n")),
        "{diff:?}"
    );
    assert_eq!(
        gateway.run(&["config", "apply", path, "--if-match", &tag]).text(),
        format!("written as revision 2\n{}", gateway.applied())
    );
    assert_eq!(gateway.text(), new);
    assert_eq!(gateway.run(&["kv", "count", "-n", "second"]).text(), "0\n");
    assert_eq!(gateway.run(&["config", "diff", path]).text(), "no difference\n");
    let again = &gateway.run_json(&["config", "apply", path, "--overwrite"]).json()[0];
    assert_eq!((&again["changed"], &again["revision"]), (&json!(false), &json!(2)));

    let status = gateway.run(&["config", "status"]);
    assert!(
        status.text().contains("prism.yaml: ") && status.text().contains(", namespaces: 2\n"),
        "{status:?}"
    );
    assert!(status.text().ends_with(&format!("  {url}  in sync\n")), "{status:?}");
    let status = &gateway.run_json(&["config", "status"]).json()[0];
    assert_eq!((&status["in_sync"], &status["proxies"][0]["in_sync"]), (&json!(true), &json!(true)));

    let revisions = gateway.run(&["config", "revisions"]);
    let lines: Vec<_> = revisions.text().lines().collect();
    assert!(lines[0].starts_with("REVISION  AT") && lines[0].ends_with("WHO      ACTION"), "{lines:?}");
    assert!(lines[1].starts_with("2 ") && lines[2].starts_with("1 "), "the newest first: {lines:?}");
    assert_eq!(gateway.run_json(&["config", "revisions"]).json()[0]["revisions"][0]["number"], 2);
    assert_eq!(gateway.run(&["config", "revisions", "1"]).text(), old);
    assert_eq!(gateway.run_json(&["config", "revisions", "1"]).json(), [json!({"text": old})]);
    let changed = gateway.run(&["config", "revisions", "2", "--diff"]);
    assert!(changed.text().contains("+# by command\n"), "{changed:?}");

    assert_eq!(
        gateway.run(&["config", "rollback", "1"]).text(),
        format!("written as revision 3\n{}", gateway.applied())
    );
    assert_eq!(gateway.text(), old);
    assert_eq!(gateway.run(&["kv", "count", "-n", "second"]).code, 1);
    let back = &gateway.run_json(&["config", "rollback", "2"]).json()[0];
    assert_eq!((&back["revision"], &back["applied"]), (&json!(4), &json!(true)));

    std::fs::write(&file, "namespaces:\n  - {name: A, pattern: list, plugin: {endpoint: 'a:1'}}\n").unwrap();
    for words in [&["config", "diff", path][..], &["config", "apply", path, "--overwrite"]] {
        let wrong = gateway.run_json(words);
        assert_eq!(refused(&wrong), is(1, "invalid_argument", "/namespaces/0/name"));
    }
    // More than an admin reads.
    std::fs::write(&file, vec![b'#'; 9 << 20]).unwrap();
    let large = gateway.run_json(&["config", "apply", path, "--overwrite"]);
    assert_eq!(refused(&large), is(1, "invalid_argument", "null"), "{large:?}");
    let missing = gateway.run(&["config", "apply", "/nowhere/new.yaml", "--overwrite"]);
    assert!(missing.code == 1 && missing.err.contains("/nowhere/new.yaml"), "{missing:?}");
    assert_eq!(gateway.text(), new);
}

#[test]
fn a_file_is_applied_to_what_was_looked_at_and_to_nothing_else() {
    let store = memstore();
    let gateway = Gateway::start(&[("first", store.grpc())], &[]);
    let file = gateway.proxy.folder().join("new.yaml");
    let path = file.to_str().unwrap();

    let got = gateway.run(&["config", "get"]);
    let text = String::from_utf8(got.out).unwrap();
    assert_eq!((got.code, &text), (0, &gateway.text()));
    let tag = got.err.strip_prefix("tag ").and_then(|rest| rest.strip_suffix('\n')).unwrap().to_owned();
    let told = gateway.run_json(&["config", "get"]);
    assert_eq!((told.json(), told.err.as_str()), (vec![json!({"text": gateway.text(), "tag": tag})], ""));
    std::fs::write(&file, format!("# ours\n{text}")).unwrap();
    let diff = &gateway.run_json(&["config", "diff", path]).json()[0];
    assert_eq!(diff["previous_sha256"], tag.as_str());

    let colleague = ["namespaces", "create", "theirs", "--pattern", "keyvalue", "--endpoint", store.grpc()];
    assert_eq!(gateway.run(&colleague).code, 0);
    let before = gateway.text();
    assert_eq!(gateway.run(&["config", "apply", path]).code, 2, "nobody said what the file was based on");
    let late = gateway.run(&["config", "apply", path, "--if-match", &tag]);
    assert!(late.code == 1 && late.err.contains("if-match does not hold"), "{late:?}");
    let late = gateway.run_json(&["config", "rollback", "1", "--if-match", &tag]);
    assert_eq!(refused(&late), is(1, "failed_precondition", "null"));
    for wrong in [
        &["config", "apply", path, "--if-match", "abc"][..],
        &["config", "apply", path, "--if-match", &tag, "--overwrite"],
        &["config", "rollback", "1", "--if-match", ""],
    ] {
        assert_eq!(gateway.run(wrong).code, 2, "{wrong:?}");
    }
    assert_eq!(gateway.text(), before, "what the colleague did is there still");

    let now = gateway.run_json(&["config", "get"]).json()[0]["tag"].as_str().unwrap().to_owned();
    let quoted = format!("\"{now}\"");
    assert_eq!(gateway.run(&["config", "apply", path, "--if-match", &quoted]).code, 0);
    assert!(gateway.text().starts_with("# ours\n") && !gateway.text().contains("theirs"));
    std::fs::write(&file, before).unwrap();
    assert_eq!(gateway.run(&["config", "apply", path, "--overwrite"]).code, 0);
    assert!(gateway.text().contains("theirs"));
}

#[test]
fn a_change_that_the_proxy_refuses_ends_with_1() {
    let store = memstore();
    let gateway = Gateway::start(&[("first", store.grpc())], &[]);
    let create = ["namespaces", "create", "a", "--pattern", "list", "--endpoint", "embedded:nothing"];
    let made = gateway.run(&create);
    let out = String::from_utf8(made.out.clone()).unwrap();
    assert!(
        made.code == 1 && out.contains("NOT applied: refused") && out.contains("the driver \"nothing\""),
        "{made:?}"
    );
    let status = gateway.run(&["config", "status"]);
    let out = String::from_utf8(status.out).unwrap();
    assert!(status.code == 1 && out.contains("REFUSED") && out.contains("the driver \"nothing\""), "{out}");
    assert_eq!(gateway.run_json(&["config", "status"]).json()[0]["in_sync"], false);
    assert_eq!(gateway.run(&["kv", "count", "-n", "first"]).text(), "0\n");
    let deleted = gateway.run_json(&["namespaces", "delete", "a"]);
    assert_eq!((deleted.code, &deleted.json()[0]["applied"]), (0, &json!(true)), "{deleted:?}");
    assert_eq!(gateway.run(&["config", "status"]).code, 0);
}

#[test]
fn a_proxy_that_is_gone_is_told() {
    let store = memstore();
    let mut gateway = Gateway::start(&[("first", store.grpc())], &[]);
    gateway.proxy.process.kill();
    let set = gateway.run_json(&["namespaces", "set", "first", "--timeout", "5s"]);
    assert_eq!(
        (set.code, &set.json()[0]["applied"], &set.json()[0]["changed"]),
        (1, &json!(false), &json!(true))
    );
    let status = gateway.run(&["config", "status"]);
    let out = String::from_utf8(status.out).unwrap();
    assert!(status.code == 1 && out.contains("no response: cannot connect"), "{out}");
}
