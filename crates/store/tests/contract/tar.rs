//! Tar archives whose files are stored in one request.

use std::rc::Rc;

use artifact_domain::PackageStatus;
use artifact_domain::event::AuditAction;
use artifact_domain::filter::PageLimit;
use artifact_domain::{LogicalPath, PackageId};
use artifact_store::{ArtifactStore, StoreError, StoreOptions, TarReport};
use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _, stream};
use tokio_tar::{Builder, Header};

use super::{
    actions, assert_refused, assert_sound, bytes, now, open, package, paths, pieces, put, read,
    seal, sha256,
};

/// A tar archive that is being made, block by block, so that it can be wrong in any way.
#[derive(Default, Clone)]
pub(crate) struct Tar(pub(crate) Vec<u8>);

impl Tar {
    /// Adds a header that says what it is told, with a right checksum.
    pub(crate) fn header(mut self, kind: u8, name: &[u8], size: u64) -> Self {
        let mut block = [0_u8; 512];
        block[..name.len()].copy_from_slice(name);
        block[100..108].copy_from_slice(b"0000644\0");
        if size < 1 << 33 {
            block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
        } else {
            block[124] = 0x80;
            block[128..136].copy_from_slice(&size.to_be_bytes());
        }
        block[148..156].copy_from_slice(b"        ");
        block[156] = kind;
        block[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0.extend(block);
        self
    }

    /// Adds bytes, filled up to whole blocks.
    pub(crate) fn data(mut self, data: &[u8]) -> Self {
        self.0.extend(data);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub(crate) fn entry(self, kind: u8, name: &[u8], data: &[u8]) -> Self {
        self.header(kind, name, data.len() as u64).data(data)
    }

    pub(crate) fn file(self, name: &str, data: &[u8]) -> Self {
        self.entry(b'0', name.as_bytes(), data)
    }

    /// Adds a pax record for the next entry.
    pub(crate) fn pax(self, items: &[(&str, &[u8])]) -> Self {
        let mut record = Vec::new();
        for (key, value) in items {
            let rest = key.len() + value.len() + 3;
            let len = (rest..rest + 9).find(|len| rest + len.to_string().len() == *len).unwrap();
            record.extend(format!("{len} {key}=").as_bytes());
            record.extend(*value);
            record.push(b'\n');
        }
        self.entry(b'x', b"PaxHeaders/x", &record)
    }

    /// Adds the end marker.
    pub(crate) fn end(mut self) -> Bytes {
        self.0.extend([0; 1024]);
        self.0.into()
    }
}

pub(crate) async fn send(
    store: &ArtifactStore,
    package: PackageId,
    archive: &Bytes,
) -> Result<TarReport, StoreError> {
    store.upload_tar(package, pieces(archive, 10_007)).await
}

/// What is said of each failed entry: its path and its code.
pub(crate) fn failed(report: &TarReport) -> Vec<(&str, &str)> {
    report.failed.iter().map(|entry| (entry.path.as_str(), entry.code.as_str())).collect()
}

pub(crate) fn stored(report: &TarReport) -> Vec<&str> {
    report.stored.iter().map(|file| file.path.as_str()).collect()
}

pub(crate) async fn each_file_of_a_tar_is_an_upload(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    // Small ones for more than two batches, with large ones and empty ones between them.
    let size = |n: usize| match n {
        7 | 200 => 3_000_000,
        8 => 256 * 1024,
        9 => 256 * 1024 + 1,
        _ => n * 13 % 5000,
    };
    let names: Vec<String> = (0..400).map(|n| format!("{}/{n}.txt", n * 7 % 13)).collect();
    let mut tar = Tar::default().header(b'5', b"./", 0).entry(b'g', b"pax", b"9 path=x\n");
    for (n, name) in names.iter().enumerate() {
        // A leading `./` is dropped, as GNU tar writes it.
        let written = if n % 2 == 0 { format!("./{name}") } else { name.clone() };
        tar = tar.header(b'5', b"a folder/", 0).file(&written, &bytes(size(n)));
    }
    let archive = tar.end();
    let report = send(&store, id, &archive).await.unwrap();
    assert_eq!(failed(&report), []);
    assert_eq!(stored(&report), names);
    for (n, file) in report.stored.iter().enumerate() {
        let content = bytes(size(n));
        assert_eq!((file.size, file.sha256), (size(n) as u64, sha256(&content)));
        assert_eq!(file.media_type.as_str(), "text/plain");
        assert_eq!(store.file(id, &file.path).await.unwrap(), *file);
        assert!(read(&store, id, file.path.as_str()).await.unwrap() == content);
    }
    assert_eq!(actions(&store, id).await[1], AuditAction::FilesStored);
    // Once more: nothing is replaced.
    let again = send(&store, id, &archive).await.unwrap();
    assert_eq!(again.stored, []);
    assert!(again.failed.iter().all(|entry| entry.code.as_str() == "duplicate-path"));
    assert_eq!(again.failed.len(), 400);
    seal(&store, id).await;
    assert_sound(&store, id).await;
}

pub(crate) async fn names_of_every_length_survive_a_tar(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    let name = |kind: char, len: usize| {
        let mut name = format!("{kind}{len}-ü-{}", "123456789/".repeat(len / 10 + 1));
        name.truncate(len - 1);
        name + "x"
    };
    let lengths = [99, 100, 101, 155, 156, 255, 256, 257, 500, 899, 900];
    let mut tar = Tar::default();
    for len in lengths {
        let (gnu, pax) = (name('g', len), name('p', len));
        let mut long = gnu.clone().into_bytes();
        long.push(0);
        tar = tar.entry(b'L', b"././@LongLink", &long).file("cut off", gnu.as_bytes());
        tar = tar.pax(&[("mtime", b"1.5"), ("path", pax.as_bytes()), ("uid", b"")]);
        tar = tar.file("cut off", pax.as_bytes());
    }
    // One byte too long, and far too long.
    let long = [b"a/".repeat(450), b"b\0".to_vec()].concat();
    tar = tar.entry(b'L', b"././@LongLink", &long).file("cut off", b"x");
    tar = tar.pax(&[("path", &b"a/".repeat(100_000))]).file("cut off", b"x");
    let report = send(&store, id, &tar.end()).await.unwrap();
    let codes: Vec<_> = failed(&report).into_iter().map(|(_, code)| code).collect();
    assert_eq!(codes, ["invalid-path", "invalid-path"]);
    assert!(report.failed[1].path.len() < 1100);
    assert_eq!(report.stored.len(), lengths.len() * 2);
    for (file, len) in report.stored.iter().zip(lengths.iter().flat_map(|len| [len, len])) {
        assert_eq!(file.path.as_str().len(), *len);
        assert_eq!(
            read(&store, id, file.path.as_str()).await.unwrap(),
            file.path.as_str().as_bytes()
        );
    }
    assert_sound(&store, id).await;
}

pub(crate) async fn an_archiver_that_is_common_is_understood(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    let long = format!("{}/{}", "d".repeat(200), "f".repeat(200));
    let mut builder = Builder::new(Vec::new());
    for (name, content) in [("./a", "a"), ("b/c", ""), (long.as_str(), "long")] {
        let mut header = Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append_data(&mut header, name, content.as_bytes()).await.unwrap();
    }
    let archive = builder.into_inner().await.unwrap().into();
    let report = send(&store, id, &archive).await.unwrap();
    assert_eq!((stored(&report), failed(&report)), (vec!["a", "b/c", long.as_str()], vec![]));
    // An old archive: no magic, folders by their slash, and a size in the pax record.
    let old = Tar::default()
        .entry(0, b"old/", b"")
        .entry(0, b"old/x", b"x")
        .pax(&[("size", b"3")])
        .header(b'0', b"sized", 0)
        .data(b"abc")
        .entry(b'7', b"contiguous", b"y")
        .end();
    let report = send(&store, id, &old).await.unwrap();
    assert_eq!((stored(&report), failed(&report)), (vec!["old/x", "sized", "contiguous"], vec![]));
    assert_eq!(read(&store, id, "sized").await.unwrap(), b"abc");
    assert_sound(&store, id).await;
}

pub(crate) async fn an_empty_tar_stores_nothing_and_no_tar_is_refused(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    for empty in [Tar::default().end(), vec![0; 512].into(), vec![0; 10_240].into()] {
        let report = send(&store, id, &empty).await.unwrap();
        assert_eq!((report.stored, report.failed), (vec![], vec![]));
    }
    let mut gzip = vec![0x1f, 0x8b, 8, 0];
    gzip.extend(bytes(5000));
    for garbage in [Bytes::new(), bytes(100), bytes(512), bytes(400_000), gzip.into()] {
        assert_refused!(send(&store, id, &garbage).await, StoreError::NotATar { .. });
    }
    assert_eq!(store.package(id).await.unwrap().status, PackageStatus::Created);
    assert_sound(&store, id).await;
}

pub(crate) async fn a_tar_for_a_package_that_takes_no_files_is_refused_unread(
    options: StoreOptions,
) {
    let store = open(&options).await;
    let unread = || {
        stream::poll_fn(|_| -> std::task::Poll<Option<std::io::Result<Bytes>>> {
            panic!("the body was read")
        })
    };
    let unknown = PackageId::generate(now());
    assert_refused!(
        store.upload_tar(unknown, unread()).await,
        StoreError::NoPackage(told) if told == unknown
    );
    let sealed = package(&store).await;
    put(&store, sealed, "x", "x").await;
    seal(&store, sealed).await;
    let wrong = PackageStatus::Finalized;
    assert_refused!(
        store.upload_tar(sealed, unread()).await,
        StoreError::WrongStatus { status, .. } if status == wrong
    );
}

pub(crate) async fn a_package_that_closes_on_the_way_stops_its_tar(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    let mut tar = Tar::default();
    for n in 0..130 {
        tar = tar.file(&format!("a{n}"), b"a");
    }
    let first: Bytes = tar.0.into();
    let closing = {
        let store = store.clone();
        async move {
            // Until the first batch is there.
            while store.files(id, None, None, PageLimit::default()).await.unwrap().items.is_empty()
            {
                tokio::task::yield_now().await;
            }
            store.fail_package(id, "enough".parse().unwrap()).await.unwrap();
            Tar::default().file("b", b"b").end()
        }
    };
    let body = stream::iter([first]).chain(closing.into_stream()).map(Ok::<_, std::io::Error>);
    assert_refused!(
        store.upload_tar(id, body).await,
        StoreError::WrongStatus { status: PackageStatus::Failed, .. }
    );
    assert_eq!(paths(&store, id).await.len(), 128);
}

pub(crate) async fn a_tar_that_may_not_be_sent_elsewhere_is_stored_all_the_same(
    options: StoreOptions,
) {
    let store = open(&options).await;
    let id = package(&store).await;
    let archive = Tar::default().file("x", &bytes(400_000)).file("y", b"y").end();
    // What an HTTP server has for a body need not be `Send`.
    let stays = Rc::new(());
    let body = pieces(&archive, 5000).inspect(|_| drop(Rc::clone(&stays)));
    let report = store.upload_tar(id, body).await.unwrap();
    assert_eq!(stored(&report), ["x", "y"]);
    let body = pieces(&archive, 5000).inspect(|_| drop(Rc::clone(&stays)));
    let upload = super::new("the archive itself");
    store.upload(id, upload, body).await.unwrap();
    // One that is can be spawned.
    let other = package(&store).await;
    let spawned = {
        let (store, archive) = (store.clone(), archive.clone());
        tokio::spawn(async move { store.upload_tar(other, pieces(&archive, 5000)).await })
    };
    assert_eq!(spawned.await.unwrap().unwrap().stored.len(), 2);
    let x = LogicalPath::parse("x").unwrap();
    assert_eq!(store.file(other, &x).await.unwrap().size, 400_000);
}
