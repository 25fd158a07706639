//! The servers that the gateway is compared with, each a process on a free port of 127.0.0.1.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::gateway::Server;

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
        location = /healthz {{ return 200; }}
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
