use prism_proto::limits;

use super::settings::TIMEOUT_DEFAULT;
use super::*;

const RFC: &str = r#"
server:
  listen_address: "0.0.0.0:8980"

namespaces:
  - name: default
    pattern: keyvalue
    plugin:
      endpoint: "localhost:50051"  # MemStore plugin address
"#;

fn parsed(text: &str) -> Result<Config, String> {
    Config::parse("prism.yaml", text.as_bytes()).map_err(|error| error.to_string())
}

#[test]
fn the_rfcs_file_loads_as_it_stands() {
    let config = parsed(RFC).unwrap();
    assert_eq!(config.listen.unwrap().to_string(), "0.0.0.0:8980");
    let [namespace] = config.namespaces.as_slice() else { panic!("one namespace") };
    assert_eq!((namespace.name.as_str(), namespace.pattern), ("default", Pattern::KeyValue));
    assert_eq!(namespace.plugin.to_string(), "localhost:50051");
    assert_eq!(namespace.timeout, TIMEOUT_DEFAULT);
    assert_eq!(namespace.message_bytes_max, limits::MESSAGE_BYTES_MAX);
    assert_eq!(config.revision, Some(format!("{:x}", Sha256::digest(RFC))));
}

#[test]
fn no_namespaces_must_be_said() {
    assert!(parsed("namespaces: []\n").unwrap().namespaces.is_empty());
    // Such as a file that is being written.
    assert!(parsed("").unwrap_err().contains("expected namespaces, or `namespaces: []`"));
    assert!(parsed("\n").unwrap_err().contains("the file is empty"));
    assert!(parsed("server: {}\n").unwrap_err().contains("missing field `namespaces`"));
}

#[test]
fn type_errors_name_file_line_and_path() {
    let namespace = "namespaces:\n  - name: a\n    pattern: keyvalue\n    plugin:\n      endpoint: 'a:1'\n";
    for (text, expected) in [
        ("namespaces:\n  - name: [1]\n", "prism.yaml:2: namespaces[0].name: invalid type"),
        ("namespaces:\n  - name: a\n    pattern: graph\n", "namespaces[0].pattern: unknown variant `graph`"),
        ("namespaces:\n  - name: a\n    pattern: list\n", "namespaces[0]: missing field `plugin`"),
        ("colour: red\n", "unknown field `colour`"),
        ("server:\n  port: 1\n", "server.port: unknown field `port`"),
        ("server: {}\nserver: {}\n", "duplicate"),
        ("namespaces: {\n", "prism.yaml:"),
        ("a: b: c\n", "prism.yaml:1"),
        (&format!("{namespace}    timeout: [1]\n"), "prism.yaml:6: namespaces[0].timeout: invalid type"),
    ] {
        let error = parsed(text).unwrap_err();
        assert!(error.starts_with("prism.yaml") && error.contains(expected), "{text:?}: {error}");
    }
}

#[test]
fn an_alias_is_taken_and_a_merge_key_is_told_what_it_is() {
    let one = "namespaces:\n  - &a { name: a, pattern: list, plugin: &plugin { endpoint: 'a:1' } }\n";
    let alias = format!("{one}  - {{ name: b, pattern: list, plugin: *plugin }}\n");
    assert_eq!(parsed(&alias).unwrap().namespaces[1].plugin.to_string(), "a:1");
    for merging in [
        format!("{one}  - {{ <<: *a, name: b }}\n"),
        format!("{one}  - {{ name: b, pattern: list, plugin: {{ <<: *plugin }} }}\n"),
    ] {
        let error = parsed(&merging).unwrap_err();
        assert!(error.contains("merge keys (`<<`) are not supported"), "{error}");
    }
}

#[test]
fn every_broken_rule_is_told_in_one_run() {
    let error = Config::parse(
        "prism.yaml",
        b"
server: { listen_address: nowhere, http_listen_address: 'a:b' }
namespaces:
  - { name: Upper, pattern: keyvalue, plugin: { endpoint: 'a:1' }, timeout: 2h }
  - { name: twice, pattern: list, plugin: { endpoint: 'no-port' }, max_message_bytes: 1 }
  - { name: twice, pattern: list, plugin: { endpoint: 'https://a:1' }, interfaces: [Get] }
",
    )
    .unwrap_err();
    let ConfigError::Invalid { mistakes, .. } = &error else { panic!("{error}") };
    let fields: Vec<_> = mistakes.iter().map(|mistake| mistake.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "server.listen_address",
            "server.http_listen_address",
            "namespaces[0].name",
            "namespaces[0].timeout",
            "namespaces[1].plugin.endpoint",
            "namespaces[1].max_message_bytes",
            "namespaces[2].name",
            "namespaces[2].interfaces[0]",
            "namespaces[2].interfaces",
            "namespaces[2].plugin.endpoint",
        ]
    );
    for mistake in mistakes {
        let says = mistake.why.contains("expected") || mistake.why.contains("missing");
        assert!(says, "{mistake:?} does not say what was expected");
    }
    assert!(error.to_string().starts_with("prism.yaml: 10 mistakes:\n"), "{error}");
}

