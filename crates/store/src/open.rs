//! Opening a store.

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use artifact_domain::event::Origin;
use artifact_domain::name::{Actor, RetentionClassName};
use artifact_domain::retention::{RetentionPeriod, RetentionRule, SEEDED_CLASSES};
use artifact_domain::size::MAX_FILE_BYTES;
use artifact_registry::locations::{Location, Role};
use artifact_registry::writers::WriterId;
use artifact_registry::{
    ConnectionOptions, DatabaseUrl, Durability, OpenMode, Reader, Registry, RegistryError,
};
use artifact_retention::ClockTolerance;
use artifact_storage::{S3Options, Storage, StorageError};

use crate::clock;
use crate::clock_guard;
use crate::error::StoreError;
use crate::health::Probes;
use crate::leadership::Leadership;
use crate::ledger::Ledger;
use crate::patience::Patience;
use crate::readers::Readers;

/// Threads that look files up and open them: one more than cores, because a file may have to come
/// from a disk. Measured on two cores with 16 clients: 53,000 files of 4 KiB a second with one
/// thread, 49,000 with two, 46,000 with four, 30,000 with a thread for each task.
fn readers() -> usize {
    std::thread::available_parallelism().map_or(2, NonZero::get) + 1
}

/// What opening a store may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read and write; make the store if there is none.
    Create,
    /// Read and write a store that exists.
    Write,
    /// Read a store that exists.
    Read,
}

/// How much a store takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of one file.
    pub file_bytes: u64,
    /// The most bytes of one package.
    pub package_bytes: u64,
    /// The most files of one package.
    pub package_files: u64,
    /// How long an upload may be silent before it is given up.
    pub upload_idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes: MAX_FILE_BYTES,
            package_bytes: MAX_FILE_BYTES,
            package_files: 1_000_000,
            upload_idle: Duration::from_mins(1),
        }
    }
}

/// Where the bytes of packages lie.
#[derive(Debug, Clone)]
pub enum StorageLocation {
    /// In a folder of this machine.
    Folder(PathBuf),
    /// In an S3 bucket.
    S3(S3Options),
}

impl StorageLocation {
    /// Where that is, for people: a path, or `s3://<bucket>/<prefix>`.
    pub fn shown(&self) -> String {
        match self {
            Self::Folder(folder) => folder.display().to_string(),
            Self::S3(bucket) => bucket.url(),
        }
    }
}

impl From<PathBuf> for StorageLocation {
    fn from(folder: PathBuf) -> Self {
        Self::Folder(folder)
    }
}

/// Where a store is and how it is opened.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// The registry.
    pub database: DatabaseUrl,
    /// How many connections to the registry there are, and how long they are waited for.
    pub connections: ConnectionOptions,
    /// Where the bytes of packages lie.
    pub storage: StorageLocation,
    /// What opening may do.
    pub access: Access,
    /// How much the store takes.
    pub limits: Limits,
    /// How far the clock may stand from what the registry has seen before deletion is suspended.
    pub clock_tolerance: ClockTolerance,
    /// Who acts in what is done through this store.
    pub origin: Origin,
}

impl StoreOptions {
    /// The embedded default: everything in one folder, which is made if it is missing. The actor
    /// is `embedded`.
    ///
    /// ```text
    /// <folder>/registry.sqlite3     the registry
    /// <folder>/packages/<id>/       one bag for each package
    /// <folder>/staging/             uploads under way
    /// <folder>/storage.json         the identity of this storage
    /// ```
    pub fn embedded(folder: impl AsRef<Path>) -> Self {
        let folder = folder.as_ref();
        Self {
            database: DatabaseUrl::sqlite(folder.join("registry.sqlite3")),
            connections: ConnectionOptions::default(),
            storage: folder.to_path_buf().into(),
            access: Access::Create,
            limits: Limits::default(),
            clock_tolerance: ClockTolerance::default(),
            origin: Origin { actor: embedded(), request_id: None },
        }
    }

    /// The same store with another access.
    #[must_use]
    pub const fn with_access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }
}

