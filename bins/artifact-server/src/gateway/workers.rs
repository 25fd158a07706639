//! The threads that serve.
//!
//! Each has a listener of its own at every address, and the system spreads connections over them.
//! A thread that accepts for all would have to wake another one for each connection. The system
//! spreads by chance, so a worker that has far more connections than another passes the next one
//! on.

use std::cmp::max;
use std::future::{Future, poll_fn};
use std::io;
use std::mem;
use std::net;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::thread::{self, available_parallelism};
use std::time::Duration;

use actix_service::{Service, ServiceFactory};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{self, LocalOptions, LocalRuntime};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::spawn_local;
use tokio::time;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::doors;

/// The most threads for what blocks, of all workers together.
const BLOCKING_THREADS: usize = 512;

/// How long a worker accepts nothing after the system had no descriptor left for a connection.
const NO_DESCRIPTORS: Duration = Duration::from_millis(500);

/// Serves the connections of these listeners, each worker with a service of its own, until `stop`
/// is done. `stopping` says so to what runs then, which has `patience` to finish.
///
/// # Errors
/// The workers could not be started.
pub(super) async fn serve<F, S>(
    listeners: Vec<net::TcpListener>,
    factory: F,
    stopping: CancellationToken,
    stop: impl Future<Output = ()>,
    patience: Duration,
) -> io::Result<()>
where
    F: Fn() -> S + Clone + Send + 'static,
    S: ServiceFactory<TcpStream, Config = ()>,
    S::Service: 'static,
{
    let count = available_parallelism().map_or(2, usize::from);
    let (desks, inboxes): (Vec<_>, Vec<_>) = (0..count).map(|_| Desk::new()).unzip();
    let desks: Arc<[Desk]> = desks.into();
    let (ready, mut started) = mpsc::unbounded_channel();
    // Nothing is ever sent: the last worker that ends closes it.
    let (over, mut all_over) = mpsc::channel::<()>(1);
    for (index, inbox) in inboxes.into_iter().enumerate() {
        // The first worker has the listeners that are there already: those that nobody accepts at
        // would keep their share of the connections waiting.
        let own: io::Result<_> = match index {
            0 => listeners.iter().map(net::TcpListener::try_clone).collect(),
            _ => listeners.iter().map(doors::one_more).collect(),
        };
        let worker = Worker {
            index,
            desks: Arc::clone(&desks),
            listeners: own?,
            inbox,
            stopping: stopping.clone(),
            patience,
        };
        let (factory, ready, over) = (factory.clone(), ready.clone(), over.clone());
        let work = move || {
            match local_runtime(count) {
                Ok(runtime) => {
                    runtime.block_on(async { worker.run(&factory(), ready).await });
                    // What blocks by now may not end, see `commands::serve`.
                    runtime.shutdown_background();
                }
                Err(error) => drop(ready.send(Err(error))),
            }
            drop(over);
        };
        thread::Builder::new().name(format!("worker {index}")).spawn(work)?;
    }
    drop((listeners, ready, over));
    for _ in 0..count {
        let died = || Err(io::Error::other("a worker did not start"));
        started.recv().await.unwrap_or_else(died)?;
    }
    stop.await;
    stopping.cancel();
    all_over.recv().await;
    Ok(())
}

fn local_runtime(workers: usize) -> io::Result<LocalRuntime> {
    runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(max(BLOCKING_THREADS / workers, 1))
        .build_local(LocalOptions::default())
}

/// A worker as the others see it.
struct Desk {
    connections: AtomicUsize,
    passed_on: UnboundedSender<Passed>,
}

/// A connection for another worker.
struct Passed {
    stream: net::TcpStream,
    counted: Counted,
}

impl Desk {
    fn new() -> (Self, UnboundedReceiver<Passed>) {
        let (passed_on, inbox) = mpsc::unbounded_channel();
        (Self { connections: AtomicUsize::new(0), passed_on }, inbox)
    }

    fn load(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

/// What a thread begins with.
struct Worker {
    index: usize,
    desks: Arc<[Desk]>,
    listeners: Vec<net::TcpListener>,
    inbox: UnboundedReceiver<Passed>,
    stopping: CancellationToken,
    patience: Duration,
}

impl Worker {
    async fn run<S>(self, factory: &S, ready: UnboundedSender<io::Result<()>>)
    where
        S: ServiceFactory<TcpStream, Config = ()>,
        S::Service: 'static,
    {
        let begun = async {
            let made = factory.new_service(()).await;
            let service = made.map_err(|_| io::Error::other("a worker got no service"))?;
            let listeners: io::Result<Vec<_>> =
                self.listeners.into_iter().map(TcpListener::from_std).collect();
            Ok::<_, io::Error>((service, listeners?))
        };
        let (service, listeners) = match begun.await {
            Ok(begun) => begun,
            Err(error) => return drop(ready.send(Err(error))),
        };
        let room = Rc::new(Room {
            index: self.index,
            desks: self.desks,
            service,
            running: TaskTracker::new(),
        });
        // Sent before the last sender is gone, or whoever waits takes it for a worker that died.
        let _ = ready.send(Ok(()));
        drop(ready);
        let accepting: Vec<_> = listeners
            .into_iter()
            .map(|listener| spawn_local(Rc::clone(&room).accept(listener)))
            .collect();
        let mut inbox = self.inbox;
        loop {
            tokio::select! {
                () = self.stopping.cancelled() => break,
                Some(Passed { stream, counted }) = inbox.recv() => {
                    if let Ok(stream) = TcpStream::from_std(stream) {
                        room.keep(stream, counted);
                    }
                }
            }
        }
        for task in accepting {
            task.abort();
        }
        room.running.close();
        let _ = time::timeout(self.patience, room.running.wait()).await;
    }
}

/// Where the connections of one worker are served.
struct Room<S> {
    index: usize,
    desks: Arc<[Desk]>,
    service: S,
    running: TaskTracker,
}

impl<S: Service<TcpStream> + 'static> Room<S> {
    async fn accept(self: Rc<Self>, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    self.keep_or_pass_on(stream);
                    // Its request is there mostly; to look for another connection can wait.
                    after_the_others().await;
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::error!("no connection can be accepted: {error}");
                    time::sleep(NO_DESCRIPTORS).await;
                }
            }
        }
    }

    fn keep_or_pass_on(self: &Rc<Self>, stream: TcpStream) {
        let load = |index: usize| self.desks[index].load();
        let mine = load(self.index);
        let lightest = (0..self.desks.len()).min_by_key(|index| load(*index));
        let index = lightest.filter(|index| outweighs(mine, load(*index))).unwrap_or(self.index);
        // Counted now: until the other one wakes, more may come that it would seem to have room for.
        let counted = Counted::new(&self.desks, index);
        if index == self.index {
            self.keep(stream, counted);
        } else if let Ok(stream) = stream.into_std() {
            let _ = self.desks[index].passed_on.send(Passed { stream, counted });
        }
    }

    fn keep(self: &Rc<Self>, stream: TcpStream, counted: Counted) {
        let connection = self.service.call(stream);
        spawn_local(self.running.track_future(async move {
            // How it ended is in the log of its requests.
            let _ = connection.await;
            drop(counted);
        }));
    }
}

