//! Tar archives, read as they come: POSIX (ustar and pax), GNU and the old format.
//!
//! The crate that writes our archives can also read, but it keeps names and extension records of
//! any announced length in memory, and it may follow links when it unpacks. Here an entry is a
//! name, a kind and bytes, and memory is bounded whatever an archive says of itself. Only the
//! fields of a header block are read by that crate.

use std::error::Error;
use std::pin::Pin;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use futures::{Stream, StreamExt as _};
use tokio_tar::Header;

use crate::error::StoreError;

/// An archive is made of blocks of this many bytes.
const BLOCK: usize = 512;

/// The longest name or extension record that is read, in bytes: far more than a path may have,
/// and room for the extended attributes that some archivers write beside it.
const MAX_EXTENSION_BYTES: u64 = 1024 * 1024;

/// The most zeros that may follow the end of an archive: twice the largest record that archivers
/// pad to.
const MAX_PADDING_BYTES: u64 = 2 * 1024 * 1024;

/// Why an archive cannot be read on.
#[derive(Debug)]
pub(crate) enum Broken {
    /// Its sender failed or fell silent.
    Sender(StoreError),
    /// It is no archive, or it ends before its end; with the reason.
    Archive(String),
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// Anything else, with its article.
    Other(String),
}

/// An entry, without its bytes.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its name as the archive has it.
    pub(crate) name: Vec<u8>,
    pub(crate) kind: Kind,
    /// The bytes that it is said to have.
    pub(crate) size: u64,
}

/// What records before an entry say of it.
#[derive(Default)]
struct Extensions {
    long_name: Option<Vec<u8>>,
    pax_path: Option<Vec<u8>>,
    pax_size: Option<u64>,
    is_sparse: bool,
}

/// An archive and the place in it up to which it has been read.
pub(crate) struct TarReader<'b, S> {
    body: Pin<&'b mut S>,
    /// How long the sender may be silent.
    idle: Duration,
    /// What came and was not read yet.
    chunk: Bytes,
    /// The bytes that were read.
    position: u64,
    /// What is left of the present entry's bytes, and of the zeros behind them.
    left: u64,
    padding: u64,
    /// Why [`TarReader::data_stream`] ended in an error.
    broken: Option<Broken>,
}

