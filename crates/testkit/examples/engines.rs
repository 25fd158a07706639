//! Runs a command with a PostgreSQL and a Ceph of its own, and ends as the command does:
//! `cargo run -p artifact-testkit --example engines -- <command> [argument...]`. The command finds
//! the engines by the variables that the tests of engines read.

#![expect(clippy::print_stderr, reason = "a program for developers")]

use std::process::{Command, ExitCode};

use artifact_testkit::{Ceph, Postgres};

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    let Some(program) = words.next() else {
        eprintln!("usage: engines <command> [argument...]");
        return ExitCode::from(2);
    };
    eprintln!("starting PostgreSQL and Ceph");
    let postgres = Postgres::start();
    let ceph = Ceph::start();
    ceph.make_bucket("artifact-store-test");
    eprintln!("PostgreSQL is at {}, Ceph at {}", postgres.url(), ceph.endpoint());
    let status = Command::new(&program)
        .args(words)
        .env("ARTIFACT_STORE_TEST_POSTGRES_URL", postgres.url())
        .env("ARTIFACT_STORE_TEST_S3_ENDPOINT", ceph.endpoint())
        .env("ARTIFACT_STORE_TEST_S3_ACCESS_KEY_ID", ceph.access_key())
        .env("ARTIFACT_STORE_TEST_S3_SECRET_ACCESS_KEY", ceph.secret_key())
        .env("ARTIFACT_STORE_TEST_S3_BUCKET", "artifact-store-test")
        .status();
    match status {
        Ok(status) => {
            let code = status.code().and_then(|code| u8::try_from(code).ok());
            ExitCode::from(code.unwrap_or(1))
        }
        Err(error) => {
            eprintln!("{}: {error}", program.display());
            ExitCode::FAILURE
        }
    }
}
