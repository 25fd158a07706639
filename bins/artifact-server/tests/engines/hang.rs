//! PostgreSQL is there and says nothing.

use std::time::{Duration, Instant};

use artifact_testkit::FaultyLink;
use serde_json::json;

use crate::room::{PACKAGES, Package};
use crate::shared::{CEPH, POSTGRES, Shared, assert_no_registry, eventually_ready, sealed_files};

/// Much more than the two timeouts that are set, and much less than for ever.
const BOUNDED: Duration = Duration::from_secs(40);

#[test]
#[ignore = "needs PostgreSQL and Ceph: just test-engines"]
fn a_database_that_falls_silent_is_503_and_afterwards_everything_works() {
    let link = FaultyLink::to(POSTGRES.address());
    let shared = Shared::on_bucket(&POSTGRES, &CEPH).with_database_at(link.address()).with(&[
        "--database-connection-timeout",
        "3s",
        "--database-statement-timeout",
        "3s",
    ]);
    let replica = shared.replica();
    let (client, package) = (replica.client(), replica.package());
    package.upload("a.txt", b"a");
    eventually_ready(client, 200);

    for round in ["first", "second"] {
        link.stall();
        let began = Instant::now();
        std::thread::scope(|scope| {
            // More of each than there are connections and threads.
            for number in 0..6 {
                let package: &Package = &package;
                scope.spawn(move || assert_no_registry(&client.get(PACKAGES)));
                scope.spawn(move || assert_no_registry(&package.get("")));
                scope.spawn(move || {
                    assert_no_registry(&client.post(PACKAGES, &json!({"producer": "ci"})));
                });
                scope.spawn(move || assert_no_registry(&package.read("a.txt")));
                scope.spawn(move || {
                    assert_no_registry(&package.put(&format!("{round}-{number}.txt"), b"b"));
                });
                scope.spawn(move || assert_no_registry(&package.finalize()));
            }
            scope.spawn(|| eventually_ready(client, 503));
            scope.spawn(|| assert_eq!(client.get("/healthz").status, 200));
        });
        assert_eq!(client.get("/readyz").json()["registry"]["status"], "down");
        assert!(began.elapsed() < BOUNDED, "{:?}", began.elapsed());

        link.mend();
        eventually_ready(client, 200);
        assert_eq!(package.get("").status, 200);
        assert_eq!(package.read("a.txt").body, b"a");
    }
    replica.assert_no_panic();
}

#[test]
#[ignore = "needs PostgreSQL and Ceph: just test-engines"]
fn what_a_silent_database_had_taken_is_done_once() {
    let link = FaultyLink::to(POSTGRES.address());
    let shared = Shared::on_bucket(&POSTGRES, &CEPH).with_database_at(link.address()).with(&[
        "--database-connection-timeout",
        "2s",
        "--database-statement-timeout",
        "2s",
    ]);
    let replica = shared.replica();
    let (client, package) = (replica.client(), replica.package());
    package.upload("a.txt", b"a");
    link.stall();
    std::thread::scope(|scope| {
        for number in 0..4 {
            let package = &package;
            scope.spawn(move || {
                assert_no_registry(&package.put(&format!("{number}.txt"), b"b"));
            });
        }
        scope.spawn(|| assert_no_registry(&package.finalize()));
    });
    link.mend();
    eventually_ready(client, 200);
    for number in 0..4 {
        let path = format!("{number}.txt");
        let again = package.put(&path, b"b");
        assert!(matches!(again.status, 201 | 409), "{}", again.text());
    }
    let sealed = package.finalize();
    assert_eq!(sealed.status, 200, "{}", sealed.text());
    let paths: Vec<String> = sealed_files(&package).into_iter().map(|(path, _)| path).collect();
    assert!(paths.contains(&"a.txt".to_owned()), "{paths:?}");
    shared.assert_clean();
}

#[test]
#[ignore = "needs PostgreSQL and Ceph: just test-engines"]
fn a_server_whose_database_hangs_stops_when_it_is_asked_to() {
    let link = FaultyLink::to(POSTGRES.address());
    let shared = Shared::on_bucket(&POSTGRES, &CEPH).with_database_at(link.address()).with(&[
        "--database-connection-timeout",
        "2s",
        "--database-statement-timeout",
        "2s",
        "--shutdown-timeout",
        "2s",
    ]);
    let replica = shared.replica();
    let (client, package) = (replica.client(), replica.package());
    package.upload("a.txt", b"a");
    link.stall();
    std::thread::scope(|scope| {
        scope.spawn(|| assert_no_registry(&client.get(PACKAGES)));
        scope.spawn(|| assert_no_registry(&package.put("b.txt", b"b")));
    });
    let status = replica.terminate();
    assert_eq!(status.code(), Some(0));
    link.mend();
}
