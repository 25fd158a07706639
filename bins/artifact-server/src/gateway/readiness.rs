//! Whether the parts of the gateway can do their work.

use std::time::{Duration, Instant};

use artifact_domain::wire::ClockView;
use artifact_store::health::PartHealth;
use artifact_store::{Finding, Setting};
use serde::Serialize;
use tokio::sync::Mutex;

use super::caller::Door;
use super::metrics::Metrics;

/// How old an answer may be. Probes write to the storage; a load balancer asks often.
const FRESH: Duration = Duration::from_secs(3);

/// Whether a part, or all of them, can do their work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// It can.
    Ok,
    /// It cannot now; why is in the log.
    Down,
}

/// The answer of `/readyz`.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub(crate) struct Readiness {
    /// `ok` if every part is.
    status: State,
    /// The registry.
    registry: RegistryState,
    /// The storage.
    storage: StorageState,
    /// The clock; null if the registry is down.
    clock: Option<ClockState>,
}

/// Whether the clock is trusted with deleting. One that is not stops nothing else.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub(crate) struct ClockState {
    /// Whether deletion is suspended until somebody acknowledges the clock.
    status: ClockStatus,
    /// Why it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// Whether the clock is trusted with deleting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ClockStatus {
    /// It is.
    Ok,
    /// It contradicts what was seen before: nothing is deleted.
    Suspended,
}

impl From<ClockView> for ClockState {
    fn from(clock: ClockView) -> Self {
        let status = if clock.suspended { ClockStatus::Suspended } else { ClockStatus::Ok };
        Self { status, detail: clock.detail }
    }
}

/// The registry as the last probe found it.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub(crate) struct RegistryState {
    /// Which database it is.
    #[schema(value_type = String, example = "sqlite")]
    backend: &'static str,
    /// Whether it answered.
    status: State,
    /// How long the probe took, in milliseconds.
    latency_ms: f64,
}

/// The storage as the last probe found it.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub(crate) struct StorageState {
    /// Which backend it is.
    #[schema(value_type = String, example = "local")]
    backend: &'static str,
    /// Whether the probe went through.
    status: State,
    /// How long the probe took, in milliseconds.
    latency_ms: f64,
    /// What it does.
    capabilities: Capabilities,
}

/// What the backend does. The first three are as the last probe found them, the others as they
/// were when the server started, and null if that could not be found out.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub(crate) struct Capabilities {
    /// An object was written.
    write: bool,
    /// It was read back.
    read: bool,
    /// It was deleted.
    delete: bool,
    /// What was just written is read back as it was written.
    read_after_write: Option<bool>,
    /// Creating an object whose key is taken is refused.
    create_only: Option<bool>,
    /// An object can be replaced, and the new bytes are read at once.
    overwrite: Option<bool>,
    /// A range of an object delivers exactly its bytes.
    range_read: Option<bool>,
    /// An object can be written in parts.
    multipart: Option<bool>,
    /// Completing an object in parts whose key is taken is refused by the backend itself.
    multipart_create_only: Option<bool>,
    /// What was just written is listed.
    list_after_put: Option<bool>,
    /// A body that was changed on its way is refused.
    damage_refused: Option<bool>,
    /// The backend's clock and the server's are no more than a minute apart.
    clock: Option<bool>,
    /// The backend keeps older versions of objects, also of deleted ones.
    versioning: Option<bool>,
    /// The backend locks versions of objects for a time.
    object_lock: Option<bool>,
    /// A rule of the backend deletes objects some day: a server does not start on it.
    expiry_rule: Option<bool>,
    /// A rule of the backend removes the parts of uploads that were never finished.
    abort_rule: Option<bool>,
    /// The server's key may do more there than the store needs.
    wide_rights: Option<bool>,
}

impl Capabilities {
    fn new(works: bool, seen: Option<&artifact_store::Capabilities>) -> Self {
        let found = |finding: fn(&artifact_store::Capabilities) -> &Finding| match finding(seen?) {
            Finding::Works => Some(true),
            Finding::Fails(_) => Some(false),
            Finding::Unknown(_) => None,
        };
        let set = |setting: fn(&artifact_store::Capabilities) -> &Setting| match setting(seen?) {
            Setting::On(_) => Some(true),
            Setting::Off => Some(false),
            Setting::Unknown(_) => None,
        };
        Self {
            write: works,
            read: works,
            delete: works,
            read_after_write: found(|seen| &seen.read_after_write),
            create_only: found(|seen| &seen.create_only),
            overwrite: found(|seen| &seen.overwrite),
            range_read: found(|seen| &seen.range_read),
            multipart: found(|seen| &seen.multipart),
            multipart_create_only: found(|seen| &seen.multipart_create_only),
            list_after_put: found(|seen| &seen.list_after_put),
            damage_refused: found(|seen| &seen.damage_refused),
            clock: found(|seen| &seen.clock),
            versioning: set(|seen| &seen.versioning),
            object_lock: set(|seen| &seen.object_lock),
            expiry_rule: set(|seen| &seen.expiry_rule),
            abort_rule: set(|seen| &seen.abort_rule),
            wide_rights: set(|seen| &seen.wide_rights),
        }
    }
}

impl Readiness {
    pub(crate) fn is_ready(&self) -> bool {
        self.status == State::Ok
    }
}

fn state(part: &'static str, health: &PartHealth) -> State {
    match &health.problem {
        None => State::Ok,
        Some(error) => {
            tracing::error!(%error, "the {part} is down: {error}");
            State::Down
        }
    }
}

/// The last answer, shared by all who ask.
#[derive(Debug, Default)]
pub(crate) struct ReadinessCache(Mutex<Option<(Instant, Readiness)>>);

impl ReadinessCache {
    /// The last answer if it is fresh, else a new one; who asks meanwhile waits for it.
    pub(crate) async fn ask(&self, door: &Door, metrics: &Metrics) -> Readiness {
        let mut last = self.0.lock().await;
        if let Some((at, readiness)) = &*last
            && at.elapsed() < FRESH
        {
            return readiness.clone();
        }
        let health = door.health().await;
        let (registry, storage) =
            (state("registry", &health.registry), state("storage", &health.storage));
        metrics.part("registry", registry == State::Ok);
        metrics.part("storage", storage == State::Ok);
        let milliseconds = |latency: Duration| latency.as_secs_f64() * 1000.0;
        let works = storage == State::Ok;
        let both = registry == State::Ok && works;
        let readiness = Readiness {
            status: if both { State::Ok } else { State::Down },
            registry: RegistryState {
                backend: health.registry.backend,
                status: registry,
                latency_ms: milliseconds(health.registry.latency),
            },
            storage: StorageState {
                backend: health.storage.backend,
                status: storage,
                latency_ms: milliseconds(health.storage.latency),
                capabilities: Capabilities::new(works, health.capabilities.as_ref()),
            },
            clock: health.clock.map(ClockState::from),
        };
        *last = Some((Instant::now(), readiness.clone()));
        readiness
    }
}
