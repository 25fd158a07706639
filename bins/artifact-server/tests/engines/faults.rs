//! Ceph's gateway is busy or slow, and connections to it are cut: what clients of the server see.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use artifact_testkit::{Fault, FaultyLink};
use serde_json::json;

use crate::room::{PACKAGES, Package, eventually, xs};
use crate::shared::{
    CEPH, POSTGRES, Replica, Shared, assert_no_storage, eventually_ready, sealed_files,
};
use crate::wire;

/// Longer than any part.
const LARGE: usize = 20 << 20;

const BUSY: Fault = Fault::Answer(503);
const BROKEN: Fault = Fault::Answer(500);

/// A server whose way to the bucket can fail.
struct Site {
    link: FaultyLink,
    shared: Shared<'static>,
    replica: Replica,
}

impl Site {
    fn new() -> Self {
        let link = FaultyLink::to_http(&CEPH.endpoint());
        let shared = Shared::through(&POSTGRES, &CEPH, &link.endpoint());
        let replica = shared.replica();
        Self { link, shared, replica }
    }

    /// Asserts that what is done with a package goes well, and that as many requests of it met a
    /// fault as were to.
    #[track_caller]
    fn goes_well(&self, count: usize, words: &str, fault: Fault, what: impl FnOnce()) {
        let before = self.link.met();
        self.link.next(count, words, fault);
        what();
        assert_eq!(self.link.met() - before, count, "{words:?} {fault:?}");
    }

    /// Asserts that nothing of a refused upload is left in the bucket, and that its path can be
    /// uploaded again.
    #[track_caller]
    fn assert_nothing_left(&self, package: &Package, path: &str) {
        assert!(!package.paths().contains(&path.to_owned()));
        assert!(!self.shared.stored(package).contains(path));
        let in_parts = || self.shared.in_parts(package);
        eventually(|| in_parts().is_empty(), || format!("parts are left: {:?}", in_parts()));
        package.assert_free(path);
    }
}

#[test]
#[ignore = "needs PostgreSQL and Ceph: just test-engines"]
fn a_gateway_that_is_busy_or_broken_for_a_moment_is_asked_again() {
    let site = Site::new();
    let package = site.replica.package();
    site.goes_well(3, "PUT ", BUSY, || package.upload("busy.txt", b"a"));
    site.goes_well(3, "PUT ", BROKEN, || package.upload("broken.txt", b"b"));
    site.goes_well(1, "?uploads", BUSY, || package.upload("begun.bin", &xs(LARGE)));
    site.goes_well(2, "partNumber=2", BUSY, || package.upload("part.bin", &xs(LARGE)));
    site.goes_well(2, "?uploadId=", BROKEN, || package.upload("whole.bin", &xs(LARGE)));
    site.goes_well(3, "GET ", BUSY, || assert_eq!(package.read("busy.txt").body, b"a"));
    site.goes_well(4, "", BUSY, || assert_eq!(package.finalize().status, 200));
    assert_eq!(sealed_files(&package).len(), 5);
    site.shared.assert_clean();
}

#[test]
#[ignore = "needs PostgreSQL and Ceph: just test-engines"]
fn a_server_starts_although_the_gateway_stumbles() {
    let link = FaultyLink::to_http(&CEPH.endpoint());
    let shared = Shared::through(&POSTGRES, &CEPH, &link.endpoint());
    for (count, words, fault) in [
        (2, "GET ", BUSY),
        (1, "/storage.json", Fault::LoseAnswer),
        (1, "/whole ", Fault::LoseAnswer),
        (1, "/whole ", BROKEN),
        (1, "list-type", Fault::CutAnswer(10)),
    ] {
        let before = link.met();
        link.next(count, words, fault);
        let replica = shared.replica();
        eventually_ready(replica.client(), 200);
        assert_eq!(link.met() - before, count, "{words:?} {fault:?}");
    }
}

