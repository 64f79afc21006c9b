//! Imports inside a crate point one way: no module imports, even indirectly, one that imports it.
//!
//! The paths of `use` items count, and all others that begin with `crate::`, outside test modules. A parent that
//! re-exports a child imports it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The modules of a crate, each with those it imports.
type Imports = BTreeMap<Vec<String>, BTreeSet<Vec<String>>>;

#[test]
fn no_crate_has_a_circle_of_imports() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut sources = vec![root.join("bindings/python/src"), root.join("bench/src"), root.join("tests/src")];
    sources.extend(fs::read_dir(root.join("crates")).unwrap().map(|entry| entry.unwrap().path().join("src")));
    let mut found = Vec::new();
    for source in sources {
        let imports = imports_of(&source);
        assert!(!imports.is_empty(), "{} has no modules", source.display());
        found.extend(circle_in(&imports).map(|circle| format!("{}: {circle}", source.display())));
    }
    assert!(found.is_empty(), "circles of imports; what is shared lies below:\n{}", found.join("\n"));
}

#[test]
fn a_circle_is_found_however_it_is_imported() {
    let circle = |files: &[(&str, &str)]| {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        circle_in(&imports_of(folder.path()))
    };
    let lib = ("lib.rs", "mod a; mod b;");
    assert_eq!(circle(&[lib, ("a.rs", "use crate::b::B;"), ("b.rs", "fn f() {}")]), None);
    for b in [
        "use crate::a::A;",
        "use std::{fmt, io};\nuse crate::{\n  c::C, // a word\n  a::{self, A as D},\n};",
        "use super::a;",
        "pub(crate) use crate::a::*;",
        "fn f() { crate::a::call() }",
    ] {
        assert_eq!(circle(&[lib, ("a.rs", "use crate::b::B;"), ("b.rs", b)]).unwrap(), "a -> b -> a", "{b}");
    }
    let parent = ("a.rs", "mod child; pub use child::C; struct S;");
    assert_eq!(circle(&[lib, parent, ("a/child.rs", "use super::S;")]).unwrap(), "a -> a::child -> a");
    let inline = "mod sealed { use super::*; fn f() { if a { b } } }\nuse crate::c::C;";
    assert_eq!(circle(&[lib, ("a.rs", "use crate::b::B;"), ("b.rs", inline)]), None);
    let tested = "use crate::c::C;\n#[cfg(test)]\nmod tests { use crate::a::A; }";
    assert_eq!(circle(&[lib, ("a.rs", "use crate::b::B;"), ("b.rs", tested)]), None);
}

#[test]
fn every_file_of_tests_is_run() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |file: &str| fs::read_to_string(folder.join(file)).expect("a source can be read");
    let (main, manifest) = (read("tests/main.rs"), read("Cargo.toml"));
    let names = fs::read_dir(folder.join("tests")).unwrap().map(|entry| entry.unwrap().path());
    let names = names.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned());
    let is_run = |name: &String| {
        main.lines().any(|line| line == format!("mod {name};"))
            || manifest.lines().any(|line| line == format!("path = \"tests/{name}.rs\""))
    };
    let left_out: Vec<_> = names.filter(|name| !is_run(name)).collect();
    assert!(left_out.is_empty(), "neither a module of tests/main.rs nor a target of their own: {left_out:?}");
}

/// The first cycle of a crate, as `a -> b -> a`.
fn circle_in(imports: &Imports) -> Option<String> {
    let shown = |module: &Vec<String>| if module.is_empty() { "lib".to_owned() } else { module.join("::") };
    imports.keys().find_map(|start| {
        // The way back to each module that the start reaches; the shortest cycle is found first.
        let mut from: BTreeMap<&Vec<String>, &Vec<String>> = BTreeMap::new();
        let mut reached = vec![start];
        let mut next = 0;
        while next < reached.len() {
            let module = reached[next];
            next += 1;
            for imported in &imports[module] {
                if imported == start {
                    let mut circle = vec![shown(start), shown(module)];
                    let mut at = module;
                    while let Some(before) = from.get(at) {
                        circle.push(shown(before));
                        at = before;
                    }
                    circle.reverse();
                    circle.push(shown(start));
                    circle.dedup();
                    return Some(circle.join(" -> "));
                }
                if !reached.contains(&imported) {
                    from.insert(imported, module);
                    reached.push(imported);
                }
            }
        }
        None
    })
}

