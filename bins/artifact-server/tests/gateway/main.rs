//! The gateway as its clients meet it: bytes on a socket.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bodies;
mod codes;
mod concurrency;
mod connections;
mod headers;
mod paths;
mod process;
mod retention;
mod room;
mod serve;
mod tar;
mod wire;
