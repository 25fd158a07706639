//! The audit trail and the retention events as lists.

use artifact_domain::PackageId;
use artifact_domain::event::AuditAction;
use artifact_domain::filter::{AuditFilter, PackageFilter};
use artifact_domain::name::Actor;
use artifact_store::{StoreError, StoreOptions};

use super::{assert_refused, limit, now, open, package, path, promises, put, seal, small, trail};

pub(crate) async fn events_are_paged_and_no_empty_page_is_promised(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    for _ in 0..4 {
        put(&store, id, "x", "x").await;
        store.remove_file(id, &path("x")).await.unwrap();
    }
    put(&store, id, "x", "x").await;
    seal(&store, id).await;
    let all = trail(&store, id).await;
    assert_eq!(all.len(), 11);
    let filter = AuditFilter { package: Some(id), ..AuditFilter::default() };
    for (size, sizes) in [(1, vec![1; 11]), (4, vec![4, 4, 3]), (11, vec![11]), (12, vec![11])] {
        let (mut seen, mut pages, mut cursor) = (Vec::new(), Vec::new(), None);
        loop {
            let page = store.audit(filter.clone(), cursor, limit(size)).await.unwrap();
            pages.push(page.items.len());
            seen.extend(page.items);
            match page.next_cursor {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        assert_eq!((pages, &seen), (sizes, &all));
    }
    let all = promises(&store, id).await;
    let first = store.retention_events(id, None, limit(1)).await.unwrap();
    let rest = store.retention_events(id, first.next_cursor, limit(1)).await.unwrap();
    assert_eq!(rest.next_cursor, None);
    assert_eq!([first.items, rest.items].concat(), all);
    // Lists of files and of packages promise no more than there is either.
    let open = package(&store).await;
    let files = ["a", "b", "c", "d"].map(|name| small(name, name)).to_vec();
    store.upload_batch(open, files).await.unwrap();
    let page = store.files(open, None, None, limit(2)).await.unwrap();
    let page = store.files(open, None, page.next_cursor, limit(2)).await.unwrap();
    assert_eq!((page.items.len(), page.next_cursor), (2, None));
    let page = store.packages(PackageFilter::default(), None, limit(2)).await.unwrap();
    assert_eq!((page.items.len(), page.next_cursor), (2, None));
}

pub(crate) async fn the_audit_trail_of_all_packages_is_filtered(options: StoreOptions) {
    let store = open(&options).await;
    let mut by_anna = options.origin.clone();
    by_anna.actor = Actor::parse("Anna").unwrap();
    let anna = store.acting_as(by_anna.clone());
    let one = package(&store).await;
    let two = package(&anna).await;
    put(&store, one, "x", "x").await;
    put(&anna, one, "y", "y").await;
    put(&anna, two, "z", "z").await;
    let all = AuditFilter::default;
    let list = async |filter: AuditFilter| {
        let page = store.audit(filter, None, limit(1000)).await.unwrap();
        page.items.into_iter().map(|event| (event.action, event.package_id.unwrap())).collect()
    };
    let made = |package| (AuditAction::PackageCreated, package);
    let stored = |package| (AuditAction::FilesStored, package);
    let found: Vec<_> = list(all()).await;
    assert_eq!(found, [made(one), made(two), stored(one), stored(one), stored(two)]);
    let found: Vec<_> = list(AuditFilter { actor: Some(by_anna.actor.clone()), ..all() }).await;
    assert_eq!(found, [made(two), stored(one), stored(two)]);
    let action = Some(AuditAction::PackageCreated);
    let found: Vec<_> = list(AuditFilter { action, ..all() }).await;
    assert_eq!(found, [made(one), made(two)]);
    let filter = AuditFilter { action, actor: Some(by_anna.actor), package: Some(one), ..all() };
    let found: Vec<_> = list(filter).await;
    assert_eq!(found, []);
    let found: Vec<_> = list(AuditFilter { after: Some(now()), ..all() }).await;
    assert_eq!(found, []);
    let found: Vec<_> = list(AuditFilter { before: Some(now()), ..all() }).await;
    assert_eq!(found.len(), 5);
}

pub(crate) async fn events_of_what_nobody_made_are_no_empty_list(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    put(&store, id, "x", "x").await;
    let unknown = PackageId::generate(now());
    let of = |package| AuditFilter { package: Some(package), ..AuditFilter::default() };
    let asked = store.audit(of(unknown), None, limit(1)).await;
    assert_refused!(asked, StoreError::NoPackage(told) if told == unknown);
    let asked = store.retention_events(unknown, None, limit(1)).await;
    assert_refused!(asked, StoreError::NoPackage(told) if told == unknown);
    let cursor = store.audit(of(id), None, limit(1)).await.unwrap().next_cursor;
    assert!(cursor.is_some());
    let asked = store.audit(AuditFilter::default(), cursor.clone(), limit(1)).await;
    assert_refused!(asked, StoreError::Cursor(_));
    let asked = store.retention_events(id, cursor, limit(1)).await;
    assert_refused!(asked, StoreError::Cursor(_));
}
