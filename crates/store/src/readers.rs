//! Threads that look files up and open them.
//!
//! Reading a small file takes some ten microseconds, and waking a thread for it as many again. The
//! pool of the runtime wakes a thread for each task; here few threads take one task after the
//! other, and when all of them are at work none has to be woken.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::error::StoreError;

type Task = Box<dyn FnOnce() + Send>;

/// The threads; they end when the last store that shares them is dropped.
#[derive(Debug)]
pub(crate) struct Readers {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    desk: Mutex<Desk>,
    woken: Condvar,
}

#[derive(Default)]
struct Desk {
    tasks: VecDeque<Task>,
    idle: usize,
    closed: bool,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk")
            .field("tasks", &self.tasks.len())
            .field("idle", &self.idle)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// A task that panics is caught, so what the lock guards is whole.
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut desk = self.desk();
        loop {
            if let Some(task) = desk.tasks.pop_front() {
                drop(desk);
                task();
                desk = self.desk();
                continue;
            }
            if desk.closed {
                return;
            }
            desk.idle += 1;
            desk = self.woken.wait(desk).unwrap_or_else(PoisonError::into_inner);
            desk.idle -= 1;
        }
    }
}

impl Readers {
    /// Starts `threads` threads.
    ///
    /// # Errors
    /// The system gives no more threads.
    pub(crate) fn start(threads: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { desk: Mutex::default(), woken: Condvar::new() });
        for _ in 0..threads {
            let shared = Arc::clone(&shared);
            thread::Builder::new().name("reader".to_owned()).spawn(move || shared.work())?;
        }
        Ok(Self { shared })
    }

    /// Runs `f` on one of the threads, within the runtime of whoever asks.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        f: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let runtime = Handle::current();
        let task: Task = Box::new(move || {
            // Whoever asked may be gone.
            if !answer.is_closed() {
                let _runtime = runtime.enter();
                // A panic is a defect; it ends one task and no thread.
                let done = catch_unwind(AssertUnwindSafe(f));
                if let Ok(done) = done {
                    let _ = answer.send(done);
                }
            }
        });
        let wake = {
            let mut desk = self.shared.desk();
            desk.tasks.push_back(task);
            desk.idle > 0
        };
        if wake {
            self.shared.woken.notify_one();
        }
        answered.await.unwrap_or_else(|_| {
            Err(StoreError::Stopped("a thread that reads files has stopped".to_owned()))
        })
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.shared.desk().closed = true;
        self.shared.woken.notify_all();
    }
}
