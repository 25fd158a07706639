//! A gateway with what the tests ask it all the time.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use artifact_store::Limits;
use artifact_testkit::TestServer;
use serde_json::{Value, json};

use crate::wire::{self, Answer, Wire};

pub(crate) const PACKAGES: &str = "/api/v1/packages";
const JSON: (&str, &str) = ("content-type", "application/json");

/// A gateway in this process.
pub(crate) struct Room {
    server: TestServer,
}

impl Room {
    pub(crate) fn new() -> Self {
        Self { server: TestServer::start() }
    }

    pub(crate) fn with_limits(limits: Limits) -> Self {
        Self { server: TestServer::with_limits(limits) }
    }

    /// A gateway that gives up on a sender who is silent for 300 milliseconds.
    pub(crate) fn impatient() -> Self {
        Self::with_limits(Limits { upload_idle: Duration::from_millis(300), ..Limits::default() })
    }

    pub(crate) fn client(&self) -> Client {
        Client { address: self.server.address() }
    }

    pub(crate) fn package(&self) -> Package {
        self.client().package()
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.server.data_dir()
    }

    /// The files of a package as they lie in the storage.
    pub(crate) fn stored(&self, package: &Package) -> Vec<PathBuf> {
        files_below(&self.data_dir().join("packages").join(&package.id))
    }

    /// Asserts that a refused upload left nothing: no record, no bytes of the package, no bytes
    /// that wait to be published, and nothing outside the store.
    #[track_caller]
    pub(crate) fn assert_nothing_stored(&self, package: &Package) {
        assert_eq!(package.paths(), [""; 0]);
        assert!(self.stored(package).is_empty(), "{:?}", self.stored(package));
        self.assert_nothing_staged();
        let data = self.data_dir();
        let beside = std::fs::read_dir(data.parent().unwrap()).unwrap();
        assert_eq!(beside.map(|entry| entry.unwrap().path()).collect::<Vec<_>>(), [data]);
    }

    /// Asserts that no bytes wait to be published. What a broken upload leaves goes right after
    /// its answer.
    #[track_caller]
    pub(crate) fn assert_nothing_staged(&self) {
        let staged = || staged(&self.data_dir());
        eventually(|| staged().is_empty(), || format!("left in staging: {:?}", staged()));
    }
}

/// Bytes that only their number matters of.
pub(crate) fn xs(count: usize) -> Vec<u8> {
    vec![b'x'; count]
}

/// Every file below a folder, in order; none if there is no folder.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            files.extend(files_below(&entry.path()));
        } else {
            files.push(entry.path());
        }
    }
    files.sort();
    files
}

/// The bytes in a data folder that wait to be published: those of uploads of which more
/// than a mebibyte has come.
pub(crate) fn staged(data: &Path) -> Vec<PathBuf> {
    let mut files = files_below(&data.join("staging"));
    files.retain(|file| file.extension().is_none_or(|end| end != "lock"));
    files
}

/// Waits until something is so, for thirty seconds at most.
#[track_caller]
pub(crate) fn eventually(mut is_so: impl FnMut() -> bool, otherwise: impl FnOnce() -> String) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(30), "{}", otherwise());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Asserts that an answer is a problem document with this status and code that repeats the
/// request's id, and gives it back.
#[track_caller]
pub(crate) fn assert_problem(answer: &Answer, status: u16, code: &str) -> Value {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let problem = answer.json();
    assert_eq!(problem["code"], code, "{problem}");
    assert_eq!(problem["status"], status);
    assert_eq!(problem["type"], format!("/problems/{code}"));
    assert_eq!(problem["request_id"].as_str(), answer.header("x-request-id"));
    for member in ["title", "detail"] {
        assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "{problem}");
    }
    problem
}

/// Somebody who talks to a gateway.
#[derive(Clone, Copy)]
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
}

impl Client {
    pub(crate) fn connect(self) -> Wire {
        Wire::connect(self.address)
    }

