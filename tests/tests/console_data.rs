//! What the admin's API does with values, lists and leases, on behalf of the console.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use prism_e2e::admin::namespace;
use prism_e2e::http::{Answer, send};
use prism_e2e::process::Process;
use prism_e2e::stack::{BYTES, Stack, tokens};
use serde_json::{Value, json};

/// The kind of a problem.
fn word(answer: &Answer) -> String {
    answer.json()["type"].as_str().unwrap().rsplit(':').next().unwrap().to_owned()
}

/// The status and the kind of a problem.
fn problem(answer: &Answer) -> (u16, String) {
    (answer.status, word(answer))
}

fn get(stack: &Stack, path: &str) -> Answer {
    stack.send("GET", path, &[], b"")
}

fn post(stack: &Stack, path: &str) -> Answer {
    stack.send("POST", path, &[], b"")
}

fn is(status: u16, word: &str) -> (u16, String) {
    (status, word.to_owned())
}

#[test]
fn a_value_is_stored_only_in_the_place_of_what_was_read() {
    let stack = Stack::start(&[]);
    let put = |headers: &[(&str, &str)], value: &[u8]| stack.send("PUT", "value?key=k", headers, value);
    let tag = |answer: &Answer| answer.header("etag").unwrap().to_owned();
    let created = put(&[("if-none-match", "*")], b"one");
    assert_eq!(created.status, 204);
    let one = tag(&get(&stack, "value?key=k"));
    assert_eq!((&tag(&created), one.len()), (&one, 66));
    assert_eq!(problem(&put(&[("if-none-match", "*")], b"two")), is(412, "precondition-failed"));

    let two = tag(&put(&[("if-match", &format!("W/{one}"))], b"two"));
    assert_ne!(one, two);
    assert_eq!(problem(&put(&[("if-match", &one)], b"three")), is(412, "precondition-failed"));
    assert_eq!(get(&stack, "value?key=k").body, b"two");
    let delete = |tag: &str| stack.send("DELETE", "value?key=k", &[("if-match", tag)], b"");
    assert_eq!(problem(&delete(&one)), is(412, "precondition-failed"));
    assert_eq!(delete(&two).json(), json!({"found": true}));
    assert_eq!(problem(&delete(&two)), is(412, "precondition-failed"), "a missing key has no tag");
    assert_eq!(problem(&put(&[("if-match", "*")], b"v")), is(412, "precondition-failed"));
    assert_eq!(get(&stack, "value?key=k").status, 404);

    assert_eq!(
        problem(&stack.send("DELETE", "value?key=k", &[("if-none-match", "*")], b"")),
        is(400, "malformed")
    );
    let both = [("if-match", "*"), ("if-none-match", "*")];
    for wrong in [&both[..], &[("if-none-match", &one)], &[("if-match", "\"abc\"")]] {
        assert_eq!(problem(&put(wrong, b"v")), is(400, "malformed"), "{wrong:?}");
    }
}

