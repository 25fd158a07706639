//! Several servers that share nothing but a PostgreSQL and a folder.

use std::collections::BTreeSet;
use std::sync::Barrier;

use serde_json::{Value, json};

use crate::room::{self, Client, PACKAGES, assert_problem, eventually, files_below, xs};
use crate::shared::{POSTGRES, Replica, Shared, sealed_once};
use crate::wire;

/// The ids of all packages, newest first, each page asked of the next client in turn.
fn list(clients: &[Client], limit: usize) -> Vec<String> {
    let mut ids = Vec::new();
    let mut target = format!("{PACKAGES}?limit={limit}");
    for client in clients.iter().cycle() {
        let page = client.get(&target).json();
        let items = page["items"].as_array().expect("a page");
        ids.extend(items.iter().map(|package| package["id"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        target = format!("{PACKAGES}?limit={limit}&cursor={cursor}");
    }
    ids
}

#[test]
#[ignore = "needs PostgreSQL: just test-engines"]
fn what_one_replica_begins_another_continues_and_two_seal_it_once() {
    let shared = Shared::on(&POSTGRES);
    let [here, there] = shared.replicas();
    let package = here.client().package_of(&json!({"producer": "ci", "external_id": "1"}));
    let there_too = there.see(&package);
    there_too.upload("a.txt", b"a");
    package.upload("b.txt", b"b");
    assert_problem(&package.put("a.txt", b"again"), 409, "duplicate-path");
    let again = there.client().post(PACKAGES, &json!({"producer": "ci", "external_id": "1"}));
    assert_eq!(assert_problem(&again, 409, "package-exists")["package_id"], *package.id);

    sealed_once(&[&package, &there_too, &package, &there_too]);
    assert_problem(&there_too.put("c.txt", b"c"), 409, "wrong-status");
    assert_eq!(there_too.read("b.txt").body, b"b");
}

#[test]
#[ignore = "needs PostgreSQL: just test-engines"]
fn a_list_is_paged_across_replicas_while_both_make_packages() {
    let shared = Shared::on(&POSTGRES);
    let replicas: [Replica; 2] = shared.replicas();
    let clients = replicas.each_ref().map(Replica::client);
    let mut made: Vec<String> = (0..13).map(|number| clients[number % 2].package().id).collect();
    made.reverse();
    assert_eq!(list(&clients, 2), made);

    let first = clients[0].get(&format!("{PACKAGES}?limit=5")).json();
    made.insert(0, clients[1].package().id);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = clients[1].get(&format!("{PACKAGES}?limit=1000&cursor={cursor}")).json();
    let paged: Vec<&Value> =
        [&first, &second].iter().flat_map(|page| page["items"].as_array().unwrap()).collect();
    let paged: Vec<&str> = paged.iter().map(|package| package["id"].as_str().unwrap()).collect();
    assert_eq!(paged, made[1..]);
}

#[test]
#[ignore = "needs PostgreSQL: just test-engines"]
fn uploads_of_a_replica_that_is_killed_go_on_at_the_other() {
    let shared = Shared::on(&POSTGRES);
    let [doomed, survivor] = shared.replicas();
    let package = doomed.client().package();
    let there = survivor.see(&package);

    // One upload is in its middle, with more than waits in memory.
    let mut wire = doomed.client().connect();
    let headers = [("transfer-encoding", "chunked")];
    wire.send(&wire::head("PUT", &package.file("large.bin"), &headers));
    wire.send(&wire::chunk(&xs(3 << 20)));
    let staged = || !room::staged(&shared.storage()).is_empty();
    eventually(staged, || "nothing of the large file has come".to_owned());
    assert_problem(&there.put("large.bin", b"small"), 409, "upload-in-progress");

    // Others come one after the other, at the moment of the kill too.
    let path = |number: usize| format!("logs/{number}.txt");
    let body = |number: usize| format!("log {number}\n").repeat(number + 1).into_bytes();
    let begun = Barrier::new(5);
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let (package, begun) = (&package, &begun);
            scope.spawn(move || {
                for number in (worker..400).step_by(4) {
                    if number / 4 == 5 {
                        begun.wait();
                    }
                    let put =
                        wire::request("PUT", &package.file(&path(number)), &[], &body(number));
                    // The connection may be refused or cut at any byte.
                    let sent = std::panic::catch_unwind(|| {
                        wire::exchange_or_cut(package.client.address, &put)
                    });
                    let Ok(Some(answer)) = sent else { break };
                    assert_eq!(answer.status, 201, "{}", answer.text());
                }
            });
        }
        begun.wait();
        doomed.kill();
    });

    // What was recorded is whole; the rest is sent again, and nothing is in the way.
    let recorded: BTreeSet<String> = there.paths().into_iter().collect();
    assert!(recorded.len() >= 20, "{recorded:?}");
    for number in (0..400).filter(|number| !recorded.contains(&path(*number))) {
        there.upload(&path(number), &body(number));
    }
    there.upload("large.bin", &xs(4 << 20));
    for number in 0..400 {
        assert_eq!(there.read(&path(number)).body, body(number), "{number}");
    }
    let total: usize = (0..400).map(|number| body(number).len()).sum::<usize>() + (4 << 20);
    let counts = json!({"file_count": 401, "total_bytes": total});
    let sealed = there.post("/finalize", &counts);
    assert_eq!(sealed.status, 200, "{}", sealed.text());
    let stored = files_below(&shared.storage().join("packages").join(&there.id).join("data"));
    assert_eq!(stored.len(), 401);
}

#[test]
#[ignore = "needs PostgreSQL: just test-engines"]
fn replicas_that_start_together_on_nothing_make_one_store() {
    for _ in 0..3 {
        let shared = Shared::on(&POSTGRES);
        let replicas: [Replica; 4] = shared.replicas();
        let made: BTreeSet<String> =
            replicas.iter().map(|replica| replica.client().package().id).collect();
        for replica in &replicas {
            assert_eq!(list(&[replica.client()], 100).len(), 4);
            let classes = replica.client().get("/api/v1/retention-classes").json();
            let classes = classes["items"].as_array().unwrap();
            assert_eq!(classes.len(), 5, "{classes:?}");
            assert!(classes.iter().all(|class| class["version"] == 1), "{classes:?}");
        }
        assert_eq!(made.len(), 4);
    }
}
