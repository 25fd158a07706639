//! Many files up in one request, as a tar stream.

use std::collections::HashMap;
use std::error::Error;

use artifact_domain::wire::{BatchAnswer, ErrorCode, FileView};
use artifact_domain::{LogicalPath, PackageId};
use bytes::Bytes;
use futures::{FutureExt as _, Stream, StreamExt as _};
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Body, Method, Request};
use tokio_tar::{EntryType, Header};

use crate::call::{from_json, parse, read_whole};
use crate::client::Client;
use crate::error::ClientError;
use crate::outgoing::{Sent, Watch, outgoing};
use crate::tries::{Reached, Setback, Tries};
use crate::upload::announce_length;

/// The most bytes of the answer to a batch.
const ANSWER: usize = 512 << 20;

/// The unit that a tar stream is made of.
const BLOCK: usize = 512;

/// A file that is in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmallFile {
    /// Its name in the package.
    pub path: LogicalPath,
    /// Its bytes.
    pub bytes: Bytes,
}

impl Client {
    /// Stores each regular file of a tar stream, and answers what became of each. `body` makes a
    /// fresh stream for each attempt.
    ///
    /// If the answer is lost it is sent again, and entries that were stored by then come back as
    /// `duplicate-path`: the caller knows what they should be and can check them.
    /// [`Self::upload_batch`] does.
    pub async fn upload_tar<B, S, E>(
        &self,
        package: PackageId,
        body: B,
    ) -> Result<BatchAnswer, ClientError>
    where
        B: Fn() -> S + Send + Sync,
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>> + Send + 'static,
    {
        self.send_tar(package, None, body).await.map(|(answer, _)| answer)
    }

    /// Sends a tar stream, and says whether an attempt before the one that was answered may have
    /// stored some of it.
    async fn send_tar<B, S, E>(
        &self,
        package: PackageId,
        size: Option<u64>,
        body: B,
    ) -> Result<(BatchAnswer, bool), ClientError>
    where
        B: Fn() -> S + Send + Sync,
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>> + Send + 'static,
    {
        let what = format!("upload a batch of files to package {package}");
        let url = self.address().package(package, "/files:batch");
        let mut tries = Tries::new(&self.options().retries);
        let mut may_be_done = false;
        loop {
            let watch = Watch::new();
            let bytes = Body::wrap_stream(outgoing(body(), size, watch.clone()));
            match self.attempt_tar(&what, &url, size, bytes, &watch).await {
                Ok(answer) => return Ok((answer, may_be_done)),
                Err(setback) => {
                    if let Some(source) = watch.take_error() {
                        return Err(ClientError::Source { what, source });
                    }
                    may_be_done |= setback.reached == Reached::Unknown;
                    tries.pause(setback, true).await?;
                }
            }
        }
    }

    async fn attempt_tar(
        &self,
        what: &str,
        url: &str,
        size: Option<u64>,
        body: Body,
        watch: &Watch,
    ) -> Result<BatchAnswer, Setback> {
        let mut request = Request::new(Method::POST, parse(url).map_err(Setback::of_ours)?);
        let tar = HeaderValue::from_static("application/x-tar");
        request.headers_mut().insert(CONTENT_TYPE, tar);
        announce_length(request.headers_mut(), size);
        *request.body_mut() = Some(body);
        let options = self.options();
        let response = self.attempt(what, request, watch, options.answer_timeout).boxed().await?;
        let answer = read_whole(what, response, ANSWER, options.idle_timeout).await?;
        from_json(&answer, what, url).map_err(Setback::of_ours)
    }

    /// Stores several new files that are in memory in one request; each has an answer of its own,
    /// in their order. What was stored is held against what was sent, as for a single upload.
    pub async fn upload_batch(
        &self,
        package: PackageId,
        files: &[SmallFile],
    ) -> Result<Vec<Result<FileView, ClientError>>, ClientError> {
        let parts = archive(files);
        let body = || futures::stream::iter(parts.clone()).map(Ok::<_, ClientError>);
        let size = parts.iter().map(|part| part.len() as u64).sum();
        let (answer, may_be_done) = self.send_tar(package, Some(size), body).await?;
        let mut stored: HashMap<LogicalPath, FileView> =
            answer.files.into_iter().map(|file| (file.path.clone(), file)).collect();
        let mut answers = Vec::with_capacity(files.len());
        for file in files {
            let what = format!("upload {} to package {package}", file.path);
            let sent = Sent::of(&file.bytes);
            if let Some(view) = stored.remove(&file.path) {
                answers.push(if sent.matches(&view) {
                    Ok(view)
                } else {
                    Err(self.take_back(what, package, &view, sent).await)
                });
                continue;
            }
            let error = answer.errors.iter().find(|error| error.path == file.path.as_str());
            let code = error.map(|error| error.code);
            if may_be_done
                && code == Some(ErrorCode::DuplicatePath)
                && let Some(view) = self.file(package, &file.path).await?
                && sent.matches(&view)
            {
                answers.push(Ok(view));
                continue;
            }
            answers.push(Err(match error {
                Some(error) => {
                    let (code, detail) = (error.code, error.detail.clone());
                    ClientError::Entry { what, code, detail }
                }
                None => ClientError::Unexpected {
                    what,
                    url: self.address().package(package, "/files:batch"),
                    status: 207,
                    detail: "without a word about this file".to_owned(),
                    attempts: 1,
                },
            }));
        }
        Ok(answers)
    }
}

