//! Legal holds.

use std::time::Duration;

use artifact_domain::event::{AuditAction, RetentionEventKind};
use artifact_domain::filter::PackageFilter;
use artifact_domain::id::HoldId;
use artifact_domain::retention::ConsultedRule;
use artifact_domain::wire::{ErrorCode, HoldView};
use artifact_domain::{Package, PackageId, PackageStatus};
use artifact_store::{ArtifactStore, StoreError, StoreOptions};
use serde_json::json;

use super::kept::{
    AT_ONCE, allow_deleting, as_anna, assert_recorded, delete, expired, filled, hold, holds,
    reason, refused_by, release, sealed, told, try_hold,
};
use super::{assert_refused, assert_sound, create, limit, now, open, seal};

const PLACED: (RetentionEventKind, AuditAction) =
    (RetentionEventKind::HoldPlaced, AuditAction::HoldPlaced);
const RELEASED: (RetentionEventKind, AuditAction) =
    (RetentionEventKind::HoldReleased, AuditAction::HoldReleased);

/// The packages that the list has for `on_hold`.
async fn listed(store: &ArtifactStore, on_hold: bool) -> Vec<PackageId> {
    let filter = PackageFilter { on_hold: Some(on_hold), ..PackageFilter::default() };
    let page = store.packages(filter, None, limit(1000)).await.unwrap();
    page.items.into_iter().map(|package| package.id).collect()
}

pub(crate) async fn a_package_is_held_until_its_last_hold_is_released(options: StoreOptions) {
    let store = open(&options).await;
    allow_deleting(&store).await;
    let package = expired(&store).await;
    let id = package.id;
    assert_eq!(listed(&store, true).await, []);
    let mut placed = Vec::new();
    for _ in 0..3 {
        placed.push(hold(&store, id).await);
    }
    assert_ne!(placed[0].id, placed[1].id);
    for (released, held) in placed.iter().enumerate() {
        assert_eq!(listed(&store, true).await, [id]);
        assert_eq!(listed(&store, false).await, []);
        let rules = refused_by(delete(&store, id).await);
        assert_eq!(rules, vec![ConsultedRule::Hold; 3 - released]);
        let view = store.retention(id, None).await.unwrap();
        assert_eq!((view.holds.len(), view.eligible), (3 - released, false));
        release(&store, held).await.unwrap();
    }
    assert_eq!((listed(&store, true).await, listed(&store, false).await), (vec![], vec![id]));
    let view = store.retention(id, None).await.unwrap();
    assert_eq!((view.holds, view.eligible, view.on_hold), (vec![], true, false));
    // Neither a hold nor its release says anything about the date.
    let now = store.package(id).await.unwrap();
    let meant = Package { revision: now.revision, updated_at: now.updated_at, ..package };
    assert_eq!(now, meant);
    assert_sound(&store, id).await;
    assert_eq!(holds(&store, id).await.len(), 3);
    delete(&store, id).await.unwrap();
}

pub(crate) async fn a_hold_and_its_release_stay_on_record_with_who_and_why(options: StoreOptions) {
    let store = open(&options).await;
    let anna = as_anna(&store);
    let id = sealed(&store, "transient").await.id;
    let before = store.package(id).await.unwrap();
    let asked_at = now();
    let held = hold(&anna, id).await;
    assert_eq!((held.package_id, held.reason.as_str()), (id, "a lawsuit"));
    assert_eq!(held.mandate.as_ref().unwrap().as_str(), "case 7");
    assert_eq!(held.placed_by.as_str(), "Anna");
    assert!((asked_at..=now()).contains(&held.placed_at));
    assert_eq!(held.release, None);
    assert_eq!(holds(&store, id).await, std::slice::from_ref(&held));
    let after = store.package(id).await.unwrap();
    assert!(after.on_hold && after.revision > before.revision);
    let trace =
        (json!({"on_hold": false}), json!({"on_hold": true, "hold": HoldView::from(held.clone())}));
    assert_recorded(&store, id, PLACED, "a lawsuit", trace).await;

    let other = hold(&store, id).await;
    for (held, others) in [(&held, true), (&other, false)] {
        let revision = store.package(id).await.unwrap().revision;
        let released = release(&anna, held).await.unwrap();
        let how = released.release.clone().unwrap();
        assert_eq!((how.by.as_str(), how.reason.as_str()), ("Anna", "settled"));
        assert!((held.placed_at..=now()).contains(&how.at));
        assert!(store.package(id).await.unwrap().revision > revision);
        assert!(holds(&store, id).await.contains(&released));
        let trace = (
            json!({"on_hold": true}),
            json!({"on_hold": others, "hold": HoldView::from(released)}),
        );
        assert_recorded(&store, id, RELEASED, "settled", trace).await;
    }
    // A mandate need not be given.
    let request = serde_json::from_value(json!({"reason": "ours"})).unwrap();
    assert_eq!(store.place_hold(id, request).await.unwrap().mandate, None);
}

