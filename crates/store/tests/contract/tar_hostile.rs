//! Tar archives that are wrong, by accident or on purpose.

use std::io;
use std::time::Duration;

use artifact_store::{Limits, StoreError, StoreOptions};
use bytes::Bytes;
use futures::{StreamExt as _, stream};

use super::tar::{Tar, failed, send, stored};
use super::{
    assert_free, assert_refused, assert_sound, bytes, open, package, paths, pieces, put, read, seal,
};

pub(crate) async fn what_is_no_file_in_a_tar_is_an_error_of_its_entry(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    let mut sparse = Tar::default().header(b'S', b"sparse", 600).0;
    // Two more blocks of its map, the first of which says that there is a second.
    sparse[482] = 1;
    let sum: u32 =
        (0..512).map(|at| if (148..156).contains(&at) { 32 } else { u32::from(sparse[at]) }).sum();
    sparse[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut map = vec![0; 1024];
    map[504] = 1;
    sparse.extend(map);
    let mut tar = Tar::default().file("first", b"1");
    // Links and devices have no bytes, whatever they say.
    for (kind, name) in
        [(b'1', "hard"), (b'2', "sym"), (b'3', "char"), (b'4', "block"), (b'6', "fifo")]
    {
        tar = tar.header(kind, name.as_bytes(), 9999);
    }
    tar.0.extend(sparse);
    tar = tar.data(&bytes(600));
    tar = tar.pax(&[("GNU.sparse.major", b"1"), ("path", b"pax sparse")]).file("x", b"x");
    tar = tar.entry(b'Z', b"unknown", &bytes(1000)).file("last", b"2");
    let report = send(&store, id, &tar.end()).await.unwrap();
    assert_eq!(stored(&report), ["first", "last"]);
    let names = ["hard", "sym", "char", "block", "fifo", "sparse", "pax sparse", "unknown"];
    assert_eq!(failed(&report), names.map(|name| (name, "invalid-request")));
    assert!(report.failed[1].detail.contains("a symlink"), "{:?}", report.failed[1]);
    assert_eq!(paths(&store, id).await, ["first", "last"]);
    assert_sound(&store, id).await;
    // A link and a file of its name: the file is the file.
    let tar = Tar::default().header(b'2', b"x", 0).file("x", b"x").file("x/y", b"y");
    let report = send(&store, id, &tar.end()).await.unwrap();
    assert_eq!(stored(&report), ["x"]);
    assert_eq!(failed(&report), [("x", "invalid-request"), ("x/y", "path-conflict")]);
    assert_eq!(read(&store, id, "x").await.unwrap(), b"x");
}

pub(crate) async fn a_name_that_leaves_the_package_is_refused(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    let names: [&[u8]; 14] = [
        b"/etc/passwd",
        b"..",
        b"../x",
        b"a/../../b",
        b"./../x",
        b".//x",
        b"././x",
        b"a/./b",
        b"a//b",
        b"a\\b",
        b"a\nb",
        b"caf\xe9",
        b"",
        b"./",
    ];
    let mut tar = Tar::default();
    for name in names {
        tar = tar.entry(b'0', name, b"x");
    }
    tar = tar.pax(&[("path", b"nul\0byte")]).file("x", b"x");
    tar = tar.pax(&[("path", b"../pax")]).file("x", b"x");
    tar = tar.entry(b'L', b"L", b"/gnu\0").file("x", b"x");
    let report = send(&store, id, &tar.file("good", b"x").end()).await.unwrap();
    assert_eq!(stored(&report), ["good"]);
    assert_eq!(report.failed.len(), names.len() + 3, "{:?}", report.failed);
    assert!(report.failed.iter().all(|entry| entry.code.as_str() == "invalid-path"));
    assert_eq!(report.failed[3].path, "a/../../b");
    assert_eq!(report.failed[11].path, "caf\u{fffd}");
    assert_sound(&store, id).await;
}

pub(crate) async fn a_path_twice_in_a_tar_is_stored_once(options: StoreOptions) {
    let store = open(&options).await;
    for between in [0, 1, 127, 128, 300] {
        let id = package(&store).await;
        let mut tar = Tar::default().file("x", b"first").file("large", &bytes(300_000));
        for n in 0..between {
            tar = tar.file(&format!("{n}"), b"n");
        }
        let tar = tar.file("./x", b"second").file("large", &bytes(300_001)).file("x", b"third");
        let report = send(&store, id, &tar.file("last", b"l").end()).await.unwrap();
        let twice =
            [("./x", "duplicate-path"), ("large", "duplicate-path"), ("x", "duplicate-path")];
        assert_eq!(failed(&report), twice);
        assert_eq!(report.stored.len(), between + 3);
        assert_eq!(read(&store, id, "x").await.unwrap(), b"first");
        seal(&store, id).await;
        assert_sound(&store, id).await;
    }
}

pub(crate) async fn files_of_one_tar_conflict_as_others_do(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    put(&store, id, "there", "old").await;
    let mut tar = Tar::default().file("a", b"a").file("a/b", b"b").file("large", &bytes(300_000));
    for n in 0..150 {
        tar = tar.file(&format!("n{n}"), b"n");
    }
    let tar = tar
        .file("a/c", b"c")
        .file("large/x", &bytes(300_000))
        .file("there", b"new")
        .file("there/x", b"x")
        .file("last", b"l");
    let report = send(&store, id, &tar.end()).await.unwrap();
    assert_eq!(
        failed(&report),
        [
            ("a/b", "path-conflict"),
            ("a/c", "path-conflict"),
            ("large/x", "path-conflict"),
            ("there", "duplicate-path"),
            ("there/x", "path-conflict"),
        ]
    );
    assert_eq!(report.stored.len(), 153);
    assert_eq!(read(&store, id, "there").await.unwrap(), b"old");
    assert_sound(&store, id).await;
}

pub(crate) async fn a_tar_that_breaks_off_is_stored_as_far_as_it_was_whole(options: StoreOptions) {
    let store = open(&options).await;
    let whole = Tar::default().file("a", b"a").file("b", &bytes(300_000));
    let begun = |tar: Tar| (tar.0.len() + 512, tar);
    for (next, size) in [("small", 1000), ("large", 500_000)] {
        let (data, tar) = begun(whole.clone());
        let archive: Bytes = tar.file(next, &bytes(size)).0.into();
        for (end, broken) in [
            (data - 512, "entry 3"),
            (data - 511, "entry 3"),
            (data - 1, "entry 3"),
            (data, next),
            (data + size - 1, next),
        ] {
            let id = package(&store).await;
            let report = send(&store, id, &archive.slice(..end)).await.unwrap();
            assert_eq!(stored(&report), ["a", "b"], "{end}");
            assert_eq!(failed(&report), [(broken, "invalid-request")], "{end}");
            assert_sound(&store, id).await;
            assert_free(&store, id, next).await;
        }
        // A file that is whole is stored, and that the end is missing is said all the same.
        let id = package(&store).await;
        let report = send(&store, id, &archive).await.unwrap();
        assert_eq!(stored(&report), ["a", "b", next]);
        assert_eq!(failed(&report), [("entry 4", "invalid-request")]);
    }
}

pub(crate) async fn a_tar_that_breaks_off_at_once_is_an_error(options: StoreOptions) {
    let store = open(&options).await;
    for size in [1000, 500_000] {
        let archive: Bytes = Tar::default().header(b'2', b"l", 0).file("x", &bytes(size)).0.into();
        for end in [1, 511, 600, 1024, 1024 + size - 1] {
            let id = package(&store).await;
            let refused = send(&store, id, &archive.slice(..end)).await;
            assert_refused!(refused, StoreError::NotATar { .. });
            assert_eq!(paths(&store, id).await, [""; 0]);
            assert_free(&store, id, "x").await;
        }
    }
}

pub(crate) async fn a_wrong_checksum_ends_a_tar(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    let mut tar = Tar::default().file("a", b"a");
    let wrong = tar.0.len() + 10;
    tar = tar.file("b", b"b").file("c", b"c");
    tar.0[wrong] ^= 1;
    let report = send(&store, id, &tar.end()).await.unwrap();
    assert_eq!(
        (stored(&report), failed(&report)),
        (vec!["a"], vec![("entry 2", "invalid-request")])
    );
    // The checksum of signed bytes, as some old archivers wrote it.
    let mut old = Tar::default().entry(b'0', "ü".as_bytes(), b"x").0;
    let sum: i64 = (0..512)
        .map(|at| if (148..156).contains(&at) { 32 } else { i64::from(old[at].cast_signed()) })
        .sum();
    old[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let report = send(&store, id, &Tar(old).end()).await.unwrap();
    assert_eq!(stored(&report), ["ü"]);
    assert_sound(&store, id).await;
}

pub(crate) async fn sizes_that_lie_cost_no_memory(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    let lies = [1 << 40, 1 << 53, 1 << 60, u64::MAX - 100, u64::MAX];
    for kind in [b'0', b'L', b'x', b'g', b'K', b'S', b'Z'] {
        for size in lies {
            let tar = Tar::default().header(kind, b"x", size).data(b"little");
            assert_refused!(send(&store, id, &tar.end()).await, StoreError::NotATar { .. });
        }
    }
    // Not even a size.
    for field in [*b"-0000000001\0", *b"abcdefghijk\0", [0xff; 12]] {
        let mut block = Tar::default().header(b'0', b"x", 0).0;
        block[124..136].copy_from_slice(&field);
        block[148..156].copy_from_slice(b"        ");
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        assert_refused!(send(&store, id, &Tar(block).end()).await, StoreError::NotATar { .. });
    }
    // A malformed pax record.
    for record in
        [&b"x"[..], b"5 a=b\n", b"99999999999999999999 a=b\n", b"3 a\n", b"0 a=b\n", b"7 size=\n"]
    {
        let tar = Tar::default().entry(b'x', b"x", record).file("x", b"x");
        assert_refused!(send(&store, id, &tar.end()).await, StoreError::NotATar { .. });
    }
    // A name without end: it is not waited for.
    let endless = stream::iter([Tar::default().header(b'L', b"x", 1 << 50).0.into()])
        .chain(stream::repeat_with(|| bytes(100_000)))
        .map(Ok::<_, io::Error>);
    assert_refused!(store.upload_tar(id, endless).await, StoreError::NotATar { .. });
    assert_sound(&store, id).await;
    assert_free(&store, id, "x").await;
}

pub(crate) async fn what_follows_the_end_of_a_tar_is_an_error(options: StoreOptions) {
    let store = open(&options).await;
    let first = Tar::default().file("a", b"a").end();
    let second = Tar::default().file("b", b"b").end();
    let id = package(&store).await;
    let report = send(&store, id, &[&first[..], &second].concat().into()).await.unwrap();
    assert_eq!(
        (stored(&report), failed(&report)),
        (vec!["a"], vec![("entry 2", "invalid-request")])
    );
    let id = package(&store).await;
    let zeros = stream::iter([first]).chain(stream::repeat_with(|| vec![0; 100_000].into()));
    let report = store.upload_tar(id, zeros.map(Ok::<_, io::Error>)).await.unwrap();
    assert_eq!(failed(&report), [("entry 2", "invalid-request")]);
}

pub(crate) async fn a_tar_whose_sender_fails_keeps_its_whole_files(options: StoreOptions) {
    let store = open(&options).await;
    let whole = Tar::default().file("a", b"a").file("b", &bytes(300_000)).file("c", b"c");
    for size in [1000, 500_000] {
        let id = package(&store).await;
        let archive: Bytes = whole.clone().file("cut", &bytes(size)).0.into();
        let cut = pieces(&archive.slice(..archive.len() - 600), 4096)
            .chain(stream::once(async { Err(io::Error::other("the line is dead")) }));
        let error = store.upload_tar(id, cut).await.unwrap_err();
        let StoreError::Body { path: None, source } = &error else { panic!("{error}") };
        assert_eq!(source.to_string(), "the line is dead");
        assert_eq!(paths(&store, id).await, ["a", "b", "c"]);
        assert_sound(&store, id).await;
        assert_free(&store, id, "cut").await;
    }
}

pub(crate) async fn a_tar_whose_sender_falls_silent_frees_its_paths(options: StoreOptions) {
    let idle = Duration::from_millis(200);
    let limits = Limits { upload_idle: idle, ..Limits::default() };
    let store = open(&StoreOptions { limits, ..options }).await;
    for size in [1000, 500_000] {
        let id = package(&store).await;
        let archive: Bytes = Tar::default().file("a", b"a").file("x", &bytes(size)).0.into();
        let silent = pieces(&archive.slice(..archive.len() - 600), 4096).chain(stream::pending());
        assert_refused!(store.upload_tar(id, silent).await, StoreError::Stalled { .. });
        assert_eq!(paths(&store, id).await, ["a"]);
        assert_free(&store, id, "x").await;
    }
}

pub(crate) async fn a_tar_has_its_limit_of_entries(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    let mut tar = Tar::default();
    for n in 0..100 {
        tar = tar.file(&format!("{n}"), b"n");
    }
    for _ in 0..9_900 {
        tar = tar.header(b'5', b"folder/", 0).header(b'2', b"link", 0);
    }
    let whole = send(&store, id, &tar.clone().end()).await.unwrap();
    assert_eq!((whole.stored.len(), whole.failed.len()), (100, 9_900));
    let id = package(&store).await;
    let more = tar.file("one more", b"x").file("two more", b"x").end();
    let report = send(&store, id, &more).await.unwrap();
    assert_eq!((report.stored.len(), report.failed.len()), (100, 9_901));
    assert_eq!(failed(&report)[9_900], ("one more", "payload-too-large"));
    assert_sound(&store, id).await;
}

pub(crate) async fn a_tar_cut_anywhere_stores_whole_files_or_nothing(options: StoreOptions) {
    let store = open(&options).await;
    let archive = Tar::default()
        .entry(b'L', b"L", &[b"l/".repeat(60), b"x\0".to_vec()].concat())
        .file("cut", b"x")
        .pax(&[("path", b"pax")])
        .file("cut", &bytes(700))
        .header(b'2', b"link", 0)
        .file("last", b"")
        .end();
    for end in (0..archive.len()).step_by(97) {
        let id = package(&store).await;
        match send(&store, id, &archive.slice(..end)).await {
            Ok(report) => {
                let counted = store.package(id).await.unwrap().file_count;
                assert_eq!(report.stored.len() as u64, counted);
            }
            Err(StoreError::NotATar { .. }) => assert_eq!(paths(&store, id).await, [""; 0]),
            Err(error) => panic!("{error}"),
        }
        assert_sound(&store, id).await;
    }
}
