//! Retention classes and their versions.

use artifact_domain::event::{AuditAction, AuditEvent};
use artifact_domain::filter::AuditFilter;
use artifact_domain::retention::{RetentionPeriod, RetentionRule, SEEDED_CLASSES};
use artifact_domain::wire::PutRetentionClass;
use artifact_store::{Access, ArtifactStore, PutClass, StoreError, StoreOptions};
use serde_json::{Value, json};

use super::kept::{as_anna, put_class};
use super::{assert_refused, limit, now, open};

fn put_request(said: Value) -> PutRetentionClass {
    serde_json::from_value(said).unwrap()
}

async fn put(store: &ArtifactStore, class: &str, said: Value) -> PutClass {
    store.put_retention_class(class.parse().unwrap(), put_request(said)).await.unwrap()
}

/// The audit events of one action.
async fn audited(store: &ArtifactStore, action: AuditAction) -> Vec<AuditEvent> {
    let filter = AuditFilter { action: Some(action), ..AuditFilter::default() };
    store.audit(filter, None, limit(1000)).await.unwrap().items
}

fn summed(classes: &[RetentionRule]) -> Vec<(&str, u32, RetentionPeriod)> {
    classes.iter().map(|rule| (rule.class.as_str(), rule.version, rule.period)).collect()
}

pub(crate) async fn a_new_store_has_five_classes_and_no_later_one_adds_them_again(
    options: StoreOptions,
) {
    let store = open(&options).await;
    let classes = store.retention_classes().await.unwrap();
    let mut seeded = SEEDED_CLASSES.map(|(name, days, _)| {
        (name, 1, days.map_or(RetentionPeriod::Permanent, RetentionPeriod::Days))
    });
    seeded.sort_by_key(|(name, ..)| *name);
    assert_eq!(summed(&classes), seeded);
    for rule in &classes {
        let (.., description) =
            SEEDED_CLASSES.iter().find(|(name, ..)| *name == rule.class.as_str()).unwrap();
        assert_eq!(rule.description, *description);
    }
    assert_eq!(open(&options).await.retention_classes().await.unwrap(), classes);
    put_class(&store, "transient", Some(3)).await;
    let changed = store.retention_classes().await.unwrap();
    assert_eq!(changed.len(), 5);
    assert_ne!(changed, classes);
    let reader = open(&options.clone().with_access(Access::Read)).await;
    for other in [&open(&options).await, &reader] {
        assert_eq!(other.retention_classes().await.unwrap(), changed);
    }
    let refused = reader
        .put_retention_class("transient".parse().unwrap(), put_request(json!({"period_days": 1})));
    assert_refused!(refused.await, StoreError::ReadOnly);
}

pub(crate) async fn a_class_is_added_and_changed_and_each_version_is_audited(
    options: StoreOptions,
) {
    let store = open(&options).await;
    let anna = as_anna(&store);
    let mut before = Value::Null;
    for (version, said, period, description) in [
        (1, json!({"period_days": 10}), RetentionPeriod::Days(10), ""),
        (
            2,
            json!({"period_days": 20, "description": "of audits"}),
            RetentionPeriod::Days(20),
            "of audits",
        ),
        // A description that is not given is kept.
        (3, json!({"period_days": null}), RetentionPeriod::Permanent, "of audits"),
        (4, json!({"period_days": 0}), RetentionPeriod::Days(0), "of audits"),
        // What changes nothing is a version all the same: somebody said it.
        (5, json!({"period_days": 0}), RetentionPeriod::Days(0), "of audits"),
        (
            6,
            json!({"period_days": 36_500, "description": "of reviews"}),
            RetentionPeriod::Days(36_500),
            "of reviews",
        ),
    ] {
        let asked_at = now();
        let PutClass { rule, added } = put(&anna, "audit", said.clone()).await;
        assert_eq!(added, version == 1);
        assert_eq!((rule.class.as_str(), rule.version), ("audit", version));
        assert_eq!((rule.period, rule.description.as_str()), (period, description));
        assert!((asked_at..=now()).contains(&rule.updated_at));
        let classes = store.retention_classes().await.unwrap();
        assert_eq!(classes.len(), 6);
        assert_eq!(classes.iter().find(|known| known.class == rule.class), Some(&rule));
        let action = if added { AuditAction::ClassAdded } else { AuditAction::ClassChanged };
        let event = audited(&store, action).await.pop().unwrap();
        let after = json!({
            "version": version, "period_days": said["period_days"], "description": description,
        });
        let details = json!({"retention_class": "audit", "before": before, "after": after});
        assert_eq!(Value::Object(event.details), details);
        assert_eq!((event.actor.as_str(), event.package_id), ("Anna", None));
        assert_eq!(event.request_id.unwrap().as_str(), "r-1");
        assert_eq!(event.at, rule.updated_at);
        before = after;
    }
    assert_eq!(audited(&store, AuditAction::ClassAdded).await.len(), 1);
    assert_eq!(audited(&store, AuditAction::ClassChanged).await.len(), 5);
}

pub(crate) async fn two_who_put_a_class_at_once_make_two_versions_and_two_events(
    options: StoreOptions,
) {
    let stores = [open(&options).await, open(&options).await];
    for round in 0..30 {
        // By turns one that is there already and one that is not.
        let class = if round % 2 == 0 { "transient".to_owned() } else { format!("new-{round}") };
        let before = puts(&stores[0]).await.len();
        let known = stores[0].retention_classes().await.unwrap();
        let known = known.iter().find(|rule| rule.class.as_str() == class);
        let newest = known.map_or(0, |rule| rule.version);
        let tasks = [10, 20].map(|days| {
            let store = stores[usize::from(days > 10)].clone();
            let class = class.parse().unwrap();
            let request = put_request(json!({"period_days": days}));
            tokio::spawn(async move { store.put_retention_class(class, request).await.unwrap() })
        });
        let mut answers = Vec::new();
        for task in tasks {
            answers.push(task.await.unwrap());
        }
        answers.sort_by_key(|answer| answer.rule.version);
        let versions: Vec<_> = answers.iter().map(|answer| answer.rule.version).collect();
        assert_eq!(versions, [newest + 1, newest + 2]);
        assert_ne!(answers[0].rule.period, answers[1].rule.period);
        let added: Vec<_> = answers.iter().map(|answer| answer.added).collect();
        assert_eq!(added, [newest == 0, false]);
        let now = stores[round % 2].retention_classes().await.unwrap();
        let now = now.into_iter().find(|rule| rule.class.as_str() == class);
        assert_eq!(now.as_ref(), Some(&answers[1].rule));
        let told: Vec<_> = puts(&stores[0]).await.drain(before..).collect();
        let versions: Vec<_> =
            told.iter().map(|event| &event.details["after"]["version"]).collect();
        assert_eq!(versions, [newest + 1, newest + 2]);
    }
}

/// The events of all puts, in their order.
async fn puts(store: &ArtifactStore) -> Vec<AuditEvent> {
    let mut told = audited(store, AuditAction::ClassAdded).await;
    told.extend(audited(store, AuditAction::ClassChanged).await);
    told.sort_by_key(|event| event.seq);
    told
}
