//! Moving all packages to another storage.
//!
//! 1. Everything is copied while the store works on: each package is read from the home, written
//!    to the target, read back there, made durable, and noted as copied at its revision. What is
//!    at the target already and is right is kept, so a move that was cut off goes on where it was.
//! 2. When nothing is left to be copied, one transaction holds all packages, looks again, and makes
//!    the target the home. If a package was changed since its copy, it is copied again first.
//!
//! Until the switch everybody works at the old home, and after it nobody changes anything there any
//! more: the registry refuses. What is there stays as it is, a whole copy of that moment.

mod copy;
mod switch;
mod target;
mod turn;

use artifact_domain::PackageId;
use artifact_domain::id::StorageId;
use artifact_registry::Durability;
use artifact_registry::copies::ToCopy;
use artifact_storage::{Storage, StorageError};
use futures::StreamExt as _;

use self::turn::Turn;
use crate::clock;
use crate::error::StoreError;
use crate::open::{ArtifactStore, StorageLocation, open_storage};

/// Packages that are looked up at once.
const PAGE: u32 = 100;

/// Packages that are copied at once; each has [`copy::LANES`] files on their way.
const PACKAGES: usize = 4;

/// How often what was changed meanwhile is copied again, before whoever changes it has to stop.
const ROUNDS: usize = 5;

/// The most packages that could not be copied before the move stops.
const MAX_FAILURES: usize = 100;

/// What a move tells of itself while it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MoveStep {
    /// So much is to be copied. It is said again when packages were changed meanwhile.
    ToCopy {
        /// Packages.
        packages: u64,
        /// Their files.
        files: u64,
        /// Their bytes.
        bytes: u64,
    },
    /// A file is at the target and was read back there.
    File {
        /// Its bytes.
        bytes: u64,
    },
    /// A package is.
    Package,
}

/// How a move ended.
#[derive(Debug)]
pub struct Moved {
    /// Where the packages were.
    pub from: String,
    /// Where they are, or were to be.
    pub to: String,
    /// How many packages live there now; `None` if some could not be copied and all stay where
    /// they were.
    pub packages: Option<u64>,
    /// What could not be copied, and why. What was copied stays copied.
    pub failures: Vec<(PackageId, StoreError)>,
}

impl ArtifactStore {
    /// Moves all packages to another storage, and makes it the home of this store. Ids, manifests
    /// and everything that is promised stay as they are. This store, and every other process on
    /// the old home, changes nothing any more afterwards; they have to be opened at the new one.
    ///
    /// # Errors
    /// [`StoreError::CannotMove`] if the target is not fit or packages are being changed all the
    /// time. Everything stays as it was, and what was copied stays copied.
    pub async fn move_packages(
        &self,
        to: &StorageLocation,
        step: &(dyn Fn(MoveStep) + Send + Sync),
    ) -> Result<Moved, StoreError> {
        let _alone = self.parts.moving.try_lock().map_err(|_| {
            turn::refuse(&self.storage_url(), "this process is moving them already: let it end")
        })?;
        let target = self.open_target(to).await?;
        let turn = Turn::take(self, target.url()).await?;
        let ended = self.move_to(&target, &turn, step).await;
        turn.end(self).await;
        ended
    }

    async fn move_to(
        &self,
        target: &Storage,
        turn: &Turn,
        step: &(dyn Fn(MoveStep) + Send + Sync),
    ) -> Result<Moved, StoreError> {
        self.remove_what_was_deleted(target, turn).await?;
        let moved = |packages, failures| Moved {
            from: self.storage_url(),
            to: target.url().to_owned(),
            packages,
            failures,
        };
        for _ in 0..ROUNDS {
            let swept = self.sweep(true).await?;
            if !swept.failures.is_empty() {
                return Ok(moved(None, swept.failures));
            }
            self.remove_deleted_copies(target, turn).await?;
            let failures = self.copy_packages(target, turn, step).await?;
            if !failures.is_empty() {
                return Ok(moved(None, failures));
            }
            turn.check()?;
            if let Some(packages) = self.switch(target).await? {
                return Ok(moved(Some(packages), Vec::new()));
            }
        }
        let reason = "packages are changed faster than they can be copied again: stop the servers or what writes to them, and move again; what was copied stays copied";
        Err(turn::refuse(target.url(), reason))
    }

    /// What a move would copy: packages, files, bytes. Nothing is made.
    pub async fn left_to_move(&self, to: &StorageLocation) -> Result<MoveStep, StoreError> {
        let target = match open_storage(to, false).await {
            Ok(target) => target.id(),
            // No package was copied to what is not there.
            Err(StorageError::NotAStorage { .. }) => StorageId::generate(clock::now()),
            Err(error) => return Err(error.into()),
        };
        self.to_copy(target).await
    }

    async fn to_copy(&self, target: StorageId) -> Result<MoveStep, StoreError> {
        let (mut packages, mut files, mut bytes) = (0, 0, 0);
        let mut after = None;
        loop {
            let page = self.page_to_copy(target, after).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            packages += page.len() as u64;
            files += page.iter().map(|package| package.files).sum::<u64>();
            bytes += page.iter().map(|package| package.bytes).sum::<u64>();
        }
        Ok(MoveStep::ToCopy { packages, files, bytes })
    }

    async fn page_to_copy(
        &self,
        target: StorageId,
        after: Option<PackageId>,
    ) -> Result<Vec<ToCopy>, StoreError> {
        self.run(move |parts| {
            parts.registry.read(|reader| reader.packages_to_copy(target, after, PAGE))
        })
        .await
    }

    async fn begin_copies(&self, target: StorageId, page: &[ToCopy]) -> Result<(), StoreError> {
        let ids: Vec<PackageId> = page.iter().map(|package| package.id).collect();
        self.run(move |parts| {
            parts
                .registry
                .write(Durability::Synced, |writer| writer.begin_copies(target, &ids, clock::now()))
        })
        .await
    }

    /// Copies each package once that is to be copied; answers those that could not be. An outage
    /// ends it.
    async fn copy_packages(
        &self,
        target: &Storage,
        turn: &Turn,
        step: &(dyn Fn(MoveStep) + Send + Sync),
    ) -> Result<Vec<(PackageId, StoreError)>, StoreError> {
        step(self.to_copy(target.id()).await?);
        let (mut failures, mut after) = (Vec::new(), None);
        loop {
            let page = self.page_to_copy(target.id(), after).await?;
            let Some(last) = page.last() else { return Ok(failures) };
            after = Some(last.id);
            self.begin_copies(target.id(), &page).await?;
            let mut copying = futures::stream::iter(page)
                .map(|package| async move {
                    (package.id, self.copy_package(target, turn, package.id, step).await)
                })
                .buffer_unordered(PACKAGES);
            while let Some((package, copied)) = copying.next().await {
                match copied {
                    Ok(()) => step(MoveStep::Package),
                    Err(error @ StoreError::Damaged { .. }) => failures.push((package, error)),
                    Err(error) => return Err(error),
                }
            }
            if failures.len() >= MAX_FAILURES {
                return Ok(failures);
            }
        }
    }
}
