//! How each verb is reached from a terminal and from the console, and why some are not.

/// A command of the `prism` tool that makes a call, by the call's name.
pub const COMMANDS: &[(&str, &str)] = &[
    ("GetCapabilities", "namespaces get default"),
    ("Set", "kv set k v"),
    ("Get", "kv get k"),
    ("Delete", "kv del k"),
    ("Exists", "kv exists k"),
    ("BatchGet", "kv mget k"),
    ("BatchSet", "kv mset k v"),
    ("SetIf", "kv set k v --if-present"),
    ("DeleteIf", "kv del k --if-equals v"),
    ("GetAndSet", "kv get-and-set k v"),
    ("GetAndDelete", "kv get-and-delete k"),
    ("Increment", "kv incr k"),
    ("Scan", "kv scan"),
    ("ScanKeys", "kv scan --keys-only"),
    ("DeletePrefix", "kv del --prefix p"),
    ("Count", "kv count"),
    ("GetTtl", "kv ttl k"),
    ("Expire", "kv expire k 1h"),
    ("Persist", "kv persist k"),
    ("PushLeft", "list push-left l v"),
    ("PushRight", "list push-right l v"),
    ("PopLeft", "list pop-left l"),
    ("PopRight", "list pop-right l"),
    ("Length", "list length l"),
    ("PushMany", "list push-left l v --max-len 9"),
    ("PopMany", "list pop-left l --count 9"),
    ("BlockingPop", "list pop-left l --wait 1s"),
    ("GetAt", "list get l 0"),
    ("SetAt", "list set l 0 v"),
    ("Remove", "list remove l v"),
    ("GetRange", "list range l"),
    ("Trim", "list trim l 0 9"),
    ("Clear", "list clear l"),
    ("Reserve", "list reserve l"),
    ("Ack", "list ack l bGVhc2U="),
    ("Extend", "list extend l bGVhc2U= 1min"),
    ("Release", "list release l bGVhc2U="),
    ("ScanLists", "list ls"),
    ("CountLists", "list count"),
    ("Export", "export default"),
    ("Import", "import default -"),
];

/// What the tool has no command for.
pub const NO_COMMAND: &[(&str, &str)] = &[
    (
        "BatchDelete",
        "`kv del` removes its keys one after another, so that each line is true when it is printed",
    ),
    ("GetUsage", "what a backend holds is watched, in the console; `kv count` and `list count` count"),
];

/// What the console sends to make a call.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The method, the path below the namespace, and at most one header, as in `PUT value?key=k if-none-match:*`.
    pub sent: &'static str,
    /// The file of the console that sends it.
    pub file: &'static str,
    /// How that file says so.
    pub code: &'static str,
}

const fn sends(sent: &'static str, file: &'static str, code: &'static str) -> Request {
    Request { sent, file, code }
}

