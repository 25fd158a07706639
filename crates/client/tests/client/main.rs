//! The client against a gateway in this process, and against servers and lines that misbehave.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod deletion;
mod digests;
mod downloads;
mod errors;
mod line;
mod retention;
mod round_trip;
mod scripted;
mod support;
mod unsafe_requests;
mod uploads;
mod waiting;
