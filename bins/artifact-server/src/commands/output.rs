//! What is printed: data on stdout, the rest on stderr.

use std::fmt::{Display, Write as _};
use std::io::{self, ErrorKind, Write as _};

use serde::Serialize;

/// Prints data. A reader that has gone away has what it wanted.
pub(super) fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(io::Error::new(error.kind(), format!("failed to write to stdout: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints one JSON object on one line.
pub(super) fn print_json(value: &impl Serialize) -> io::Result<()> {
    print(&(serde_json::to_string(value)? + "\n"))
}

/// Says something that is no data. If nobody can hear it there is nothing to do about it.
pub(super) fn say(text: impl AsRef<str>) {
    let _ = writeln!(io::stderr().lock(), "{}", text.as_ref());
}

/// A list as the interface writes it.
#[derive(Debug, Serialize)]
pub(super) struct Items<T> {
    pub(super) items: Vec<T>,
}

/// A line of a table with one fact on each line.
pub(super) fn row(text: &mut String, name: &str, value: impl Display) {
    let _ = writeln!(text, "{name:<12} {}", on_one_line(&value.to_string()));
}

/// A text that may have several lines, for a table. What steers a terminal goes too: the text may
/// be anybody's.
pub(super) fn on_one_line(text: &str) -> String {
    let visible = text.split(|c: char| c.is_whitespace() || c.is_control());
    visible.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stays_on_its_line_and_steers_nothing() {
        assert_eq!(on_one_line(" one\r\n\ttwo\u{1b}[2J  three\n"), "one two [2J three");
        let mut text = String::new();
        row(&mut text, "reason", "one\nexpires never");
        assert_eq!(text, "reason       one expires never\n");
    }
}
