//! Writing.

use std::ops::{Deref, DerefMut};

use crate::connection::RegistryConnection;
use crate::read::Reader;
use crate::url::DatabaseUrl;

/// A transaction that may write; it reads like a [`Reader`]. The changes are in the modules of
/// what they change.
pub struct Writer<'c> {
    reader: Reader<'c>,
}

impl<'c> Writer<'c> {
    pub(crate) const fn new(connection: &'c mut RegistryConnection, url: &'c DatabaseUrl) -> Self {
        Self { reader: Reader { connection, url, decides: true } }
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
