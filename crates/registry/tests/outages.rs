//! A PostgreSQL that is away, slow or occupied, each time a server of the test's own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::num::NonZeroU32;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use artifact_domain::Timestamp;
use artifact_domain::retention::{RetentionPeriod, RetentionRule};
use artifact_registry::{
    ConnectionOptions, DatabaseUrl, Durability, OpenMode, Registry, RegistryError,
};
use artifact_testkit::Postgres;
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;

const LONG: Duration = Duration::from_mins(5);
const SHORT: Duration = Duration::from_millis(200);

/// Waits for what does not come by itself in these tests.
const UNHURRIED: ConnectionOptions = ConnectionOptions {
    pool_size: NonZeroU32::new(4).unwrap(),
    connection_timeout: LONG,
    statement_timeout: LONG,
    lock_timeout: LONG,
};

fn open(url: &str, connections: &ConnectionOptions) -> Registry {
    let url = url.parse().unwrap();
    Registry::open_with_connections(&url, OpenMode::CreateAndMigrate, connections).unwrap()
}

fn raw(url: &str) -> PgConnection {
    PgConnection::establish(url).unwrap()
}

fn rule(version: u32) -> RetentionRule {
    RetentionRule {
        class: "raw-evidence".parse().unwrap(),
        version,
        period: RetentionPeriod::Days(90),
        description: String::new(),
        updated_at: Timestamp::from_unix_micros(1_790_000_000_000_000).unwrap(),
    }
}

fn read(registry: &Registry) -> Result<Option<u32>, RegistryError> {
    let current = registry.read(|reader| reader.current_rule(&rule(1).class))?;
    Ok(current.map(|rule| rule.version))
}

fn write(registry: &Registry, version: u32) -> Result<(), RegistryError> {
    registry.write(Durability::Synced, |writer| writer.insert_rule(&rule(version)))
}

/// That it is away, and says so without having waited for it to come back.
#[track_caller]
fn assert_away<T: std::fmt::Debug>(result: Result<T, RegistryError>) {
    let error = result.unwrap_err();
    assert!(matches!(error, RegistryError::NoConnection { .. }), "{error:?}");
}

#[test]
#[ignore = "needs PostgreSQL: just test-engines"]
fn a_server_that_comes_back_is_used_again_by_the_same_registry() {
    let postgres = Postgres::start();
    // With the patience of five minutes: a refused connection is not waited for.
    let registry = open(&postgres.url(), &UNHURRIED);
    write(&registry, 1).unwrap();
    for round in 1..=2 {
        // Several connections are open when the server goes away, and all are lost.
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert_eq!(read(&registry).unwrap(), Some(round)));
            }
        });
        postgres.stop();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert_away(read(&registry)));
                scope.spawn(|| assert_away(write(&registry, round + 1)));
            }
        });
        postgres.start_again();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert_eq!(read(&registry).unwrap(), Some(round)));
            }
        });
        write(&registry, round + 1).unwrap();
    }
}

#[test]
#[ignore = "needs PostgreSQL: just test-engines"]
fn a_transaction_that_loses_its_server_has_changed_nothing() {
    let postgres = Postgres::start();
    let registry = open(&postgres.url(), &UNHURRIED);
    assert_away(registry.write(Durability::Synced, |writer| {
        writer.insert_rule(&rule(1))?;
        postgres.stop();
        writer.insert_rule(&rule(2))
    }));
    postgres.start_again();
    // Nor does a commit count that cannot have arrived.
    assert_away(registry.write(Durability::Synced, |writer| {
        writer.insert_rule(&rule(1))?;
        postgres.stop();
        Ok::<_, RegistryError>(())
    }));
    postgres.start_again();
    assert_eq!(read(&registry).unwrap(), None);
    write(&registry, 1).unwrap();
}

