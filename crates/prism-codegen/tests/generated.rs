//! The committed sources are those that the protos compile to.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use prism_codegen::{CONTRACTS, additions, workspace};
use prost::Message as _;
use prost_types::FileDescriptorSet;

#[test]
fn committed_sources_are_those_of_the_protos() {
    for contract in CONTRACTS {
        let folder = tempfile::tempdir().unwrap();
        contract.generate(folder.path()).unwrap();
        let (committed, fresh) = (files(&workspace().join(contract.generated)), files(folder.path()));
        let names: BTreeSet<_> = committed.keys().chain(fresh.keys()).collect();
        let stale: Vec<_> =
            names.into_iter().filter(|name| committed.get(*name) != fresh.get(*name)).collect();
        let generated = contract.generated;
        assert!(
            stale.is_empty(),
            "{generated} is stale ({stale:?}): run `cargo run -p prism-codegen` and commit it"
        );
    }
}

/// Field numbers, names, types and the like: what clients and servers of other releases rely on.
#[test]
fn the_contract_only_grows() {
    for contract in CONTRACTS {
        let Some(baseline) = contract.baseline else { continue };
        let before = FileDescriptorSet::decode(&fs::read(workspace().join(baseline)).unwrap()[..]).unwrap();
        let now = contract.descriptors().unwrap();
        assert_eq!(
            additions::broken(&before, &now),
            Vec::<String>::new(),
            "lost or changed since {baseline}"
        );
        let unpinned = additions::broken(&now, &before);
        assert!(unpinned.is_empty(), "not in {baseline} yet: run `cargo run -p prism-codegen`: {unpinned:?}");
    }
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}
