//! What the console gets from the admin: sessions, keys and values through the gateway, live metrics, the audit log.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use prism_e2e::admin::{Admin, namespace};
use prism_e2e::http::{Answer, send};
use prism_e2e::process::Process;
use prism_e2e::stack::{BYTES, Stack, tokens};
use rustix::process::Signal;
use serde_json::{Value, json};

#[test]
fn keys_are_browsed_by_folder_and_every_page_shows_each_once() {
    let stack = Stack::start(&[]);
    for key in ["a", "b:1", "b:2", "b;", "c:x:1", "c:x:2", "c:y", "d"] {
        assert_eq!(stack.set(key, b"v").status, 204, "{key}");
    }
    let all = stack.keys("delimiter=:");
    assert_eq!(all["folders"], json!(["b:", "c:"]));
    assert_eq!(all["keys"], json!(["a", "b;", "d"]));
    assert_eq!((&all["ordered"], &all["next_cursor"]), (&json!(true), &Value::Null));

    let (mut shown, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = stack.keys(&format!("delimiter=:&limit=2{cursor}"));
        for kind in ["folders", "keys"] {
            shown.extend(page[kind].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()));
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    shown.sort();
    assert_eq!(shown, ["a", "b:", "b;", "c:", "d"]);
    assert_eq!(stack.keys("delimiter=:&prefix=c:")["folders"], json!(["c:x:"]));
    assert_eq!(stack.keys("prefix=c:x&limit=1")["keys"], json!(["c:x:1"]));
    assert_eq!(stack.admin.ask("GET", "/namespaces/default/count?prefix=c:").json()["count"], 3);
}

#[test]
fn a_folder_of_many_keys_is_passed_over() {
    let stack = Stack::start(&[]);
    for number in 0..600 {
        stack.set(&format!("big:{number:04}"), b"v");
    }
    stack.set("z", b"v");
    let page = stack.keys("delimiter=:&limit=10");
    assert_eq!((&page["folders"], &page["keys"]), (&json!(["big:"]), &json!(["z"])));
    let first = stack.keys("delimiter=:&limit=1");
    assert_eq!(first["next_cursor"], "big:");
    assert_eq!(stack.keys("delimiter=:&limit=1&cursor=big:")["keys"], json!(["z"]));
}

#[test]
fn of_a_backend_without_order_a_first_page_is_shown_and_no_other() {
    let stack = Stack::start(&[]);
    let plugin = Process::start("unordered-plugin", ["--listen", "127.0.0.1:0"]);
    let created = stack.admin.json("POST", "/namespaces", &namespace("heap", plugin.grpc()));
    assert_eq!(created.status, 201, "{created:?}");
    let keys = |query: &str| stack.admin.ask("GET", &format!("/namespaces/heap/keys?{query}"));
    let page = keys("delimiter=:").json();
    assert_eq!((&page["folders"], &page["keys"]), (&json!(["a:", "b:"]), &json!(["m", "z"])));
    let told = |page: &Value| [&page["ordered"], &page["truncated"], &page["next_cursor"]].map(Value::clone);
    assert_eq!(told(&page), [json!(false), json!(false), Value::Null]);
    let cut = keys("delimiter=:&limit=2").json();
    assert_eq!(told(&cut), [json!(false), json!(true), Value::Null], "there is more that cannot be shown");
    assert_eq!(keys("cursor=m").status, 501);
    let mut events = Events::follow(&stack.admin, "heap");
    let heap = &events.next("sample")["namespaces"]["heap"];
    let expected = [json!("serving"), Value::Null, json!(false), json!(false)];
    assert_eq!(
        [&heap["health"], &heap["keys"], &heap["in_memory"], &heap["ordered"]].map(Value::clone),
        expected
    );
}

#[test]
fn a_backend_without_order_is_paged_by_its_tokens() {
    let stack = Stack::start(&[]);
    let plugin = Process::start("unordered-plugin", ["--listen", "127.0.0.1:0", "--page", "2"]);
    assert_eq!(stack.admin.json("POST", "/namespaces", &namespace("heap", plugin.grpc())).status, 201);
    let keys = |query: &str| stack.admin.ask("GET", &format!("/namespaces/heap/keys?{query}"));
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = keys(&format!("delimiter=:&limit=1{cursor}")).json();
        assert_eq!((&page["ordered"], &page["truncated"]), (&json!(false), &json!(false)));
        pages.push([page["folders"].clone(), page["keys"].clone()]);
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    // The pages of the backend are z and a:2, m and b:1, a:1.
    let expected = [[json!(["a:"]), json!(["z"])], [json!(["b:"]), json!(["m"])], [json!(["a:"]), json!([])]];
    assert_eq!(pages[..3], expected);
    assert!(pages[3..].iter().all(|page| *page == [json!([]), json!([])]), "{pages:?}");
    for (wrong, status) in [("m", 400), ("%3F", 400), ("AAAA", 422)] {
        assert_eq!(keys(&format!("cursor={wrong}")).status, status, "{wrong}");
    }
}

#[test]
fn a_value_goes_in_and_out_byte_for_byte_and_never_as_a_page() {
    let stack = Stack::start(&[]);
    let value: Vec<u8> = b"<script>alert(1)</script>".iter().copied().chain(0..=255).collect();
    assert_eq!(stack.set("k", &value).status, 204);
    let read = stack.admin.ask("GET", "/namespaces/default/value?key=k");
    assert_eq!(read.body, value);
    assert_eq!(read.header("content-type"), Some("application/octet-stream"));
    assert_eq!(read.header("x-content-type-options"), Some("nosniff"));
    assert!(read.header("content-disposition").unwrap().starts_with("attachment"));
    assert_eq!(stack.admin.ask("DELETE", "/namespaces/default/value?key=k").json(), json!({"found": true}));
    assert_eq!(stack.admin.ask("GET", "/namespaces/default/value?key=k").status, 404);

    let word =
        |answer: &Answer| answer.json()["type"].as_str().unwrap().rsplit(':').next().unwrap().to_owned();
    let empty = stack.set("", b"v");
    assert_eq!((empty.status, word(&empty).as_str()), (422, "invalid"));
    let unknown = stack.admin.ask("GET", "/namespaces/nope/value?key=k");
    assert_eq!((unknown.status, word(&unknown).as_str()), (409, "not-served"));
    let typed = send(
        stack.admin.http(),
        "PUT",
        "/namespaces/default/value?key=k",
        &[("content-type", "text/plain")],
        b"v",
    );
    assert_eq!(typed.status, 415);
    let list = "/namespaces/default/list?key=q&end=";
    let push =
        |end: &str, value: &[u8]| send(stack.admin.http(), "POST", &format!("{list}{end}"), &[BYTES], value);
    assert_eq!(
        (push("right", b"1").json(), push("left", b"0").json()),
        (json!({"length": 1}), json!({"length": 2}))
    );
    assert_eq!(stack.admin.ask("POST", "/namespaces/default/list/pop?key=q&end=right").body, b"1");
    assert_eq!(stack.admin.ask("GET", "/namespaces/default/list?key=q").json(), json!({"length": 1}));
    assert_eq!(stack.admin.ask("DELETE", &format!("{list}left")).body, b"0");
    assert_eq!(stack.admin.ask("DELETE", &format!("{list}left")).status, 204);

    drop(stack.proxy);
    let lost = stack.admin.ask("GET", "/namespaces/default/value?key=k");
    assert_eq!((lost.status, word(&lost).as_str()), (502, "gateway"));
    drop(stack.memstore);
}

#[test]
fn each_role_does_what_it_may_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let (file, [read, data, write]) = tokens(folder.path());
    let stack = Stack::start(&["--token-file", &file]);
    let ask = |token: &str, method: &str, path: &str| {
        let bearer = format!("Bearer {token}");
        send(stack.admin.http(), method, path, &[("authorization", &bearer), BYTES], b"v").status
    };
    let value = "/namespaces/default/value?key=secret";
    assert_eq!([&read, &data, &write].map(|token| ask(token, "PUT", value)), [403, 403, 204]);
    for path in
        [value, "/namespaces/default/keys", "/namespaces/default/count", "/namespaces/default/list?key=l"]
    {
        assert_eq!([&read, &data, &write].map(|token| ask(token, "GET", path)), [403, 200, 200], "{path}");
    }
    let push = "/namespaces/default/list?key=l&end=left";
    let pop = "/namespaces/default/list/pop?key=l&end=left";
    for (method, path) in [("POST", push), ("POST", pop), ("DELETE", push), ("DELETE", value)] {
        assert_eq!([&read, &data].map(|token| ask(token, method, path)), [403, 403], "{method} {path}");
    }
    let audit = |token: &str| {
        let bearer = format!("Bearer {token}");
        send(stack.admin.http(), "GET", "/audit", &[("authorization", &bearer)], b"").json()["entries"][0]
            .clone()
    };
    assert_eq!((&audit(&data)["key"], &audit(&data)["who"]), (&json!("secret"), &json!("a-write")));
    assert_eq!((audit(&read).get("key"), &audit(&read)["action"]), (None, &json!("set a key in default")));
    assert_eq!(stack.admin.ask("GET", "/").status, 200, "the page itself tells nothing");
    assert_eq!(stack.admin.ask("GET", "/console/main.js").status, 200);
    assert_eq!(stack.admin.ask("GET", "/console/..%2f..%2fCargo.toml").status, 404);
}

