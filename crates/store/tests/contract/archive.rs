//! Archives.

use artifact_domain::{Package, PackageId, PackageStatus};
use artifact_store::{ArchiveFormat, ArtifactStore, StoreError, StoreOptions};
use async_zip::base::read1::seek::ZipArchiveReader;
use futures::StreamExt as _;
use futures::io::{AsyncReadExt as _, Cursor};
use serde_json::json;

use super::finalize::manifest;
use super::{
    assert_refused, assert_sound, bytes, collect, create, new, now, open, package, pieces, put,
    seal, sha256,
};

const FORMATS: [ArchiveFormat; 2] = [ArchiveFormat::Tar, ArchiveFormat::Zip];

/// A name and what is below it.
pub(crate) type Entries = Vec<(String, Vec<u8>)>;

pub(crate) async fn archive(
    store: &ArtifactStore,
    id: PackageId,
    format: ArchiveFormat,
) -> Vec<u8> {
    collect(store.archive(id, format).await.unwrap()).await.unwrap()
}

async fn untar(bytes: &[u8], package: &Package) -> Entries {
    let mut archive = tokio_tar::Archive::new(bytes);
    let mut entries = archive.entries().unwrap();
    let mut found = Vec::new();
    while let Some(entry) = entries.next().await {
        let mut entry = entry.unwrap();
        let header = entry.header();
        assert!(header.entry_type().is_file());
        let sealed_at = package.finalized_at.unwrap().unix_seconds().unsigned_abs();
        assert_eq!(header.mtime().unwrap(), sealed_at);
        assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
        assert_eq!(header.mode().unwrap(), 0o644);
        let name = String::from_utf8(entry.path_bytes().unwrap().into_owned()).unwrap();
        let mut content = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut entry, &mut content).await.unwrap();
        found.push((name, content));
    }
    found
}

async fn unzip(bytes: Vec<u8>) -> Entries {
    let mut archive = ZipArchiveReader::open(Cursor::new(bytes)).await.unwrap();
    let mut found = Vec::new();
    for index in 0..archive.cdrs().len() {
        let mut file = archive.file(index).await.unwrap();
        let record = file.cdr().unwrap();
        assert_eq!(record.cdrh.compressed_size, record.cdrh.uncompressed_size);
        assert_eq!((record.cdrh.exter_attr >> 16) & 0o777, 0o644);
        let name = record.insecure_file_name.as_str().unwrap().to_owned();
        let mut content = Vec::new();
        // Its end checks the size and the CRC-32.
        file.read_to_end(&mut content).await.unwrap();
        found.push((name, content));
    }
    found
}

/// A sealed package with files of several sizes and names.
async fn sealed(store: &ArtifactStore) -> Package {
    let id = create(store, json!({"producer": "ci", "title": "Ein Titel"})).await.id;
    for (name, len) in
        [("z", 0), ("a/b.txt", 511), ("a/c", 512), ("a-", 513), ("ü/ß", 100), ("B", 1)]
    {
        put(store, id, name, bytes(len)).await;
    }
    store.upload(id, new("large"), pieces(&bytes(1_500_000), 100_000)).await.unwrap();
    seal(store, id).await
}

