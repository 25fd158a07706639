//! The client of one server.

use std::fmt;
use std::sync::Arc;

use artifact_domain::PackageId;

use crate::address::Address;
use crate::connect::connect;
use crate::error::ClientError;
use crate::options::ClientOptions;

/// The client of one server. Cloning it is cheap, and clones share their connections.
#[derive(Clone)]
pub struct Client {
    parts: Arc<Parts>,
}

struct Parts {
    address: Address,
    http: reqwest::Client,
    options: ClientOptions,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { address, options, .. } = &*self.parts;
        f.debug_struct("Client")
            .field("address", address)
            .field("options", options)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client of the server at `base_url`, such as `https://evidence.example.org`: what stands
    /// before `/api/v1`. Nothing is sent yet.
    ///
    /// Proxies are taken from `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` as usual, but never for
    /// a server on this machine. Certificates are those that the system trusts; on Linux
    /// `SSL_CERT_FILE` and `SSL_CERT_DIR` replace them.
    pub fn new(base_url: &str, options: ClientOptions) -> Result<Self, ClientError> {
        let address = Address::parse(base_url)?;
        let http = connect(&address, &options)?;
        Ok(Self { parts: Arc::new(Parts { address, http, options }) })
    }

    /// The server's URL, without a slash at its end.
    pub fn base_url(&self) -> &str {
        self.parts.address.base()
    }

    /// Where a package is found at this server.
    pub fn package_url(&self, package: PackageId) -> String {
        self.parts.address.package(package, "")
    }

    /// A link of an answer as a URL: the server answers paths if it does not know its own.
    pub fn absolute(&self, link: &str) -> String {
        self.parts.address.absolute(link)
    }

    pub(crate) fn address(&self) -> &Address {
        &self.parts.address
    }

    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.parts.http
    }

    pub(crate) fn options(&self) -> &ClientOptions {
        &self.parts.options
    }
}
