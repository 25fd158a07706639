//! Servers that share nothing but a PostgreSQL and a storage folder, as real processes.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[allow(dead_code, reason = "shared with the tests of the gateway")]
#[path = "gateway/process.rs"]
mod process;
#[allow(dead_code, reason = "shared with the tests of the gateway")]
#[path = "gateway/room.rs"]
mod room;
#[allow(dead_code, reason = "shared with the tests of the gateway")]
#[path = "gateway/wire.rs"]
mod wire;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Barrier, LazyLock};

use artifact_registry::{DatabaseUrl, OpenMode, OpenOptions, Registry};
use artifact_testkit::{Database, Postgres};
use serde_json::{Value, json};

use process::{Place, Process};
use room::{Client, PACKAGES, Package, assert_problem, eventually, files_below, xs};
use wire::Answer;

/// For the tests that do not stop it.
static POSTGRES: LazyLock<Postgres> = LazyLock::new(Postgres::start);

/// What replicas share.
struct Shared<'p> {
    database: Database<'p>,
    storage: tempfile::TempDir,
}

/// One server of several.
struct Replica {
    place: Place,
    process: Process,
}

impl<'p> Shared<'p> {
    fn on(postgres: &'p Postgres) -> Self {
        Self { database: postgres.fresh_database(), storage: tempfile::tempdir().unwrap() }
    }

    fn storage(&self) -> PathBuf {
        self.storage.path().join("storage")
    }

    fn replica(&self) -> Replica {
        let place = Place::new();
        let storage = format!("file://{}", self.storage().display());
        let arguments = ["--database-url", &self.database.url(), "--storage-url", &storage];
        let process = place.serve(&arguments, &[]);
        Replica { place, process }
    }

    /// Several that begin at the same moment.
    fn replicas<const N: usize>(&self) -> [Replica; N] {
        let barrier = Barrier::new(N);
        std::thread::scope(|scope| {
            std::array::from_fn::<_, N, _>(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    self.replica()
                })
            })
            .map(|starting| starting.join().unwrap())
        })
    }
}

impl Replica {
    fn client(&self) -> Client {
        self.process.client
    }

    /// The same package, asked for here.
    fn see(&self, package: &Package) -> Package {
        Package { client: self.client(), id: package.id.clone() }
    }
}

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

    let sealed: Vec<Answer> = std::thread::scope(|scope| {
        let sealing: Vec<_> = [&package, &there_too, &package, &there_too]
            .map(|package| scope.spawn(|| package.finalize()))
            .into();
        sealing.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let digests: BTreeSet<String> = sealed
        .iter()
        .map(|answer| {
            assert_eq!(answer.status, 200, "{}", answer.text());
            answer.json()["manifest_sha256"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(digests.len(), 1, "{digests:?}");
    assert_eq!(package.get("/manifest").body, there_too.get("/manifest").body);
    let events = package.get("/audit").json();
    let actions = events["items"].as_array().unwrap().iter().map(|event| &event["action"]);
    assert_eq!(actions.filter(|action| **action == "package.finalized").count(), 1, "{events}");
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
        doomed.process.kill();
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

/// That the registry is away, in the words of the interface.
#[track_caller]
fn assert_unavailable(answer: &Answer) {
    assert_problem(answer, 503, "registry-unavailable");
    let wait = answer.header("retry-after").expect("Retry-After");
    assert!(wait.parse::<u32>().is_ok_and(|seconds| seconds > 0), "{wait}");
    assert!(!answer.text().contains("127.0.0.1"), "{}", answer.text());
}

fn eventually_ready(client: Client, status: u16) {
    let mut last = String::new();
    eventually(
        || {
            let answer = client.get("/readyz");
            last = answer.text();
            answer.status == status
        },
        || format!("/readyz does not become {status}"),
    );
}

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
            assert_unavailable(&client.post(PACKAGES, &json!({"producer": "ci"})));
            assert_unavailable(&client.get(PACKAGES));
            assert_unavailable(&package.get(""));
            assert_unavailable(&package.put(round, b"b"));
            assert_unavailable(&package.finalize());
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
    assert_unavailable(&wire.answer());
    postgres.start_again();

    assert_eq!(package.paths(), [""; 0]);
    package.assert_soon_free("large.bin");
}

/// Asserts that the program ends with a code and one line that has these words, and has made
/// nothing.
#[track_caller]
fn assert_does_not_start(database_url: &str, code: i32, words: &[&str]) {
    let place = Place::new();
    let ended = place.run(&["--bind", "127.0.0.1:0", "--database-url", database_url], &[]);
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(code), "{said}");
    assert!(ended.stdout.is_empty());
    for word in words {
        assert!(said.contains(word), "{word} is not in {said}");
    }
    let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{said}");
    // The command line's own advice on how it is used may follow.
    assert!(code == 2 || said.lines().count() == 1, "{said}");
    assert!(!said.contains("s3cret"), "{said}");
    assert_nothing(&place.data_dir());
}

#[track_caller]
fn assert_nothing(folder: &Path) {
    assert!(!folder.exists(), "{:?}", files_below(folder));
}

#[test]
#[ignore = "needs PostgreSQL: just test-engines"]
fn a_database_that_cannot_be_used_ends_the_start_with_one_line_and_makes_nothing() {
    let database = POSTGRES.fresh_database();
    let with_password = |url: &str| url.replace("artifact@", "artifact:s3cret@");
    let missing = with_password(&database.url()).replace(database.name(), "no_such_database");
    assert_does_not_start(&missing, 1, &["no_such_database", "does not exist"]);
    let away = Postgres::start();
    let url = with_password(&away.url());
    drop(away);
    assert_does_not_start(&url, 1, &["127.0.0.1", "refused"]);
}

#[test]
#[ignore = "needs PostgreSQL: just test-engines"]
fn another_scheme_than_that_of_a_database_is_a_usage_error_that_shows_no_password() {
    for scheme in ["mysql", "postgress", "http"] {
        let url = format!("{scheme}://artifact:s3cret@127.0.0.1/evidence");
        assert_does_not_start(&url, 2, &["--database-url", "expected sqlite://"]);
    }
}

#[test]
#[ignore = "needs PostgreSQL: just test-engines"]
fn a_registry_that_is_newer_than_the_program_ends_the_start_and_stays_as_it_is() {
    let database = POSTGRES.fresh_database();
    let url: DatabaseUrl = database.url().parse().unwrap();
    drop(Registry::open(&url, OpenMode::CreateAndMigrate).unwrap());
    let later = "INSERT INTO __diesel_schema_migrations (version) VALUES ('99990101000000') \
                 ON CONFLICT DO NOTHING";
    let options =
        OpenOptions { on_connect: later.to_owned(), ..OpenOptions::new(OpenMode::Existing) };
    drop(Registry::open_with(&url, &options).unwrap());
    for _ in 0..2 {
        assert_does_not_start(
            &database.url(),
            1,
            &["is newer than this program", "99990101000000", database.name()],
        );
    }
}
