//! The codes of errors: each with its status and what it says besides.

use std::fs;
use std::sync::mpsc;
use std::time::Duration;

use artifact_registry::{DatabaseUrl, Durability, OpenMode, Registry, RegistryError};
use artifact_store::Limits;
use serde_json::{Value, json};

use crate::room::{PACKAGES, Room, assert_problem, eventually, files_below, staged, xs};
use crate::wire::{Answer, head};

const SOME_ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

#[test]
fn invalid_path_names_the_path() {
    let room = Room::new();
    let problem = assert_problem(&room.package().put("a/../b", b""), 400, "invalid-path");
    assert_eq!(problem["path"], "a/../b");
}

#[test]
fn unauthorized_says_what_is_expected_whatever_the_token() {
    let room = Room::new();
    let package = room.package();
    for token in ["Bearer x", "Bearer", "Basic dTpw", "nonsense", ""] {
        let headers = [("authorization", token)];
        for (method, target) in [
            ("GET", PACKAGES.to_owned()),
            ("POST", PACKAGES.to_owned()),
            ("GET", package.at("")),
            ("PUT", package.file("a")),
            ("DELETE", package.file("a")),
            ("GET", package.file("a")),
            ("POST", package.at("/finalize")),
            ("GET", package.at("/audit")),
            ("GET", "/api/v1/audit".to_owned()),
            ("GET", "/metrics".to_owned()),
            ("GET", "/openapi.json".to_owned()),
        ] {
            let answer = package.client.send(method, &target, &headers, b"");
            assert_eq!(answer.status, 401, "{method} {target}: {}", answer.text());
            assert_problem(&answer, 401, "unauthorized");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
        for target in ["/healthz", "/readyz"] {
            assert_eq!(package.client.send("GET", target, &headers, b"").status, 200);
        }
    }
    room.assert_nothing_stored(&package);
}

#[test]
fn not_found_says_what_was_looked_for() {
    let room = Room::new();
    let package = room.package();
    for target in [
        "/".to_owned(),
        "/api".to_owned(),
        "/api/v1".to_owned(),
        "/api/v2/packages".to_owned(),
        format!("{PACKAGES}/"),
        format!("{PACKAGES}/{SOME_ID}"),
        format!("{PACKAGES}/{SOME_ID}/files"),
        format!("{PACKAGES}/{SOME_ID}/files/a"),
        format!("{PACKAGES}/{SOME_ID}/manifest"),
        format!("{PACKAGES}/{SOME_ID}/summary"),
        format!("{PACKAGES}/{SOME_ID}/archive"),
        format!("{PACKAGES}/{SOME_ID}/audit"),
        format!("{PACKAGES}/nonsense"),
        format!("{PACKAGES}/{}", package.id.to_uppercase()),
        format!("{PACKAGES}/%00"),
        package.at("/nonsense"),
        package.at("/files/missing"),
        "/docs/missing".to_owned(),
    ] {
        let answer = package.client.get(&target);
        assert_eq!(answer.status, 404, "{target}: {}", answer.text());
        assert_problem(&answer, 404, "not-found");
    }
    for (method, rest) in [("PUT", "/files/a"), ("DELETE", "/files/a"), ("POST", "/finalize")] {
        let target = format!("{PACKAGES}/{SOME_ID}{rest}");
        let problem =
            assert_problem(&package.client.send(method, &target, &[], b""), 404, "not-found");
        assert_eq!(problem["package_id"], SOME_ID);
    }
    let problem = assert_problem(&package.read("missing"), 404, "not-found");
    assert_eq!((&problem["package_id"], &problem["path"]), (&json!(package.id), &json!("missing")));
}

#[test]
fn method_not_allowed_says_which_ones_there_are() {
    let room = Room::new();
    let package = room.package();
    for (target, allow) in [
        (PACKAGES.to_owned(), "GET, HEAD, POST"),
        (package.at(""), "GET, HEAD, PATCH"),
        (package.at("/fail"), "POST"),
        (package.at("/summary"), "GET, HEAD"),
        (package.at("/files"), "GET, HEAD"),
        (package.at("/files:batch"), "POST"),
        (package.at("/files:check"), "POST"),
        (package.file("a"), "GET, HEAD, PUT, DELETE"),
        (package.at("/finalize"), "POST"),
        (package.at("/manifest"), "GET, HEAD"),
        (package.at("/archive"), "GET, HEAD"),
        (package.at("/audit"), "GET, HEAD"),
        (package.at("/retention"), "GET, HEAD"),
        (package.at("/retention/events"), "GET, HEAD"),
        (package.at("/retention/extend"), "POST"),
        (package.at("/retention/class"), "PUT"),
        (package.at("/holds"), "GET, HEAD, POST"),
        (package.at(&format!("/holds/{SOME_ID}/release")), "POST"),
        (package.at("/delete"), "POST"),
        (package.at("/deletion"), "GET, HEAD"),
        ("/api/v1/deletion-candidates".to_owned(), "GET, HEAD"),
        ("/api/v1/retention-classes".to_owned(), "GET, HEAD"),
        ("/api/v1/retention-classes/transient".to_owned(), "PUT"),
        ("/api/v1/clock".to_owned(), "GET, HEAD"),
        ("/api/v1/clock/acknowledge".to_owned(), "POST"),
        ("/api/v1/audit".to_owned(), "GET, HEAD"),
        ("/healthz".to_owned(), "GET, HEAD"),
        ("/readyz".to_owned(), "GET, HEAD"),
        ("/metrics".to_owned(), "GET, HEAD"),
        ("/openapi.json".to_owned(), "GET, HEAD"),
        ("/docs".to_owned(), "GET, HEAD"),
        ("/docs/".to_owned(), "GET, HEAD"),
    ] {
        let methods =
            ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "get"];
        for method in methods {
            if allow.split(", ").any(|allowed| allowed == method) {
                continue;
            }
            let answer = package.client.send(method, &target, &[], b"");
            assert_eq!(answer.status, 405, "{method} {target}: {}", answer.text());
            assert_eq!(answer.header("allow"), Some(allow), "{target}");
            if method != "HEAD" {
                assert_problem(&answer, 405, "method-not-allowed");
            }
        }
    }
    room.assert_nothing_stored(&package);
}

