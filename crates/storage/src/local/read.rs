//! Reading an object in chunks.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, GetResult, GetResultPayload, ObjectMeta};
use rustix::buffer::spare_capacity;
use rustix::fs::{AtFlags, FileType, OFlags, Stat, fstat, statat};
use rustix::io::Errno;
use tokio::task::{JoinHandle, spawn_blocking};

use super::dir::split;
use super::{Folder, facts};
use crate::StorageError;

/// The bytes that are read at once. One chunk more is read while the last one is in use.
const CHUNK: usize = 512 * 1024;

/// An object that was opened, and as much of it as one chunk holds.
pub(crate) struct Opened {
    file: File,
    meta: ObjectMeta,
    range: Range<u64>,
    first: Bytes,
}

impl Folder {
    /// What is known of an object, without opening it.
    pub(crate) fn head(&self, key: &Path) -> Result<ObjectMeta, StorageError> {
        let (parent, name) = split(key.as_ref());
        let stat = self
            .root
            .folder(parent)
            .and_then(|folder| statat(folder, name, AtFlags::SYMLINK_NOFOLLOW))
            .map_err(|error| self.unreadable(key, error))?;
        self.check_regular(key, &stat)?;
        Ok(facts::meta(key.clone(), &stat))
    }

    /// Opens an object and reads its first chunk: a small object is one task on one thread.
    pub(crate) fn open_object(
        &self,
        key: &Path,
        options: &GetOptions,
    ) -> Result<Opened, StorageError> {
        // Not to block on a pipe that somebody planted.
        let opened = self.root.open_at(key.as_ref(), OFlags::RDONLY | OFlags::NONBLOCK);
        let file = opened.map_err(|error| self.unreadable(key, error))?;
        let failed =
            |error: io::Error| StorageError::io("read", self.root.shown(key.as_ref()), error);
        let stat = fstat(&file).map_err(|error| failed(error.into()))?;
        self.check_regular(key, &stat)?;
        let size = facts::size(&stat);
        let range = match &options.range {
            None => 0..size,
            Some(range) => range.as_range(size).map_err(|_| outside(key.as_ref(), range, size))?,
        };
        let file = File::from(file);
        let first = read_chunk(&file, &range).map_err(failed)?;
        Ok(Opened { file, meta: facts::meta(key.clone(), &stat), range, first })
    }

    fn check_regular(&self, key: &Path, stat: &Stat) -> Result<(), StorageError> {
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(()),
            // As elsewhere: `a` is no object because there is an object `a/b`.
            FileType::Directory => Err(self.unreadable(key, Errno::NOENT)),
            FileType::Symlink => Err(self.unreadable(key, Errno::LOOP)),
            _ => Err(StorageError::Obstructed {
                operation: "read",
                path: self.root.shown(key.as_ref()),
                found: "a pipe, a socket or a device",
            }),
        }
    }

    fn unreadable(&self, key: &Path, error: Errno) -> StorageError {
        match self.root.explain("read", key.as_ref(), error) {
            // A file or folder in the way means that there is no such object.
            StorageError::Obstructed { operation, .. } => {
                StorageError::NotFound { operation, key: key.as_ref().to_owned() }
            }
            // What `open` says of a socket.
            _ if error == Errno::NXIO => StorageError::Obstructed {
                operation: "read",
                path: self.root.shown(key.as_ref()),
                found: "a pipe, a socket or a device",
            },
            explained => explained,
        }
    }
}

impl Opened {
    /// The object as the trait delivers it. A file that became shorter ends the stream early;
    /// `ObjectReader` counts the bytes and makes an error of it.
    pub(crate) fn into_result(self) -> GetResult {
        let Self { file, meta, range, first } = self;
        let rest = range.start + first.len() as u64..range.end;
        let payload: BoxStream<'static, _> = if rest.is_empty() || first.is_empty() {
            stream::iter((!first.is_empty()).then_some(Ok(first))).boxed()
        } else {
            let rest = Rest::begin(Arc::new(file), rest);
            stream::once(async { Ok(first) }).chain(rest.into_stream()).boxed()
        };
        GetResult {
            payload: GetResultPayload::Stream(payload),
            meta,
            range,
            attributes: object_store::Attributes::new(),
            extensions: object_store::Extensions::new(),
        }
    }
}

/// What comes after the first chunk: always one chunk ahead of who reads it.
struct Rest {
    file: Arc<File>,
    /// What comes after `ahead`.
    range: Range<u64>,
    ahead: JoinHandle<io::Result<Bytes>>,
}

impl Rest {
    fn begin(file: Arc<File>, range: Range<u64>) -> Self {
        let (reader, ahead) = (Arc::clone(&file), range.clone());
        let next = range.end.min(range.start + CHUNK as u64);
        let ahead = spawn_blocking(move || read_chunk(&reader, &ahead));
        Self { file, range: next..range.end, ahead }
    }

    fn into_stream(self) -> impl futures::Stream<Item = object_store::Result<Bytes>> {
        stream::unfold(Some(self), |state| async move {
            let Self { file, range, ahead } = state?;
            let failed = |source: Box<dyn std::error::Error + Send + Sync>| {
                Some((Err(object_store::Error::Generic { store: "local", source }), None))
            };
            match ahead.await {
                Ok(Ok(chunk)) if chunk.is_empty() => None,
                Ok(Ok(chunk)) => {
                    let rest = (!range.is_empty()).then(|| Self::begin(file, range));
                    Some((Ok(chunk), rest))
                }
                Ok(Err(error)) => failed(error.into()),
                Err(lost) => failed(lost.into()),
            }
        })
    }
}

/// One chunk from the beginning of `range`; shorter only where the file ends.
fn read_chunk(file: &File, range: &Range<u64>) -> io::Result<Bytes> {
    let len = usize::try_from(range.end - range.start).unwrap_or(CHUNK).min(CHUNK);
    let mut chunk = Vec::with_capacity(len);
    while chunk.len() < len {
        let at = range.start + chunk.len() as u64;
        match rustix::io::pread(file, spare_capacity(&mut chunk), at) {
            Ok(0) => break,
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    chunk.truncate(len);
    Ok(chunk.into())
}

/// That a range does not begin in the object.
fn outside(key: &str, range: &GetRange, size: u64) -> StorageError {
    let (start, end) = match range {
        GetRange::Bounded(range) => (range.start, range.end),
        GetRange::Offset(start) => (*start, size),
        GetRange::Suffix(len) => (size.saturating_sub(*len), size),
    };
    StorageError::RangeNotSatisfiable { key: key.to_owned(), start, end, size }
}
