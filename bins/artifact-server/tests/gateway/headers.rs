//! Headers that lie, that contradict each other, and that ask for a part or a version.

use crate::room::{Client, Package, Room, assert_problem, xs};
use crate::wire::{self, Wire, chunk, head, request};

use artifact_domain::Sha256Digest;
use artifact_store::Limits;
use data_encoding::BASE64;

fn digest_field(bytes: &[u8]) -> String {
    format!("sha-256=:{}:", BASE64.encode(Sha256Digest::of(bytes).as_bytes()))
}

/// A request that the parser of HTTP itself cannot take.
#[track_caller]
fn assert_not_taken(client: Client, request: &[u8]) {
    let shown = String::from_utf8_lossy(&request[..request.len().min(300)]).into_owned();
    let answer = wire::exchange_or_cut(client.address, request).expect(&shown);
    assert_eq!(answer.status, 400, "{shown}");
    assert_problem(&answer, 400, "invalid-request");
    assert_eq!(answer.header("connection"), Some("close"), "{shown}");
}

#[test]
fn a_body_that_ends_before_its_length_is_refused_and_its_path_is_free() {
    let room = Room::new();
    let package = room.package();
    let request = head("PUT", &package.file("a"), &[("content-length", "10")]);

    let mut wire = package.client.connect();
    wire.send(&request);
    wire.send(b"abc");
    wire.half_close();
    assert_problem(&wire.answer(), 400, "invalid-request");
    assert!(wire.is_closed());
    room.assert_nothing_stored(&package);
    package.assert_free("a");

    let mut wire = package.client.connect();
    wire.send(&request);
    wire.send(b"abc");
    drop(wire);
    package.assert_soon_free("a");
    room.assert_nothing_stored(&package);
}

#[test]
fn bytes_beyond_the_length_are_not_part_of_the_file() {
    let room = Room::new();
    let package = room.package();
    let mut wire = package.client.connect();
    let mut bytes = head("PUT", &package.file("a"), &[("content-length", "3")]);
    bytes.extend_from_slice(b"abcdef\r\n\r\n");
    wire.send(&bytes);
    let stored = wire.answer();
    assert_eq!((stored.status, stored.json()["size"].as_u64()), (201, Some(3)));
    // What follows is no request.
    let rest = wire.answer_to(false);
    assert!(rest.is_none_or(|answer| answer.status == 400));
    assert_eq!(package.read("a").body, b"abc");
}

#[test]
fn lengths_that_contradict_each_other_or_are_none_store_nothing() {
    let room = Room::new();
    let package = room.package();
    for headers in [
        &[("content-length", "1"), ("content-length", "2")][..],
        &[("content-length", "2"), ("content-length", "1")],
        &[("content-length", "5"), ("transfer-encoding", "chunked")],
        &[("transfer-encoding", "chunked"), ("content-length", "5")],
        &[("content-length", "-1")],
        &[("content-length", "+1")],
        &[("content-length", "1, 2")],
        &[("content-length", "0x1")],
        &[("content-length", "one")],
        &[("content-length", "")],
        &[("content-length", "1.0")],
        &[("content-length", "99999999999999999999999999")],
        &[("transfer-encoding", "gzip, chunked")],
        &[("transfer-encoding", "identity")],
        &[("transfer-encoding", "chunked, gzip")],
        &[("transfer-encoding", "xchunked")],
        &[("transfer-encoding", "chunked"), ("transfer-encoding", "identity")],
    ] {
        let mut request = head("PUT", &package.file("a"), headers);
        request.extend_from_slice(b"1\r\nx\r\n0\r\n\r\n");
        assert_not_taken(package.client, &request);
        assert_eq!(package.paths(), [""; 0], "{headers:?}");
    }
    room.assert_nothing_stored(&package);
    package.assert_free("a");
}