fn embedded() -> Actor {
    Actor::parse("embedded").unwrap_or_else(|_| unreachable!("the name keeps the rule of names"))
}

/// Packages: their bytes in a storage, what was promised about them in a registry.
///
/// Cheap to clone and safe to share; any number of processes may have the same store open.
/// Methods that change something record the store's [origin](Self::acting_as).
#[derive(Debug, Clone)]
pub struct ArtifactStore {
    pub(crate) parts: Arc<Parts>,
    pub(crate) origin: Origin,
}

/// What every clone of a store shares.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) registry: Registry,
    pub(crate) storage: Storage,
    pub(crate) limits: Limits,
    pub(crate) clock_tolerance: ClockTolerance,
    pub(crate) boot_id: String,
    /// Where uploads are claimed and recorded; `None` in a store that was opened to read.
    pub(crate) ledger: Option<Ledger>,
    pub(crate) probes: Probes,
    pub(crate) leadership: Leadership,
    /// Taken by whoever moves the packages.
    pub(crate) moving: tokio::sync::Mutex<()>,
    pub(crate) readers: Readers,
    pub(crate) patience: Patience,
}

impl ArtifactStore {
    /// Opens the store that the options describe.
    ///
    /// # Errors
    /// The registry or the storage cannot be opened, or they do not belong together.
    pub async fn open(options: &StoreOptions) -> Result<Self, StoreError> {
        let create = options.access == Access::Create;
        let mode = if create { OpenMode::CreateAndMigrate } else { OpenMode::Existing };
        let (url, connections) = (options.database.clone(), options.connections);
        // Where there is no registry yet, none is made for a storage that cannot be opened. In the
        // embedded default they are one folder.
        let is_embedded = matches!(
            (&url, &options.storage),
            (DatabaseUrl::Sqlite(_), StorageLocation::Folder(_))
        );
        let mut early = None;
        if create && !is_embedded {
            let url = url.clone();
            if blocking(move || Registry::is_new(&url, &connections)).await? {
                early = Some(open_storage(&options.storage, true).await?);
            }
        }
        #[expect(
            clippy::redundant_closure_for_method_calls,
            reason = "the method alone has one lifetime too few"
        )]
        let (registry, known) = blocking(move || {
            let registry = Registry::open_with_connections(&url, mode, &connections)?;
            let known = registry.read(|reader| reader.locations())?;
            Ok::<_, RegistryError>((registry, known))
        })
        .await?;
        // A registry that knows a storage gets no new one: what looks like an empty folder is a
        // device that is not mounted.
        let make = create && known.is_empty();
        let opened = match early {
            Some(storage) => Ok(storage),
            None => open_storage(&options.storage, make).await,
        };
        let storage = opened.map_err(|error| match error {
            StorageError::NotAStorage { path, .. } if !known.is_empty() => foreign(&known, path),
            error => error.into(),
        })?;
        let boot_id = clock::boot_id();

        let location =
            Location { id: storage.id(), url: storage.url().to_owned(), role: Role::Home };
        let read_only = options.access == Access::Read;
        let opening = registry.clone();
        let boot = boot_id.clone();
        let (tolerance, origin) = (options.clock_tolerance, options.origin.clone());
        let writer = blocking(move || {
            if read_only {
                opening.read(|reader| check_location(reader, &location))?;
                return Ok(None);
            }
            join(&opening, &location, &boot, tolerance, &origin).map(Some)
        })
        .await?;
        let registry = registry.at_home(storage.id());
        let patience = Patience::with(registry.url(), &options.connections);
        let ledger = match writer {
            Some(writer) => {
                storage.enter(writer.0).await?;
                let (registry, storage) = (registry.clone(), storage.clone());
                Some(Ledger::start(registry, storage, writer, options.limits, patience)?)
            }
            None => None,
        };
        let parts = Parts {
            registry,
            storage,
            limits: options.limits,
            clock_tolerance: options.clock_tolerance,
            boot_id,
            ledger,
            probes: Probes::default(),
            leadership: Leadership::default(),
            moving: tokio::sync::Mutex::default(),
            readers: Readers::start(readers())
                .map_err(|error| StoreError::Stopped(error.to_string()))?,
            patience,
        };
        Ok(Self { parts: Arc::new(parts), origin: options.origin.clone() })
    }

    /// The same store, acting for somebody else.
    #[must_use]
    pub fn acting_as(&self, origin: Origin) -> Self {
        Self { parts: Arc::clone(&self.parts), origin }
    }

    /// Runs what blocks on a thread that may, with the parts of this store. An answer of the
    /// registry that does not come is not waited for, see [`Patience`].
    pub(crate) async fn run<T, E>(
        &self,
        f: impl FnOnce(&Parts) -> Result<T, E> + Send + 'static,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        E: Into<StoreError> + Send + 'static,
    {
        let parts = Arc::clone(&self.parts);
        self.parts.patience.wait(blocking(move || f(&parts).map_err(Into::into))).await
    }

    pub(crate) fn ledger(&self) -> Result<&Ledger, StoreError> {
        self.parts.ledger.as_ref().ok_or(StoreError::ReadOnly)
    }
}

