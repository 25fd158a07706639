//! The guard of the clock: nothing is deleted by a clock that contradicts what was seen before.

use std::time::Duration;

use artifact_domain::event::{AuditAction, AuditEvent};
use artifact_domain::filter::AuditFilter;
use artifact_domain::retention::{ClockRecord, ConsultedRule};
use artifact_domain::{PackageId, Timestamp};
use artifact_store::{Access, ArtifactStore, ClockTolerance, StoreError, StoreOptions};
use serde_json::json;

use super::kept::{
    allow_deleting, as_anna, behind, delete, dry_run, expired, extend, hold, reason, refused_by,
    release, sealed, shifted, swept, told,
};
use super::{assert_sound, limit, now, open, package, read};

const DAY: i64 = 86_400_000_000;

/// Has the registry have seen another time: then it is the clock that went back or leapt.
async fn have_seen(options: &StoreOptions, seen_at: Timestamp) {
    behind(options, move |writer| {
        writer.clock()?;
        writer.set_clock(ClockRecord { seen_at, suspended_at: None })
    })
    .await;
}

/// The times that contradict the clock: what was seen lies ahead of it, or so far behind it that
/// nobody knows what happened meanwhile.
fn contradictions() -> [(Timestamp, &'static str); 2] {
    [(shifted(now(), DAY), "gone back"), (shifted(now(), -400 * DAY), "leapt ahead")]
}

async fn audited(store: &ArtifactStore, action: AuditAction) -> Vec<AuditEvent> {
    let filter = AuditFilter { action: Some(action), ..AuditFilter::default() };
    store.audit(filter, None, limit(1000)).await.unwrap().items
}

async fn suspensions(store: &ArtifactStore) -> usize {
    audited(store, AuditAction::ClockSuspended).await.len()
}

/// Asserts that deleting a package is refused by the clock alone, dry or not, and leaves no trace
/// at the package.
async fn assert_suspended(store: &ArtifactStore, id: PackageId) {
    let before = told(store, id).await;
    assert_eq!(refused_by(delete(store, id).await), [ConsultedRule::Clock]);
    assert_eq!(refused_by(dry_run(store, id).await), [ConsultedRule::Clock]);
    assert_eq!(told(store, id).await, before);
    let clock = store.clock().await.unwrap();
    assert!(clock.suspended && clock.found_at.is_some());
    let health = store.health().await;
    assert!(health.is_good());
    assert_eq!(health.clock, Some(clock));
    assert_sound(store, id).await;
}

pub(crate) async fn a_new_store_trusts_its_clock_and_remembers_the_latest_time(
    options: StoreOptions,
) {
    let opened_at = now();
    let store = open(&options).await;
    allow_deleting(&store).await;
    let clock = store.clock().await.unwrap();
    assert!(!clock.suspended);
    assert_eq!((clock.found_at, &clock.detail), (None, &None));
    let first = clock.seen_at.unwrap();
    assert!((opened_at..=now()).contains(&first));
    let looked_at = now();
    assert!(store.observe_clock().await.unwrap().seen_at >= Some(looked_at));
    let looked_at = now();
    store.tend().await.unwrap();
    assert!(store.clock().await.unwrap().seen_at >= Some(looked_at));
    let id = expired(&store).await.id;
    let receipt = delete(&store, id).await.unwrap();
    assert_eq!(store.clock().await.unwrap().seen_at, Some(receipt.deleted_at));
    // What is a little ahead is another server's clock, and is not taken back.
    let ahead = shifted(now(), 60_000_000);
    have_seen(&options, ahead).await;
    assert_eq!(store.observe_clock().await.unwrap().seen_at, Some(ahead));
    let id = expired(&open(&options).await).await.id;
    delete(&store, id).await.unwrap();
    assert_eq!(store.clock().await.unwrap().seen_at, Some(ahead));
    assert_eq!(suspensions(&store).await, 0);
}

pub(crate) async fn a_clock_that_contradicts_what_was_seen_suspends_deletion_when_somebody_deletes(
    options: StoreOptions,
) {
    for (round, (seen_at, how)) in contradictions().into_iter().enumerate() {
        let store = open(&options).await;
        if round == 0 {
            allow_deleting(&store).await;
        }
        let id = expired(&store).await.id;
        have_seen(&options, seen_at).await;
        // A dry run says so and records nothing; nor does a look at the health.
        let before = store.clock().await.unwrap();
        assert_eq!(refused_by(dry_run(&store, id).await), [ConsultedRule::Clock]);
        assert!(store.health().await.clock.unwrap().suspended);
        assert_eq!(store.clock().await.unwrap(), before);
        assert!(!before.suspended);
        assert_eq!(suspensions(&store).await, round);

        let asked_at = now();
        let error = delete(&as_anna(&store), id).await.unwrap_err();
        assert!(error.to_string().contains(how), "{error}");
        let StoreError::NotEligible { reasons, .. } = &error else { panic!("{error}") };
        assert_eq!(reasons.len(), 4);
        let clock = store.clock().await.unwrap();
        assert_eq!(clock.seen_at, Some(seen_at));
        let found_at = clock.found_at.unwrap();
        assert!((asked_at..=now()).contains(&found_at));
        assert_eq!(clock.detail.as_ref(), Some(&reasons[3].detail));
        let events = audited(&store, AuditAction::ClockSuspended).await;
        assert_eq!(events.len(), round + 1);
        let event = events.last().unwrap();
        assert_eq!((event.actor.as_str(), event.package_id), ("Anna", None));
        assert_eq!(event.request_id.as_ref().unwrap().as_str(), "r-1");
        let details =
            json!({"seen_at": seen_at, "found_at": found_at, "detail": reasons[3].detail});
        assert_eq!(serde_json::Value::Object(event.details.clone()), details);

        // It is said once, whoever asks, and it stays said.
        let other = open(&options).await;
        for store in [&store, &other] {
            assert_suspended(store, id).await;
            store.tend().await.unwrap();
        }
        assert_eq!(store.clock().await.unwrap(), clock);
        assert_eq!(suspensions(&store).await, round + 1);
        store.acknowledge_clock(reason("the battery was flat")).await.unwrap();
        delete(&other, id).await.unwrap();
    }
}

pub(crate) async fn a_clock_that_contradicts_what_was_seen_suspends_deletion_at_opening(
    options: StoreOptions,
) {
    for (round, (seen_at, _)) in contradictions().into_iter().enumerate() {
        let store = open(&options).await;
        if round == 0 {
            allow_deleting(&store).await;
        }
        let id = expired(&store).await.id;
        have_seen(&options, seen_at).await;
        // Whoever only reads records nothing.
        let reader = open(&options.clone().with_access(Access::Read)).await;
        assert!(!reader.clock().await.unwrap().suspended);
        assert!(reader.health().await.clock.unwrap().suspended);
        assert_eq!(suspensions(&store).await, round);
        let opened = open(&options).await;
        assert_eq!(suspensions(&store).await, round + 1);
        let found = opened.clock().await.unwrap();
        assert!(found.suspended);
        for store in [&opened, &store, &open(&options).await] {
            assert_suspended(store, id).await;
            assert_eq!(store.clock().await.unwrap(), found);
        }
        assert_eq!(suspensions(&store).await, round + 1);
        store.acknowledge_clock(reason("the machine slept")).await.unwrap();
        delete(&store, id).await.unwrap();
    }
}

pub(crate) async fn a_clock_that_is_not_trusted_stops_deleting_and_nothing_else(
    options: StoreOptions,
) {
    let store = open(&options).await;
    allow_deleting(&store).await;
    let free = expired(&store).await.id;
    let deleted = expired(&store).await.id;
    delete(&store, deleted).await.unwrap();
    have_seen(&options, shifted(now(), 400 * DAY)).await;
    assert!(store.observe_clock().await.unwrap().suspended);
    let id = sealed(&store, "transient").await.id;
    extend(&store, id, json!({"days": 1})).await.unwrap();
    super::kept::change_class(&store, id, "summary-evidence").await.unwrap();
    release(&store, &hold(&store, id).await).await.unwrap();
    super::kept::put_class(&store, "transient", Some(8)).await;
    let given_up = package(&store).await;
    store.fail_package(given_up, reason("no")).await.unwrap();
    assert_eq!(read(&store, id, "folder/b").await.unwrap(), b"b");
    assert_sound(&store, id).await;
    assert_eq!(swept(&store, true).await, (vec![], vec![]));
    // What may be deleted by the rules is still listed, and what was deleted stays so.
    let listed = store.deletion_candidates(None, limit(10)).await.unwrap().items;
    assert_eq!(listed.iter().map(|one| one.package_id).collect::<Vec<_>>(), [free]);
    assert!(store.retention(free, None).await.unwrap().eligible);
    super::assert_refused!(delete(&store, deleted).await, StoreError::Deleted { .. });
    // The other rules are asked as before, and the clock last.
    let refused = refused_by(delete(&store, id).await);
    assert_eq!(refused, [ConsultedRule::Expiry, ConsultedRule::Clock]);
    assert_suspended(&store, free).await;
    assert_eq!(suspensions(&store).await, 1);
}

pub(crate) async fn an_acknowledged_clock_is_trusted_from_then_on(options: StoreOptions) {
    let store = open(&options).await;
    allow_deleting(&store).await;
    let id = expired(&store).await.id;
    have_seen(&options, shifted(now(), DAY)).await;
    let suspended = store.observe_clock().await.unwrap();
    assert_suspended(&store, id).await;
    let asked_at = now();
    let clock = as_anna(&store).acknowledge_clock(reason("the battery was flat")).await.unwrap();
    assert!(!clock.suspended);
    assert!((asked_at..=now()).contains(&clock.seen_at.unwrap()));
    assert_eq!(store.clock().await.unwrap(), clock);
    let event = audited(&store, AuditAction::ClockAcknowledged).await.pop().unwrap();
    assert_eq!((event.actor.as_str(), event.package_id), ("Anna", None));
    assert_eq!(event.request_id.unwrap().as_str(), "r-1");
    assert_eq!(Some(event.at), clock.seen_at);
    let details = json!({"reason": "the battery was flat", "before": suspended, "after": clock});
    assert_eq!(serde_json::Value::Object(event.details), details);
    let other = open(&options).await;
    assert!(!other.observe_clock().await.unwrap().suspended);
    delete(&other, id).await.unwrap();
    // Nor is it trusted for ever.
    let next = expired(&store).await.id;
    have_seen(&options, shifted(now(), DAY)).await;
    assert_suspended(&store, next).await;
    assert_eq!(suspensions(&store).await, 2);
}

pub(crate) async fn how_far_a_clock_is_trusted_is_the_operators_choice(options: StoreOptions) {
    let strict = ClockTolerance { behind: Duration::from_secs(10), ahead: Duration::from_secs(20) };
    let lax =
        ClockTolerance { behind: Duration::from_hours(48), ahead: Duration::from_hours(1000 * 24) };
    let store = open(&options).await;
    allow_deleting(&store).await;
    let minutes = |minutes: i64| shifted(now(), minutes * 60_000_000);
    let default = ClockTolerance::default();
    for (tolerance, seen_at, suspended) in [
        (strict, minutes(1), true),
        (strict, minutes(-1), true),
        (strict, shifted(now(), 1_000_000), false),
        (default, minutes(1), false),
        (default, minutes(-1), false),
        (default, minutes(6), true),
        (default, shifted(now(), -29 * DAY), false),
        (default, shifted(now(), -31 * DAY), true),
        (lax, shifted(now(), DAY), false),
        (lax, shifted(now(), -400 * DAY), false),
        (lax, shifted(now(), 3 * DAY), true),
    ] {
        let id = expired(&store).await.id;
        let options = StoreOptions { clock_tolerance: tolerance, ..options.clone() };
        let choosy = open(&options).await;
        have_seen(&options, seen_at).await;
        if suspended {
            assert_suspended(&choosy, id).await;
            choosy.acknowledge_clock(reason("looked at")).await.unwrap();
        }
        delete(&choosy, id).await.unwrap();
    }
}