#[test]
fn heads_that_are_malformed_or_endless_store_nothing() {
    let room = Room::new();
    let package = room.package();
    let target = package.file("a");
    let long = "v".repeat(256 * 1024);
    let many = "x-many: 1\r\n".repeat(500);
    for text in [
        format!("PUT {target} HTTP/1.1\r\nhost: g\r\nx-long: {long}\r\ncontent-length: 1\r\n\r\nx"),
        format!("PUT {target} HTTP/1.1\r\nhost: g\r\n{many}content-length: 1\r\n\r\nx"),
        format!("PUT {target}{long} HTTP/1.1\r\nhost: g\r\ncontent-length: 1\r\n\r\nx"),
        format!("PUT {target} HTTP/1.1\r\ncontent-length: 1\r\n\r\nx"),
        format!("PUT {target} HTTP/1.1\r\nhost: g\r\nhost: h\r\ncontent-length: 1\r\n\r\nx"),
        format!("PUT {target} HTTP/1.1\r\nhost : g\r\ncontent-length: 1\r\n\r\nx"),
        format!("PUT {target} HTTP/1.1\r\nhost: g\r\ncontent-length : 1\r\n\r\nx"),
        format!("PUT {target} HTTP/1.1\r\nhost: g\r\nno colon\r\ncontent-length: 1\r\n\r\nx"),
        format!("PUT {target} HTTP/1.1\r\nhost: g\r\nx: a\0b\r\ncontent-length: 1\r\n\r\nx"),
        format!("PUT {target} HTTP/9.9\r\nhost: g\r\ncontent-length: 1\r\n\r\nx"),
        format!("PUT  {target} HTTP/1.1\r\nhost: g\r\ncontent-length: 1\r\n\r\nx"),
        format!("PUT\t{target} HTTP/1.1\r\nhost: g\r\ncontent-length: 1\r\n\r\nx"),
        format!("P{{T {target} HTTP/1.1\r\nhost: g\r\ncontent-length: 1\r\n\r\nx"),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\r\n\r\n".to_owned(),
    ] {
        assert_not_taken(package.client, text.as_bytes());
    }
    room.assert_nothing_stored(&package);
    package.assert_free("a");
}

#[test]
fn a_file_that_looks_like_a_refusal_is_sent_as_it_is() {
    let room = Room::new();
    let package = room.package();
    let file = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
    package.upload("a", file);
    // On a connection of its own.
    assert_eq!(package.read("a").body, file);
}

#[test]
fn a_length_beyond_the_limit_is_refused_before_the_body_is_sent() {
    let room = Room::with_limits(Limits { file_bytes: 1000, ..Limits::default() });
    let package = room.package();
    for length in ["1001", "9007199254740993", "18446744073709551615"] {
        let mut wire = package.client.connect();
        wire.send(&head("PUT", &package.file("a"), &[("content-length", length)]));
        assert_problem(&wire.answer(), 413, "payload-too-large");
    }
    room.assert_nothing_stored(&package);
    package.upload("a", &[b'x'; 1000]);
}

#[test]
fn a_body_that_outgrows_the_limit_is_refused_while_it_comes() {
    let room = Room::with_limits(Limits { file_bytes: 1000, ..Limits::default() });
    let package = room.package();
    let mut request = head("PUT", &package.file("a"), &[("transfer-encoding", "chunked")]);
    request.extend(chunk(&[b'x'; 900]));
    request.extend(chunk(&[b'x'; 101]));
    request.extend(chunk(b""));
    let answer = wire::exchange(package.client.address, &request);
    assert_problem(&answer, 413, "payload-too-large");
    room.assert_nothing_stored(&package);
    package.assert_free("a");
}

#[test]
fn a_digest_that_the_bytes_do_not_have_stores_nothing() {
    let room = Room::new();
    let package = room.package();
    let (right, wrong) = (digest_field(b"right"), digest_field(b"wrong"));
    for name in ["repr-digest", "content-digest", "Repr-Digest"] {
        let problem = assert_problem(
            &package.put_with("a", &[(name, &wrong)], b"right"),
            422,
            "digest-mismatch",
        );
        assert_eq!(problem["expected"], Sha256Digest::of(b"wrong").to_string());
        assert_eq!(problem["actual"], Sha256Digest::of(b"right").to_string());
    }
    room.assert_nothing_stored(&package);
    for (raw, headers) in [
        ("a", &[("repr-digest", &*right)][..]),
        ("b", &[("content-digest", &*right)]),
        ("c", &[("repr-digest", &*right), ("content-digest", &*right)]),
        ("d", &[("repr-digest", "sha-512=:AAAA:")]),
        ("e", &[("repr-digest", "md5=:AAAA:"), ("content-digest", &*right)]),
    ] {
        let answer = package.put_with(raw, headers, b"right");
        assert_eq!(answer.status, 201, "{headers:?}: {}", answer.text());
    }
}

