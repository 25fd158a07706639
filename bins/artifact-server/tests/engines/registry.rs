//! PostgreSQL stops and comes back.

use artifact_testkit::Postgres;
use serde_json::json;

use crate::room::{self, PACKAGES, eventually, xs};
use crate::shared::{Shared, assert_no_registry, eventually_ready};
use crate::wire;

#[test]
#[ignore = "needs PostgreSQL: just test-engines"]
fn while_postgresql_is_away_requests_are_503_and_afterwards_they_work() {
    let postgres = Postgres::start();
    let shared = Shared::on(&postgres);
    let replica = shared.replica();
    let client = replica.client();
    let package = client.package();
    package.upload("a.txt", b"a");
    eventually_ready(client, 200);

    for round in ["first", "second"] {
        postgres.stop();
        for _ in 0..3 {
            assert_no_registry(&client.post(PACKAGES, &json!({"producer": "ci"})));
            assert_no_registry(&client.get(PACKAGES));
            assert_no_registry(&package.get(""));
            assert_no_registry(&package.put(round, b"b"));
            assert_no_registry(&package.finalize());
        }
        eventually_ready(client, 503);
        assert_eq!(client.get("/readyz").json()["registry"]["status"], "down");
        assert_eq!(client.get("/healthz").status, 200);

        postgres.start_again();
        package.upload(round, b"b");
        eventually_ready(client, 200);
    }
    assert_eq!(package.paths(), ["a.txt", "first", "second"]);
    assert_eq!(package.finalize().status, 200);
    let log = replica.place.log();
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
#[ignore = "needs PostgreSQL: just test-engines"]
fn an_upload_that_an_outage_cut_off_leaves_its_path_free() {
    let postgres = Postgres::start();
    let shared = Shared::on(&postgres);
    let replica = shared.replica();
    let package = replica.client().package();

    let mut wire = replica.client().connect();
    let headers = [("transfer-encoding", "chunked")];
    wire.send(&wire::head("PUT", &package.file("large.bin"), &headers));
    wire.send(&wire::chunk(&xs(3 << 20)));
    let staged = || !room::staged(&shared.storage()).is_empty();
    eventually(staged, || "nothing of the large file has come".to_owned());
    postgres.stop();
    wire.send(&wire::chunk(b""));
    assert_no_registry(&wire.answer());
    postgres.start_again();

    assert_eq!(package.paths(), [""; 0]);
    package.assert_soon_free("large.bin");
}
