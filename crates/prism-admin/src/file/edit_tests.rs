use serde_yaml::Value;
use yamlpath::Document;

use super::*;
use crate::file::yaml::items;

/// The configuration file of RFC-026, unchanged.
const RFC: &str = include_str!("../../tests/rfc-026.yaml");

/// Comments in every position.
const COMMENTED: &str = "\
# top
server:
  listen_address: a:1 # why
# before
namespaces: # ours
  # first
  - name: a # the a
    pattern: keyvalue
    # where
    plugin:
      endpoint: \"x:1\" # here
    timeout: 5s
  # second
  - name: b
    pattern: list
    plugin: {endpoint: 'y:1'}
# end
";

fn value(text: &str) -> Value {
    serde_yaml::from_str(text).unwrap()
}

fn edited(text: &str, change: Change) -> Edited {
    edit(text, List::Namespaces, &change).unwrap()
}

fn namespaces(file: &Value) -> &[Value] {
    items(file, List::Namespaces)
}

fn third() -> Value {
    value("{name: c, pattern: list, plugin: {endpoint: 'z:1'}}")
}

const THIRD: &str = "  - name: c\n    pattern: list\n    plugin:\n      endpoint: z:1\n";

#[test]
fn a_change_of_the_rfcs_file_keeps_its_comments_and_order() {
    let moved = value("{name: default, pattern: keyvalue, plugin: {endpoint: 'localhost:50052'}}");
    let Edited { text, warnings } = edited(RFC, Change::Replace(0, moved));
    assert_eq!(text, RFC.replace("\"localhost:50051\"", "localhost:50052"));
    assert_eq!(warnings, Vec::<String>::new());

    let Edited { text, warnings } = edited(RFC, Change::Append(third()));
    assert_eq!((text, warnings), (format!("{RFC}{THIRD}"), Vec::new()));
}

#[test]
fn single_settings_are_changed_added_and_removed_in_place() {
    let new = value("{name: a, pattern: keyvalue, plugin: {endpoint: 'z:9'}, interfaces: [u, v]}");
    let Edited { text, warnings } = edited(COMMENTED, Change::Replace(0, new));
    let expected =
        COMMENTED.replace("\"x:1\"", "z:9").replace("    timeout: 5s\n", "    interfaces: [u, v]\n");
    assert_eq!((text, warnings), (expected, Vec::new()));
    let same = value("{name: b, plugin: {endpoint: 'y:1'}, pattern: list}");
    assert_eq!(edited(COMMENTED, Change::Replace(1, same)).text, COMMENTED, "nothing is different");
}

#[test]
fn a_namespace_is_added_behind_the_last_one_and_before_what_follows() {
    let Edited { text, warnings } = edited(COMMENTED, Change::Append(third()));
    assert_eq!((text, warnings), (COMMENTED.replace("# end\n", &format!("{THIRD}# end\n")), Vec::new()));
    for (empty, head) in [
        ("", "namespaces:\n"),
        ("# only", "# only\nnamespaces:\n"),
        ("server: {}\n", "server: {}\nnamespaces:\n"),
        ("# only\nnamespaces: []\n", "# only\nnamespaces:\n"),
    ] {
        let Edited { text, warnings } = edited(empty, Change::Append(third()));
        assert_eq!((text, warnings), (format!("{head}{THIRD}"), Vec::new()), "{empty:?}");
    }
}

#[test]
fn a_namespace_goes_with_its_own_comments_which_are_told() {
    let Edited { text, warnings } = edited(COMMENTED, Change::Remove(0));
    let (begin, end) = (COMMENTED.find("  # first").unwrap(), COMMENTED.find("  # second").unwrap());
    assert_eq!(text, format!("{}{}", &COMMENTED[..begin], &COMMENTED[end..]));
    assert_eq!(warnings.len(), 4, "{warnings:?}");
    assert!(warnings[0].contains("line 6") && warnings[0].ends_with("# first"), "{warnings:?}");

    let Edited { text, .. } = edited(&text, Change::Remove(0));
    assert_eq!(text, "# top\nserver:\n  listen_address: a:1 # why\n# before\nnamespaces: [] # ours\n# end\n");
}

#[test]
fn flow_style_stays_flow_style() {
    let text = "namespaces: [{name: a, pattern: list, plugin: {endpoint: 'x:1'}}] # c\n";
    for change in [
        Change::Append(third()),
        Change::Replace(0, value("{name: a, pattern: list, plugin: {endpoint: 'z:1'}, timeout: 1s}")),
        Change::Remove(0),
    ] {
        let Edited { text, warnings } = edited(text, change);
        assert!(text.starts_with("namespaces: [") && text.ends_with("] # c\n"), "{text}");
        assert_eq!(warnings, Vec::<String>::new());
    }
}

