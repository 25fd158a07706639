//! Packages on their way to another storage.

use std::sync::atomic::{AtomicUsize, Ordering};

use artifact_domain::PackageId;
use artifact_domain::filter::PackageFilter;
use artifact_domain::id::StorageId;
use artifact_domain::name::Reason;
use artifact_registry::copies::ToCopy;
use artifact_registry::locations::{Location, Role};
use artifact_registry::{Durability, Registry, RegistryError};

use super::deletions::delete;
use super::{Shelf, at, finished, new_claim, new_package, path, read, write};

/// A second root, which is being filled.
fn target(registry: &Registry) -> StorageId {
    let (id, url) = (StorageId::generate(at(7)), "s3://evidence/b".to_owned());
    let location = Location { id, url, role: Role::Copy };
    write(registry, |writer| writer.record_location(&location, at(7)));
    id
}

fn to_copy(registry: &Registry, target: StorageId) -> Vec<PackageId> {
    let found = read(registry, |reader| reader.packages_to_copy(target, None, 1000));
    found.into_iter().map(|package| package.id).collect()
}

/// Notes that a package was copied as it is.
fn copied(shelf: &Shelf<'_>, target: StorageId, id: PackageId) {
    let revision = shelf.package(id).revision;
    assert!(write(shelf.registry, |writer| writer.record_copy(target, id, revision, &[], at(8))));
}

fn fail(registry: &Registry, id: PackageId) {
    let reason = Reason::parse("given up").unwrap();
    write(registry, |writer| writer.fail_package(id, &reason, at(9)));
}

pub(crate) fn a_package_is_to_be_copied_until_it_was_as_it_is(registry: &Registry) {
    let (shelf, package) = Shelf::with_package(registry);
    shelf.store(package, &["a", "b/c"]);
    let target = target(registry);
    let found = read(registry, |reader| reader.packages_to_copy(target, None, 10));
    assert_eq!(found, [ToCopy { id: package, files: 2, bytes: 20 }]);
    copied(&shelf, target, package);
    assert_eq!(to_copy(registry, target), []);
    // Any change of it makes the copy one of the past.
    shelf.store(package, &["d"]);
    assert_eq!(to_copy(registry, target), [package]);
    copied(&shelf, target, package);
    fail(registry, package);
    assert_eq!(to_copy(registry, target), [package]);
    // What was copied to one root was not to another.
    copied(&shelf, target, package);
    assert_eq!(to_copy(registry, StorageId::generate(at(8))), [package]);
}

pub(crate) fn packages_to_copy_are_listed_in_pages(registry: &Registry) {
    let shelf = Shelf::new(registry);
    let mut made: Vec<PackageId> = (0..7).map(|_| shelf.create(|_| {}).id).collect();
    made.sort_unstable();
    let target = target(registry);
    copied(&shelf, target, made.remove(3));
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = read(registry, |reader| reader.packages_to_copy(target, after, 2));
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        listed.extend(page.into_iter().map(|package| package.id));
    }
    assert_eq!(listed, made);
}

pub(crate) fn a_package_that_changed_since_is_not_noted_as_copied(registry: &Registry) {
    let (shelf, package) = Shelf::with_package(registry);
    let target = target(registry);
    let before = shelf.package(package).revision;
    shelf.store(package, &["a"]);
    let etags = [(path("a"), Some("1".to_owned()))];
    let noted =
        write(registry, |writer| writer.record_copy(target, package, before, &etags, at(8)));
    assert!(!noted);
    assert_eq!(to_copy(registry, target), [package]);
}

pub(crate) fn a_copy_of_a_package_that_was_deleted_is_found_and_forgotten(registry: &Registry) {
    let (shelf, package) = Shelf::with_package(registry);
    let [begun, kept] = [(); 2].map(|()| shelf.create(|_| {}).id);
    let target = target(registry);
    for id in [package, begun, kept] {
        fail(registry, id);
    }
    let all = [package, begun, kept];
    write(registry, |writer| writer.begin_copies(target, &all, at(8)));
    let mut left = all.to_vec();
    left.sort_unstable();
    assert_eq!(to_copy(registry, target), left);
    copied(&shelf, target, package);
    copied(&shelf, target, kept);
    // Beginning again forgets nothing.
    write(registry, |writer| writer.begin_copies(target, &all, at(9)));
    assert_eq!(to_copy(registry, target), [begun]);
    let found = || read(registry, |reader| reader.copies_of_deleted(target, 10));
    assert_eq!(found(), []);
    delete(registry, &shelf.package(begun), 20);
    assert_eq!(found(), [begun]);
    write(registry, |writer| writer.forget_copy(target, begun));
    delete(registry, &shelf.package(package), 20);
    assert_eq!(found(), [package]);
    // A deleted package has nothing to be copied.
    assert_eq!(to_copy(registry, target), []);
    let revision = shelf.package(package).revision;
    assert!(!write(registry, |writer| writer.record_copy(target, package, revision, &[], at(21))));
    write(registry, |writer| writer.forget_copy(target, package));
    assert_eq!(found(), []);
}

