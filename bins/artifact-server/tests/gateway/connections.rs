//! How connections end.

use crate::room::{Room, assert_problem, xs};
use crate::wire::{Answer, Wire, head, request};

const LAST: (&str, &str) = ("connection", "close");

#[test]
fn the_last_answer_of_a_connection_is_whole_and_then_the_connection_ends() {
    let room = Room::new();
    let package = room.package();
    let large = xs(3 << 20);
    assert_eq!(package.put("small", b"abc").status, 201);
    assert_eq!(package.put("large", &large).status, 201);
    let mut wire = package.client.connect();
    wire.send(&request("PUT", &package.file("new"), &[LAST], b"new"));
    assert_eq!(wire.answer().status, 201);
    assert!(wire.is_closed());
    assert_eq!(package.read("new").body, b"new");
    assert_eq!(package.finalize().status, 200);
    for (target, status, body) in [
        (package.file("small"), 200, Some(&b"abc"[..])),
        (package.file("large"), 200, Some(&large[..])),
        (package.file("none"), 404, None),
        ("/healthz".to_owned(), 200, None),
        ("/openapi.json".to_owned(), 200, None),
        (package.at("/manifest"), 200, None),
        // Of a length that nobody knows before its end.
        (package.at("/archive?format=tar"), 200, None),
    ] {
        for method in ["GET", "HEAD"] {
            let mut wire = package.client.connect();
            wire.send(&head(method, &target, &[LAST]));
            let answer = wire.answer_to(method == "HEAD").expect(&target);
            assert_eq!((answer.status, answer.is_whole), (status, true), "{method} {target}");
            assert_eq!(answer.header("connection"), Some("close"), "{method} {target}");
            if let Some(body) = body.filter(|_| method == "GET") {
                assert!(answer.body == body, "{target}");
            }
            assert!(wire.is_closed(), "{method} {target}");
        }
    }
}

#[test]
fn a_last_answer_comes_although_more_was_sent_than_its_request() {
    let room = Room::new();
    let package = room.package();
    assert_eq!(package.put("a", b"abc").status, 201);
    let last = head("GET", &package.file("a"), &[LAST]);
    let more = head("GET", "/healthz", &[]);
    for apart in [false, true] {
        for _ in 0..20 {
            let mut wire = Wire::connect(package.client.address);
            if apart {
                wire.send(&last);
                wire.send(&more);
            } else {
                wire.send(&[&last[..], &more].concat());
            }
            let answer = wire.answer();
            assert_eq!((answer.status, answer.body), (200, b"abc".to_vec()), "{apart}");
            // What was sent besides may be answered, but does not keep the connection.
            if !apart {
                let besides = wire.answer_to(false);
                let closes = |answer: Answer| answer.header("connection") == Some("close");
                assert!(besides.is_none_or(closes));
                assert!(wire.is_closed());
            }
        }
    }
}

#[test]
fn a_last_answer_does_not_wait_for_a_body_that_it_refuses() {
    let room = Room::new();
    let package = room.package();
    let length = (10 << 20).to_string();
    let mut wire = package.client.connect();
    wire.send(&head("PUT", &package.file("../x"), &[LAST, ("content-length", &length)]));
    wire.send(b"a part of it");
    assert_problem(&wire.answer(), 400, "invalid-path");
    room.assert_nothing_stored(&package);
}
