//! What this registry knows of the time.

use artifact_domain::Timestamp;
use artifact_domain::retention::ClockRecord;
use diesel::prelude::*;

use crate::connection::on_backend;
use crate::error::RegistryError;
use crate::packages::column;
use crate::read::Reader;
use crate::schema::clock;
use crate::write::Writer;

/// The id of the one row.
const ROW: i64 = 1;

impl Reader<'_> {
    /// The latest time that was seen and trusted; `None` before the first.
    ///
    /// A transaction that decides by it keeps others from the clock until it ends. It asks the
    /// clock before any package: two transactions that lock both in the same order never wait for
    /// each other.
    pub fn clock(&mut self) -> Result<Option<ClockRecord>, RegistryError> {
        let url = self.url;
        let failed = |error| RegistryError::query(url, "look up the clock", error);
        if self.decides {
            // Whoever finds no row is about to make it, so a lock on the row would not do.
            self.connection.lock_name("clock").map_err(failed)?;
        }
        let row: Option<(i64, Option<i64>)> = clock::table
            .find(ROW)
            .select((clock::seen_at, clock::suspended_at))
            .first(self.connection)
            .optional()
            .map_err(failed)?;
        row.map(|(seen_at, suspended_at)| {
            let time = |name: &str, micros: i64| {
                column("clock", &ROW.to_string(), name, Timestamp::from_unix_micros(micros))
            };
            Ok(ClockRecord {
                seen_at: time("seen_at", seen_at)?,
                suspended_at: suspended_at.map(|at| time("suspended_at", at)).transpose()?,
            })
        })
        .transpose()
    }
}

impl Writer<'_> {
    /// Records what is known of the time now. The caller has read the clock in this transaction.
    pub fn set_clock(&mut self, record: ClockRecord) -> Result<(), RegistryError> {
        let known = (
            clock::seen_at.eq(record.seen_at.unix_micros()),
            clock::suspended_at.eq(record.suspended_at.map(Timestamp::unix_micros)),
        );
        on_backend!(self.connection, |c| diesel::insert_into(clock::table)
            .values((clock::id.eq(ROW), known))
            .on_conflict(clock::id)
            .do_update()
            .set(known)
            .execute(c))
        .map(|_| ())
        .map_err(|error| RegistryError::query(self.url, "record the clock", error))
    }
}
