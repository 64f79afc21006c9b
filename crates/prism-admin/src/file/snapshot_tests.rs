use super::*;

const FILE: &str = "# ours\nserver:\n  listen_address: a:1\nnamespaces:\n  # first\n  - name: a # the a\n    pattern: list\n    plugin: {endpoint: 'x:1'}\n  - name: b\n    pattern: list\n    plugin:\n      endpoint: 'y:1'\n";

fn of(text: &str) -> Snapshot {
    Snapshot::of(text.into()).unwrap()
}

fn named(name: &str, endpoint: &str) -> Value {
    serde_yaml::from_str(&format!("{{name: {name}, pattern: list, plugin: {{endpoint: '{endpoint}'}}}}"))
        .unwrap()
}

/// Edits, and checks that what is known about the result is what the whole text says.
fn edited(now: &Snapshot, change: Change) -> Result<Snapshot, Problem> {
    let (new, _) = now.edited(List::Namespaces, change)?;
    let whole = Snapshot::of(new.bytes().to_vec()).unwrap();
    let values = |file: &Snapshot| -> Vec<_> {
        file.entries()
            .unwrap()
            .iter()
            .map(|entry| (entry.name.clone(), entry.value.clone(), entry.plugin.clone()))
            .collect()
    };
    assert_eq!((values(&new), new.sha256()), (values(&whole), whole.sha256()));
    let (text, content) = new.usable().unwrap();
    assert_eq!(new.backends().len(), whole.backends().len());
    assert_eq!(content.rest, whole.usable().unwrap().1.rest);
    assert_eq!(content.layout(text), whole.usable().unwrap().1.layout(text));
    Ok(new)
}

#[test]
fn what_is_known_after_edits_is_what_the_text_says() {
    let mut now = of(FILE);
    for change in [
        Change::Append(named("c", "z:1")),
        Change::Replace(1, named("b", "z:9")),
        Change::Replace(0, named("d", "unix:/[x")),
        Change::Remove(1),
        Change::Append(named("b", "embedded:m")),
        Change::Remove(0),
        Change::Remove(0),
        Change::Remove(0),
        Change::Append(named("a", "x:1")),
        Change::Append(named("b", "x:1")),
    ] {
        now = edited(&now, change).unwrap();
    }
    assert!(now.bytes().starts_with(b"# ours\nserver:\n"));
}

#[test]
fn namespaces_have_the_names_that_a_proxy_reads() {
    let one = |name: &str| format!("  - {{name: {name}, pattern: list, plugin: {{endpoint: 'x:1'}}}}\n");
    let text = format!("namespaces:\n{}", ["null", "a", "'b'", "\"c\"", "no", "true-1"].map(one).concat());
    let read = Config::parse("the file", text.as_bytes()).unwrap().namespaces;
    let names: Vec<_> = read.into_iter().map(|namespace| namespace.name).collect();
    let now = of(&text);
    assert!(now.entries().unwrap().iter().map(|entry| &entry.name).eq(&names), "{names:?}");
    assert!(now.edited(List::Namespaces, Change::Append(named("'null'", "x:1"))).is_err(), "the name exists");
}

#[test]
fn an_edit_breaks_no_rule_that_the_whole_file_would() {
    let now = of(FILE);
    for (change, pointer) in [
        (Change::Append(named("a", "x:1")), "/namespaces/2/name"),
        (Change::Replace(1, named("a", "x:1")), "/namespaces/1/name"),
        (Change::Replace(1, named("B", "x:1")), "/namespaces/1/name"),
        (Change::Append(named("c", "nowhere")), "/namespaces/2/plugin/endpoint"),
        (Change::Append(serde_yaml::from_str("{name: c, pattern: list}").unwrap()), "/namespaces/2/plugin"),
        (Change::Replace(0, serde_yaml::from_str("{colour: red}").unwrap()), "/namespaces/0/colour"),
    ] {
        let refused = now.edited(List::Namespaces, change.clone()).map(drop).unwrap_err();
        let pointers: Vec<_> = refused.errors.iter().map(|error| error.pointer.as_str()).collect();
        assert!(refused.status == 422 && pointers.contains(&pointer), "{change:?}: {refused:?}");
    }
}

