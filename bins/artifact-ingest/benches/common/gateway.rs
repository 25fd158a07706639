//! The gateway as a process on a free port of 127.0.0.1.

use std::io::{self, BufRead as _, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A process that serves, ended when it is dropped.
pub(crate) struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn started(process: Child, address: SocketAddr) -> io::Result<Self> {
        let server = Self { process, address };
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            if begun.elapsed() > Duration::from_secs(10) {
                return Err(io::Error::other(format!("nothing listens on {address}")));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // nginx ends its workers with it when it is asked; the others hold nothing back.
        let pid = self.process.id().to_string();
        let _ = Command::new("kill").arg(pid).status();
        let _ = self.process.wait();
    }
}

/// The gateway as it is by default, its log thrown away.
pub(crate) struct Gateway {
    server: Server,
}

impl Gateway {
    /// On the embedded default below `folder`.
    pub(crate) fn start(folder: &Path) -> io::Result<Self> {
        Self::start_with(folder, &[])
    }

    /// With settings beside the data folder.
    pub(crate) fn start_with(folder: &Path, settings: &[(&str, String)]) -> io::Result<Self> {
        let ingest = Path::new(env!("CARGO_BIN_EXE_artifact-ingest"));
        let program = ingest.with_file_name("artifact-server");
        let mut process = Command::new(&program)
            .arg("--data-dir")
            .arg(folder.join("data"))
            .args(["serve", "--bind", "127.0.0.1:0"])
            .envs(settings.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| io::Error::other(format!("{}: {error}", program.display())))?;
        let mut line = String::new();
        if let Some(stdout) = process.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let address =
            line.trim().strip_prefix("listening on http://").and_then(|it| it.parse().ok());
        let address = address.ok_or_else(|| io::Error::other(format!("{line:?} is no address")))?;
        Ok(Self { server: Server::started(process, address)? })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address
    }

    pub(crate) fn pid(&self) -> u32 {
        self.server.process.id()
    }

    /// Ingests a directory through the gateway and answers the package's id.
    pub(crate) fn ingest(&self, source: &Path) -> io::Result<String> {
        let output = Command::new(env!("CARGO_BIN_EXE_artifact-ingest"))
            .arg("directory")
            .arg(source)
            .args(["--producer", "bench", "--quiet", "--server"])
            .arg(format!("http://{}", self.address()))
            .stderr(Stdio::inherit())
            .output()?;
        if !output.status.success() {
            return Err(io::Error::other(format!("the ingest ended with {}", output.status)));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}
