//! One of the three JSON documents, loaded whole.

use std::io::Read as _;

use serde_json::{Map, Value};

use super::{
    directory::{Entry, RunDirectory},
    error::GuideBoardError,
    file::{HashingReader, io_error},
    node::{Node, Object},
    notes::Notes,
    position::Position,
    strict_json,
};

/// A document is a summary; what is larger than this belongs below `artifacts/`.
pub(super) const MAX_DOCUMENT_BYTES: u64 = 32 * 1024 * 1024;

/// A loaded document.
pub(super) struct Document {
    pub(super) name: &'static str,
    pub(super) text: String,
    value: Value,
}

impl Document {
    /// Loads a document; `None` if there is no such file.
    pub(super) fn load(
        run: &RunDirectory,
        name: &'static str,
        notes: &mut Notes,
    ) -> Result<Option<Self>, GuideBoardError> {
        let irregular = |found| GuideBoardError::NotARegularFile { file: name, found };
        match run.entry(name)? {
            Entry::Missing => return Ok(None),
            Entry::File => {}
            Entry::Folder => return Err(irregular("a folder")),
            Entry::Link => return Err(irregular("a symbolic link")),
            Entry::Special => return Err(irregular("a FIFO, socket or device")),
        }
        let bytes = read_bounded(run, name, notes)?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let valid = error.utf8_error().valid_up_to();
            let readable = String::from_utf8_lossy(error.as_bytes());
            let at = Position::of_offset(&readable, valid);
            malformed(name, at, "the text is not UTF-8".to_owned())
        })?;
        // Some tools write a byte order mark; RFC 8259 lets a parser ignore it.
        let text = text.strip_prefix('\u{feff}').map_or_else(|| text.clone(), str::to_owned);
        let value = strict_json::parse(&text).map_err(|error| {
            let at = Position { line: error.line(), column: error.column() };
            malformed(name, at, strict_json::problem(&error))
        })?;
        Ok(Some(Self { name, text, value }))
    }

    /// The object that the document must be.
    pub(super) fn root(&self) -> Result<Object<'_>, GuideBoardError> {
        Node::root(self, &self.value).object()
    }

    /// Keeps what stands in the document under keys that are not `known`.
    pub(super) fn keep_unknown(
        &self,
        known: &[&str],
        notes: &mut Notes,
    ) -> Result<(), GuideBoardError> {
        for (key, value) in self.root()?.unknown(known)? {
            notes.keep(self.name, &key, value);
        }
        Ok(())
    }
}

/// What is left of an object once its known members are taken out.
pub(super) type Leftovers = Map<String, Value>;

fn malformed(file: &'static str, at: Position, problem: String) -> GuideBoardError {
    GuideBoardError::Malformed {
        file,
        line: at.line,
        // `serde_json` says column 0 for a line it has not read yet.
        column: at.column.max(1),
        problem,
    }
}

fn read_bounded(
    run: &RunDirectory,
    name: &'static str,
    notes: &mut Notes,
) -> Result<Vec<u8>, GuideBoardError> {
    let failed = |error| io_error("read", &run.absolute(name), error);
    let too_large =
        |size| GuideBoardError::TooLarge { file: name, size, limit: MAX_DOCUMENT_BYTES };
    let file = run.open_file(name)?;
    let stated = file.metadata().map_err(failed)?.len();
    if stated > MAX_DOCUMENT_BYTES {
        return Err(too_large(stated));
    }
    let mut reader = HashingReader::new(file);
    let mut bytes = Vec::new();
    // The file may grow while it is read; one byte too many is enough to know.
    (&mut reader).take(MAX_DOCUMENT_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    let seen = bytes.len() as u64;
    if seen > MAX_DOCUMENT_BYTES {
        return Err(too_large(seen));
    }
    notes.relied_on(reader.finish(name).map_err(failed)?);
    Ok(bytes)
}
