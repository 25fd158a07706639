//! A line to a server that breaks as it is told.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What happens on one connection.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// It breaks after so many bytes to the server.
    CutUp(usize),
    /// Nothing moves any more, either way, after so many bytes to the server.
    StallUp(usize),
    /// It breaks after so many bytes from the server; 0: as the first one comes.
    CutDown(usize),
    /// Nothing moves any more, either way, after so many bytes from the server.
    StallDown(usize),
}

/// A line to a server. The first connections suffer the faults, one each; all others are sound.
pub(crate) struct Line {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Line {
    pub(crate) async fn to(server: SocketAddr, faults: impl IntoIterator<Item = Fault>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let faults = Mutex::new(faults.into_iter().collect::<Vec<_>>().into_iter());
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::Relaxed);
                let fault = faults.lock().unwrap().next();
                tokio::spawn(async move {
                    let far = TcpStream::connect(server).await.unwrap();
                    carry(near, far, fault).await;
                });
            }
        });
        Self { address, connections }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many connections were made.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

async fn carry(mut near: TcpStream, mut far: TcpStream, fault: Option<Fault>) {
    let (from_near, to_near) = near.split();
    let (from_far, to_far) = far.split();
    let (up, down) = match fault {
        Some(Fault::CutUp(limit)) => (Some((limit, true)), None),
        Some(Fault::StallUp(limit)) => (Some((limit, false)), None),
        Some(Fault::CutDown(limit)) => (None, Some((limit, true))),
        Some(Fault::StallDown(limit)) => (None, Some((limit, false))),
        None => (None, None),
    };
    let frozen = AtomicBool::new(false);
    // Whatever ends first ends both.
    tokio::select! {
        () = copy(from_near, to_far, up, &frozen) => {}
        () = copy(from_far, to_near, down, &frozen) => {}
    }
}

/// Carries bytes until the end, or until the limit is reached.
async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    limit: Option<(usize, bool)>,
    frozen: &AtomicBool,
) {
    let (mut carried, mut buffer) = (0, vec![0; 16 * 1024]);
    loop {
        let Ok(read @ 1..) = from.read(&mut buffer).await else { return };
        if frozen.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        let passes = limit.map_or(read, |(limit, _)| read.min(limit - carried));
        if to.write_all(&buffer[..passes]).await.is_err() {
            return;
        }
        carried += passes;
        match limit {
            Some((limit, true)) if carried == limit => {
                let _ = to.flush().await;
                return;
            }
            Some((limit, false)) if carried == limit => {
                frozen.store(true, Ordering::Relaxed);
                std::future::pending::<()>().await;
            }
            _ => {}
        }
    }
}