fn imports_of(source: &Path) -> Imports {
    let mut files = BTreeMap::new();
    collect(source, &mut Vec::new(), &mut files);
    let modules: BTreeSet<_> = files.keys().cloned().collect();
    let imports = |(module, path): (Vec<String>, PathBuf)| {
        let text = fs::read_to_string(path).expect("a source can be read");
        let mut imported: BTreeSet<_> =
            paths_in(&text).into_iter().filter_map(|path| resolve(&path, &module, &modules)).collect();
        imported.remove(&module);
        (module, imported)
    };
    files.into_iter().map(imports).collect()
}

/// The files of a folder by module; tests in separate files are left out, like test modules.
fn collect(folder: &Path, module: &mut Vec<String>, files: &mut BTreeMap<Vec<String>, PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources can be read") {
        let path = entry.expect("a folder of sources can be read").path();
        let stem = path.file_stem().expect("an entry has a name").to_string_lossy().into_owned();
        module.push(stem.clone());
        if path.is_dir() && stem != "bin" {
            collect(&path, module, files);
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && stem != "main"
            && !stem.ends_with("tests")
        {
            let module = if stem == "lib" { Vec::new() } else { module.clone() };
            files.insert(module, path);
        }
        module.pop();
    }
}

/// The module that a path leads to; `None` for other crates.
fn resolve(path: &[String], module: &[String], modules: &BTreeSet<Vec<String>>) -> Option<Vec<String>> {
    let (mut at, mut rest) = match path.first()?.as_str() {
        "crate" => (Vec::new(), &path[1..]),
        "self" => (module.to_vec(), &path[1..]),
        "super" => (module.to_vec(), path),
        child => {
            let child = [module, &[child.to_owned()]].concat();
            return modules.contains(&child).then(|| descend(child, &path[1..], modules));
        }
    };
    while rest.first().is_some_and(|segment| segment == "super") {
        at.pop();
        rest = &rest[1..];
    }
    Some(descend(at, rest, modules))
}

fn descend(mut at: Vec<String>, rest: &[String], modules: &BTreeSet<Vec<String>>) -> Vec<String> {
    for segment in rest {
        at.push(segment.clone());
        if !modules.contains(&at) {
            at.pop();
            break;
        }
    }
    at
}

/// The paths of all `use` items, and all that begin with `crate::`, each as its segments. Within an inline module
/// `super` is the file's own module, so one `super` is dropped for each enclosing inline module.
fn paths_in(text: &str) -> Vec<Vec<String>> {
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let code: Vec<_> = code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let tokens = tokens(&code.join("\n"));
    let token = |at: usize| tokens.get(at).map_or("", String::as_str);
    let mut paths = Vec::new();
    let (mut depth, mut inline) = (0, Vec::new());
    for index in 0..tokens.len() {
        let from = paths.len();
        match token(index) {
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                inline.retain(|begun| *begun <= depth);
            }
            "mod" if token(index + 2) == "{" => inline.push(depth + 1),
            "use" => _ = tree(&tokens, index + 1, &[], &mut paths),
            "crate" if token(index + 1) == "::" => _ = tree(&tokens, index, &[], &mut paths),
            _ => {}
        }
        for path in &mut paths[from..] {
            let within = path.iter().take(inline.len()).take_while(|segment| *segment == "super").count();
            path.drain(..within);
            if within > 0 {
                path.insert(0, "self".to_owned());
            }
        }
    }
    paths
}

/// Words, `::`, and single characters.
fn tokens(code: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut in_word = false;
    for sign in code.chars() {
        let is_word = sign.is_alphanumeric() || sign == '_';
        match tokens.last_mut() {
            Some(last) if (is_word && in_word) || (sign == ':' && last == ":") => last.push(sign),
            _ if sign.is_whitespace() => {}
            _ => tokens.push(sign.to_string()),
        }
        in_word = is_word;
    }
    tokens
}

/// Reads the tree of a `use` item that begins at a token; returns the index after it.
fn tree(tokens: &[String], mut at: usize, before: &[String], paths: &mut Vec<Vec<String>>) -> usize {
    let mut path = before.to_vec();
    while let Some(token) = tokens.get(at) {
        match token.as_str() {
            "::" => at += 1,
            "{" => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token != "}") {
                    at = tree(tokens, at, &path, paths);
                    at += usize::from(tokens.get(at).is_some_and(|token| token == ","));
                }
                return at + 1;
            }
            word if word.starts_with(|sign: char| sign.is_alphabetic() || sign == '_') => {
                path.push(word.to_owned());
                at += 1;
                if tokens.get(at).is_none_or(|next| next != "::") {
                    break;
                }
            }
            _ => break,
        }
    }
    paths.push(path);
    // A renaming, or a glob.
    while tokens.get(at).is_some_and(|token| !matches!(token.as_str(), "," | "}" | ";")) && !before.is_empty()
    {
        at += 1;
    }
    at
}
