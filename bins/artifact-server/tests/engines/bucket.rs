//! Several servers that share nothing but a PostgreSQL and a bucket.

use std::collections::BTreeMap;
use std::sync::Barrier;

use serde_json::json;

use crate::room::{PACKAGES, Package, assert_problem, eventually, xs};
use crate::shared::{CEPH, POSTGRES, Replica, Shared, events, sealed_files, sealed_once};
use crate::wire;

/// Longer than any part.
const LARGE: usize = 20 << 20;

#[test]
#[ignore = "needs PostgreSQL and Ceph: just test-engines"]
fn what_one_replica_begins_others_continue_and_all_seal_it_once() {
    let shared = Shared::on_bucket(&POSTGRES, &CEPH);
    let [one, two, three] = shared.replicas();
    let package = one.client().package_of(&json!({"producer": "ci", "external_id": "1"}));
    let (second, third) = (two.see(&package), three.see(&package));
    second.upload("a.txt", b"a");
    package.upload("b.txt", b"b");
    third.upload("large.bin", &xs(LARGE));
    assert_problem(&package.put("a.txt", b"again"), 409, "duplicate-path");
    let again = two.client().post(PACKAGES, &json!({"producer": "ci", "external_id": "1"}));
    assert_eq!(assert_problem(&again, 409, "package-exists")["package_id"], *package.id);

    sealed_once(&[&package, &second, &third, &package, &second, &third]);
    assert_problem(&second.put("c.txt", b"c"), 409, "wrong-status");
    assert_eq!(second.read("large.bin").body, xs(LARGE));
    assert_eq!(
        sealed_files(&third),
        [("a.txt".to_owned(), 1), ("b.txt".to_owned(), 1), ("large.bin".to_owned(), LARGE as u64)]
    );
    shared.assert_clean();
}

/// What the ingest of the next test is made of: small files, and some that go in parts.
fn body(number: usize) -> Vec<u8> {
    if number.is_multiple_of(80) {
        let line = format!("line of file {number}\n").into_bytes();
        line.iter().copied().cycle().take((9 << 20) + number).collect()
    } else {
        format!("log {number}\n").repeat(number + 1).into_bytes()
    }
}

fn path(number: usize) -> String {
    format!("logs/{number}.txt")
}

/// Sends a file to the replicas in turn until one of them has stored it; answers at how many it
/// was tried.
fn store(replicas: &[Package], number: usize) -> usize {
    for (tries, package) in replicas.iter().cycle().skip(number).take(30).enumerate() {
        let put = wire::request("PUT", &package.file(&path(number)), &[], &body(number));
        // The connection may be refused or cut at any byte.
        let address = package.client.address;
        let sent = std::panic::catch_unwind(|| wire::exchange_or_cut(address, &put));
        match sent {
            Ok(Some(answer)) if answer.status == 201 => return tries + 1,
            // What the dead one had recorded, or still claims.
            Ok(Some(answer)) if answer.status == 409 => {
                if answer.json()["code"] == "duplicate-path" {
                    return tries + 1;
                }
                assert_problem(&answer, 409, "upload-in-progress");
                std::thread::sleep(std::time::Duration::from_millis(500));
            }
            Ok(Some(answer)) => panic!("{}", answer.text()),
            Ok(None) | Err(_) => {}
        }
    }
    panic!("{} was not stored by anybody", path(number));
}

#[test]
#[ignore = "needs PostgreSQL and Ceph: just test-engines"]
fn an_ingest_over_three_replicas_survives_the_death_of_one() {
    const FILES: usize = 320;
    let shared = Shared::on_bucket(&POSTGRES, &CEPH).with(&["--upload-idle-timeout", "4s"]);
    let [doomed, two, three]: [Replica; 3] = shared.replicas();
    let package = doomed.package();
    let all = [package.clone(), two.see(&package), three.see(&package)];

    // One upload is in the middle of its parts.
    let mut wire = doomed.client().connect();
    let headers = [("transfer-encoding", "chunked")];
    wire.send(&wire::head("PUT", &package.file("large.bin"), &headers));
    for _ in 0..LARGE >> 20 {
        wire.send(&wire::chunk(&xs(1 << 20)));
    }
    let has_parts = || shared.in_parts(&package).contains(&"large.bin".to_owned());
    eventually(has_parts, || "no part of the large file has come".to_owned());
    assert_problem(&all[1].put("large.bin", b"small"), 409, "upload-in-progress");
    assert!(!shared.stored(&package).contains("large.bin"));

    // Others come one after the other, at the moment of the kill too.
    let begun = Barrier::new(5);
    let repeated: usize = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|worker| {
                let (all, begun) = (&all, &begun);
                scope.spawn(move || {
                    let mut repeated = 0;
                    for number in (worker..FILES).step_by(4) {
                        if number / 4 == 10 {
                            begun.wait();
                        }
                        repeated += usize::from(store(all, number) > 1);
                    }
                    repeated
                })
            })
            .collect();
        begun.wait();
        doomed.kill();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    assert!(repeated > 0, "the death was not noticed");

    // Its path becomes free when its claim has not been renewed for as long as was promised.
    let mut last = String::new();
    eventually(
        || {
            let answer = all[1].put("large.bin", &xs(LARGE));
            last = answer.text();
            answer.status == 201
        },
        || "the path of the dead replica stays locked".to_owned(),
    );
    let [_, two, three] = &all;
    sealed_once(&[two, three]);

    let mut wanted: BTreeMap<String, u64> =
        (0..FILES).map(|number| (path(number), body(number).len() as u64)).collect();
    wanted.insert("large.bin".to_owned(), LARGE as u64);
    let sealed = sealed_files(two);
    assert_eq!(sealed.len(), wanted.len());
    assert_eq!(sealed.into_iter().collect::<BTreeMap<_, _>>(), wanted);
    assert!(shared.stored(two).iter().eq(wanted.keys()));
    for number in (0..FILES).step_by(40) {
        assert!(three.read(&path(number)).body == body(number), "{number}");
    }
    assert_eq!(events(two, "package.finalized"), 1);
    shared.assert_clean();
}