#[test]
fn a_session_stands_for_its_token_and_ends_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let (file, [read, _, write]) = tokens(folder.path());
    let stack = Stack::start(&["--token-file", &file]);
    let http = stack.admin.http();
    let json = ("content-type", "application/json");
    let log_in = |token: &str| {
        let answer = send(http, "POST", "/session", &[json], format!("{{\"token\":\"{token}\"}}").as_bytes());
        let cookie = answer.header("set-cookie").map(|cookie| cookie.split(';').next().unwrap().to_owned());
        (answer, cookie.unwrap_or_default())
    };
    assert_eq!(log_in("prism_wrong").0.status, 401);
    assert_eq!(stack.admin.ask("GET", "/session").status, 401);
    let (answer, session) = log_in(&write);
    let set = answer.header("set-cookie").unwrap();
    assert!(["HttpOnly", "SameSite=Strict", "Path=/"].iter().all(|part| set.contains(part)), "{set}");
    let cookie = ("cookie", session.as_str());
    assert_eq!(
        send(http, "GET", "/session", &[cookie], b"").json(),
        json!({"who": "a-write", "role": "write", "login": true})
    );

    let for_a_proxy = ("authorization", "Basic dXNlcjpwYXNz");
    assert_eq!(send(http, "GET", "/session", &[cookie, for_a_proxy], b"").json()["who"], "a-write");
    // With 401, a browser would drop the password for the proxy in front.
    assert_eq!(send(http, "GET", "/session", &[for_a_proxy], b"").status, 403);
    let other = Stack::start(&["--token-file", &file]);
    let body = format!("{{\"token\":\"{write}\"}}");
    let elsewhere = send(other.admin.http(), "POST", "/session", &[json], body.as_bytes());
    let name = |cookie: &str| cookie.split('=').next().unwrap().to_owned();
    assert_ne!(name(&session), name(elsewhere.header("set-cookie").unwrap()), "a browser sends both to both");

    let value = "/namespaces/default/value?key=k";
    assert_eq!(send(http, "PUT", value, &[cookie, BYTES], b"v").status, 204);
    let elsewhere = send(http, "PUT", value, &[cookie, BYTES, ("origin", "http://evil.example")], b"v");
    assert_eq!(elsewhere.status, 403, "{elsewhere:?}");
    let (_, reader) = log_in(&read);
    assert_eq!(send(http, "PUT", value, &[("cookie", &reader), BYTES], b"v").status, 403);
    assert_eq!(send(http, "DELETE", "/session", &[("cookie", &reader)], b"").status, 204);
    assert_eq!(send(http, "GET", "/session", &[("cookie", &reader)], b"").status, 401);

    let all = std::fs::read_to_string(&file).unwrap();
    let kept: Vec<_> = all.lines().filter(|line| !line.starts_with("a-write")).collect();
    std::fs::write(&file, kept.join("\n")).unwrap();
    assert_eq!(
        send(http, "GET", "/session", &[cookie], b"").status,
        401,
        "the token is gone, and so is its session"
    );
}

