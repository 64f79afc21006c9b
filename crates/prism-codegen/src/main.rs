//! Generates the committed sources anew: `cargo run -p prism-codegen`, after a change of a proto. It refuses a change that is no
//! addition, and adds the others to the baseline.

use std::error::Error;
use std::fs;

use prism_codegen::{CONTRACTS, additions, workspace};
use prost::Message as _;
use prost_types::FileDescriptorSet;

fn main() -> Result<(), Box<dyn Error>> {
    for contract in CONTRACTS {
        if let Some(baseline) = contract.baseline {
            let path = workspace().join(baseline);
            let descriptors = contract.descriptors()?;
            let broken = additions::broken(&FileDescriptorSet::decode(&fs::read(&path)?[..])?, &descriptors);
            if !broken.is_empty() {
                return Err(format!("the contract may only grow:\n{}", broken.join("\n")).into());
            }
            fs::write(path, descriptors.encode_to_vec())?;
        }
        let folder = workspace().join(contract.generated);
        // What a proto that is gone has left must not stay.
        for old in fs::read_dir(&folder)? {
            fs::remove_file(old?.path())?;
        }
        contract.generate(&folder)?;
    }
    Ok(())
}
