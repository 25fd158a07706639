//! Engines, and servers that share them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Barrier, LazyLock};

use artifact_testkit::{Ceph, Database, Postgres};
use serde_json::Value;

use crate::process::{Place, Process};
use crate::room::{Client, Package, assert_problem, eventually};
use crate::wire::Answer;

/// For the tests that do not stop it.
pub(crate) static POSTGRES: LazyLock<Postgres> = LazyLock::new(Postgres::start);

/// For the tests that do not stop it.
pub(crate) static CEPH: LazyLock<Ceph> = LazyLock::new(|| with_bucket(Ceph::start()));

/// The bucket of all tests; each has a prefix of its own in it.
pub(crate) const BUCKET: &str = "evidence";

static PREFIXES: AtomicU32 = AtomicU32::new(0);

pub(crate) fn with_bucket(ceph: Ceph) -> Ceph {
    ceph.make_bucket(BUCKET);
    ceph
}

/// What replicas share.
pub(crate) struct Shared<'e> {
    _database: Option<Database<'e>>,
    database_url: String,
    storage: Storage<'e>,
    /// What each `serve` is told besides.
    flags: Vec<&'static str>,
}

enum Storage<'e> {
    Folder(tempfile::TempDir),
    Bucket { ceph: &'e Ceph, endpoint: String, prefix: String },
}

/// One server of several.
pub(crate) struct Replica {
    pub(crate) place: Place,
    process: Option<Process>,
    client: Client,
}

impl<'e> Shared<'e> {
    /// A database and a folder.
    pub(crate) fn on(postgres: &'e Postgres) -> Self {
        Self::of(postgres, Storage::Folder(tempfile::tempdir().unwrap()))
    }

    /// A database and a bucket.
    pub(crate) fn on_bucket(postgres: &'e Postgres, ceph: &'e Ceph) -> Self {
        Self::through(postgres, ceph, &ceph.endpoint())
    }

    /// A database and a bucket whose gateway is reached at this address.
    pub(crate) fn through(postgres: &'e Postgres, ceph: &'e Ceph, endpoint: &str) -> Self {
        let prefix = format!("test-{}", PREFIXES.fetch_add(1, Ordering::Relaxed));
        Self::of(postgres, Storage::Bucket { ceph, endpoint: endpoint.to_owned(), prefix })
    }

    fn of(postgres: &'e Postgres, storage: Storage<'e>) -> Self {
        let database = postgres.fresh_database();
        let database_url = database.url();
        Self { _database: Some(database), database_url, storage, flags: Vec::new() }
    }

    /// The same registry with a new place in a bucket.
    pub(crate) fn beside_in_bucket(&self, ceph: &'e Ceph) -> Self {
        let prefix = format!("test-{}", PREFIXES.fetch_add(1, Ordering::Relaxed));
        let storage = Storage::Bucket { ceph, endpoint: ceph.endpoint(), prefix };
        let database_url = self.database_url.clone();
        Self { _database: None, database_url, storage, flags: Vec::new() }
    }

    /// Where the storage is.
    pub(crate) fn storage_url(&self) -> String {
        match &self.storage {
            Storage::Folder(_) => format!("file://{}", self.storage().display()),
            Storage::Bucket { prefix, .. } => format!("s3://{BUCKET}/{prefix}"),
        }
    }

    /// The same with a way to the database that may fail, at this address.
    pub(crate) fn with_database_at(mut self, address: std::net::SocketAddr) -> Self {
        let (user, rest) = self.database_url.split_once('@').unwrap();
        let (_, name) = rest.split_once('/').unwrap();
        self.database_url = format!("{user}@{address}/{name}");
        self
    }

    /// The same with flags for each `serve`.
    pub(crate) fn with(mut self, flags: &[&'static str]) -> Self {
        self.flags.extend(flags);
        self
    }

    /// The folder of the storage.
    pub(crate) fn storage(&self) -> PathBuf {
        match &self.storage {
            Storage::Folder(folder) => folder.path().join("storage"),
            Storage::Bucket { .. } => panic!("a bucket is no folder"),
        }
    }

    /// What a program is told about registry and storage.
    fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![("ARTIFACT_STORE_DATABASE_URL", self.database_url.clone())];
        match &self.storage {
            Storage::Folder(_) => {
                variables.push(("ARTIFACT_STORE_STORAGE_URL", self.storage_url()));
            }
            Storage::Bucket { ceph, endpoint, .. } => variables.extend([
                ("ARTIFACT_STORE_STORAGE_URL", self.storage_url()),
                ("ARTIFACT_STORE_S3_ENDPOINT", endpoint.clone()),
                ("ARTIFACT_STORE_S3_ALLOW_HTTP", "true".to_owned()),
                ("ARTIFACT_STORE_S3_ACCESS_KEY_ID", ceph.access_key().to_owned()),
                ("ARTIFACT_STORE_S3_SECRET_ACCESS_KEY", ceph.secret_key().to_owned()),
            ]),
        }
        variables
    }

