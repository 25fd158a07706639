//! Files: recorded, listed, removed.

use artifact_domain::digest::{Blake3Digest, Sha256Digest};
use artifact_domain::{FileRecord, PackageId};
use artifact_registry::files::StoredFile;
use artifact_registry::uploads::FinishedUpload;
use artifact_registry::{Registry, RegistryError};

use super::{Shelf, at, is_postgres, new_claim, path, raw, read, write};

/// Names that databases like to get wrong.
const NAMES: [&str; 16] = [
    "%2e",
    "A.txt",
    "B/c",
    "Z",
    "_",
    "a",
    "a b",
    "a#1",
    "a%",
    "a.txt",
    "a_b",
    "b/\u{10ffff}",
    "b/x",
    "e\u{301}",
    "é",
    "😀.log",
];

pub(crate) fn a_file_is_read_back_as_it_was_recorded(registry: &Registry) {
    let (shelf, package) = Shelf::with_package(registry);
    let claim = shelf.hold(package, "logs/run #1.txt");
    let file = StoredFile {
        record: FileRecord {
            path: path("logs/run #1.txt"),
            size: (1 << 53) - 1,
            sha256: Sha256Digest::from_bytes(std::array::from_fn(|i| u8::try_from(i).unwrap())),
            blake3: Blake3Digest::from_bytes([0; 32]),
            media_type: "application/x-ndjson".parse().unwrap(),
            uploaded_at: at(123_456),
        },
        etag: Some("\"abc-1\"".to_owned()),
    };
    shelf.finish(&[FinishedUpload { claim, package, file: file.clone() }]);
    let found = read(registry, |reader| reader.file(package, &file.record.path));
    assert_eq!(found, Some(file.clone()));
    assert_eq!(read(registry, |reader| reader.files(package, None, None, 10)), [file]);
    assert_eq!(read(registry, |reader| reader.file(package, &path("logs/Run #1.txt"))), None);
    let other = PackageId::generate(at(0));
    assert_eq!(read(registry, |reader| reader.file(other, &path("logs/run #1.txt"))), None);
}

fn names() -> Vec<&'static str> {
    let mut names = NAMES.to_vec();
    names.sort_unstable();
    names.dedup();
    names
}

/// The paths of all pages.
fn pages(registry: &Registry, package: PackageId, prefix: Option<&str>, limit: u32) -> Vec<String> {
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = read(registry, |reader| reader.files(package, prefix, after.as_ref(), limit));
        assert!(page.len() <= limit as usize);
        let Some(last) = page.last() else { return seen };
        after = Some(last.record.path.clone());
        seen.extend(page.iter().map(|file| file.record.path.to_string()));
    }
}

pub(crate) fn a_file_is_present_until_its_package_is_deleted(registry: &Registry) {
    let (shelf, package) = Shelf::with_package(registry);
    let other = shelf.create(|_| {}).id;
    shelf.store(package, &["a", "b"]);
    let present = |package, name| {
        read(registry, |reader| {
            let present = reader.present_file(package, &path(name))?;
            let present = present.map(|(file, sealed)| {
                assert!(!sealed);
                file
            });
            Ok((present.is_some(), reader.file(package, &path(name))? == present))
        })
    };
    assert_eq!(present(package, "a"), (true, true));
    assert_eq!(present(package, "c"), (false, true));
    assert_eq!(present(other, "a"), (false, true));
    let sql = "UPDATE packages SET status = 'deleted', deleted_at = 1, deletion_reason = 'old'";
    raw(registry, sql).unwrap();
    // The list of files stays readable; the bytes do not.
    assert_eq!(present(package, "a"), (false, false));
}

pub(crate) fn files_are_listed_by_the_bytes_of_their_paths(registry: &Registry) {
    let (shelf, package) = Shelf::with_package(registry);
    let names = names();
    let mut shuffled = names.clone();
    shuffled.reverse();
    shelf.store(package, &shuffled);
    let other = shelf.create(|_| {}).id;
    shelf.store(other, &["in/another/package"]);
    for limit in [1, 3, 1000] {
        assert_eq!(pages(registry, package, None, limit), names);
    }
}

