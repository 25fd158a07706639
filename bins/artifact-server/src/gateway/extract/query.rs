//! Query parameters.

use std::future::{Ready, ready};
use std::str::FromStr;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use percent_encoding::percent_decode_str;

use crate::gateway::problem::ApiError;

/// The parameters of a request, taken out one by one. [`Query::finish`] refuses what nobody took,
/// so that a typo is not silently ignored.
#[derive(Debug)]
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
}

/// `+` is a space and `%` begins a byte, as forms have it.
fn decoded(text: &str) -> Result<String, ApiError> {
    let text = text.replace('+', " ");
    let decoded = percent_decode_str(&text).decode_utf8().ok();
    let decoded = decoded.filter(|decoded| !decoded.contains('\0'));
    decoded.map(std::borrow::Cow::into_owned).ok_or_else(|| {
        ApiError::invalid(format!("the query has {text:?}, which is not UTF-8 text without NUL"))
    })
}

impl Query {
    fn parse(query: &str) -> Result<Self, ApiError> {
        let mut pairs = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            pairs.push((decoded(name)?, decoded(value)?));
        }
        Ok(Self { pairs })
    }

    /// The value of a parameter that may be there once.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        let mut values = self.all(|given| given == name);
        match values.len() {
            0 | 1 => Ok(values.pop().map(|(_, value)| value)),
            more => Err(ApiError::invalid(format!("{name} is given {more} times: once is enough"))),
        }
    }

    /// The value of a parameter that may be there once, parsed.
    pub(crate) fn one<T: FromStr<Err: std::fmt::Display>>(
        &mut self,
        name: &str,
    ) -> Result<Option<T>, ApiError> {
        let parse = |text: String| {
            text.parse().map_err(|error| ApiError::invalid(format!("{name}: {error}")))
        };
        self.text(name)?.map(parse).transpose()
    }

    /// A parameter that is `true` or `false`.
    pub(crate) fn flag(&mut self, name: &str) -> Result<Option<bool>, ApiError> {
        let expected = |_| format!("{name}: expected true or false");
        let parse = |text: String| text.parse().map_err(expected).map_err(ApiError::invalid);
        self.text(name)?.map(parse).transpose()
    }

    /// Takes out every pair whose name meets the condition.
    pub(crate) fn all(&mut self, meets: impl Fn(&str) -> bool) -> Vec<(String, String)> {
        self.pairs.extract_if(.., |(name, _)| meets(name)).collect()
    }

    /// Refuses what is left.
    pub(crate) fn finish(self) -> Result<(), ApiError> {
        match self.pairs.first() {
            None => Ok(()),
            Some((name, _)) => {
                Err(ApiError::invalid(format!("{name:?} is not a parameter of this resource")))
            }
        }
    }
}

impl FromRequest for Query {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(Self::parse(request.query_string()))
    }
}

/// Says that a resource has no parameters.
#[derive(Debug)]
pub(crate) struct NoQuery;

impl FromRequest for NoQuery {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(Query::parse(request.query_string()).and_then(Query::finish).map(|()| Self))
    }
}
