//! Lists of packages: filters, order, pages.

use artifact_domain::cursor::PackageCursor;
use artifact_domain::filter::PackageFilter;
use artifact_domain::name::ExternalId;
use artifact_domain::package::Package;
use artifact_domain::{PackageId, PackageStatus, Timestamp};
use artifact_registry::Registry;

use super::{Shelf, at, class, labels, read, write};

const DAY: i64 = 86_400_000_000;

fn now() -> Timestamp {
    at(5 * DAY)
}

/// All pages of a list.
fn list(registry: &Registry, filter: &PackageFilter, limit: u32) -> Vec<PackageId> {
    let mut ids = Vec::new();
    let mut after = None;
    loop {
        let page = read(registry, |reader| reader.packages(filter, after, limit, now()));
        assert!(page.len() <= limit as usize);
        let Some(last) = page.last() else { return ids };
        after = Some(PackageCursor { created_at: last.created_at, id: last.id });
        ids.extend(page.iter().map(|package| package.id));
    }
}

fn newest_first(packages: &[Package]) -> Vec<PackageId> {
    let mut keys: Vec<_> =
        packages.iter().map(|package| (package.created_at, package.id)).collect();
    keys.sort_unstable();
    keys.into_iter().rev().map(|(_, id)| id).collect()
}

pub(crate) fn a_list_is_newest_first_and_ties_are_broken_by_id(registry: &Registry) {
    let shelf = Shelf::new(registry);
    assert_eq!(list(registry, &PackageFilter::default(), 10), []);
    let mut packages = Vec::new();
    for tick in [3, 1, 2, 1, 3, 3, 0, 1, 1] {
        packages.push(shelf.create(|package| package.created_at = at(tick)));
    }
    for limit in [1, 2, 3, 9, 10, 1000] {
        assert_eq!(list(registry, &PackageFilter::default(), limit), newest_first(&packages));
    }
}

/// What the filter means, in words that are not SQL.
fn meets(package: &Package, filter: &PackageFilter) -> bool {
    fn is<T: PartialEq>(wanted: Option<&T>, value: &T) -> bool {
        wanted.is_none_or(|wanted| wanted == value)
    }
    let said = &package.description;
    let expires = package.expires_at;
    is(filter.status.as_ref(), &package.status)
        && is(filter.producer.as_ref(), &said.producer)
        && is(filter.kind.as_ref(), &said.kind)
        && (filter.external_id.is_none() || filter.external_id == said.external_id)
        && is(filter.retention_class.as_ref(), &said.retention_class)
        && is(filter.on_hold.as_ref(), &package.on_hold)
        && filter.labels.iter().all(|(key, value)| said.labels.as_map().get(key) == Some(value))
        && filter.created_after.is_none_or(|after| package.created_at > after)
        && filter.created_before.is_none_or(|before| package.created_at < before)
        && filter.expires_after.is_none_or(|after| expires.is_none_or(|at| at > after))
        && filter.expires_before.is_none_or(|before| expires.is_some_and(|at| at < before))
        && (!filter.eligible || is_eligible(package))
}

fn is_eligible(package: &Package) -> bool {
    matches!(package.status, PackageStatus::Finalized | PackageStatus::Failed)
        && !package.on_hold
        && package.expires_at.is_some_and(|at| now() > at)
}

/// Packages of many kinds, some of which were created in the same microsecond.
fn many(shelf: &Shelf<'_>) -> Vec<Package> {
    (0..96_i64)
        .map(|i| {
            shelf.create(|package| {
                let said = &mut package.description;
                if i % 2 == 0 {
                    said.producer = "guide-board".parse().unwrap();
                }
                if i % 3 == 0 {
                    said.kind = "guide-board-run".parse().unwrap();
                }
                if i % 4 == 0 {
                    said.external_id = Some(ExternalId::parse(format!("run-{}", i % 12)).unwrap());
                }
                if i % 5 == 0 {
                    said.retention_class = class("permanent-record");
                }
                said.labels = match i % 4 {
                    0 => labels(&[("branch", "main"), ("os", "linux"), ("suite", "full")]),
                    1 => labels(&[("branch", "main"), ("os", "Linux")]),
                    2 => labels(&[("branch", "dev")]),
                    _ => labels(&[]),
                };
                // Those with an external id are over, so that several may have the same one.
                package.status = match i % 8 {
                    0 => PackageStatus::Failed,
                    4 => PackageStatus::Deleted,
                    1 => PackageStatus::Created,
                    2 | 3 => PackageStatus::Uploading,
                    _ => PackageStatus::Finalized,
                };
                package.created_at = at(i / 4);
                package.on_hold = i % 7 == 0;
                package.expires_at = (i % 6 != 0).then(|| at((i % 11) * DAY));
            })
        })
        .collect()
}

