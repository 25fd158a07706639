//! A process that keeps an engine, and outlives the tests to end it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use tempfile::TempDir;

/// A shell that has started an engine in a folder of its own and obeys one line after the other.
///
/// When its standard input ends, it stops the engine and removes the folder. That happens when the
/// keeper is dropped, and by the kernel's hand when this process ends, in whatever way: statics
/// are not dropped, and a killed process drops nothing. (`PR_SET_PDEATHSIG` would not do: it tells
/// of the end of the thread that started the engine, and each test has a thread of its own.)
#[derive(Debug)]
pub(crate) struct Keeper {
    engine: &'static str,
    folder: PathBuf,
    shell: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Keeper {
    /// Starts the engine that the script keeps, with these variables.
    ///
    /// # Panics
    /// It is not installed, or it does not start.
    #[expect(clippy::expect_used, reason = "a test that cannot go on has failed")]
    pub(crate) fn start(engine: &'static str, script: &str, variables: &[(&str, String)]) -> Self {
        let folder = TempDir::with_prefix(format!("artifact-{engine}-")).expect("a folder").keep();
        let mut shell = Command::new("bash")
            .args(["-c", &format!("{script}\n{}", include_str!("keeper.sh"))])
            .env("folder", &folder)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            // Of its own, so that a Ctrl-C that ends the tests leaves somebody to clean up.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Who waits for the end of the tests' output does not wait for the engine's.
            .stderr(Stdio::null())
            .spawn()
            .expect("bash");
        let orders = shell.stdin.take();
        let answers = BufReader::new(shell.stdout.take().expect("a pipe"));
        let mut keeper = Self { engine, folder, shell, orders, answers };
        keeper.order("start");
        keeper
    }

    /// Has an order carried out.
    ///
    /// # Panics
    /// It fails.
    pub(crate) fn order(&mut self, order: &str) {
        if let Err(reason) = self.attempt(order) {
            panic!("{}: {order}: {reason}", self.engine);
        }
    }

    /// Has an order carried out, or says why it failed.
    pub(crate) fn attempt(&mut self, order: &str) -> Result<(), String> {
        let mut answer = String::new();
        let orders = self.orders.as_mut().ok_or("the keeper is gone")?;
        writeln!(orders, "{order}")
            .and_then(|()| self.answers.read_line(&mut answer))
            .map_err(|error| format!("the keeper does not answer: {error}"))?;
        match answer.trim_end() {
            "done" => Ok(()),
            "missing" => {
                Err("not installed: `just setup-engines` installs it on Debian".to_owned())
            }
            _ => {
                let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                let last: Vec<&str> = log.lines().rev().take(20).collect();
                Err(format!(
                    "it failed:\n{}",
                    last.into_iter().rev().collect::<Vec<_>>().join("\n")
                ))
            }
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.orders.take());
        let _ = self.shell.wait();
    }
}

/// A port that nobody listens at. It lies below those that the kernel gives to clients, so that
/// none of them has it while an engine is stopped for a moment.
///
/// # Panics
/// There is none.
pub(crate) fn free_port() -> u16 {
    use std::hash::{BuildHasher as _, RandomState};
    let anywhere = RandomState::new().hash_one(std::process::id());
    let range = 15_000..32_000_u16;
    let first = anywhere % u64::from(range.end - range.start);
    let mut ports = range.clone().cycle().skip(usize::try_from(first).unwrap_or(0)).take(1000);
    ports
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .unwrap_or_else(|| panic!("no port of {range:?} is free"))
}
