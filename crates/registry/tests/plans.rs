//! How SQLite answers: no statement of the contract suite reads a whole table, and neither a list
//! with one filter nor any list of events or of retention sorts. The database has no statistics, as those of users
//! have none.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod contract;

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use artifact_domain::PackageStatus;
use artifact_domain::cursor::{CandidateCursor, PackageCursor};
use artifact_domain::event::AuditAction;
use artifact_domain::filter::{AuditFilter, PackageFilter};
use artifact_domain::id::HoldId;
use artifact_domain::name::ExternalId;
use artifact_registry::events::NewAuditEvent;
use artifact_registry::{DatabaseUrl, OpenMode, Reader, Registry, RegistryError};
use contract::{at, class, labels};
use diesel::connection::{
    Instrumentation, InstrumentationEvent, SimpleConnection as _, set_default_instrumentation,
};
use diesel::{Connection as _, QueryableByName, RunQueryDsl as _, SqliteConnection};

/// What may be read whole: tables of a few rows, whatever is stored, and the question itself.
const SMALL: [&str; 5] = [
    "retention_rules",
    "storage_locations",
    "sqlite_schema",
    "__diesel_schema_migrations",
    "wanted",
];

/// What connections of this process were asked.
static STATEMENTS: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

fn statements() -> MutexGuard<'static, BTreeSet<String>> {
    STATEMENTS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(clippy::unnecessary_wraps, reason = "the type is diesel's")]
fn recorder() -> Option<Box<dyn Instrumentation>> {
    Some(Box::new(|event: InstrumentationEvent<'_>| {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            let query = query.to_string();
            let sql = query.split(" -- binds:").next().unwrap_or_default();
            if ["SELECT", "UPDATE", "DELETE", "WITH"].iter().any(|verb| sql.starts_with(verb)) {
                statements().insert(sql.to_owned());
            }
        }
    }))
}

/// What a piece of work asks the database.
fn asked(work: impl FnOnce()) -> BTreeSet<String> {
    statements().clear();
    work();
    std::mem::take(&mut *statements())
}

/// One test at a time: what is recorded is the process's.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    set_default_instrumentation(recorder).unwrap();
    alone
}

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = diesel::sql_types::Text)]
    detail: String,
}

/// A registry with a few thousand rows of each kind, to explain statements on.
struct Explainer {
    _folder: tempfile::TempDir,
    connection: SqliteConnection,
}

impl Explainer {
    fn new() -> Self {
        let (folder, url) = fresh();
        Registry::open(&url, OpenMode::CreateAndMigrate).unwrap();
        let DatabaseUrl::Sqlite(path) = &url else { unreachable!() };
        let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        connection.batch_execute(ROWS).unwrap();
        Self { _folder: folder, connection }
    }

    fn explain(&mut self, sql: &str) -> Vec<String> {
        let steps: Vec<Step> = diesel::sql_query(format!("EXPLAIN QUERY PLAN {sql}"))
            .load(&mut self.connection)
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
        steps.into_iter().map(|step| step.detail).collect()
    }
}

const ROWS: &str = "
    INSERT INTO storage_locations (id, url, first_seen_at) VALUES ('l', 'file:///', 0);
    INSERT INTO retention_rules VALUES ('c', 1, 1, '', 0);
    CREATE TEMP TABLE n AS WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 2999)
        SELECT i FROM n;
    INSERT INTO writers (boot_id, opened_at) SELECT 'boot ' || i, i FROM n;
    INSERT INTO packages SELECT 'p' || i, 'ci', 'directory', 'run ' || i, NULL, '{}', '{}',
        'finalized', 'c', 1, i, i, i, i, i % 2, 1, 1, NULL, NULL, NULL, NULL, NULL, NULL, 'l', 1, NULL, NULL FROM n;
    INSERT INTO package_labels SELECT 'p' || i, 'branch', 'main', i FROM n;
    INSERT INTO files SELECT 'p' || (i % 7), 'file ' || i, 1, x'00', x'00', 'text/plain', i, NULL, 1 FROM n;
    INSERT INTO uploads SELECT 'u' || i, 'p' || (i % 7), 'claim ' || i, 1, i FROM n;
    INSERT INTO audit_events (at, actor, action, package_id, details) SELECT i, 'a', 'b', 'p' || (i % 7), '{}' FROM n;
    INSERT INTO retention_events (package_id, kind, actor, at, reason, before, after)
        SELECT 'p' || (i % 7), 'a', 'b', i, '', '', '' FROM n;
    INSERT INTO holds SELECT 'h' || i, 'p' || (i % 7), 'r', NULL, i, 'a', NULL, NULL, NULL FROM n WHERE i % 2;
    INSERT INTO holds SELECT 'h' || i, 'p' || (i % 7), 'r', NULL, i, 'a', i, 'b', 'c' FROM n WHERE i % 2 = 0;
    INSERT INTO deletions SELECT 'p' || i, NULL, 1, 1, i, 'a', NULL, 'r', 'c', 1, i, '[]', 0,
        CASE WHEN i % 100 > 0 THEN i END FROM n;
    INSERT INTO records_due SELECT 'p' || i, 1, i FROM n;
    INSERT INTO clock VALUES (1, 1, NULL);
    INSERT INTO package_copies SELECT 'l', 'p' || i, i % 3, i FROM n;
    INSERT INTO file_copies SELECT 'l', 'p' || (i % 7), 'file ' || i, NULL FROM n;
    DROP TABLE n;