pub(crate) fn a_prefix_is_taken_literally(registry: &Registry) {
    let (shelf, package) = Shelf::with_package(registry);
    let names = names();
    shelf.store(package, &names);
    for prefix in [
        "",
        "a",
        "A",
        "a%",
        "a_",
        "_",
        "%",
        "b/",
        "b",
        "b/\u{10ffff}",
        "\u{10ffff}",
        "é",
        "e",
        "😀",
        "zz",
    ] {
        let expected: Vec<&str> =
            names.iter().copied().filter(|name| name.starts_with(prefix)).collect();
        for limit in [1, 1000] {
            assert_eq!(pages(registry, package, Some(prefix), limit), expected, "{prefix:?}");
        }
    }
}

pub(crate) fn a_removed_file_is_gone_from_the_list_and_the_counts(registry: &Registry) {
    let (shelf, package) = Shelf::with_package(registry);
    shelf.store(package, &["a", "b", "B"]);
    let before = shelf.package(package);
    assert_eq!((before.file_count, before.total_bytes), (3, 30));
    let removed = write(registry, |writer| writer.remove_file(package, &path("b"), at(9)));
    assert_eq!(removed.unwrap().record.path, path("b"));
    let after = shelf.package(package);
    assert_eq!((after.file_count, after.total_bytes), (2, 20));
    assert_eq!((after.revision, after.updated_at), (before.revision + 1, at(9)));
    assert_eq!(shelf.names(package), ["B", "a"]);

    let again = write(registry, |writer| writer.remove_file(package, &path("b"), at(10)));
    assert_eq!(again, None);
    assert_eq!(shelf.package(package), after);
    shelf.store(package, &["b"]);
    assert_eq!(shelf.package(package).file_count, 3);
}

pub(crate) fn a_damaged_file_names_its_row_and_column(registry: &Registry) {
    let (shelf, package) = Shelf::with_package(registry);
    let short = if is_postgres(registry) { r"'\x01'" } else { "x'01'" };
    for (column, value) in [
        ("path", "'../up'"),
        ("size", "-1"),
        ("sha256", short),
        ("blake3", short),
        ("media_type", "'no type'"),
        ("uploaded_at", "-1"),
    ] {
        shelf.store(package, &["a/file"]);
        raw(registry, &format!("UPDATE files SET {column} = {value}")).unwrap();
        let error = registry.read(|reader| reader.files(package, None, None, 10)).unwrap_err();
        let said = error.to_string();
        assert!(matches!(error, RegistryError::Damaged { what: "file", .. }), "{said}");
        assert!(said.contains(&package.to_string()) && said.contains(column), "{said}");
        raw(registry, "DELETE FROM files").unwrap();
    }
}

pub(crate) fn files_that_another_boot_wrote_are_found(registry: &Registry) {
    let (shelf, package) = Shelf::with_package(registry);
    shelf.store(package, &["now"]);
    let earlier = write(registry, |writer| writer.insert_writer("an earlier boot", at(0)));
    let claims = ["B", "a"].map(|name| new_claim(package, name));
    shelf.claim_all(&claims);
    let finished: Vec<FinishedUpload> = claims
        .iter()
        .map(|claim| super::finished(claim.id, package, claim.path.as_str(), 1))
        .collect();
    write(registry, |writer| writer.finish_uploads(earlier, at(3), u64::MAX, &finished));
    let of_other_boots =
        |boot: &str| read(registry, |reader| reader.files_of_other_boots(package, boot));
    assert_eq!(of_other_boots("this boot"), ["B", "a"]);
    assert_eq!(of_other_boots("an earlier boot"), ["now"]);
    assert_eq!(of_other_boots("a third boot"), ["B", "a", "now"]);
}
