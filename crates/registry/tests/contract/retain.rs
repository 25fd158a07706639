//! How long a package is kept.

use artifact_domain::package::{Package, PackageDescription};
use artifact_registry::{Durability, Registry, RegistryError};

use super::{Shelf, at, class, rule, write};

pub(crate) fn class_version_and_expiry_change_and_nothing_else(registry: &Registry) {
    let shelf = Shelf::new(registry);
    write(registry, |writer| writer.insert_rule(&rule("raw-evidence", 2, Some(30))));
    let mut expected = shelf.create(|package| package.expires_at = Some(at(5)));
    for (name, version, expires_at, now) in [
        ("raw-evidence", 2, Some(at(9)), 11),
        ("permanent-record", 1, None, 12),
        ("raw-evidence", 1, Some(at(0).plus_days(36_500)), 13),
        // The same again is a change like any.
        ("raw-evidence", 1, Some(at(0).plus_days(36_500)), 14),
    ] {
        let class = class(name);
        write(registry, |writer| {
            writer.set_retention(expected.id, &class, version, expires_at, at(now))
        });
        expected = Package {
            description: PackageDescription { retention_class: class, ..expected.description },
            rule_version: version,
            expires_at,
            updated_at: at(now),
            revision: expected.revision + 1,
            ..expected
        };
        assert_eq!(shelf.package(expected.id), expected);
    }
}

pub(crate) fn a_package_names_a_version_of_a_class_that_is_there(registry: &Registry) {
    let (shelf, package) = Shelf::with_package(registry);
    let before = shelf.package(package);
    for (name, version) in [("raw-evidence", 2), ("unknown", 1)] {
        let set = registry.write(Durability::Synced, |writer| {
            writer.set_retention(package, &class(name), version, None, at(9))
        });
        assert!(matches!(set, Err(RegistryError::Query { .. })), "{set:?}");
    }
    assert_eq!(shelf.package(package), before);
}
