//! Packages: recorded, looked up, changed.

use artifact_domain::digest::Sha256Digest;
use artifact_domain::filter::AuditFilter;
use artifact_domain::metadata::Metadata;
use artifact_domain::name::{ExternalId, Producer, Title};
use artifact_domain::package::Package;
use artifact_domain::{PackageId, PackageStatus};
use artifact_registry::{Registry, RegistryError};

use super::{Shelf, at, is_postgres, labels, new_package, raw, read, reason, write};

fn external_id(text: &str) -> ExternalId {
    ExternalId::parse(text).unwrap()
}

fn metadata(json: &str) -> Metadata {
    serde_json::from_str(json).unwrap()
}

/// A package with a value in every column.
fn full_package() -> Package {
    let mut package = new_package(at(1));
    package.description.external_id = Some(external_id("run #1 'quoted' % _ ü 😀"));
    package.description.title = Some(Title::parse("Größe \"α\" – 100 %").unwrap());
    package.description.labels = labels(&[("branch", "main"), ("empty", ""), ("z", "ü=ß")]);
    package.description.metadata =
        metadata(r#"{"b":[1,-1,9007199254740991,null,true],"a":{"é/~":"\u001f\n\"'"},"c":0.1}"#);
    Package {
        rule_version: 1,
        status: PackageStatus::Deleted,
        updated_at: at(2),
        finalized_at: Some(at(3)),
        expires_at: Some(at(0).plus_days(36_500)),
        on_hold: true,
        file_count: 10_000_000,
        total_bytes: (1 << 53) - 1,
        manifest_sha256: Some(Sha256Digest::from_bytes([0; 32])),
        payload_manifest_sha256: Some(Sha256Digest::from_bytes([255; 32])),
        failure_reason: Some(reason("first line\nsecond line")),
        deleted_at: Some(at(4)),
        deletion_reason: Some(reason("no longer needed")),
        revision: 77,
        ..package
    }
}

pub(crate) fn a_package_is_read_back_as_it_was_recorded(registry: &Registry) {
    let shelf = Shelf::new(registry);
    let package = full_package();
    shelf.insert(&package).unwrap();
    assert_eq!(shelf.package(package.id), package);
    let location = read(registry, |reader| reader.package_location(package.id));
    assert_eq!(location, Some(shelf.location));
}

pub(crate) fn a_package_that_says_little_is_read_back_too(registry: &Registry) {
    let shelf = Shelf::new(registry);
    let package = shelf.create(|_| {});
    assert_eq!(shelf.package(package.id), package);
    assert_eq!(read(registry, |reader| reader.manifest_head(package.id)), None);
}

pub(crate) fn every_number_of_the_metadata_is_read_back_exactly(registry: &Registry) {
    let shelf = Shelf::new(registry);
    // A pseudo-random walk through the fractions; a reader that rounds carelessly is off by one
    // bit in one of a few.
    let mut bits = 0x9e37_79b9_7f4a_7c15_u64;
    let numbers: Vec<f64> = std::iter::repeat_with(|| {
        bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from_bits(bits)
    })
    .filter(|number| number.is_finite())
    .take(1000)
    .collect();
    let mut object = serde_json::Map::new();
    object.insert("numbers".to_owned(), numbers.into());
    let metadata = Metadata::new(object).unwrap();
    let package = shelf.create(|package| package.description.metadata = metadata.clone());
    assert_eq!(shelf.package(package.id).description.metadata, metadata);
}

pub(crate) fn what_was_never_recorded_is_not_found(registry: &Registry) {
    let id = PackageId::generate(at(0));
    assert_eq!(read(registry, |reader| reader.package(id)), None);
    assert_eq!(read(registry, |reader| reader.package_location(id)), None);
    assert_eq!(read(registry, |reader| reader.manifest_head(id)), None);
    assert_eq!(read(registry, |reader| reader.current_rule(&super::class("unknown"))), None);
    assert!(read(registry, |reader| reader.files(id, None, None, 10)).is_empty());
    assert!(read(registry, |reader| reader.claims(id, 10)).is_empty());
    let trail = AuditFilter { package: Some(id), ..AuditFilter::default() };
    assert!(read(registry, |reader| reader.audit_events(&trail, 0, 10)).is_empty());
}

fn by_external_id(registry: &Registry, producer: &str, id: &str) -> Option<PackageId> {
    let (producer, id) = (Producer::parse(producer).unwrap(), external_id(id));
    let found = read(registry, |reader| reader.package_by_external_id(&producer, &id));
    found.map(|package| package.id)
}

pub(crate) fn an_external_id_finds_the_one_package_that_is_neither_failed_nor_deleted(
    registry: &Registry,
) {
    let shelf = Shelf::new(registry);
    let create = |status| {
        shelf.create(|package| {
            package.description.external_id = Some(external_id("run-1"));
            package.status = status;
        })
    };
    create(PackageStatus::Deleted);
    create(PackageStatus::Deleted);
    create(PackageStatus::Failed);
    assert_eq!(by_external_id(registry, "ci", "run-1"), None);
    let open = create(PackageStatus::Created);
    assert_eq!(by_external_id(registry, "ci", "run-1"), Some(open.id));
    assert_eq!(by_external_id(registry, "ci", "RUN-1"), None);

    write(registry, |writer| writer.fail_package(open.id, &reason("given up"), at(5)));
    assert_eq!(by_external_id(registry, "ci", "run-1"), None);
    let next = create(PackageStatus::Finalized);
    assert_eq!(by_external_id(registry, "ci", "run-1"), Some(next.id));
}

pub(crate) fn an_external_id_is_the_producers_own(registry: &Registry) {
    let shelf = Shelf::new(registry);
    let create = |producer: &str| {
        let package = shelf.create(|package| {
            package.description.producer = producer.parse().unwrap();
            package.description.external_id = Some(external_id("run-1"));
        });
        package.id
    };
    let (ours, theirs) = (create("ci"), create("guide-board"));
    assert_eq!(by_external_id(registry, "ci", "run-1"), Some(ours));
    assert_eq!(by_external_id(registry, "guide-board", "run-1"), Some(theirs));
    // Packages without an id of the producer's do not get in each other's way.
    shelf.create(|_| {});
    shelf.create(|_| {});
}

pub(crate) fn the_database_itself_refuses_a_second_package_of_one_external_id(registry: &Registry) {
    let shelf = Shelf::new(registry);
    let mut package = new_package(at(1));
    package.description.external_id = Some(external_id("run-1"));
    for status in [PackageStatus::Created, PackageStatus::Uploading, PackageStatus::Finalized] {
        let first = shelf.create(|first| {
            first.description = package.description.clone();
            first.status = status;
        });
        package.id = PackageId::generate(at(1));
        let error = shelf.insert(&package).unwrap_err();
        assert!(matches!(error, RegistryError::Query { .. }), "{error:?}");
        write(registry, |writer| writer.fail_package(first.id, &reason("given up"), at(5)));
    }
    shelf.insert(&package).unwrap();
}

pub(crate) fn title_and_labels_change_and_nothing_else(registry: &Registry) {
    let shelf = Shelf::new(registry);
    let before = shelf.create(|package| {
        package.description.labels = labels(&[("a", "1"), ("b", "2")]);
    });
    let mut changed = before.clone();
    changed.description.title = Some(Title::parse("A title").unwrap());
    changed.description.labels = labels(&[("b", "3"), ("c", "4")]);
    write(registry, |writer| writer.update_description(&changed, at(9)));
    let expected = Package { updated_at: at(9), revision: before.revision + 1, ..changed };
    assert_eq!(shelf.package(before.id), expected);

    let mut bare = expected.clone();
    bare.description.title = None;
    bare.description.labels = labels(&[]);
    write(registry, |writer| writer.update_description(&bare, at(10)));
    let expected = Package { updated_at: at(10), revision: before.revision + 2, ..bare };
    assert_eq!(shelf.package(before.id), expected);
}

pub(crate) fn a_failed_package_says_why(registry: &Registry) {
    let shelf = Shelf::new(registry);
    let before = shelf.create(|_| {});
    let why = reason("the runner\nwas lost");
    write(registry, |writer| writer.fail_package(before.id, &why, at(9)));
    let expected = Package {
        status: PackageStatus::Failed,
        failure_reason: Some(why),
        updated_at: at(9),
        revision: before.revision + 1,
        ..before
    };
    assert_eq!(shelf.package(expected.id), expected);
}

pub(crate) fn a_value_that_nobody_wrote_names_its_row_and_column(registry: &Registry) {
    let shelf = Shelf::new(registry);
    for (column, value) in [
        ("status", "'sleeping'"),
        ("producer", "'No Producer'"),
        ("kind", "''"),
        ("external_id", "''"),
        ("title", "''"),
        ("labels", "'{'"),
        ("metadata", "'[]'"),
        ("created_at", "-1"),
        ("updated_at", "-1"),
        ("finalized_at", "-1"),
        ("expires_at", "-1"),
        ("deleted_at", "-1"),
        ("file_count", "-1"),
        ("total_bytes", "-1"),
        ("revision", "-1"),
        ("failure_reason", "' '"),
        ("deletion_reason", "' '"),
        ("manifest_sha256", "NULL"),
        ("payload_manifest_sha256", "NULL"),
    ] {
        let id = shelf.create(|_| {}).id;
        // Three bytes are no digest.
        let value = match (column, is_postgres(registry)) {
            ("manifest_sha256" | "payload_manifest_sha256", true) => r"'\x010203'",
            ("manifest_sha256" | "payload_manifest_sha256", false) => "x'010203'",
            _ => value,
        };
        raw(registry, &format!("UPDATE packages SET {column} = {value} WHERE id = '{id}'"))
            .unwrap();
        let error = registry.read(|reader| reader.package(id)).unwrap_err();
        let said = error.to_string();
        assert!(matches!(error, RegistryError::Damaged { what: "package", .. }), "{said}");
        assert!(said.contains(&id.to_string()) && said.contains(column), "{said}");
    }
}
