//! Which database: chosen by the scheme of its URL, never by trying.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::error::RegistryError;

/// Where a registry is. A PostgreSQL URL may hold a password, which is never displayed.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// `sqlite://<path>`: a file on a local disk.
    Sqlite(PathBuf),
    /// `postgres://...` or `postgresql://...`, as libpq reads it.
    Postgres(String),
}

impl DatabaseUrl {
    /// The SQLite file at `path`.
    pub fn sqlite(path: impl AsRef<Path>) -> Self {
        Self::Sqlite(path.as_ref().to_path_buf())
    }

    /// The kind of database: `sqlite` or `postgres`.
    pub const fn backend(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgres",
        }
    }
}

impl FromStr for DatabaseUrl {
    type Err = RegistryError;

    fn from_str(text: &str) -> Result<Self, RegistryError> {
        match text.split_once("://") {
            Some(("sqlite", path)) if !path.is_empty() => Ok(Self::Sqlite(PathBuf::from(path))),
            Some(("postgres" | "postgresql", rest)) if !rest.is_empty() => {
                Ok(Self::Postgres(text.to_owned()))
            }
            _ => Err(RegistryError::InvalidUrl { url: without_password(text) }),
        }
    }
}

/// A PostgreSQL URL with these parameters in front of its own, so that of two the URL's own holds.
pub(crate) fn with_defaults(url: &str, defaults: &[(&str, String)]) -> String {
    // A password may hold a question mark.
    let host = url.rfind('@').unwrap_or(0);
    let (place, own) = match url[host..].find('?') {
        Some(at) => (&url[..host + at], &url[host + at + 1..]),
        None => (url, ""),
    };
    let own = Some(own).filter(|own| !own.is_empty()).map(str::to_owned);
    let defaults = defaults.iter().map(|(name, value)| format!("{name}={value}"));
    let query: Vec<String> = defaults.chain(own).collect();
    format!("{place}?{}", query.join("&"))
}

/// `scheme://user:secret@host?password=secret`, or `password=secret` among other words as libpq
/// also takes it, with `***` for the secret.
fn without_password(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("password=") {
        let (before, value) = rest.split_at(at + "password=".len());
        shown.push_str(before);
        shown.push_str("***");
        let quoted = value.strip_prefix('\'').and_then(|value| value.find('\'')).map(|end| end + 2);
        let end = quoted.or_else(|| value.find(|c: char| c == '&' || c.is_whitespace()));
        rest = end.map_or("", |end| &value[end..]);
    }
    shown.push_str(rest);
    let Some((scheme, rest)) = shown.split_once("://") else { return shown };
    match rest.rsplit_once('@') {
        Some((user, host)) => {
            let user = user.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}:***@{host}")
        }
        None => shown,
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(url) => f.write_str(&without_password(url)),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_chooses_the_database_and_a_typo_is_an_error() {
        assert_eq!(
            "sqlite://a/b.sqlite3".parse::<DatabaseUrl>().unwrap(),
            DatabaseUrl::sqlite("a/b.sqlite3")
        );
        assert!(matches!(
            "postgres://u@h/d".parse::<DatabaseUrl>().unwrap(),
            DatabaseUrl::Postgres(_)
        ));
        for typo in
            ["", "a.sqlite3", "sqllite://a", "sqlite://", "postgres//u@h/d", "mysql://u@h/d"]
        {
            assert!(typo.parse::<DatabaseUrl>().is_err(), "{typo}");
        }
    }

    #[test]
    fn what_a_url_says_itself_comes_behind_the_defaults() {
        let defaults = [("a", "1".to_owned()), ("b", "2".to_owned())];
        for (url, whole) in [
            ("postgres://u@h/d", "postgres://u@h/d?a=1&b=2"),
            ("postgres://u@h/d?", "postgres://u@h/d?a=1&b=2"),
            ("postgres://h/d?b=3&c=4", "postgres://h/d?a=1&b=2&b=3&c=4"),
            ("postgres://u:p?w@h/d?b=3", "postgres://u:p?w@h/d?a=1&b=2&b=3"),
        ] {
            assert_eq!(with_defaults(url, &defaults), whole);
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let url: DatabaseUrl = "postgres://store:s3cr@t@db.example.org/evidence".parse().unwrap();
        assert_eq!(format!("{url} {url:?}").matches("***").count(), 2);
        assert!(!format!("{url:?}").contains("s3cr"));
        let error = "mysql://u:s3cret@h/d".parse::<DatabaseUrl>().unwrap_err().to_string();
        assert!(!error.contains("s3cret"), "{error}");
        for (text, shown) in [
            (
                "postgres://h/d?password=s3cr@t&sslmode=require",
                "postgres://h/d?password=***&sslmode=require",
            ),
            ("postgres://u@h/d?sslpassword=s3cret", "postgres://u:***@h/d?sslpassword=***"),
            ("host=h password=s3cret dbname=d", "host=h password=*** dbname=d"),
            ("password='s3 cret' host=h", "password=*** host=h"),
        ] {
            assert_eq!(without_password(text), shown);
        }
    }
}