#[test]
fn a_namespace_names_a_backend_or_an_endpoint() {
    let file = |backends: &str, plugin: &str| {
        let text =
            format!("backends: {backends}\nnamespaces: [{{name: a, pattern: list, plugin: {plugin}}}]\n");
        Config::parse("", text.as_bytes()).map_err(|error| error.every_mistake(text.as_bytes()))
    };
    let config =
        file("[{name: b, embedded: x, options: {y: [1]}}, {name: c, endpoint: 'd:1'}]", "{backend: b}");
    let config = config.unwrap();
    assert_eq!(config.namespaces[0].plugin, Plugin::Backend("b".to_owned()));
    let places: Vec<_> = config.backends.iter().map(|backend| backend.place.to_string()).collect();
    assert_eq!(places, ["embedded:x", "d:1"]);
    for (backends, plugin, field, expected) in [
        ("[{name: b, embedded: x}]", "{backend: c}", "namespaces[0].plugin.backend", "expected one of b"),
        ("[]", "{backend: c}", "namespaces[0].plugin.backend", "which is empty"),
        ("[]", "{}", "namespaces[0].plugin.endpoint", "missing; expected `endpoint: ADDRESS`, or"),
        ("[]", "{backend: [1], endpoint: 'a:1'}", "namespaces[0].plugin.backend", "invalid type"),
        (
            "[{name: b, embedded: x}]",
            "{backend: b, endpoint: 'a:1'}",
            "namespaces[0].plugin.endpoint",
            "expected one of",
        ),
        ("[{name: b}]", "{backend: b}", "backends[0].embedded", "missing; expected `embedded: DRIVER`"),
        (
            "[{name: b, embedded: x, endpoint: 'a:1'}]",
            "{backend: b}",
            "backends[0].endpoint",
            "expected one of",
        ),
        ("[{name: b, endpoint: 'a:1', options: {}}]", "{backend: b}", "backends[0].options", "expected none"),
        (
            "[{name: b, endpoint: 'embedded:x'}]",
            "{backend: b}",
            "backends[0].endpoint",
            "expected `embedded: x`",
        ),
        ("[{name: b, endpoint: a}]", "{backend: b}", "backends[0].endpoint", "expected HOST:PORT"),
        ("[{name: B, embedded: x}]", "{endpoint: 'a:1'}", "backends[0].name", "not a valid name"),
        ("[{name: b, embedded: x, options: [1]}]", "{backend: b}", "backends[0].options", "expected a map"),
        ("[{name: b, embedded: [1]}]", "{backend: b}", "backends[0].embedded", "expected a string"),
        (
            "[{name: b, embedded: x}, {name: b, embedded: x}]",
            "{backend: b}",
            "backends[1].name",
            "backends[0]",
        ),
    ] {
        let mistakes = file(backends, plugin).unwrap_err();
        let [mistake] = mistakes.as_slice() else { panic!("{backends} {plugin}: {mistakes:?}") };
        assert_eq!(mistake.field, field, "{mistake:?}");
        assert!(mistake.why.contains(expected), "{mistake:?}");
    }
}

#[test]
fn options_are_not_shown_by_debug() {
    let text = "backends: [{name: b, embedded: x, options: {password: secret}}]\nnamespaces: []\n";
    assert!(!format!("{:?}", parsed(text).unwrap()).contains("secret"));
}

#[test]
fn limits_hold_at_their_ends() {
    let with = |line: &str| {
        parsed(&format!(
            "namespaces:\n  - name: a\n    pattern: keyvalue\n    plugin: {{ endpoint: 'a:1' }}\n    {line}\n"
        ))
    };
    for good in [
        "timeout: 1ms",
        "timeout: 1h",
        "max_message_bytes: 1024",
        "max_message_bytes: 4194304",
        "max_in_flight: 1",
        "requests_per_second: 4294967295",
        "read_only: true",
    ] {
        assert!(with(good).is_ok(), "{good}");
    }
    for bad in [
        "timeout: 999us",
        "timeout: 3601s",
        "timeout: 30",
        "max_message_bytes: 1023",
        "max_message_bytes: 4194305",
        "max_in_flight: 0",
        "requests_per_second: 4294967296",
        "read_only: 1",
    ] {
        assert!(with(bad).is_err(), "{bad}");
    }
}

