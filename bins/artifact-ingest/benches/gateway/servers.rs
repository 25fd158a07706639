//! The servers that are compared, each a process on a free port of 127.0.0.1.

use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
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

    fn started(process: Child, address: SocketAddr) -> io::Result<Self> {
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

fn free_port() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

/// nginx with WebDAV PUT and sendfile.
pub(crate) struct Nginx;

impl Nginx {
    pub(crate) fn start(folder: &Path) -> io::Result<Server> {
        let address = free_port()?;
        let (root, temporary) = (folder.join("root"), folder.join("temporary"));
        fs::create_dir_all(&root)?;
        fs::create_dir_all(&temporary)?;
        let configuration = folder.join("nginx.conf");
        let (root, temporary, folder) = (root.display(), temporary.display(), folder.display());
        fs::write(
            &configuration,
            format!(
                "user root; worker_processes 2; daemon off; pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off; sendfile on; tcp_nopush on; keepalive_requests 10000000;
    client_max_body_size 0; client_body_temp_path {temporary};
    proxy_temp_path {temporary}/p; fastcgi_temp_path {temporary}/f;
    uwsgi_temp_path {temporary}/u; scgi_temp_path {temporary}/s;
    server {{
        listen {address}; root {root};
        location / {{ dav_methods PUT; create_full_put_path on; dav_access user:rw; }}
    }}
}}
"
            ),
        )?;
        let process = Command::new("nginx").arg("-c").arg(&configuration).spawn()?;
        Server::started(process, address)
    }
}

/// dufs, if it is installed. It serves the folder `root` of the folder that it is given.
pub(crate) struct Dufs;

impl Dufs {
    pub(crate) fn start(folder: &Path) -> io::Result<Option<Server>> {
        let address = free_port()?;
        let root = folder.join("root");
        fs::create_dir_all(&root)?;
        let process = Command::new("dufs")
            .args(["--allow-all", "--bind", "127.0.0.1", "--log-format", "", "--port"])
            .arg(address.port().to_string())
            .arg(&root)
            .stdout(Stdio::null())
            .spawn();
        match process {
            Ok(process) => Server::started(process, address).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The gateway as it is by default, its log thrown away.
pub(crate) struct Gateway {
    server: Server,
}

impl Gateway {
    pub(crate) fn start(folder: &Path) -> io::Result<Self> {
        let ingest = Path::new(env!("CARGO_BIN_EXE_artifact-ingest"));
        let program = ingest.with_file_name("artifact-server");
        let mut process = Command::new(&program)
            .arg("--data-dir")
            .arg(folder.join("data"))
            .args(["serve", "--bind", "127.0.0.1:0"])
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