#[test]
fn a_proxy_is_asked_not_to_collect_the_events() {
    let stack = Stack::start(&[]);
    let mut events = Events::follow(&stack.admin, "default");
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(events.0.read_line(&mut head).unwrap() > 0, "{head}");
    }
    assert!(head.contains("x-accel-buffering: no\r\n"), "{head}");
}

/// The admin's events, as they arrive.
struct Events(BufReader<TcpStream>);

impl Events {
    fn follow(admin: &Admin, namespaces: &str) -> Self {
        Self::follow_as(admin, namespaces, "accept: text/event-stream")
    }

    fn follow_as(admin: &Admin, namespaces: &str, header: &str) -> Self {
        let mut stream = TcpStream::connect(admin.http()).unwrap();
        let path = format!("/traffic/events?namespaces={namespaces}");
        let host = admin.http();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{header}\r\n\r\n")
            .unwrap();
        Self(BufReader::new(stream))
    }

    /// The status of the response that carries the events.
    fn status(&mut self) -> u16 {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// Waits for the end, which comes with one of the next samples, and returns what was sent until then.
    fn rest(mut self) -> String {
        let mut rest = String::new();
        while self.0.read_line(&mut rest).unwrap() > 0 {
            assert!(rest.matches("event: sample").count() < 3, "the events go on");
        }
        rest
    }

    /// The data of the next event of a kind.
    fn next(&mut self, kind: &str) -> Value {
        let mut is_kind = false;
        loop {
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).unwrap() > 0, "the events have ended");
            is_kind |= line.trim_end() == format!("event: {kind}");
            if let Some(data) = line.strip_prefix("data: ").filter(|_| is_kind) {
                return serde_json::from_str(data).unwrap();
            }
        }
    }
}