#[test]
fn what_cannot_be_patched_is_written_anew_and_told() {
    // The definition that an alias refers to is removed with the first namespace.
    let text = "# top\nnamespaces:\n- {name: a, pattern: list, plugin: &p {endpoint: 'x:1'}}\n- {name: b, pattern: list, plugin: *p}\n";
    let Edited { text, warnings } = edited(text, Change::Remove(0));
    assert_eq!(text, "namespaces:\n- name: b\n  pattern: list\n  plugin:\n    endpoint: x:1\n");
    assert!(warnings[0].contains("rewritten") && warnings[1].ends_with("# top"), "{warnings:?}");
}

#[test]
fn line_ends_stay_what_they_are() {
    let text = COMMENTED.replace('\n', "\r\n");
    let Edited { text, .. } = edited(&text, Change::Append(third()));
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
    assert_eq!(parse(&text).unwrap(), parse(&edited(COMMENTED, Change::Append(third())).text).unwrap());
}

#[test]
fn a_wrong_index_is_refused() {
    for change in [Change::Remove(2), Change::Replace(2, third())] {
        assert!(edit(COMMENTED, List::Namespaces, &change).is_err());
    }
}

#[test]
fn values_that_look_like_something_else_stay_what_they_are() {
    for odd in
        ["yes", "1e3", "# no", "a: b", "\"q\"", "- x", "{", "*p", "~", "0x10", " lead", "\u{e9}\u{1f600}"]
    {
        let mut new = third();
        new.as_mapping_mut().unwrap().insert("timeout".into(), odd.into());
        for text in [COMMENTED, "namespaces: [{name: a}]\n"] {
            let appended = edited(text, Change::Append(new.clone())).text;
            let replaced = edited(text, Change::Replace(0, new.clone())).text;
            for (text, index) in
                [(&appended, namespaces(&parse(&appended).unwrap()).len() - 1), (&replaced, 0)]
            {
                assert_eq!(namespaces(&parse(text).unwrap())[index], new, "{text}");
            }
        }
    }
}

#[test]
fn a_file_of_ten_thousand_namespaces_keeps_its_comments() {
    let namespace = |name: &str| {
        format!(
            "  - name: {name} # our {name}\n    pattern: list\n    # where\n    plugin:\n      endpoint: 'y:1'\n"
        )
    };
    let file = |names: &[&str]| {
        let many: String = (0..10_000).map(|number| namespace(&format!("n{number}"))).collect();
        let some: String = names.iter().map(|name| namespace(name)).collect();
        format!("# top\nnamespaces: # all\n{many}{some}server:\n  listen_address: a:1\n")
    };
    let long = file(&["x", "y"]);
    assert!(Document::new(&long).is_err(), "the whole text exceeds the grammar's limit");

    let Edited { text, warnings } = edited(&long, Change::Append(third()));
    assert_eq!(text, long.replace("server:\n", &format!("{THIRD}server:\n")));
    assert_eq!(warnings, Vec::<String>::new());

    let changed = value("{name: x, pattern: list, plugin: {endpoint: 'z:9'}}");
    let Edited { text, warnings } = edited(&long, Change::Replace(10_000, changed));
    let x = namespace("x");
    assert_eq!(text, long.replace(&x, &x.replace("'y:1'", "z:9")));
    assert_eq!(warnings, Vec::<String>::new());

    let Edited { text, warnings } = edited(&long, Change::Remove(10_000));
    assert_eq!(text, file(&["y"]));
    assert_eq!(
        warnings,
        ["the comment on line 50003 is not kept: # our x", "the comment on line 50005 is not kept: # where"]
    );
}

