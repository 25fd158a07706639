//! Many files in one request.

use serde_json::{Value, json};

use crate::room::{Package, Room, assert_problem, xs};
use crate::wire::{Answer, chunk, head};

const TAR: (&str, &str) = ("content-type", "application/x-tar");

/// One entry of an archive in the POSIX format: its head and its bytes, filled up to full blocks.
fn entry(name: &str, kind: u8, link: &str, bytes: &[u8]) -> Vec<u8> {
    let mut head = [0_u8; 512];
    let mut put = |at: usize, field: &[u8]| head[at..at + field.len()].copy_from_slice(field);
    put(0, name.as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{:011o}\0", bytes.len()).as_bytes());
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, &[kind]);
    put(157, link.as_bytes());
    put(257, b"ustar\x0000");
    let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
    head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut entry = head.to_vec();
    entry.extend_from_slice(bytes);
    entry.resize(entry.len().next_multiple_of(512), 0);
    entry
}

fn file(name: &str, bytes: &[u8]) -> Vec<u8> {
    entry(name, b'0', "", bytes)
}

/// The entries with the two empty blocks that end an archive.
fn archive(entries: &[Vec<u8>]) -> Vec<u8> {
    [entries.concat(), vec![0; 1024]].concat()
}

fn send(package: &Package, body: &[u8]) -> Answer {
    package.client.send("POST", &package.at("/files:batch"), &[TAR], body)
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|item| item["path"].as_str().unwrap()).collect()
}

