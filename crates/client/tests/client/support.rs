//! What the tests have in common.

use std::time::Duration;

use artifact_client::{Client, ClientError, ClientOptions, NewFile, Retries};
use artifact_domain::wire::{CreatePackage, ExtendRetention, FinalizePackage, PackageView};
use artifact_domain::{LogicalPath, PackageId};
use artifact_store::Limits;
use artifact_testkit::TestServer;
use bytes::Bytes;

/// How long a silent line is waited for: long enough for a busy machine.
pub(crate) const IDLE: Duration = Duration::from_secs(1);

/// Options that lose no time.
pub(crate) fn options() -> ClientOptions {
    ClientOptions {
        idle_timeout: IDLE,
        answer_timeout: 5 * IDLE,
        retries: Retries {
            attempts: 4,
            first_pause: Duration::from_millis(10),
            longest_pause: Duration::from_secs(2),
            total: Duration::from_secs(30),
        },
        ..ClientOptions::default()
    }
}

pub(crate) fn client(url: &str) -> Client {
    Client::new(url, options()).unwrap()
}

pub(crate) fn path(text: &str) -> LogicalPath {
    text.parse().unwrap()
}

pub(crate) fn new_file(text: &str) -> NewFile {
    NewFile::new(path(text))
}

pub(crate) fn request(json: &str) -> CreatePackage {
    serde_json::from_str(json).unwrap()
}

pub(crate) fn extend(json: &str) -> ExtendRetention {
    serde_json::from_str(json).unwrap()
}

/// A package that nobody has, for servers that have none.
pub(crate) fn some_id() -> PackageId {
    "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap()
}

pub(crate) async fn open_package(server: &TestServer) -> PackageView {
    client(&server.url()).create_package(&request(r#"{"producer":"ci"}"#)).await.unwrap()
}

/// A sealed package that may be deleted at once.
pub(crate) async fn expired_package(server: &TestServer) -> PackageView {
    let client = client(&server.url());
    let class = "passing".parse().unwrap();
    let no_days = serde_json::from_str(r#"{"period_days":0}"#).unwrap();
    client.put_retention_class(&class, &no_days).await.unwrap();
    let create = request(r#"{"producer":"ci","retention_class":"passing"}"#);
    let id = client.create_package(&create).await.unwrap().id;
    client.upload_bytes(id, new_file("f"), "x").await.unwrap();
    client.finalize(id, &FinalizePackage::default()).await.unwrap()
}

/// A server that gives an upload up soon after it fell silent.
pub(crate) fn impatient_server() -> TestServer {
    TestServer::with_limits(Limits { upload_idle: IDLE, ..Limits::default() })
}

/// Bytes that are not all the same.
pub(crate) fn bytes(size: usize) -> Bytes {
    (0..size).map(|at| u8::try_from(at * 31 % 251).unwrap()).collect()
}

/// A body that can be made again, in chunks of `size`.
pub(crate) fn body(
    bytes: &Bytes,
    size: usize,
) -> impl Fn() -> futures::stream::Iter<std::vec::IntoIter<Result<Bytes, ClientError>>> + use<> {
    let chunks: Vec<Bytes> = bytes.chunks(size).map(Bytes::copy_from_slice).collect();
    move || futures::stream::iter(chunks.iter().cloned().map(Ok).collect::<Vec<_>>())
}
