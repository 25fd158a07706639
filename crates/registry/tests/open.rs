//! Opening a registry: what is there, what is not, and what is somebody else's. SQLite only.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::time::{Duration, Instant};

use artifact_domain::Timestamp;
use artifact_domain::retention::{RetentionPeriod, RetentionRule};
use artifact_registry::{DatabaseUrl, Durability, OpenMode, OpenOptions, Registry, RegistryError};
use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};

const MODES: [OpenMode; 2] = [OpenMode::CreateAndMigrate, OpenMode::Existing];

/// A place for a registry in a folder of its own.
struct Place {
    folder: tempfile::TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("registry.sqlite3");
        Self { folder, path }
    }

    fn with_registry() -> Self {
        let place = Self::new();
        place.open(OpenMode::CreateAndMigrate).unwrap();
        place
    }

    fn open(&self, mode: OpenMode) -> Result<Registry, RegistryError> {
        self.open_with(&OpenOptions::new(mode))
    }

    /// Opens without patience.
    fn open_at_once(&self, mode: OpenMode) -> Result<Registry, RegistryError> {
        let mut options = OpenOptions::new(mode);
        options.connections.lock_timeout = Duration::from_millis(100);
        self.open_with(&options)
    }

    fn open_with(&self, options: &OpenOptions) -> Result<Registry, RegistryError> {
        Registry::open_with(&DatabaseUrl::sqlite(&self.path), options)
    }

    fn raw(&self) -> SqliteConnection {
        SqliteConnection::establish(self.path.to_str().unwrap()).unwrap()
    }

    /// The names in the folder.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// What opening answers, which has to name the file.
    fn refusal(&self, mode: OpenMode) -> RegistryError {
        let error = self.open_at_once(mode).unwrap_err();
        names_the_file(&error, &self.path);
        error
    }
}

fn names_the_file(error: &RegistryError, path: &Path) {
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
}

fn rule(version: u32) -> RetentionRule {
    RetentionRule {
        class: "raw-evidence".parse().unwrap(),
        version,
        period: RetentionPeriod::Permanent,
        description: "long ".repeat(200),
        updated_at: Timestamp::from_unix_micros(0).unwrap(),
    }
}

fn current(registry: &Registry) -> Option<RetentionRule> {
    registry.read(|reader| reader.current_rule(&rule(1).class)).unwrap()
}

/// Records the next version of a rule.
fn write(registry: &Registry) -> Result<(), RegistryError> {
    registry.write(Durability::Synced, |writer| {
        let current = writer.current_rule(&rule(1).class)?;
        writer.insert_rule(&rule(current.map_or(1, |current| current.version + 1)))
    })
}

fn works(registry: &Registry) {
    let before = current(registry).map_or(0, |current| current.version);
    write(registry).unwrap();
    assert_eq!(current(registry), Some(rule(before + 1)));
}

#[test]
fn a_registry_that_is_missing_is_made_only_when_asked_for() {
    let place = Place::new();
    let error = place.refusal(OpenMode::Existing);
    assert!(matches!(error, RegistryError::Missing { .. }), "{error:?}");
    assert_eq!(place.names(), [""; 0]);
    works(&place.open(OpenMode::CreateAndMigrate).unwrap());
    works(&place.open(OpenMode::Existing).unwrap());
}

#[test]
fn the_folders_of_a_new_registry_are_made() {
    let mut place = Place::new();
    place.path = place.folder.path().join("a/b/c.sqlite3");
    let error = place.refusal(OpenMode::Existing);
    assert!(matches!(error, RegistryError::Missing { .. }), "{error:?}");
    assert_eq!(place.names(), [""; 0]);
    works(&place.open(OpenMode::CreateAndMigrate).unwrap());
    fs::write(place.folder.path().join("file"), "").unwrap();
    place.path = place.folder.path().join("file/c.sqlite3");
    let error = place.open(OpenMode::CreateAndMigrate).unwrap_err();
    assert!(matches!(error, RegistryError::Open { .. }), "{error:?}");
    names_the_file(&error, &place.path);
}

#[test]
fn a_name_is_a_name_whatever_it_looks_like() {
    for name in [":memory:", "file:x?mode=ro", "a b#c?d%41&é😀", "sqlite:", "%2e", "'\";"] {
        let mut place = Place::new();
        place.path = place.folder.path().join(name);
        works(&place.open(OpenMode::CreateAndMigrate).unwrap());
        works(&place.open(OpenMode::Existing).unwrap());
        assert_eq!(place.names()[0], name);
    }
}

#[cfg(unix)]
#[test]
fn a_name_need_not_be_text() {
    use std::os::unix::ffi::OsStrExt as _;
    let mut place = Place::new();
    place.path = place.folder.path().join(std::ffi::OsStr::from_bytes(b"not \xff text"));
    works(&place.open(OpenMode::CreateAndMigrate).unwrap());
    works(&place.open(OpenMode::Existing).unwrap());
    assert!(place.path.exists());
}

#[test]
fn a_file_of_another_kind_is_refused_and_left_alone() {
    for content in ["x", "hello\n", &"x".repeat(600), &"a text file\n".repeat(1000)] {
        let place = Place::new();
        fs::write(&place.path, content).unwrap();
        for mode in MODES {
            let error = place.refusal(mode);
            assert!(matches!(error, RegistryError::NotARegistry { .. }), "{error:?}");
            assert_eq!(fs::read_to_string(&place.path).unwrap(), content);
            assert_eq!(place.names(), ["registry.sqlite3"]);
        }
    }
}