/// A request of the console that makes a call, by the call's name.
pub const REQUESTS: &[(&str, Request)] = &[
    ("GetCapabilities", sends("GET promises", "figures.js", r#"namespacePath(namespace, "/promises")"#)),
    ("GetUsage", sends("GET /traffic/events?namespaces=default", "live.js", r#"address("/traffic/events""#)),
    ("Set", sends("PUT value?key=k", "value.js", "await put({})")),
    ("Get", sends("GET value?key=k", "value.js", r#"send("GET", namespacePath(name, "/value")"#)),
    (
        "Delete",
        sends(
            "DELETE value?key=k",
            "value.js",
            r#"send("DELETE", namespacePath(name, "/value"), { query: { key } })"#,
        ),
    ),
    ("SetIf", sends("PUT value?key=k if-none-match:*", "value.js", r#"{ "if-none-match": "*" }"#)),
    ("DeleteIf", sends("DELETE value?key=k if-match:*", "value.js", r#"{ "if-match": value.tag }"#)),
    (
        "Increment",
        sends("POST increment?key=k&delta=1", "counter.js", r#"namespacePath(name, "/increment")"#),
    ),
    ("ScanKeys", sends("GET keys?limit=9", "keys.js", r#"namespacePath(name, "/keys")"#)),
    (
        "DeletePrefix",
        sends("POST keys/delete?prefix=p", "prefix.js", r#"namespacePath(context.name, "/keys/delete")"#),
    ),
    ("Count", sends("GET count?prefix=p", "keys.js", r#"namespacePath(name, "/count")"#)),
    ("GetTtl", sends("GET ttl?key=k", "life.js", r#"get(namespacePath(name, "/ttl")"#)),
    ("Expire", sends("PUT ttl?key=k&ttl_millis=9", "life.js", r#"send("PUT", path, { query })"#)),
    ("Persist", sends("DELETE ttl?key=k", "life.js", r#"send("DELETE", path, { query })"#)),
    (
        "PushLeft",
        sends("POST list?key=l&end=left", "list.js", r#"send("POST", path, { query: { key, end }, bytes })"#),
    ),
    (
        "PushRight",
        sends(
            "POST list?key=l&end=right",
            "list.js",
            r#"send("POST", path, { query: { key, end }, bytes })"#,
        ),
    ),
    ("PopLeft", sends("POST list/pop?key=l&end=left", "list.js", r#"() => pop("left")"#)),
    ("PopRight", sends("POST list/pop?key=l&end=right", "list.js", r#"() => pop("right")"#)),
    ("Length", sends("GET list?key=l", "list.js", "await get(path, { query: { key }, signal })")),
    ("GetAt", sends("GET list/at?key=l&index=0", "values.js", r#"send("GET", `${path}/at`"#)),
    ("SetAt", sends("PUT list/at?key=l&index=0", "values.js", r#"send("PUT", `${path}/at`"#)),
    ("Remove", sends("POST list/remove?key=l&count=0", "list.js", r#"namespacePath(name, "/list/remove")"#)),
    ("GetRange", sends("GET list/range?key=l&start=0&limit=9", "values.js", "get(`${path}/range`")),
    ("Trim", sends("POST list/trim?key=l&start=0&stop=9", "list.js", r#"send("POST", `${path}/trim`"#)),
    ("Clear", sends("POST list/clear?key=l", "list.js", r#"send("POST", `${path}/clear`"#)),
    (
        "Reserve",
        sends(
            "POST list/reserve?key=l&end=left&count=1&lease_millis=9",
            "leases.js",
            r#"send("POST", `${path}/reserve`"#,
        ),
    ),
    ("Ack", sends("POST list/ack?key=l&lease=bGVhc2U%3D", "leases.js", r#"act(one, "ack""#)),
    (
        "Extend",
        sends("POST list/extend?key=l&lease=bGVhc2U%3D&lease_millis=9", "leases.js", r#"act(one, "extend""#),
    ),
    ("Release", sends("POST list/release?key=l&lease=bGVhc2U%3D", "leases.js", r#"act(one, "release""#)),
    ("ScanLists", sends("GET lists?limit=9", "lists.js", r#"get(namespacePath(name, "/lists")"#)),
    (
        "CountLists",
        sends("GET lists/count?prefix=p", "lists.js", r#"get(namespacePath(name, "/lists/count")"#),
    ),
];

/// What the console does not offer.
pub const NO_REQUEST: &[(&str, &str)] = &[
    ("Exists", "a key is opened, and the page says if it is missing"),
    ("Scan", "the page of keys shows no values: one is read when its key is opened"),
    ("BatchGet", "one value is open at a time"),
    ("BatchSet", "values are edited one at a time, each compared with what was read"),
    ("BatchDelete", "keys are deleted one at a time, each compared with what was read, or all with a prefix"),
    ("GetAndSet", "an edit is compared with what was read, and shows both values if they differ"),
    ("GetAndDelete", "a deletion is compared with what was read"),
    ("PushMany", "an editor holds one value"),
    ("PopMany", "each pop is confirmed, and shows the value that it has removed"),
    ("BlockingPop", "a page that waits would take a value from a worker when nobody looks any more"),
    ("Export", "a namespace in a file is for `prism export`, which continues where it was interrupted"),
    ("Import", "a file of any size is for `prism import`, which continues where it was interrupted"),
];
