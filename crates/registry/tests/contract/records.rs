//! Records beside the bytes that are due.

use artifact_domain::PackageId;
use artifact_registry::{Durability, Registry, RegistryError};

use super::{Shelf, at, new_package, raw, read, write};

fn due(registry: &Registry) -> Vec<(PackageId, u64)> {
    read(registry, |reader| reader.records_due(None, 1000))
}

pub(crate) fn a_record_is_due_until_that_very_revision_is_written(registry: &Registry) {
    let (shelf, package) = Shelf::with_package(registry);
    let other = shelf.create(|_| {}).id;
    assert_eq!(due(registry), []);
    write(registry, |writer| {
        for revision in [3, 2, 3] {
            writer.record_due(package, revision, at(5))?;
        }
        writer.record_due(other, 2, at(6))
    });
    // Once noted, it stays noted once.
    write(registry, |writer| writer.record_due(package, 3, at(9)));
    let mut expected = vec![(package, 2), (package, 3), (other, 2)];
    expected.sort_unstable();
    assert_eq!(due(registry), expected);
    write(registry, |writer| writer.record_written(package, 2));
    expected.retain(|due| *due != (package, 2));
    assert_eq!(due(registry), expected);
    // What is not due may be written as often as one likes.
    for (id, revision) in [(package, 2), (package, 4), (new_package(at(1)).id, 3)] {
        write(registry, |writer| writer.record_written(id, revision));
    }
    assert_eq!(due(registry), expected);
    write(registry, |writer| {
        writer.record_written(package, 3)?;
        writer.record_written(other, 2)
    });
    assert_eq!(due(registry), []);
}

pub(crate) fn records_due_are_listed_in_pages(registry: &Registry) {
    let shelf = Shelf::new(registry);
    let mut expected = Vec::new();
    for n in 0..12_u64 {
        let package = shelf.create(|_| {}).id;
        // Ten sorts behind nine.
        expected.extend((0..=n % 4).map(|i| (package, 8 + i)));
    }
    write(registry, |writer| {
        for (package, revision) in &expected {
            writer.record_due(*package, *revision, at(5))?;
        }
        Ok(())
    });
    expected.sort_unstable();
    for limit in [1, 2, 7, 100] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = read(registry, |reader| reader.records_due(after, limit));
            assert!(page.len() <= limit as usize);
            let Some(last) = page.last() else { break };
            after = Some(*last);
            seen.extend(page);
        }
        assert_eq!(seen, expected);
    }
}

pub(crate) fn a_record_is_due_for_a_package_that_is_there_and_damage_names_it(registry: &Registry) {
    let (_shelf, package) = Shelf::with_package(registry);
    let nowhere = new_package(at(1)).id;
    let noted = registry.write(Durability::Synced, |writer| writer.record_due(nowhere, 1, at(5)));
    assert!(matches!(noted, Err(RegistryError::Query { .. })), "{noted:?}");
    raw(registry, &format!("INSERT INTO records_due VALUES ('{package}', -7, 1)")).unwrap();
    let error = registry.read(|reader| reader.records_due(None, 9)).unwrap_err();
    let said = error.to_string();
    assert!(matches!(error, RegistryError::Damaged { what: "record due", .. }), "{said}");
    assert!(said.contains(&format!("{package}: revision")), "{said}");
}