    pub(crate) fn send(
        self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        wire::exchange(self.address, &wire::request(method, target, headers, body))
    }

    pub(crate) fn get(self, target: &str) -> Answer {
        self.send("GET", target, &[], b"")
    }

    pub(crate) fn post(self, target: &str, body: &Value) -> Answer {
        self.send("POST", target, &[JSON], body.to_string().as_bytes())
    }

    /// Sends a JSON body that need not be JSON.
    pub(crate) fn post_raw(self, target: &str, body: &[u8]) -> Answer {
        self.send("POST", target, &[JSON], body)
    }

    pub(crate) fn package(self) -> Package {
        self.package_of(&json!({"producer": "ci"}))
    }

    pub(crate) fn package_of(self, request: &Value) -> Package {
        let answer = self.post(PACKAGES, request);
        assert_eq!(answer.status, 201, "{}", answer.text());
        Package { client: self, id: answer.json()["id"].as_str().unwrap().to_owned() }
    }
}

/// One package of a gateway.
#[derive(Clone)]
pub(crate) struct Package {
    pub(crate) client: Client,
    pub(crate) id: String,
}

impl Package {
    /// The URL path of the package with `rest` behind it: `/files`, `/finalize`, nothing.
    pub(crate) fn at(&self, rest: &str) -> String {
        format!("{PACKAGES}/{}{rest}", self.id)
    }

    /// The URL path of a file whose path is written as it is to be sent.
    pub(crate) fn file(&self, raw: &str) -> String {
        self.at(&format!("/files/{raw}"))
    }

    pub(crate) fn get(&self, rest: &str) -> Answer {
        self.client.get(&self.at(rest))
    }

    pub(crate) fn post(&self, rest: &str, body: &Value) -> Answer {
        self.client.post(&self.at(rest), body)
    }

    pub(crate) fn put(&self, raw: &str, body: &[u8]) -> Answer {
        self.put_with(raw, &[], body)
    }

    pub(crate) fn put_with(&self, raw: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.client.send("PUT", &self.file(raw), headers, body)
    }

    /// Uploads what has to work.
    #[track_caller]
    pub(crate) fn upload(&self, raw: &str, body: &[u8]) {
        let answer = self.put(raw, body);
        assert_eq!(answer.status, 201, "{}", answer.text());
    }

    pub(crate) fn read(&self, raw: &str) -> Answer {
        self.client.get(&self.file(raw))
    }

    pub(crate) fn finalize(&self) -> Answer {
        self.client.send("POST", &self.at("/finalize"), &[], b"")
    }

    /// The items of the list of files, at most 1000.
    pub(crate) fn files(&self) -> Vec<Value> {
        let answer = self.get("/files?limit=1000");
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["items"].as_array().unwrap().clone()
    }

    pub(crate) fn paths(&self) -> Vec<String> {
        self.files().iter().map(|file| file["path"].as_str().unwrap().to_owned()).collect()
    }

    /// Asserts that nobody holds a path: it can be uploaded.
    #[track_caller]
    pub(crate) fn assert_free(&self, raw: &str) {
        self.upload(raw, b"now it works");
        assert_eq!(self.read(raw).body, b"now it works");
        assert_eq!(self.client.send("DELETE", &self.file(raw), &[], b"").status, 204);
    }

    /// The same, where the server may need a moment to see that the sender is gone.
    #[track_caller]
    pub(crate) fn assert_soon_free(&self, raw: &str) {
        let mut last = None;
        eventually(
            || {
                let answer = self.put(raw, b"now it works");
                let is_stored = answer.status == 201;
                last = Some(answer.text());
                is_stored
            },
            || format!("{raw} stays locked"),
        );
        assert_eq!(self.read(raw).body, b"now it works");
        assert_eq!(self.client.send("DELETE", &self.file(raw), &[], b"").status, 204);
    }
}
