//! What verify finds in a bag that somebody has been at. Each damage is named, and nothing else.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use artifact_domain::{Package, PackageId};
use artifact_store::{ArchiveFormat, ArtifactStore, FileProblem, ProblemKind, StoreError};
use futures::TryStreamExt as _;
use tempfile::TempDir;

use crate::contract::{bytes, create, open, package, path, pieces, put, read, seal, sha256};
use crate::{bag, fresh, overwrite};

/// A sealed package with a few files, in a store of its own.
async fn sealed() -> (ArtifactStore, Package, TempDir) {
    let (options, folder) = fresh().await;
    let store = open(&options).await;
    let said = serde_json::json!({"producer": "ci", "title": "T", "external_id": "7"});
    let id = create(&store, said).await.id;
    put(&store, id, "a.txt", bytes(100)).await;
    put(&store, id, "folder/b", bytes(100)).await;
    let large = crate::contract::new("large");
    store.upload(id, large, pieces(&bytes(1_500_000), 100_000)).await.unwrap();
    let package = seal(&store, id).await;
    assert_eq!(store.verify(id, |_| ()).await.unwrap().problems, []);
    (store, package, folder)
}

/// What verify finds after `damage` was done to the bag of a sealed package.
async fn found(damage: impl FnOnce(&Path)) -> Vec<FileProblem> {
    let (store, package, folder) = sealed().await;
    damage(&bag(&folder, package.id));
    store.verify(package.id, |_| ()).await.unwrap().problems
}

fn change_one_byte(file: &Path, at: usize) {
    let mut content = fs::read(file).unwrap();
    content[at] ^= 1;
    overwrite(file, &content);
}

fn digest(path: &str, expected: &[u8], actual: &[u8]) -> FileProblem {
    let kind = ProblemKind::Digest {
        algorithm: "SHA-256",
        expected: sha256(expected).to_string(),
        actual: sha256(actual).to_string(),
    };
    FileProblem { path: path.to_owned(), kind }
}

