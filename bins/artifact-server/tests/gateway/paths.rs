//! Paths in URLs: what no file can be called is refused, and every other name comes back byte for
//! byte.

use std::fmt::Write as _;

use crate::room::{Package, Room, assert_problem};
use crate::wire;

/// Writes every byte as `%XX` but those that no URL reads.
fn encoded(path: &str) -> String {
    let mut url = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                url.push(char::from(byte));
            }
            other => write!(url, "%{other:02x}").unwrap(),
        }
    }
    url
}

/// Stores a file under a path as it is sent, and looks for it under the name that it has to have.
#[track_caller]
fn assert_round_trip(package: &Package, raw: &str, path: &str) {
    let answer = package.put(raw, path.as_bytes());
    assert_eq!(answer.status, 201, "{raw}: {}", answer.text());
    let file = answer.json();
    assert_eq!(file["path"], path);
    let read = package.read(raw);
    assert_eq!((read.status, &*read.body), (200, path.as_bytes()), "{raw}");

    let listed = package.files();
    let listed = listed.iter().find(|file| file["path"] == path).expect(path);
    assert_eq!(listed["links"], file["links"]);
    let link = listed["links"]["content"].as_str().unwrap();
    assert_eq!(answer.header("location"), Some(link));
    let followed = package.client.get(link);
    assert_eq!((followed.status, &*followed.body), (200, path.as_bytes()), "{link}");
    let head = package.client.send("HEAD", link, &[], b"");
    assert_eq!(head.header("content-length"), Some(&*path.len().to_string()));
}

#[test]
fn a_path_that_no_file_can_have_is_refused_and_leaves_nothing() {
    let room = Room::new();
    let package = room.package();
    let segment = "a".repeat(256);
    let path = format!("{}a", "a/".repeat(450));
    for raw in [
        "",
        "/",
        "/a",
        "//a",
        "a/",
        "a//b",
        ".",
        "..",
        "./a",
        "a/.",
        "a/./b",
        "../a",
        "a/..",
        "a/../b",
        "../../../../../../../tmp/a",
        "%2e",
        "%2e%2e",
        "%2E%2e/a",
        ".%2e/a",
        "a/%2e./b",
        "a%2Fb",
        "a%2fb",
        "%2Fetc%2Fpasswd",
        "..%2fa",
        "%2e%2e%2fa",
        "a%5Cb",
        "a%5cb",
        "a\\b",
        "..\\a",
        "%5C%5Chost%5Cshare",
        "C:%5Ca",
        "a%",
        "a%2",
        "%zz",
        "%%",
        "%u002e",
        "a%-1b",
        "a%00",
        "%00",
        "a%00.txt",
        "a%01b",
        "a%09b",
        "a%0A",
        "%0a",
        "a%0Ab",
        "a%0D%0Ab",
        "a%0d",
        "a%1B[31m",
        "a%7F",
        "a%C2%80",
        "a%C2%85",
        "a%C2%9F",
        "a%FF",
        "a%FE%FE",
        "%80",
        "a%C0%AF",
        "%C0%AE%C0%AE/a",
        "%E0%80%AF",
        "a%ED%A0%80",
        "a%C3",
        "a%F4%90%80%80",
        &segment,
        &path,
    ] {
        for (method, body) in [("PUT", &b"hostile"[..]), ("GET", b""), ("DELETE", b"")] {
            let answer = package.client.send(method, &package.file(raw), &[], body);
            assert_eq!(answer.status, 400, "{method} {raw}: {}", answer.text());
            let problem = assert_problem(&answer, 400, "invalid-path");
            assert!(problem["path"].is_string(), "{problem}");
        }
    }
    room.assert_nothing_stored(&package);
    assert_eq!(package.get("").json()["status"], "created");
}

