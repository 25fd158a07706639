//! Retention classes.

use std::error::Error;
use std::fmt::Write as _;

use artifact_domain::name::RetentionClassName;
use artifact_domain::wire::{PutRetentionClass, RetentionClassView};
use artifact_store::ArtifactStore;

use crate::commands::output::{Items, print, print_json};

pub(super) async fn list(store: &ArtifactStore, json: bool) -> Result<(), Box<dyn Error>> {
    let rules = store.retention_classes().await?;
    let items: Vec<RetentionClassView> = rules.into_iter().map(Into::into).collect();
    if json {
        return Ok(print_json(&Items { items })?);
    }
    let widest = items.iter().map(|class| class.name.as_str().len()).max().unwrap_or_default();
    let name = widest.max("class".len());
    let mut text = String::new();
    let _ = writeln!(text, "{:<name$}  {:>5}  version  for", "class", "days");
    for class in &items {
        let days = class.period_days.map_or_else(|| "never".to_owned(), |days| days.to_string());
        let RetentionClassView { version, description, .. } = class;
        let _ = writeln!(
            text,
            "{:<name$}  {days:>5}  {version:>7}  {description}",
            class.name.as_str()
        );
    }
    Ok(print(&text)?)
}

pub(super) async fn put(
    store: &ArtifactStore,
    class: RetentionClassName,
    request: PutRetentionClass,
    json: bool,
) -> Result<(), Box<dyn Error>> {
    let put = store.put_retention_class(class, request).await?;
    let view = RetentionClassView::from(put.rule);
    if json {
        return Ok(print_json(&view)?);
    }
    let done = if put.added { "added" } else { "changed" };
    let keeps =
        view.period_days.map_or_else(|| "for ever".to_owned(), |days| format!("{days} days"));
    let RetentionClassView { name, version, .. } = view;
    Ok(print(&format!("{name} {done}: version {version} keeps packages to come {keeps}\n"))?)
}
