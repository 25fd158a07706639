//! Reading.

use crate::connection::RegistryConnection;
use crate::url::DatabaseUrl;

/// A connection that is used to read. The queries are in the modules of what they read.
pub struct Reader<'c> {
    pub(crate) connection: &'c mut RegistryConnection,
    /// For errors.
    pub(crate) url: &'c DatabaseUrl,
    /// Whether what is read will be decided by, in a transaction that writes. SQLite has one
    /// writer at a time. PostgreSQL has many, and what one of them looks at before it decides has
    /// to stay as it is until its transaction ends: so a package that is read is locked, and so
    /// is a key that is looked for.
    pub(crate) decides: bool,
}

impl<'c> Reader<'c> {
    pub(crate) const fn new(connection: &'c mut RegistryConnection, url: &'c DatabaseUrl) -> Self {
        Self { connection, url, decides: false }
    }
}
