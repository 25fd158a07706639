//! How a client behaves: the token, the timeouts, the retries.

use std::fmt;
use std::time::Duration;

/// A token that says who is asking. It is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// The token with this text, as `artifact-server token create` prints it. Spaces and line
    /// breaks around it, as a file or a variable may have them, are no part of it.
    pub fn new(text: impl AsRef<str>) -> Self {
        Self(text.as_ref().trim().to_owned())
    }

    /// Whether there is no text at all.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(redacted)")
    }
}

/// How a client behaves.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// Who is asking; `None` for a server that is open.
    pub token: Option<Token>,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long a transfer may stand still, either way, before it is cut. The whole of it may
    /// take as long as it takes.
    pub idle_timeout: Duration,
    /// How long an answer may take once the request was sent.
    pub answer_timeout: Duration,
    /// How long finalize and delete may take. To finalize, the server makes every byte of the
    /// package durable, and after a reboot it reads them all again; to delete, it removes file by
    /// file.
    pub finalize_timeout: Duration,
    /// When and how often a failed request is repeated.
    pub retries: Retries,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            token: None,
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            answer_timeout: Duration::from_mins(1),
            finalize_timeout: Duration::from_mins(30),
            retries: Retries::default(),
        }
    }
}

/// When and how often a failed request is repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retries {
    /// How often a request is sent at most, the first time included; 1 repeats nothing.
    pub attempts: u32,
    /// The pause before the second attempt. It doubles from one to the next, and each is
    /// shortened by up to a half at random, so that many clients do not come back together.
    pub first_pause: Duration,
    /// The longest pause, also when the server asks for a longer one by `Retry-After`.
    pub longest_pause: Duration,
    /// No attempt is begun later than this after the first failure. A download that gets further
    /// begins anew.
    pub total: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            attempts: 6,
            first_pause: Duration::from_millis(250),
            longest_pause: Duration::from_secs(30),
            total: Duration::from_secs(90),
        }
    }
}

impl Retries {
    /// Every request is sent once.
    pub fn none() -> Self {
        Self { attempts: 1, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_not_in_what_is_printed_of_the_options() {
        let options =
            ClientOptions { token: Some(Token::new(" s3cret\n")), ..ClientOptions::default() };
        let printed = format!("{options:?}");
        assert!(!printed.contains("s3cret") && printed.contains("redacted"), "{printed}");
        assert_eq!(options.token.unwrap().reveal(), "s3cret");
    }
}