#[test]
fn duplicate_path_leaves_the_file_that_is_there_and_replace_takes_its_place() {
    let room = Room::new();
    let package = room.package();
    package.upload("a", b"first");
    let problem = assert_problem(&package.put("a", b"second"), 409, "duplicate-path");
    assert_eq!((&problem["path"], &problem["package_id"]), (&json!("a"), &json!(package.id)));
    assert_problem(&package.put("a?replace=false", b"second"), 409, "duplicate-path");
    assert_eq!(package.read("a").body, b"first");

    assert_eq!(package.put("a?replace=true", b"second").status, 200);
    assert_eq!(package.put("b?replace=true", b"new").status, 201);
    assert_eq!(package.read("a").body, b"second");
    assert_eq!(package.get("").json()["total_bytes"], 9);

    // A replacement that is refused leaves what is there.
    let wrong = [("repr-digest", "sha-256=:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=:")];
    assert_problem(&package.put_with("a?replace=true", &wrong, b"third"), 422, "digest-mismatch");
    assert_eq!(package.read("a").body, b"second");
    assert_eq!(room.stored(&package).len(), 2);
    room.assert_nothing_staged();
}

#[test]
fn upload_in_progress_names_the_path_until_the_first_upload_ends() {
    let room = Room::new();
    let package = room.package();
    let mut wire = package.client.connect();
    wire.send(&head("PUT", &package.file("a"), &[("content-length", "3000003")]));
    wire.send(&xs(3_000_000));
    eventually(|| !staged(&room.data_dir()).is_empty(), || "it never began".to_owned());
    for (method, target) in [("PUT", package.file("a")), ("PUT", package.file("a?replace=true"))] {
        let answer = package.client.send(method, &target, &[], b"");
        assert_eq!(answer.status, 409, "{method} {target}: {}", answer.text());
        let problem = assert_problem(&answer, 409, "upload-in-progress");
        assert_eq!((&problem["path"], &problem["package_id"]), (&json!("a"), &json!(package.id)));
    }
    package.upload("b", b"b");
    assert_eq!(package.finalize().status, 409);
    wire.send(b"end");
    assert_eq!(wire.answer().status, 201);
    assert!(package.read("a").body.ends_with(b"xend"));
    assert_eq!(package.finalize().status, 200);
}

