//! Bodies that stop half-way, and JSON that is not what a resource takes.

use std::time::Duration;

use serde_json::{Value, json};

use crate::room::{Client, PACKAGES, Package, Room, assert_problem, eventually, staged, xs};
use crate::wire::{self, chunk, head};

/// An upload that has begun, and of which some bytes have come.
fn begun(room: &Room, package: &Package, raw: &str) -> wire::Wire {
    let mut wire = package.client.connect();
    wire.send(&head("PUT", &package.file(raw), &[("content-length", "4000000")]));
    wire.send(&xs(3_000_000));
    eventually(|| !staged(&room.data_dir()).is_empty(), || format!("{raw} never began"));
    assert_problem(&package.put(raw, b"other"), 409, "upload-in-progress");
    wire
}

#[test]
fn an_upload_whose_connection_closes_frees_its_path() {
    let room = Room::new();
    let package = room.package();
    drop(begun(&room, &package, "closed"));
    package.assert_soon_free("closed");

    let mut wire = begun(&room, &package, "half-closed");
    wire.half_close();
    let answer = wire.answer();
    assert_problem(&answer, 400, "invalid-request");
    package.assert_free("half-closed");
    room.assert_nothing_stored(&package);
}

#[test]
fn an_upload_that_falls_silent_frees_its_path_and_says_so() {
    let room = Room::impatient();
    let package = room.package();
    let mut wire = package.client.connect();
    wire.send(&head("PUT", &package.file("a"), &[("content-length", "10")]));
    wire.send(b"abc");
    let problem = assert_problem(&wire.answer(), 408, "request-timeout");
    assert_eq!(problem["path"], "a");
    package.assert_free("a");
    room.assert_nothing_stored(&package);
    // What comes too late is not taken for anything.
    wire.send(b"defghij");
    wire.half_close();
    assert!(wire.answer_to(false).is_none_or(|answer| answer.status == 400));
    room.assert_nothing_stored(&package);
}

#[test]
fn an_upload_whose_first_byte_never_comes_frees_its_path() {
    let room = Room::impatient();
    let package = room.package();
    for headers in [("content-length", "10"), ("transfer-encoding", "chunked")] {
        let mut wire = package.client.connect();
        wire.send(&head("PUT", &package.file("a"), &[headers]));
        assert_problem(&wire.answer(), 408, "request-timeout");
        package.assert_free("a");
    }
    room.assert_nothing_stored(&package);
}

#[test]
fn a_slow_upload_is_not_a_silent_one() {
    let room = Room::impatient();
    let package = room.package();
    let mut wire = package.client.connect();
    wire.send(&head("PUT", &package.file("a"), &[("transfer-encoding", "chunked")]));
    for _ in 0..20 {
        wire.send(&chunk(b"x"));
        std::thread::sleep(Duration::from_millis(60));
    }
    wire.send(&chunk(b""));
    let answer = wire.answer();
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(package.read("a").body, [b'x'; 20]);
}

#[test]
fn the_answer_to_a_refused_upload_is_seen_behind_a_large_body() {
    let room = Room::new();
    let package = room.package();
    package.upload("a", b"first");
    let body = xs(32 << 20);
    for (raw, status, code) in [("a", 409, "duplicate-path"), ("../b", 400, "invalid-path")] {
        assert_problem(&package.put(raw, &body), status, code);
        let mut wire = package.client.connect();
        wire.send(&head("PUT", &package.file(raw), &[("transfer-encoding", "chunked")]));
        for piece in body.chunks(1 << 20) {
            wire.send(&chunk(piece));
        }
        wire.send(&chunk(b""));
        assert_problem(&wire.answer(), status, code);
    }
    assert_eq!(package.read("a").body, b"first");
    room.assert_nothing_staged();
}