impl<'b, S, E> TarReader<'b, S>
where
    S: Stream<Item = Result<Bytes, E>>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    pub(crate) const fn new(body: Pin<&'b mut S>, idle: Duration) -> Self {
        let chunk = Bytes::new();
        Self { body, idle, chunk, position: 0, left: 0, padding: 0, broken: None }
    }

    /// Whether the present entry has bytes that were not read.
    pub(crate) const fn has_unread_data(&self) -> bool {
        self.left > 0
    }

    /// The next entry, after what is left of the one before; `None` at the end of the archive.
    pub(crate) async fn next(&mut self) -> Result<Option<Entry>, Broken> {
        while self.data().await?.is_some() {}
        let mut said = Extensions::default();
        loop {
            let at = self.position;
            let Some(block) = self.block().await? else {
                let reason = match at {
                    0 => "it is empty".to_owned(),
                    _ => format!("it ends at byte {at} without an end marker"),
                };
                return Err(Broken::Archive(reason));
            };
            if block == [0; BLOCK] {
                self.expect_zeros_to_the_end().await?;
                return Ok(None);
            }
            let header = checked(&block, at)?;
            let size = size_of(header, at)?;
            match block[156] {
                b'L' => said.long_name = Some(until_nul(self.extension(size, at).await?)),
                b'x' | b'X' => {
                    let record = self.extension(size, at).await?;
                    said.read_pax(&record).ok_or_else(|| {
                        Broken::Archive(format!("the pax record at byte {at} is malformed"))
                    })?;
                }
                // A link's long target, and what holds for all entries to come: neither says
                // anything of the bytes of a file.
                b'K' | b'g' => {
                    self.begin_data(size, at)?;
                    while self.data().await?.is_some() {}
                }
                _ => return self.entry(&block, size, said, at).await.map(Some),
            }
        }
    }

    /// The next bytes of the present entry; `None` at their end.
    pub(crate) async fn data(&mut self) -> Result<Option<Bytes>, Broken> {
        if self.left > 0 {
            let Some(bytes) = self.take(self.left).await? else {
                let (at, left) = (self.position, self.left);
                let reason = format!("it ends at byte {at}, {left} bytes before its entry does");
                return Err(Broken::Archive(reason));
            };
            self.left -= bytes.len() as u64;
            return Ok(Some(bytes));
        }
        while self.padding > 0 {
            let Some(zeros) = self.take(self.padding).await? else {
                return Err(Broken::Archive(format!("it ends at byte {}", self.position)));
            };
            self.padding -= zeros.len() as u64;
        }
        Ok(None)
    }

    /// The rest of the present entry as a stream. Why it ends in an error is told by
    /// [`TarReader::take_broken`].
    pub(crate) fn data_stream<'r>(
        &'r mut self,
    ) -> impl Stream<Item = Result<Bytes, std::io::Error>> + use<'r, 'b, S, E> {
        futures::stream::unfold(self, |reader| async move {
            match reader.data().await {
                Ok(bytes) => bytes.map(|bytes| (Ok(bytes), reader)),
                Err(broken) => {
                    reader.broken = Some(broken);
                    Some((Err(std::io::Error::other("the archive broke off")), reader))
                }
            }
        })
    }

    /// Why the last [`TarReader::data_stream`] ended in an error, if it did.
    pub(crate) const fn take_broken(&mut self) -> Option<Broken> {
        self.broken.take()
    }

    async fn entry(
        &mut self,
        block: &[u8; BLOCK],
        size: u64,
        said: Extensions,
        at: u64,
    ) -> Result<Entry, Broken> {
        let header = Header::from_byte_slice(block);
        let (mut kind, has_data) = match block[156] {
            0 | b'0' | b'7' => (Kind::File, true),
            b'5' => (Kind::Folder, false),
            b'1' => (Kind::Other("a hard link".to_owned()), false),
            b'2' => (Kind::Other("a symlink".to_owned()), false),
            b'3' | b'4' => (Kind::Other("a device".to_owned()), false),
            b'6' => (Kind::Other("a FIFO".to_owned()), false),
            b'S' => {
                self.skip_sparse_map(block, at).await?;
                (Kind::Other("a sparse file".to_owned()), true)
            }
            other => {
                let kind = format!("an entry of the unknown type {}", other.escape_ascii());
                (Kind::Other(kind), true)
            }
        };
        if said.is_sparse {
            kind = Kind::Other("a sparse file".to_owned());
        }
        // Links and the like have no bytes, whatever size their header says.
        let size = if has_data { said.pax_size.unwrap_or(size) } else { 0 };
        let name = said.pax_path.or(said.long_name);
        let name = name.unwrap_or_else(|| header.path_bytes().into_owned());
        if kind == Kind::File && size == 0 && name.ends_with(b"/") {
            // How the old format writes a folder.
            kind = Kind::Folder;
        }
        self.begin_data(size, at)?;
        Ok(Entry { name, kind, size })
    }

    fn begin_data(&mut self, size: u64, at: u64) -> Result<(), Broken> {
        let whole = size.checked_next_multiple_of(BLOCK as u64);
        let whole = whole.ok_or_else(|| {
            Broken::Archive(format!("the entry at byte {at} says that it has {size} bytes"))
        })?;
        (self.left, self.padding) = (size, whole - size);
        Ok(())
    }

    /// The bytes of an entry that says something of the next one.
    async fn extension(&mut self, size: u64, at: u64) -> Result<Vec<u8>, Broken> {
        if size > MAX_EXTENSION_BYTES {
            let reason = format!(
                "the name or record at byte {at} has {size} bytes, more than {MAX_EXTENSION_BYTES}"
            );
            return Err(Broken::Archive(reason));
        }
        self.begin_data(size, at)?;
        let mut bytes = Vec::new();
        while let Some(more) = self.data().await? {
            bytes.extend_from_slice(&more);
        }
        Ok(bytes)
    }

    /// An old GNU sparse file has more blocks with the places of its bytes.
    async fn skip_sparse_map(&mut self, header: &[u8; BLOCK], at: u64) -> Result<(), Broken> {
        let mut more = header[482] != 0;
        while more {
            let Some(block) = self.block().await? else {
                return Err(Broken::Archive(format!("it ends in the entry at byte {at}")));
            };
            more = block[504] != 0;
        }
        Ok(())
    }

    async fn expect_zeros_to_the_end(&mut self) -> Result<(), Broken> {
        let end = self.position;
        while let Some(bytes) = self.take(u64::MAX).await? {
            let padding = self.position - end;
            if padding > MAX_PADDING_BYTES || bytes.iter().any(|byte| *byte != 0) {
                return Err(Broken::Archive(format!(
                    "something follows its end marker, which ends at byte {end}"
                )));
            }
        }
        Ok(())
    }

    /// One block; `None` if there is no byte of it.
    async fn block(&mut self) -> Result<Option<[u8; BLOCK]>, Broken> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            match self.take((BLOCK - filled) as u64).await? {
                Some(bytes) => {
                    block[filled..filled + bytes.len()].copy_from_slice(&bytes);
                    filled += bytes.len();
                }
                None if filled == 0 => return Ok(None),
                None => {
                    let at = self.position;
                    return Err(Broken::Archive(format!("it ends at byte {at}, in a header")));
                }
            }
        }
        Ok(Some(block))
    }

    /// Some bytes, `most` at most; `None` at the end of the body.
    async fn take(&mut self, most: u64) -> Result<Option<Bytes>, Broken> {
        while !self.chunk.has_remaining() {
            match tokio::time::timeout(self.idle, self.body.next()).await {
                Ok(Some(Ok(chunk))) => self.chunk = chunk,
                Ok(Some(Err(error))) => {
                    let source = error.into();
                    return Err(Broken::Sender(StoreError::Body { path: None, source }));
                }
                Ok(None) => return Ok(None),
                Err(_) => {
                    let waited = self.idle;
                    return Err(Broken::Sender(StoreError::Stalled { path: None, waited }));
                }
            }
        }
        let len = usize::try_from(most).map_or(self.chunk.len(), |most| most.min(self.chunk.len()));
        self.position += len as u64;
        Ok(Some(self.chunk.split_to(len)))
    }
}