#[test]
fn package_exists_gives_the_id_of_the_first_until_it_has_failed() {
    let room = Room::new();
    let client = room.client();
    let request = json!({"producer": "ci", "external_id": "run 1"});
    let first = client.package_of(&request);
    let problem = assert_problem(&client.post(PACKAGES, &request), 409, "package-exists");
    assert_eq!(problem["package_id"], first.id);
    client.package_of(&json!({"producer": "other", "external_id": "run 1"}));
    assert_eq!(first.post("/fail", &json!({"reason": "given up"})).status, 200);
    client.package_of(&request);
}

#[test]
fn wrong_status_says_which_status_the_package_has() {
    let room = Room::new();
    let (open, sealed, failed) = (room.package(), room.package(), room.package());
    for package in [&sealed, &failed] {
        package.upload("a", b"a");
    }
    assert_eq!(sealed.finalize().status, 200);
    assert_eq!(failed.post("/fail", &json!({"reason": "given up"})).status, 200);
    let is_wrong = |answer: &Answer, status: &str| {
        let problem = assert_problem(answer, 409, "wrong-status");
        assert_eq!(problem["package_status"], status, "{problem}");
    };
    for (package, status) in [(&sealed, "finalized"), (&failed, "failed")] {
        is_wrong(&package.put("b", b"b"), status);
        is_wrong(&package.put("a?replace=true", b"b"), status);
        is_wrong(&package.client.send("DELETE", &package.file("a"), &[], b""), status);
        is_wrong(&package.post("/fail", &json!({"reason": "again"})), status);
        assert_eq!(package.read("a").body, b"a");
        assert_eq!(package.paths(), ["a"]);
    }
    is_wrong(&failed.finalize(), "failed");
    for rest in ["/manifest", "/archive", "/archive?format=zip"] {
        is_wrong(&open.get(rest), "created");
        is_wrong(&failed.get(rest), "failed");
    }
    assert_eq!(sealed.finalize().status, 200);
}

#[test]
fn incomplete_package_says_what_is_there_and_what_was_expected() {
    let room = Room::new();
    let package = room.package();
    package.upload("a", b"abc");
    for (sent, expected, actual) in [
        (json!({"file_count": 2}), "2", "1"),
        (json!({"total_bytes": 4}), "4", "3"),
        (json!({"file_count": 1, "total_bytes": 0}), "0", "3"),
    ] {
        let problem = assert_problem(&package.post("/finalize", &sent), 409, "incomplete-package");
        assert_eq!((&problem["expected"], &problem["actual"]), (&json!(expected), &json!(actual)));
        assert_eq!((&problem["files"], &problem["package_id"]), (&json!([]), &json!(package.id)));
    }
    // The package stays open.
    assert_eq!(package.get("").json()["status"], "uploading");
    package.upload("b", b"d");
    let sent = json!({"file_count": 2, "total_bytes": 4});
    assert_eq!(package.post("/finalize", &sent).json()["status"], "finalized");
}

#[test]
fn incomplete_package_names_the_files_whose_bytes_are_gone() {
    let room = Room::new();
    let package = room.package();
    for raw in ["a", "d/b", "c"] {
        package.upload(raw, b"abc");
    }
    let data = room.data_dir().join("packages").join(&package.id).join("data");
    fs::remove_file(data.join("d/b")).unwrap();
    fs::write(data.join("c"), "longer than before").unwrap();
    let problem = assert_problem(&package.finalize(), 409, "incomplete-package");
    let named: Vec<&Value> =
        problem["files"].as_array().unwrap().iter().map(|file| &file["path"]).collect();
    assert_eq!(named.len(), 2, "{problem}");
    for name in ["c", "d/b"] {
        assert!(named.iter().any(|named| named.as_str().unwrap().ends_with(name)), "{problem}");
    }
    assert!(!problem.to_string().contains(room.data_dir().to_str().unwrap()), "{problem}");
}

