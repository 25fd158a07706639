//! The command line from outside: the real binary on real folders, as a producer runs it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod conflicts;
mod damage;
mod exit_codes;
mod output;
mod pilot;
mod resume;
mod run_errors;
mod selection;
mod server;
mod show;
mod support;
mod unavailable;
