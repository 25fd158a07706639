//! Writing.

use std::ops::{Deref, DerefMut};

use crate::connection::RegistryConnection;
use crate::read::Reader;

/// A transaction that may write; it reads like a [`Reader`]. The changes are in the modules of
/// what they change.
pub struct Writer<'c> {
    reader: Reader<'c>,
}

impl<'c> Writer<'c> {
    pub(crate) const fn new(connection: &'c mut RegistryConnection) -> Self {
        Self { reader: Reader::new(connection) }
    }
}

impl<'c> Deref for Writer<'c> {
    type Target = Reader<'c>;

    fn deref(&self) -> &Reader<'c> {
        &self.reader
    }
}

impl<'c> DerefMut for Writer<'c> {
    fn deref_mut(&mut self) -> &mut Reader<'c> {
        &mut self.reader
    }
}