#[test]
fn digest_mismatch_of_a_whole_package_leaves_it_open() {
    let room = Room::new();
    let package = room.package();
    package.upload("a", b"abc");
    let sent = json!({"payload_manifest_sha256": "0".repeat(64)});
    let problem = assert_problem(&package.post("/finalize", &sent), 422, "digest-mismatch");
    assert_eq!(problem["expected"], "0".repeat(64));
    let actual = problem["actual"].as_str().unwrap();
    assert_eq!(package.get("").json()["status"], "uploading");
    let sealed = package.post("/finalize", &json!({"payload_manifest_sha256": actual}));
    assert_eq!(sealed.json()["status"], "finalized");
}

#[test]
fn empty_package_is_nothing_to_seal() {
    let room = Room::new();
    let package = room.package();
    let problem = assert_problem(&package.finalize(), 422, "empty-package");
    assert_eq!(problem["package_id"], package.id);
    package.upload("a", b"");
    assert_eq!(package.finalize().status, 200);
}

#[test]
fn precondition_failed_changes_nothing() {
    let room = Room::new();
    let package = room.package();
    let before = package.get("");
    let tag = before.header("etag").unwrap().to_owned();
    let json = ("content-type", "application/json");
    let patch = |tag: &str, title: &str| {
        let body = json!({"title": title}).to_string();
        package.client.send("PATCH", &package.at(""), &[json, ("if-match", tag)], body.as_bytes())
    };
    let changed = patch(&tag, "one");
    assert_eq!((changed.status, &changed.json()["title"]), (200, &json!("one")));
    assert_ne!(changed.header("etag"), Some(&*tag));
    for stale in
        [&*tag, "\"other\"", "nonsense", "2", &format!("W/{}", changed.header("etag").unwrap())]
    {
        assert_problem(&patch(stale, "two"), 412, "precondition-failed");
    }
    assert_eq!(package.get("").json()["title"], "one");
    assert_eq!(patch("*", "three").status, 200);
}

#[test]
fn payload_too_large_keeps_a_package_within_its_limits() {
    let room =
        Room::with_limits(Limits { package_bytes: 10, package_files: 3, ..Limits::default() });
    let package = room.package();
    package.upload("a", b"12345678");
    assert_problem(&package.put("b", b"123"), 413, "payload-too-large");
    package.upload("b", b"12");
    package.upload("c", b"");
    assert_problem(&package.put("d", b""), 413, "payload-too-large");
    assert_eq!(package.paths(), ["a", "b", "c"]);
    assert_eq!(room.stored(&package).len(), 3);
    room.assert_nothing_staged();
    assert_eq!(package.finalize().status, 200);
}

#[test]
fn unsupported_media_type_is_about_bodies_alone() {
    let room = Room::new();
    let package = room.package();
    let json = [("content-type", "text/plain")];
    for (method, rest) in
        [("PATCH", ""), ("POST", "/fail"), ("POST", "/finalize"), ("POST", "/files:check")]
    {
        let answer = package.client.send(method, &package.at(rest), &json, b"{}");
        assert_problem(&answer, 415, "unsupported-media-type");
    }
    let answer = package.client.send("GET", &package.at(""), &[("accept", "text/csv")], b"");
    assert_eq!(answer.status, 200);
}

#[test]
fn range_not_satisfiable_says_how_long_the_file_is() {
    let room = Room::new();
    let package = room.package();
    package.upload("a", b"abc");
    let answer = package.client.send("GET", &package.file("a"), &[("range", "bytes=3-")], b"");
    assert_eq!(assert_problem(&answer, 416, "range-not-satisfiable")["path"], "a");
    assert_eq!(answer.header("content-range"), Some("bytes */3"));
}

/// Asserts that an answer tells nothing of what is wrong in the server.
#[track_caller]
fn assert_discreet(room: &Room, answer: &Answer, status: u16, code: &str) {
    let problem = assert_problem(answer, status, code);
    let id = problem["request_id"].as_str().unwrap();
    assert!(problem["detail"].as_str().unwrap().contains(id), "{problem}");
    let folder = room.data_dir();
    let text = problem.to_string().to_lowercase();
    for secret in [folder.to_str().unwrap(), "sqlite", "database", "packages/", "data/", "os error"]
    {
        assert!(!text.contains(secret), "{problem}");
    }
    let members: Vec<&String> = problem.as_object().unwrap().keys().collect();
    assert_eq!(members, ["code", "detail", "request_id", "status", "title", "type"]);
}