pub(crate) fn the_home_moves_with_the_packages_and_the_versions_of_their_files(
    registry: &Registry,
) {
    let (shelf, open) = Shelf::with_package(registry);
    shelf.store(open, &["a", "b"]);
    let failed = shelf.create(|_| {}).id;
    fail(registry, failed);
    let target = target(registry);
    let etags = [(path("a"), Some("there a".to_owned())), (path("b"), None)];
    let revision = shelf.package(open).revision;
    assert!(write(registry, |writer| writer.record_copy(target, open, revision, &etags, at(8))));
    copied(&shelf, target, failed);
    let before = shelf.package(open);

    let moved = write(registry, |writer| {
        writer.hold_all_packages()?;
        writer.move_home(shelf.location, target)
    });
    assert_eq!(moved, 2);
    for id in [open, failed] {
        assert_eq!(read(registry, |reader| reader.package_location(id)), Some(target));
    }
    let files = read(registry, |reader| reader.files(open, None, None, 10));
    let etags: Vec<_> = files.into_iter().map(|file| file.etag).collect();
    assert_eq!(etags, [Some("there a".to_owned()), None]);
    // It is where it is that has changed, not what it is.
    assert_eq!(shelf.package(open), before);
    #[expect(clippy::redundant_closure_for_method_calls, reason = "one lifetime too few")]
    let roles = read(registry, |reader| reader.locations());
    let roles: Vec<_> = roles.into_iter().map(|known| (known.id, known.role)).collect();
    assert_eq!(roles, [(shelf.location, Role::Former), (target, Role::Home)]);
    // The list of copies is for the next move.
    assert_eq!(to_copy(registry, target).len(), 2);
}

pub(crate) fn whoever_works_on_a_former_home_changes_nothing_any_more(registry: &Registry) {
    let (shelf, package) = Shelf::with_package(registry);
    let target = target(registry);
    copied(&shelf, target, package);
    let (here, there) =
        (registry.clone().at_home(shelf.location), registry.clone().at_home(target));
    let reason = Reason::parse("given up").unwrap();
    let give_up = |registry: &Registry| {
        registry.write(Durability::Relaxed, |writer| writer.fail_package(package, &reason, at(9)))
    };
    // Nor does anybody on a home that is none yet.
    assert!(matches!(give_up(&there), Err(RegistryError::Moved { .. })));
    assert_eq!(shelf.package(package).failure_reason, None);
    write(registry, |writer| writer.move_home(shelf.location, target));
    let error = give_up(&here).unwrap_err();
    assert!(error.to_string().contains("s3://evidence/b"), "{error}");
    assert_eq!(shelf.package(package).failure_reason, None);
    give_up(&there).unwrap();
}

pub(crate) fn what_is_written_is_before_the_switch_or_refused(registry: &Registry) {
    const WRITERS: usize = 4;
    let shelf = Shelf::new(registry);
    let packages: Vec<PackageId> = (0..WRITERS).map(|_| shelf.create(|_| {}).id).collect();
    let target = target(registry);
    let here = registry.clone().at_home(shelf.location);
    let made = AtomicUsize::new(0);
    let stored: Vec<usize> = std::thread::scope(|scope| {
        let writing: Vec<_> = packages
            .iter()
            .map(|package| {
                let (here, made, shelf) = (&here, &made, &shelf);
                scope.spawn(move || {
                    for number in 0.. {
                        let claim = new_claim(*package, &number.to_string());
                        let file = finished(claim.id, *package, &number.to_string(), 1);
                        let written = here.write(Durability::Relaxed, |writer| {
                            // A new package now and then, which the switch has to see too.
                            if number % 4 == 0 {
                                writer.insert_package(&new_package(at(number)), shelf.location)?;
                            }
                            let rules = shelf.rules(1_000_000, &|_| false);
                            writer.claim(&rules, &[claim])?;
                            writer.finish_uploads(shelf.writer, at(3), u64::MAX, &[file])
                        });
                        match written {
                            Ok(answers) => assert!(answers[0].is_ok()),
                            Err(RegistryError::Moved { .. }) => {
                                return usize::try_from(number).unwrap();
                            }
                            Err(error) => panic!("{error}"),
                        }
                        made.fetch_add(1, Ordering::Relaxed);
                    }
                    unreachable!("there is no end to the numbers")
                })
            })
            .collect();
        while made.load(Ordering::Relaxed) < 40 {
            std::thread::yield_now();
        }
        write(registry, |writer| {
            writer.hold_all_packages()?;
            for package in writer.packages_to_copy(target, None, 10_000)? {
                let revision = writer.package(package.id)?.unwrap().revision;
                assert!(writer.record_copy(target, package.id, revision, &[], at(8))?);
            }
            writer.move_home(shelf.location, target)
        });
        writing.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    // Nobody has written into a package that had moved, and none was left behind.
    for (package, stored) in packages.iter().zip(stored) {
        assert_eq!(shelf.names(*package).len(), stored);
        assert_eq!(read(registry, |reader| reader.package_location(*package)), Some(target));
    }
    let all =
        read(registry, |reader| reader.packages(&PackageFilter::default(), None, 10_000, at(0)));
    for package in all {
        assert_eq!(read(registry, |reader| reader.package_location(package.id)), Some(target));
    }
}
