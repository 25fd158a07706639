//! Whether the parts of a store answer.

use std::io;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use artifact_domain::wire::ClockView;
use artifact_registry::{Registry, RegistryError};
use artifact_storage::{Capabilities, Storage, StorageError};
use tokio::sync::Mutex;

use crate::clock;
use crate::clock_guard;
use crate::error::StoreError;
use crate::open::{ArtifactStore, Parts, StorageLocation, StoreOptions, blocking};

/// How long a part may take to answer. A part that needs longer is of no use to an upload either.
const PATIENCE: Duration = Duration::from_secs(5);

/// How a store is.
#[derive(Debug)]
pub struct Health {
    /// Whether the registry answers a query.
    pub registry: PartHealth,
    /// Whether the storage takes, gives back and deletes one small object.
    pub storage: PartHealth,
    /// What the last [probe](ArtifactStore::probe) of this process saw the storage do; `None` before the
    /// first.
    pub capabilities: Option<Capabilities>,
    /// What the guard of the clock says; `None` if the registry does not answer.
    pub clock: Option<ClockView>,
}

/// How one part of a store is.
#[derive(Debug)]
pub struct PartHealth {
    /// The kind of part: `sqlite` or `postgres`, `local`.
    pub backend: &'static str,
    /// How long it took to answer, or until that was given up: 5 seconds at most.
    pub latency: Duration,
    /// What is wrong with it; `None` if it works.
    pub problem: Option<StoreError>,
}

/// One probe of each part at a time. A part that hangs keeps one thread busy and not one more
/// with each look.
#[derive(Debug, Default)]
pub(crate) struct Probes {
    registry: Arc<Mutex<()>>,
    storage: Arc<Mutex<()>>,
    capabilities: std::sync::Mutex<Option<Capabilities>>,
}

impl Probes {
    fn capabilities(&self) -> MutexGuard<'_, Option<Capabilities>> {
        self.capabilities.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Health {
    /// Whether everything works. A clock that is not trusted stops deleting and nothing else.
    pub const fn is_good(&self) -> bool {
        self.registry.problem.is_none() && self.storage.problem.is_none()
    }
}

impl ArtifactStore {
    /// Looks whether registry and storage work, by using them. Answers within about 5 seconds,
    /// also when a part does not.
    ///
    /// The storage probe writes, so a store that was opened to read reports that as its problem.
    pub async fn health(&self) -> Health {
        let ((registry, clock), storage) =
            futures::join!(self.registry_health(), self.storage_health());
        let capabilities = self.parts.probes.capabilities().clone();
        Health { registry, storage, capabilities, clock }
    }

    /// Tries out what the storage does and does not do, with small objects that are deleted again.
    /// It takes some seconds on a slow gateway. [`Health`] shows what was seen from then on.
    ///
    /// # Errors
    /// The store was opened to read only.
    pub async fn probe(&self) -> Result<Capabilities, StoreError> {
        self.ledger()?;
        let seen = self.parts.storage.probe().await;
        *self.parts.probes.capabilities() = Some(seen.clone());
        Ok(seen)
    }

    /// Tries out the bucket of a store that is to be made: what [`probe`](Self::probe) sees, before
    /// anything is made. `None` where there is a registry already, or where bytes are to lie in a
    /// folder, which is made of what this program brings along.
    ///
    /// # Errors
    /// The database or the bucket does not answer, or a setting is wrong.
    pub async fn probe_new(options: &StoreOptions) -> Result<Option<Capabilities>, StoreError> {
        let StorageLocation::S3(bucket) = &options.storage else { return Ok(None) };
        let (url, connections) = (options.database.clone(), options.connections);
        if !blocking(move || Registry::is_new(&url, &connections)).await? {
            return Ok(None);
        }
        Ok(Some(Storage::probe_s3(bucket).await?))
    }

    /// Where the registry is, without any password.
    pub fn registry_url(&self) -> String {
        self.parts.registry.url().to_string()
    }

    /// Where the storage is.
    pub fn storage_url(&self) -> String {
        self.parts.storage.url().to_owned()
    }

    async fn registry_health(&self) -> (PartHealth, Option<ClockView>) {
        let begun = Instant::now();
        let backend = self.parts.registry.url().backend();
        let parts = Arc::clone(&self.parts);
        let probe = async move {
            let turn = Arc::clone(&parts.probes.registry).lock_owned().await;
            blocking(move || {
                let _turn = turn;
                // A table of a few rows, whatever is stored; a query without a table would not
                // even look at the file of SQLite.
                let home = parts.storage.id();
                parts.registry.read(|reader| {
                    reader.check_home(home)?;
                    clock_guard::look(reader, parts.clock_tolerance, clock::now())
                })
            })
            .await
        };
        let probed = tokio::time::timeout(PATIENCE, probe)
            .await
            .unwrap_or_else(|_| Err(RegistryError::NoConnection { reason: no_answer() }.into()));
        let (clock, problem) = match probed {
            Ok(guarded) => (Some(guarded.view()), None),
            Err(error) => (None, Some(error)),
        };
        (PartHealth { backend, latency: begun.elapsed(), problem }, clock)
    }

    async fn storage_health(&self) -> PartHealth {
        let begun = Instant::now();
        let storage = &self.parts.storage;
        let probe = async {
            self.ledger()?;
            let turn = Arc::clone(&self.parts.probes.storage).lock_owned().await;
            let probed = tokio::spawn(probe_storage(Arc::clone(&self.parts), turn)).await;
            probed.unwrap_or_else(|error| Err(StoreError::Stopped(error.to_string())))
        };
        let problem = tokio::time::timeout(PATIENCE, probe).await.unwrap_or_else(|_| {
            Err(StorageError::Unavailable {
                operation: "probe",
                path: storage.url().to_owned(),
                source: io::Error::new(io::ErrorKind::TimedOut, no_answer()),
            }
            .into())
        });
        PartHealth { backend: storage.backend(), latency: begun.elapsed(), problem: problem.err() }
    }
}

/// Probes the storage to its end, whoever waits for it: the object that it wrote is deleted again.
async fn probe_storage(
    parts: Arc<Parts>,
    turn: tokio::sync::OwnedMutexGuard<()>,
) -> Result<(), StoreError> {
    let _turn = turn;
    parts.storage.health().await?;
    Ok(())
}

fn no_answer() -> String {
    format!("no answer within {} seconds", PATIENCE.as_secs())
}
