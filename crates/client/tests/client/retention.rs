//! Retention, holds and the clock, once through.

use artifact_domain::event::RetentionEventKind;
use artifact_domain::filter::PageLimit;
use artifact_domain::id::HoldId;
use artifact_domain::retention::{ConsultedRule, Verdict};
use artifact_domain::wire::{
    AcknowledgeClock, ChangeRetentionClass, ErrorCode, PlaceHold, PutRetentionClass, ReleaseHold,
};
use artifact_testkit::TestServer;

use crate::support::{client, expired_package, extend, open_package, some_id};

#[tokio::test(flavor = "multi_thread")]
async fn a_promise_is_explained_for_now_and_for_any_time() {
    let server = TestServer::start();
    let client = client(&server.url());
    let id = expired_package(&server).await.id;
    let now = client.retention(id, None).await.unwrap();
    assert!(now.eligible && now.retention_class.as_str() == "passing", "{now:?}");
    let at = "1999-12-31T23:59:59Z".parse().unwrap();
    let then = client.retention(id, Some(at)).await.unwrap();
    assert_eq!((then.decided_at, then.eligible), (at, false));
    let protects: Vec<_> =
        then.reasons.iter().filter(|reason| reason.verdict == Verdict::Protects).collect();
    assert_eq!(protects.len(), 1, "{protects:?}");
    assert_eq!(protects[0].rule, ConsultedRule::Expiry);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promise_is_extended_changed_and_told() {
    let server = TestServer::start();
    let client = client(&server.url());
    let id = open_package(&server).await.id;
    let first = client.retention(id, None).await.unwrap();
    let longer = client.extend_retention(id, &extend(r#"{"days":30,"reason":"audit"}"#)).await;
    assert_eq!(longer.unwrap().expires_at, first.expires_at.unwrap().checked_plus_days(30));
    let shorter = format!(r#"{{"expires_at":"{}","reason":"r"}}"#, first.expires_at.unwrap());
    let refused = client.extend_retention(id, &extend(&shorter)).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::RetentionShortened);
    let wanted = format!("failed to extend the retention of package {id}: ");
    assert!(refused.to_string().starts_with(&wanted), "{refused}");

    let change = ChangeRetentionClass {
        retention_class: "permanent-record".parse().unwrap(),
        reason: "a landmark".parse().unwrap(),
    };
    let changed = client.change_retention_class(id, &change).await.unwrap();
    assert_eq!((changed.retention_class, changed.expires_at), (change.retention_class, None));

    let one = PageLimit::new(1).unwrap();
    let page = client.retention_events(id, None, one).await.unwrap();
    let rest = client
        .retention_events(id, page.next_cursor.as_deref(), PageLimit::default())
        .await
        .unwrap();
    let kinds: Vec<_> = page.items.iter().chain(&rest.items).map(|event| event.kind).collect();
    assert_eq!(
        kinds,
        [
            RetentionEventKind::ExpirySet,
            RetentionEventKind::Extended,
            RetentionEventKind::ClassChanged
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn classes_are_listed_added_and_changed() {
    let server = TestServer::start();
    let client = client(&server.url());
    let before = client.retention_classes().await.unwrap();
    let class = "nightly".parse().unwrap();
    let put = PutRetentionClass { period_days: Some(3), description: "Nightly".parse().ok() };
    let added = client.put_retention_class(&class, &put).await.unwrap();
    assert_eq!((added.version, added.period_days), (1, Some(3)));
    let put = PutRetentionClass { period_days: None, description: None };
    let changed = client.put_retention_class(&class, &put).await.unwrap();
    assert_eq!((changed.version, changed.period_days), (2, None));
    assert_eq!(changed.description, "Nightly");
    let after = client.retention_classes().await.unwrap();
    assert_eq!(after.len(), before.len() + 1);
    assert!(after.contains(&changed));
}

#[tokio::test(flavor = "multi_thread")]
async fn holds_are_placed_listed_and_released_once() {
    let server = TestServer::start();
    let client = client(&server.url());
    let id = open_package(&server).await.id;
    let place = |mandate: Option<&str>| PlaceHold {
        reason: "litigation".parse().unwrap(),
        mandate: mandate.map(|text| text.parse().unwrap()),
    };
    let first = client.place_hold(id, &place(Some("case 17"))).await.unwrap();
    let second = client.place_hold(id, &place(None)).await.unwrap();
    assert!(first.active && first.mandate == place(Some("case 17")).mandate, "{first:?}");
    let release = ReleaseHold { reason: "closed".parse().unwrap() };
    let released = client.release_hold(id, first.id, &release).await.unwrap();
    assert_eq!((released.active, &released.release_reason), (false, &Some(release.reason.clone())));

    let page = client.holds(id, None, PageLimit::new(1).unwrap()).await.unwrap();
    let rest = client.holds(id, page.next_cursor.as_deref(), PageLimit::default()).await.unwrap();
    assert_eq!((page.items, rest.items), (vec![released], vec![second.clone()]));
    assert_eq!(client.retention(id, None).await.unwrap().holds, [second]);

    let twice = client.release_hold(id, first.id, &release).await.unwrap_err();
    assert_eq!(twice.code(), ErrorCode::WrongStatus);
    let nobody: HoldId = some_id().to_string().parse().unwrap();
    let missing = client.release_hold(id, nobody, &release).await.unwrap_err();
    assert_eq!(missing.code(), ErrorCode::NotFound);
    assert!(missing.to_string().contains(&format!("release hold {nobody} of package {id}")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clock_is_asked_and_acknowledged() {
    let server = TestServer::start();
    let client = client(&server.url());
    let before = client.clock().await.unwrap();
    assert!(!before.suspended && before.seen_at.is_some(), "{before:?}");
    let reason = "the server was off over the summer".parse().unwrap();
    let after = client.acknowledge_clock(&AcknowledgeClock { reason }).await.unwrap();
    assert!(after.seen_at > before.seen_at, "{after:?}");
}