    pub(crate) fn replica(&self) -> Replica {
        let place = Place::new();
        let variables = self.variables();
        let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, &**value)).collect();
        let process = place.serve(&self.flags, &variables);
        let client = process.client;
        Replica { place, process: Some(process), client }
    }

    /// Several that begin at the same moment.
    pub(crate) fn replicas<const N: usize>(&self) -> [Replica; N] {
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

    /// Runs an operator's command on registry and storage.
    fn operate(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// An operator's command on registry and storage.
    fn command(&self, arguments: &[&str]) -> Command {
        let variables = self.variables();
        let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, &**value)).collect();
        Place::new().operator(arguments, &variables)
    }

    /// `migrate-storage` from here to there, with the settings of both.
    pub(crate) fn moving(&self, to: &Self) -> Command {
        let url = to.storage_url();
        let mut command = self.command(&["migrate-storage", "--to", &url]);
        let settings = [self, to].map(Self::variables).into_iter().flatten();
        command.envs(settings.filter(|(name, _)| name.contains("_S3_")));
        command
    }

    /// Asserts that every byte of every sealed package is there and right.
    #[track_caller]
    pub(crate) fn assert_clean(&self) {
        let verified = self.operate(&["verify"]);
        let said = String::from_utf8_lossy(&verified.stderr).into_owned();
        let found = String::from_utf8_lossy(&verified.stdout).into_owned();
        assert_eq!(verified.status.code(), Some(0), "{found}{said}");
    }

    /// The paths of a package's files as they lie in the bucket, at most a thousand.
    pub(crate) fn stored(&self, package: &Package) -> BTreeSet<String> {
        let Storage::Bucket { ceph, prefix, .. } = &self.storage else {
            panic!("a folder is no bucket");
        };
        let folder = format!("{prefix}/packages/{}/data/", package.id);
        let keys = ceph.keys(BUCKET, &folder);
        keys.iter().map(|key| key.strip_prefix(&folder).unwrap().to_owned()).collect()
    }

    /// The paths of a package's files of which the bucket has parts.
    pub(crate) fn in_parts(&self, package: &Package) -> Vec<String> {
        let Storage::Bucket { ceph, prefix, .. } = &self.storage else {
            panic!("a folder is no bucket");
        };
        let folder = format!("{prefix}/packages/{}/data/", package.id);
        let keys = ceph.unfinished(BUCKET);
        keys.iter().filter_map(|key| key.strip_prefix(&folder)).map(str::to_owned).collect()
    }
}

impl Replica {
    pub(crate) fn client(&self) -> Client {
        self.client
    }

    /// Asks it to stop, and answers how it ended.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        let mut process = self.process.take().unwrap();
        process.terminate();
        process.wait()
    }

    /// Kills it, with whatever it is doing.
    pub(crate) fn kill(mut self) {
        self.process.take().unwrap().kill();
    }

    /// The same package, asked for here.
    pub(crate) fn see(&self, package: &Package) -> Package {
        Package { client: self.client(), id: package.id.clone() }
    }

    pub(crate) fn package(&self) -> Package {
        self.client().package()
    }

    #[track_caller]
    pub(crate) fn assert_no_panic(&self) {
        let log = self.place.log();
        assert!(!log.contains("panicked"), "{log}");
    }
}

/// Asserts that a part of the server is away, in the words of the interface.
#[track_caller]
fn assert_away(answer: &Answer, code: &str) {
    assert_problem(answer, 503, code);
    let wait = answer.header("retry-after").expect("Retry-After");
    assert!(wait.parse::<u32>().is_ok_and(|seconds| seconds > 0), "{wait}");
    assert!(!answer.text().contains("127.0.0.1"), "{}", answer.text());
}

#[track_caller]
pub(crate) fn assert_no_registry(answer: &Answer) {
    assert_away(answer, "registry-unavailable");
}

#[track_caller]
pub(crate) fn assert_no_storage(answer: &Answer) {
    assert_away(answer, "storage-unavailable");
}

#[track_caller]
pub(crate) fn eventually_ready(client: Client, status: u16) {
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

/// The files of the manifest of a sealed package: path and size, in its order.
pub(crate) fn sealed_files(package: &Package) -> Vec<(String, u64)> {
    let manifest: Value = package.get("/manifest").json();
    let files = manifest["files"].as_array().expect("files");
    let file =
        |file: &Value| (file["path"].as_str().unwrap().to_owned(), file["size"].as_u64().unwrap());
    files.iter().map(file).collect()
}

/// How many audit events of this action a package has.
pub(crate) fn events(package: &Package, action: &str) -> usize {
    let events = package.get("/audit?limit=1000").json();
    events["items"].as_array().unwrap().iter().filter(|event| event["action"] == action).count()
}

/// Finalizes at several replicas at once, and answers the digest that all of them say.
#[track_caller]
pub(crate) fn sealed_once(packages: &[&Package]) -> String {
    let barrier = Barrier::new(packages.len());
    let sealed: Vec<Answer> = std::thread::scope(|scope| {
        let barrier = &barrier;
        let sealing: Vec<_> = packages
            .iter()
            .map(|package| {
                scope.spawn(move || {
                    barrier.wait();
                    package.finalize()
                })
            })
            .collect();
        sealing.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let mut digests: BTreeSet<String> = sealed
        .iter()
        .map(|answer| {
            assert_eq!(answer.status, 200, "{}", answer.text());
            answer.json()["manifest_sha256"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(digests.len(), 1, "{digests:?}");
    let manifests: BTreeSet<Vec<u8>> =
        packages.iter().map(|package| package.get("/manifest").body).collect();
    assert_eq!(manifests.len(), 1);
    assert_eq!(events(packages[0], "package.finalized"), 1);
    digests.pop_first().unwrap()
}

impl Drop for Replica {
    #[expect(clippy::print_stderr, reason = "the server's log says why a test failed")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.place.log());
        }
    }
}
