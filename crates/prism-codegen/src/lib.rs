//! Compiles the protos of the workspace into sources that are committed, so that no build waits for a compiler of protos. It is
//! protox, so that nobody needs `protoc`.
//!
//! No crate depends on this one: it compiles while those that use the generated code do not.

pub mod additions;
mod rpc;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic_prost_build::Builder;

/// Protos and what is made of them. Paths are relative to the root of the workspace.
#[derive(Debug)]
pub struct Contract {
    /// Where imports are looked up.
    root: &'static str,
    protos: &'static [&'static str],
    /// The folder of the generated sources, which holds nothing else.
    pub generated: &'static str,
    /// The name of the encoded `FileDescriptorSet` in that folder.
    descriptors: &'static str,
    /// The name of the table of rpcs in that folder, if it has one.
    rpcs: Option<&'static str>,
    /// The committed descriptors that this contract may only add to, if it has made promises.
    pub baseline: Option<&'static str>,
    configure: fn() -> Builder,
}

/// Every contract of the workspace.
pub const CONTRACTS: [Contract; 2] = [
    Contract {
        root: "proto",
        protos: &[
            "errors.proto",
            "interfaces/capabilities.proto",
            "interfaces/keyvalue_basic.proto",
            "interfaces/keyvalue_batch.proto",
            "interfaces/keyvalue_cas.proto",
            "interfaces/keyvalue_counter.proto",
            "interfaces/keyvalue_scan.proto",
            "interfaces/keyvalue_ttl.proto",
            "interfaces/list_basic.proto",
            "interfaces/list_batch.proto",
            "interfaces/list_blocking.proto",
            "interfaces/list_end.proto",
            "interfaces/list_indexing.proto",
            "interfaces/list_range.proto",
            "interfaces/list_reserve.proto",
            "interfaces/list_scan.proto",
            "interfaces/transfer.proto",
            "interfaces/usage.proto",
        ],
        generated: "crates/prism-proto/src/generated",
        descriptors: "descriptors.binpb",
        rpcs: Some("rpcs.rs"),
        baseline: Some("proto/baseline.binpb"),
        configure: || {
            tonic_prost_build::configure().build_transport(false).bytes(".").codec_path("crate::codec::Codec")
        },
    },
    Contract {
        root: "tests/proto",
        protos: &["echo.proto"],
        generated: "tests/src/generated",
        descriptors: "echo.binpb",
        rpcs: None,
        baseline: None,
        configure: tonic_prost_build::configure,
    },
];

impl Contract {
    /// What the protos say.
    ///
    /// # Errors
    /// A proto is wrong.
    pub fn descriptors(&self) -> Result<FileDescriptorSet, Box<dyn Error>> {
        Ok(protox::compile(self.protos, [workspace().join(self.root)])?)
    }

    /// Writes the sources and the descriptors into a folder that exists.
    ///
    /// # Errors
    /// A proto is wrong, or the folder cannot be written.
    pub fn generate(&self, into: &Path) -> Result<(), Box<dyn Error>> {
        let descriptors = self.descriptors()?;
        fs::write(into.join(self.descriptors), descriptors.encode_to_vec())?;
        if let Some(rpcs) = self.rpcs {
            fs::write(into.join(rpcs), rpc::table(&descriptors)?)?;
        }
        (self.configure)().out_dir(into).compile_fds(descriptors)?;
        Ok(())
    }
}

/// The root of the workspace.
#[must_use]
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
