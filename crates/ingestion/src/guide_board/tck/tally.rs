//! What is counted while a TCK report passes by.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

/// The statuses of the kit, `CmisTestResultStatus`.
const KNOWN_STATUSES: [&str; 6] =
    ["INFO", "SKIPPED", "OK", "WARNING", "FAILURE", "UNEXPECTED_EXCEPTION"];

/// The name under which results without a status are counted.
const WITHOUT_STATUS: &str = "(none)";
/// The name under which results are counted whose status cannot be a name.
const OTHER_STATUS: &str = "(other)";

/// How long a status may be, and how many different ones are told apart.
const MAX_STATUS_BYTES: usize = 64;
const MAX_STATUSES: usize = 64;

/// Whether what was read is a TCK report.
#[derive(Debug)]
pub(super) enum Verdict {
    /// A whole report.
    Report,
    /// Something else.
    Foreign,
    /// The beginning of a report, and why it cannot be read to its end.
    Damaged(String),
}

/// Counts of one report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) counts: BTreeMap<String, u64>,
    pub(super) groups: u64,
    pub(super) tests: u64,
    /// A digest of the parameters that does not depend on their order.
    parameters: [u8; 32],
}

impl Tally {
    /// Counts a result.
    pub(super) fn result(&mut self, status: Option<&str>) {
        let name = match status {
            None => WITHOUT_STATUS,
            Some(name) if self.counts.contains_key(name) => name,
            Some(name)
                if name.is_empty()
                    || name.len() > MAX_STATUS_BYTES
                    || name.contains(char::is_control)
                    || self.counts.len() >= MAX_STATUSES =>
            {
                OTHER_STATUS
            }
            Some(name) => name,
        };
        *self.counts.entry(name.to_owned()).or_default() += 1;
    }

    /// Takes note of a parameter of the run.
    pub(super) fn parameter(&mut self, key: &str, value: &str) {
        let mut pair = Sha256::new();
        pair.update((key.len() as u64).to_be_bytes());
        pair.update(key);
        pair.update(value);
        for (byte, other) in self.parameters.iter_mut().zip(pair.finalize()) {
            *byte ^= other;
        }
    }

    /// Whether enough was seen to call it a TCK report: a group with a test.
    pub(super) fn is_tck(&self) -> bool {
        self.groups > 0 && self.tests > 0
    }

    /// Whether both are of the same run of the kit, as far as one can tell. The kit's JSON leaves
    /// out groups and tests that were disabled while its XML has them, without results; so equal
    /// counts are enough.
    pub(super) fn is_same_run(&self, other: &Self) -> bool {
        self.parameters == other.parameters
            && (self.counts == other.counts
                || (self.groups, self.tests) == (other.groups, other.tests))
    }

    /// The statuses the kit does not have, with their counts.
    pub(super) fn unknown_statuses(&self) -> impl Iterator<Item = (&String, &u64)> {
        self.counts.iter().filter(|(name, _)| !KNOWN_STATUSES.contains(&name.as_str()))
    }

    /// The verdict on a text that ended well, or not.
    pub(super) fn verdict(&self, damage: Option<String>) -> Verdict {
        match damage {
            _ if !self.is_tck() => Verdict::Foreign,
            None => Verdict::Report,
            Some(damage) => Verdict::Damaged(damage),
        }
    }
}
