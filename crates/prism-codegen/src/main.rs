//! Generates the committed sources anew: `cargo run -p prism-codegen`, after a change of a proto.

use std::error::Error;
use std::fs;

use prism_codegen::{CONTRACTS, workspace};

fn main() -> Result<(), Box<dyn Error>> {
    for contract in CONTRACTS {
        let folder = workspace().join(contract.generated);
        // What a proto that is gone has left must not stay.
        for old in fs::read_dir(&folder)? {
            fs::remove_file(old?.path())?;
        }
        contract.generate(&folder)?;
    }
    Ok(())
}