";

fn fresh() -> (tempfile::TempDir, DatabaseUrl) {
    let folder = tempfile::tempdir().unwrap();
    let url = DatabaseUrl::sqlite(folder.path().join("registry.sqlite3"));
    (folder, url)
}

/// Runs every behaviour of the contract suite on a registry of its own.
fn run_the_contract_suite() {
    macro_rules! run_all {
        ($($module:ident { $($behaviour:ident,)* })*) => {
            $($({
                let (_folder, url) = fresh();
                let registry = Registry::open(&url, OpenMode::CreateAndMigrate).unwrap();
                contract::$module::$behaviour(&registry);
            })*)*
        };
    }
    contract::for_every_behaviour!(run_all);
}

#[test]
fn no_statement_reads_a_whole_table() {
    let _alone = alone();
    let asked = asked(run_the_contract_suite);
    assert!(asked.len() > 60, "{asked:#?}");
    let mut explainer = Explainer::new();
    let mut bad = Vec::new();
    for sql in asked {
        for step in explainer.explain(&sql) {
            let scanned = step.strip_prefix("SCAN ").and_then(|rest| rest.split(' ').next());
            if scanned.is_some_and(|table| !SMALL.contains(&table)) {
                bad.push(format!("{step}: {sql}"));
            }
            // A path is looked for by its path, not by reading its package through.
            let by_path =
                sql.contains("path` IN") || sql.contains("path` >") || sql.contains(".path >");
            let read_through = step.contains("(package_id=?)")
                && [" files ", " uploads ", " f ", " u "].iter().any(|table| step.contains(table));
            if by_path && read_through {
                bad.push(format!("{step}: {sql}"));
            }
        }
    }
    assert!(bad.is_empty(), "{bad:#?}");
}

#[test]
fn a_list_with_one_filter_is_not_sorted() {
    let _alone = alone();
    let (_folder, url) = fresh();
    let registry = Registry::open(&url, OpenMode::CreateAndMigrate).unwrap();
    let none = PackageFilter::default;
    let filters = [
        none(),
        PackageFilter { status: Some(PackageStatus::Finalized), ..none() },
        PackageFilter { producer: Some("ci".parse().unwrap()), ..none() },
        PackageFilter { kind: Some("directory".parse().unwrap()), ..none() },
        PackageFilter { external_id: Some(ExternalId::parse("run 1").unwrap()), ..none() },
        PackageFilter { retention_class: Some(class("raw-evidence")), ..none() },
        PackageFilter { on_hold: Some(true), ..none() },
        PackageFilter { labels: labels(&[("branch", "main")]), ..none() },
        PackageFilter { labels: labels(&[("branch", "main"), ("os", "linux")]), ..none() },
        PackageFilter { created_after: Some(at(1)), ..none() },
        PackageFilter { created_before: Some(at(1)), ..none() },
    ];
    let behind = PackageCursor { created_at: at(1), id: contract::new_package(at(1)).id };
    let mut explainer = Explainer::new();
    for filter in filters {
        for after in [None, Some(behind)] {
            let asked = asked(|| {
                contract::read(&registry, |reader| reader.packages(&filter, after, 100, at(0)));
            });
            let lists: Vec<&String> = asked.iter().filter(|sql| sql.contains("LIMIT")).collect();
            assert_eq!(lists.len(), 1, "{asked:#?}");
            let plan = explainer.explain(lists[0]);
            assert!(plan[0].starts_with("SEARCH "), "{plan:#?} {filter:?}");
            assert!(!plan.iter().any(|step| step.contains("B-TREE")), "{plan:#?} {filter:?}");
        }
    }
}

