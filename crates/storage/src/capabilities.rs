//! What a backend was seen to do.

use std::fmt;

/// What a probe found about one ability of a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It works.
    Works,
    /// It does not, and this is what was seen.
    Fails(String),
    /// It could not be found out, and this is why.
    Unknown(String),
}

impl Finding {
    /// Whether it was seen to fail.
    pub fn fails(&self) -> bool {
        matches!(self, Self::Fails(_))
    }

    /// Works if `true`, and fails for `reason` otherwise.
    pub(crate) fn of(works: bool, reason: &str) -> Self {
        if works { Self::Works } else { Self::Fails(reason.to_owned()) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Works => f.write_str("works"),
            Self::Fails(reason) => write!(f, "fails: {reason}"),
            Self::Unknown(reason) => write!(f, "unknown: {reason}"),
        }
    }
}

/// Whether something is set up at a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// It is, and this is what it means.
    On(String),
    /// It is not.
    Off,
    /// It could not be found out, and this is why.
    Unknown(String),
}

/// What a backend does and does not do, as [`Storage::probe`](crate::Storage::probe) saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Of an object that is put and read back at once, the same bytes come.
    pub read_after_write: Finding,
    /// Creating an object whose key is taken is refused, and the object stays.
    pub create_only: Finding,
    /// An object can be replaced, and the new bytes are read at once.
    pub overwrite: Finding,
    /// A range of an object delivers exactly its bytes.
    pub range_read: Finding,
    /// An object can be written in parts.
    pub multipart: Finding,
    /// Completing an object in parts whose key is taken is refused by the backend itself. Without
    /// it, the storage looks before it completes, and the registry keeps writers apart.
    pub multipart_create_only: Finding,
    /// An object is listed at once when it was put.
    pub list_after_put: Finding,
    /// A body that was changed on its way is refused.
    pub damage_refused: Finding,
    /// The backend's clock and ours are no more than a minute apart.
    pub clock: Finding,
    /// The backend's clock less ours, in milliseconds, if it shows its clock.
    pub clock_skew_millis: Option<i64>,
    /// An object can be deleted, and is gone at once.
    pub delete: Finding,
    /// Whether the bucket keeps older versions of its objects.
    pub versioning: Setting,
    /// Whether versions of objects are locked for a time.
    pub object_lock: Setting,
    /// Whether a rule of the bucket deletes objects of ours some day.
    pub expiry_rule: Setting,
    /// Whether a rule of the bucket removes the parts of uploads that were never finished.
    pub abort_rule: Setting,
    /// Whether the key may do more than the store needs.
    pub wide_rights: Setting,
}

impl Capabilities {
    /// Nothing is known, for this reason.
    pub(crate) fn unknown(reason: &str) -> Self {
        let unknown = || Finding::Unknown(reason.to_owned());
        Self {
            read_after_write: unknown(),
            create_only: unknown(),
            overwrite: unknown(),
            range_read: unknown(),
            multipart: unknown(),
            multipart_create_only: unknown(),
            list_after_put: unknown(),
            damage_refused: unknown(),
            clock: unknown(),
            clock_skew_millis: None,
            delete: unknown(),
            versioning: Setting::Unknown(reason.to_owned()),
            object_lock: Setting::Unknown(reason.to_owned()),
            expiry_rule: Setting::Unknown(reason.to_owned()),
            abort_rule: Setting::Unknown(reason.to_owned()),
            wide_rights: Setting::Unknown(reason.to_owned()),
        }
    }

    /// Every finding with its name, for a report.
    pub fn all(&self) -> [(&'static str, &Finding); 10] {
        [
            ("read after write", &self.read_after_write),
            ("create-only put", &self.create_only),
            ("overwrite", &self.overwrite),
            ("range read", &self.range_read),
            ("multipart", &self.multipart),
            ("create-only multipart", &self.multipart_create_only),
            ("list after put", &self.list_after_put),
            ("damage refused", &self.damage_refused),
            ("clock", &self.clock),
            ("delete", &self.delete),
        ]
    }

    /// Every setting with its name, for a report.
    pub fn settings(&self) -> [(&'static str, &Setting); 5] {
        [
            ("versioning", &self.versioning),
            ("object lock", &self.object_lock),
            ("expiry rule", &self.expiry_rule),
            ("abort rule", &self.abort_rule),
            ("wide rights", &self.wide_rights),
        ]
    }

    /// Why evidence must not be given to this backend: it was seen to lose or to overwrite bytes,
    /// or is set up to delete them.
    /// That `multipart_create_only` fails is not a reason, as something else stands in for it.
    pub fn unsafe_reason(&self) -> Option<String> {
        [
            ("an object is not read back as it was written", &self.read_after_write),
            ("creating an object overwrites one that is there", &self.create_only),
            ("an object that was replaced is not read back as it was written", &self.overwrite),
            ("a range of an object delivers other bytes", &self.range_read),
            ("an object cannot be written in parts", &self.multipart),
            ("an object that was written is not listed", &self.list_after_put),
            ("a body that was changed on its way is stored", &self.damage_refused),
        ]
        .into_iter()
        .find_map(|(what, finding)| match finding {
            Finding::Fails(reason) => Some(format!("{what} ({reason})")),
            Finding::Works | Finding::Unknown(_) => None,
        })
        .or_else(|| match &self.expiry_rule {
            Setting::On(rule) => Some(format!("the bucket deletes what it has ({rule})")),
            Setting::Off | Setting::Unknown(_) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_loses_bytes_is_unsafe() {
        let mut seen = Capabilities::unknown("not tried");
        assert_eq!(seen.unsafe_reason(), None);
        seen.multipart_create_only = Finding::Fails("overwritten".to_owned());
        seen.clock = Finding::Fails("an hour late".to_owned());
        assert_eq!(seen.unsafe_reason(), None);
        seen.create_only = Finding::Fails("the second put was accepted".to_owned());
        let reason = seen.unsafe_reason().unwrap();
        assert!(reason.contains("overwrites") && reason.contains("second put"), "{reason}");
        seen.create_only = Finding::Works;
        seen.versioning = Setting::On("deleted bytes stay".to_owned());
        assert_eq!(seen.unsafe_reason(), None);
        seen.expiry_rule = Setting::On("after 30 days".to_owned());
        let reason = seen.unsafe_reason().unwrap();
        assert!(reason.contains("deletes") && reason.contains("30 days"), "{reason}");
    }
}
