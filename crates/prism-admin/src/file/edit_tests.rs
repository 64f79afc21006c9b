use super::*;

/// The configuration file of RFC-026, as it stands there.
const RFC: &str = include_str!("../../tests/rfc-026.yaml");

/// Comments in every place.
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
    edit(text, &change).unwrap()
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
    assert_eq!(edited(COMMENTED, Change::Replace(1, same)).text, COMMENTED, "nothing is another");
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
    // The definition that an alias refers to goes with the first namespace.
    let text = "# top\nnamespaces:\n- {name: a, pattern: list, plugin: &p {endpoint: 'x:1'}}\n- {name: b, pattern: list, plugin: *p}\n";
    let Edited { text, warnings } = edited(text, Change::Remove(0));
    assert_eq!(text, "namespaces:\n- name: b\n  pattern: list\n  plugin:\n    endpoint: x:1\n");
    assert!(warnings[0].contains("written anew") && warnings[1].ends_with("# top"), "{warnings:?}");
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
        assert!(edit(COMMENTED, &change).is_err());
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
    assert!(Document::new(&long).is_err(), "else this way is not needed");

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
    assert_eq!(warnings, ["2 lines lost their comment"]);
}