#[test]
fn figures_are_sent_as_they_are_taken_until_the_admin_stops() {
    let stack = Stack::start(&[]);
    let mut events = Events::follow(&stack.admin, "default,nope,NOPE!");
    let history = events.next("history");
    let known = history["at"].as_array().unwrap().len();
    assert_eq!(history["namespaces"]["default"]["requests_per_second"].as_array().unwrap().len(), known);
    let first = events.next("sample");
    let (default, nope) = (&first["namespaces"]["default"], &first["namespaces"]["nope"]);
    assert_eq!(
        (&default["health"], &default["in_memory"], &default["keys"]),
        (&json!("serving"), &json!(true), &json!(0))
    );
    assert_eq!(nope["health"], "refused");
    assert_eq!(first["namespaces"]["NOPE!"]["health"], "refused", "what is no name is served by nobody");

    // A proxy's first response yields no rate; whatever is counted after it does.
    while events.next("sample")["total"]["requests_per_second"].is_null() {}
    stack.set("k", b"v");
    let busy = loop {
        let sample = events.next("sample");
        if sample["namespaces"]["default"]["requests_per_second"].as_f64() > Some(0.0) {
            break sample;
        }
    };
    let default = &busy["namespaces"]["default"];
    assert!(default["p50_seconds"].as_f64() > Some(0.0) && default["errors_per_second"] == 0.0, "{default}");
    assert_eq!((&default["keys"], &busy["proxies"][0]["error"]), (&json!(1), &Value::Null));

    drop(stack.memstore);
    while events.next("sample")["namespaces"]["default"]["health"] != "down" {}
    drop(stack.proxy);
    let dead = loop {
        let sample = events.next("sample");
        if !sample["proxies"][0]["error"].is_null() {
            break sample;
        }
    };
    assert_eq!(dead["namespaces"]["default"]["health"], "unknown");
    assert_eq!(
        (&dead["total"]["requests_per_second"], &dead["total"]["in_flight"]),
        (&Value::Null, &Value::Null)
    );

    let mut admin = stack.admin.process;
    admin.signal(Signal::TERM);
    let mut rest = Vec::new();
    events.0.read_to_end(&mut rest).unwrap();
    assert!(admin.wait().success());
    assert!(!admin.log().contains("closed the rest"), "followers delay no stop");
}

