//! What a reading collects on its way: files relied on, warnings, unknown keys.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::reading::ReadFile;

/// Collected while reading, handed out at the end.
#[derive(Debug, Default)]
pub(super) struct Notes {
    files: BTreeMap<String, ReadFile>,
    pub(super) warnings: Vec<String>,
    /// Unknown keys by the file they came from.
    pub(super) extra: BTreeMap<&'static str, Map<String, Value>>,
}

impl Notes {
    /// Remembers that the reading depends on these bytes.
    pub(super) fn relied_on(&mut self, file: ReadFile) {
        self.files.insert(file.path.clone(), file);
    }

    /// Tells the user something that does not stop the reading.
    pub(super) fn warn(&mut self, message: impl Into<String>) {
        self.warnings.push(message.into());
    }

    /// Keeps a value under the file and the key it came from.
    pub(super) fn keep(&mut self, file: &'static str, key: &str, value: Value) {
        self.extra.entry(file).or_default().insert(key.to_owned(), value);
    }

    /// Keeps an object, unless there is nothing in it.
    pub(super) fn keep_leftovers(
        &mut self,
        file: &'static str,
        key: &str,
        leftovers: Map<String, Value>,
    ) {
        if !leftovers.is_empty() {
            self.keep(file, key, Value::Object(leftovers));
        }
    }

    /// The files relied on, sorted by path.
    pub(super) fn take_files(&mut self) -> Vec<ReadFile> {
        std::mem::take(&mut self.files).into_values().collect()
    }
}
