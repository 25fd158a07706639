//! A connection that is read only as fast as its body is used.
//!
//! By itself the server reads a connection until its buffers are full: 128 KiB that nobody has
//! decoded and as much again that is decoded and waits. For one upload that is little; for a
//! hundred that all wait for their turn to be hashed it is most of the memory. So a body tells
//! its connection what it has used, and the connection reads no more than a window ahead of it.
//!
//! And one that says more than the parser does to a client whose request is none, see `unread`.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::unread::{self, Understood};

/// How far a connection may be read ahead of its body. Both live on one thread.
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

    fn is_full(&self) -> bool {
        self.size.get().is_some_and(|size| self.waiting.get() >= size)
    }

    fn read_on(&self) {
        if !self.is_full()
            && let Some(reader) = self.reader.take()
        {
            reader.wake();
        }
    }
}

/// A connection with a window.
pub(super) struct Socket {
    stream: TcpStream,
    window: Rc<Window>,
    understood: Rc<Understood>,
    /// What is sent in the place of the parser's refusal, as far as it was not sent yet.
    refusal: Vec<u8>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, window: Rc::default(), understood: Rc::default(), refusal: Vec::new() }
    }

    pub(super) fn understood(&self) -> Rc<Understood> {
        Rc::clone(&self.understood)
    }

    fn poll_refusal(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.refusal.is_empty() {
            let sent = ready!(Pin::new(&mut self.stream).poll_write(context, &self.refusal))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.refusal.drain(..sent);
        }
        Poll::Ready(Ok(()))
    }

    pub(super) fn window(&self) -> Rc<Window> {
        Rc::clone(&self.window)
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.window.is_full() {
            self.window.reader.replace(Some(context.waker().clone()));
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        let count = buffer.filled().len() - before;
        self.window.waiting.set(self.window.waiting.get() + count);
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !self.understood.get()
            && let Some(refusal) = unread::refusal(bytes)
        {
            self.refusal = refusal;
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_refusal(context))?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_refusal(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
