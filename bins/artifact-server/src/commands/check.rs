//! `check`.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::process::ExitCode;

use artifact_domain::wire::ClockView;
use artifact_store::{Access, ArtifactStore, Capabilities, Finding, Setting, StoreOptions};
use serde::Serialize;

use super::FAILED;
use super::output::{print, print_json, row};

/// What was found.
#[derive(Debug, Serialize)]
struct Checked {
    /// Whether evidence can be given to this store.
    safe: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Whether there is no store yet: the first `serve` or `migrate` makes it.
    is_new: bool,
    registry: Part,
    storage: Part,
    capabilities: BTreeMap<&'static str, Seen>,
    settings: BTreeMap<&'static str, Seen>,
    clock: Option<ClockView>,
}

/// The registry or the storage.
#[derive(Debug, Serialize)]
struct Part {
    backend: &'static str,
    url: String,
    works: bool,
}

/// What was seen of one ability.
#[derive(Debug, Serialize)]
struct Seen {
    /// `works`, `fails` or `unknown`; `on`, `off` or `unknown` of a setting.
    finding: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl From<&Finding> for Seen {
    fn from(finding: &Finding) -> Self {
        match finding {
            Finding::Works => Self { finding: "works", detail: None },
            Finding::Fails(detail) => Self { finding: "fails", detail: Some(detail.clone()) },
            Finding::Unknown(detail) => Self { finding: "unknown", detail: Some(detail.clone()) },
        }
    }
}

impl From<&Setting> for Seen {
    fn from(setting: &Setting) -> Self {
        match setting {
            Setting::On(detail) => Self { finding: "on", detail: Some(detail.clone()) },
            Setting::Off => Self { finding: "off", detail: None },
            Setting::Unknown(detail) => Self { finding: "unknown", detail: Some(detail.clone()) },
        }
    }
}

/// Opens the store as `serve` would and tries out what its storage really does.
pub(super) async fn check(json: bool, options: StoreOptions) -> Result<ExitCode, Box<dyn Error>> {
    let checked = match ArtifactStore::probe_new(&options).await? {
        Some(seen) => foreseen(&options, &seen),
        None => look(&ArtifactStore::open(&options.with_access(Access::Write)).await?).await?,
    };
    if json {
        print_json(&checked)?;
    } else {
        print(&table(&checked))?;
    }
    Ok(if checked.safe { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

async fn look(store: &ArtifactStore) -> Result<Checked, Box<dyn Error>> {
    let seen: Capabilities = store.probe().await?;
    let health = store.health().await;
    let reason = seen.unsafe_reason();
    Ok(Checked {
        safe: reason.is_none() && health.is_good(),
        reason,
        is_new: false,
        registry: Part {
            backend: health.registry.backend,
            url: store.registry_url(),
            works: health.registry.problem.is_none(),
        },
        storage: Part {
            backend: health.storage.backend,
            url: store.storage_url(),
            works: health.storage.problem.is_none(),
        },
        capabilities: seen.all().into_iter().map(|(name, found)| (name, found.into())).collect(),
        settings: seen.settings().into_iter().map(|(name, set)| (name, set.into())).collect(),
        clock: health.clock,
    })
}

/// What is known of a store before it is made: its registry and its bucket have answered.
fn foreseen(options: &StoreOptions, seen: &Capabilities) -> Checked {
    let reason = seen.unsafe_reason();
    Checked {
        safe: reason.is_none(),
        reason,
        is_new: true,
        registry: Part {
            backend: options.database.backend(),
            url: options.database.to_string(),
            works: true,
        },
        storage: Part { backend: "s3", url: options.storage.shown(), works: true },
        capabilities: seen.all().into_iter().map(|(name, found)| (name, found.into())).collect(),
        settings: seen.settings().into_iter().map(|(name, set)| (name, set.into())).collect(),
        clock: None,
    }
}

fn table(checked: &Checked) -> String {
    let mut text = String::new();
    for (name, part) in [("registry", &checked.registry), ("storage", &checked.storage)] {
        let works = match part.works {
            true if checked.is_new => "has no store yet",
            true => "works",
            false => "does not answer",
        };
        row(&mut text, name, format!("{} {}: {works}", part.backend, part.url));
    }
    for (name, seen) in checked.capabilities.iter().chain(&checked.settings) {
        let detail = seen.detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
        let _ = writeln!(text, "  {name:<22} {}{detail}", seen.finding);
    }
    if let Some(clock) = &checked.clock {
        let trusted = clock.detail.as_deref().unwrap_or("trusted");
        row(&mut text, "clock", trusted);
    }
    match &checked.reason {
        None if checked.safe => row(&mut text, "verdict", "evidence can be given to this store"),
        None => row(&mut text, "verdict", "a part does not answer"),
        Some(reason) => row(&mut text, "verdict", format!("NOT SAFE: {reason}")),
    }
    text
}
