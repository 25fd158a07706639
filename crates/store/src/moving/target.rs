//! The storage that packages are moved to.

use std::path::{Path, PathBuf};

use artifact_registry::Durability;
use artifact_registry::locations::{Location, Role};
use artifact_storage::Storage;
use futures::TryStreamExt as _;

use super::turn::refuse;
use crate::clock;
use crate::error::StoreError;
use crate::open::{ArtifactStore, StorageLocation, open_storage};

impl ArtifactStore {
    /// Opens the target and has the registry know it, if packages may be moved there.
    pub(super) async fn open_target(&self, to: &StorageLocation) -> Result<Storage, StoreError> {
        let writer = self.ledger()?.writer();
        let home = &self.parts.storage;
        if let StorageLocation::Folder(folder) = to
            && let Some(home) = home.folder()
            && overlap(home, folder)
        {
            let reason = "one of the two folders lies in the other: name a folder beside it";
            return Err(refuse(&folder.display().to_string(), reason));
        }
        let target = open_storage(to, true).await?;
        if target.id() == home.id() {
            return Err(refuse(target.url(), "that is where they are: name another storage"));
        }
        let id = target.id();
        #[expect(
            clippy::redundant_closure_for_method_calls,
            reason = "the method alone has one lifetime too few"
        )]
        let known = self
            .run(move |parts| parts.registry.read(|reader| reader.locations()))
            .await?
            .iter()
            .any(|known| known.id == id);
        if !known && target.list_packages().try_next().await?.is_some() {
            let reason =
                "it has packages that this registry does not know: name an empty folder or prefix";
            return Err(refuse(target.url(), reason));
        }
        target.enter(writer.0).await?;
        if let Some(reason) = target.probe().await.unsafe_reason() {
            let reason = format!("it would lose or overwrite evidence: {reason}");
            return Err(refuse(target.url(), &reason));
        }
        let location = Location { id, url: target.url().to_owned(), role: Role::Copy };
        self.run(move |parts| {
            parts.registry.write(Durability::Synced, |writer| {
                writer.record_location(&location, clock::now())?;
                writer.set_role(location.id, Role::Copy)
            })
        })
        .await?;
        Ok(target)
    }
}

/// Whether one of two folders lies in the other or is it; `new` may not be there yet.
fn overlap(home: &Path, new: &Path) -> bool {
    let new = resolved(new);
    new.starts_with(home) || home.starts_with(&new)
}

/// The folder without links, as far as it is there.
fn resolved(folder: &Path) -> PathBuf {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    for (depth, ancestor) in absolute.ancestors().enumerate() {
        if let Ok(real) = ancestor.canonicalize() {
            let rest: Vec<_> = absolute.iter().rev().take(depth).collect();
            return real.join(rest.into_iter().rev().collect::<PathBuf>());
        }
    }
    absolute
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_overlap_if_one_is_in_the_other_whatever_links_lead_there() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let home = root.join("home");
        std::fs::create_dir_all(&home).unwrap();
        std::os::unix::fs::symlink(&home, root.join("link")).unwrap();
        for (new, overlaps) in [
            ("home", true),
            ("home/below/it", true),
            ("link/below", true),
            ("", true),
            ("other", false),
            ("home-two", false),
        ] {
            assert_eq!(overlap(&home, &root.join(new)), overlaps, "{new}");
        }
    }
}
