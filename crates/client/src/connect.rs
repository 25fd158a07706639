//! The connections to a server.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderMap, HeaderValue};
use rustls::crypto::CryptoProvider;
use rustls_platform_verifier::BuilderVerifierExt as _;

use crate::address::Address;
use crate::error::ClientError;
use crate::options::ClientOptions;

/// How long an idle connection is kept for the next request: less than the five seconds after
/// which servers commonly close one, so that a request does not meet the closing.
const KEPT_IDLE: Duration = Duration::from_secs(4);

/// How often the system asks a silent peer whether it is still there.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// Connections to `address` with the token in every request.
pub(crate) fn connect(
    address: &Address,
    options: &ClientOptions,
) -> Result<reqwest::Client, ClientError> {
    let mut headers = HeaderMap::new();
    // What is hashed are the bytes themselves: nothing on the way shall pack them.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if let Some(token) = &options.token {
        let mut value = HeaderValue::try_from(format!("Bearer {}", token.reveal()))
            .map_err(|_| ClientError::Setup("the token has characters that no token has".into()))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("artifact-client/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers)
        .tls_backend_preconfigured(tls(address)?)
        .http1_only()
        .tcp_nodelay(true)
        .tcp_keepalive(KEEPALIVE)
        .connect_timeout(options.connect_timeout)
        .pool_idle_timeout(KEPT_IDLE)
        // A body that was sent cannot follow, and a token must not go elsewhere.
        .redirect(reqwest::redirect::Policy::none())
        // What may be repeated is decided here, not there.
        .retry(reqwest::retry::never());
    if address.is_loopback() {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| ClientError::Setup(error.to_string()))
}

/// TLS with the certificates that the system trusts, if it is needed at all.
fn tls(address: &Address) -> Result<rustls::ClientConfig, ClientError> {
    let failed = |error: rustls::Error| ClientError::Setup(format!("TLS: {error}"));
    let provider: Arc<CryptoProvider> = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(failed)?;
    let config = if address.is_https() {
        config.with_platform_verifier().map_err(failed)?
    } else {
        config.with_root_certificates(rustls::RootCertStore::empty())
    };
    Ok(config.with_no_client_auth())
}