/// A tar stream of these files; their bytes are not copied.
fn archive(files: &[SmallFile]) -> Vec<Bytes> {
    let mut parts = Vec::with_capacity(files.len() * 3 + 1);
    for file in files {
        let mut header = Header::new_gnu();
        if header.set_path(file.path.as_str()).is_err() {
            parts.extend(long_name(&file.path));
        }
        complete(&mut header, EntryType::Regular, file.bytes.len() as u64);
        parts.push(Bytes::copy_from_slice(header.as_bytes()));
        parts.push(file.bytes.clone());
        parts.push(padding(file.bytes.len()));
    }
    parts.push(Bytes::from_static(&[0; 2 * BLOCK]));
    parts.retain(|part| !part.is_empty());
    parts
}

/// An entry that gives the next one a name of more than a hundred bytes, as GNU tar does.
fn long_name(path: &LogicalPath) -> [Bytes; 3] {
    let mut header = Header::new_gnu();
    // A name by convention: what counts is the type of the entry.
    let convention = b"././@LongLink";
    header.as_old_mut().name[..convention.len()].copy_from_slice(convention);
    let name = [path.as_str().as_bytes(), b"\0"].concat();
    complete(&mut header, EntryType::GNULongName, name.len() as u64);
    let padding = padding(name.len());
    [Bytes::copy_from_slice(header.as_bytes()), name.into(), padding]
}

fn complete(header: &mut Header, kind: EntryType, size: u64) {
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
}

fn padding(size: usize) -> Bytes {
    Bytes::from_static(&[0; BLOCK]).slice(..(BLOCK - size % BLOCK) % BLOCK)
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt as _;
    use proptest::prelude::*;
    use tokio::io::AsyncReadExt as _;
    use tokio_tar::Archive;

    use super::*;

    async fn read(archive: Vec<u8>) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut entries = Archive::new(&archive[..]).entries().unwrap();
        let mut found = Vec::new();
        while let Some(mut entry) = entries.try_next().await.unwrap() {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).await.unwrap();
            found.push((entry.path_bytes().unwrap().to_vec(), bytes));
        }
        found
    }

    fn assert_read_back(files: &[SmallFile]) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let expected: Vec<_> = files
            .iter()
            .map(|file| (file.path.as_str().as_bytes().to_vec(), file.bytes.to_vec()))
            .collect();
        assert_eq!(runtime.block_on(read(archive(files).concat())), expected);
    }

    #[test]
    fn names_of_any_length_are_read_back() {
        for length in [1, 99, 100, 101, 155, 156, 255, 256, 511, 512, 513, 900] {
            let name: String = "a".repeat(249).chars().chain(['/']).cycle().take(length).collect();
            let Ok(path) = LogicalPath::parse(name) else { continue };
            assert_read_back(&[
                SmallFile { path, bytes: Bytes::from_static(b"first") },
                SmallFile { path: "z".parse().unwrap(), bytes: Bytes::new() },
            ]);
        }
    }

    proptest! {
        #[test]
        fn what_is_packed_is_read_back(
            files in prop::collection::vec(
                ("[a-z .~%#é]{1,60}(/[A-Z0-9 -]{1,60}){0,4}", prop::collection::vec(any::<u8>(), 0..1100)),
                0..6,
            )
        ) {
            let files: Vec<SmallFile> = files
                .into_iter()
                .filter_map(|(path, bytes)| {
                    Some(SmallFile { path: LogicalPath::parse(path).ok()?, bytes: bytes.into() })
                })
                .collect();
            assert_read_back(&files);
        }
    }
}
