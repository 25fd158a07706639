//! Sealing a package, and what a sealed package says of itself.

use std::fmt;

use artifact_domain::wire::{FinalizePackage, PackageView};
use artifact_domain::{PackageId, Sha256Digest};
use bytes::Bytes;
use reqwest::Method;

use crate::address::with_query;
use crate::call::Call;
use crate::client::Client;
use crate::download::Download;
use crate::error::ClientError;

/// The manifest of a sealed package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// RFC 8785 canonical JSON, byte for byte as it was sealed.
    pub bytes: Bytes,
    /// SHA-256 of these bytes.
    pub sha256: Sha256Digest,
}

/// The format of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveFormat {
    /// POSIX tar.
    Tar,
    /// Zip with stored entries.
    Zip,
}

impl fmt::Display for ArchiveFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tar => "tar",
            Self::Zip => "zip",
        })
    }
}

impl Client {
    /// Seals a package. Whatever `sent` says is checked first. Sealing a sealed package answers
    /// the same package, so a lost answer is asked for again.
    pub async fn finalize(
        &self,
        package: PackageId,
        sent: &FinalizePackage,
    ) -> Result<PackageView, ClientError> {
        let url = self.address().package(package, "/finalize");
        let call = Call::new(Method::POST, url, format!("finalize package {package}"))
            .safe(true)
            .answered_within(self.options().finalize_timeout)
            .json(sent)?;
        self.send_json(&call).await
    }

    /// The manifest of a sealed package, held against the digest that the server announces. It is
    /// in memory as a whole: some hundred bytes for each file of the package.
    pub async fn manifest(&self, package: PackageId) -> Result<Manifest, ClientError> {
        let url = self.address().package(package, "/manifest");
        let what = format!("read the manifest of package {package}");
        let bytes = self.download(url, what, None).await?.into_bytes().await?;
        let sha256 = Sha256Digest::of(&bytes);
        Ok(Manifest { bytes, sha256 })
    }

    /// All of a sealed package as one archive, made while it is sent. Its length is not known
    /// ahead, and a break cannot be mended: the stream then ends with an error.
    pub async fn archive(
        &self,
        package: PackageId,
        format: ArchiveFormat,
    ) -> Result<Download, ClientError> {
        let url = self.address().package(package, "/archive");
        let url = with_query(&url, [("format", format.to_string())]);
        self.download(url, format!("download the archive of package {package}"), None).await
    }
}
