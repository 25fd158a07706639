//! The files of a package: lists, checks, bytes, removal.

use std::ops::Range;

use artifact_domain::filter::PageLimit;
use artifact_domain::wire::{CheckFilesRequest, CheckFilesResponse, ErrorCode, FileView, Page};
use artifact_domain::{LogicalPath, PackageId};
use reqwest::Method;

use crate::address::with_query;
use crate::call::Call;
use crate::client::Client;
use crate::download::Download;
use crate::error::ClientError;
use crate::tries::{Reached, Tries};

impl Client {
    /// One page of a package's files whose paths begin with `prefix`, ordered by the bytes of
    /// their paths. `cursor` is the `next_cursor` of the page before.
    pub async fn files(
        &self,
        package: PackageId,
        prefix: Option<&str>,
        cursor: Option<&str>,
        limit: PageLimit,
    ) -> Result<Page<FileView>, ClientError> {
        let pairs = [
            ("prefix", prefix.map(str::to_owned)),
            ("limit", Some(limit.get().to_string())),
            ("cursor", cursor.map(str::to_owned)),
        ];
        let pairs = pairs.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let url = with_query(&self.address().package(package, "/files"), pairs);
        self.send_json(&Call::get(url, format!("list the files of package {package}"))).await
    }

    /// What is recorded of one file, if the package has it.
    pub async fn file(
        &self,
        package: PackageId,
        path: &LogicalPath,
    ) -> Result<Option<FileView>, ClientError> {
        // Of all paths that begin with this one it comes first.
        let one = PageLimit::new(1).unwrap_or_default();
        let page = self.files(package, Some(path.as_str()), None, one).await?;
        Ok(page.items.into_iter().find(|file| file.path == *path))
    }

    /// Which of these files the package has already, with these sizes and digests.
    pub async fn check_files(
        &self,
        package: PackageId,
        request: &CheckFilesRequest,
    ) -> Result<CheckFilesResponse, ClientError> {
        let url = self.address().package(package, "/files:check");
        let what = format!("check {} files of package {package}", request.files.len());
        let call = Call::new(Method::POST, url, what).safe(true).json(request)?;
        self.send_json(&call).await
    }

    /// The bytes of a file, or of a range of it. A range that goes beyond the end of the file
    /// ends with it.
    ///
    /// The bytes of a whole file are held against the digest that the server announces; if they
    /// differ, the last item of the stream is an error.
    pub async fn read_file(
        &self,
        package: PackageId,
        path: &LogicalPath,
        range: Option<Range<u64>>,
    ) -> Result<Download, ClientError> {
        let url = self.address().file(package, path);
        self.download(url, format!("read {path} of package {package}"), range).await
    }

    /// Takes a file out of an open package.
    pub async fn remove_file(
        &self,
        package: PackageId,
        path: &LogicalPath,
    ) -> Result<(), ClientError> {
        let url = self.address().file(package, path);
        let call = Call::new(Method::DELETE, url, format!("remove {path} from package {package}"));
        let mut tries = Tries::new(&self.options().retries);
        let mut may_be_done = false;
        loop {
            let Err(setback) = self.attempt_call(&call).await else { return Ok(()) };
            // An earlier attempt whose answer was lost has removed it.
            if may_be_done && setback.error.code() == ErrorCode::NotFound {
                return Ok(());
            }
            may_be_done |= setback.reached == Reached::Unknown;
            tries.pause(setback, true).await?;
        }
    }
}
