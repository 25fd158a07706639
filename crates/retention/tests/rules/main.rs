//! The rules of retention, one file for each, and what holds over all of them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod algebra;
mod class;
mod clock;
mod decision;
mod extension;
mod facts;
mod promises;