/// Texts that can be cut, and texts that only look as if they could.
const TRICKY: &[(bool, &str)] = &[
    (true, COMMENTED),
    (true, "namespaces:\n- name: a\n- name: b\n  timeout: 1s\n"),
    (
        true,
        "namespaces:\n\n  # of a\n  # and more\n\n  # of a\n  - name: a\n\n    # deep\n# shallow\n    timeout: 1s\n  - name: b\n# end\n",
    ),
    (true, "namespaces:\n  -\n    name: a\n  - {name: b, x: [1,\n      2]}\nserver: {}\n"),
    (true, "--- # one\nnamespaces:\n  - name: a\n    x: &own 5\n    y: *own\n  - name: b\n...\n"),
    (true, "namespaces:\n  - name: a\n    x: |\n      # text\n      - text\n    y: 1\n  - name: b\n"),
    (true, "namespaces:\n  - name: a\n    x: 'it''s\n      so'\n  - name: b\n    x: \"[{\"\n"),
    // A quoted text continues where a namespace seems to start.
    (false, "namespaces:\n  - name: a\n    x: \"one\n  - name: two\"\n  - name: b\n"),
    (false, "namespaces:\n  - name: a\n    x: [1,\n  2]\n"),
    // The key seems to be within a text.
    (false, "x: \"\nnamespaces:\n  - name: z\n\"\nnamespaces:\n  - name: a\n"),
    // Anchors connect namespaces with each other, with the head and with the tail.
    (false, "namespaces:\n  - name: a\n    x: &x 5\n  - name: b\n    x: *x\n"),
    (false, "y: &x 5\nnamespaces:\n  - name: a\n    x: *x\n"),
    (false, "namespaces:\n  - name: a\n    x: &x 5\ny: *x\n"),
    // What follows the last line that seems to be content belongs to it.
    (false, "namespaces:\n  - name: a\n    x: |+\n      text\n\n\n  - name: b\n"),
    (false, "namespaces:\n  - name: a\n    x: |\n      text\n      # text\n  - name: b\n"),
    (false, "namespaces: [{name: a}]\n"),
    (false, "namespaces:\n  [{name: a}]\n"),
    (false, "namespaces: []\n"),
    (false, "? namespaces\n: - name: a\n"),
];

