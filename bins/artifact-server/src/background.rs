//! What a server does without being asked, if it is the one of all that does.

use std::time::Duration;

use artifact_store::{ArtifactStore, LEADERSHIP_ASKED_EVERY};
use tokio::time::Instant;

/// How often the store is tended.
const TENDED_EVERY: Duration = Duration::from_mins(1);

/// How long a server that stops tries to let another one lead. That it does not get through costs
/// nothing but the half minute until another one leads anyway.
const RESIGNED_WITHIN: Duration = Duration::from_secs(2);

/// Tends the store while this server leads, until it is aborted.
pub(crate) async fn tend(store: ArtifactStore) {
    let mut asking = tokio::time::interval(LEADERSHIP_ASKED_EVERY);
    let mut tended: Option<Instant> = None;
    loop {
        asking.tick().await;
        match store.lead().await {
            Ok(true) if tended.is_none_or(|at| at.elapsed() >= TENDED_EVERY) => {}
            Ok(true) => continue,
            Ok(false) => {
                // Whoever leads next begins at once.
                tended = None;
                continue;
            }
            Err(error) => {
                tracing::warn!(%error, "whether this server leads is not known: it is asked again");
                continue;
            }
        }
        tended = Some(Instant::now());
        if let Err(error) = store.tend().await {
            tracing::warn!(%error, "the store could not be tended: it is tried again in a minute");
        }
    }
}

/// Lets another server lead at once.
pub(crate) async fn resign(store: &ArtifactStore) {
    match tokio::time::timeout(RESIGNED_WITHIN, store.resign()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "another server leads after half a minute"),
        Err(_) => tracing::warn!("the registry does not answer: another server leads later"),
    }
}