/// A connection that its worker counts for as long as this lives.
struct Counted {
    desks: Arc<[Desk]>,
    index: usize,
}

impl Counted {
    fn new(desks: &Arc<[Desk]>, index: usize) -> Self {
        desks[index].connections.fetch_add(1, Ordering::Relaxed);
        Self { desks: Arc::clone(desks), index }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.desks[self.index].connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Has every task run first that is ready by now. (The runtime's own `yield_now` would ask the
/// system for news before.)
async fn after_the_others() {
    let mut waited = false;
    poll_fn(|context| {
        if mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Whether a worker with `mine` connections passes the next one on to a worker with `other`. Passing
/// on costs about as much as accepting, so up to twice as many is let be.
const fn outweighs(mine: usize, other: usize) -> bool {
    mine > 2 * other
}

/// Whether the connection failed that was to be accepted, and not the accepting of any.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::io::Read as _;
    use std::sync::Mutex;
    use std::thread::ThreadId;

    use actix_service::fn_service;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::oneshot;

    use super::*;

    /// Opens 40 connections, and says how many each worker that got some got.
    fn spread(open: impl FnOnce(net::SocketAddr) -> Vec<net::TcpStream>) -> Vec<usize> {
        let listener = doors::first("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let served: Arc<Mutex<HashMap<ThreadId, usize>>> = Arc::default();
        let counts = Arc::clone(&served);
        let factory = move || {
            let counts = Arc::clone(&counts);
            fn_service(move |mut stream: TcpStream| {
                *counts.lock().unwrap().entry(thread::current().id()).or_default() += 1;
                async move {
                    stream.write_all(b"!").await?;
                    // Open until the client closes it.
                    stream.read_u8().await
                }
            })
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let stop = async { drop(stopped.await) };
            let patience = Duration::from_mins(1);
            let token = CancellationToken::new();
            runtime.block_on(serve(vec![listener], factory, token, stop, patience))
        });
        let crowd = open(address);
        assert_eq!(crowd.len(), 40);
        let counts: Vec<usize> = served.lock().unwrap().values().copied().collect();
        assert_eq!(counts.iter().sum::<usize>(), 40, "{counts:?}");

        stop.send(()).unwrap();
        drop(crowd);
        serving.join().unwrap().unwrap();
        counts
    }

    fn is_served(stream: &mut net::TcpStream) {
        stream.read_exact(&mut [0]).unwrap();
    }

    /// Asserts that no worker was given a connection while it had more than twice as many as
    /// another, and `more` besides.
    #[track_caller]
    fn assert_spread(counts: &[usize], more: usize) {
        let workers = available_parallelism().map_or(2, usize::from).min(40);
        let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        assert_eq!(counts.len(), workers, "a worker got none: {counts:?}");
        assert!(*most <= 2 * least + 1 + more, "{counts:?}");
    }

    #[test]
    fn a_worker_that_has_none_gets_the_next_connection_and_none_gets_far_more_than_another() {
        let counts = spread(|address| {
            let opened = (0..40).map(|_| {
                let mut stream = net::TcpStream::connect(address).unwrap();
                is_served(&mut stream);
                stream
            });
            opened.collect()
        });
        assert_spread(&counts, 0);
    }

    #[test]
    fn connections_that_come_at_once_are_spread_too_and_none_is_lost() {
        for _ in 0..20 {
            let counts = spread(|address| {
                let opened = (0..40).map(|_| net::TcpStream::connect(address).unwrap());
                let mut crowd: Vec<_> = opened.collect();
                crowd.iter_mut().for_each(is_served);
                crowd
            });
            // Workers that decide at the same moment do not see each other's decision.
            assert_spread(&counts, 3);
        }
    }

    #[test]
    fn a_worker_passes_on_when_it_has_more_than_twice_as_many() {
        for (mine, other, passes) in
            [(0, 0, false), (1, 0, true), (1, 1, false), (2, 1, false), (3, 1, true), (9, 4, true)]
        {
            assert_eq!(outweighs(mine, other), passes, "{mine} and {other}");
        }
    }
}