#[test]
fn brackets_that_no_proxy_would_read_are_counted_through_the_file() {
    let mut now = of(FILE);
    let refused = (0..200).find_map(|number| {
        match edited(&now, Change::Append(named(&format!("n{number}"), "unix:/["))) {
            Ok(new) => {
                now = new;
                None
            }
            Err(problem) => Some((number, problem)),
        }
    });
    let (number, problem) = refused.unwrap();
    assert!(number > 90 && problem.detail.contains("nested too deeply"), "{number}: {problem:?}");
    assert!(edited(&now, Change::Replace(0, named("a", "unix:/[["))).is_err());
    edited(&now, Change::Remove(1)).unwrap();
}

const BACKENDS: &str = "backends:\n  - name: one\n    endpoint: 'x:1'\nnamespaces:\n  - name: a\n    pattern: list\n    plugin: {backend: one}\n  - name: b\n    pattern: list\n    plugin: {endpoint: 'embedded:memstore'}\n";

#[test]
fn a_namespace_on_a_backend_is_edited_alone_and_its_backend_must_be_there() {
    let now = of(BACKENDS);
    let on = |name: &str| {
        serde_yaml::from_str(&format!("{{name: c, pattern: list, plugin: {{backend: {name}}}}}")).unwrap()
    };
    let (text, content) = now.usable().unwrap();
    let spliced = |change: Change| {
        let spliced = content.layout(text).unwrap().splice(text, &change).unwrap();
        content.spliced(change, spliced).is_some()
    };
    assert!(spliced(Change::Append(on("one"))) && !spliced(Change::Append(on("two"))));
    edited(&now, Change::Append(on("one"))).unwrap();
    let refused = now.edited(List::Namespaces, Change::Append(on("two"))).map(drop).unwrap_err();
    assert_eq!(refused.errors[0].pointer, "/namespaces/2/plugin/backend", "{refused:?}");
}

#[test]
fn backends_are_found_changed_and_kept_while_they_are_used() {
    let now = of(BACKENDS);
    let backend = |text: &str| serde_yaml::from_str::<Value>(text).unwrap();
    let (with_two, _) = now
        .edited(List::Backends, Change::Append(backend("{name: two, embedded: other, options: {a: 1}}")))
        .unwrap();
    assert_eq!(with_two.find(List::Backends, "two").unwrap().unwrap().0, 1);
    assert!(with_two.find(List::Backends, "a").unwrap().is_none());
    assert!(with_two.find(List::Namespaces, "a").unwrap().is_some());
    let drivers: Vec<_> = with_two.drivers().map(|named| (named.driver.to_owned(), named.field)).collect();
    let named = |driver: &str, field: &str| (driver.to_owned(), field.to_owned());
    assert_eq!(drivers, [named("other", "backends[1]"), named("memstore", "namespaces[1].plugin.endpoint")]);
    let pointers: Vec<_> =
        with_two.reached(&Drivers::new()).into_iter().map(|(pointer, _)| pointer).collect();
    assert_eq!(pointers, ["/backends/0/endpoint", "/namespaces/1/plugin/endpoint"]);
    let refused = with_two.edited(List::Backends, Change::Remove(0)).map(drop).unwrap_err();
    assert_eq!(refused.errors[0].pointer, "/namespaces/0/plugin/backend", "{refused:?}");
    let twice = with_two.edited(List::Backends, Change::Append(backend("{name: one, endpoint: 'y:1'}")));
    assert_eq!(twice.map(drop).unwrap_err().errors[0].pointer, "/backends/2/name");
}
