//! The admin's API on its file: what a write does to it, and what is refused.

use prism_e2e::admin::{self, Admin, NO_PROXY, namespace};
use prism_e2e::http::send;
use prism_e2e::process::{Process, command};
use serde_json::{Value, json};

/// The configuration file of RFC-026, unchanged.
const RFC: &str = include_str!("../../crates/prism-admin/tests/rfc-026.yaml");

#[test]
fn a_namespace_is_created_read_changed_replaced_and_removed() {
    let admin = Admin::start(Some(RFC));
    let created = admin.json("POST", "/namespaces", &namespace("orders", "orders:50051"));
    assert_eq!(
        (created.status, created.header("location")),
        (201, Some("/namespaces/orders")),
        "{created:?}"
    );
    assert_eq!(created.json()["namespace"]["plugin"]["endpoint"], "orders:50051");
    assert!(admin.text().starts_with(RFC), "comments and order stay: {}", admin.text());

    let read = admin.ask("GET", "/namespaces/orders");
    assert_eq!((read.status, read.json()["name"].as_str()), (200, Some("orders")));
    assert_eq!(read.header("etag"), created.header("etag"));
    let again = admin.json("POST", "/namespaces", &namespace("orders", "b:1"));
    assert_eq!((again.status, again.json()["type"].as_str()), (409, Some("urn:prism:problem:exists")));

    let patched = admin.json("PATCH", "/namespaces/orders", r#"{"timeout":"5s"}"#);
    assert_eq!((patched.status, patched.json()["namespace"]["timeout"].as_str()), (200, Some("5s")));
    let put = admin.json("PUT", "/namespaces/orders", r#"{"pattern":"list","plugin":{"endpoint":"b:1"}}"#);
    assert_eq!(
        put.json()["namespace"],
        json!({"name": "orders", "pattern": "list", "plugin": {"endpoint": "b:1"}})
    );
    let removed = admin.ask("DELETE", "/namespaces/orders");
    assert!(removed.status == 200 && removed.text().contains("stays in its backend"), "{removed:?}");
    assert_eq!(admin.text(), RFC);
    assert_eq!(admin.ask("GET", "/namespaces/orders").status, 404);
    assert_eq!(admin.ask("DELETE", "/namespaces/orders").status, 404);
    let put = admin.json("PUT", "/namespaces/new", r#"{"pattern":"list","plugin":{"endpoint":"b:1"}}"#);
    assert_eq!(put.status, 201);
}

#[test]
fn what_was_seen_is_what_is_changed() {
    let admin = Admin::start(Some(RFC));
    let tag = admin.ask("GET", "/namespaces/default").header("etag").unwrap().to_owned();
    let json = ("content-type", "application/json");
    let patch = |tag: &str, body: &str| {
        send(admin.http(), "PATCH", "/namespaces/default", &[json, ("if-match", tag)], body.as_bytes())
    };
    // A proxy that compresses responses makes their tags weak.
    assert_eq!(patch(&format!("W/{tag}"), r#"{"timeout":"4s"}"#).status, 200);
    let tag = admin.ask("GET", "/namespaces/default").header("etag").unwrap().to_owned();
    assert_eq!(patch(&tag, r#"{"timeout":"5s"}"#).status, 200);
    let late = patch(&tag, r#"{"timeout":"6s"}"#);
    assert_eq!(
        (late.status, late.json()["type"].as_str()),
        (412, Some("urn:prism:problem:precondition-failed"))
    );
    let new = namespace("new", "a:1");
    for (method, path, header, expected) in [
        ("DELETE", "/namespaces/default", ("if-match", tag.as_str()), 412),
        ("PUT", "/namespaces/new", ("if-match", "*"), 412),
        ("PUT", "/namespaces/new", ("if-none-match", "*"), 201),
        ("PUT", "/namespaces/new", ("if-none-match", "*"), 412),
        ("PUT", "/namespaces/new", ("if-match", "*"), 200),
    ] {
        let answer = send(admin.http(), method, path, &[json, header], new.as_bytes());
        assert_eq!(answer.status, expected, "{method} {path} {header:?}: {answer:?}");
    }

    // The tag reveals a change by hand, which is never lost.
    let tag = admin.ask("GET", "/config").header("etag").unwrap().to_owned();
    std::fs::write(admin.file(), "# by hand\nnamespaces: []\n").unwrap();
    let yaml = ("content-type", "application/yaml");
    let late = send(admin.http(), "PUT", "/config", &[yaml, ("if-match", &tag)], b"namespaces: []\n");
    assert_eq!((late.status, admin.text().as_str()), (412, "# by hand\nnamespaces: []\n"));
    assert_eq!(admin.json("POST", "/namespaces", &new).status, 201);
    assert!(admin.text().starts_with("# by hand\n"), "{}", admin.text());
    let revisions = admin.ask("GET", "/config/revisions").json();
    let actions: Vec<_> =
        revisions["revisions"].as_array().unwrap().iter().map(|r| r["action"].clone()).collect();
    assert_eq!(actions[..2], [json!("create namespace new"), json!("edited by hand")], "{revisions}");
}

#[test]
fn a_dry_run_tells_and_does_not_write() {
    let admin = Admin::start(Some(RFC));
    let files = || {
        let folders = [admin.folder().to_owned(), admin.folder().join("prism.yaml.revisions")];
        let entries = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
        let mut files: Vec<_> = entries
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.path(), entry.metadata().unwrap().modified().unwrap()))
            .collect();
        files.sort();
        files
    };
    let before = files();
    let dry = admin.json("POST", "/namespaces?dry_run=true", &namespace("orders", "b:1"));
    let told = dry.json();
    assert_eq!(
        (dry.status, &told["dry_run"], &told["changed"]),
        (200, &json!(true), &json!(true)),
        "{dry:?}"
    );
    assert!(told["diff"].as_str().unwrap().contains("+  - name: orders\n"), "{told}");
    assert!(told["config"].as_str().unwrap().starts_with(RFC), "{told}");
    assert_eq!(admin.text(), RFC);
    assert_eq!(admin.json("POST", "/namespaces?dry_run=true", &namespace("default", "b:1")).status, 409);
    assert_eq!(admin.json("POST", "/namespaces?dry_run=maybe", &namespace("orders", "b:1")).status, 400);
    assert_eq!(admin.yaml("/config?dry_run=true", b"namespaces: {").status, 422);
    assert_eq!(files(), before, "nothing was written");
}

#[test]
fn a_write_with_a_parameter_that_is_not_known_is_not_done() {
    let admin = Admin::start(Some(RFC));
    for (method, path, content_type, body) in [
        ("DELETE", "/namespaces/default?dry-run=true", "", ""),
        ("DELETE", "/namespaces/default?dry_run=true&force=1", "", ""),
        ("PATCH", "/namespaces/default?dryrun", "application/json", "{\"timeout\":\"5s\"}"),
        ("PUT", "/config?dry-run=true", "application/yaml", "namespaces: []\n"),
        ("POST", "/config/rollback/1?if-match=x", "", ""),
        ("PUT", "/namespaces/default/value?key=k&ttl=60", "application/octet-stream", "v"),
        ("DELETE", "/namespaces/default/value?key=k&dry_run=true", "", ""),
        ("POST", "/namespaces/default/list/pop?key=k&end=left&count=2", "", ""),
        ("DELETE", "/namespaces/default/list?key=k&end=left&count=2", "", ""),
        ("DELETE", "/session?all=true", "", ""),
    ] {
        let answer = send(admin.http(), method, path, &[("content-type", content_type)], body.as_bytes());
        let told = answer.text();
        assert!(answer.status == 400 && told.contains("unknown parameter"), "{method} {path}: {answer:?}");
    }
    assert_eq!(admin.text(), RFC);
    let typed = admin.ask("DELETE", "/namespaces/default?dry-run=true").json();
    let detail = typed["detail"].as_str().unwrap();
    assert!(detail.contains("\"dry-run\"") && detail.contains("expected dry_run"), "{detail}");
    assert_eq!(admin.ask("GET", "/namespaces?nocache=1").status, 200, "a read does what it would without");
}

#[test]
fn null_stands_for_what_is_not_given() {
    let admin = Admin::start(Some(RFC));
    let nulls = r#""interfaces":null,"timeout":null,"max_message_bytes":null,"max_in_flight":null,
        "requests_per_second":null,"read_only":null"#;
    let plain = json!({"name": "a", "pattern": "list", "plugin": {"endpoint": "b:1"}});
    let body = plain.to_string().replacen('{', &format!("{{{nulls},"), 1);
    for (method, path, status) in [("POST", "/namespaces", 201), ("PUT", "/namespaces/a", 200)] {
        let answer = admin.json(method, path, &body);
        assert_eq!((answer.status, &answer.json()["namespace"]), (status, &plain), "{answer:?}");
    }
    assert!(!admin.text().contains("null"), "{}", admin.text());
    let nameless = admin.json("POST", "/namespaces", &body.replace("\"a\"", "null"));
    assert_eq!((nameless.status, nameless.json()["errors"][0]["pointer"].as_str()), (422, Some("/name")));
    for file in ["null", "5", "[]", "\"namespaces\"", ""] {
        let refused = admin.yaml("/config", file.as_bytes());
        let detail = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(refused.status == 422 && detail.contains("expected"), "{file:?}: {detail}");
        assert!(detail.contains("namespaces: []"), "{file:?}: {detail}");
    }
}

#[test]
fn a_cursor_that_is_none_is_refused() {
    let admin = Admin::start(Some(RFC));
    let status = |path: &str| admin.ask("GET", path).status;
    assert_eq!(status(&format!("/audit?cursor={}", i64::MAX)), 200);
    for cursor in ["9223372036854775808", "18446744073709551615", "-1", "x"] {
        assert_eq!(status(&format!("/audit?cursor={cursor}")), 400, "{cursor}");
    }
    for cursor in [String::new(), "k".repeat(10_925)] {
        let answer = admin.ask("GET", &format!("/namespaces/default/keys?cursor={cursor}"));
        assert!(answer.status == 400 && answer.text().contains("cursor: expected"), "{answer:?}");
    }
}

#[test]
fn every_wrong_field_is_pointed_to() {
    let admin = Admin::start(Some(RFC));
    let wrong =
        r#"{"name":"Orders","pattern":"graph","plugin":{"endpoint":"no-port"},"timeout":5,"colour":"red"}"#;
    let problem = admin.json("POST", "/namespaces", wrong);
    assert_eq!((problem.status, problem.header("content-type")), (422, Some("application/problem+json")));
    let told = problem.json();
    let pointers: Vec<_> =
        told["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect();
    for pointer in ["/name", "/pattern", "/plugin/endpoint", "/timeout", "/colour"] {
        assert!(pointers.contains(&pointer), "{pointer} is missing in {told}");
    }
    assert_eq!(problem.header("x-request-id"), told["request_id"].as_str());
    let problem =
        admin.yaml("/config", b"server: {listen_address: nowhere}\nnamespaces: [{name: A}]\n").json();
    assert_eq!(problem["status"], 422);
    assert!(problem["errors"].as_array().unwrap().len() >= 4, "{problem}");
    assert_eq!(admin.text(), RFC);
}

#[test]
fn requests_that_cannot_be_read_are_refused_with_their_kind() {
    let admin = Admin::start(Some(RFC));
    let large = vec![b' '; 9 << 20];
    let json = ("content-type", "application/json");
    for (method, path, headers, body, expected) in [
        ("POST", "/namespaces", &[json][..], &b"{"[..], 400),
        ("POST", "/namespaces", &[json], b"[]", 422),
        ("POST", "/namespaces", &[], b"{}", 415),
        ("POST", "/namespaces", &[("content-type", "text/plain")], b"{}", 415),
        ("POST", "/namespaces", &[json], &large[..100_000], 413),
        ("PUT", "/config", &[("content-type", "application/yaml")], &large, 413),
        ("PUT", "/config", &[("content-type", "application/yaml")], b"\xff\xfe", 422),
        ("PUT", "/config", &[("content-type", "application/yaml")], b"\0\0\0", 422),
        ("GET", "/namespaces?limit=0", &[], b"", 400),
        ("GET", "/namespaces?limit=a", &[], b"", 400),
        ("GET", "/namespaces/%ff", &[], b"", 400),
        ("GET", "/nowhere", &[], b"", 404),
        ("GET", "/config/revisions/x", &[], b"", 404),
        ("GET", "/config/revisions/99", &[], b"", 404),
        ("DELETE", "/config", &[], b"", 405),
    ] {
        let answer = send(admin.http(), method, path, headers, body);
        assert_eq!(answer.status, expected, "{method} {path}: {answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
        assert!(
            expected != 405 || answer.header("allow").is_some_and(|allow| allow.contains("PUT")),
            "{answer:?}"
        );
    }
    assert_eq!(admin.text(), RFC);
}

#[test]
fn a_file_is_put_byte_for_byte_and_rolled_back() {
    let admin = Admin::start(Some(RFC));
    let odd = "# odd   \r\n\nnamespaces:\n- {\"name\": a, pattern: list, plugin: {endpoint: 'a:1'}}   # end";
    let put = admin.yaml("/config", odd.as_bytes());
    assert_eq!((put.status, put.json()["revision"].as_u64()), (200, Some(2)), "{put:?}");
    assert_eq!(admin.text(), odd);
    let read = admin.ask("GET", "/config");
    assert_eq!((read.body.as_slice(), read.header("etag")), (odd.as_bytes(), put.header("etag")));
    assert_eq!(admin.ask("GET", "/config/revisions/1").text(), RFC);
    let diff = admin.ask("GET", "/config/revisions/2/diff");
    assert!(
        diff.text().contains("-# proxy/config.yaml\n") && diff.text().contains("+# odd"),
        "{}",
        diff.text()
    );
    let back = admin.ask("POST", "/config/rollback/1").json();
    assert_eq!((back["revision"].as_u64(), admin.text().as_str()), (Some(3), RFC), "{back}");
    assert_eq!(admin.yaml("/config", RFC.as_bytes()).json()["changed"], false);
    let kept: Vec<_> = std::fs::read_dir(admin.folder().join("prism.yaml.revisions")).unwrap().collect();
    assert_eq!(kept.len(), 6);
    let audit = std::fs::read_to_string(admin.folder().join("prism.yaml.audit.jsonl")).unwrap();
    let last: Value = serde_json::from_str(audit.lines().last().unwrap()).unwrap();
    assert_eq!((&last["action"], &last["who"]), (&json!("roll back to revision 1"), &json!("local")));
}

#[test]
fn without_a_file_the_built_in_namespace_is_shown_and_kept() {
    let admin = Admin::start(None);
    let list = admin.ask("GET", "/namespaces").json();
    assert_eq!((&list["built_in"], &list["namespaces"][0]["name"]), (&json!(true), &json!("default")));
    assert!(!admin.file().exists());
    let created = admin.json("POST", "/namespaces", &namespace("orders", "b:1")).json();
    assert!(created["warnings"][0].as_str().unwrap().contains("default"), "{created}");
    let names = admin.ask("GET", "/namespaces").json();
    let names: Vec<_> = names["namespaces"].as_array().unwrap().iter().map(|n| n["name"].clone()).collect();
    assert_eq!(names, ["default", "orders"]);

    std::fs::remove_file(admin.file()).unwrap();
    for answer in [admin.ask("GET", "/namespaces"), admin.json("POST", "/namespaces", &namespace("c", "b:1"))]
    {
        assert_eq!(answer.status, 409, "a file that was deleted is not begun anew in silence: {answer:?}");
    }
    assert_eq!(admin.ask("GET", "/health").json()["status"], "degraded");
    assert_eq!(admin.ask("POST", "/config/rollback/1").status, 200);
}

#[test]
fn namespaces_are_listed_in_pages() {
    let text: String = (0..250)
        .map(|n| format!("  - {{name: n{n:03}, pattern: list, plugin: {{endpoint: 'host-{}:1'}}}}\n", n % 10))
        .collect();
    let admin = Admin::start(Some(&format!("namespaces:\n{text}")));
    let mut names = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = admin.ask("GET", &format!("/namespaces?limit=99&cursor={cursor}")).json();
        assert_eq!(page["total"], 250);
        names.extend(
            page["namespaces"].as_array().unwrap().iter().map(|n| n["name"].as_str().unwrap().to_owned()),
        );
        match page["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert!(names.len() == 250 && names.is_sorted(), "{names:?}");
    assert_eq!(admin.ask("GET", "/namespaces?q=host-3").json()["total"], 25);
    assert_eq!(admin.ask("GET", "/namespaces?q=n24").json()["total"], 10);
}

#[test]
fn endpoints_that_reach_too_far_are_refused() {
    let admin = Admin::start(Some(RFC));
    for endpoint in
        ["169.254.169.254:80", "2852039166:80", "[::ffff:169.254.169.254]:80", "unix:/run/docker.sock"]
    {
        let refused = admin.json("POST", "/namespaces", &namespace("a", endpoint));
        assert_eq!(
            (refused.status, refused.json()["errors"][0]["pointer"].as_str()),
            (422, Some("/plugin/endpoint")),
            "{refused:?}"
        );
        let file = format!("namespaces: [{{name: a, pattern: list, plugin: {{endpoint: '{endpoint}'}}}}]\n");
        let refused = admin.yaml("/config", file.as_bytes()).json();
        assert_eq!(refused["errors"][0]["pointer"], "/namespaces/0/plugin/endpoint", "{refused}");
    }
    assert_eq!(admin.json("POST", "/namespaces", &namespace("a", "embedded:memstore")).status, 201);
}

#[test]
fn two_admins_lose_nothing_of_each_other() {
    let admin = Admin::start(Some(RFC));
    let other = admin::on(&admin.file(), &["--proxy", NO_PROXY]);
    std::thread::scope(|scope| {
        for (address, mark) in [(admin.http(), 'a'), (other.address("http"), 'b')] {
            scope.spawn(move || {
                for number in 0..10 {
                    let body = namespace(&format!("{mark}{number}"), "b:1");
                    let json = [("content-type", "application/json")];
                    // Only the disk and the lock limit them: nobody is refused.
                    assert_eq!(send(address, "POST", "/namespaces", &json, body.as_bytes()).status, 201);
                }
            });
        }
    });
    assert_eq!(admin.ask("GET", "/namespaces").json()["total"], 21);
}

#[test]
fn many_writers_of_a_long_file_all_succeed_in_turn() {
    let mut text = "namespaces:\n".to_owned();
    for number in 0..1000 {
        text +=
            &format!("  - name: old{number} # ours\n    pattern: list\n    plugin: {{endpoint: 'a:1'}}\n");
    }
    let admin = Admin::start(Some(&text));
    std::thread::scope(|scope| {
        for number in 0..50 {
            let address = admin.http();
            scope.spawn(move || {
                let (headers, body) =
                    ([("content-type", "application/json")], namespace(&format!("n{number}"), "b:1"));
                let created = send(address, "POST", "/namespaces", &headers, body.as_bytes());
                assert_eq!(created.status, 201, "{created:?}");
            });
        }
    });
    assert!(admin.text().starts_with(&text), "what was there stays as it was");
    assert_eq!(admin.ask("GET", "/namespaces?limit=1").json()["total"], 1050);
    let revisions = admin.ask("GET", "/config/revisions").json();
    let numbers = revisions["revisions"].as_array().unwrap().iter().map(|it| it["number"].as_u64().unwrap());
    assert!(numbers.eq((1..=51).rev()), "{revisions}");
}

#[test]
fn a_file_that_was_there_before_the_admin_is_known_when_it_goes() {
    let admin = Admin::start(Some(RFC));
    std::fs::remove_file(admin.file()).unwrap();
    let refused = admin.json("POST", "/namespaces", &namespace("a", "b:1"));
    assert_eq!(
        (refused.status, refused.json()["type"].as_str()),
        (409, Some("urn:prism:problem:file-unusable"))
    );
    assert!(!admin.file().exists());
    assert_eq!(admin.ask("POST", "/config/rollback/1").status, 200);
    assert_eq!(admin.text(), RFC);
}

#[test]
fn tokens_say_who_may_do_what() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    let tokens = file.to_str().unwrap().to_owned();
    let make = |role: &str| {
        let made = command("prism-admin")
            .args(["token", "--role", role, "--name", role, "--token-file", &tokens])
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        format!("Bearer {}", String::from_utf8(made.stdout).unwrap().trim())
    };
    let (read, write) = (make("read"), make("write"));
    let admin = Admin::within(tempfile::tempdir().unwrap(), &["--token-file", &tokens, "--proxy", NO_PROXY]);
    let ask = |method: &str, path: &str, token: &str| {
        let headers = [("authorization", token), ("content-type", "application/json")];
        send(admin.http(), method, path, &headers, namespace("a", "b:1").as_bytes()).status
    };
    for (method, path, token, expected) in [
        ("GET", "/namespaces", "Bearer nothing", 401),
        ("GET", "/namespaces", "", 401),
        ("GET", "/metrics", "", 401),
        ("GET", "/health", "", 200),
        ("GET", "/livez", "", 200),
        ("GET", "/openapi.json", "", 200),
        ("GET", "/namespaces", &read, 200),
        ("GET", "/metrics", &read, 200),
        ("POST", "/namespaces", &read, 403),
        ("POST", "/namespaces", &write, 201),
        ("DELETE", "/namespaces/a", "", 401),
    ] {
        assert_eq!(ask(method, path, token), expected, "{method} {path} {token:.12}");
    }
    let refused = admin.ask("GET", "/config");
    assert!(refused.header("www-authenticate").is_some_and(|asks| asks.starts_with("Bearer")), "{refused:?}");
    let audit = std::fs::read_to_string(admin.folder().join("prism.yaml.audit.jsonl")).unwrap();
    assert!(audit.contains(r#""who":"write""#), "{audit}");

    // Tokens are removed and added without a restart.
    std::fs::write(&file, "").unwrap();
    assert_eq!(ask("GET", "/namespaces", &read), 401);
    let data = make("data");
    assert_eq!(ask("GET", "/namespaces", &data), 200);
}

#[test]
fn a_token_that_cannot_be_printed_is_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens").display().to_string();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut make = command("prism-admin");
    let made = make.args(["token", "--role", "read", "--name", "lost", "--token-file", &tokens]);
    let made = made.stdout(full).output().unwrap();
    let says = String::from_utf8(made.stderr).unwrap();
    assert_eq!(made.status.code(), Some(1), "{says}");
    assert!(says.contains("No space left") && says.contains(&tokens), "{says}");
}

#[test]
fn an_address_open_to_others_is_refused_without_tokens() {
    let started = command("prism-admin").args(["--listen", "0.0.0.0:0"]).output().unwrap();
    let says = String::from_utf8(started.stderr).unwrap();
    assert_eq!(started.status.code(), Some(78), "{says}");
    assert!(
        says.contains("0.0.0.0:0") && says.contains("--token-file") && says.contains("--insecure"),
        "{says}"
    );
    let open = Process::start(
        "prism-admin",
        ["--listen", "0.0.0.0:0", "--insecure", "--proxy-config", "/nowhere/prism.yaml"],
    );
    assert!(open.ready.starts_with("prism-admin ready http=0.0.0.0:"), "{}", open.ready);
}

#[test]
fn web_pages_from_elsewhere_are_refused() {
    let admin = Admin::start(Some(RFC));
    let json = ("content-type", "application/json");
    for headers in [
        &[("host", "evil.example")][..],
        &[json, ("origin", "http://evil.example")],
        &[json, ("sec-fetch-site", "cross-site")],
    ] {
        let refused = send(admin.http(), "POST", "/config/rollback/1", headers, b"");
        assert_eq!(
            (refused.status, refused.json()["type"].as_str()),
            (403, Some("urn:prism:problem:cross-origin")),
            "{headers:?}"
        );
    }
    assert_eq!(send(admin.http(), "GET", "/config", &[("host", "evil.example")], b"").status, 403);
    assert_eq!(send(admin.http(), "GET", "/config", &[("host", "localhost:1")], b"").status, 200);
}

#[test]
fn the_api_is_described_in_full() {
    let admin = Admin::start(Some(RFC));
    let document = admin.ask("GET", "/openapi.json").json();
    let paths = document["paths"].as_object().unwrap();
    for path in [
        "/namespaces",
        "/namespaces/{name}",
        "/namespaces/{name}/promises",
        "/config",
        "/config/status",
        "/config/revisions",
        "/backends",
        "/backends/{name}",
        "/backends/probe",
        "/health",
    ] {
        assert!(paths.contains_key(path), "{path} is missing");
    }
    assert_eq!(paths["/namespaces/{name}/list"]["delete"]["deprecated"], true);
    assert_eq!(paths["/namespaces/{name}/list/pop"]["post"].get("deprecated"), None);
    let page = admin.ask("GET", "/docs");
    assert!(page.text().contains("/config/rollback/{number}"), "{page:?}");
    for loads in ["src=", "<link", "<script", "url(", "@import"] {
        assert!(!page.text().contains(loads), "it loads nothing from elsewhere: {loads}");
    }
    assert!(
        page.header("content-security-policy").is_some_and(|policy| policy.starts_with("default-src 'none'"))
    );
    assert!(
        admin.ask("GET", "/metrics").text().contains("prism_admin_requests_total{"),
        "requests are counted"
    );
}

#[test]
fn backends_are_asked_for_their_health_interfaces_and_latency() {
    let memstore = Process::start("prism-memstore", ["--listen", "127.0.0.1:0"]);
    let text = format!(
        "namespaces:\n  - {{name: a, pattern: list, plugin: {{endpoint: '{}'}}}}\n  - {{name: b, pattern: list, plugin: \
         {{endpoint: '127.0.0.1:1'}}}}\n  - {{name: c, pattern: list, plugin: {{endpoint: 'embedded:memstore'}}}}\n  - \
         {{name: d, pattern: list, plugin: {{endpoint: '169.254.169.254:80'}}}}\n",
        memstore.grpc()
    );
    let admin = Admin::start(Some(&text));
    let backends = admin.ask("GET", "/backends").json();
    let of = |name: &str| {
        let backends = backends["backends"].as_array().unwrap();
        backends.iter().find(|backend| backend["namespaces"] == json!([name])).unwrap().clone()
    };
    let healthy = of("a");
    assert_eq!(healthy["health"], "serving", "{healthy}");
    let interfaces = ["keyvalue.KeyValueBasicInterface", "list.ListBasicInterface"]
        .map(|i| format!("prism.interfaces.{i}"));
    assert!(
        interfaces.iter().all(|i| healthy["interfaces"].as_array().unwrap().contains(&json!(i))),
        "{healthy}"
    );
    assert!(healthy["latency_ms"].as_f64().is_some_and(|latency| latency > 0.0), "{healthy}");
    assert_eq!(of("b")["health"], "unreachable");
    assert_eq!(of("c")["health"], "not_asked");
    assert_eq!(
        (&of("d")["health"], of("d")["error"].as_str().unwrap().contains("link-local")),
        (&json!("not_asked"), true)
    );
}