#[test]
fn a_digest_that_cannot_be_read_or_contradicts_another_stores_nothing() {
    let room = Room::new();
    let package = room.package();
    let (right, wrong) = (digest_field(b"right"), digest_field(b"wrong"));
    let bare = right.trim_end_matches(':').to_owned();
    let hex = format!("sha-256={}", Sha256Digest::of(b"right"));
    for headers in [
        &[("repr-digest", "")][..],
        &[("repr-digest", "sha-256")],
        &[("repr-digest", "sha-256=:AAAA:")],
        &[("repr-digest", &*bare)],
        &[("repr-digest", &*hex)],
        &[("repr-digest", "=")],
        &[("content-digest", "sha-256=(:AAAA:)")],
        &[("repr-digest", &*right), ("repr-digest", &*wrong)],
        &[("repr-digest", &*right), ("content-digest", &*wrong)],
        &[("content-digest", &*right), ("content-digest", "nonsense=")],
    ] {
        let answer = package.put_with("a", headers, b"right");
        // A dictionary without members is one (RFC 8941), so the empty field says nothing.
        if headers[0].1.is_empty() {
            assert!(matches!(answer.status, 201 | 400));
            package.client.send("DELETE", &package.file("a"), &[], b"");
            continue;
        }
        assert_eq!(answer.status, 400, "{headers:?}: {}", answer.text());
        assert_problem(&answer, 400, "invalid-request");
    }
    room.assert_nothing_stored(&package);
    package.assert_free("a");
}

#[test]
fn headers_that_would_make_another_file_of_the_body_are_refused() {
    let room = Room::new();
    let package = room.package();
    for (header, status, code) in [
        (("content-encoding", "gzip"), 415, "unsupported-media-type"),
        (("content-encoding", "identity, gzip"), 415, "unsupported-media-type"),
        (("content-encoding", "br"), 415, "unsupported-media-type"),
        (("content-range", "bytes 0-2/10"), 400, "invalid-request"),
        (("content-range", "nonsense"), 400, "invalid-request"),
        (("content-type", "nonsense"), 400, "invalid-request"),
        (("content-type", ""), 400, "invalid-request"),
        (("content-type", "text/"), 400, "invalid-request"),
        (("content-type", "text/ü"), 400, "invalid-request"),
        (("content-type", "te xt/plain"), 400, "invalid-request"),
    ] {
        let answer = package.put_with("a", &[header], b"abc");
        assert_eq!(answer.status, status, "{header:?}: {}", answer.text());
        assert_problem(&answer, status, code);
    }
    room.assert_nothing_stored(&package);
    let stored = package.put_with("a", &[("content-encoding", "Identity")], b"abc");
    assert_eq!(stored.status, 201, "{}", stored.text());
}

