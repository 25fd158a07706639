//! A server that answers what it is told, and remembers what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A server that gives one answer after the other, each on a connection of its own; the last one
/// again and again. An empty answer closes the connection.
pub(crate) struct Scripted {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    pub(crate) async fn answers(answers: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&asked);
        let answers: Vec<String> = answers.iter().map(|&answer| answer.to_owned()).collect();
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let request = read_request(&mut connection).await;
                let at = {
                    let mut heard = heard.lock().unwrap();
                    heard.push(request);
                    heard.len() - 1
                };
                let answer = &answers[at.min(answers.len() - 1)];
                let _ = connection.write_all(answer.as_bytes()).await;
                let _ = connection.shutdown().await;
            }
        });
        Self { address, asked }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The heads of the requests so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// Reads a request to its end and answers its head.
async fn read_request(connection: &mut TcpStream) -> String {
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok()
            });
            let is_chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
            if (is_chunked && body.ends_with("0\r\n\r\n"))
                || (!is_chunked && body.len() >= length.unwrap_or_default())
            {
                return head.to_owned();
            }
        }
        match connection.read(&mut buffer).await {
            Ok(read @ 1..) => bytes.extend_from_slice(&buffer[..read]),
            _ => return text,
        }
    }
}

/// An answer with a body, on a connection that ends with it.
pub(crate) fn answer(status: &str, headers: &[&str], body: &str) -> String {
    let headers = headers.iter().fold(String::new(), |text, header| text + header + "\r\n");
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    )
}

/// A problem document.
pub(crate) fn problem(status: &str, code: &str, headers: &[&str]) -> String {
    let number: u16 = status.split(' ').next().unwrap().parse().unwrap();
    let body = format!(
        r#"{{"type":"/problems/{code}","title":"t","status":{number},"detail":"because of {code}","code":"{code}","request_id":"r1"}}"#
    );
    answer(status, &[headers, &["Content-Type: application/problem+json"]].concat(), &body)
}