fn of_kind(path: &str, kind: ProblemKind) -> FileProblem {
    FileProblem { path: path.to_owned(), kind }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_byte_is_named() {
    let (small, large) = (bytes(100), bytes(1_500_000));
    let (mut wrong_small, mut wrong_large) = (small.to_vec(), large.to_vec());
    wrong_small[99] ^= 1;
    wrong_large[700_000] ^= 1;
    let problems = found(|bag| {
        change_one_byte(&bag.join("data/folder/b"), 99);
        change_one_byte(&bag.join("data/large"), 700_000);
    });
    assert_eq!(
        problems.await,
        [digest("data/folder/b", &small, &wrong_small), digest("data/large", &large, &wrong_large),]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_changed_in_place_is_named() {
    use std::io::{Seek as _, SeekFrom, Write as _};
    let problems = found(|bag| {
        let mut file = fs::OpenOptions::new().write(true).open(bag.join("data/a.txt")).unwrap();
        file.seek(SeekFrom::Start(50)).unwrap();
        file.write_all(&[bytes(100)[50] ^ 1]).unwrap();
    });
    let mut wrong = bytes(100).to_vec();
    wrong[50] ^= 1;
    assert_eq!(problems.await, [digest("data/a.txt", &bytes(100), &wrong)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_and_a_grown_file_are_named_with_their_sizes() {
    let problems = found(|bag| {
        overwrite(&bag.join("data/a.txt"), &bytes(99));
        overwrite(&bag.join("data/large"), &bytes(1_500_001));
        overwrite(&bag.join("data/folder/b"), b"");
    });
    let size = |path, expected, actual| of_kind(path, ProblemKind::Size { expected, actual });
    assert_eq!(
        problems.await,
        [
            size("data/a.txt", 100, 99),
            size("data/folder/b", 100, 0),
            size("data/large", 1_500_000, 1_500_001),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_file_is_named() {
    let problems = found(|bag| fs::remove_file(bag.join("data/a.txt")).unwrap()).await;
    assert_eq!(problems, [of_kind("data/a.txt", ProblemKind::Missing)]);
    let problems = found(|bag| fs::remove_dir_all(bag.join("data/folder")).unwrap()).await;
    assert_eq!(problems, [of_kind("data/folder/b", ProblemKind::Missing)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bag_that_is_gone_is_missed_whole() {
    let problems = found(|bag| fs::remove_dir_all(bag).unwrap()).await;
    let names: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(
        names,
        [
            "bag-info.txt",
            "bagit.txt",
            "data/a.txt",
            "data/folder/b",
            "data/large",
            "manifest-sha256.txt",
            "manifest.json",
            "registry.json",
            "tagmanifest-sha256.txt",
        ]
    );
    assert!(problems.iter().all(|problem| problem.kind == ProblemKind::Missing), "{problems:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_added_is_named() {
    let problems = found(|bag| {
        fs::write(bag.join("data/stray"), "x").unwrap();
        fs::write(bag.join("data/folder/.hidden"), "").unwrap();
        fs::write(bag.join("README"), "x").unwrap();
        fs::create_dir(bag.join("more")).unwrap();
        fs::write(bag.join("more/x"), "x").unwrap();
    });
    let stray = |path| of_kind(path, ProblemKind::Stray);
    assert_eq!(
        problems.await,
        [stray("README"), stray("data/folder/.hidden"), stray("data/stray"), stray("more/x")]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_tag_file_is_named() {
    for name in ["manifest.json", "manifest-sha256.txt", "bag-info.txt", "bagit.txt"] {
        let problems = found(|bag| change_one_byte(&bag.join(name), 20)).await;
        let [problem] = problems.as_slice() else { panic!("{name}: {problems:?}") };
        assert_eq!(problem.path, name);
        assert!(matches!(problem.kind, ProblemKind::Digest { .. }), "{problem}");
        let problems = found(|bag| fs::remove_file(bag.join(name)).unwrap()).await;
        assert_eq!(problems, [of_kind(name, ProblemKind::Missing)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_tag_manifest_is_named() {
    let name = "tagmanifest-sha256.txt";
    // The digest of the first file that it lists, and of the last; a line more; a novel.
    let last = |bag: &Path| fs::read(bag.join(name)).unwrap().len() - 30;
    let append = |bag: &Path, more: &[u8]| {
        let all = [fs::read(bag.join(name)).unwrap(), more.to_vec()].concat();
        overwrite(&bag.join(name), &all);
    };
    let cases: [&dyn Fn(&Path); 5] = [
        &|bag| change_one_byte(&bag.join(name), 5),
        &|bag| change_one_byte(&bag.join(name), last(bag)),
        &|bag| append(bag, b"\n"),
        &|bag| append(bag, &vec![b'x'; 100_000]),
        &|bag| overwrite(&bag.join(name), b""),
    ];
    for (n, damage) in cases.into_iter().enumerate() {
        let problems = found(damage).await;
        let [problem] = problems.as_slice() else { panic!("{n}: {problems:?}") };
        assert_eq!(problem.path, name, "{n}");
        assert!(matches!(problem.kind, ProblemKind::Digest { .. }), "{n}: {problem}");
    }
    let problems = found(|bag| fs::remove_file(bag.join(name)).unwrap()).await;
    assert_eq!(problems, [of_kind(name, ProblemKind::Missing)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_file_and_its_line_that_were_changed_together_are_both_named() {
    for name in ["bag-info.txt", "manifest.json"] {
        let problems = found(|bag| {
            let before = sha256(&fs::read(bag.join(name)).unwrap()).to_string();
            change_one_byte(&bag.join(name), 20);
            let after = sha256(&fs::read(bag.join(name)).unwrap()).to_string();
            let listed = fs::read_to_string(bag.join("tagmanifest-sha256.txt")).unwrap();
            assert!(listed.contains(&before));
            overwrite(
                &bag.join("tagmanifest-sha256.txt"),
                listed.replace(&before, &after).as_bytes(),
            );
        })
        .await;
        let names: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(names, [name, "tagmanifest-sha256.txt"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_record_is_named() {
    let problems = found(|bag| fs::remove_file(bag.join("registry.json")).unwrap()).await;
    assert_eq!(problems, [of_kind("registry.json", ProblemKind::Missing)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_symlink_in_place_of_a_file_is_named_and_not_followed() {
    for name in [
        "data/a.txt",
        "data/folder/b",
        "manifest.json",
        "manifest-sha256.txt",
        "tagmanifest-sha256.txt",
        "bag-info.txt",
        "bagit.txt",
        "registry.json",
    ] {
        // It points to the very bytes that ought to be there.
        let problems = found(|bag| {
            let aside = bag.parent().unwrap().parent().unwrap().join("aside");
            fs::rename(bag.join(name), &aside).unwrap();
            symlink(&aside, bag.join(name)).unwrap();
        })
        .await;
        let [problem] = problems.as_slice() else { panic!("{name}: {problems:?}") };
        assert_eq!(problem.path, name);
        assert!(matches!(problem.kind, ProblemKind::Unreadable { .. }), "{problem}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_symlink_in_place_of_a_folder_is_named_and_not_followed() {
    let problems = found(|bag| {
        let aside = bag.parent().unwrap().parent().unwrap().join("aside");
        fs::rename(bag.join("data/folder"), &aside).unwrap();
        symlink(&aside, bag.join("data/folder")).unwrap();
    })
    .await;
    let names: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(names, ["data/folder", "data/folder/b"]);
    assert!(problems.iter().all(|p| matches!(p.kind, ProblemKind::Unreadable { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_symlink_that_was_added_is_named() {
    let problems = found(|bag| symlink("/etc/passwd", bag.join("data/link")).unwrap()).await;
    let [problem] = problems.as_slice() else { panic!("{problems:?}") };
    assert_eq!(problem.path, "data/link");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_package_is_verified_by_its_files() {
    let (options, folder) = fresh().await;
    let store = open(&options).await;
    let id = package(&store).await;
    put(&store, id, "a", "a").await;
    put(&store, id, "b", "b").await;
    overwrite(&bag(&folder, id).join("data/b"), b"c");
    let found = store.verify(id, |_| ()).await.unwrap();
    assert_eq!(found.problems, [digest("data/b", b"b", b"c")]);
    assert_eq!(found.files_checked, 2);
}

async fn archive_error(store: &ArtifactStore, id: PackageId, format: ArchiveFormat) -> StoreError {
    let stream = store.archive(id, format).await.unwrap();
    stream.try_for_each(|_| async { Ok(()) }).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_ends_an_archive_with_an_error() {
    for format in [ArchiveFormat::Tar, ArchiveFormat::Zip] {
        for (name, at) in [("data/a.txt", 5), ("data/large", 1_499_999), ("manifest.json", 30)] {
            let (store, package, folder) = sealed().await;
            change_one_byte(&bag(&folder, package.id).join(name), at);
            let error = archive_error(&store, package.id, format).await;
            let StoreError::Damaged { package: told, path, problem } = &error else {
                panic!("{error:?}")
            };
            assert_eq!(
                (*told, path.as_str()),
                (package.id, format!("{}/{name}", package.id).as_str())
            );
            assert!(matches!(problem, ProblemKind::Digest { .. }), "{problem}");
        }
        let (store, package, folder) = sealed().await;
        fs::remove_file(bag(&folder, package.id).join("data/large")).unwrap();
        archive_error(&store, package.id, format).await;
        let (store, package, folder) = sealed().await;
        overwrite(&bag(&folder, package.id).join("data/large"), &bytes(1_400_000));
        let error = archive_error(&store, package.id, format).await;
        assert!(matches!(
            error,
            StoreError::Damaged { problem: ProblemKind::Size { actual: 1_400_000, .. }, .. }
        ));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_what_is_missing_or_cut_says_damaged() {
    let (store, package, folder) = sealed().await;
    let id = package.id;
    fs::remove_file(bag(&folder, id).join("data/a.txt")).unwrap();
    overwrite(&bag(&folder, id).join("data/large"), &bytes(1_400_000));
    for (name, expected) in [
        ("a.txt", ProblemKind::Missing),
        ("large", ProblemKind::Size { expected: 1_500_000, actual: 1_400_000 }),
    ] {
        for range in [None, Some(0..10), Some(0..0), Some(90..100)] {
            match store.read_file(id, &path(name), range).await.map(|_| ()) {
                Err(StoreError::Damaged { path, problem, .. }) => {
                    assert_eq!((path.as_str(), &problem), (name, &expected));
                }
                other => panic!("{other:?}"),
            }
        }
    }
    // Beyond the cut.
    let beyond = store.read_file(id, &path("large"), Some(1_400_000..1_500_000)).await;
    assert!(matches!(beyond, Err(StoreError::Damaged { .. })));
    assert_eq!(read(&store, id, "folder/b").await.unwrap(), bytes(100));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_restored_from_a_copy_is_fine() {
    let (store, package, folder) = sealed().await;
    // Another inode, another time, the same bytes.
    overwrite(&bag(&folder, package.id).join("data/a.txt"), &bytes(100));
    assert_eq!(store.verify(package.id, |_| ()).await.unwrap().problems, []);
    assert_eq!(read(&store, package.id, "a.txt").await.unwrap(), bytes(100));
    let stream = store.archive(package.id, ArchiveFormat::Tar).await.unwrap();
    stream.try_for_each(|_| async { Ok(()) }).await.unwrap();
}
