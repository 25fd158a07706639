//! Many clients at once, and a server that stops while they are served.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use artifact_domain::Sha256Digest;
use serde_json::json;

use crate::process::Place;
use crate::room::{Package, Room, assert_problem, eventually, staged, xs};
use crate::wire::{Wire, head};

/// Begins an upload and sends a part of it.
fn begin(package: &Package, raw: &str, length: usize, part: &[u8]) -> Wire {
    let mut wire = package.client.connect();
    wire.send(&head("PUT", &package.file(raw), &[("content-length", &length.to_string())]));
    wire.send(part);
    wire
}

#[test]
fn of_two_writers_of_a_path_one_is_stored_whole_and_the_other_is_told() {
    let room = Room::new();
    let package = room.package();
    for round in 0..15 {
        let raw = format!("f{round}");
        let together = Barrier::new(2);
        let write = |byte: u8| {
            together.wait();
            (package.put(&raw, &vec![byte; 700_000]), byte)
        };
        let answers = thread::scope(|scope| {
            let other = scope.spawn(|| write(b'o'));
            [write(b'x'), other.join().unwrap()]
        });
        let stored: Vec<u8> = answers
            .iter()
            .filter(|(answer, _)| answer.status == 201)
            .map(|(_, byte)| *byte)
            .collect();
        assert_eq!(stored.len(), 1, "{raw}");
        for (answer, _) in &answers {
            if answer.status != 201 {
                let code = answer.json()["code"].as_str().unwrap().to_owned();
                assert!(["duplicate-path", "upload-in-progress"].contains(&&*code), "{code}");
                assert_problem(answer, 409, &code);
            }
        }
        assert_eq!(package.read(&raw).body, vec![stored[0]; 700_000]);
    }
    assert_eq!(package.files().len(), 15);
    assert_eq!(room.stored(&package).len(), 15);
    room.assert_nothing_staged();
}

/// Sixteen clients that upload twenty files each, one after the other on one connection.
fn upload_together(packages: &[Package]) {
    thread::scope(|scope| {
        for client in 0..16 {
            let package = &packages[client % packages.len()];
            scope.spawn(move || {
                let mut wire = package.client.connect();
                for file in 0..20 {
                    let name = format!("c{client}/f{file}");
                    let length = name.len().to_string();
                    wire.send(&head("PUT", &package.file(&name), &[("content-length", &length)]));
                    wire.send(name.as_bytes());
                    assert_eq!(wire.answer().status, 201, "{name}");
                }
            });
        }
    });
    for package in packages {
        let files = package.files();
        assert_eq!(files.len(), 320 / packages.len());
        for file in &files {
            let path = file["path"].as_str().unwrap();
            assert_eq!(file["sha256"], Sha256Digest::of(path.as_bytes()).to_string());
        }
        assert_eq!(
            package.read("c0/f0").status,
            if files[0]["path"] == "c0/f0" { 200 } else { 404 }
        );
        let sealed = package.post("/finalize", &json!({"file_count": files.len()}));
        assert_eq!(sealed.json()["status"], "finalized", "{}", sealed.text());
    }
}

#[test]
fn many_clients_fill_one_package() {
    let room = Room::new();
    upload_together(&[room.package()]);
}

#[test]
fn many_clients_fill_many_packages() {
    let room = Room::new();
    upload_together(&std::array::from_fn::<_, 8, _>(|_| room.package()));
}

