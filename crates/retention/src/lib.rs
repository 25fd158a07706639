//! The rules of retention, as pure functions.
//!
//! # What this room is for
//!
//! How long a package is kept ([`expiry_at_create`], [`expiry_at_finalize`]) and when it may be
//! deleted ([`is_eligible`]). Each rule is one function of its facts and the time, so a table can
//! test it and an answer can be given again years later.
//!
//! # What it may not know
//!
//! The clock, the registry, the storage: `now` is an argument and nothing here has an effect.
//! Deleting is always somebody's explicit call; this crate only says whether it would be allowed.

mod eligibility;
mod expiry;

pub use eligibility::is_eligible;
pub use expiry::{expiry_at_create, expiry_at_finalize};
