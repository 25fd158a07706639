//! Reading an object: a stream that is complete or ends in an error.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};

use crate::{ObjectFacts, StorageError};

/// The bytes of an object or of a range of it, with what is known of the object.
pub struct ObjectReader {
    /// The object as it was when it was opened. Its size is the whole object's, also for a range.
    pub facts: ObjectFacts,
    /// The bytes, in chunks of at most 1 MiB. It delivers exactly the bytes that were asked for,
    /// or its last item is an error.
    pub stream: BoxStream<'static, Result<Bytes, StorageError>>,
}

impl ObjectReader {
    /// A reader of no bytes at all.
    pub(crate) fn empty(facts: ObjectFacts) -> Self {
        Self { facts, stream: stream::empty().boxed() }
    }

    /// A reader of `range` from a backend's stream. The length is checked here once for every
    /// backend: a backend may end its stream early when an object turns out to be cut.
    pub(crate) fn checked(
        facts: ObjectFacts,
        range: &Range<u64>,
        chunks: BoxStream<'static, object_store::Result<Bytes>>,
    ) -> Self {
        let state = Some(Checked {
            chunks,
            key: facts.key.clone(),
            expected: range.end - range.start,
            received: 0,
        });
        let stream = stream::unfold(state, |state| async move { state?.next().await }).boxed();
        Self { facts, stream }
    }
}

struct Checked {
    chunks: BoxStream<'static, object_store::Result<Bytes>>,
    key: String,
    expected: u64,
    received: u64,
}

impl Checked {
    /// The next item and, unless it is an error, what comes after it.
    async fn next(mut self) -> Option<(Result<Bytes, StorageError>, Option<Self>)> {
        let error = match self.chunks.next().await {
            Some(Ok(chunk)) => {
                self.received += chunk.len() as u64;
                if self.received <= self.expected {
                    return Some((Ok(chunk), Some(self)));
                }
                let excess = format!("{} bytes more than asked for", self.received - self.expected);
                StorageError::unavailable("read", self.key, excess)
            }
            Some(Err(error)) => StorageError::from_object_store("read", &self.key, error),
            None if self.received == self.expected => return None,
            None => StorageError::Truncated {
                key: self.key,
                expected: self.expected,
                received: self.received,
            },
        };
        Some((Err(error), None))
    }
}

impl fmt::Debug for ObjectReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectReader").field("facts", &self.facts).finish_non_exhaustive()
    }
}