#[test]
fn figures_end_with_the_token_or_the_session_that_asked_for_them() {
    let folder = tempfile::tempdir().unwrap();
    let (file, [read, _, write]) = tokens(folder.path());
    let stack = Stack::start(&["--token-file", &file]);
    let json = ("content-type", "application/json");
    let login = format!("{{\"token\":\"{read}\"}}");
    let answer = send(stack.admin.http(), "POST", "/session", &[json], login.as_bytes());
    let session = answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let follow = |header: String| {
        let mut events = Events::follow_as(&stack.admin, "", &header);
        events.next("sample");
        events
    };
    let of_session = follow(format!("cookie: {session}"));
    let mut of_reader = follow(format!("authorization: Bearer {read}"));
    let of_writer = follow(format!("authorization: Bearer {write}"));

    assert_eq!(send(stack.admin.http(), "DELETE", "/session", &[("cookie", &session)], b"").status, 204);
    of_session.rest();
    let all = std::fs::read_to_string(&file).unwrap();
    let kept: Vec<_> = all.lines().filter(|line| !line.starts_with("a-write")).collect();
    // Atomically: the followers read it, too.
    let new = folder.path().join("new");
    std::fs::write(&new, kept.join("\n")).unwrap();
    std::fs::rename(new, &file).unwrap();
    of_writer.rest();
    of_reader.next("sample");
}

#[test]
fn those_who_follow_leave_connections_to_others() {
    let stack = Stack::start(&[]);
    let follow = || Events::follow(&stack.admin, "");
    let mut followers: Vec<_> = (0..64).map(|_| follow()).collect();
    assert!(followers.iter_mut().all(|events| events.status() == 200));
    let mut refused = follow();
    assert_eq!(refused.status(), 429);
    let told = refused.rest();
    assert!(told.contains("urn:prism:problem:limited") && told.contains("64 clients follow"), "{told}");
    assert_eq!(stack.admin.ask("GET", "/namespaces").status, 200);
    followers.pop();
    while follow().status() == 429 {}
}

#[test]
fn the_audit_log_is_read_page_by_page() {
    let stack = Stack::start(&[]);
    for number in 0..5 {
        stack.set(&format!("k{number}"), b"v");
    }
    let first = stack.admin.ask("GET", "/audit?limit=3").json();
    let keys = |page: &Value| -> Vec<String> {
        page["entries"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["key"].as_str().or(entry["action"].as_str()).unwrap().to_owned())
            .collect()
    };
    assert_eq!(keys(&first), ["k4", "k3", "k2"]);
    let second = stack.admin.ask("GET", &format!("/audit?limit=3&cursor={}", first["next_cursor"])).json();
    assert_eq!(
        (keys(&second), &second["next_cursor"]),
        (vec!["k1".to_owned(), "k0".to_owned(), "found".to_owned()], &Value::Null),
        "the file that was there at the start is the first entry"
    );
}