#[test]
fn a_path_is_decoded_once() {
    let room = Room::new();
    let package = room.package();
    for (raw, path) in [
        ("%252e%252e", "%2e%2e"),
        ("a/%252e%252e/b", "a/%2e%2e/b"),
        ("x%252Fb", "x%2Fb"),
        ("a%255Cb", "a%5Cb"),
        ("a%2500", "a%00"),
        ("%25", "%"),
        ("%2525", "%25"),
        ("100%25.log", "100%.log"),
        ("a+b", "a+b"),
        ("a%2Bb", "a+b"),
    ] {
        match raw {
            // The same name written otherwise.
            "a%2Bb" => assert_eq!(package.read(raw).body, path.as_bytes()),
            _ => assert_round_trip(&package, raw, path),
        }
    }
    let names = package.paths();
    assert!(names.iter().is_sorted() && names.len() == 9, "{names:?}");
}

#[test]
fn every_other_name_comes_back_byte_for_byte() {
    let room = Room::new();
    let package = room.package();
    let segment = "s".repeat(255);
    let umlauts = format!("{}x", "ü".repeat(127));
    let long = format!("{}abc", "ab/".repeat(299));
    assert_eq!((umlauts.len(), long.len()), (255, 900));
    for path in [
        "CON",
        "NUL.txt",
        "a:b",
        "C:",
        "attempt#1",
        "a b",
        " a ",
        "a.",
        "...",
        "..a",
        "a..",
        ".hidden",
        "~",
        "-rf",
        "ü",
        "u\u{308}",
        "%",
        "%41",
        "a?b",
        "a&b=c",
        "a;b",
        "a,b",
        "a\"b'c",
        "<script>",
        "{path}",
        "[a]",
        "a|b",
        "a^b`c",
        "*",
        "files:batch",
        "files:check",
        "finalize",
        "日本語/レポート.txt",
        "emoji/🦀.txt",
        "\u{202e}txt.exe",
        "\u{feff}bom",
        "a\u{200b}b",
        "\u{a0}",
        "data/manifest.json",
        "manifest-sha256.txt",
        "registry.json",
        "bagit.txt",
        "d/e/e/p/l/y/n/e/s/t/e/d",
        &segment,
        &umlauts,
        &long,
    ] {
        assert_round_trip(&package, &encoded(path), path);
    }
    room.assert_nothing_staged();
}

#[test]
fn characters_that_a_url_may_have_are_taken_as_they_are() {
    let room = Room::new();
    let package = room.package();
    for path in ["a!$&'()*+,;=:@b", "a-b._~c", "x/y:z@1"] {
        assert_round_trip(&package, path, path);
    }
}

#[test]
fn two_spellings_of_one_name_are_one_file() {
    let room = Room::new();
    let package = room.package();
    package.upload("%61bc%C3%BC", b"1");
    let again = package.put("abc%c3%bc", b"2");
    assert_eq!(assert_problem(&again, 409, "duplicate-path")["path"], "abcü");
    assert_eq!(package.paths(), ["abcü"]);
}

#[test]
fn a_question_mark_ends_the_path_and_what_follows_is_a_parameter() {
    let room = Room::new();
    let package = room.package();
    assert_problem(&package.put("a?b", b"x"), 400, "invalid-request");
    assert_problem(&package.put("a?b/c", b"x"), 400, "invalid-request");
    assert_problem(&package.put("?a", b"x"), 400, "invalid-path");
    room.assert_nothing_stored(&package);
    package.assert_free("a");
}