#[test]
fn no_list_of_events_reads_a_whole_table() {
    let _alone = alone();
    let (_folder, url) = fresh();
    let registry = Registry::open(&url, OpenMode::CreateAndMigrate).unwrap();
    // With one event: where there is none in the filter's time, the list is not asked for.
    let package = contract::new_package(at(1)).id;
    contract::write(&registry, |writer| {
        writer.append_audit(NewAuditEvent {
            at: at(5),
            origin: &contract::origin(),
            action: AuditAction::FilesStored,
            package: Some(package),
            details: serde_json::Map::new(),
        })
    });
    let mut explainer = Explainer::new();
    for n in 0..32 {
        let filter = AuditFilter {
            package: (n & 1 > 0).then_some(package),
            action: (n & 2 > 0).then_some(AuditAction::FilesStored),
            actor: (n & 4 > 0).then(|| contract::origin().actor),
            after: (n & 8 > 0).then(|| at(1)),
            before: (n & 16 > 0).then(|| at(9)),
        };
        let asked = asked(|| {
            for behind in [0, 1] {
                contract::read(&registry, |reader| reader.audit_events(&filter, behind, 100));
            }
        });
        let listed = asked.iter().filter(|sql| sql.contains("ORDER BY")).count();
        assert_eq!(listed, 1, "{asked:#?}");
        for sql in asked {
            let plan = explainer.explain(&sql);
            assert_eq!(plan.len(), 1, "{plan:#?} {filter:?}");
            let by_time = sql.contains("min(") && plan[0].contains("COVERING INDEX");
            let key = if by_time { "(at>? AND at<?)" } else { "seq>? AND seq<?)" };
            let key = if plan[0].contains("PRIMARY KEY") { "(rowid>? AND rowid<?)" } else { key };
            assert!(plan[0].starts_with("SEARCH ") && plan[0].ends_with(key), "{plan:#?}");
        }
    }
    let asked = asked(|| {
        contract::read(&registry, |reader| reader.retention_events(package, 0, 100));
    });
    let plan = explainer.explain(asked.first().unwrap());
    assert_eq!(plan.len(), 1, "{plan:?}");
    assert!(plan[0].contains("USING INDEX retention_events_by_package"), "{plan:?}");
}

#[test]
fn no_list_of_retention_is_sorted_or_passes_what_it_does_not_list() {
    let _alone = alone();
    let (_folder, url) = fresh();
    let registry = Registry::open(&url, OpenMode::CreateAndMigrate).unwrap();
    let package = contract::new_package(at(1)).id;
    let hold = HoldId::generate(at(1));
    let behind = CandidateCursor { expires_at: at(1), id: package };
    let mut explainer = Explainer::new();
    let mut plan_of = |list: &dyn Fn(&mut Reader<'_>) -> Result<(), RegistryError>| {
        let asked = asked(|| contract::read(&registry, list));
        assert_eq!(asked.len(), 1, "{asked:#?}");
        let plan = explainer.explain(asked.first().unwrap());
        assert_eq!(plan.len(), 1, "{plan:#?}");
        plan[0].clone()
    };
    for after in [None, Some(behind)] {
        let plan = plan_of(&|reader| reader.deletion_candidates(after, 100, at(9)).map(|_| ()));
        let key = "(status=? AND on_hold=? AND (expires_at,id)>(?,?) AND expires_at<?)";
        assert_eq!(plan, format!("SEARCH packages USING INDEX packages_by_expiry {key}"));
    }
    for after in [None, Some(hold)] {
        let plan = plan_of(&|reader| reader.holds(package, after, 100).map(|_| ()));
        assert_eq!(plan, "SEARCH holds USING INDEX holds_by_package (package_id=? AND id>?)");
    }
    let plan = plan_of(&|reader| reader.active_holds(package).map(|_| ()));
    assert_eq!(plan, "SEARCH holds USING INDEX holds_active (package_id=?)");
    for after in [None, Some(package)] {
        let plan = plan_of(&|reader| reader.unfinished_deletions(after, 100).map(|_| ()));
        assert_eq!(plan, "SEARCH deletions USING INDEX deletions_unfinished (package_id>?)");
    }
    for after in [None, Some((package, 1))] {
        let plan = plan_of(&|reader| reader.records_due(after, 100).map(|_| ()));
        assert_eq!(plan, "SEARCH records_due USING PRIMARY KEY (package_id>?)");
    }
}
