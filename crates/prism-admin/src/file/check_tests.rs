use std::sync::Arc;

use prism_memstore::MemStoreDriver;
use prism_memstore::config::MEMORY_LIMIT_DEFAULT;
use prism_plugin::driver::Driver;

use super::*;

fn drivers() -> Drivers {
    let memstore: Arc<dyn Driver> = Arc::new(MemStoreDriver { memory_limit: MEMORY_LIMIT_DEFAULT });
    [("memstore", memstore)].into()
}

fn value(text: &str) -> Value {
    serde_yaml::from_str(text).unwrap()
}

fn pairs(errors: Vec<FieldError>) -> Vec<(String, String)> {
    errors.into_iter().map(|error| (error.pointer, error.detail)).collect()
}

fn wrong(text: &str) -> Vec<(String, String)> {
    pairs(namespace(&value(text), None, [], &drivers()).unwrap_err())
}

fn namespaces(text: &[u8]) -> Result<Vec<Value>, Vec<FieldError>> {
    file(text).map(|checked| checked.namespaces)
}

#[test]
fn a_namespace_may_name_a_backend_that_is_there() {
    let check = |backend: &str| {
        let text = format!("{{name: a, pattern: list, plugin: {{backend: {backend}}}}}");
        namespace(&value(&text), None, ["fast", "large"], &drivers()).map_err(pairs)
    };
    assert_eq!((check("fast"), check("'large'")), (Ok(()), Ok(())));
    let wrong = check("slow").unwrap_err();
    assert_eq!(wrong[0].0, "/plugin/backend");
    assert!(wrong[0].1.contains("one of fast, large"), "{wrong:?}");
}

#[test]
fn a_backend_is_checked_by_its_driver() {
    let check = |text: &str| backend(&value(text), &drivers()).map(drop).map_err(pairs);
    assert_eq!(check("{name: a, embedded: memstore, options: {memory_limit: 1MiB}}"), Ok(()));
    assert_eq!(check("{name: a, endpoint: 'a:1'}"), Ok(()));
    assert_eq!(check("{name: a, embedded: other, options: {b: 1}}"), Ok(()), "a proxy may have it");
    for (text, pointer) in [
        ("{name: a, embedded: memstore, options: {memory_limit: 1MB}}", "/options/memory_limit"),
        ("{name: a, embedded: memstore, options: {colour: red}}", "/options/colour"),
        ("{name: A, embedded: memstore}", "/name"),
        ("{name: a}", "/embedded"),
        ("{name: a, embedded: memstore, endpoint: 'a:1'}", "/endpoint"),
        ("{name: a, endpoint: 'a:1', options: {}}", "/options"),
        ("{name: a, endpoint: 'a:1', colour: red}", "/colour"),
        ("{endpoint: 'a:1'}", "/name"),
        ("{name: false, endpoint: 'a:1'}", "/name"),
        ("{name: a, embedded: 5}", "/embedded"),
    ] {
        let wrong = check(text).unwrap_err();
        assert_eq!(wrong[0].0, pointer, "{text}: {wrong:?}");
    }
    let text = b"backends: [{name: a, embedded: x}]\nnamespaces: [{name: a, pattern: list, plugin: {endpoint: 'embedded:y'}}]";
    let config = file(text).unwrap().config;
    let told = unknown(named(&config), &drivers());
    assert!(told.len() == 2 && told[0].contains("\"x\"") && told[1].contains("\"y\""), "{told:?}");
}

#[test]
fn every_wrong_field_is_told_whatever_is_wrong_with_it() {
    let errors =
        wrong("{name: 5, pattern: graph, plugin: {}, timeout: [1], colour: red, max_message_bytes: 1}");
    let pointers: Vec<_> = errors.iter().map(|(pointer, _)| pointer.as_str()).collect();
    for pointer in ["/name", "/pattern", "/plugin/endpoint", "/timeout", "/colour", "/max_message_bytes"] {
        assert!(pointers.contains(&pointer), "{pointer} is missing in {errors:?}");
    }
    assert_eq!(errors.len(), 6, "{errors:?}");
}

#[test]
fn what_is_no_namespace_at_all_is_told_once() {
    for text in ["5", "[]", "null", "{}"] {
        assert!(!wrong(text).is_empty(), "{text}");
    }
    let pointers: Vec<_> = wrong("{}").into_iter().map(|(pointer, _)| pointer).collect();
    assert_eq!(pointers, ["/name", "/pattern", "/plugin"]);
}

#[test]
fn what_was_expected_is_told_in_words() {
    let detail = |text: &str| namespaces(text.as_bytes()).unwrap_err()[0].detail.clone();
    for (text, kind) in [
        ("null", "null, or nothing but comments"),
        ("# a comment", "null, or nothing but comments"),
        ("true", "a boolean"),
        ("5", "a number"),
        ("\"namespaces\"", "a string"),
        ("[]", "a list"),
        ("[{name: a, pattern: keyvalue, plugin: {endpoint: 'b:1'}}]", "a list"),
    ] {
        let expected = "expected a mapping with the key namespaces, such as `namespaces: []`";
        assert_eq!(detail(text), format!("the file is {kind}; {expected}"));
    }
    for text in [
        "!tagged []",
        "server: 5\nnamespaces: []",
        "namespaces: [5]",
        "namespaces: [{plugin: 5}]",
        "namespaces: 5",
    ] {
        let detail = detail(text);
        assert!(
            !detail.contains("struct") && !detail.contains("Section") && !detail.contains("unit"),
            "{detail}"
        );
    }
}

#[test]
fn a_body_that_would_keep_the_parser_busy_is_refused_at_once() {
    let deep = format!("namespaces: {}", "[".repeat(1 << 20));
    let [error] = namespaces(deep.as_bytes()).unwrap_err().try_into().unwrap();
    assert!(error.detail.contains("nested too deeply"), "{error:?}");
}

#[test]
fn a_good_namespace_has_no_errors() {
    let good = "{name: a, pattern: keyvalue, plugin: {endpoint: 'a:1'}, timeout: 5s}";
    assert_eq!(namespace(&value(good), None, [], &drivers()), Ok(()));
}