#[test]
fn a_time_to_live_is_read_given_kept_and_removed() {
    let stack = Stack::start(&[]);
    let left = || get(&stack, "ttl?key=k").json()["ttl_millis_left"].as_u64();
    let put = |query: &str| stack.send("PUT", &format!("value?key=k{query}"), &[], b"v");
    assert_eq!(problem(&get(&stack, "ttl?key=k")), is(404, "not-found"));
    assert_eq!(problem(&stack.send("PUT", "ttl?key=k&ttl_millis=1", &[], b"")), is(404, "not-found"));
    assert_eq!(put("").status, 204);
    assert_eq!(left(), None);
    assert_eq!(stack.send("PUT", "ttl?key=k&ttl_millis=3600000", &[], b"").status, 204);
    let hour = 3_500_000..=3_600_000;
    assert!(hour.contains(&left().unwrap()));
    assert_eq!(put("&keep_ttl=true").status, 204);
    assert!(hour.contains(&left().unwrap()), "it is kept");
    let tag = get(&stack, "value?key=k").header("etag").unwrap().to_owned();
    let kept = stack.send("PUT", "value?key=k&keep_ttl=true", &[("if-match", &tag)], b"w");
    assert!(kept.status == 204 && hour.contains(&left().unwrap()), "{kept:?}");
    assert_eq!(put("&ttl_millis=7200500").status, 204);
    assert!((7_100_000..=7_200_500).contains(&left().unwrap()));
    assert_eq!(stack.send("DELETE", "ttl?key=k", &[], b"").json(), json!({"had_ttl": true}));
    assert_eq!(stack.send("DELETE", "ttl?key=k", &[], b"").json(), json!({"had_ttl": false}));
    assert_eq!(put("&ttl_seconds=3600").status, 204);
    assert!(hour.contains(&left().unwrap()));
    assert_eq!(put("").status, 204);
    assert_eq!(left(), None, "it is replaced");
    for both in ["&ttl_seconds=1&ttl_millis=1", "&ttl_seconds=1&keep_ttl=true", "&keep_ttl=maybe"] {
        assert_eq!(problem(&put(both)), is(400, "malformed"), "{both}");
    }
    for wrong in ["&ttl_seconds=0", "&ttl_millis=-1", "&ttl_seconds=9223372036854775807"] {
        assert_eq!(problem(&put(wrong)), is(422, "invalid"), "{wrong}");
    }
    assert_eq!(put("&keep_ttl=false").status, 204);
    let gone =
        |terms: &[(&str, &str)]| problem(&stack.send("PUT", "value?key=gone&keep_ttl=true", terms, b"v"));
    assert_eq!(gone(&[]), is(404, "not-found"), "nothing is left to keep");
    assert_eq!(gone(&[("if-match", "*")]), is(412, "precondition-failed"));
    assert_eq!(problem(&get(&stack, "value?key=gone")), is(404, "not-found"));
}

#[test]
fn a_counter_says_why_it_cannot_be_changed() {
    let stack = Stack::start(&[]);
    let add = |key: &str, delta: &str| post(&stack, &format!("increment?key={key}&delta={delta}"));
    assert_eq!(add("new", "9007199254740993").json(), json!({"value": "9007199254740993"}));
    assert_eq!(add("new", "-1").json(), json!({"value": "9007199254740992"}));
    let over = add("new", "9223372036854775807");
    assert_eq!(
        (problem(&over), &over.json()["reason"]),
        (is(409, "wrong-value"), &json!("COUNTER_OVERFLOW"))
    );
    assert_eq!(stack.set("text", b"one").status, 204);
    let text = add("text", "1");
    assert_eq!((problem(&text), &text.json()["reason"]), (is(409, "wrong-value"), &json!("NOT_A_NUMBER")));
    for wrong in ["1.5", "", "9223372036854775808"] {
        assert_eq!(problem(&add("new", wrong)), is(400, "malformed"), "{wrong}");
    }
}

fn push(stack: &Stack, key: &str, value: &[u8]) {
    assert_eq!(stack.send("POST", &format!("list?key={key}&end=right"), &[], value).status, 200);
}

