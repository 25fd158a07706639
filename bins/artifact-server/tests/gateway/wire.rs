//! Requests and answers as bytes. A client library would tidy up what these tests send.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// How long an answer may take before a test has failed.
const PATIENCE: Duration = Duration::from_mins(2);

/// One connection.
pub(crate) struct Wire {
    stream: TcpStream,
    received: Vec<u8>,
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case, in the order of the answer.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether the body came to its end.
    pub(crate) is_whole: bool,
}

impl Answer {
    /// The value of a header that is there once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(given, _)| given == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} is there twice: {:?}", self.headers);
        value
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {} {:?}", self.status, self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Writes a request down. `Host` is added, and nothing else.
pub(crate) fn head(method: &str, target: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = format!("{method} {target} HTTP/1.1\r\nhost: gateway\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// A request with a body and its length.
pub(crate) fn request(
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Vec<u8> {
    let length = body.len().to_string();
    let mut all = headers.to_vec();
    if !body.is_empty() || matches!(method, "PUT" | "POST" | "PATCH") {
        all.push(("content-length", &length));
    }
    let mut bytes = head(method, target, &all);
    bytes.extend_from_slice(body);
    bytes
}

/// One piece of a body with `Transfer-Encoding: chunked`; the empty one ends it.
pub(crate) fn chunk(bytes: &[u8]) -> Vec<u8> {
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend_from_slice(bytes);
    chunk.extend_from_slice(b"\r\n");
    chunk
}

/// Sends a request on a connection of its own.
pub(crate) fn exchange(address: SocketAddr, request: &[u8]) -> Answer {
    exchange_or_cut(address, request).expect("an answer")
}

/// Sends a request on a connection of its own, which may be cut instead of answered.
pub(crate) fn exchange_or_cut(address: SocketAddr, request: &[u8]) -> Option<Answer> {
    let mut wire = Wire::connect(address);
    wire.send(request);
    wire.answer_to(request.starts_with(b"HEAD "))
}

impl Wire {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, received: Vec::new() }
    }

    /// Sends bytes as they are. A server that has refused the request need not read on.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let cut = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset, ErrorKind::ConnectionAborted];
        match self.stream.write_all(bytes) {
            Err(error) if !cut.contains(&error.kind()) => panic!("failed to send: {error}"),
            _ => {}
        }
    }

    /// Says that nothing more will be sent, and can still read.
    pub(crate) fn half_close(&self) {
        // The other side may have closed already.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// The next answer, to a request that is not HEAD.
    pub(crate) fn answer(&mut self) -> Answer {
        self.answer_to(false).expect("an answer")
    }

    /// The next answer; `None` if the connection ends without one. An answer to HEAD has no body,
    /// whatever its head says.
    pub(crate) fn answer_to(&mut self, is_head: bool) -> Option<Answer> {
        loop {
            let answer = self.any_answer(is_head)?;
            if answer.status != 100 {
                return Some(answer);
            }
        }
    }

    /// The next answer, which may be an interim one such as 100.
    pub(crate) fn any_answer(&mut self, is_head: bool) -> Option<Answer> {
        let end = loop {
            let end = self.received.windows(4).position(|bytes| bytes == b"\r\n\r\n");
            match end {
                Some(end) => break end + 4,
                None if self.read() == 0 => {
                    assert!(self.received.is_empty(), "half a head: {:?}", self.received);
                    return None;
                }
                None => {}
            }
        };
        let head: Vec<u8> = self.received.drain(..end).collect();
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap();
        let status = status.strip_prefix("HTTP/1.1 ").expect(status).get(..3).unwrap();
        let headers = lines.map(|line| line.split_once(':').expect(line));
        let mut answer = Answer {
            status: status.parse().unwrap(),
            headers: headers
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
                .collect(),
            body: Vec::new(),
            is_whole: true,
        };
        if is_head || matches!(answer.status, 100..200 | 204 | 304) {
            return Some(answer);
        }
        let body = if answer.header("transfer-encoding") == Some("chunked") {
            self.chunks()
        } else {
            let length = answer.header("content-length").expect("a length or chunks");
            self.take(length.parse().unwrap())
        };
        match body {
            Ok(body) => answer.body = body,
            Err(part) => {
                answer.is_whole = false;
                answer.body = part;
            }
        }
        Some(answer)
    }

    /// Whether the server closes the connection without another byte.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.received.is_empty() && self.read() == 0
    }

    /// Exactly `length` bytes, or those that came before the connection was cut.
    fn take(&mut self, length: usize) -> Result<Vec<u8>, Vec<u8>> {
        while self.received.len() < length {
            if self.read() == 0 {
                return Err(std::mem::take(&mut self.received));
            }
        }
        Ok(self.received.drain(..length).collect())
    }

    fn chunks(&mut self) -> Result<Vec<u8>, Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let end = loop {
                if let Some(end) = self.received.windows(2).position(|bytes| bytes == b"\r\n") {
                    break end;
                }
                if self.read() == 0 {
                    return Err(body);
                }
            };
            let Ok(line) = self.take(end + 2) else { return Err(body) };
            let size =
                usize::from_str_radix(std::str::from_utf8(&line).unwrap().trim(), 16).unwrap();
            match self.take(size + 2) {
                Ok(chunk) => body.extend_from_slice(&chunk[..size]),
                Err(part) => {
                    body.extend_from_slice(&part);
                    return Err(body);
                }
            }
            if size == 0 {
                return Ok(body);
            }
        }
    }

    /// Reads what there is; 0 at the end of the connection, however it ended.
    fn read(&mut self) -> usize {
        let mut piece = [0; 16 * 1024];
        match self.stream.read(&mut piece) {
            Ok(count) => {
                self.received.extend_from_slice(&piece[..count]);
                count
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => 0,
            Err(error) => panic!("no answer: {error}"),
        }
    }
}
