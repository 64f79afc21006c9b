//! Compiles `proto/` with protox, so that nobody needs `protoc`.

use std::path::PathBuf;

use prost::Message as _;

const PROTOS: [&str; 6] = [
    "errors.proto",
    "interfaces/capabilities.proto",
    "interfaces/keyvalue_basic.proto",
    "interfaces/keyvalue_scan.proto",
    "interfaces/list_basic.proto",
    "interfaces/usage.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = PathBuf::from("../../proto");
    println!("cargo::rerun-if-changed={}", root.display());

    let descriptors = protox::compile(PROTOS, [&root])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.binpb"), descriptors.encode_to_vec())?;

    tonic_prost_build::configure()
        .build_transport(false)
        .bytes(".")
        .codec_path("crate::codec::Codec")
        .compile_fds(descriptors)?;
    Ok(())
}