#[test]
fn the_media_type_is_what_was_said_or_what_the_name_suggests() {
    let room = Room::new();
    let package = room.package();
    for (raw, headers, expected) in [
        ("a.json", &[][..], "application/json"),
        ("b", &[], "application/octet-stream"),
        ("c.json", &[("content-type", "text/x; charset=utf-8")], "text/x; charset=utf-8"),
        ("d.html", &[("content-type", "text/html")], "text/html"),
    ] {
        assert_eq!(package.put_with(raw, headers, b"{}").json()["media_type"], expected);
        let read = package.read(raw);
        assert_eq!(read.header("content-type"), Some(expected));
        assert_eq!(read.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(read.header("content-security-policy"), Some("sandbox"));
        let attachment = format!("attachment; filename*=UTF-8''{raw}");
        assert_eq!(read.header("content-disposition"), Some(&*attachment));
    }
}

/// A package with the ten bytes `0123456789` as `digits`, and the tag of that file.
fn digits(room: &Room) -> (Package, String) {
    let package = room.package();
    package.upload("digits", b"0123456789");
    let tag = format!("\"sha256:{}\"", Sha256Digest::of(b"0123456789"));
    (package, tag)
}

#[test]
fn one_range_is_a_part_and_everything_else_is_the_whole_or_lies_outside() {
    let room = Room::new();
    let (package, tag) = digits(&room);
    let read = |headers: &[(&str, &str)]| {
        package.client.send("GET", &package.file("digits"), headers, b"")
    };
    for (range, part, place) in [
        ("bytes=0-0", &b"0"[..], "bytes 0-0/10"),
        ("bytes=2-4", b"234", "bytes 2-4/10"),
        ("bytes=8-", b"89", "bytes 8-9/10"),
        ("bytes=0-", b"0123456789", "bytes 0-9/10"),
        ("bytes=8-100", b"89", "bytes 8-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=-100", b"0123456789", "bytes 0-9/10"),
        ("bytes=9-99999999999999999999999999", b"9", "bytes 9-9/10"),
    ] {
        let answer = read(&[("range", range)]);
        assert_eq!((answer.status, &*answer.body), (206, part), "{range}");
        assert_eq!(answer.header("content-range"), Some(place));
        assert_eq!(answer.header("content-length"), Some(&*part.len().to_string()));
        assert_eq!(answer.header("etag"), Some(&*tag));
        assert_eq!(answer.header("repr-digest"), Some(&*digest_field(b"0123456789")));
    }
    for range in ["bytes=10-", "bytes=10-20", "bytes=99999999999999999999999999-", "bytes=-0"] {
        let answer = read(&[("range", range)]);
        assert_eq!(answer.status, 416, "{range}: {}", answer.text());
        assert_problem(&answer, 416, "range-not-satisfiable");
        assert_eq!(answer.header("content-range"), Some("bytes */10"));
    }
    for range in ["bytes=0-1,3-4", "bytes=0-0, -1", "lines=0-1", "nonsense", ""] {
        let answer = read(&[("range", range)]);
        assert_eq!((answer.status, &*answer.body), (200, &b"0123456789"[..]), "{range}");
        assert_eq!(answer.header("content-range"), None);
    }
    // A range is for GET alone.
    let answer =
        package.client.send("HEAD", &package.file("digits"), &[("range", "bytes=0-0")], b"");
    assert_eq!((answer.status, answer.header("content-length")), (200, Some("10")));
}

#[test]
fn a_range_of_another_version_is_answered_with_the_whole() {
    let room = Room::new();
    let (package, tag) = digits(&room);
    let weak = format!("W/{tag}");
    let modified = package.read("digits").header("last-modified").unwrap().to_owned();
    for (condition, status) in [
        (&*tag, 206),
        (&*modified, 206),
        (&*weak, 200),
        ("\"other\"", 200),
        ("Mon, 01 Jan 2001 00:00:00 GMT", 200),
        ("Fri, 01 Jan 2038 00:00:00 GMT", 200),
        ("nonsense", 200),
    ] {
        let headers = [("range", "bytes=0-0"), ("if-range", condition)];
        let answer = package.client.send("GET", &package.file("digits"), &headers, b"");
        assert_eq!(answer.status, status, "{condition}");
        assert_eq!(answer.body.len(), if status == 206 { 1 } else { 10 });
    }
}

#[test]
fn an_empty_file_has_no_range() {
    let room = Room::new();
    let package = room.package();
    package.upload("empty", b"");
    assert_eq!(package.read("empty").header("content-length"), Some("0"));
    for range in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
        let answer = package.client.send("GET", &package.file("empty"), &[("range", range)], b"");
        assert_problem(&answer, 416, "range-not-satisfiable");
        assert_eq!(answer.header("content-range"), Some("bytes */0"));
    }
}

#[test]
fn conditions_hold_for_files_manifests_and_packages_alike() {
    let room = Room::new();
    let (package, file_tag) = digits(&room);
    assert_eq!(package.finalize().status, 200);
    let tag_of = |target: &str| package.client.get(target).header("etag").unwrap().to_owned();
    let (manifest, record) = (package.at("/manifest"), package.at(""));
    assert_eq!(tag_of(&package.file("digits")), file_tag);
    for (target, tag) in [
        (package.file("digits"), file_tag),
        (manifest.clone(), tag_of(&manifest)),
        (record.clone(), tag_of(&record)),
    ] {
        let weak = format!("W/{tag}");
        let list = format!("\"other\", {tag}");
        for (name, value, status) in [
            ("if-match", &*tag, 200),
            ("if-match", &*list, 200),
            ("if-match", "*", 200),
            ("if-match", "\"other\"", 412),
            ("if-match", &*weak, 412),
            ("if-none-match", &*tag, 304),
            ("if-none-match", &*list, 304),
            ("if-none-match", &*weak, 304),
            ("if-none-match", "*", 304),
            ("if-none-match", "\"other\"", 200),
        ] {
            let answer = package.client.send("GET", &target, &[(name, value)], b"");
            assert_eq!(answer.status, status, "{target} {name}: {value}");
            match status {
                412 => drop(assert_problem(&answer, 412, "precondition-failed")),
                _ => assert_eq!(answer.header("etag"), Some(&*tag)),
            }
        }
    }
}

