//! The doorway of `artifact-server`.

use std::process::ExitCode;

fn main() -> ExitCode {
    artifact_server::execute()
}