#[test]
fn bytes_that_are_no_text_are_refused_with_their_line() {
    let error = Config::parse("prism.yaml", b"server: {}\n\xff\n").unwrap_err().to_string();
    assert_eq!(error, "prism.yaml:2: the file is not UTF-8 text");
}

#[test]
fn a_missing_file_is_named() {
    let error = Config::load(Path::new("/nowhere/prism.yaml")).unwrap_err().to_string();
    assert!(error.starts_with("cannot read /nowhere/prism.yaml: "), "{error}");
}

#[test]
fn what_is_not_a_file_is_not_read() {
    let error = Config::load(Path::new("/")).unwrap_err().to_string();
    assert!(error.starts_with("cannot read /: "), "{error}");
}

#[test]
fn a_file_that_would_take_the_memory_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("prism.yaml");
    std::fs::write(&file, vec![b'#'; FILE_BYTES_MAX + 1]).unwrap();
    assert!(Config::load(&file).unwrap_err().to_string().ends_with("more than 16777216 bytes, the limit"));
    for open in ["[", "{", "[{", "- ", "? "] {
        assert!(parsed(&format!("namespaces:\n  {}", open.repeat(100_000))).is_err(), "{open}");
    }
    assert!(parsed(&"[".repeat(101)).unwrap_err().contains("the maximum is 100"));
    // Each line stands for ten times the one before.
    let mut bomb = "server: {}\na: &a0 [x]\n".to_owned();
    for level in 1..20 {
        let below = format!("*a{}", level - 1);
        bomb += &format!("b{level}: &a{level} [{}]\n", [below.as_str(); 10].join(", "));
    }
    bomb += "namespaces: *a19\n";
    assert!(parsed(&bomb).is_err());
}

#[test]
fn the_documentation_has_every_key_and_no_other() {
    // The parser's message names all the keys of a section.
    let known = |text: &str| {
        let error = parsed(text).unwrap_err();
        let (_, expected) = error.split_once("expected ").unwrap();
        expected.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut keys = Vec::new();
    for (section, text) in [
        ("", "x: 1\n"),
        ("server.", "server: { x: 1 }\n"),
        ("server.tls.", "server: { tls: { x: 1 } }\n"),
        ("backends[].", "backends: [{ x: 1 }]\n"),
        ("backends[].tls.", "backends: [{ tls: { x: 1 } }]\n"),
        ("namespaces[].", "namespaces: [{ x: 1 }]\n"),
        ("namespaces[].plugin.", "namespaces: [{ plugin: { x: 1 } }]\n"),
    ] {
        keys.extend(known(text).into_iter().map(|key| format!("{section}{key}")));
    }
    let is_section = |key: &str| keys.iter().any(|other| other.starts_with(&format!("{key}.")));
    let mut keys: Vec<_> = keys.iter().filter(|key| !is_section(key)).collect();
    keys.sort();

    let page = include_str!("../../../docs/CONFIGURATION.md");
    let table = page.split("## ").find(|part| part.starts_with("Keys")).unwrap();
    let mut documented: Vec<_> =
        table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    documented.sort_unstable();
    assert_eq!(documented, keys);

    let example = page.split("```").nth(1).unwrap().strip_prefix("yaml").unwrap();
    assert_eq!(parsed(example).unwrap().namespaces.len(), 3);
}

#[test]
fn of_a_large_file_the_first_wrong_type_is_told() {
    let wrong = "  - {name: [], pattern: list, plugin: {endpoint: 'a:1'}}\n";
    let mistakes = |count: usize| {
        let text = format!("namespaces:\n{}", wrong.repeat(count));
        Config::parse("", text.as_bytes()).unwrap_err().every_mistake(text.as_bytes()).len()
    };
    assert_eq!((mistakes(3), mistakes((256 << 10) / wrong.len() + 1)), (3, 1));
}

#[test]
fn what_would_keep_the_parser_busy_is_told_at_once() {
    let deep = format!("namespaces: {}", "[".repeat(200_000));
    let mistakes = Config::parse("", deep.as_bytes()).unwrap_err().every_mistake(deep.as_bytes());
    assert!(mistakes.len() == 1 && mistakes[0].why.contains("nested too deeply"), "{mistakes:?}");
}

#[test]
fn what_a_merge_key_brings_is_not_told_as_missing() {
    let text = "namespaces:\n  - &a { name: a, pattern: list, plugin: { endpoint: 'a:1' } }\n  - { <<: *a, name: b, colour: red }\n";
    let mistakes = Config::parse("", text.as_bytes()).unwrap_err().every_mistake(text.as_bytes());
    let fields: Vec<_> = mistakes.iter().map(|mistake| mistake.field.as_str()).collect();
    assert_eq!(fields, ["namespaces[1].<<", "namespaces[1].colour"]);
}
