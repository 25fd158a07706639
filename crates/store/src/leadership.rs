//! Which of several processes does the work of the background.
//!
//! The work bears being done twice: a process that hangs may wake up after another one has taken
//! over. One leader saves the work of many, it does not make the work correct.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use artifact_registry::Durability;
use artifact_registry::writers::WriterId;
use artifact_storage::Liveness;

use crate::clock;
use crate::error::StoreError;
use crate::open::{ArtifactStore, Parts};

/// The lease's name in the registry.
const TASK: &str = "tend";

/// For how long a process leads that says nothing more. A dead one is followed after that.
const TERM: Duration = Duration::from_secs(30);

/// How often whoever leads, or wants to, asks: a leader has two more tries when one fails.
pub const LEADERSHIP_ASKED_EVERY: Duration = Duration::from_secs(10);

/// Since when this process has led, as it was last told.
#[derive(Debug, Default)]
pub(crate) struct Leadership(Mutex<Option<Instant>>);

impl Leadership {
    fn set(&self, since: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    fn holds(&self) -> bool {
        let since = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        since.is_some_and(|since| since.elapsed() < TERM)
    }
}

/// Takes or renews the lease of a task. That of a process that is known to be dead is free at once;
/// where nobody can know, it has to end.
pub(crate) fn take_lease(
    parts: &Parts,
    task: &str,
    holder: WriterId,
    term: Duration,
) -> Result<bool, StoreError> {
    // A lease that is lost with a machine is one that ended.
    parts.registry.write(Durability::Relaxed, |writer| {
        if let Some(present) = writer.lease_holder(task)?
            && parts.storage.writer_liveness(present.0) == Liveness::Dead
        {
            writer.release_lease(task, present)?;
        }
        Ok(writer.take_lease(task, holder, clock::now(), term)?)
    })
}

impl ArtifactStore {
    /// Asks to be the one of all processes on this registry that [tends](Self::tend) the store, or
    /// to go on as such, for the next half minute. To be asked every [`LEADERSHIP_ASKED_EVERY`].
    ///
    /// # Errors
    /// The registry does not answer, or the store was opened to read only.
    pub async fn lead(&self) -> Result<bool, StoreError> {
        let holder = self.ledger()?.writer();
        let asked = Instant::now();
        let leads = self.run(move |parts| take_lease(parts, TASK, holder, TERM)).await?;
        let led = self.leads();
        self.parts.leadership.set(leads.then_some(asked));
        if led != leads {
            tracing::info!(leads, "whether this process does the work of the background");
        }
        Ok(leads)
    }

    /// Whether this process was the leader when it last asked, and that is not too long ago.
    pub fn leads(&self) -> bool {
        self.parts.leadership.holds()
    }

    /// Lets another process lead at once, before this one ends.
    ///
    /// # Errors
    /// The registry does not answer: then another one leads after half a minute.
    pub async fn resign(&self) -> Result<(), StoreError> {
        if !self.leads() {
            return Ok(());
        }
        let holder = self.ledger()?.writer();
        self.parts.leadership.set(None);
        self.run(move |parts| {
            parts.registry.write(Durability::Relaxed, |writer| writer.release_lease(TASK, holder))
        })
        .await
    }
}
