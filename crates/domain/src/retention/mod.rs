//! Retention as records: how long a class keeps, what holds a package, what a decision said and
//! what a deletion leaves behind. The rules over them are in `artifact-retention`.

mod class;
mod clock;
mod decision;
mod deletion;
mod extension;
mod hold;

pub use class::{DEFAULT_CLASS, MAX_PERIOD_DAYS, RetentionPeriod, RetentionRule, SEEDED_CLASSES};
pub use clock::ClockRecord;
pub use decision::{ConsultedRule, Decision, RetentionReason, Verdict};
pub use deletion::DeletionReceipt;
pub use extension::Extension;
pub use hold::{Hold, HoldRelease};
