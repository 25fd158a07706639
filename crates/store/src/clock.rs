//! The clock and the boot: the two facts of this machine that the store records.

use artifact_domain::Timestamp;
use time::OffsetDateTime;

/// The time now, cut to microseconds. A clock that stands before 1970 is taken for 1970.
pub(crate) fn now() -> Timestamp {
    Timestamp::try_from(OffsetDateTime::now_utc())
        .or_else(|_| Timestamp::from_unix_micros(0))
        .unwrap_or_else(|_| unreachable!("zero lies in the range of a timestamp"))
}

/// Names the present boot of the kernel. Bytes that were written in another boot and not synced
/// may be gone, whatever the registry says.
///
/// Where the kernel tells nothing, each process counts as a boot of its own: files are then
/// hashed again more often than needed, and never too rarely.
pub(crate) fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map_or_else(
        |_| format!("process {} at {}", std::process::id(), now()),
        |id| id.trim().to_owned(),
    )
}
