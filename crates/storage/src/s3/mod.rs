//! A storage in an S3 bucket.
//!
//! | module | holds |
//! | --- | --- |
//! | `options` | [`S3Options`], where the bucket is and how it is entered |
//! | `connection` | how requests leave this process: one TLS provider, and one header more |
//! | `open` | from options to a bucket with a marker, and what is wrong if that fails |
//! | `bucket` | [`Bucket`], the trait `ObjectStore` below a prefix |
//! | `multipart` | objects in parts, which look whether the key is taken |
//! | `list` | the names of packages, page by page |
//! | `answer` | what an answer of the gateway means |
//! | `probe` | what the gateway does and does not do |
//! | `settings` | how the bucket is set up: versions, locks, rules, rights |
//!
//! # What keeps an object from being overwritten
//!
//! A whole object is put with `If-None-Match: *`, which Amazon and Ceph 16 honour: one request
//! decides. An object in parts is completed with the same header, which Amazon honours and Ceph 16
//! ignores; it would overwrite silently. So the key is looked up just before. Between the look and
//! the completion another writer may take the key, for as long as the completion takes, and then
//! the last one wins. What really keeps two writers apart is the registry: it gives a key to one
//! upload at a time. This is the second line, not the first.
//!
//! A create that is repeated because its answer was lost may find what it wrote itself, and then
//! says that the key is taken. Whoever holds the key in the registry may delete and write again.
//!
//! # What keeps bytes from changing on the way
//!
//! Every put and every part is signed together with its SHA-256 (`x-amz-content-sha256`), and the
//! gateway refuses a body that does not match. `x-amz-checksum-sha256` is not sent: Ceph 16
//! accepts a wrong one, so it would promise what it does not keep. The probe sends a damaged body
//! to see that it is refused.
//!
//! # What is left behind
//!
//! A process that dies leaves the parts of uploads that it had begun, and an upload whose beginning
//! was answered to nobody stays, without parts. No listing shows them as objects. Let the bucket
//! have a rule that aborts incomplete uploads after a week, and no rule that expires objects.

mod answer;
mod bucket;
mod connection;
mod list;
mod multipart;
mod open;
mod options;
mod probe;
mod settings;

pub(crate) use answer::meaning;
pub(crate) use bucket::{Bucket, BucketStore};
pub(crate) use open::{open, open_any};
pub use options::{S3Options, Secret, WrongS3Url, parse_s3_url};
pub(crate) use probe::probe;

use crate::crowd::Limits;

/// How much the writers of a bucket may have in memory.
///
/// A part has 5 MiB at least, or gateways refuse it, so 64 writers that collect one each would
/// need 320 MiB. So a writer that has more than 256 KiB takes its part's size out of a budget of
/// 40 MiB, and waits when there is none: that is eight parts of 5 MiB in a crowd, or five of 8 MiB
/// of a few writers, collected or on their way. 64 writers have 40 MiB + 64 * 256 KiB = 56 MiB at
/// most. The price: clients that are slow in the middle of a part keep their share of the budget
/// until the part is full or they are given up.
pub(crate) const LIMITS: Limits = Limits {
    largest_part: 8 << 20,
    least_part: 5 << 20,
    step: 1 << 20,
    collected: 32 << 20,
    in_flight: 4,
    free: 256 << 10,
    budget: Some(40 << 20),
    // S3 has at most 10,000 parts in an object. With this growth the parts are 40 MiB in the end,
    // and an object has up to 290 GiB.
    parts_before_growth: 1000,
};
