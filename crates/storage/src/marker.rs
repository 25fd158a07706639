//! The marker of a storage: `storage.json` in its root, which gives it its identity.

use artifact_domain::id::StorageId;
use serde::{Deserialize, Serialize};

/// The marker's name below the root.
pub(crate) const NAME: &str = "storage.json";

/// No marker is longer, in bytes; what is longer is somebody else's file and is not read.
pub(crate) const MAX_BYTES: u64 = 4096;

const SCHEMA: &str = "artifact-store/storage/v1";

#[derive(Serialize, Deserialize)]
struct Marker {
    schema: String,
    id: StorageId,
}

/// The bytes of the marker of the storage `id`.
pub(crate) fn encode(id: StorageId) -> String {
    format!("{{\"schema\":\"{SCHEMA}\",\"id\":\"{id}\"}}\n")
}

/// The identity that a marker gives.
///
/// # Errors
/// What is wrong with it, and what to do.
pub(crate) fn decode(bytes: &[u8]) -> Result<StorageId, String> {
    let marker: Marker = serde_json::from_slice(bytes).map_err(|error| {
        format!("it is not a storage marker ({error}); choose another place for the storage, or put the marker back from a backup")
    })?;
    if marker.schema != SCHEMA {
        return Err(format!(
            "its schema is {:?} and not {SCHEMA:?}; open it with the version that made it",
            marker.schema
        ));
    }
    Ok(marker.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_keeps_the_id() {
        let id: StorageId = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        assert_eq!(decode(encode(id).as_bytes()), Ok(id));
    }

    #[test]
    fn a_foreign_marker_says_what_is_wrong_with_it() {
        assert!(decode(b"").unwrap_err().contains("not a storage marker"));
        let other = br#"{"schema":"other/v9","id":"01890a5d-ac96-774b-bcce-b302099a8057"}"#;
        assert!(decode(other).unwrap_err().contains("other/v9"));
    }
}
