//! Where the server is, and where in it things are.

use artifact_domain::filter::PageLimit;
use artifact_domain::wire::url_path;
use artifact_domain::{LogicalPath, PackageId};
use reqwest::Url;

use crate::error::ClientError;

/// The address of a server: a URL without a slash at its end.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    base: String,
    is_loopback: bool,
    is_https: bool,
}

impl Address {
    pub(crate) fn parse(text: &str) -> Result<Self, ClientError> {
        let invalid = |reason: &str| ClientError::InvalidUrl {
            // What was to be a URL may hold a password; only what is not one is quoted whole.
            url: Url::parse(text).map_or_else(|_| text.to_owned(), |url| without_secrets(&url)),
            reason: reason.to_owned(),
        };
        let url = Url::parse(text).map_err(|error| invalid(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(invalid("a server's URL begins with http:// or https://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid("a name and password in the URL are not used: give a token"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(invalid("a server's URL has no '?' and no '#'"));
        }
        let host = url.host_str().unwrap_or_default();
        let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
        let is_loopback = host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback());
        let is_https = url.scheme() == "https";
        let base = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self { base, is_loopback, is_https })
    }

    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Whether the server is on this machine.
    pub(crate) const fn is_loopback(&self) -> bool {
        self.is_loopback
    }

    pub(crate) const fn is_https(&self) -> bool {
        self.is_https
    }

    /// Something below `/api/v1`; `path` begins with a slash.
    pub(crate) fn api(&self, path: &str) -> String {
        format!("{}/api/v1{path}", self.base)
    }

    pub(crate) fn package(&self, package: PackageId, path: &str) -> String {
        self.api(&format!("/packages/{package}{path}"))
    }

    pub(crate) fn file(&self, package: PackageId, path: &LogicalPath) -> String {
        self.package(package, &format!("/files/{}", url_path(path)))
    }

    /// A link of an answer, which may be a path, as a URL.
    pub(crate) fn absolute(&self, link: &str) -> String {
        if link.starts_with('/') { format!("{}{link}", self.base) } else { link.to_owned() }
    }
}

/// A URL as it may be shown.
fn without_secrets(url: &Url) -> String {
    let mut shown = url.clone();
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.to_string()
}

/// A URL with these parameters.
pub(crate) fn with_query<'a>(
    url: &str,
    pairs: impl IntoIterator<Item = (&'a str, String)>,
) -> String {
    let Ok(mut parsed) = Url::parse(url) else { return url.to_owned() };
    for (name, value) in pairs {
        parsed.query_pairs_mut().append_pair(name, &value);
    }
    parsed.into()
}

/// The URL of one page of a list.
pub(crate) fn paged(url: &str, cursor: Option<&str>, limit: PageLimit) -> String {
    let limit = ("limit", limit.get().to_string());
    let cursor = cursor.map(|cursor| ("cursor", cursor.to_owned()));
    with_query(url, [limit].into_iter().chain(cursor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_keeps_its_path_and_loses_its_slash() {
        for (text, base) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
            ("HTTPS://E.example.org:443/evidence/", "https://e.example.org/evidence"),
        ] {
            assert_eq!(Address::parse(text).unwrap().base(), base);
        }
    }

    #[test]
    fn what_is_no_address_of_a_server_is_said_and_passwords_are_not() {
        for (text, wanted) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("ftp://host", "begins with http://"),
            ("http://host?x", "no '?'"),
            ("http://user:s3cret@host", "give a token"),
            ("", "relative URL"),
        ] {
            let error = Address::parse(text).unwrap_err().to_string();
            assert!(error.contains(wanted) && !error.contains("s3cret"), "{text}: {error}");
        }
    }

    #[test]
    fn loopback_is_known_by_name_and_by_number() {
        for (text, is_loopback) in [
            ("http://localhost:1", true),
            ("http://127.3.2.1", true),
            ("http://[::1]:8080", true),
            ("http://10.0.0.1", false),
            ("http://localhost.example.org", false),
        ] {
            assert_eq!(Address::parse(text).unwrap().is_loopback(), is_loopback, "{text}");
        }
    }

    #[test]
    fn a_link_that_is_a_path_is_below_the_address() {
        let address = Address::parse("https://h/e").unwrap();
        assert_eq!(address.absolute("/api/v1/x"), "https://h/e/api/v1/x");
        assert_eq!(address.absolute("http://other/x"), "http://other/x");
    }

    #[test]
    fn odd_paths_reach_the_server_as_they_are() {
        let address = Address::parse("http://h").unwrap();
        let id = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        for text in ["%2e%2e/x", "a b/…#?x", ".../~-_", "%", "a+b&c=d;e"] {
            let path = LogicalPath::parse(text).unwrap();
            let url = address.file(id, &path);
            assert_eq!(Url::parse(&url).unwrap().as_str(), url);
        }
    }
}