#[test]
fn a_database_of_another_program_is_refused_and_left_alone() {
    for tables in [
        "CREATE TABLE bookmarks (url TEXT)",
        "CREATE TABLE packages (name TEXT)",
        "CREATE VIEW v AS SELECT 1",
        "CREATE TABLE __diesel_schema_migrations (version TEXT PRIMARY KEY, run_on TEXT); \
         INSERT INTO __diesel_schema_migrations VALUES ('20200101000000', '')",
    ] {
        let place = Place::new();
        place.raw().batch_execute(tables).unwrap();
        let before = fs::read(&place.path).unwrap();
        for mode in MODES {
            let error = place.refusal(mode);
            assert!(matches!(error, RegistryError::NotARegistry { .. }), "{tables}: {error:?}");
            assert!(error.to_string().contains("another program"), "{error}");
            assert_eq!(fs::read(&place.path).unwrap(), before, "{tables}");
            assert_eq!(place.names(), ["registry.sqlite3"]);
        }
    }
}

#[test]
fn an_empty_file_becomes_a_registry_only_when_asked_for() {
    let place = Place::new();
    fs::write(&place.path, "").unwrap();
    let error = place.refusal(OpenMode::Existing);
    assert!(matches!(error, RegistryError::Outdated { .. }), "{error:?}");
    assert_eq!(fs::read(&place.path).unwrap(), b"");
    works(&place.open(OpenMode::CreateAndMigrate).unwrap());
}

#[test]
fn a_registry_of_a_later_version_is_refused() {
    let place = Place::with_registry();
    place
        .raw()
        .batch_execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('29990101000000')")
        .unwrap();
    for mode in MODES {
        let error = place.refusal(mode);
        assert!(matches!(error, RegistryError::Newer { .. }), "{error:?}");
        assert!(error.to_string().contains("29990101000000"), "{error}");
    }
}

#[test]
fn a_registry_that_lacks_a_migration_says_which() {
    let place = Place::with_registry();
    place.raw().batch_execute("DELETE FROM __diesel_schema_migrations").unwrap();
    let error = place.refusal(OpenMode::Existing);
    assert!(matches!(error, RegistryError::Outdated { .. }), "{error:?}");
    // The tables are there: whatever happened to this file, it is not for us to mend.
    let error = place.refusal(OpenMode::CreateAndMigrate);
    assert!(matches!(error, RegistryError::Open { .. }), "{error:?}");
}

#[test]
fn a_folder_is_no_registry() {
    let place = Place::new();
    fs::create_dir(&place.path).unwrap();
    for mode in MODES {
        let error = place.refusal(mode);
        assert!(matches!(error, RegistryError::Open { .. }), "{error:?}");
    }
}

#[test]
fn a_damaged_file_is_an_error_and_no_panic() {
    let place = Place::with_registry();
    let mut bytes = fs::read(&place.path).unwrap();
    bytes[100..4000].fill(0x5a);
    fs::write(&place.path, bytes).unwrap();
    for mode in MODES {
        place.open_at_once(mode).unwrap_err();
    }
}

#[test]
fn processes_that_open_one_place_together_make_one_registry() {
    for _ in 0..20 {
        let place = Place::new();
        let start = Barrier::new(8);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    start.wait();
                    let registry = place.open(OpenMode::CreateAndMigrate).unwrap();
                    write(&registry).unwrap();
                });
            }
        });
        let registry = place.open(OpenMode::Existing).unwrap();
        assert_eq!(current(&registry), Some(rule(8)));
    }
}

#[test]
fn a_registry_that_another_process_locks_is_read_and_not_written() {
    let place = Place::with_registry();
    let mut other = place.raw();
    other.batch_execute("BEGIN EXCLUSIVE").unwrap();
    for mode in MODES {
        let registry = place.open_at_once(mode).unwrap();
        assert_eq!(current(&registry), None);
        let began = Instant::now();
        let error = write(&registry).unwrap_err();
        assert!(matches!(error, RegistryError::Locked { .. }), "{error:?}");
        names_the_file(&error, &place.path);
        let waited = began.elapsed();
        assert!((Duration::from_millis(50)..Duration::from_secs(5)).contains(&waited));
    }
    let patient = place.open(OpenMode::Existing).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| works(&patient));
        std::thread::sleep(Duration::from_millis(200));
        other.batch_execute("COMMIT").unwrap();
    });
}

#[test]
fn a_file_that_another_process_locks_is_not_taken_for_anything_else() {
    let place = Place::new();
    let mut other = place.raw();
    other.batch_execute("CREATE TABLE t (i INTEGER); BEGIN EXCLUSIVE; DROP TABLE t").unwrap();
    for mode in MODES {
        let error = place.refusal(mode);
        assert!(matches!(error, RegistryError::Locked { .. }), "{error:?}");
    }
}

#[test]
fn a_full_disk_is_an_error_that_loses_nothing() {
    let place = Place::with_registry();
    let mut options = OpenOptions::new(OpenMode::Existing);
    // Room for a few rules more.
    options.on_connect = "PRAGMA max_page_count = 60".to_owned();
    let registry = place.open_with(&options).unwrap();
    let mut recorded = 0;
    let error = loop {
        match write(&registry) {
            Ok(()) => recorded += 1,
            Err(error) => break error,
        }
        assert!(recorded < 10_000);
    };
    assert!(matches!(error, RegistryError::Full { .. }), "{error:?}");
    names_the_file(&error, &place.path);
    assert!(recorded > 0);
    assert_eq!(current(&registry), Some(rule(recorded)));
    // With room again, the work goes on.
    works(&place.open(OpenMode::Existing).unwrap());
}
