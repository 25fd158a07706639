//! The rules of retention, as pure functions.
//!
//! # What this room is for
//!
//! How long a package is kept, and when it may be deleted. Each rule is one function of its facts
//! and the time, so a table can test it and an answer can be given again years later.
//!
//! | question | answered by |
//! | --- | --- |
//! | Until when is a package kept? | [`expiry_at_create`], [`expiry_at_finalize`] |
//! | May somebody have it kept longer? | [`extend`] |
//! | May it go into another class? | [`change_class`] |
//! | May it be deleted, and what does each rule say to that? | [`decide`] |
//! | Can the clock be trusted with that? | [`judge_clock`], [`clock_reason`] |
//!
//! Two promises hold over all of them. An expiry moves to a later time or not at all: no
//! extension, no class and no finalize takes back what was promised before. And doubt protects:
//! where the facts contradict each other, nothing is deleted.
//!
//! # What it may not know
//!
//! The clock, the registry, the storage: `now` is an argument and nothing here has an effect.
//! Deleting is always somebody's explicit call; this crate only says whether it would be allowed.

mod class;
mod clock;
mod decision;
mod expiry;
mod extension;
mod span;

pub use class::{ClassRefusal, change_class};
pub use clock::{ClockTolerance, ClockVerdict, clock_reason, judge_clock};
pub use decision::{decide, is_eligible};
pub use expiry::{expiry_at_create, expiry_at_finalize};
pub use extension::{ExtensionRefusal, extend};