pub(crate) fn every_filter_alone_and_all_together_list_what_they_say(registry: &Registry) {
    let shelf = Shelf::new(registry);
    let packages = many(&shelf);
    let none = PackageFilter::default;
    let alone = [
        none(),
        PackageFilter { status: Some(PackageStatus::Uploading), ..none() },
        PackageFilter { producer: Some("ci".parse().unwrap()), ..none() },
        PackageFilter { kind: Some("guide-board-run".parse().unwrap()), ..none() },
        PackageFilter { external_id: Some(ExternalId::parse("run-4").unwrap()), ..none() },
        PackageFilter { retention_class: Some(class("permanent-record")), ..none() },
        PackageFilter { on_hold: Some(true), ..none() },
        PackageFilter { on_hold: Some(false), ..none() },
        PackageFilter { labels: labels(&[("branch", "main")]), ..none() },
        PackageFilter { labels: labels(&[("branch", "main"), ("os", "linux")]), ..none() },
        PackageFilter {
            labels: labels(&[("branch", "main"), ("os", "linux"), ("suite", "full")]),
            ..none()
        },
        PackageFilter { created_after: Some(at(7)), ..none() },
        PackageFilter { created_before: Some(at(7)), ..none() },
        PackageFilter { expires_after: Some(at(5 * DAY)), ..none() },
        PackageFilter { expires_before: Some(at(5 * DAY)), ..none() },
        PackageFilter { eligible: true, ..none() },
    ];
    let together = PackageFilter {
        status: Some(PackageStatus::Failed),
        producer: Some("guide-board".parse().unwrap()),
        kind: Some("guide-board-run".parse().unwrap()),
        external_id: Some(ExternalId::parse("run-0").unwrap()),
        retention_class: Some(class("raw-evidence")),
        on_hold: Some(false),
        labels: labels(&[("branch", "main"), ("os", "linux")]),
        created_after: Some(at(0)),
        created_before: Some(at(1000)),
        expires_after: Some(at(0)),
        expires_before: None,
        eligible: false,
    };
    let nearly = PackageFilter { external_id: None, kind: None, ..together.clone() };
    let dated = PackageFilter {
        status: None,
        expires_before: Some(at(4 * DAY)),
        eligible: true,
        ..nearly.clone()
    };
    let mut listed = 0;
    for filter in alone.iter().chain([&together, &nearly, &dated]) {
        let expected: Vec<Package> =
            packages.iter().filter(|package| meets(package, filter)).cloned().collect();
        for limit in [7, 1000] {
            assert_eq!(list(registry, filter, limit), newest_first(&expected), "{filter:?}");
        }
        listed += usize::from(!expected.is_empty());
    }
    // A filter that meets nothing proves little.
    assert!(listed > alone.len(), "{listed}");
}

pub(crate) fn packages_made_while_paging_neither_repeat_nor_hide_others(registry: &Registry) {
    let shelf = Shelf::new(registry);
    let label = labels(&[("branch", "main")]);
    let create = |tick| {
        shelf.create(|package| {
            package.created_at = at(tick);
            package.description.labels = label.clone();
        })
    };
    let before: Vec<Package> = (0..30).map(|i| create(i / 3)).collect();
    for filter in [
        PackageFilter::default(),
        PackageFilter { producer: Some("ci".parse().unwrap()), ..PackageFilter::default() },
        PackageFilter { labels: label.clone(), ..PackageFilter::default() },
    ] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = read(registry, |reader| reader.packages(&filter, after, 4, now()));
            let Some(last) = page.last() else { break };
            after = Some(PackageCursor { created_at: last.created_at, id: last.id });
            seen.extend(page.iter().map(|package| package.id));
            create(100);
        }
        seen.retain(|id| before.iter().any(|package| package.id == *id));
        assert_eq!(seen, newest_first(&before));
    }
}

pub(crate) fn labels_that_were_changed_are_filtered_by_as_they_are_now(registry: &Registry) {
    let shelf = Shelf::new(registry);
    let mut package = shelf.create(|package| {
        package.description.labels = labels(&[("branch", "dev"), ("os", "linux")]);
    });
    package.description.labels = labels(&[("branch", "main")]);
    write(registry, |writer| writer.update_description(&package, at(9)));
    let count = |pairs: &[(&str, &str)]| {
        let filter = PackageFilter { labels: labels(pairs), ..PackageFilter::default() };
        list(registry, &filter, 10).len()
    };
    assert_eq!(count(&[("branch", "main")]), 1);
    assert_eq!(count(&[("branch", "dev")]), 0);
    assert_eq!(count(&[("os", "linux")]), 0);
    assert_eq!(count(&[("branch", "main"), ("os", "linux")]), 0);
}

pub(crate) fn what_is_eligible_is_decided_by_status_hold_and_expiry(registry: &Registry) {
    let shelf = Shelf::new(registry);
    let mut expected = Vec::new();
    for status in PackageStatus::ALL {
        for on_hold in [false, true] {
            for expires_at in [None, Some(-1), Some(0), Some(1)] {
                let package = shelf.create(|package| {
                    package.status = status;
                    package.on_hold = on_hold;
                    package.expires_at = expires_at.map(|at| super::at(5 * DAY + at));
                });
                // Equal is still protected.
                let is_over = matches!(status, PackageStatus::Finalized | PackageStatus::Failed);
                if is_over && !on_hold && expires_at == Some(-1) {
                    expected.push(package);
                }
            }
        }
    }
    let filter = PackageFilter { eligible: true, ..PackageFilter::default() };
    assert_eq!(list(registry, &filter, 10), newest_first(&expected));
}
