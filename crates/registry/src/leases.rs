//! Which of several processes does the work of the background that one is enough for.

use std::time::Duration;

use artifact_domain::Timestamp;
use diesel::prelude::*;

use crate::connection::on_backend;
use crate::error::RegistryError;
use crate::packages::column;
use crate::schema::leases;
use crate::write::Writer;
use crate::writers::WriterId;

impl Writer<'_> {
    /// Takes the lease of a task, or renews it, until `term` after `now`; `false` if another
    /// process has it. A lease that has ended is anybody's.
    ///
    /// Times are those of the processes, so clocks that differ may let two of them hold a lease
    /// for that long: what it is for has to bear that. A lease that would last for longer than
    /// `term` is nobody's work but a clock's that stood ahead, and is taken as ended.
    pub fn take_lease(
        &mut self,
        task: &str,
        holder: WriterId,
        now: Timestamp,
        term: Duration,
    ) -> Result<bool, RegistryError> {
        let url = self.url;
        let failed = |error| RegistryError::query(url, "take a lease", error);
        // Whoever finds no row is about to make it, so a lock on the row would not do.
        self.connection.lock_name(&format!("lease {task}")).map_err(failed)?;
        let present: Option<(i64, i64)> = leases::table
            .find(task)
            .select((leases::holder, leases::expires_at))
            .first(self.connection)
            .optional()
            .map_err(failed)?;
        let term = i64::try_from(term.as_micros()).unwrap_or(i64::MAX);
        let end = now.unix_micros().saturating_add(term);
        if present.is_some_and(|(present, expires_at)| {
            present != holder.0 && expires_at > now.unix_micros() && expires_at <= end
        }) {
            return Ok(false);
        }
        // Checks that the sum is a time that can be read again.
        column("lease", task, "expires_at", Timestamp::from_unix_micros(end))?;
        let held = (leases::holder.eq(holder.0), leases::expires_at.eq(end));
        on_backend!(self.connection, |c| diesel::insert_into(leases::table)
            .values((leases::task.eq(task), held))
            .on_conflict(leases::task)
            .do_update()
            .set(held)
            .execute(c))
        .map_err(failed)?;
        Ok(true)
    }

    /// Who has the lease of a task, ended or not; who asks keeps others from it until the end of
    /// this transaction.
    pub fn lease_holder(&mut self, task: &str) -> Result<Option<WriterId>, RegistryError> {
        let url = self.url;
        let failed = |error| RegistryError::query(url, "look up a lease", error);
        self.connection.lock_name(&format!("lease {task}")).map_err(failed)?;
        let holder: Option<i64> = leases::table
            .find(task)
            .select(leases::holder)
            .first(self.connection)
            .optional()
            .map_err(failed)?;
        Ok(holder.map(WriterId))
    }

    /// Gives a lease back before it ends; that of another holder stays.
    pub fn release_lease(&mut self, task: &str, holder: WriterId) -> Result<(), RegistryError> {
        diesel::delete(leases::table.find(task).filter(leases::holder.eq(holder.0)))
            .execute(self.connection)
            .map(|_| ())
            .map_err(|error| RegistryError::query(self.url, "give a lease back", error))
    }
}
