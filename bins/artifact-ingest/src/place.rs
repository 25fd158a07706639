//! The store that a command works on: in this process, or behind HTTP.

use std::path::PathBuf;

use artifact_client::{Client, ClientOptions};
use artifact_domain::Sha256Digest;
use artifact_domain::wire::CreatePackage;
use artifact_store::{Access, ArtifactStore, ClockTolerance, StoreOptions};

use crate::args::Common;
use crate::failure::Failure;
use crate::output::say;

/// What the note of an unfinished package lies in, in whichever folder.
const UNFINISHED: &str = "unfinished";

/// A store.
pub(crate) enum Place {
    /// In a folder of this machine.
    Embedded(ArtifactStore),
    /// At a server.
    Server(Client),
}

impl Place {
    /// Opens the embedded store, or makes a client: nothing is sent to a server yet.
    pub(crate) async fn open(common: &Common, access: Access) -> Result<Self, Failure> {
        if let Some(server) = &common.server {
            let token = common.token.clone().filter(|token| !token.is_empty());
            let options = ClientOptions { token, ..ClientOptions::default() };
            return Ok(Self::Server(Client::new(server, options)?));
        }
        let mut options = StoreOptions::embedded(&common.data_dir).with_access(access);
        options.clock_tolerance =
            ClockTolerance { behind: common.clock_behind, ahead: common.clock_ahead };
        Ok(Self::Embedded(ArtifactStore::open(&options).await?))
    }

    /// Where the unfinished package of a directory is noted, so that it is found again without an
    /// external id. A server has no folder for that; then it is the user's own, by server.
    pub(crate) fn bookmarks(&self, common: &Common, request: &CreatePackage) -> Option<PathBuf> {
        let client = match self {
            Self::Embedded(_) => return Some(common.data_dir.join(UNFINISHED)),
            Self::Server(client) => client,
        };
        if request.external_id.is_some() {
            return None;
        }
        let server = Sha256Digest::of(client.base_url().as_bytes()).to_string();
        let folder = state_folder()?.join(UNFINISHED).join(&server[..16]);
        match std::fs::create_dir_all(&folder) {
            Ok(()) => Some(folder),
            Err(error) => {
                // What was asked for can be done all the same.
                let folder = folder.display();
                say(format!(
                    "warning: if this ingest is cut off it cannot be resumed: failed to make {folder}: {error}; give --external-id, or set XDG_STATE_HOME"
                ));
                None
            }
        }
    }
}

/// Where programs keep what they need from one run to the next (XDG Base Directory
/// Specification).
fn state_folder() -> Option<PathBuf> {
    let absolute = |name: &str| {
        std::env::var_os(name).map(PathBuf::from).filter(|folder| folder.is_absolute())
    };
    let state = absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local").join("state")))?;
    Some(state.join("artifact-store"))
}
