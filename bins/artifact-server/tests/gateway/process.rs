//! The program itself, for what a gateway in this process cannot show.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::room::Client;

/// A folder for a store, and what the program logged there.
pub(crate) struct Place {
    folder: TempDir,
}

/// A server that runs until it is stopped or dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) client: Client,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// What was logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    fn command(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
        let mut command = self.program(variables);
        command.arg("serve").args(arguments);
        command
    }

    fn program(&self, variables: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_artifact-server"));
        command.env_clear().envs(variables.iter().copied());
        command.arg("--data-dir").arg(self.data_dir());
        command
    }

    /// Another command of the program than `serve`.
    #[allow(dead_code, reason = "for the tests of engines, which share this")]
    pub(crate) fn operator(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
        let mut command = self.program(variables);
        command.args(arguments);
        command
    }

    /// Runs what is expected to end by itself.
    pub(crate) fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        self.command(arguments, variables).output().unwrap()
    }

    /// Serves on a free port.
    pub(crate) fn serve(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Process {
        let arguments = [&["--bind", "127.0.0.1:0"], arguments].concat();
        self.serve_there(&arguments, variables)
    }

    /// Serves on the address that the arguments name.
    pub(crate) fn serve_there(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Process {
        let log = File::create(self.folder.path().join("log")).unwrap();
        let mut command = self.command(arguments, variables);
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://");
        let address: SocketAddr =
            address.unwrap_or_else(|| panic!("{}", self.log())).parse().unwrap();
        let host = if address.ip().is_unspecified() { [127, 0, 0, 1].into() } else { address.ip() };
        Process { child, client: Client { address: SocketAddr::new(host, address.port()) } }
    }
}

impl Process {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to stop.
    pub(crate) fn terminate(&self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }

    /// Kills it.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// How it ended, which it has to do soon.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "it does not stop");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
