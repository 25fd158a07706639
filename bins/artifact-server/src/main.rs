//! `artifact-server`: what an operator does with a store, and the gateway to come.
//!
//! # What this room is for
//!
//! A subcommand extracts its arguments, calls one use case of `artifact-store` and answers. Today
//! it migrates a registry and verifies packages; it does not serve yet.
//!
//! # What it may not know
//!
//! How anything is done: diesel, storage backends and retention rules are behind the store. It
//! decides nothing.

mod args;
mod commands;

use std::process::ExitCode;

fn main() -> ExitCode {
    commands::execute()
}