#[test]
#[ignore = "needs PostgreSQL: just test-engines"]
fn opening_a_server_that_is_away_says_where_and_shows_no_password() {
    let postgres = Postgres::start();
    postgres.stop();
    let url: DatabaseUrl = postgres.url().replace("artifact@", "artifact:s3cret@").parse().unwrap();
    for mode in [OpenMode::CreateAndMigrate, OpenMode::Existing] {
        let error = Registry::open(&url, mode).unwrap_err();
        assert!(matches!(error, RegistryError::Open { .. }), "{error:?}");
        let said = error.to_string();
        assert!(said.contains("127.0.0.1") && said.contains("refused"), "{said}");
        assert!(!format!("{said}{error:?}").contains("s3cret"), "{said}");
    }
}

#[test]
#[ignore = "needs PostgreSQL: just test-engines"]
fn a_statement_ends_after_its_time_and_a_wait_for_a_lock_after_another() {
    let postgres = Postgres::start();
    let limits = |statement_timeout, lock_timeout| {
        let connections = ConnectionOptions { statement_timeout, lock_timeout, ..UNHURRIED };
        open(&postgres.url(), &connections)
    };
    let (slow, locked) = (limits(SHORT, LONG), limits(LONG, SHORT));
    let mut other = raw(&postgres.url());
    other.batch_execute("BEGIN; LOCK TABLE retention_rules IN ACCESS EXCLUSIVE MODE").unwrap();

    let error = read(&slow).unwrap_err();
    assert!(matches!(error, RegistryError::NoConnection { .. }), "{error:?}");
    assert!(error.to_string().contains("statement timeout"), "{error}");
    let error = read(&locked).unwrap_err();
    assert!(matches!(error, RegistryError::Locked { .. }), "{error:?}");

    other.batch_execute("ROLLBACK").unwrap();
    for registry in [slow, locked] {
        assert_eq!(read(&registry).unwrap(), None);
    }
}

#[test]
#[ignore = "needs PostgreSQL: just test-engines"]
fn a_registry_has_as_many_connections_as_it_may() {
    let postgres = Postgres::start();
    let one = NonZeroU32::new(1).unwrap();
    let connections = ConnectionOptions { pool_size: one, connection_timeout: SHORT, ..UNHURRIED };
    let registry = open(&postgres.url(), &connections);
    registry
        .read(|_| {
            let error = read(&registry).unwrap_err();
            assert!(matches!(error, RegistryError::NoConnection { .. }), "{error:?}");
            assert!(error.to_string().contains("in use"), "{error}");
            Ok::<_, RegistryError>(())
        })
        .unwrap();
    assert_eq!(read(&registry).unwrap(), None);
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    count: i64,
}

#[test]
#[ignore = "needs PostgreSQL: just test-engines"]
fn who_finds_a_migration_under_way_waits_for_it_longer_than_for_a_statement_or_a_lock() {
    let postgres = Postgres::start();
    let url = postgres.url();
    let mut migrating = raw(&url);
    migrating
        .batch_execute("SELECT pg_advisory_lock(hashtextextended('migrations', 7021791))")
        .unwrap();
    let (opened, opening) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let hurried =
                ConnectionOptions { statement_timeout: SHORT, lock_timeout: SHORT, ..UNHURRIED };
            let url = url.parse().unwrap();
            opened.send(Registry::open_with_connections(&url, OpenMode::CreateAndMigrate, &hurried))
        });
        let began = Instant::now();
        let waiting = "SELECT count(*) AS count FROM pg_locks \
                       WHERE locktype = 'advisory' AND NOT granted";
        while diesel::sql_query(waiting).get_result::<Count>(&mut migrating).unwrap().count == 0 {
            assert!(began.elapsed() < Duration::from_secs(30), "nobody waits");
        }
        // It would have given up by now, had it the patience of a statement.
        std::thread::sleep(3 * SHORT);
        assert!(opening.try_recv().is_err());
        drop(migrating);
        opening.recv().unwrap().unwrap();
    });
    Registry::open(&url.parse().unwrap(), OpenMode::Existing).unwrap();
}
