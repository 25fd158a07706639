//! Creating packages.

use artifact_domain::PackageStatus;
use artifact_domain::event::{AuditAction, Origin, RetentionEventKind};
use artifact_domain::filter::PackageFilter;
use artifact_domain::name::{Actor, RequestId};
use artifact_domain::retention::SEEDED_CLASSES;
use artifact_store::{StoreError, StoreOptions};
use serde_json::{Value, json};

use super::{
    assert_refused, create, limit, now, open, package, promises, put, request, seal, trail,
};

pub(crate) async fn a_package_that_says_little_gets_the_defaults(options: StoreOptions) {
    let store = open(&options).await;
    let before = now();
    let made = create(&store, json!({"producer": "ci"})).await;
    let said = &made.description;
    assert_eq!(said.producer.as_str(), "ci");
    assert_eq!(said.kind.as_str(), "directory");
    assert_eq!(said.retention_class.as_str(), "raw-evidence");
    assert_eq!((&said.external_id, &said.title), (&None, &None));
    assert!(said.labels.is_empty() && said.metadata.is_empty());
    assert_eq!(made.status, PackageStatus::Created);
    assert!(before <= made.created_at && made.created_at <= now());
    assert_eq!(made.updated_at, made.created_at);
    assert_eq!((made.file_count, made.total_bytes, made.on_hold), (0, 0, false));
    assert_eq!((made.finalized_at, made.manifest_sha256), (None, None));
    assert_eq!(store.package(made.id).await.unwrap(), made);
}

pub(crate) async fn what_the_producer_says_is_kept(options: StoreOptions) {
    let store = open(&options).await;
    let metadata = json!({"ü": [1, 2.5, null, {"deep": "x\u{1f600}"}], "a": true});
    let made = create(
        &store,
        json!({
            "producer": "guide-board", "kind": "guide-board-run", "external_id": "run 1/ü",
            "title": "Läufe & mehr", "retention_class": "release-evidence",
            "labels": {"branch": "main", "empty": ""}, "metadata": metadata,
        }),
    )
    .await;
    let kept = store.package(made.id).await.unwrap();
    assert_eq!(kept, made);
    let said = kept.description;
    assert_eq!(said.producer.as_str(), "guide-board");
    assert_eq!(said.kind.as_str(), "guide-board-run");
    assert_eq!(said.external_id.unwrap().as_str(), "run 1/ü");
    assert_eq!(said.title.unwrap().as_str(), "Läufe & mehr");
    assert_eq!(said.retention_class.as_str(), "release-evidence");
    assert_eq!(serde_json::to_value(&said.labels).unwrap(), json!({"branch": "main", "empty": ""}));
    assert_eq!(serde_json::to_value(&said.metadata).unwrap(), metadata);
}

pub(crate) async fn each_seeded_class_gives_its_expiry(options: StoreOptions) {
    let store = open(&options).await;
    for (class, days, _) in SEEDED_CLASSES {
        let made = create(&store, json!({"producer": "ci", "retention_class": class})).await;
        assert_eq!(made.expires_at, days.map(|days| made.created_at.plus_days(days)), "{class}");
        assert_eq!(made.rule_version, 1);
    }
    let classes: Vec<_> = SEEDED_CLASSES.iter().map(|(name, days, _)| (*name, *days)).collect();
    assert_eq!(
        classes,
        [
            ("transient", Some(7)),
            ("raw-evidence", Some(90)),
            ("summary-evidence", Some(365)),
            ("release-evidence", Some(2555)),
            ("permanent-record", None),
        ]
    );
}

pub(crate) async fn a_class_that_nobody_made_is_refused(options: StoreOptions) {
    let store = open(&options).await;
    let asked = request(json!({"producer": "ci", "retention_class": "for-a-while"}));
    assert_refused!(store.create_package(asked).await, StoreError::NoClass { class, known } if class.as_str() == "for-a-while" && known.len() == SEEDED_CLASSES.len());
    let listed = store.packages(PackageFilter::default(), None, limit(10)).await.unwrap();
    assert_eq!(listed.items, []);
}

