//! One move at a time: what one has copied another would take for a stray.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use artifact_registry::Durability;
use tokio::task::JoinHandle;

use crate::error::StoreError;
use crate::leadership::take_lease;
use crate::open::ArtifactStore;

/// The lease's name in the registry.
const TASK: &str = "move";

/// For how long a move has its turn that says nothing more.
const TERM: Duration = Duration::from_secs(15);

/// For how long after it was given a turn is acted on: what is begun then ends before it does.
const TRUSTED: Duration = Duration::from_secs(10);

/// How often it says something.
const RENEWED_EVERY: Duration = Duration::from_secs(3);

/// The turn of a move, renewed until it is dropped.
pub(super) struct Turn {
    renewed: Arc<Mutex<Instant>>,
    renewing: JoinHandle<()>,
    url: String,
}

impl Turn {
    /// Waits for the turn: an earlier move that was cut off has it for some seconds longer.
    pub(super) async fn take(store: &ArtifactStore, url: &str) -> Result<Self, StoreError> {
        let holder = store.ledger()?.writer();
        let begun = Instant::now();
        let asked = loop {
            let asked = Instant::now();
            if store.run(move |parts| take_lease(parts, TASK, holder, TERM)).await? {
                break asked;
            }
            if begun.elapsed() > TERM + RENEWED_EVERY {
                return Err(refuse(url, "another process is moving them: let it end"));
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        };
        let renewed = Arc::new(Mutex::new(asked));
        let (store, at) = (store.clone(), Arc::clone(&renewed));
        let renewing = tokio::spawn(async move {
            loop {
                tokio::time::sleep(RENEWED_EVERY).await;
                let asked = Instant::now();
                let taken = store.run(move |parts| take_lease(parts, TASK, holder, TERM)).await;
                match taken {
                    Ok(true) => *at.lock().unwrap_or_else(PoisonError::into_inner) = asked,
                    Ok(false) => return,
                    Err(error) => tracing::warn!(%error, "the turn to move is asked for again"),
                }
            }
        });
        Ok(Self { renewed, renewing, url: url.to_owned() })
    }

    /// Refuses to go on if another move may have begun.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let renewed = *self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        if renewed.elapsed() < TRUSTED {
            return Ok(());
        }
        let reason =
            "the registry did not answer for too long: move again, what was copied stays copied";
        Err(refuse(&self.url, reason))
    }

    /// Lets another move begin at once.
    pub(super) async fn end(self, store: &ArtifactStore) {
        self.renewing.abort();
        let Ok(holder) = store.ledger().map(crate::ledger::Ledger::writer) else { return };
        // The home may have moved, and this process with it out of it.
        let given_back = store
            .run(move |parts| {
                let registry = parts.registry.clone().wherever_home_is();
                registry.write(Durability::Relaxed, |writer| writer.release_lease(TASK, holder))
            })
            .await;
        if let Err(error) = given_back {
            tracing::warn!(%error, "the next move waits for some seconds");
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

pub(super) fn refuse(url: &str, reason: &str) -> StoreError {
    StoreError::CannotMove { url: url.to_owned(), reason: reason.to_owned() }
}
