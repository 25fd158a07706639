//! Where in a document a value stands.
//!
//! The values of a document carry no position, which keeps them small and plain; a position is only
//! needed for a complaint, and is then found by walking the text along a JSON pointer.

/// A line and a column, both counted from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl Position {
    /// The position of a byte offset. An offset past the end is the end.
    pub(super) fn of_offset(text: &str, offset: usize) -> Self {
        let mut end = offset.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let before = text.get(..end).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
        }
    }

    /// The position of the value that `path` leads to: keys and list indices from the root. As far
    /// as the path leads, if the text does not have all of it.
    pub(super) fn of_value(text: &str, path: &[String]) -> Self {
        let mut walker = Walker { bytes: text.as_bytes(), at: 0 };
        walker.skip_space();
        for step in path {
            let before = walker.at;
            let found = match walker.peek() {
                Some(b'{') => walker.enter_object(text, step),
                Some(b'[') => step.parse().is_ok_and(|index| walker.enter_list(index)),
                _ => false,
            };
            if !found {
                walker.at = before;
                break;
            }
        }
        Self::of_offset(text, walker.at)
    }
}

/// A cursor over text that is known to be valid JSON.
struct Walker<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Walker<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    /// Moves to the value of a key of the object that starts here.
    fn enter_object(&mut self, text: &str, key: &str) -> bool {
        self.at += 1;
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return false;
            }
            let start = self.at;
            self.skip_string();
            let raw = text.get(start..self.at).unwrap_or_default();
            self.skip_space();
            self.at += 1; // The colon.
            self.skip_space();
            if serde_json::from_str::<String>(raw).is_ok_and(|name| name == key) {
                return true;
            }
            if !self.skip_to_next() {
                return false;
            }
        }
    }

    /// Moves to an element of the list that starts here.
    fn enter_list(&mut self, index: usize) -> bool {
        self.at += 1;
        self.skip_space();
        (0..index).all(|_| {
            let more = self.skip_to_next();
            self.skip_space();
            more
        })
    }

    /// Skips a value and the comma after it; false if no comma follows.
    fn skip_to_next(&mut self) -> bool {
        let mut depth = 0_usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.skip_string();
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth == 0 => return false,
                b'}' | b']' => depth -= 1,
                b',' if depth == 0 => {
                    self.at += 1;
                    return true;
                }
                _ => {}
            }
            self.at += 1;
        }
        false
    }

    fn skip_string(&mut self) {
        self.at += 1;
        while let Some(byte) = self.peek() {
            self.at += if byte == b'\\' { 2 } else { 1 };
            if byte == b'"' {
                return;
            }
        }
    }
}
