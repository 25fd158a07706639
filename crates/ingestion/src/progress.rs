//! How far something is.

/// Told how far an ingest, a download or a verification is. Called from several tasks at once.
pub trait Progress: Send + Sync {
    /// A part of the work begins that has so many files and bytes.
    fn begin(&self, what: &'static str, files: u64, bytes: u64);

    /// So many more bytes were read.
    fn bytes(&self, bytes: u64);

    /// One more file is done.
    fn file(&self);

    /// The part that was begun has ended.
    fn end(&self);
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn begin(&self, _: &'static str, _: u64, _: u64) {}
    fn bytes(&self, _: u64) {}
    fn file(&self) {}
    fn end(&self) {}
}
