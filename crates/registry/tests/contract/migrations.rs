//! A registry that an earlier version of this program made.

use artifact_domain::filter::AuditFilter;
use artifact_domain::id::{ClaimId, StorageId};
use artifact_domain::{PackageId, PackageStatus};
use artifact_registry::{DatabaseUrl, OpenMode, Registry, RegistryError};
use diesel::{Connection as _, PgConnection, SqliteConnection};
use diesel_migrations::{FileBasedMigrations, MigrationHarness as _};

use super::deletions::receipt_of;
use super::holds::place;
use super::{Shelf, at, class, is_postgres, path, raw, raw_at, read, reason, rule, write};

/// An empty place beside the registry: another file, or another schema of the same database.
fn empty_place(registry: &Registry) -> DatabaseUrl {
    match registry.url() {
        DatabaseUrl::Sqlite(path) => DatabaseUrl::sqlite(path.with_extension("earlier")),
        DatabaseUrl::Postgres(url) => {
            raw(registry, "CREATE SCHEMA earlier").unwrap();
            let mark = if url.contains('?') { '&' } else { '?' };
            DatabaseUrl::Postgres(format!("{url}{mark}options=-csearch_path%3Dearlier"))
        }
    }
}

/// Brings a database to the first version and no further.
fn migrate_once(url: &DatabaseUrl) {
    let tree = |name: &str| {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations/");
        FileBasedMigrations::from_path(format!("{root}{name}")).unwrap()
    };
    match url {
        DatabaseUrl::Sqlite(path) => {
            let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
            connection.run_next_migration(tree("sqlite")).unwrap();
        }
        DatabaseUrl::Postgres(url) => {
            let mut connection = PgConnection::establish(url).unwrap();
            connection.run_next_migration(tree("postgres")).unwrap();
        }
    }
}

pub(crate) fn a_registry_of_the_first_version_is_migrated_with_its_rows(registry: &Registry) {
    let url = empty_place(registry);
    migrate_once(&url);
    let package = PackageId::generate(at(1));
    let [location, claim] =
        [StorageId::generate(at(1)).to_string(), ClaimId::generate(at(1)).to_string()];
    let digest = if is_postgres(registry) {
        format!(r"'\x{}'", "07".repeat(32))
    } else {
        format!("x'{}'", "07".repeat(32))
    };
    let (before, after) = (at(1).unix_micros(), at(5).unix_micros());
    raw_at(
        &url,
        &format!(
            "INSERT INTO storage_locations VALUES ('{location}', 'file:///a', {before});
             INSERT INTO writers (boot_id, opened_at) VALUES ('this boot', {before});
             INSERT INTO retention_rules VALUES ('raw-evidence', 1, 90, 'version 1', {before});
             INSERT INTO packages VALUES ('{package}', 'ci', 'directory', 'run-1', 'A title',
                 '{{\"a\":\"1\"}}', '{{}}', 'finalized', 'raw-evidence', 1, {before}, {before},
                 {before}, {after}, false, 1, 10, {digest}, {digest}, '{{}}', NULL, NULL, NULL,
                 '{location}', 7, NULL, NULL);
             INSERT INTO package_labels VALUES ('{package}', 'a', '1', {before});
             INSERT INTO files VALUES
                 ('{package}', 'a', 10, {digest}, {digest}, 'text/plain', {before}, NULL, 1);
             INSERT INTO uploads VALUES ('{claim}', '{package}', 'b', 1, {before});
             INSERT INTO retention_events (package_id, kind, actor, at, reason, before, after)
                 VALUES ('{package}', 'expiry-set', 'ci', {before}, 'why', 'null', 'null');
             INSERT INTO audit_events (at, actor, action, package_id, details)
                 VALUES ({before}, 'ci', 'package.created', '{package}', '{{}}');"
        ),
    )
    .unwrap();

    let error = Registry::open(&url, OpenMode::Existing).unwrap_err();
    assert!(matches!(error, RegistryError::Outdated { .. }), "{error:?}");
    let registry = Registry::open(&url, OpenMode::CreateAndMigrate).unwrap();
    Registry::open(&url, OpenMode::Existing).unwrap();

    let found = read(&registry, |reader| reader.package(package)).unwrap();
    assert_eq!((found.status, found.revision), (PackageStatus::Finalized, 7));
    assert_eq!((found.expires_at, found.on_hold), (Some(at(5)), false));
    assert_eq!(found.description.external_id.as_ref().unwrap().as_str(), "run-1");
    let file = read(&registry, |reader| reader.file(package, &path("a"))).unwrap();
    assert_eq!(file.record.size, 10);
    assert_eq!(read(&registry, |reader| reader.claims(package, 9)).len(), 1);
    assert_eq!(read(&registry, |reader| reader.retention_events(package, 0, 9)).len(), 1);
    let trail = AuditFilter { package: Some(package), ..AuditFilter::default() };
    assert_eq!(read(&registry, |reader| reader.audit_events(&trail, 0, 9)).len(), 1);
    let current = read(&registry, |reader| reader.current_rule(&class("raw-evidence")));
    assert_eq!(current, Some(rule("raw-evidence", 1, Some(90))));

    // It does what a new one does.
    raw(&registry, "UPDATE retention_rules SET period_days = 1").unwrap_err();
    let listed = read(&registry, |reader| reader.deletion_candidates(None, 9, at(6)));
    assert_eq!(listed, [found]);
    place(&registry, package, 6);
    assert!(read(&registry, |reader| reader.package(package)).unwrap().on_hold);
    let shelf = Shelf::at(&registry, location.parse().unwrap());
    let failed = shelf.create(|_| {});
    write(&registry, |writer| {
        writer.fail_package(failed.id, &reason("given up"), at(7))?;
        writer.delete_package(&receipt_of(&failed, 8))
    });
    assert!(read(&registry, |reader| reader.deletion(failed.id)).is_some());
}
