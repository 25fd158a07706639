//! Reading.

use crate::connection::RegistryConnection;

/// A connection that is used to read. The queries are in the modules of what they read.
pub struct Reader<'c> {
    pub(crate) connection: &'c mut RegistryConnection,
}

impl<'c> Reader<'c> {
    pub(crate) const fn new(connection: &'c mut RegistryConnection) -> Self {
        Self { connection }
    }
}
