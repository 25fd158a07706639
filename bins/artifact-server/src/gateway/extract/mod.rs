//! What handlers take out of a request, each strictly: what is not understood is refused, never
//! ignored.

mod body;
mod digest;
mod json;
mod path;
mod query;

pub(crate) use body::{Body, Crowd, content_length, identity_coding};
pub(crate) use digest::announced_sha256;
pub(crate) use json::{Json, OptionalJson};
pub(crate) use path::{ClassPath, FilePath, HoldPath, PackagePath};
pub(crate) use query::{NoQuery, Query};