#[test]
#[ignore = "needs PostgreSQL and Ceph: just test-engines"]
fn a_gateway_that_stays_busy_is_503_and_what_the_registry_knows_is_still_told() {
    let site = Site::new();
    let (client, package) = (site.replica.client(), site.replica.package());
    package.upload("a.txt", b"a");
    for fault in [BUSY, BROKEN] {
        site.link.every("", fault);
        let small = xs(1000);
        let large = xs(LARGE);
        std::thread::scope(|scope| {
            scope.spawn(|| assert_no_storage(&package.put("small.txt", &small)));
            scope.spawn(|| assert_no_storage(&package.put("large.bin", &large)));
            scope.spawn(|| assert_no_storage(&package.read("a.txt")));
            scope.spawn(|| eventually_ready(client, 503));
        });
        assert_no_storage(&package.finalize());
        assert_eq!(client.get("/readyz").json()["storage"]["status"], "down");
        assert_eq!(client.get("/healthz").status, 200);
        assert_eq!(client.get(PACKAGES).status, 200);
        assert_eq!(package.get("").json()["file_count"], 1);
        assert_eq!(package.paths(), ["a.txt"]);
        assert_eq!(client.post(PACKAGES, &json!({"producer": "ci"})).status, 201);

        site.link.mend();
        site.assert_nothing_left(&package, "small.txt");
        site.assert_nothing_left(&package, "large.bin");
        eventually_ready(client, 200);
    }
    assert_eq!(package.finalize().status, 200);
    site.replica.assert_no_panic();
    site.shared.assert_clean();
}

#[test]
#[ignore = "needs PostgreSQL and Ceph: just test-engines"]
fn a_slow_gateway_slows_down_only_those_who_need_it() {
    let site = Site::new();
    let (client, package) = (site.replica.client(), site.replica.package());
    package.upload("a.txt", b"a");
    site.link.every("", Fault::Delay(Duration::from_secs(3)));
    let done = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for number in 0..60 {
            let (package, done) = (&package, &done);
            scope.spawn(move || {
                if number % 3 == 0 {
                    assert_eq!(package.read("a.txt").body, b"a");
                } else {
                    package.upload(&format!("{number}.txt"), b"slow");
                }
                done.fetch_add(1, Ordering::Relaxed);
            });
        }
        eventually(|| site.link.met() >= 60, || "the slow requests do not come".to_owned());
        for _ in 0..20 {
            assert_eq!(client.get(PACKAGES).status, 200);
            assert_eq!(package.get("").status, 200);
            assert_eq!(client.post(PACKAGES, &json!({"producer": "ci"})).status, 201);
            assert_eq!(client.get("/healthz").status, 200);
        }
        assert_eq!(done.load(Ordering::Relaxed), 0, "they waited for the gateway");
    });
    site.link.mend();
    assert_eq!(package.finalize().status, 200);
    assert_eq!(sealed_files(&package).len(), 41);
    site.shared.assert_clean();
}

#[test]
#[ignore = "needs PostgreSQL and Ceph: just test-engines"]
fn what_is_cut_on_its_way_to_the_gateway_once_is_sent_again() {
    let site = Site::new();
    let package = site.replica.package();
    let body = |first: u8, size: usize| [&[first][..], &xs(size - 1)].concat();
    let mut number = 0;
    for (words, fault, size) in [
        ("PUT ", Fault::CutRequest(0), 1000),
        ("PUT ", Fault::CutRequest(70_000), 200_000),
        // It is stored, and nobody hears of it: the second try finds what the first one wrote.
        ("PUT ", Fault::LoseAnswer, 1000),
        ("partNumber=2", Fault::CutRequest(1 << 20), LARGE),
        ("partNumber=3", Fault::LoseAnswer, LARGE),
        // The object is begun twice, or completed twice.
        ("?uploads", Fault::CutAnswer(0), LARGE),
        ("?uploadId=", Fault::CutAnswer(0), LARGE),
        ("?uploadId=", Fault::LoseAnswer, LARGE),
    ] {
        number += 1;
        let path = format!("{number}.bin");
        let body = body(number, size);
        site.goes_well(1, words, fault, || package.upload(&path, &body));
        assert!(package.read(&path).body == body, "{words} {fault:?}");
        assert_eq!(package.paths().len(), usize::from(number));
    }
    // What was begun first, and whose name nobody has heard, is for the bucket's rule to abort. It
    // has no parts.
    assert_eq!(site.shared.in_parts(&package), ["6.bin"]);
    assert_eq!(package.finalize().status, 200);
    site.shared.assert_clean();
}

