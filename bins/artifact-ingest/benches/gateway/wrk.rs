//! Downloads by `wrk`.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

fn run(arguments: &[&str]) -> io::Result<String> {
    let output = Command::new("wrk").args(arguments).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() || text.contains("Non-2xx") || text.contains("Socket errors") {
        return Err(io::Error::other(format!("wrk {arguments:?} said {text}")));
    }
    Ok(text)
}

/// The figure behind a word of wrk's report, with its unit turned into a number.
fn figure(text: &str, word: &str) -> io::Result<f64> {
    let line = text.lines().find_map(|line| line.trim().strip_prefix(word));
    let value = line.unwrap_or_default().trim();
    let number = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let scale = match &value[number.len()..] {
        "GB" => 1024.0,
        "KB" => 1.0 / 1024.0,
        _ => 1.0,
    };
    let number: f64 = number.parse().map_err(|_| io::Error::other(format!("wrk said {text}")))?;
    Ok(number * scale)
}

/// MiB a second of the large file over one connection.
pub(crate) fn large(address: SocketAddr, prefix: &str) -> io::Result<f64> {
    let url = format!("http://{address}{prefix}/capture.bin");
    figure(&run(&["-t1", "-c1", "-d5s", "--timeout", "30s", &url])?, "Transfer/sec:")
}

/// Small files a second, 10,000 different ones, 16 at once.
pub(crate) fn small(address: SocketAddr, prefix: &str, base: &Path) -> io::Result<f64> {
    let script = base.join("small.lua");
    fs::write(
        &script,
        format!(
            "local index = 0
request = function()
    index = (index + 7919) % 10000
    return wrk.format('GET', string.format('{prefix}/small/folder-%02d/file-%05d.bin', index % 100, index))
end
"
        ),
    )?;
    let url = format!("http://{address}/");
    let script = script.to_string_lossy();
    figure(&run(&["-t1", "-c16", "-d3s", "-s", &script, &url])?, "Requests/sec:")
}

/// One small file again and again, with the connection kept or a new one each time.
pub(crate) fn one(address: SocketAddr, prefix: &str, kept: bool) -> io::Result<f64> {
    again(address, &format!("{prefix}/small/folder-00/file-00000.bin"), kept)
}

/// The same without a file: an answer that each server has at hand.
pub(crate) fn health(address: SocketAddr, kept: bool) -> io::Result<f64> {
    again(address, "/healthz", kept)
}

fn again(address: SocketAddr, path: &str, kept: bool) -> io::Result<f64> {
    let connection = format!("Connection: {}", if kept { "keep-alive" } else { "close" });
    let url = format!("http://{address}{path}");
    figure(&run(&["-t1", "-c16", "-d3s", "-H", &connection, &url])?, "Requests/sec:")
}