#[test]
fn control_bytes_in_a_request_line_are_refused_and_store_nothing() {
    let room = Room::new();
    let package = room.package();
    for byte in [0_u8, 1, 9, 0x0b, 0x1b, 0x7f] {
        let mut request = format!("PUT {}", package.file("a")).into_bytes();
        request.push(byte);
        request.extend_from_slice(b"b HTTP/1.1\r\nhost: gateway\r\ncontent-length: 1\r\n\r\nx");
        let answer = wire::exchange_or_cut(package.client.address, &request);
        assert!(answer.is_none_or(|answer| answer.status == 400), "{byte}");
    }
    for end in ["\n", "\r", "\r\nx: "] {
        let request = format!(
            "PUT {}{end}b HTTP/1.1\r\nhost: g\r\ncontent-length: 1\r\n\r\nx",
            package.file("a")
        );
        let answer = wire::exchange_or_cut(package.client.address, request.as_bytes());
        assert!(answer.is_none_or(|answer| answer.status == 400), "{end:?}");
    }
    room.assert_nothing_stored(&package);
}

#[test]
fn bytes_beyond_ascii_in_a_request_line_are_the_name_or_refused() {
    let room = Room::new();
    let package = room.package();
    for (bytes, name) in [(&b"\xc3\xbc"[..], Some("ü")), (b"\xff", None), (b"\xc0\xaf", None)] {
        let mut request = format!("PUT {}", package.file("a")).into_bytes();
        request.extend_from_slice(bytes);
        request.extend_from_slice(b" HTTP/1.1\r\nhost: gateway\r\ncontent-length: 1\r\n\r\nx");
        match wire::exchange_or_cut(package.client.address, &request) {
            Some(answer) if answer.status == 201 => {
                assert_eq!(answer.json()["path"], format!("a{}", name.unwrap()));
            }
            answer => assert!(answer.is_none_or(|answer| answer.status == 400), "{bytes:?}"),
        }
    }
}

#[test]
fn a_target_in_absolute_form_names_the_same_file() {
    let room = Room::new();
    let package = room.package();
    let target = format!("http://gateway{}", package.file("a/b.txt"));
    assert_eq!(package.client.send("PUT", &target, &[], b"absolute").status, 201);
    assert_eq!(package.read("a/b.txt").body, b"absolute");
    assert_eq!(package.client.get(&target).body, b"absolute");
    let hostile = format!("http://gateway{}", package.file("../b.txt"));
    assert_problem(&package.client.send("PUT", &hostile, &[], b"x"), 400, "invalid-path");
    assert_eq!(package.paths(), ["a/b.txt"]);
}

#[test]
fn what_stands_before_the_files_path_is_not_tidied_up() {
    let room = Room::new();
    let package = room.package();
    let id = &package.id;
    for target in [
        format!("/api/v1/packages/x/../{id}/files/a"),
        format!("/api/v1//packages/{id}/files/a"),
        format!("/api/v1/packages/{id}//files/a"),
        format!("/api/v1/packages/{id}/files%2Fa"),
        format!("/api/v1/packages/{id}%2Ffiles/a"),
        format!("/api/v1/packages/{id}/%66iles/a"),
        format!("/api/v1/packages/{}/files/a", id.to_uppercase()),
        format!("/api/v1/packages/{}/files/a", id.replace('-', "")),
        "/api/v1/packages/../../../files/a".to_owned(),
        "/api/v1/packages/%2e%2e/files/a".to_owned(),
        "/api/v1/packages/01890a5d-ac96-774b-bcce-b302099a8057/files/a".to_owned(),
    ] {
        let answer = package.client.send("PUT", &target, &[], b"x");
        assert_eq!(answer.status, 404, "{target}: {}", answer.text());
        assert_problem(&answer, 404, "not-found");
    }
    room.assert_nothing_stored(&package);
}

#[test]
fn a_file_is_no_folder_of_another_one_whichever_comes_first() {
    let room = Room::new();
    let package = room.package();
    package.upload("a/b", b"1");
    package.upload("a-b", b"1");
    for raw in ["a", "a/b/c", "a/b/c/d"] {
        let problem = assert_problem(&package.put(raw, b"2"), 409, "path-conflict");
        assert_eq!(problem["path"], raw);
    }
    assert_eq!(package.paths(), ["a-b", "a/b"]);
    assert_eq!(room.stored(&package).len(), 2);
    room.assert_nothing_staged();
}