fn layout_of(text: &str) -> Option<Layout> {
    let mut rest = parse(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let list = take(&mut rest, List::Namespaces);
    Layout::of(text, List::Namespaces, &rest, list.iter())
}

#[test]
fn a_text_is_cut_only_where_its_pieces_stand_for_themselves() {
    for (is_cut, text) in TRICKY {
        for text in [(*text).to_owned(), text.replace('\n', "\r\n")] {
            assert_eq!(layout_of(&text).is_some(), *is_cut, "{text}");
        }
    }
}

#[test]
fn a_spliced_text_stands_for_what_is_wanted_and_its_cut_is_the_one_that_would_be_found() {
    let values = [
        third(),
        value("{name: a, x: \"one\\ntwo\\n\", y: {z: [1, {q: '# no'}]}}"),
        value("{name: a, x: \"- name: b\\n...\\n---\\n\", timeout: 1s}"),
        value("{name: b}"),
    ];
    for (is_cut, text) in TRICKY {
        let count = namespaces(&parse(text).unwrap()).len();
        let each = |value: &Value| {
            let replace = (0..count).map(|index| Change::Replace(index, value.clone()));
            replace.chain([Change::Append(value.clone())]).collect::<Vec<_>>()
        };
        let changes = values.iter().flat_map(each).chain((0..count).map(Change::Remove));
        for change in changes {
            let wanted = change.applied(&parse(text).unwrap(), List::Namespaces).unwrap();
            assert_eq!(parse(&edited(text, change.clone()).text).unwrap(), wanted, "{change:?} of {text}");
            let Some(spliced) = layout_of(text).and_then(|layout| layout.splice(text, &change)) else {
                assert!(
                    !is_cut || count == 1 || matches!(change, Change::Replace(..)),
                    "{change:?} of {text}"
                );
                continue;
            };
            assert_eq!(parse(&spliced.text).unwrap(), wanted, "{change:?} of {text}");
            assert_eq!(layout_of(&spliced.text), Some(spliced.layout), "{change:?} of {text}");
            if let Some(alone) = spliced.alone {
                assert_eq!(namespaces(&parse(&alone).unwrap()).len(), 1, "{alone}");
            }
        }
    }
}

#[test]
fn only_what_changed_gets_another_line_end() {
    let one = COMMENTED.replacen("pattern: keyvalue\n", "pattern: keyvalue\r\n", 1);
    let changed = value("{name: a, pattern: keyvalue, plugin: {endpoint: 'z:9'}, timeout: 5s}");
    // Cut, and as a whole if an anchor prevents the cut.
    for text in [one.clone(), one.replace("\"x:1\"", "&x \"x:1\"").replace("'y:1'", "*x")] {
        let Edited { text: after, .. } = edited(&text, Change::Append(third()));
        assert_eq!(after, text.replace("# end\n", &format!("{THIRD}# end\n")));
    }
    let Edited { text: after, .. } = edited(&one, Change::Replace(0, changed));
    assert_eq!(after, one.replace("\"x:1\"", "z:9"));
}

fn backend(name: &str) -> Value {
    value(&format!("{{name: {name}, embedded: memstore, options: {{memory_limit: 1MiB}}}}"))
}

const BACKEND: &str = "  - name: one\n    embedded: memstore\n    options:\n      memory_limit: 1MiB\n";

fn edited_backends(text: &str, change: Change) -> Edited {
    edit(text, List::Backends, &change).unwrap()
}

#[test]
fn the_first_backend_comes_before_the_namespaces_and_the_last_one_leaves_an_empty_list() {
    for (text, head, tail) in [
        (RFC, "namespaces:", ""),
        (COMMENTED, "# before\nnamespaces:", ""),
        ("# ours\nnamespaces: []\n", "namespaces:", ""),
        ("# ours\n\n# these\nnamespaces: []\n", "# these\nnamespaces:", ""),
        ("backends: [] # stores\nnamespaces: []\n", "backends: [] # stores\n", "backends: # stores\n"),
        ("namespaces: []\nbackends:   []\nserver: {}\n", "backends:   []\n", "backends:\n"),
    ] {
        for text in [text.to_owned(), text.replace('\n', "\r\n")] {
            let plain = text.replace('\r', "");
            let (before, after) = plain.split_at(plain.find(head).unwrap());
            let expected = match tail {
                "" => format!("{before}backends:\n{BACKEND}{after}"),
                tail => format!("{before}{tail}{BACKEND}{}", &after[head.len()..]),
            };
            let Edited { text: added, warnings } = edited_backends(&text, Change::Append(backend("one")));
            assert_eq!((added.replace('\r', ""), warnings), (expected.clone(), Vec::new()));
            assert_eq!(added.matches("\r\n").count() > 0, text.contains('\r'));

            let Edited { text: emptied, warnings } = edited_backends(&added, Change::Remove(0));
            let key = if tail.contains("# stores") { "backends: [] # stores\n" } else { "backends: []\n" };
            let rest = if tail.is_empty() { after } else { &after[head.len()..] };
            assert_eq!((emptied.replace('\r', ""), warnings), (format!("{before}{key}{rest}"), Vec::new()));
        }
    }
}

#[test]
fn backends_are_changed_with_comments_in_place() {
    let text = "\
# top
backends: # stores
  # the first
  - name: one # fast
    embedded: memstore
    options: { memory_limit: 1MiB } # small
  - name: two
    endpoint: 'x:1'
namespaces:
  - {name: a, pattern: list, plugin: {backend: one}}
";
    let Edited { text: added, warnings } = edited_backends(text, Change::Append(backend("three")));
    let third = BACKEND.replace("one", "three");
    assert_eq!((added, warnings), (text.replace("namespaces:", &format!("{third}namespaces:")), Vec::new()));

    let larger = value("{name: one, embedded: memstore, options: {memory_limit: 2MiB}}");
    let Edited { text: changed, warnings } = edited_backends(text, Change::Replace(0, larger));
    assert_eq!((changed, warnings), (text.replace("1MiB", "2MiB"), Vec::new()));

    let Edited { text: removed, warnings } = edited_backends(text, Change::Remove(0));
    let (begin, end) = (text.find("  # the first").unwrap(), text.find("  - name: two").unwrap());
    assert_eq!(removed, format!("{}{}", &text[..begin], &text[end..]));
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    let Edited { text: emptied, .. } = edited_backends(&removed, Change::Remove(0));
    assert!(emptied.starts_with("# top\nbackends: [] # stores\nnamespaces:\n"), "{emptied}");

    let flow = "{backends: [{name: one, endpoint: 'x:1'}], namespaces: []}\n";
    let Edited { text: added, .. } = edited_backends(flow, Change::Append(backend("two")));
    assert_eq!(items(&parse(&added).unwrap(), List::Backends).len(), 2, "{added}");
}

#[test]
fn backends_of_a_file_of_ten_thousand_namespaces_keep_its_comments() {
    let many: String = (0..10_000)
        .map(|number| {
            format!("  - name: n{number} # ours\n    pattern: list\n    plugin:\n      endpoint: 'y:1'\n")
        })
        .collect();
    let text = format!("# top\nserver: {{}}\nnamespaces: # all\n{many}");
    assert!(Document::new(&text).is_err(), "the whole text exceeds the grammar's limit");
    let Edited { text: one, warnings } = edited_backends(&text, Change::Append(backend("one")));
    assert_eq!(
        (&one, warnings),
        (&text.replace("namespaces:", &format!("backends:\n{BACKEND}namespaces:")), Vec::new())
    );
    let Edited { text: two, warnings } = edited_backends(&one, Change::Append(backend("two")));
    assert!(two.contains("# all") && warnings.is_empty(), "{warnings:?}");
    let Edited { text: back, .. } = edited_backends(&two, Change::Remove(1));
    assert_eq!(back, one);
    let Edited { text: none, .. } = edited_backends(&back, Change::Remove(0));
    assert_eq!(none, text.replace("namespaces:", "backends: []\nnamespaces:"));
}