#[test]
fn ten_finalizes_at_once_answer_one_seal() {
    let room = Room::new();
    let package = room.package();
    for file in 0..50 {
        package.upload(&format!("f{file}"), b"x");
    }
    let together = Barrier::new(10);
    let seals: Vec<_> = thread::scope(|scope| {
        let finalize = || {
            together.wait();
            package.finalize()
        };
        let all: Vec<_> = (0..10).map(|_| scope.spawn(finalize)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    for seal in &seals {
        assert_eq!(seal.status, 200, "{}", seal.text());
        assert_eq!(seal.json(), seals[0].json());
    }
    let manifest = package.get("/manifest");
    assert_eq!(seals[0].json()["manifest_sha256"], Sha256Digest::of(&manifest.body).to_string());
    let actions = package.get("/audit").json();
    let actions = actions["items"].as_array().unwrap().clone();
    let sealed =
        actions.iter().filter(|event| event["action"].as_str().unwrap().contains("finalize"));
    assert_eq!(sealed.count(), 1, "{actions:?}");
}

#[test]
fn a_file_is_not_there_until_all_of_it_is() {
    let room = Room::new();
    let package = room.package();
    let body = xs(900_000);
    let mut wire = begin(&package, "a", body.len(), b"");
    for part in body.chunks(100_000) {
        assert_problem(&package.read("a"), 404, "not-found");
        assert_eq!(package.paths(), [""; 0]);
        wire.send(part);
        thread::sleep(Duration::from_millis(30));
    }
    assert_eq!(wire.answer().status, 201);
    assert_eq!(package.read("a").body, body);
}

#[test]
fn uploads_in_flight_do_not_hold_each_other_up() {
    let room = Room::new();
    let package = room.package();
    let body = xs(300_000);
    let names: Vec<String> = (0..64).map(|number| format!("f{number:02}")).collect();
    let mut wires: Vec<Wire> =
        names.iter().map(|name| begin(&package, name, body.len(), &body[..150_000])).collect();
    // Meanwhile everything else is answered.
    package.upload("other", b"other");
    assert_eq!(package.client.get("/readyz").status, 200);
    for wire in wires.iter_mut().rev() {
        wire.send(&body[150_000..]);
    }
    for wire in &mut wires {
        assert_eq!(wire.answer().status, 201);
    }
    assert_eq!(package.files().len(), 65);
    assert_eq!(package.read("f63").body, body);
}

#[test]
fn a_reader_of_a_file_that_is_replaced_gets_the_old_or_the_new_one_whole() {
    let room = Room::new();
    let package = room.package();
    let version = |number: u8| vec![b'a' + number % 26; 200_000 + usize::from(number) * 1000];
    package.upload("a", &version(0));
    let is_done = AtomicBool::new(false);
    let reads: usize = thread::scope(|scope| {
        let read = || {
            let mut count = 0;
            while !is_done.load(Ordering::Relaxed) {
                let answer = package.read("a");
                // The old file is taken out before the new one is put in.
                if answer.status == 404 {
                    assert_problem(&answer, 404, "not-found");
                    continue;
                }
                assert_eq!(answer.status, 200, "{}", answer.text());
                assert!(answer.is_whole);
                let tag = format!("\"sha256:{}\"", Sha256Digest::of(&answer.body));
                assert_eq!(answer.header("etag"), Some(&*tag));
                count += 1;
            }
            count
        };
        let readers = [scope.spawn(read), scope.spawn(read), scope.spawn(read)];
        for number in 1..30 {
            let answer = package.put("a?replace=true", &version(number));
            if answer.status != 200 {
                is_done.store(true, Ordering::Relaxed);
            }
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
        is_done.store(true, Ordering::Relaxed);
        readers.into_iter().map(|reader| reader.join().unwrap()).sum()
    });
    assert!(reads > 10, "{reads}");
    assert_eq!(package.read("a").body, version(29));
    assert_eq!(room.stored(&package).len(), 1);
}

#[test]
fn a_server_that_is_told_to_stop_finishes_what_runs_and_takes_nothing_new() {
    let place = Place::new();
    let mut server = place.serve(&[], &[]);
    let package = server.client.package();
    let mut wire = begin(&package, "a", 3_300_000, &xs(3_000_000));
    eventually(|| !staged(&place.data_dir()).is_empty(), || "it never began".to_owned());
    server.terminate();
    let address = server.client.address;
    eventually(|| std::net::TcpStream::connect(address).is_err(), || "it still listens".to_owned());
    for _ in 0..3 {
        wire.send(&xs(100_000));
        thread::sleep(Duration::from_millis(200));
    }
    let answer = wire.answer();
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(server.wait().code(), Some(0), "{}", place.log());

    let server = place.serve(&[], &[]);
    let package = Package { client: server.client, ..package };
    assert_eq!(package.read("a").body, xs(3_300_000));
    assert_eq!(package.finalize().status, 200);
}

#[test]
fn a_server_does_not_wait_for_ever_for_what_runs() {
    let place = Place::new();
    let mut server = place.serve(&["--shutdown-timeout", "1s"], &[]);
    let package = server.client.package();
    let mut wire = begin(&package, "a", 600_000, &xs(300_000));
    server.terminate();
    assert_eq!(server.wait().code(), Some(0), "{}", place.log());
    assert!(wire.answer_to(false).is_none_or(|answer| answer.status >= 400));
    let server = place.serve(&[], &[]);
    Package { client: server.client, ..package }.assert_free("a");
}

#[test]
fn an_upload_that_a_crash_cut_off_leaves_its_path_free() {
    let place = Place::new();
    let server = place.serve(&[], &[]);
    let package = server.client.package();
    package.upload("whole", b"whole");
    let _wire = begin(&package, "a", 4_000_000, &xs(3_000_000));
    eventually(|| !staged(&place.data_dir()).is_empty(), || "it never began".to_owned());
    assert_problem(&package.put("a", b"other"), 409, "upload-in-progress");
    server.kill();

    let server = place.serve(&[], &[]);
    let package = Package { client: server.client, ..package };
    assert_eq!(package.paths(), ["whole"]);
    assert_problem(&package.read("a"), 404, "not-found");
    package.upload("a", b"again");
    let sealed = package.post("/finalize", &json!({"file_count": 2}));
    assert_eq!(sealed.json()["status"], "finalized", "{}", sealed.text());
    assert_eq!(package.read("a").body, b"again");
}
