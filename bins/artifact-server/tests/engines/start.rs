//! Databases that cannot be used end the start.

use std::path::Path;

use artifact_registry::{ConnectionOptions, DatabaseUrl, OpenMode, OpenOptions, Registry};
use artifact_testkit::Postgres;

use crate::process::Place;
use crate::room::files_below;
use crate::shared::POSTGRES;

/// Asserts that the program ends with a code and one line that has these words, and has made
/// nothing.
#[track_caller]
fn assert_does_not_start(database_url: &str, code: i32, words: &[&str]) {
    let place = Place::new();
    let ended = place.run(&["--bind", "127.0.0.1:0", "--database-url", database_url], &[]);
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(code), "{said}");
    assert!(ended.stdout.is_empty());
    for word in words {
        assert!(said.contains(word), "{word} is not in {said}");
    }
    let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{said}");
    // The command line's own advice on how it is used may follow.
    assert!(code == 2 || said.lines().count() == 1, "{said}");
    assert!(!said.contains("s3cret"), "{said}");
    assert_nothing(&place.data_dir());
}

#[track_caller]
fn assert_nothing(folder: &Path) {
    assert!(!folder.exists(), "{:?}", files_below(folder));
}

#[test]
#[ignore = "needs PostgreSQL: just test-engines"]
fn a_database_that_cannot_be_used_ends_the_start_with_one_line_and_makes_nothing() {
    let database = POSTGRES.fresh_database();
    let with_password = |url: &str| url.replace("artifact@", "artifact:s3cret@");
    let missing = with_password(&database.url()).replace(database.name(), "no_such_database");
    assert_does_not_start(&missing, 1, &["no_such_database", "does not exist"]);
    let away = Postgres::start();
    let url = with_password(&away.url());
    drop(away);
    assert_does_not_start(&url, 1, &["127.0.0.1", "refused"]);
}

#[test]
#[ignore = "needs PostgreSQL: just test-engines"]
fn another_scheme_than_that_of_a_database_is_a_usage_error_that_shows_no_password() {
    for scheme in ["mysql", "postgress", "http"] {
        let url = format!("{scheme}://artifact:s3cret@127.0.0.1/evidence");
        assert_does_not_start(&url, 2, &["--database-url", "expected sqlite://"]);
    }
}

#[test]
#[ignore = "needs PostgreSQL: just test-engines"]
fn a_registry_that_is_newer_than_the_program_ends_the_start_and_stays_as_it_is() {
    let database = POSTGRES.fresh_database();
    let url: DatabaseUrl = database.url().parse().unwrap();
    drop(Registry::open(&url, OpenMode::CreateAndMigrate).unwrap());
    let later = "INSERT INTO __diesel_schema_migrations (version) VALUES ('99990101000000') \
                 ON CONFLICT DO NOTHING";
    let options =
        OpenOptions { on_connect: later.to_owned(), ..OpenOptions::new(OpenMode::Existing) };
    drop(Registry::open_with(&url, &options).unwrap());
    for _ in 0..2 {
        assert_does_not_start(
            &database.url(),
            1,
            &["is newer than this program", "99990101000000", database.name()],
        );
    }
}

#[test]
#[ignore = "needs PostgreSQL: just test-engines"]
fn a_storage_that_cannot_be_used_ends_the_start_and_no_registry_is_made() {
    let database = POSTGRES.fresh_database();
    let file = tempfile::NamedTempFile::new().unwrap();
    let no_folder = format!("file://{}", file.path().display());
    // Nobody listens at port 1.
    let nobody = [
        ("ARTIFACT_STORE_S3_ENDPOINT", "http://127.0.0.1:1"),
        ("ARTIFACT_STORE_S3_ALLOW_HTTP", "true"),
        ("ARTIFACT_STORE_S3_ACCESS_KEY_ID", "artifact"),
        ("ARTIFACT_STORE_S3_SECRET_ACCESS_KEY", "s3cret"),
    ];
    for storage in ["s3://evidence/store", &no_folder] {
        let place = Place::new();
        let url = database.url();
        let arguments = ["--database-url", &url, "--storage-url", storage];
        let ended = place.run(&[&["--bind", "127.0.0.1:0"], &arguments[..]].concat(), &nobody);
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(1), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert_nothing(&place.data_dir());
    }
    let url = database.url().parse().unwrap();
    assert!(Registry::is_new(&url, &ConnectionOptions::default()).unwrap());
    Registry::open(&url, OpenMode::CreateAndMigrate).unwrap();
    assert!(!Registry::is_new(&url, &ConnectionOptions::default()).unwrap());
}