#[test]
fn storage_unavailable_asks_to_come_back_and_works_again_later() {
    let room = Room::new();
    let package = room.package();
    package.upload("a", b"a");
    let (packages, away) = (room.data_dir().join("packages"), room.data_dir().join("away"));
    fs::rename(&packages, &away).unwrap();
    fs::write(&packages, "in the way").unwrap();
    for answer in [package.put("b", b"b"), package.finalize()] {
        assert_discreet(&room, &answer, 503, "storage-unavailable");
        assert!(answer.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
    }
    assert!(package.read("a").status >= 500);
    assert_eq!(package.paths(), ["a"]);

    fs::remove_file(&packages).unwrap();
    fs::rename(&away, &packages).unwrap();
    assert_eq!(package.read("a").body, b"a");
    package.upload("b", b"b");
    assert_eq!(package.finalize().json()["file_count"], 2);
}

#[test]
fn registry_unavailable_asks_to_come_back_and_works_again_later() {
    let room = Room::new();
    let package = room.package();
    package.upload("a", b"a");
    let url = DatabaseUrl::sqlite(room.data_dir().join("registry.sqlite3"));
    let registry = Registry::open(&url, OpenMode::Existing).unwrap();
    let (locked, is_locked) = mpsc::channel();
    let (unlock, is_done) = mpsc::channel::<()>();
    let somebody = std::thread::spawn(move || {
        registry.write::<_, RegistryError>(Durability::Relaxed, |_| {
            locked.send(()).unwrap();
            // The sender is dropped when the test fails.
            let _ = is_done.recv_timeout(Duration::from_mins(2));
            Ok(())
        })
    });
    is_locked.recv().unwrap();
    let (create, upload, seal) = std::thread::scope(|scope| {
        let create = scope.spawn(|| package.client.post(PACKAGES, &json!({"producer": "ci"})));
        let upload = scope.spawn(|| package.put("b", b"b"));
        let seal = scope.spawn(|| package.finalize());
        // Who only reads is not kept waiting.
        assert_eq!(package.read("a").body, b"a");
        (create.join().unwrap(), upload.join().unwrap(), seal.join().unwrap())
    });
    for answer in [create, upload, seal] {
        assert_discreet(&room, &answer, 503, "registry-unavailable");
        assert!(answer.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
    }
    unlock.send(()).unwrap();
    somebody.join().unwrap().unwrap();
    assert_eq!(package.paths(), ["a"]);
    package.assert_free("b");
}

#[test]
fn internal_tells_nothing_but_the_request_id() {
    let room = Room::new();
    let package = room.package();
    for raw in ["shorter", "gone"] {
        package.upload(raw, b"0123456789");
    }
    assert_eq!(package.finalize().status, 200);
    let data = room.data_dir().join("packages").join(&package.id).join("data");
    fs::write(data.join("shorter"), "01234").unwrap();
    fs::remove_file(data.join("gone")).unwrap();
    for raw in ["shorter", "gone"] {
        assert_discreet(&room, &package.read(raw), 500, "internal");
        let part = package.client.send("GET", &package.file(raw), &[("range", "bytes=1-2")], b"");
        assert_discreet(&room, &part, 500, "internal");
    }
}

#[test]
fn a_file_that_ends_while_it_is_sent_cuts_the_connection() {
    let room = Room::new();
    let package = room.package();
    package.upload("a", &xs(64 << 20));
    let mut wire = package.client.connect();
    wire.send(&head("GET", &package.file("a"), &[]));
    // The answer has begun and waits for its reader.
    std::thread::sleep(Duration::from_millis(500));
    let stored = files_below(&room.data_dir().join("packages").join(&package.id));
    fs::File::options().write(true).open(&stored[0]).unwrap().set_len(1000).unwrap();
    let answer = wire.answer();
    assert_eq!((answer.status, answer.header("content-length")), (200, Some("67108864")));
    assert!(!answer.is_whole && answer.body.len() < 64 << 20, "{}", answer.body.len());
}
