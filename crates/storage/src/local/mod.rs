//! A storage in a local folder: our own implementation of the trait `ObjectStore`.
//!
//! The crate's own `LocalFileSystem` is not fit for evidence: it follows symlinks out of the
//! root, refuses names that end in `#<digits>`, stages uploads inside the destination folder,
//! completes a multipart upload by a rename that overwrites, and syncs each write or none.
//!
//! | module | holds |
//! | --- | --- |
//! | `folder` | [`Folder`], what the operations share, and how it is opened |
//! | `store` | [`LocalFolder`], the trait: each method is one task on a blocking thread |
//! | `dir` | the root and how a key is reached from it without following symlinks |
//! | `staging`, `lock` | writers, what they have not published yet, and how they prove to live |
//! | `identity` | the marker, made once |
//! | `put`, `multipart`, `aligned` | writing: whole, or in parts past the page cache |
//! | `read`, `list`, `delete` | what their names say |
//! | `sync` | durability of a package |
//! | `facts` | from a file's status to an object's facts |

mod aligned;
mod delete;
mod dir;
mod facts;
mod folder;
mod identity;
mod list;
mod lock;
mod multipart;
mod put;
mod read;
mod staging;
mod store;
mod sync;

pub(crate) use facts::url;
pub(crate) use folder::Folder;
pub(crate) use list::package_names;
pub(crate) use put::put_new;
pub(crate) use store::LocalFolder;

use crate::crowd::Limits;

/// How much the writers of a folder may have in memory: parts become small in a crowd.
pub(crate) const LIMITS: Limits = Limits {
    largest_part: multipart::PART_BYTES,
    least_part: 64 << 10,
    step: 64 << 10,
    collected: 2 << 20,
    in_flight: 4,
    free: multipart::PART_BYTES,
    budget: None,
    parts_before_growth: usize::MAX,
};
