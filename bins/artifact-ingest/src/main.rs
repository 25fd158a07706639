//! `artifact-ingest`: a producer's directory becomes one finalized package.
//!
//! Flags become a plan, the plan runs, the result is printed: [`args`] knows clap, [`commands`]
//! run, [`output`] prints, [`failure`] turns errors into exit codes. Nothing is decided here.

mod args;
mod bars;
mod commands;
mod exit;
mod failure;
mod output;

use std::process::ExitCode;

fn main() -> ExitCode {
    commands::execute()
}