pub(crate) async fn an_external_id_is_taken_until_its_package_fails(options: StoreOptions) {
    let store = open(&options).await;
    let said = json!({"producer": "ci", "external_id": "run-1"});
    let taken = |id| {
        let store = store.clone();
        let asked = request(said.clone());
        async move {
            assert_refused!(
                store.create_package(asked).await,
                StoreError::PackageExists { producer, external_id, package }
                    if (producer.as_str(), external_id.as_str(), package) == ("ci", "run-1", id)
            );
        }
    };
    let first = create(&store, said.clone()).await.id;
    taken(first).await;
    put(&store, first, "a", "a").await;
    taken(first).await;
    // It is the producer's own: another may use the same.
    create(&store, json!({"producer": "cj", "external_id": "run-1"})).await;
    store.fail_package(first, "cut off".parse().unwrap()).await.unwrap();
    let second = create(&store, said.clone()).await.id;
    put(&store, second, "a", "a").await;
    seal(&store, second).await;
    taken(second).await;
}

pub(crate) async fn of_concurrent_creates_of_one_external_id_one_wins(options: StoreOptions) {
    let stores = [open(&options).await, open(&options).await];
    let tasks = (0..8).map(|n| {
        let store = stores[n % 2].clone();
        let asked = request(json!({"producer": "ci", "external_id": "one"}));
        tokio::spawn(async move { store.create_package(asked).await })
    });
    let (mut made, mut pointed_at) = (Vec::new(), Vec::new());
    for answer in futures::future::join_all(tasks).await {
        match answer.unwrap() {
            Ok(package) => made.push(package.id),
            Err(StoreError::PackageExists { package, .. }) => pointed_at.push(package),
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((made.len(), pointed_at.len()), (1, 7));
    assert!(pointed_at.iter().all(|id| *id == made[0]));
}

pub(crate) async fn creating_is_audited_and_promised(options: StoreOptions) {
    let store = open(&options).await;
    let made = create(&store, json!({"producer": "ci", "external_id": "run-1"})).await;
    let audit = trail(&store, made.id).await;
    assert_eq!(audit.len(), 1);
    let event = &audit[0];
    assert_eq!((event.action, event.package_id), (AuditAction::PackageCreated, Some(made.id)));
    assert_eq!((event.at, &event.actor), (made.created_at, &options.origin.actor));
    assert_eq!(event.details["producer"], "ci");
    assert_eq!(event.details["external_id"], "run-1");
    assert_eq!(event.details["retention_class"], "raw-evidence");

    let promised = promises(&store, made.id).await;
    assert_eq!(promised.len(), 1);
    let event = &promised[0];
    assert_eq!((event.kind, event.at), (RetentionEventKind::ExpirySet, made.created_at));
    assert_eq!(event.before, Value::Null);
    let after = json!({
        "retention_class": "raw-evidence", "rule_version": 1, "expires_at": made.expires_at,
    });
    assert_eq!(event.after, after);
    // What was refused left no event behind.
    let again = request(json!({"producer": "ci", "external_id": "run-1"}));
    store.create_package(again).await.unwrap_err();
    assert_eq!(trail(&store, made.id).await.len(), 1);
    assert_eq!(promises(&store, made.id).await.len(), 1);
}

pub(crate) async fn events_name_who_acted_in_which_request(options: StoreOptions) {
    let store = open(&options).await;
    let origin = |actor: &str, request: &str| Origin {
        actor: Actor::parse(actor).unwrap(),
        request_id: Some(RequestId::parse(request).unwrap()),
    };
    let (anna, bert) = (origin("Anna", "r1"), origin("Bert", "r2"));
    let id = package(&store.acting_as(anna.clone())).await;
    let by_bert = store.acting_as(bert.clone());
    put(&by_bert, id, "a", "a").await;
    by_bert.remove_file(id, &super::path("a")).await.unwrap();
    put(&store.acting_as(anna.clone()), id, "b", "b").await;
    seal(&by_bert, id).await;
    let by: Vec<_> = trail(&store, id)
        .await
        .into_iter()
        .map(|event| (event.action, Origin { actor: event.actor, request_id: event.request_id }))
        .collect();
    assert_eq!(
        by,
        [
            (AuditAction::PackageCreated, anna.clone()),
            (AuditAction::FilesStored, bert.clone()),
            (AuditAction::FileRemoved, bert.clone()),
            (AuditAction::FilesStored, anna.clone()),
            (AuditAction::PackageFinalized, bert.clone()),
        ]
    );
    let promised = promises(&store, id).await;
    let by: Vec<_> = promised.iter().map(|event| event.actor.as_str()).collect();
    assert_eq!(by, ["Anna", "Bert"]);
}