#[test]
fn lists_are_enumerated_page_by_page() {
    let stack = Stack::start(&[]);
    let names: Vec<_> = (0..300).map(|number| format!("jobs:{number:03}")).collect();
    names.iter().for_each(|name| push(&stack, name, b"v"));
    push(&stack, "mail", b"v");
    push(&stack, "mail", b"v");
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = get(&stack, &format!("lists?prefix=jobs:&limit=10{cursor}")).json();
        assert_eq!(page["truncated"], false);
        let lists = page["lists"].as_array().unwrap().iter();
        found.extend(lists.map(|list| list["key"].as_str().unwrap().to_owned()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(found, names);
    assert_eq!(get(&stack, "lists?prefix=m").json()["lists"], json!([{"key": "mail", "length": 2}]));
    assert_eq!(get(&stack, "lists/count").json(), json!({"count": 301}));
    assert_eq!(get(&stack, "lists/count?prefix=mail").json(), json!({"count": 1}));
    assert_eq!(problem(&get(&stack, "lists?cursor=%3F")), is(400, "malformed"));
    assert_eq!(problem(&get(&stack, "lists?cursor=AAAA")), is(422, "invalid"));
    assert_eq!(problem(&get(&stack, "lists?limit=0")), is(400, "malformed"));
}

#[test]
fn a_list_is_read_by_range_and_each_value_from_its_beginning() {
    let stack = Stack::start(&[]);
    for number in 0..40 {
        push(&stack, "l", format!("{number}").as_bytes());
    }
    let sizes = |part: &Value| -> Vec<u64> {
        part["values"].as_array().unwrap().iter().map(|value| value["bytes"].as_u64().unwrap()).collect()
    };
    let part = get(&stack, "list/range?key=l&start=8&limit=20").json();
    assert_eq!((&part["length"], &part["start"], &part["next_start"]), (&json!(40), &json!(8), &json!(28)));
    assert_eq!(sizes(&part), [[1; 2].as_slice(), &[2; 18]].concat());
    let last = get(&stack, "list/range?key=l&start=-3").json();
    assert_eq!((&last["start"], &last["next_start"]), (&json!(37), &Value::Null));
    assert_eq!(last["values"][0], json!({"bytes": 2, "beginning_base64": "Mzc="}));
    let whole = get(&stack, "list/range?key=l&start=-99").json();
    assert_eq!((&whole["start"], sizes(&whole).len()), (&json!(0), 40));
    for beyond in ["l&start=40", "missing"] {
        let part = get(&stack, &format!("list/range?key={beyond}")).json();
        assert_eq!((sizes(&part).len(), &part["next_start"]), (0, &Value::Null), "{beyond}");
    }
    for wrong in ["start=x", "limit=0", "limit=1001"] {
        assert_eq!(
            problem(&get(&stack, &format!("list/range?key=l&{wrong}"))),
            is(400, "malformed"),
            "{wrong}"
        );
    }

    let large = vec![b'x'; 4_000_000];
    (0..20).for_each(|_| push(&stack, "large", &large));
    let part = get(&stack, "list/range?key=large").json();
    assert_eq!(sizes(&part), vec![4_000_000; 16], "a page of large values ends early");
    assert_eq!(part["next_start"], 16);
    assert_eq!(part["values"][0]["beginning_base64"].as_str().unwrap().len(), 1368);
    assert_eq!(get(&stack, "list/at?key=large&index=-1").body, large);
}

#[test]
fn values_within_a_list_are_changed_and_removed() {
    let stack = Stack::start(&[]);
    ["a", "b", "a", "c", "a"].iter().for_each(|value| push(&stack, "l", value.as_bytes()));
    let set = |index: &str| stack.send("PUT", &format!("list/at?key=l&index={index}"), &[], b"B");
    assert_eq!(set("1").status, 204);
    assert_eq!(get(&stack, "list/at?key=l&index=1").body, b"B");
    let outside = set("5");
    assert_eq!(
        (problem(&outside), &outside.json()["reason"]),
        (is(409, "wrong-value"), &json!("INDEX_OUT_OF_RANGE"))
    );
    assert_eq!(problem(&get(&stack, "list/at?key=l&index=5")), is(404, "not-found"));
    let remove =
        |count: &str| stack.send("POST", &format!("list/remove?key=l&count={count}"), &[], b"a").json();
    assert_eq!(remove("-1"), json!({"removed": 1}));
    assert_eq!(get(&stack, "list/at?key=l&index=-1").body, b"c");
    assert_eq!(remove("0"), json!({"removed": 2}));
    assert_eq!(remove("0"), json!({"removed": 0}));
    push(&stack, "l", b"d");
    assert_eq!(post(&stack, "list/trim?key=l&start=-2&stop=-1").json(), json!({"length": 2}));
    assert_eq!(get(&stack, "list/at?key=l&index=0").body, b"c");
    assert_eq!(post(&stack, "list/clear?key=l").json(), json!({"removed": 2}));
    assert_eq!(get(&stack, "list?key=l").json(), json!({"length": 0}));
    assert_eq!(
        problem(&post(&stack, "list/trim?key=l&start=0")),
        is(400, "malformed"),
        "nothing is trimmed by default"
    );
    let actions = stack.admin.ask("GET", "/audit?limit=100").json();
    let is_noted = |action: &str| {
        actions["entries"]
            .as_array()
            .unwrap()
            .iter()
            .any(|entry| entry["action"] == action && entry["key"] == "l")
    };
    for action in [
        "set the value at 1 of a list in default",
        "remove a value from a list in default",
        "trim a list to -2 to -1 in default",
        "clear a list in default",
    ] {
        assert!(is_noted(action), "{action} is not in {actions}");
    }
}

#[test]
fn values_are_reserved_under_a_lease() {
    let stack = Stack::start(&[]);
    ["one", "two", "three"].iter().for_each(|value| push(&stack, "q", value.as_bytes()));
    let reserve = |query: &str| post(&stack, &format!("list/reserve?key=q&{query}"));
    let with = |verb: &str, lease: &str| post(&stack, &format!("list/{verb}?key=q&lease={lease}"));
    let lease = |answer: &Answer| answer.json()["lease"].as_str().unwrap().to_owned();
    let first = reserve("end=left&count=2&lease_millis=3600000");
    let values =
        json!([{"value_base64": "b25l", "deliveries": 1}, {"value_base64": "dHdv", "deliveries": 1}]);
    assert_eq!(first.json()["values"], values);
    assert_eq!(get(&stack, "list?key=q").json(), json!({"length": 1}));
    assert_eq!(with("release", &lease(&first)).json(), json!({"returned": 2}));
    let again = reserve("end=left&count=1&lease_millis=3600000");
    assert_eq!(again.json()["values"], json!([{"value_base64": "b25l", "deliveries": 2}]));
    let last = reserve("end=right&count=9&lease_millis=3600000");
    assert_eq!(last.json()["values"][0]["value_base64"], "dGhyZWU=");
    assert_eq!(reserve("end=left&count=1&lease_millis=1000").json(), json!({"lease": null, "values": []}));
    let extended = post(&stack, &format!("list/extend?key=q&lease={}&lease_millis=7200000", lease(&again)));
    assert_eq!(extended.status, 204);
    assert_eq!(with("ack", &lease(&again)).json(), json!({"removed": 1}));
    for verb in ["ack", "release"] {
        let ended = with(verb, &lease(&again));
        assert_eq!(
            (problem(&ended), &ended.json()["reason"]),
            (is(404, "not-found"), &json!("LEASE_ENDED")),
            "{verb}"
        );
    }
    assert_eq!(problem(&with("ack", "%3F")), is(400, "malformed"));
    for wrong in [
        "count=0&lease_millis=1",
        "count=1001&lease_millis=1",
        "count=1&lease_millis=0",
        "count=1&lease_millis=43200001",
    ] {
        assert_eq!(problem(&reserve(&format!("end=left&{wrong}"))), is(422, "invalid"), "{wrong}");
    }
}

/// The lines of a deletion.
fn lines(answer: &Answer) -> Vec<Value> {
    let lines = answer.text().lines().filter(|line| line.starts_with('{'));
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn keys_are_deleted_by_prefix_and_the_last_line_says_how_it_ended() {
    let stack = Stack::start(&[]);
    for number in 0..300 {
        assert_eq!(stack.set(&format!("a:{number}"), b"v").status, 204);
    }
    assert_eq!(stack.set("b", b"v").status, 204);
    for wrong in ["", "?prefix=", "?prefx=a"] {
        assert_eq!(problem(&post(&stack, &format!("keys/delete{wrong}"))), is(400, "malformed"), "{wrong}");
    }
    assert_eq!(get(&stack, "count").json(), json!({"count": 301}));
    let deleted = post(&stack, "keys/delete?prefix=a:");
    assert_eq!(deleted.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(deleted.header("x-accel-buffering"), Some("no"));
    let told = lines(&deleted);
    assert_eq!(told.last(), Some(&json!({"deleted": 300, "is_complete": true, "error": null})));
    assert!(told[..told.len() - 1].iter().all(|line| line["is_complete"] == false), "{told:?}");
    assert_eq!(get(&stack, "count").json(), json!({"count": 1}));
    let none = post(&stack, "keys/delete?prefix=a:");
    assert_eq!(lines(&none), [json!({"deleted": 0, "is_complete": true, "error": null})]);
    let noted = &stack.admin.ask("GET", "/audit").json()["entries"][0];
    assert_eq!(
        (&noted["action"], &noted["key"]),
        (&json!("delete all keys with a prefix in default"), &json!("a:"))
    );

    let flags = ["--listen", "127.0.0.1:0", "--page", "1", "--deletes"];
    for (deletes, expected) in [("0", 409), ("1", 200)] {
        let plugin = Process::start("unordered-plugin", flags.iter().copied().chain([deletes]));
        let name = format!("heap-{deletes}");
        assert_eq!(stack.admin.json("POST", "/namespaces", &namespace(&name, plugin.grpc())).status, 201);
        let answer = stack.admin.ask("POST", &format!("/namespaces/{name}/keys/delete?prefix=a:"));
        assert_eq!(answer.status, expected);
        if expected == 200 {
            let last = lines(&answer).pop().unwrap();
            assert_eq!((&last["deleted"], &last["is_complete"]), (&json!(1), &json!(false)));
            assert!(last["error"].as_str().unwrap().contains("READ_ONLY"), "{last}");
        }
    }
}

#[test]
fn what_a_namespace_serves_is_known_from_the_proxies_and_its_settings() {
    let stack = Stack::start(&[]);
    let has = |name: &str, interface: &str| {
        let told = stack.admin.ask("GET", &format!("/namespaces/{name}/interfaces")).json();
        told["interfaces"].as_array().map(|known| known.iter().any(|one| *one == interface))
    };
    let (basic, ttl) = (
        "prism.interfaces.keyvalue.KeyValueBasicInterface",
        "prism.interfaces.keyvalue.KeyValueTtlInterface",
    );
    assert_eq!(has("default", ttl), None, "nobody has called it yet");
    assert_eq!(stack.set("k", b"v").status, 204);
    while has("default", ttl).is_none() {}
    assert_eq!((has("default", ttl), has("default", basic)), (Some(true), Some(true)));
    let only = json!({"name": "few", "pattern": "keyvalue", "plugin": {"endpoint": stack.memstore.grpc()}, "interfaces": [basic]});
    assert_eq!(stack.admin.json("POST", "/namespaces", &only.to_string()).status, 201);
    assert_eq!((has("few", ttl), has("few", basic)), (Some(false), Some(true)));
    let refused = stack.admin.ask("GET", "/namespaces/few/ttl?key=k");
    assert_eq!(
        (problem(&refused), &refused.json()["reason"]),
        (is(409, "not-served"), &json!("INTERFACE_NOT_SERVED"))
    );
    assert_eq!(stack.admin.ask("GET", "/namespaces/nope/interfaces").status, 404);
}

#[test]
fn each_role_reads_and_changes_what_it_may() {
    let folder = tempfile::tempdir().unwrap();
    let (file, issued) = tokens(folder.path());
    let stack = Stack::start(&["--token-file", &file]);
    let ask = |token: &str, method: &str, path: &str| {
        let bearer = format!("Bearer {token}");
        let path = format!("/namespaces/default/{path}");
        send(stack.admin.http(), method, &path, &[("authorization", &bearer), BYTES], b"1").status
    };
    let each = |method: &str, path: &str| [0, 1, 2].map(|role: usize| ask(&issued[role], method, path));
    assert_eq!(each("PUT", "value?key=k"), [403, 403, 204]);
    assert_eq!(each("POST", "list?key=l&end=left"), [403, 403, 200]);
    for path in ["ttl?key=k", "lists", "lists/count", "list/range?key=l", "list/at?key=l&index=0"] {
        assert_eq!(each("GET", path), [403, 200, 200], "{path}");
    }
    assert_eq!(stack.admin.ask("GET", "/namespaces/default/interfaces").status, 401);
    for (method, path, status) in [
        ("PUT", "ttl?key=k&ttl_millis=60000", 204),
        ("DELETE", "ttl?key=k", 200),
        ("POST", "increment?key=k&delta=1", 200),
        ("PUT", "list/at?key=l&index=0", 204),
        ("POST", "list/remove?key=none&count=0", 200),
        ("POST", "list/trim?key=l&start=0&stop=-1", 200),
        ("POST", "list/reserve?key=none&end=left&count=1&lease_millis=1", 200),
        ("POST", "list/ack?key=l&lease=AAAA", 404),
        ("POST", "list/extend?key=l&lease=AAAA&lease_millis=1", 404),
        ("POST", "list/release?key=l&lease=AAAA", 404),
        ("POST", "list/clear?key=l", 200),
        ("POST", "keys/delete?prefix=k", 200),
    ] {
        assert_eq!(each(method, path), [403, 403, status], "{method} {path}");
    }
}
