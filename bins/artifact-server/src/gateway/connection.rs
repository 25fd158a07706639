//! What a connection and the requests that come by it tell each other. Both live on one thread.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;

use actix_web::HttpRequest;

/// A connection as its requests see it.
#[derive(Debug, Default)]
pub(crate) struct Connection {
    /// How far it may be read ahead of a body.
    pub(crate) window: Window,
    /// Whether a request was understood, see `unread`.
    understood: Cell<bool>,
    /// Whether the client said that it closes.
    closes: Cell<bool>,
    /// Whoever serves it, while the system may hold back bytes of the last answer.
    held_back: RefCell<Option<Waker>>,
}

impl Connection {
    /// The one that a request came by.
    pub(crate) fn of(request: &HttpRequest) -> Rc<Self> {
        request.conn_data::<Rc<Self>>().cloned().unwrap_or_default()
    }

    /// A request was understood. What is held back is not the end, if one comes after the last.
    pub(crate) fn begin_request(&self) {
        self.understood.set(true);
        if let Some(server) = self.held_back.take() {
            server.wake();
        }
    }

    pub(super) fn has_understood(&self) -> bool {
        self.understood.get()
    }

    /// The client said that it closes: whatever is written from now on is the last.
    pub(crate) fn note_last_answer(&self) {
        self.closes.set(true);
    }

    /// Whether the client said that it closes.
    pub(crate) fn closes(&self) -> bool {
        self.closes.get()
    }

    /// Who is to read on, and so send what is held back, if the end does not come.
    pub(super) fn hold_back(&self, server: &Waker) {
        self.held_back.replace(Some(server.clone()));
    }
}

/// How far a connection may be read ahead of its body.
#[derive(Debug, Default)]
pub(crate) struct Window {
    /// The bytes that may wait; `None` while no body is being received.
    size: Cell<Option<usize>>,
    /// The bytes that were read and not used yet.
    waiting: Cell<usize>,
    /// Who wants to read on.
    reader: RefCell<Option<Waker>>,
}

impl Window {
    /// A body is being received: from now on at most `size` bytes wait for it, and what the last
    /// read brings beyond.
    pub(crate) fn open(&self, size: usize) {
        self.size.set(Some(size));
        self.waiting.set(0);
    }

    /// The body used so many bytes, and the window is to have this size from now on.
    pub(crate) fn used(&self, bytes: usize, size: usize) {
        self.size.set(Some(size));
        self.waiting.set(self.waiting.get().saturating_sub(bytes));
        self.read_on();
    }

    /// The body has used all there was. What was read and did not reach it was no part of it: a
    /// head, the sizes of chunks.
    pub(crate) fn drained(&self) {
        self.waiting.set(0);
        self.read_on();
    }

    /// Nobody receives a body any more: what is left of it is only read to be thrown away.
    pub(crate) fn close(&self) {
        self.size.set(None);
        self.drained();
    }

    pub(super) fn is_full(&self) -> bool {
        self.size.get().is_some_and(|size| self.waiting.get() >= size)
    }

    /// So many bytes were read.
    pub(super) fn add(&self, bytes: usize) {
        self.waiting.set(self.waiting.get() + bytes);
    }

    /// Who is woken when there is room again.
    pub(super) fn wait(&self, reader: &Waker) {
        self.reader.replace(Some(reader.clone()));
    }

    fn read_on(&self) {
        if !self.is_full()
            && let Some(reader) = self.reader.take()
        {
            reader.wake();
        }
    }
}
