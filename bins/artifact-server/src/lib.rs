//! `artifact-server`: packages over HTTP, and what an operator does with a store.
//!
//! # What this room is for
//!
//! A handler or a subcommand extracts its arguments, calls one use case of `artifact-store` and
//! answers. [`gateway`] is the HTTP side; [`execute`] the command line.
//!
//! # What it may not know
//!
//! How anything is done: diesel, storage backends and retention rules are behind the store. It
//! decides nothing.

mod args;
mod background;
mod commands;
mod environment;
mod log;
mod scheduling;

pub mod gateway;

pub use commands::execute;
