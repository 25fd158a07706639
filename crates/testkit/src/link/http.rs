//! A connection whose requests are told apart: as much of HTTP/1.1 as that takes.
//!
//! Requests have a `Content-Length` or no body, and none is sent before the answer to the one
//! before it came. So an answer needs no end: it is over when the next request begins.

use std::io;
use std::sync::{Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::{Fault, Shared};

/// The longest head of a request.
const LONGEST_HEAD: usize = 64 << 10;

/// The answer that is awaited, and how far it has come.
struct Awaited {
    fault: Option<Fault>,
    head: Vec<u8>,
    /// The bytes of the body, as soon as the head is over.
    body: Option<usize>,
}

/// The client's side is written by both directions: answers of the server, and our own.
struct Connection<'a> {
    shared: &'a Shared,
    to_client: tokio::sync::Mutex<OwnedWriteHalf>,
    awaited: Mutex<Awaited>,
}

/// Passes requests and their answers until either side ends, or a fault ends it.
pub(super) async fn pass(client: TcpStream, server: TcpStream, shared: &Shared) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let connection = Connection {
        shared,
        to_client: tokio::sync::Mutex::new(to_client),
        awaited: Mutex::new(Awaited { fault: None, head: Vec::new(), body: None }),
    };
    // Whichever ends first ends both.
    tokio::select! {
        _ = connection.requests(from_client, to_server) => {}
        _ = connection.answers(from_server) => {}
    }
}

fn cut() -> io::Error {
    io::ErrorKind::ConnectionAborted.into()
}

impl Connection<'_> {
    async fn requests(&self, from: OwnedReadHalf, mut to: OwnedWriteHalf) -> io::Result<()> {
        let mut from = BufReader::with_capacity(64 << 10, from);
        loop {
            let head = read_head(&mut from).await?;
            let text = String::from_utf8_lossy(&head);
            let line = text.lines().next().unwrap_or_default();
            let body = content_length(&text);
            let fault = self.shared.rules.meet(line);
            self.expect(fault);
            match fault {
                Some(Fault::Answer(status)) => {
                    discard(&mut from, body).await?;
                    let with_body = !line.starts_with("HEAD ");
                    let answer = answer(status, with_body);
                    self.to_client.lock().await.write_all(answer.as_bytes()).await?;
                    continue;
                }
                Some(Fault::Silence) => {
                    discard(&mut from, body).await?;
                    // Until the client gives up: then there is nothing more to read.
                    return from.read(&mut [0]).await.map(drop);
                }
                _ => {}
            }
            self.shared.passes().await;
            to.write_all(&head).await?;
            let most = match fault {
                Some(Fault::CutRequest(most)) => most,
                _ => usize::MAX,
            };
            self.forward(&mut from, &mut to, body, most).await?;
        }
    }

    async fn forward(
        &self,
        from: &mut BufReader<OwnedReadHalf>,
        to: &mut OwnedWriteHalf,
        mut left: usize,
        mut most: usize,
    ) -> io::Result<()> {
        let mut bytes = vec![0; 64 << 10];
        while left > 0 {
            if most == 0 {
                return Err(cut());
            }
            let wanted = left.min(most).min(bytes.len());
            let count = from.read(&mut bytes[..wanted]).await?;
            if count == 0 {
                return Err(cut());
            }
            self.shared.passes().await;
            to.write_all(&bytes[..count]).await?;
            left -= count;
            most -= count;
        }
        Ok(())
    }

    async fn answers(&self, mut from: OwnedReadHalf) -> io::Result<()> {
        let mut bytes = vec![0; 64 << 10];
        loop {
            let count = from.read(&mut bytes).await?;
            if count == 0 {
                return Ok(());
            }
            self.shared.passes().await;
            let (fault, is_first, allowed) = self.arrived(&bytes[..count]);
            match fault {
                Some(Fault::LoseAnswer) => return Err(cut()),
                Some(Fault::Delay(delay)) if is_first => tokio::time::sleep(delay).await,
                _ => {}
            }
            self.to_client.lock().await.write_all(&bytes[..allowed]).await?;
            if allowed < count {
                return Err(cut());
            }
        }
    }

    /// Begins the wait for the answer to a request.
    fn expect(&self, fault: Option<Fault>) {
        let mut awaited = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
        *awaited = Awaited { fault, head: Vec::new(), body: None };
    }

    /// Counts bytes of an answer: the fault that it meets, whether they are its first, and how
    /// many of them may be passed on.
    fn arrived(&self, bytes: &[u8]) -> (Option<Fault>, bool, usize) {
        let mut awaited = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = awaited.head.is_empty();
        let before = awaited.body;
        let of_body = if let Some(seen) = before {
            awaited.body = Some(seen + bytes.len());
            bytes.len()
        } else {
            awaited.head.extend_from_slice(bytes);
            match find(&awaited.head, b"\r\n\r\n") {
                Some(end) => {
                    let of_body = awaited.head.len() - end - 4;
                    awaited.body = Some(of_body);
                    of_body
                }
                None => 0,
            }
        };
        let allowed = match awaited.fault {
            Some(Fault::CutAnswer(most)) => {
                let room = most.saturating_sub(before.unwrap_or(0));
                bytes.len() - of_body + of_body.min(room)
            }
            _ => bytes.len(),
        };
        (awaited.fault, is_first, allowed)
    }
}

async fn read_head(from: &mut BufReader<OwnedReadHalf>) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > LONGEST_HEAD {
            return Err(io::ErrorKind::InvalidData.into());
        }
        head.push(from.read_u8().await?);
    }
    Ok(head)
}

async fn discard(from: &mut BufReader<OwnedReadHalf>, count: usize) -> io::Result<()> {
    tokio::io::copy(&mut from.take(count as u64), &mut tokio::io::sink()).await.map(drop)
}

fn content_length(head: &str) -> usize {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .unwrap_or(0)
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// An answer as S3 words its failures.
fn answer(status: u16, with_body: bool) -> String {
    let (reason, code) = match status {
        503 => ("Service Unavailable", "SlowDown"),
        _ => ("Internal Server Error", "InternalError"),
    };
    let document =
        format!("<Error><Code>{code}</Code><Message>a fault of a test</Message></Error>");
    let length = if with_body { document.len() } else { 0 };
    let body = if with_body { document.as_str() } else { "" };
    format!(
        "HTTP/1.1 {status} {reason}\r\ncontent-type: application/xml\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}
