//! The doorway of `artifact-server`.

use std::process::ExitCode;

/// Bytes are read by one thread and sent by another; the allocator of glibc has them wait for each
/// other when they are freed.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    artifact_server::execute()
}
