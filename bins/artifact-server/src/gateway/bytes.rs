//! Bodies of answers.

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody, SizedStream};
use actix_web::{HttpResponse, HttpResponseBuilder, web};
use artifact_store::{ByteStream, StoreError};
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};

use super::metrics::Metrics;

/// Bytes, for the description of the interface.
#[derive(utoipa::ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "it stands for bytes that are never in memory as a whole")]
pub(crate) struct Binary(Vec<u8>);

/// The body that a HEAD request is not sent: its length alone.
#[derive(Debug)]
pub(crate) struct HeadOnly(pub(crate) u64);

impl MessageBody for HeadOnly {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.0)
    }

    fn poll_next(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Poll::Ready(None)
    }
}

/// Answers with a stream of exactly `length` bytes. The first bytes are read before the answer
/// begins: what fails at once is an error and no broken answer, and a small body leaves in one
/// write with its head.
pub(crate) async fn send(
    mut response: HttpResponseBuilder,
    length: u64,
    mut stream: ByteStream,
    metrics: web::Data<Metrics>,
) -> Result<HttpResponse, StoreError> {
    let first = stream.try_next().await?.unwrap_or_default();
    metrics.sent(first.len() as u64);
    if first.len() as u64 == length {
        return Ok(response.body(first));
    }
    let rest = counted(stream, metrics);
    let stream = futures::stream::iter([Ok(first)]).chain(rest);
    Ok(response.body(SizedStream::new(length, stream)))
}

/// Answers with a stream whose length is not known.
pub(crate) async fn send_chunked(
    mut response: HttpResponseBuilder,
    mut stream: ByteStream,
    metrics: web::Data<Metrics>,
) -> Result<HttpResponse, StoreError> {
    let first = stream.try_next().await?.unwrap_or_default();
    metrics.sent(first.len() as u64);
    let rest = counted(stream, metrics);
    Ok(response.streaming(futures::stream::iter([Ok(first)]).chain(rest)))
}

/// Counts the bytes that leave. An error ends the connection: a client must not take the part for
/// the whole. Nobody but the log can be told why.
fn counted(
    stream: ByteStream,
    metrics: web::Data<Metrics>,
) -> impl futures::Stream<Item = Result<Bytes, StoreError>> {
    stream.inspect(move |chunk| match chunk {
        Ok(bytes) => metrics.sent(bytes.len() as u64),
        Err(error) => tracing::error!(%error, "an answer was cut off: {error}"),
    })
}