pub(crate) async fn a_hold_is_released_once_and_by_its_own_package(options: StoreOptions) {
    let store = open(&options).await;
    let id = sealed(&store, "transient").await.id;
    let other = filled(&store, "transient").await.id;
    let held = hold(&store, id).await;
    let unknown = HoldId::generate(now());
    let before = (told(&store, id).await, told(&store, other).await);
    for (package, hold) in [(other, held.id), (id, unknown), (other, unknown)] {
        let error = store.release_hold(package, hold, reason("settled")).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::NotFound);
        assert!(matches!(error, StoreError::NoHold { .. }), "{error}");
    }
    assert_eq!((told(&store, id).await, told(&store, other).await), before);
    let nobody = PackageId::generate(now());
    let refused = store.release_hold(nobody, held.id, reason("settled")).await;
    assert_refused!(refused, StoreError::NoPackage(told) if told == nobody);
    assert_refused!(try_hold(&store, nobody).await, StoreError::NoPackage(told) if told == nobody);

    let released = release(&as_anna(&store), &held).await.unwrap();
    let before = told(&store, id).await;
    let error = release(&store, &held).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::WrongStatus);
    let how = released.release.clone().unwrap();
    assert!(
        matches!(
            &error,
            StoreError::HoldReleased { hold, status: PackageStatus::Finalized, released_at, released_by }
                if (*hold, *released_at, released_by) == (held.id, how.at, &how.by)
        ),
        "{error}"
    );
    assert_eq!(told(&store, id).await, before);
    assert_eq!(holds(&store, id).await, [released]);
}

pub(crate) async fn whatever_is_not_deleted_can_be_held(options: StoreOptions) {
    let store = open(&options).await;
    allow_deleting(&store).await;
    let created = create(&store, json!({"producer": "ci"})).await.id;
    let uploading = filled(&store, "transient").await.id;
    let failed = filled(&store, AT_ONCE).await.id;
    store.fail_package(failed, reason("no")).await.unwrap();
    let finalized = expired(&store).await.id;
    for id in [created, uploading, failed, finalized] {
        hold(&store, id).await;
        assert!(store.package(id).await.unwrap().on_hold);
    }
    // A hold keeps a package from being deleted and from nothing else.
    let sealed = seal(&store, uploading).await;
    assert!(sealed.on_hold);
    assert_sound(&store, uploading).await;
    let given_up = store.fail_package(created, reason("no")).await.unwrap();
    assert!(given_up.on_hold);
    assert_eq!(refused_by(delete(&store, failed).await), [ConsultedRule::Hold]);

    let deleted = expired(&store).await.id;
    let held = hold(&store, deleted).await;
    release(&store, &held).await.unwrap();
    delete(&store, deleted).await.unwrap();
    let before = told(&store, deleted).await;
    assert_refused!(try_hold(&store, deleted).await, StoreError::Deleted { package, .. } if package == deleted);
    assert_refused!(release(&store, &held).await, StoreError::Deleted { package, .. } if package == deleted);
    assert_eq!(told(&store, deleted).await, before);
    // Its holds are still told.
    assert_eq!(holds(&store, deleted).await.len(), 1);
}

pub(crate) async fn holds_are_paged_in_the_order_in_which_they_were_placed(options: StoreOptions) {
    let store = open(&options).await;
    let id = sealed(&store, "transient").await.id;
    let other = sealed(&store, "transient").await.id;
    assert_eq!(holds(&store, id).await, []);
    let mut placed = Vec::new();
    for n in 0..7 {
        let held = hold(&store, id).await;
        placed.push(if n % 2 == 0 { held } else { release(&store, &held).await.unwrap() });
        hold(&store, other).await;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    for (size, sizes) in [(1, vec![1; 7]), (3, vec![3, 3, 1]), (7, vec![7]), (8, vec![7])] {
        let (mut seen, mut pages, mut cursor) = (Vec::new(), Vec::new(), None);
        loop {
            let page = store.holds(id, cursor, limit(size)).await.unwrap();
            pages.push(page.items.len());
            seen.extend(page.items);
            match page.next_cursor {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        assert_eq!((pages, &seen), (sizes, &placed));
    }
    let cursor = store.holds(id, None, limit(1)).await.unwrap().next_cursor;
    assert!(cursor.is_some());
    assert_refused!(store.holds(other, cursor, limit(1)).await, StoreError::Cursor(_));
    let unknown = PackageId::generate(now());
    let refused = store.holds(unknown, None, limit(1)).await;
    assert_refused!(refused, StoreError::NoPackage(told) if told == unknown);
}
