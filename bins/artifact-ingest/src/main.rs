//! `artifact-ingest`: a producer's directory becomes one finalized package.
//!
//! Flags become a plan, the plan runs, the result is printed: [`args`] knows clap, [`commands`]
//! run, [`place`] is the store that they work on, [`output`] and [`shown`] print, [`failure`] turns
//! errors into exit codes. Nothing is decided here.

mod args;
mod bars;
mod commands;
mod exit;
mod failure;
mod output;
mod place;
mod shown;

use std::process::ExitCode;

fn main() -> ExitCode {
    commands::execute()
}
