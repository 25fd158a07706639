//! A connection that is read only as fast as its body is used.
//!
//! By itself the server reads a connection until its buffers are full: 128 KiB that nobody has
//! decoded and as much again that is decoded and waits. For one upload that is little; for a
//! hundred that all wait for their turn to be hashed it is most of the memory. So a body tells
//! its connection what it has used, and the connection reads no more than a window ahead of it.
//!
//! It says more than the parser does to a client whose request is none, see `unread`. And its last
//! answer leaves together with the end of the connection: one packet less for either side, and the
//! client is woken once.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use rustix::net::SendFlags;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use super::connection::Connection;
use super::unread;

/// A connection with a window.
pub(super) struct Socket {
    stream: TcpStream,
    connection: Rc<Connection>,
    /// Whether the system may hold bytes back for what is written next.
    held_back: bool,
    /// What is sent in the place of the parser's refusal, as far as it was not sent yet.
    refusal: Vec<u8>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, connection: Rc::default(), held_back: false, refusal: Vec::new() }
    }

    pub(super) fn connection(&self) -> Rc<Connection> {
        Rc::clone(&self.connection)
    }

    /// Writes bytes that more is to follow, if only the end: at most 200 ms later the system sends
    /// them anyway (tcp(7), `TCP_CORK`).
    fn poll_write_more(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(context))?;
            let sent = self.stream.try_io(Interest::WRITABLE, || {
                let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
                Ok(rustix::net::send(&self.stream, bytes, flags)?)
            });
            match sent {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => {
                    self.held_back = true;
                    self.connection.hold_back(context.waker());
                    return Poll::Ready(sent);
                }
            }
        }
    }

    /// Sends what is held back: something else happens before the end.
    fn send_held_back(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.held_back) {
            // It is set already, but setting it sends (tcp(7)).
            self.stream.set_nodelay(true)?;
        }
        Ok(())
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
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.send_held_back()?;
        if self.connection.window.is_full() {
            self.connection.window.wait(context.waker());
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        let count = buffer.filled().len() - before;
        self.connection.window.add(count);
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !self.connection.has_understood()
            && let Some(refusal) = unread::refusal(bytes)
        {
            self.refusal = refusal;
            return Poll::Ready(Ok(bytes.len()));
        }
        if self.connection.closes() {
            return self.poll_write_more(context, bytes);
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

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn pair() -> (Socket, net::TcpStream) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (Socket::new(listener.accept().await.unwrap().0), client)
    }

    #[tokio::test]
    async fn the_last_answer_arrives_with_the_end_of_the_connection() {
        let (mut socket, mut client) = pair().await;
        socket.connection().note_last_answer();
        socket.write_all(b"the ").await.unwrap();
        socket.write_all(b"answer").await.unwrap();
        socket.flush().await.unwrap();
        socket.shutdown().await.unwrap();
        let mut received = String::new();
        client.read_to_string(&mut received).unwrap();
        assert_eq!(received, "the answer");
    }

    #[tokio::test]
    async fn a_last_answer_does_not_wait_while_the_connection_is_read_on() {
        let (mut socket, mut client) = pair().await;
        socket.connection().note_last_answer();
        socket.write_all(b"answer").await.unwrap();
        // Who reads on waits for the client, and the client may wait for this.
        let reading = async { socket.read_u8().await };
        assert!(futures::future::poll_immediate(Box::pin(reading)).await.is_none());
        client.set_nonblocking(true).unwrap();
        let mut received = [0; 6];
        client.read_exact(&mut received).unwrap();
        assert_eq!(&received, b"answer");
    }
}
