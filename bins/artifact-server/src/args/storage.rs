//! Where the bytes are, as it is said on the command line.

use std::path::PathBuf;

use artifact_store::{S3Options, StorageLocation, parse_s3_url};
use clap::Args;
use clap::builder::BoolishValueParser;

/// A storage URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StorageUrl {
    /// `file:///<path>`.
    Folder(PathBuf),
    /// `s3://bucket/prefix`, as it is written.
    S3(String),
}

impl std::str::FromStr for StorageUrl {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        match url.split_once("://") {
            Some(("file", path)) if path.starts_with('/') => Ok(Self::Folder(PathBuf::from(path))),
            Some(("s3", _)) => match parse_s3_url(url) {
                Ok(_) => Ok(Self::S3(url.to_owned())),
                Err(error) => Err(error.to_string()),
            },
            _ => Err("expected file:///<absolute path> or s3://bucket/prefix".to_owned()),
        }
    }
}

/// How a bucket is entered.
#[derive(Debug, Args)]
#[expect(clippy::struct_field_names, reason = "clap names the flags after the fields")]
pub(crate) struct S3 {
    /// Address of the S3 gateway [default: Amazon's]
    #[arg(long, global = true, env = "ARTIFACT_STORE_S3_ENDPOINT", value_name = "URL")]
    s3_endpoint: Option<String>,

    /// Region that requests to S3 are signed for
    #[arg(
        long,
        global = true,
        env = "ARTIFACT_STORE_S3_REGION",
        default_value = S3Options::DEFAULT_REGION,
        value_name = "REGION"
    )]
    s3_region: String,

    /// Name of the key that requests to S3 are signed with
    #[arg(long, global = true, env = "ARTIFACT_STORE_S3_ACCESS_KEY_ID", value_name = "ID")]
    s3_access_key_id: Option<String>,

    /// The key itself; the variable keeps it out of the list of processes
    #[arg(
        long,
        global = true,
        env = "ARTIFACT_STORE_S3_SECRET_ACCESS_KEY",
        hide_env_values = true,
        value_name = "KEY"
    )]
    s3_secret_access_key: Option<Hidden>,

    /// Speak to an S3 gateway without TLS
    #[arg(
        long,
        global = true,
        env = "ARTIFACT_STORE_S3_ALLOW_HTTP",
        num_args = 0..=1,
        default_missing_value = "true",
        default_value = "false",
        value_parser = BoolishValueParser::new(),
        value_name = "BOOL"
    )]
    s3_allow_http: bool,

    /// Name the bucket in the host and not in the path
    #[arg(
        long,
        global = true,
        env = "ARTIFACT_STORE_S3_VIRTUAL_HOSTED_STYLE",
        num_args = 0..=1,
        default_missing_value = "true",
        default_value = "false",
        value_parser = BoolishValueParser::new(),
        value_name = "BOOL"
    )]
    s3_virtual_hosted_style: bool,
}

/// A text that is shown nowhere: neither by `Debug`, nor by clap, which repeats what it refuses.
/// So it is taken as it is, and whoever needs it reads it.
#[derive(Clone)]
pub(crate) struct Hidden(pub(crate) String);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[hidden]")
    }
}

impl From<String> for Hidden {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl StorageUrl {
    /// The storage that is meant.
    ///
    /// # Errors
    /// A bucket without a key; the text names the setting.
    pub(crate) fn location(&self, s3: &S3) -> Result<StorageLocation, String> {
        let url = match self {
            Self::Folder(folder) => return Ok(folder.clone().into()),
            Self::S3(url) => url,
        };
        let needed = |name: &str| format!("{url} needs a key: set {name}");
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let id =
            given(&s3.s3_access_key_id).ok_or_else(|| needed("ARTIFACT_STORE_S3_ACCESS_KEY_ID"))?;
        let key = given(&s3.s3_secret_access_key.as_ref().map(|secret| secret.0.clone()))
            .ok_or_else(|| needed("ARTIFACT_STORE_S3_SECRET_ACCESS_KEY"))?;
        let options = S3Options::new(url, id, key).map_err(|error| error.to_string())?;
        Ok(StorageLocation::S3(S3Options {
            endpoint: given(&s3.s3_endpoint),
            region: s3.s3_region.clone(),
            allow_http: s3.s3_allow_http,
            virtual_hosted_style: s3.s3_virtual_hosted_style,
            ..options
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storage_url_is_a_folder_or_a_bucket() {
        let folder = "file:///srv/evidence".parse();
        assert_eq!(folder, Ok(StorageUrl::Folder(PathBuf::from("/srv/evidence"))));
        assert!(matches!("s3://evidence/store".parse(), Ok(StorageUrl::S3(_))));
        for text in ["", "/srv", "file://srv", "s3://", "http://a/b", "gs://bucket"] {
            assert!(text.parse::<StorageUrl>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_secret_is_not_shown() {
        assert_eq!(format!("{:?}", Hidden::from("key".to_owned())), "[hidden]");
    }
}