#[test]
fn every_file_of_an_archive_is_an_upload() {
    let room = Room::new();
    let package = room.package();
    let large = xs(700_000);
    let body = archive(&[
        entry("./", b'5', "", b""),
        file("./a.txt", b"one"),
        entry("d/", b'5', "", b""),
        file("d/b.json", b"{}"),
        file("empty", b""),
        file("large", &large),
        file("attempt#1 100% ü", b"name"),
    ]);
    let answer = send(&package, &body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let stored = answer.json();
    assert_eq!(
        names(&stored["files"]),
        ["a.txt", "d/b.json", "empty", "large", "attempt#1 100% ü"]
    );
    assert_eq!(stored["errors"], json!([]));
    assert_eq!(stored["files"][1]["media_type"], "application/json");
    for file in stored["files"].as_array().unwrap() {
        let read = package.client.get(file["links"]["content"].as_str().unwrap());
        assert_eq!(read.body.len() as u64, file["size"].as_u64().unwrap());
    }
    assert_eq!(package.read("large").body, large);
    room.assert_nothing_staged();
    assert_eq!(package.finalize().json()["file_count"], 5);
}

#[test]
fn an_archive_may_come_in_chunks() {
    let room = Room::new();
    let package = room.package();
    let body = archive(&[file("a", b"one"), file("b", &[b'x'; 5000])]);
    let mut wire = package.client.connect();
    wire.send(&head("POST", &package.at("/files:batch"), &[TAR, ("transfer-encoding", "chunked")]));
    for piece in body.chunks(333) {
        wire.send(&chunk(piece));
    }
    wire.send(&chunk(b""));
    assert_eq!(wire.answer().status, 200);
    assert_eq!(package.paths(), ["a", "b"]);
}

#[test]
fn entries_that_are_no_files_or_leave_the_package_are_errors_of_their_own() {
    let room = Room::new();
    let package = room.package();
    package.upload("taken", b"first");
    let body = archive(&[
        file("good", b"1"),
        entry("symlink", b'2', "/etc/passwd", b""),
        entry("upwards", b'2', "../../../registry.sqlite3", b""),
        file("symlink/through", b"x"),
        entry("hardlink", b'1', "good", b""),
        entry("character", b'3', "", b""),
        entry("block", b'4', "", b""),
        entry("fifo", b'6', "", b""),
        file("/etc/absolute", b"x"),
        file("../outside", b"x"),
        file("a/../../outside", b"x"),
        file("a/../b", b"x"),
        file("a//b", b"x"),
        file("back\\slash", b"x"),
        file("new\nline", b"x"),
        file("taken", b"second"),
        file("good", b"again"),
        file("good/below", b"x"),
        file("also-good", b"2"),
    ]);
    let answer = send(&package, &body);
    assert_eq!(answer.status, 207, "{}", answer.text());
    let stored = answer.json();
    // A link is not there, so a file may lie where a folder of its name would be.
    assert_eq!(names(&stored["files"]), ["good", "symlink/through", "also-good"]);
    assert_eq!(
        names(&stored["errors"]),
        [
            "symlink",
            "upwards",
            "hardlink",
            "character",
            "block",
            "fifo",
            "/etc/absolute",
            "../outside",
            "a/../../outside",
            "a/../b",
            "a//b",
            "back\\slash",
            "new\nline",
            "taken",
            "good",
            "good/below"
        ]
    );
    for error in stored["errors"].as_array().unwrap() {
        let code = match error["path"].as_str().unwrap() {
            "taken" | "good" => "duplicate-path",
            "good/below" => "path-conflict",
            "symlink" | "upwards" | "hardlink" | "character" | "block" | "fifo" => {
                "invalid-request"
            }
            _ => "invalid-path",
        };
        assert_eq!(error["code"], code, "{error}");
        assert!(!error["detail"].as_str().unwrap().is_empty());
    }
    assert_eq!(package.read("taken").body, b"first");
    assert_eq!(package.read("good").body, b"1");
    assert_eq!(package.paths(), ["also-good", "good", "symlink/through", "taken"]);
    let data = room.data_dir().join("packages").join(&package.id).join("data");
    let expected = ["also-good", "good", "symlink/through", "taken"].map(|name| data.join(name));
    assert_eq!(room.stored(&package), expected);
    for file in room.stored(&package) {
        assert!(file.symlink_metadata().unwrap().is_file());
    }
    room.assert_nothing_staged();
}

#[test]
fn what_is_no_archive_stores_nothing() {
    let room = Room::new();
    let package = room.package();
    let mut damaged = archive(&[file("a", b"one")]);
    damaged[10] ^= 1;
    let mut endless = file("a", b"one");
    endless[124..135].copy_from_slice(b"77777777777");
    for body in [&b"garbage"[..], &[b'x'; 5000], &damaged, &endless, b"\x1f\x8b\x08\0\0\0\0\0"] {
        let answer = send(&package, body);
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert_problem(&answer, 400, "invalid-request");
    }
    room.assert_nothing_stored(&package);
    package.assert_free("a");
}

#[test]
fn an_archive_that_breaks_off_is_stored_up_to_its_last_whole_file() {
    let room = Room::new();
    let package = room.package();
    let body = archive(&[file("a", b"one"), file("b", &xs(600_000))]);
    let answer = send(&package, &body[..300_000]);
    assert_eq!(answer.status, 207, "{}", answer.text());
    let stored = answer.json();
    assert_eq!((names(&stored["files"]), names(&stored["errors"])), (vec!["a"], vec!["b"]));
    assert_eq!(package.paths(), ["a"]);
    room.assert_nothing_staged();
    package.assert_free("b");

    // The rest can be sent again.
    let again = send(&package, &body);
    assert_eq!(again.status, 207, "{}", again.text());
    assert_eq!(again.json()["errors"][0]["code"], "duplicate-path");
    assert_eq!(package.read("b").body, xs(600_000));
}

#[test]
fn a_request_that_is_cut_in_the_middle_leaves_whole_files_alone() {
    let room = Room::impatient();
    let package = room.package();
    let body = archive(&[file("a", b"one"), file("b", &xs(600_000))]);
    let length = body.len().to_string();
    for is_silent in [true, false] {
        let mut wire = package.client.connect();
        wire.send(&head("POST", &package.at("/files:batch"), &[TAR, ("content-length", &length)]));
        wire.send(&body[..300_000]);
        if !is_silent {
            wire.half_close();
        }
        let answer = wire.answer_to(false);
        assert!(answer.is_none_or(|answer| !(200..=206).contains(&answer.status)));
        package.assert_soon_free("b");
        room.assert_nothing_staged();
        for path in package.paths() {
            assert_eq!((&*path, &*package.read(&path).body), ("a", &b"one"[..]));
        }
    }
}

#[test]
fn a_batch_is_refused_as_a_whole_where_a_single_upload_would_be() {
    let room = Room::new();
    let package = room.package();
    let body = archive(&[file("a", b"one")]);
    for headers in [
        &[][..],
        &[("content-type", "application/zip")],
        &[("content-type", "application/octet-stream")],
        &[TAR, ("content-encoding", "gzip")],
    ] {
        let answer = package.client.send("POST", &package.at("/files:batch"), headers, &body);
        assert_eq!(answer.status, 415, "{headers:?}: {}", answer.text());
        assert_problem(&answer, 415, "unsupported-media-type");
    }
    let answer =
        package.client.send("POST", &package.at("/files:batch?replace=true"), &[TAR], &body);
    assert_problem(&answer, 400, "invalid-request");
    room.assert_nothing_stored(&package);

    let missing =
        Package { id: "01890a5d-ac96-774b-bcce-b302099a8057".to_owned(), ..package.clone() };
    assert_problem(&send(&missing, &body), 404, "not-found");
    assert_eq!(send(&package, &body).status, 200);
    assert_eq!(package.finalize().status, 200);
    let late = send(&package, &archive(&[file("b", b"two")]));
    assert_eq!(assert_problem(&late, 409, "wrong-status")["package_status"], "finalized");
    assert_eq!(package.paths(), ["a"]);
}