pub(crate) async fn open_storage(
    location: &StorageLocation,
    create: bool,
) -> Result<Storage, StorageError> {
    match location {
        StorageLocation::Folder(folder) => Storage::open_local(folder, create).await,
        StorageLocation::S3(options) => Storage::open_s3(options, create).await,
    }
}

/// Runs what blocks on a thread that may.
pub(crate) async fn blocking<T, E>(
    f: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, StoreError>
where
    T: Send + 'static,
    E: Into<StoreError> + Send + 'static,
{
    match tokio::task::spawn_blocking(f).await {
        Ok(result) => result.map_err(Into::into),
        Err(error) => Err(StoreError::Stopped(error.to_string())),
    }
}

/// A registry that has packages somewhere else is not started on this storage: an empty mount
/// point would look like a store whose bytes are all gone.
fn check_location(reader: &mut Reader<'_>, location: &Location) -> Result<(), StoreError> {
    let known = reader.locations()?;
    let what = match known.iter().find(|known| known.id == location.id).map(|known| known.role) {
        Some(Role::Home) => return Ok(()),
        None if known.is_empty() => return Ok(()),
        None => return Err(foreign(&known, location.url.clone())),
        Some(Role::Copy) => "a copy that `migrate-storage` has not finished",
        Some(Role::Former) => "where they were moved from",
    };
    let home = known.into_iter().find(|known| known.role == Role::Home);
    let home = home.map(|home| home.url).unwrap_or_default();
    Err(StoreError::NotHome { url: location.url.clone(), what, home })
}

fn foreign(known: &[Location], url: String) -> StoreError {
    let known: Vec<String> =
        known.iter().map(|known| format!("{} at {}", known.id, known.url)).collect();
    StoreError::ForeignStorage { known: known.join(", "), url }
}

/// Registers this process as a writer, the storage's present place, and the classes of a new
/// registry; and lets the guard of the clock look.
fn join(
    registry: &Registry,
    location: &Location,
    boot_id: &str,
    tolerance: ClockTolerance,
    origin: &Origin,
) -> Result<WriterId, StoreError> {
    let now = clock::now();
    registry.write(Durability::Synced, |writer| {
        writer.lock_home()?;
        check_location(writer, location)?;
        let guarded = clock_guard::look(writer, tolerance, now)?;
        clock_guard::record(writer, &guarded, origin, now)?;
        if writer.current_rules()?.is_empty() {
            for (name, days, description) in SEEDED_CLASSES {
                let class =
                    RetentionClassName::parse(name).map_err(|error| RegistryError::Damaged {
                        what: "seeded class",
                        key: name.to_owned(),
                        reason: error.to_string(),
                    })?;
                writer.insert_rule(&RetentionRule {
                    class,
                    version: 1,
                    period: days.map_or(RetentionPeriod::Permanent, RetentionPeriod::Days),
                    description: description.to_owned(),
                    updated_at: now,
                })?;
            }
        }
        writer.record_location(location, now)?;
        Ok::<_, StoreError>(writer.insert_writer(boot_id, now)?)
    })
}
