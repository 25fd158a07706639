//! What an answer of the gateway means for what was attempted.

use std::error::Error;
use std::io;

use object_store::Error as E;

use crate::StorageError;

/// What `error` means for what was attempted on `key`. The gateway's words are the source of it,
/// without what it repeats of the request.
#[expect(clippy::needless_pass_by_value, reason = "it ends here; the callers map errors with it")]
pub(crate) fn meaning(operation: &'static str, key: &str, error: E) -> StorageError {
    let key = key.to_owned();
    let words = Words::of(&error);
    match words.code() {
        // Not the object is missing but the bucket: a caller must not take it for a deleted one.
        "NoSuchBucket" | "InvalidBucketName" => {
            return StorageError::Unavailable { operation, path: key, source: words.into_io() };
        }
        "NoSuchUpload" | "InvalidPart" => return StorageError::Interrupted { key },
        "QuotaExceeded" | "XMinioStorageFull" => {
            return StorageError::OutOfSpace { operation, path: key, source: words.into_io() };
        }
        _ => {}
    }
    match error {
        E::NotFound { .. } => StorageError::NotFound { operation, key },
        E::AlreadyExists { .. } => StorageError::AlreadyExists { key },
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => {
            StorageError::Denied { operation, path: key, source: words.into_io() }
        }
        _ => StorageError::Unavailable { operation, path: key, source: words.into_io() },
    }
}

/// The code in an error document of the gateway, such as `NoSuchBucket`; empty if there is none.
pub(super) fn code(error: &E) -> String {
    Words::of(error).code().to_owned()
}

/// What was said, by the gateway or by the system.
#[derive(Debug)]
pub(super) struct Words {
    code: Option<String>,
    message: String,
}

impl Words {
    pub(super) fn of(error: &(dyn Error + 'static)) -> Self {
        Self::of_text(&chain(error))
    }

    /// What an error document says.
    pub(super) fn of_text(text: &str) -> Self {
        match element(text, "Code") {
            Some(code) => Self {
                code: Some(code.to_owned()),
                message: element(text, "Message").unwrap_or_default().to_owned(),
            },
            None => Self { code: None, message: text.to_owned() },
        }
    }

    pub(super) fn code(&self) -> &str {
        self.code.as_deref().unwrap_or_default()
    }

    pub(super) fn into_io(self) -> io::Error {
        io::Error::other(match self.code {
            Some(code) if self.message.is_empty() => code,
            Some(code) => format!("{code}: {}", self.message),
            None => self.message,
        })
    }
}

/// The text of an element of an error document. The documents are short and flat, and what was
/// cut or is no document at all has to do as well.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (inner, _) = rest.split_once(&format!("</{name}>"))?;
    Some(inner).filter(|inner| !inner.is_empty())
}

/// An error with its causes in one line, each said once.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(document: &'static str) -> Box<dyn Error + Send + Sync> {
        document.into()
    }

    #[test]
    fn the_code_decides_and_the_rest_of_the_document_is_dropped() {
        let document = "<Error><Code>NoSuchBucket</Code><Message>gone</Message><StringToSign>x y</StringToSign></Error>";
        let error = E::NotFound { path: "p/k".to_owned(), source: said(document) };
        let meaning = meaning("read", "k", error);
        assert!(matches!(meaning, StorageError::Unavailable { .. }), "{meaning}");
        assert_eq!(meaning.source().unwrap().to_string(), "NoSuchBucket: gone");
    }

    #[test]
    fn a_refusal_names_the_credentials() {
        let document = "<Error><Code>SignatureDoesNotMatch</Code></Error>";
        let error = E::PermissionDenied { path: "k".to_owned(), source: said(document) };
        let meaning = meaning("read", "k", error);
        assert!(meaning.to_string().contains("ARTIFACT_STORE_S3_ACCESS_KEY_ID"), "{meaning}");
        assert_eq!(meaning.source().unwrap().to_string(), "SignatureDoesNotMatch");
    }

    #[test]
    fn slowing_down_is_unavailable() {
        let document = "503: <Error><Code>SlowDown</Code><Message></Message></Error>";
        let error = E::Generic { store: "S3", source: said(document) };
        let meaning = meaning("write", "k", error);
        assert!(matches!(meaning, StorageError::Unavailable { .. }), "{meaning}");
        assert_eq!(meaning.source().unwrap().to_string(), "SlowDown");
    }
}
