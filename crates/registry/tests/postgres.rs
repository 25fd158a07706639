//! The contract suite on PostgreSQL, each behaviour in a database of its own.
//!
//! The server is a throwaway one, or the one whose URL is in `ARTIFACT_STORE_TEST_POSTGRES_URL`,
//! which is filled with databases:
//! `cargo test -p artifact-registry --test postgres -- --ignored`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod contract;

use std::sync::LazyLock;

use artifact_domain::{PackageId, Timestamp};
use artifact_registry::{DatabaseUrl, OpenMode, Registry, RegistryError};
use artifact_testkit::Postgres;
use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection, RunQueryDsl as _, SqliteConnection};

/// A database that is dropped when the test is over, however it ended.
struct FreshDatabase {
    server: String,
    name: String,
}

impl FreshDatabase {
    fn create() -> Self {
        static STARTED: LazyLock<Postgres> = LazyLock::new(Postgres::start);
        let server = std::env::var("ARTIFACT_STORE_TEST_POSTGRES_URL")
            .unwrap_or_else(|_unset| STARTED.url());
        // The ids of packages are random enough for a name.
        let id = PackageId::generate(Timestamp::from_unix_micros(0).unwrap()).to_string();
        let name = format!("artifact_registry_{}", id.replace('-', ""));
        let database = Self { server, name };
        database.administer(&format!("CREATE DATABASE {} TEMPLATE template0", database.name));
        database
    }

    fn administer(&self, sql: &str) {
        PgConnection::establish(&self.server).unwrap().batch_execute(sql).unwrap();
    }

    fn url(&self) -> DatabaseUrl {
        let (url, query) = self.server.split_once('?').unwrap_or((&self.server, ""));
        let (scheme, rest) = url.split_once("://").unwrap();
        let host = rest.split_once('/').map_or(rest, |(host, _)| host);
        let query = if query.is_empty() { String::new() } else { format!("?{query}") };
        format!("{scheme}://{host}/{}{query}", self.name).parse().unwrap()
    }

    fn open(&self) -> Registry {
        Registry::open(&self.url(), OpenMode::CreateAndMigrate).unwrap()
    }
}

impl Drop for FreshDatabase {
    fn drop(&mut self) {
        self.administer(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

fn on_a_fresh_database(behaviour: fn(&Registry)) {
    let database = FreshDatabase::create();
    let registry = database.open();
    behaviour(&registry);
}

macro_rules! make_tests {
    ($($module:ident { $($behaviour:ident,)* })*) => {
        $(mod $module {
            $(#[test]
            #[ignore = "needs PostgreSQL: just test-engines"]
            fn $behaviour() {
                super::on_a_fresh_database(super::contract::$module::$behaviour);
            })*
        })*
    };
}

contract::for_every_behaviour!(make_tests);

#[test]
#[ignore = "needs PostgreSQL: just test-engines"]
fn connections_that_the_server_closed_are_replaced() {
    let database = FreshDatabase::create();
    let registry = database.open();
    let package = contract::Shelf::with_package(&registry).1;
    for _ in 0..3 {
        database.administer(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'",
            database.name
        ));
        let found = registry.read(|reader| reader.package(package));
        assert!(found.unwrap().is_some());
    }
}

#[test]
#[ignore = "needs PostgreSQL: just test-engines"]
fn an_empty_database_is_left_empty_unless_it_may_be_migrated() {
    let database = FreshDatabase::create();
    for _ in 0..2 {
        let error = Registry::open(&database.url(), OpenMode::Existing).unwrap_err();
        assert!(matches!(error, RegistryError::Outdated { .. }), "{error}");
    }
}

#[test]
#[ignore = "needs PostgreSQL: just test-engines"]
fn processes_that_open_an_empty_database_together_migrate_it_once() {
    let database = FreshDatabase::create();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| database.open());
        }
    });
    Registry::open(&database.url(), OpenMode::Existing).unwrap();
}

#[test]
#[ignore = "needs PostgreSQL: just test-engines"]
fn a_database_that_is_not_there_is_an_error_that_says_so() {
    let database = FreshDatabase::create();
    let url = format!("{:?}", database.url()).replace(&database.name, "no_such_database");
    let url = url.replace(":***@", "@").parse().unwrap();
    let error = Registry::open(&url, OpenMode::CreateAndMigrate).unwrap_err();
    assert!(matches!(error, RegistryError::Open { .. }), "{error:?}");
    assert!(error.to_string().contains("no_such_database"), "{error}");
}

#[derive(diesel::QueryableByName, Debug, PartialEq)]
struct Column {
    #[diesel(sql_type = diesel::sql_types::Text)]
    table: String,
    #[diesel(sql_type = diesel::sql_types::Text)]
    name: String,
    #[diesel(sql_type = diesel::sql_types::Bool)]
    required: bool,
}

#[test]
#[ignore = "needs PostgreSQL: just test-engines"]
fn both_databases_really_have_the_same_columns() {
    let database = FreshDatabase::create();
    database.open();
    let DatabaseUrl::Postgres(url) = database.url() else { unreachable!() };
    let postgres: Vec<Column> = diesel::sql_query(
        "SELECT table_name::text AS \"table\", column_name::text AS name, \
         is_nullable = 'NO' AS required FROM information_schema.columns \
         WHERE table_schema = 'public' AND table_name NOT LIKE '\\_\\_%' \
         ORDER BY table_name COLLATE \"C\", ordinal_position",
    )
    .load(&mut PgConnection::establish(&url).unwrap())
    .unwrap();

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry.sqlite3");
    Registry::open(&DatabaseUrl::sqlite(&path), OpenMode::CreateAndMigrate).unwrap();
    let sqlite: Vec<Column> = diesel::sql_query(
        "SELECT t.name AS \"table\", c.name AS name, c.\"notnull\" OR c.pk > 0 AS required \
         FROM sqlite_schema AS t, pragma_table_info(t.name) AS c \
         WHERE t.type = 'table' AND t.name NOT LIKE '\\_\\_%' ESCAPE '\\' \
         AND t.name NOT LIKE 'sqlite%' ORDER BY t.name, c.cid",
    )
    .load(&mut SqliteConnection::establish(path.to_str().unwrap()).unwrap())
    .unwrap();
    assert!(sqlite.len() > 60, "{sqlite:?}");
    assert_eq!(sqlite, postgres);
}
