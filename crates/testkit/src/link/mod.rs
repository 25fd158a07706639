//! Links to engines and servers that can be made to fail.
//!
//! | module | holds |
//! | --- | --- |
//! | `fault` | what a link does to requests, and to which |
//! | `http` | a connection whose requests are told apart |
//! | `raw` | a connection of any protocol, and several targets in turn |

mod fault;
mod http;
mod raw;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

pub use fault::Fault;
use fault::Rules;

use crate::keeper::free_port;

/// A port of 127.0.0.1 that passes bytes on to an engine or a server, until it is told otherwise.
/// It ends when it is dropped, and every connection with it.
///
/// Bytes are never changed: S3 requests stay signed for the host and port that the client used,
/// which are the link's.
#[derive(Debug)]
pub struct FaultyLink {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What the connections of a link look at.
#[derive(Debug)]
struct Shared {
    targets: Vec<SocketAddr>,
    next_target: AtomicUsize,
    rules: Rules,
    state: watch::Sender<State>,
}

/// What a link does to connections, whatever they carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Connections are made and passed on.
    Open,
    /// Nobody listens, and the connections that were there are cut.
    Refusing,
    /// Connections are made, and not one byte goes on, in either direction.
    Stalled,
    /// The link is being dropped.
    Over,
}

#[derive(Debug, Clone, Copy)]
enum Protocol {
    Http,
    Raw,
}

impl FaultyLink {
    /// A link to whoever speaks HTTP at `host:port`; `http://` may stand before it.
    ///
    /// # Panics
    /// It is no address, or no port is free.
    pub fn to_http(target: &str) -> Self {
        let address = target.strip_prefix("http://").unwrap_or(target).parse();
        let address = address.unwrap_or_else(|error| panic!("{target}: {error}"));
        Self::start(vec![address], Protocol::Http)
    }

    /// A link to whoever is at this address, whatever they speak: it knows no requests, so that
    /// only whole connections can fail.
    ///
    /// # Panics
    /// No port is free.
    pub fn to(target: SocketAddr) -> Self {
        Self::start(vec![target], Protocol::Raw)
    }

    /// A balancer: each connection goes to the next of these, or to one after it if that one does
    /// not take it.
    ///
    /// # Panics
    /// No port is free.
    pub fn balancing(targets: &[SocketAddr]) -> Self {
        Self::start(targets.to_vec(), Protocol::Raw)
    }

    fn start(targets: Vec<SocketAddr>, protocol: Protocol) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let shared = Arc::new(Shared {
            targets,
            next_target: AtomicUsize::new(0),
            rules: Rules::default(),
            state: watch::channel(State::Refusing).0,
        });
        let run = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.unwrap_or_else(|error| panic!("a runtime: {error}"));
            runtime.block_on(keep(address, &run, protocol));
        });
        let link = Self { address, shared, thread: Some(thread) };
        link.set(State::Open);
        link.wait_until_listening();
        link
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens: `http://127.0.0.1:<port>`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Passes everything on again. Connections that were cut stay cut.
    pub fn mend(&self) {
        self.shared.rules.clear();
        let was = *self.shared.state.borrow();
        self.set(State::Open);
        if was != State::Stalled {
            self.wait_until_listening();
        }
    }

    /// Cuts every connection and refuses new ones.
    pub fn refuse(&self) {
        self.set(State::Refusing);
        while std::net::TcpStream::connect(self.address).is_ok() {
            std::thread::yield_now();
        }
    }

    /// Passes not one byte on, until it is mended; then all of them.
    pub fn stall(&self) {
        self.set(State::Stalled);
    }

    /// Does this to every request whose first line (`PUT /bucket/key HTTP/1.1`) contains `words`,
    /// until it is mended. What was said last holds.
    pub fn every(&self, words: &str, fault: Fault) {
        self.shared.rules.add(words, fault, usize::MAX);
    }

    /// Does this to the next `count` requests whose first line contains `words`.
    pub fn next(&self, count: usize, words: &str, fault: Fault) {
        self.shared.rules.add(words, fault, count);
    }

    /// How many requests a fault has met since the link was made.
    pub fn met(&self) -> usize {
        self.shared.rules.met()
    }

    fn set(&self, state: State) {
        self.shared.state.send_replace(state);
    }

    fn wait_until_listening(&self) {
        while std::net::TcpStream::connect(self.address).is_err() {
            std::thread::yield_now();
        }
    }
}

impl Drop for FaultyLink {
    fn drop(&mut self) {
        self.set(State::Over);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Listens while the link is open.
async fn keep(address: SocketAddr, shared: &Arc<Shared>, protocol: Protocol) {
    let mut state = shared.state.subscribe();
    loop {
        let listening = state
            .wait_for(|state| matches!(state, State::Open | State::Stalled | State::Over))
            .await;
        if listening.is_err() || matches!(listening.as_deref(), Ok(State::Over)) {
            return;
        }
        drop(listening);
        let listener = listen(address);
        loop {
            let closed = state.wait_for(|state| matches!(state, State::Refusing | State::Over));
            tokio::select! {
                accepted = listener.accept() => if let Ok((client, _)) = accepted {
                    tokio::spawn(connection(client, Arc::clone(shared), protocol));
                },
                _ = closed => break,
            }
        }
    }
}

fn listen(address: SocketAddr) -> TcpListener {
    let listening = || {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(1024)
    };
    listening().unwrap_or_else(|error| panic!("{address}: {error}"))
}

/// One connection, until it ends or the link is closed under it.
async fn connection(client: TcpStream, shared: Arc<Shared>, protocol: Protocol) {
    let mut state = shared.state.subscribe();
    let passing = async {
        shared.passes().await;
        let Some(server) = shared.connect().await else { return };
        let _ = client.set_nodelay(true);
        let _ = server.set_nodelay(true);
        match protocol {
            Protocol::Http => http::pass(client, server, &shared).await,
            Protocol::Raw => raw::pass(client, server, &shared).await,
        }
    };
    tokio::select! {
        () = passing => {}
        _ = state.wait_for(|state| matches!(state, State::Refusing | State::Over)) => {}
    }
}

impl Shared {
    /// Waits while the link is stalled.
    async fn passes(&self) {
        let _ = self.state.subscribe().wait_for(|state| *state != State::Stalled).await;
    }

    /// A connection to the next target that takes one.
    async fn connect(&self) -> Option<TcpStream> {
        for _ in &self.targets {
            let next = self.next_target.fetch_add(1, Ordering::Relaxed) % self.targets.len();
            if let Ok(server) = TcpStream::connect(self.targets[next]).await {
                return Some(server);
            }
        }
        None
    }
}