#[test]
fn a_json_body_that_stops_or_falls_silent_makes_no_package() {
    let room = Room::impatient();
    let client = room.client();
    let headers = [("content-type", "application/json"), ("content-length", "100")];
    for half_close in [true, false] {
        let mut wire = client.connect();
        wire.send(&head("POST", PACKAGES, &headers));
        wire.send(br#"{"producer":"ci""#);
        let mut expected = (408, "request-timeout");
        if half_close {
            wire.half_close();
            expected = (400, "invalid-request");
        }
        assert_problem(&wire.answer(), expected.0, expected.1);
    }
    assert_no_package(client);
}

#[track_caller]
fn assert_no_package(client: Client) {
    assert_eq!(client.get(PACKAGES).json()["items"], json!([]));
}

#[test]
fn json_that_is_none_or_not_that_of_the_resource_is_refused() {
    let room = Room::new();
    let client = room.client();
    let nested = |open: &str, close: &str| {
        format!(
            r#"{{"producer":"ci","metadata":{{"a":{}{}}}}}"#,
            open.repeat(100_000),
            close.repeat(100_000)
        )
    };
    let (lists, objects) = (nested("[", "]"), nested(r#"{"a":"#, "}"));
    let unclosed = "[".repeat(100_000);
    let key = "k".repeat(64);
    let long_key = format!(r#"{{"producer":"ci","labels":{{"{key}":""}}}}"#);
    let value = "v".repeat(257);
    let long_value = format!(r#"{{"producer":"ci","labels":{{"k":"{value}"}}}}"#);
    let long_title = format!(r#"{{"producer":"ci","title":"{value}"}}"#);
    for body in [
        &b""[..],
        b" ",
        b"null",
        b"[]",
        b"\"ci\"",
        b"1",
        b"{",
        b"{}",
        br#"{"producer":"ci""#,
        br#"{"producer":"ci"}}"#,
        br#"{"producer":"ci"} x"#,
        br#"{"producer":"ci"}{"producer":"ci"}"#,
        b"{\"producer\":\"ci\"}\0",
        b"{'producer':'ci'}",
        br#"{"producer":"ci",}"#,
        br#"{producer:"ci"}"#,
        b"{\"producer\":\"ci\"} // why",
        b"\xef\xbb\xbf{\"producer\":\"ci\"}",
        b"{\"producer\":\"c\xff\"}",
        b"{\"producer\":\"ci\",\"title\":\"\xc3\"}",
        b"\xff\xfe{\0}\0",
        b"{\"producer\":\"ci\",\"title\":\"a\nb\"}",
        br#"{"producer":"ci","title":"\ud800"}"#,
        br#"{"producer":"ci","titel":"x"}"#,
        br#"{"producer":"ci","Producer":"ci"}"#,
        br#"{"producer":"ci","producer":"other"}"#,
        br#"{"producer":"ci","title":"a","title":"b"}"#,
        br#"{"producer":null}"#,
        br#"{"producer":1}"#,
        br#"{"producer":["ci"]}"#,
        br#"{"producer":""}"#,
        br#"{"producer":"CI"}"#,
        br#"{"producer":"../ci"}"#,
        br#"{"producer":"ci\u0000"}"#,
        br#"{"producer":"ci","kind":"a b"}"#,
        br#"{"producer":"ci","external_id":""}"#,
        br#"{"producer":"ci","external_id":"a\u0000"}"#,
        br#"{"producer":"ci","title":""}"#,
        br#"{"producer":"ci","title":"a\u0000b"}"#,
        br#"{"producer":"ci","title":["x"]}"#,
        br#"{"producer":"ci","retention_class":"for-ever"}"#,
        br#"{"producer":"ci","retention_class":""}"#,
        br#"{"producer":"ci","labels":[]}"#,
        br#"{"producer":"ci","labels":{"a":1}}"#,
        br#"{"producer":"ci","labels":{"a":null}}"#,
        br#"{"producer":"ci","labels":{"A":"x"}}"#,
        br#"{"producer":"ci","labels":{"":"x"}}"#,
        br#"{"producer":"ci","labels":{"a":"x\u0000"}}"#,
        br#"{"producer":"ci","metadata":[]}"#,
        br#"{"producer":"ci","metadata":"x"}"#,
        br#"{"producer":"ci","metadata":{"a":9007199254740992}}"#,
        br#"{"producer":"ci","metadata":{"a":-9007199254740992}}"#,
        br#"{"producer":"ci","metadata":{"a":18446744073709551616}}"#,
        br#"{"producer":"ci","metadata":{"a":1e400}}"#,
        br#"{"producer":"ci","metadata":{"a":NaN}}"#,
        br#"{"producer":"ci","metadata":{"a":"\u0000"}}"#,
        br#"{"producer":"ci","metadata":{"a\u0000":1}}"#,
        br#"{"producer":"ci","id":"01890a5d-ac96-774b-bcce-b302099a8057"}"#,
        br#"{"producer":"ci","status":"finalized"}"#,
        lists.as_bytes(),
        objects.as_bytes(),
        unclosed.as_bytes(),
        long_key.as_bytes(),
        long_value.as_bytes(),
        long_title.as_bytes(),
    ] {
        let answer = client.post_raw(PACKAGES, body);
        let shown = String::from_utf8_lossy(&body[..body.len().min(120)]);
        assert_eq!(answer.status, 400, "{shown}: {}", answer.text());
        let problem = assert_problem(&answer, 400, "invalid-request");
        assert!(problem["detail"].as_str().unwrap().len() < 2000, "{shown}");
    }
    assert_no_package(client);
}

#[test]
fn an_error_names_the_field_that_it_is_about() {
    let room = Room::new();
    for (body, field) in [
        (json!({"producer": "ci", "labels": {"branch": 1}}), "labels.branch"),
        (json!({"producer": "ci", "titel": "x"}), "titel"),
        (json!({"producer": "CI"}), "producer"),
        (json!({"producer": "ci", "metadata": {"a": [{"b": 1_u64 << 53}]}}), "/a/0/b"),
        (json!({"kind": "x"}), "producer"),
    ] {
        let problem = assert_problem(&room.client().post(PACKAGES, &body), 400, "invalid-request");
        assert!(problem["detail"].as_str().unwrap().contains(field), "{problem}");
    }
}

#[test]
fn what_just_keeps_the_limits_is_taken() {
    let room = Room::new();
    let labels = |count: usize| -> Value {
        (0..count)
            .map(|number| (format!("k{number}"), json!("v".repeat(256))))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    // `{"a":""}` has eight bytes.
    let metadata = |bytes: usize| json!({"a": "x".repeat(bytes - 8)});
    let limit = 256 * 1024;
    for (request, status) in [
        (json!({"producer": "p".repeat(64)}), 201),
        (json!({"producer": "p".repeat(65)}), 400),
        (json!({"producer": "ci", "title": "ü".repeat(256)}), 201),
        (json!({"producer": "ci", "title": "ü".repeat(257)}), 400),
        (json!({"producer": "ci", "external_id": "x".repeat(256)}), 201),
        (json!({"producer": "ci", "external_id": "x".repeat(257)}), 400),
        (json!({"producer": "ci", "labels": labels(32)}), 201),
        (json!({"producer": "ci", "labels": labels(33)}), 400),
        (json!({"producer": "ci", "metadata": metadata(limit)}), 201),
        (json!({"producer": "ci", "metadata": metadata(limit + 1)}), 400),
        (json!({"producer": "ci", "metadata": {"a": (1_u64 << 53) - 1}}), 201),
        (json!({"producer": "ci", "kind": null, "title": null}), 201),
    ] {
        let answer = room.client().post(PACKAGES, &request);
        let shown: String = request.to_string().chars().take(100).collect();
        assert_eq!(answer.status, status, "{shown}: {}", answer.text());
    }
}

#[test]
fn a_body_of_another_type_or_coding_is_not_read() {
    let room = Room::new();
    let client = room.client();
    let body = br#"{"producer":"ci"}"#;
    for headers in [
        &[][..],
        &[("content-type", "text/plain")],
        &[("content-type", "application/x-www-form-urlencoded")],
        &[("content-type", "application/json; charset=latin1")],
        &[("content-type", "application/jsonp")],
        &[("content-type", "multipart/form-data; boundary=x")],
        &[("content-type", "application/json"), ("content-encoding", "gzip")],
    ] {
        let answer = client.send("POST", PACKAGES, headers, body);
        assert_eq!(answer.status, 415, "{headers:?}: {}", answer.text());
        assert_problem(&answer, 415, "unsupported-media-type");
    }
    assert_no_package(client);
    for kind in ["application/json; charset=utf-8", "Application/JSON;charset=\"UTF-8\""] {
        assert_eq!(client.send("POST", PACKAGES, &[("content-type", kind)], body).status, 201);
    }
}

#[test]
fn a_json_body_has_16_mib_at_most_however_it_is_sent() {
    let room = Room::new();
    let client = room.client();
    let json = ("content-type", "application/json");
    let body = vec![b' '; 17 << 20];
    let answer = client.post_raw(PACKAGES, &body);
    assert_problem(&answer, 413, "payload-too-large");

    let mut wire = client.connect();
    wire.send(&head("POST", PACKAGES, &[json, ("transfer-encoding", "chunked")]));
    for piece in body.chunks(1 << 20) {
        wire.send(&chunk(piece));
    }
    wire.send(&chunk(b""));
    assert_problem(&wire.answer(), 413, "payload-too-large");
    assert_no_package(client);
}

#[test]
fn every_body_is_read_by_the_rules_of_its_resource() {
    let room = Room::new();
    let package = room.package();
    package.upload("a", b"a");
    let digest = "a".repeat(64);
    for (method, rest, body) in [
        ("PATCH", "", json!({"metadata": {}})),
        ("PATCH", "", json!({"producer": "other"})),
        ("PATCH", "", json!({"labels": {"A": "x"}})),
        ("PATCH", "", json!({"title": 1})),
        ("PATCH", "", json!({"labels": null, "status": "failed"})),
        ("POST", "/fail", json!({})),
        ("POST", "/fail", json!({"reason": ""})),
        ("POST", "/fail", json!({"reason": "  "})),
        ("POST", "/fail", json!({"reason": "a\u{0}"})),
        ("POST", "/fail", json!({"reason": "x", "force": true})),
        ("POST", "/finalize", json!({"files": 1})),
        ("POST", "/finalize", json!({"file_count": -1})),
        ("POST", "/finalize", json!({"file_count": 1.5})),
        ("POST", "/finalize", json!({"file_count": "1"})),
        ("POST", "/finalize", json!({"payload_manifest_sha256": "abc"})),
        ("POST", "/finalize", json!({"payload_manifest_sha256": "A".repeat(64)})),
        ("POST", "/finalize", json!([])),
        ("POST", "/finalize", json!(null)),
        ("POST", "/files:check", json!({})),
        ("POST", "/files:check", json!({"files": {}})),
        ("POST", "/files:check", json!({"files": [{"path": "a"}]})),
        ("POST", "/files:check", json!({"files": [{"path": "../a", "size": 1, "sha256": digest}]})),
        ("POST", "/files:check", json!({"files": [{"path": "a", "size": -1, "sha256": digest}]})),
        ("POST", "/files:check", json!({"files": [{"path": "a", "size": 1, "sha256": "x"}]})),
        (
            "POST",
            "/files:check",
            json!({"files": [{"path": "a", "size": 1, "sha256": digest, "md5": "x"}]}),
        ),
    ] {
        let text = body.to_string();
        let json = [("content-type", "application/json")];
        let answer = package.client.send(method, &package.at(rest), &json, text.as_bytes());
        assert_eq!(answer.status, 400, "{method} {rest} {text}: {}", answer.text());
        assert_problem(&answer, 400, "invalid-request");
    }
    let now = package.get("").json();
    assert_eq!(
        (&now["status"], &now["title"], &now["file_count"]),
        (&json!("uploading"), &json!(null), &json!(1))
    );
}

#[test]
fn parameters_that_a_resource_does_not_have_are_refused() {
    let room = Room::new();
    let package = room.package();
    package.upload("a", b"a");
    for (method, target) in [
        ("GET", PACKAGES.to_owned()),
        ("POST", PACKAGES.to_owned()),
        ("GET", package.at("")),
        ("PATCH", package.at("")),
        ("POST", package.at("/fail")),
        ("GET", package.at("/summary")),
        ("GET", package.at("/files")),
        ("POST", package.at("/files:check")),
        ("PUT", package.file("b")),
        ("GET", package.file("a")),
        ("HEAD", package.file("a")),
        ("DELETE", package.file("a")),
        ("POST", package.at("/finalize")),
        ("GET", package.at("/manifest")),
        ("GET", package.at("/archive")),
        ("GET", package.at("/audit")),
        ("GET", "/api/v1/audit".to_owned()),
        ("GET", "/healthz".to_owned()),
        ("GET", "/readyz".to_owned()),
        ("GET", "/metrics".to_owned()),
        ("GET", "/openapi.json".to_owned()),
    ] {
        for query in ["verbose=1", "verbose", "x%20y=1", "Limit=1"] {
            let target = format!("{target}?{query}");
            let json = [("content-type", "application/json")];
            let answer = package.client.send(method, &target, &json, b"");
            assert_eq!(answer.status, 400, "{method} {target}: {}", answer.text());
            if method != "HEAD" {
                assert_problem(&answer, 400, "invalid-request");
            }
        }
    }
    assert_eq!(package.paths(), ["a"]);
}

#[test]
fn parameters_that_say_nothing_or_two_things_are_refused() {
    let room = Room::new();
    let package = room.package();
    package.upload("a", b"a");
    for target in [
        "?limit=0",
        "?limit=1001",
        "?limit=abc",
        "?limit=-1",
        "?limit=",
        "?limit=1.5",
        "?limit=99999999999999999999",
        "?limit=1&limit=1",
        "?status=done",
        "?status=",
        "?status=created&status=created",
        "?producer=CI",
        "?kind=a%20b",
        "?external_id=",
        "?on_hold=yes",
        "?eligible=1",
        "?created_after=yesterday",
        "?created_after=2026-01-01",
        "?label.=x",
        "?label.A=x",
        "?label.a=1&label.a=2",
        "?label=x",
        "?producer=%FF",
        "?producer=ci%00",
        "?cursor=",
        "?cursor=x",
        "?cursor=%00",
        "?cursor=AAAAAAAA",
    ] {
        let answer = package.client.get(&format!("{PACKAGES}{target}"));
        assert_eq!(answer.status, 400, "{target}: {}", answer.text());
        assert_problem(&answer, 400, "invalid-request");
    }
    for (method, target) in [
        ("PUT", package.file("b?replace=yes")),
        ("PUT", package.file("b?replace=")),
        ("PUT", package.file("b?replace=true&replace=false")),
        ("PUT", package.file("b?replace")),
        ("GET", package.at("/archive?format=rar")),
        ("GET", package.at("/archive?format=tar&format=zip")),
        ("GET", package.at("/files?prefix=a&prefix=b")),
        ("GET", package.at("/files?limit=0")),
        ("GET", package.at("/files?cursor=x")),
        ("GET", package.at("/audit?action=nothing")),
        ("GET", package.at("/audit?after=now")),
        ("GET", package.at("/audit?cursor=x")),
    ] {
        let answer = package.client.send(method, &target, &[], b"");
        assert_eq!(answer.status, 400, "{method} {target}: {}", answer.text());
        assert_problem(&answer, 400, "invalid-request");
    }
    assert_eq!(package.paths(), ["a"]);
}

#[test]
fn a_cursor_is_good_for_its_own_list_alone() {
    let room = Room::new();
    let (one, other) = (room.package(), room.package());
    for package in [&one, &other] {
        package.upload("a", b"a");
        package.upload("b", b"b");
    }
    let client = room.client();
    let lists = [
        format!("{PACKAGES}?limit=1"),
        format!("{PACKAGES}?limit=1&producer=ci"),
        one.at("/files?limit=1"),
        one.at("/files?limit=1&prefix="),
        other.at("/files?limit=1"),
        one.at("/audit?limit=1"),
        other.at("/audit?limit=1"),
        "/api/v1/audit?limit=1".to_owned(),
    ];
    let mut cursors = Vec::new();
    for list in &lists {
        let page = client.get(list).json();
        cursors.push(page["next_cursor"].as_str().expect(list).to_owned());
    }
    for (at, list) in lists.iter().enumerate() {
        for (from, cursor) in cursors.iter().enumerate() {
            let answer = client.get(&format!("{list}&cursor={cursor}"));
            if at == from {
                assert_eq!(answer.status, 200, "{list}: {}", answer.text());
                assert_eq!(answer.json()["items"].as_array().unwrap().len(), 1);
            } else if cursors[at] != *cursor {
                assert_eq!(answer.status, 400, "{list} with the cursor of {}", lists[from]);
                assert_problem(&answer, 400, "invalid-request");
            }
        }
        let mut broken = cursors[at].clone();
        broken.replace_range(3..4, if &broken[3..4] == "A" { "B" } else { "A" });
        assert_problem(&client.get(&format!("{list}&cursor={broken}")), 400, "invalid-request");
    }
}

#[test]
fn pages_in_a_row_are_the_whole_list() {
    let room = Room::new();
    let package = room.package();
    let names: Vec<String> = (0..25).map(|number| format!("f{number:02}")).collect();
    for name in &names {
        package.upload(name, b"x");
    }
    let mut seen = Vec::new();
    let mut next = package.at("/files?limit=10");
    loop {
        let page = package.client.get(&next).json();
        seen.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|file| file["path"].as_str().unwrap().to_owned()),
        );
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        next = package.at(&format!("/files?limit=10&cursor={cursor}"));
    }
    assert_eq!(seen, names);
}
