//! A client that PUTs as fast as it can: 8 connections that are kept, bytes by `sendfile`.

use std::fs::{self, File};
use std::io::{self, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

const CONNECTIONS: usize = 8;

fn files(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files(&path, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}

/// Makes the folders that a server does not make itself.
pub(crate) fn make_folders(source: &Path, folder: &Path) -> io::Result<()> {
    let mut found = Vec::new();
    files(source, &mut found)?;
    for file in found {
        let relative = file.strip_prefix(source).map_err(io::Error::other)?;
        if let Some(parent) = folder.join("root").join(relative).parent() {
            fs::create_dir_all(parent)?;
        }
    }
    Ok(())
}

/// PUTs every file of a tree, the longest first.
pub(crate) fn tree(source: &Path, address: SocketAddr) -> io::Result<()> {
    let mut found = Vec::new();
    files(source, &mut found)?;
    let mut found: Vec<(u64, PathBuf)> = found
        .into_iter()
        .map(|path| Ok((fs::metadata(&path)?.len(), path)))
        .collect::<io::Result<_>>()?;
    found.sort_by_key(|(size, _)| std::cmp::Reverse(*size));
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
    thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| {
                if let Err(error) = lane(source, address, &found, &next)
                    && let Ok(mut failed) = failed.lock()
                {
                    *failed = Some(error);
                }
            });
        }
    });
    failed.into_inner().ok().flatten().map_or(Ok(()), Err)
}

fn lane(
    source: &Path,
    address: SocketAddr,
    files: &[(u64, PathBuf)],
    next: &AtomicUsize,
) -> io::Result<()> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut answers = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    while let Some((size, path)) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
        let relative = path.strip_prefix(source).map_err(io::Error::other)?;
        write!(
            stream,
            "PUT /{} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {size}\r\n\r\n",
            relative.display()
        )?;
        // The standard library makes this a sendfile.
        io::copy(&mut File::open(path)?, &mut stream)?;
        answer(&mut answers)?;
    }
    Ok(())
}

/// Reads an answer that has a length and answers its body.
fn answer(answers: &mut impl io::BufRead) -> io::Result<Vec<u8>> {
    let mut status = String::new();
    answers.read_line(&mut status)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        answers.read_line(&mut line)?;
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
    }
    let mut body = vec![0; length];
    answers.read_exact(&mut body)?;
    if !status.starts_with("HTTP/1.1 2") {
        return Err(io::Error::other(format!(
            "{} {}",
            status.trim(),
            String::from_utf8_lossy(&body)
        )));
    }
    Ok(body)
}

/// Makes a package at the gateway and answers its id.
pub(crate) fn create_package(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    let body = r#"{"producer":"bench"}"#;
    write!(
        stream,
        "POST /api/v1/packages HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let body = answer(&mut BufReader::new(stream))?;
    let package: serde_json::Value = serde_json::from_slice(&body)?;
    Ok(package["id"].as_str().unwrap_or_default().to_owned())
}

/// Uploads `count` files of `size` bytes, all of them at the same time.
pub(crate) fn at_once(
    address: SocketAddr,
    prefix: &str,
    count: usize,
    size: usize,
) -> io::Result<()> {
    let piece = vec![7_u8; 64 * 1024];
    let mut uploads = Vec::new();
    for index in 0..count {
        let mut stream = TcpStream::connect(address)?;
        write!(
            stream,
            "PUT {prefix}/file-{index} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {size}\r\n\r\n"
        )?;
        uploads.push(stream);
    }
    // A piece to each in turn, so that none is done before the others.
    for _ in 0..size / piece.len() {
        for stream in &mut uploads {
            stream.write_all(&piece)?;
        }
    }
    uploads.into_iter().try_for_each(|stream| answer(&mut BufReader::new(stream)).map(|_| ()))
}