impl Extensions {
    /// Takes from a pax record what concerns the bytes of a file; `None` if it is malformed.
    fn read_pax(&mut self, mut record: &[u8]) -> Option<()> {
        while !record.is_empty() {
            // `<length> <key>=<value>\n`, where the length counts all of it.
            let space = record.iter().position(|byte| *byte == b' ')?;
            let len: usize = std::str::from_utf8(&record[..space]).ok()?.parse().ok()?;
            let (item, rest) = record.split_at_checked(len)?;
            let (key_value, newline) = item.get(space + 1..)?.split_last_chunk()?;
            let equals = key_value.iter().position(|byte| *byte == b'=')?;
            let (key, value) = (&key_value[..equals], &key_value[equals + 1..]);
            if *newline != [b'\n'] {
                return None;
            }
            match key {
                // An empty value takes back what was said before.
                b"path" => self.pax_path = (!value.is_empty()).then(|| value.to_vec()),
                b"size" if value.is_empty() => self.pax_size = None,
                b"size" => self.pax_size = Some(std::str::from_utf8(value).ok()?.parse().ok()?),
                key if key.starts_with(b"GNU.sparse.") => self.is_sparse = true,
                _ => {}
            }
            record = rest;
        }
        Some(())
    }
}

/// The header in a block, if its checksum is right.
fn checked(block: &[u8; BLOCK], at: u64) -> Result<&Header, Broken> {
    let header = Header::from_byte_slice(block);
    // The field itself counts as spaces. Some old archivers added up signed bytes.
    let (before, after) = (&block[..148], &block[156..]);
    let bytes = || before.iter().chain([b' '; 8].iter()).chain(after);
    let unsigned: u32 = bytes().map(|byte| u32::from(*byte)).sum();
    let signed: i32 = bytes().map(|byte| i32::from(byte.cast_signed())).sum();
    match header.cksum() {
        Ok(sum) if sum == unsigned || i32::try_from(sum) == Ok(signed) => Ok(header),
        _ => Err(Broken::Archive(format!("there is no tar header at byte {at}"))),
    }
}

/// The size that a header says.
fn size_of(header: &Header, at: u64) -> Result<u64, Broken> {
    let field = &header.as_bytes()[124..136];
    // The binary form has 95 bits, and its sign.
    let is_absurd = field[0] & 0x80 != 0 && (field[0] != 0x80 || field[1..4] != [0; 3]);
    match header.raw_entry_size() {
        Ok(size) if !is_absurd => Ok(size),
        _ => Err(Broken::Archive(format!("the header at byte {at} has no size"))),
    }
}

/// A long name without the zero that ends it.
fn until_nul(mut name: Vec<u8>) -> Vec<u8> {
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
    name.truncate(end);
    name
}
