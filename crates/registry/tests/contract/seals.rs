//! Sealing: intents, and what makes them void.

use artifact_domain::PackageId;
use artifact_domain::PackageStatus;
use artifact_domain::digest::Sha256Digest;
use artifact_domain::manifest::ManifestHead;
use artifact_domain::name::Reason;
use artifact_domain::package::Package;
use artifact_registry::Registry;
use artifact_registry::seal::{Seal, SealIntent};

use super::{Shelf, at, finished, path, read, write};

/// Ten minutes: how long an intent is young.
const LIFETIME: i64 = 600_000_000;

pub(crate) fn intend(registry: &Registry, package: PackageId, now: i64) -> SealIntent {
    write(registry, |writer| {
        let package = writer.package(package)?.unwrap();
        writer.intend_seal(&package, at(now))
    })
}

pub(crate) fn seal_of(package: &Package, intent: SealIntent) -> Seal {
    Seal {
        intent,
        expires_at: Some(at(0).plus_days(90)),
        manifest_sha256: Sha256Digest::from_bytes([1; 32]),
        payload_manifest_sha256: Sha256Digest::from_bytes([2; 32]),
        head: ManifestHead::seal(package, intent.finalized_at).unwrap(),
    }
}

fn seal(registry: &Registry, package: PackageId, intent: SealIntent) -> bool {
    let record = read(registry, |reader| reader.package(package)).unwrap();
    let seal = seal_of(&record, intent);
    write(registry, |writer| writer.seal(package, &seal, at(99)))
}

fn holds(registry: &Registry, package: PackageId, intent: SealIntent) -> bool {
    read(registry, |reader| reader.intent_holds(package, intent))
}

fn with_a_file(registry: &Registry) -> (Shelf<'_>, PackageId) {
    let (shelf, package) = Shelf::with_package(registry);
    shelf.store(package, &["a"]);
    (shelf, package)
}

pub(crate) fn a_sealed_package_says_what_it_was_sealed_with(registry: &Registry) {
    let (shelf, package) = with_a_file(registry);
    let before = shelf.package(package);
    let intent = intend(registry, package, 50);
    assert_eq!(intent, SealIntent { finalized_at: at(50), revision: before.revision });
    assert!(holds(registry, package, intent));
    // An intent is no change.
    assert_eq!(shelf.package(package), before);
    let record = seal_of(&before, intent);
    assert!(write(registry, |writer| writer.seal(package, &record, at(99))));
    let expected = Package {
        status: PackageStatus::Finalized,
        finalized_at: Some(at(50)),
        expires_at: Some(at(0).plus_days(90)),
        manifest_sha256: Some(record.manifest_sha256),
        payload_manifest_sha256: Some(record.payload_manifest_sha256),
        updated_at: at(99),
        revision: before.revision + 1,
        ..before
    };
    assert_eq!(shelf.package(package), expected);
    let head = read(registry, |reader| reader.manifest_head(package));
    assert_eq!(head.unwrap().as_json(), record.head.as_json());
    assert!(!holds(registry, package, intent));
}

pub(crate) fn a_young_intent_is_taken_over_and_an_old_one_is_not(registry: &Registry) {
    let (_shelf, package) = with_a_file(registry);
    let first = intend(registry, package, 50);
    assert_eq!(intend(registry, package, 60), first);
    assert_eq!(intend(registry, package, 50 + LIFETIME - 1), first);
    let second = intend(registry, package, 50 + LIFETIME);
    assert_eq!(second.finalized_at, at(50 + LIFETIME));
    assert!(!holds(registry, package, first));
    assert!(!seal(registry, package, first));
    // A clock that went back makes no intent that lies in the future.
    let third = intend(registry, package, 40);
    assert_eq!(third.finalized_at, at(40));
    assert!(seal(registry, package, third));
}

pub(crate) fn any_change_makes_an_intent_void(registry: &Registry) {
    let (shelf, package) = with_a_file(registry);
    let claim = shelf.hold(package, "b");
    let changes: [(&str, &dyn Fn()); 4] = [
        ("finish", &|| assert_eq!(shelf.finish(&[finished(claim, package, "b", 1)]), [Ok(())])),
        ("claim", &|| {
            shelf.hold(package, "c");
        }),
        ("remove", &|| {
            write(registry, |writer| writer.remove_file(package, &path("a"), at(9)));
        }),
        ("update", &|| {
            let record = shelf.package(package);
            write(registry, |writer| writer.update_description(&record, at(9)));
        }),
    ];
    for (name, change) in changes {
        let intent = intend(registry, package, 50);
        assert!(holds(registry, package, intent), "{name}");
        change();
        assert!(!holds(registry, package, intent), "{name}");
        assert!(!seal(registry, package, intent), "{name}");
        let next = intend(registry, package, 60);
        assert_eq!(next.finalized_at, at(60), "{name}");
    }
    assert_eq!(shelf.package(package).status, PackageStatus::Uploading);
    let intent = intend(registry, package, 70);
    let reason = Reason::parse("given up").unwrap();
    write(registry, |writer| writer.fail_package(package, &reason, at(9)));
    assert!(!holds(registry, package, intent));
    assert!(!seal(registry, package, intent));
    assert_eq!(shelf.package(package).status, PackageStatus::Failed);
}

pub(crate) fn a_package_is_sealed_once(registry: &Registry) {
    let (shelf, package) = with_a_file(registry);
    let intent = intend(registry, package, 50);
    assert!(seal(registry, package, intent));
    let sealed = shelf.package(package);
    assert!(!seal(registry, package, intent));
    assert_eq!(shelf.package(package), sealed);
}

pub(crate) fn what_was_never_intended_is_not_sealed(registry: &Registry) {
    let (shelf, package) = with_a_file(registry);
    let revision = shelf.package(package).revision;
    assert!(!seal(registry, package, SealIntent { finalized_at: at(50), revision }));
    let unknown = PackageId::generate(at(0));
    assert!(!holds(registry, unknown, SealIntent { finalized_at: at(50), revision }));
}
