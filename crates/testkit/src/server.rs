//! A gateway in this process.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use artifact_server::gateway::{Gateway, Settings};
use artifact_store::{ArtifactStore, Limits, StoreOptions};
use tempfile::TempDir;
use tokio::sync::oneshot;

/// A gateway on a free port of 127.0.0.1 over an embedded store in a temporary folder. Dropping it
/// stops it and removes the folder.
#[derive(Debug)]
pub struct TestServer {
    address: SocketAddr,
    store: ArtifactStore,
    folder: TempDir,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl TestServer {
    /// Starts a gateway with the default limits.
    ///
    /// # Panics
    /// It cannot be started.
    pub fn start() -> Self {
        Self::with_limits(Limits::default())
    }

    /// Starts a gateway whose store has these limits.
    ///
    /// # Panics
    /// It cannot be started.
    #[expect(clippy::expect_used, reason = "a test that cannot go on has failed")]
    pub fn with_limits(limits: Limits) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let mut options = StoreOptions::embedded(folder.path().join("store"));
        options.limits = limits;
        let (stop, stopped) = oneshot::channel::<()>();
        let (started, starting) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let store = ArtifactStore::open(&options).await.expect("a new store");
                let settings = Settings {
                    public_url: String::new(),
                    max_file_bytes: limits.file_bytes,
                    upload_idle: limits.upload_idle,
                    shutdown: Duration::from_secs(1),
                };
                let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
                let stop = async move {
                    // The sender is dropped with the test server: that is the signal too.
                    let _ = stopped.await;
                };
                let gateway =
                    Gateway::bind(store.clone(), settings, &[any_port]).expect("a free port");
                started.send((gateway.addresses()[0], store)).expect("a waiting test");
                gateway.serve(stop).await.expect("a gateway that ends in peace");
            });
        });
        let (address, store) = starting.recv().expect("a gateway that starts");
        Self { address, store, folder, stop: Some(stop), thread: Some(thread) }
    }

    /// Where it listens: `http://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The store behind it.
    pub const fn store(&self) -> &ArtifactStore {
        &self.store
    }

    /// The folder of the store behind it.
    pub fn data_dir(&self) -> std::path::PathBuf {
        self.folder.path().join("store")
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