/// The entries are the bag of the package, whole, in order, and prove themselves.
async fn assert_bag(store: &ArtifactStore, package: &Package, entries: &Entries) {
    let id = package.id;
    let names: Vec<&str> = entries.iter().map(|(name, _)| name.as_str()).collect();
    assert!(names.is_sorted_by(|a, b| a.as_bytes() < b.as_bytes()), "{names:?}");
    let content = |name: &str| {
        let name = format!("{id}/{name}");
        let found = entries.iter().find(|(entry, _)| *entry == name);
        found.unwrap_or_else(|| panic!("no {name} in {names:?}")).1.as_slice()
    };
    assert_eq!(content("manifest.json"), manifest(store, id).await);
    assert_eq!(content("bagit.txt"), b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n");
    let payload = content("manifest-sha256.txt");
    assert_eq!(package.payload_manifest_sha256, Some(sha256(payload)));
    // Every line of the two manifests is true, and together they list all that there is.
    let mut listed = vec!["tagmanifest-sha256.txt"];
    for lines in [payload, content("tagmanifest-sha256.txt")] {
        for line in std::str::from_utf8(lines).unwrap().lines() {
            let (digest, name) = line.split_once("  ").unwrap();
            assert_eq!(digest, sha256(content(name)).to_string(), "{name}");
            listed.push(name);
        }
    }
    listed.sort_unstable();
    let found: Vec<_> =
        names.iter().map(|name| name.strip_prefix(&format!("{id}/")).unwrap()).collect();
    assert_eq!(found, listed);
    assert_eq!(found.len() as u64, package.file_count + 5);
    let info = std::str::from_utf8(content("bag-info.txt")).unwrap();
    let oxum = format!("Payload-Oxum: {}.{}\n", package.total_bytes, package.file_count);
    assert!(info.contains(&oxum) && info.contains(&id.to_string()), "{info}");
}

pub(crate) async fn an_archive_is_the_same_each_time(options: StoreOptions) {
    let (store, other) = (open(&options).await, open(&options).await);
    let package = sealed(&store).await;
    for format in FORMATS {
        let first = archive(&store, package.id, format).await;
        assert!(first.len() > 1_500_000);
        assert!(first == archive(&store, package.id, format).await);
        let change = serde_json::from_value(json!({"title": "later", "labels": {"a": "1"}}));
        store.update_package(package.id, change.unwrap(), None).await.unwrap();
        assert!(first == archive(&other, package.id, format).await);
    }
}

pub(crate) async fn a_tar_holds_the_whole_bag_in_order(options: StoreOptions) {
    let store = open(&options).await;
    let package = sealed(&store).await;
    let bytes = archive(&store, package.id, ArchiveFormat::Tar).await;
    assert_bag(&store, &package, &untar(&bytes, &package).await).await;
    // Two empty blocks end it.
    assert_eq!(bytes.len() % 512, 0);
    assert!(bytes.ends_with(&[0; 1024]));
}

pub(crate) async fn a_zip_holds_the_whole_bag_in_order(options: StoreOptions) {
    let store = open(&options).await;
    let package = sealed(&store).await;
    let bytes = archive(&store, package.id, ArchiveFormat::Zip).await;
    assert_bag(&store, &package, &unzip(bytes).await).await;
}

pub(crate) async fn long_names_survive_both_archives(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    // The folder in front has 42 bytes with its `data/`.
    let mut names: Vec<String> = (57..62).map(|len| "n".repeat(len)).collect();
    names.push("l".repeat(255));
    names.push("é".repeat(127));
    names.push(format!("{0}/{0}/{0}/{1}", "s".repeat(250), "t".repeat(147)));
    names.push(format!("{}/x", "f".repeat(100)));
    for name in &names {
        put(&store, id, name, name.clone()).await;
    }
    let package = seal(&store, id).await;
    let tar = untar(&archive(&store, id, ArchiveFormat::Tar).await, &package).await;
    let zip = unzip(archive(&store, id, ArchiveFormat::Zip).await).await;
    assert_eq!(tar, zip);
    assert_bag(&store, &package, &tar).await;
    for name in &names {
        let entry = (format!("{id}/data/{name}"), name.clone().into_bytes());
        assert!(tar.contains(&entry), "{name}");
    }
}

pub(crate) async fn an_archive_is_made_of_a_finalized_package_only(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    let refused = |status| {
        let store = store.clone();
        async move {
            for format in FORMATS {
                assert_refused!(
                    store.archive(id, format).await,
                    StoreError::WrongStatus { package, status: told, .. } if (package, told) == (id, status)
                );
            }
        }
    };
    refused(PackageStatus::Created).await;
    put(&store, id, "x", "x").await;
    refused(PackageStatus::Uploading).await;
    store.fail_package(id, "no".parse().unwrap()).await.unwrap();
    refused(PackageStatus::Failed).await;
    let unknown = PackageId::generate(now());
    assert_refused!(store.archive(unknown, ArchiveFormat::Tar).await, StoreError::NoPackage(_));
}

pub(crate) async fn an_archive_that_nobody_reads_to_its_end_does_no_harm(options: StoreOptions) {
    let store = open(&options).await;
    let package = sealed(&store).await;
    for format in FORMATS {
        let mut stream = store.archive(package.id, format).await.unwrap();
        let first = stream.next().await.unwrap().unwrap();
        drop(stream);
        let whole = archive(&store, package.id, format).await;
        assert!(whole.starts_with(&first));
        drop(store.archive(package.id, format).await.unwrap());
    }
    assert_sound(&store, package.id).await;
}