#[test]
fn a_not_modified_file_says_what_a_cache_needs() {
    let room = Room::new();
    let (package, tag) = digits(&room);
    assert_eq!(package.finalize().status, 200);
    let whole = package.read("digits");
    let headers = [("if-none-match", &*tag)];
    let unchanged = package.client.send("GET", &package.file("digits"), &headers, b"");
    assert_eq!(unchanged.status, 304);
    for name in ["etag", "cache-control"] {
        assert_eq!(unchanged.header(name), whole.header(name), "{name}");
    }
}

#[test]
fn head_answers_what_get_answers_without_a_body() {
    let room = Room::new();
    let package = room.package();
    package.upload("a.txt", &xs(300_000));
    package.upload("empty", b"");
    assert_eq!(package.finalize().status, 200);
    for target in [
        "/api/v1/packages".to_owned(),
        package.at(""),
        package.at("/summary"),
        package.at("/files"),
        package.file("a.txt"),
        package.file("empty"),
        package.at("/manifest"),
        package.at("/archive"),
        package.at("/archive?format=zip"),
        package.at("/audit"),
        "/api/v1/audit".to_owned(),
        "/healthz".to_owned(),
        "/readyz".to_owned(),
        "/openapi.json".to_owned(),
        "/docs".to_owned(),
        "/docs/".to_owned(),
        package.file("missing"),
        package.file(".."),
        "/nowhere".to_owned(),
    ] {
        let id = [("x-request-id", "the-same")];
        let mut wire = package.client.connect();
        wire.send(&head("GET", &target, &id));
        let got = wire.answer();
        // The second request is answered only if no body follows the first answer.
        wire.send(&head("HEAD", &target, &id));
        let headed = wire.answer_to(true).unwrap();
        wire.send(&head("GET", "/healthz", &[]));
        assert_eq!(wire.answer().status, 200, "{target}");
        let plain = |answer: &wire::Answer| {
            let mut headers = answer.headers.clone();
            headers.retain(|(name, _)| name != "date");
            headers.sort();
            headers
        };
        assert_eq!((headed.status, plain(&headed)), (got.status, plain(&got)), "{target}");
    }
}

#[test]
fn a_request_id_is_kept_if_it_is_well_formed_and_replaced_if_not() {
    let room = Room::new();
    let client = room.client();
    let longest = "x".repeat(128);
    for given in ["a", "run-1.A_b", "01890a5d-ac96-774b-bcce-b302099a8057", &longest] {
        let answer = client.send("GET", "/healthz", &[("x-request-id", given)], b"");
        assert_eq!(answer.header("x-request-id"), Some(given));
        let answer = client.send("GET", "/nowhere", &[("x-request-id", given)], b"");
        assert_eq!(assert_problem(&answer, 404, "not-found")["request_id"], given);
    }
    let too_long = "x".repeat(129);
    for given in ["", "a b", "a/b", "ü", "a\"b", "<x>", &too_long] {
        let answer = client.send("GET", "/nowhere", &[("x-request-id", given)], b"");
        assert_problem(&answer, 404, "not-found");
        let made = answer.header("x-request-id").unwrap();
        assert!(made.len() == 36 && made != given, "{given:?}: {made}");
    }
}

