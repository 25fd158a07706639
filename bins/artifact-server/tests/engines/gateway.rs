//! Ceph's gateway stops and comes back.

use std::time::{Duration, Instant};

use artifact_testkit::Ceph;
use serde_json::json;

use crate::room::{PACKAGES, xs};
use crate::shared::{
    POSTGRES, Shared, assert_no_storage, eventually_ready, sealed_files, with_bucket,
};
use crate::wire;

/// More than any of these takes: what is bounded is seen to end.
const BOUNDED: Duration = Duration::from_secs(45);

#[test]
#[ignore = "needs PostgreSQL and Ceph: just test-engines"]
fn while_the_gateway_is_away_its_requests_are_503_and_afterwards_they_work() {
    let ceph = with_bucket(Ceph::start());
    let shared = Shared::on_bucket(&POSTGRES, &ceph);
    let replica = shared.replica();
    let client = replica.client();
    let sealed = client.package();
    sealed.upload("a.txt", b"a");
    sealed.upload("large.bin", &xs(20 << 20));
    assert_eq!(sealed.finalize().status, 200);
    let open = client.package();
    open.upload("a.txt", b"a");
    eventually_ready(client, 200);

    for round in ["first", "second"] {
        // One upload is in the middle of its parts.
        let mut wire = client.connect();
        let headers = [("transfer-encoding", "chunked")];
        wire.send(&wire::head("PUT", &open.file("cut.bin"), &headers));
        for _ in 0..20 {
            wire.send(&wire::chunk(&xs(1 << 20)));
        }
        ceph.stop_gateway();
        wire.send(&wire::chunk(b""));
        let began = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(move || assert_no_storage(&wire.answer()));
            scope.spawn(|| assert_no_storage(&open.put(round, b"b")));
            scope.spawn(|| assert_no_storage(&open.put(&format!("{round}.bin"), &xs(20 << 20))));
            scope.spawn(|| assert_no_storage(&sealed.read("a.txt")));
            scope.spawn(|| eventually_ready(client, 503));
        });
        assert_no_storage(&open.finalize());
        assert!(began.elapsed() < BOUNDED, "{:?}", began.elapsed());
        assert_eq!(client.get("/readyz").json()["storage"]["status"], "down");
        assert_eq!(client.get("/readyz").json()["registry"]["status"], "ok");
        assert_eq!(client.get("/healthz").status, 200);
        assert_eq!(sealed.get("").json()["status"], "finalized");
        assert_eq!(sealed.get("/files").status, 200);
        assert_eq!(sealed.finalize().status, 200, "it is sealed already");
        assert_eq!(client.get(PACKAGES).status, 200);
        assert_eq!(client.post(PACKAGES, &json!({"producer": "ci"})).status, 201);

        ceph.start_gateway();
        eventually_ready(client, 200);
        open.upload(round, b"b");
        open.assert_free("cut.bin");
        assert_eq!(sealed.read("large.bin").body, xs(20 << 20));
    }
    assert_eq!(open.finalize().status, 200);
    assert_eq!(sealed_files(&open).len(), 3);
    assert_eq!(shared.stored(&open).len(), 3);
    replica.assert_no_panic();
    shared.assert_clean();
}