#[test]
#[ignore = "needs PostgreSQL and Ceph: just test-engines"]
fn an_upload_that_is_cut_again_and_again_is_503_and_leaves_nothing() {
    let site = Site::new();
    let package = site.replica.package();
    for (words, fault, size) in [
        ("PUT ", Fault::CutRequest(500), 1000),
        ("partNumber=2", Fault::CutRequest(1 << 20), LARGE),
        ("partNumber=2", Fault::LoseAnswer, LARGE),
    ] {
        site.link.every(words, fault);
        assert_no_storage(&package.put("cut.bin", &xs(size)));
        site.link.mend();
        site.assert_nothing_left(&package, "cut.bin");
    }
    // Here the object is there; nobody was told, so nobody sees it, and the next upload has it go.
    site.link.every("PUT ", Fault::LoseAnswer);
    assert_no_storage(&package.put("lost.txt", b"first"));
    site.link.mend();
    assert_eq!(package.paths(), [""; 0]);
    assert_eq!(package.read("lost.txt").status, 404);
    package.upload("lost.txt", b"second");
    assert_eq!(package.read("lost.txt").body, b"second");
    assert_eq!(package.finalize().status, 200);
    site.shared.assert_clean();
}

#[test]
#[ignore = "needs PostgreSQL and Ceph: just test-engines"]
fn a_download_that_is_cut_goes_on_inside_or_breaks_where_the_client_sees_it() {
    let site = Site::new();
    let package = site.replica.package();
    let body: Vec<u8> = (0..LARGE).map(|n| u8::try_from(n % 251).unwrap()).collect();
    package.upload("large.bin", &body);
    assert_eq!(package.finalize().status, 200);

    let cut = Fault::CutAnswer(1 << 20);
    site.goes_well(2, "GET ", cut, || {
        let answer = package.read("large.bin");
        assert!(answer.is_whole && answer.body == body);
    });
    site.goes_well(1, "GET ", cut, || {
        let range = [("range", "bytes=3000000-8999999")];
        let answer = package.client.send("GET", &package.file("large.bin"), &range, b"");
        assert_eq!(answer.status, 206);
        assert!(answer.body == body[3_000_000..9_000_000]);
    });

    site.link.every("GET ", cut);
    let request = wire::request("GET", &package.file("large.bin"), &[], b"");
    let answer = wire::exchange_or_cut(package.client.address, &request).expect("a head");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-length"), Some(LARGE.to_string().as_str()));
    assert!(!answer.is_whole && answer.body.len() < LARGE);
    assert!(body.starts_with(&answer.body));
    let archive = wire::request("GET", &package.at("/archive?format=tar"), &[], b"");
    let archive = wire::exchange_or_cut(package.client.address, &archive).expect("a head");
    assert!(archive.status == 503 || !archive.is_whole, "{}", archive.status);
    site.link.mend();
    assert!(package.read("large.bin").body == body);
    site.shared.assert_clean();
}

#[test]
#[ignore = "needs PostgreSQL and Ceph: just test-engines"]
fn a_gateway_that_falls_silent_is_503_in_the_end() {
    let site = Site::new();
    let (client, package) = (site.replica.client(), site.replica.package());
    package.upload("a.txt", b"a");
    let large = xs(LARGE);
    site.link.every("", Fault::Silence);
    // The upload's first part is not answered; what was begun of it cannot be given up either.
    site.link.next(1, "?uploads", Fault::Delay(Duration::ZERO));
    std::thread::scope(|scope| {
        scope.spawn(|| assert_no_storage(&package.put("small.txt", b"small")));
        scope.spawn(|| assert_no_storage(&package.put("large.bin", &large)));
        scope.spawn(|| assert_no_storage(&package.read("a.txt")));
        scope.spawn(|| {
            eventually_ready(client, 503);
            assert_eq!(client.get(PACKAGES).status, 200);
        });
    });
    site.link.mend();
    eventually_ready(client, 200);
    assert_eq!(package.read("a.txt").body, b"a");
    package.assert_free("small.txt");
    package.assert_free("large.bin");
    assert_eq!(package.finalize().status, 200);
    site.shared.assert_clean();
}
