//! Directories that hold no run.

use std::{fs, path::Path};

use super::support::{Run, guide_board, strictly};
use crate::guide_board::GuideBoardError;

#[test]
fn an_empty_directory_is_empty() {
    let run = Run::empty();
    let error = run.refusal();
    assert!(matches!(&error, GuideBoardError::Empty { directory } if directory == run.path()));
    assert!(error.to_string().contains("nothing to ingest"));
}

#[test]
fn a_directory_of_empty_folders_is_empty() {
    let run = Run::empty();
    fs::create_dir_all(run.path().join("artifacts/logs")).unwrap();
    assert!(matches!(run.refusal(), GuideBoardError::Empty { .. }));
}

#[test]
fn a_directory_with_any_file_is_not_empty() {
    let run = Run::empty();
    run.write("artifacts/logs/empty.log", "");
    assert!(matches!(run.refusal(), GuideBoardError::Missing { .. }));
}

#[test]
fn a_directory_that_does_not_exist_is_an_io_error_with_its_path() {
    let error = strictly(Path::new("/does/not/exist")).unwrap_err();
    assert!(
        matches!(&error, GuideBoardError::Io { path, .. } if path == Path::new("/does/not/exist"))
    );
    assert!(error.to_string().contains("/does/not/exist"));
}

#[test]
fn a_file_is_not_a_run_directory() {
    let run = Run::valid();
    let error = strictly(&run.path().join("run.json")).unwrap_err();
    assert!(matches!(error, GuideBoardError::NotADirectory { .. }));
}

#[cfg(unix)]
#[test]
fn the_run_directory_itself_may_be_named_by_a_link() {
    let run = Run::valid();
    let elsewhere = Run::empty();
    let link = elsewhere.path().join("latest");
    std::os::unix::fs::symlink(run.path(), &link).unwrap();
    assert_eq!(strictly(&link).unwrap().run_id.as_deref(), Some("r1"));
}

#[cfg(unix)]
#[test]
fn artifacts_are_not_looked_for_through_links() {
    let run = Run::valid();
    let elsewhere = Run::empty();
    elsewhere.write("report.json", r#"{"groups":[{"tests":[{"results":[{"status":"OK"}]}]}]}"#);
    std::os::unix::fs::symlink(elsewhere.path(), run.path().join("artifacts")).unwrap();
    assert!(guide_board(&run.read())["tck"].is_null());
}

#[cfg(unix)]
#[test]
fn sockets_and_unreadable_names_among_the_artifacts_are_passed_over() {
    use std::os::unix::{ffi::OsStrExt as _, net::UnixListener};

    let run = Run::valid();
    run.write("artifacts/a.log", "started\n");
    let _socket = UnixListener::bind(run.path().join("artifacts/socket")).unwrap();
    let name = std::ffi::OsStr::from_bytes(b"artifacts/\xff.json");
    fs::write(run.path().join(name), "{}").unwrap();
    assert_eq!(run.read().warnings, Vec::<String>::new());
}