#[test]
fn a_client_that_waits_for_100_continue_is_told_before_it_sends() {
    let room = Room::with_limits(Limits { file_bytes: 1000, ..Limits::default() });
    let package = room.package();
    let expect = ("expect", "100-continue");
    let mut wire = package.client.connect();
    wire.send(&head("PUT", &package.file("a"), &[("content-length", "3"), expect]));
    assert_eq!(wire.any_answer(false).unwrap().status, 100);
    wire.send(b"abc");
    assert_eq!(wire.answer().status, 201);
    assert_eq!(package.read("a").body, b"abc");

    // A body that would be refused is not asked for.
    let mut wire = package.client.connect();
    wire.send(&head("PUT", &package.file("b"), &[("content-length", "1001"), expect]));
    let refused = wire.any_answer(false).unwrap();
    assert_problem(&refused, 413, "payload-too-large");
    assert_eq!(package.paths(), ["a"]);
}

#[test]
fn an_upload_in_chunks_is_the_bytes_of_its_chunks() {
    let room = Room::new();
    let package = room.package();
    let mut request = head("PUT", &package.file("a"), &[("transfer-encoding", "chunked")]);
    for piece in [&b"one "[..], b"two ", &xs(70_000)] {
        request.extend(chunk(piece));
    }
    request.extend_from_slice(b"5;name=\"value\"\r\n last\r\n0\r\n\r\n");
    assert_eq!(wire::exchange(package.client.address, &request).status, 201);
    let body = package.read("a").body;
    assert_eq!(body.len(), 8 + 70_000 + 5);
    assert!(body.starts_with(b"one two xxx") && body.ends_with(b"xx last"));
}

#[test]
fn chunks_that_are_broken_or_never_end_store_nothing() {
    let room = Room::impatient();
    let package = room.package();
    for broken in [
        &b"3\r\nabc\r\n"[..],
        b"3\r\nab",
        b"3\r\nabcd\r\n0\r\n\r\n",
        b"zz\r\nabc\r\n0\r\n\r\n",
        b"-3\r\nabc\r\n0\r\n\r\n",
        b"3\nabc\n0\n\n",
        b"ffffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        b"3\r\nabc\r\n0",
        b"3\r\nabc\r\n0\r\n",
        b"",
    ] {
        for half_close in [true, false] {
            let mut wire = package.client.connect();
            wire.send(&head("PUT", &package.file("a"), &[("transfer-encoding", "chunked")]));
            wire.send(broken);
            if half_close {
                wire.half_close();
            }
            let answer = wire.answer_to(false);
            let shown = String::from_utf8_lossy(broken);
            let refused = |answer: wire::Answer| matches!(answer.status, 400 | 408);
            assert!(answer.is_none_or(refused), "{shown:?}");
            assert!(package.paths().is_empty(), "{shown:?}");
        }
    }
    room.assert_nothing_stored(&package);
    package.assert_free("a");
}

#[test]
fn requests_in_a_row_are_answered_in_a_row() {
    let room = Room::new();
    let package = room.package();
    let mut requests = Vec::new();
    for number in 0..20 {
        let (target, text) = (package.file(&format!("f{number}")), format!("text {number}"));
        requests.extend(request("PUT", &target, &[], text.as_bytes()));
        requests.extend(request("GET", &target, &[], b""));
        requests.extend(request("PUT", &package.file("../x"), &[], b"hostile"));
    }
    let mut wire = Wire::connect(package.client.address);
    wire.send(&requests);
    for number in 0..20 {
        assert_eq!(wire.answer().status, 201, "{number}");
        assert_eq!(wire.answer().body, format!("text {number}").as_bytes());
        assert_problem(&wire.answer(), 400, "invalid-path");
    }
    assert_eq!(package.files().len(), 20);
}

#[test]
fn a_refused_body_is_never_taken_for_the_next_request() {
    let room = Room::new();
    let package = room.package();
    let smuggled = request("PUT", &package.file("smuggled"), &[], b"x");
    let mut wire = package.client.connect();
    wire.send(&request("PUT", &package.file("../x"), &[], &smuggled));
    assert_problem(&wire.answer(), 400, "invalid-path");
    wire.send(&request("GET", "/healthz", &[], b""));
    assert!(wire.answer_to(false).is_none_or(|answer| answer.status == 200));

    let mut wire = package.client.connect();
    wire.send(&request(
        "GET",
        &package.file("a"),
        &[("content-length", &smuggled.len().to_string())],
        b"",
    ));
    wire.send(&smuggled);
    assert_problem(&wire.answer(), 404, "not-found");
    wire.half_close();
    assert!(wire.answer_to(false).is_none());
    room.assert_nothing_stored(&package);
}
