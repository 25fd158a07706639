//! Bodies as streams.

use std::future::{Future as _, Ready, ready};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderMap};
use actix_web::{FromRequest, HttpRequest, web};
use artifact_domain::wire::ErrorCode;
use bytes::{Bytes, BytesMut};
use futures::Stream;
use tokio::time::{Instant, Sleep};

use crate::gateway::Settings;
use crate::gateway::connection::Connection;
use crate::gateway::problem::ApiError;

/// Bytes are passed on in pieces of at most this size: the socket gives a few KiB at a time, and
/// each piece costs two hand-overs to the threads that hash.
const PIECE: usize = 256 * 1024;

/// In a crowd of bodies the pieces are smaller, down to this, so that together they stay below
/// [`COLLECTED`] bytes.
const LEAST_PIECE: usize = 32 * 1024;
const COLLECTED: usize = 2 << 20;

/// A chunk of so many bytes is passed on as it is.
const LARGE_CHUNK: usize = 128 * 1024;

/// The bytes that all connections together are read ahead of their bodies, and one of them at most
/// and at least.
const AHEAD: usize = 2 << 20;
const MOST_AHEAD: usize = 512 * 1024;
const LEAST_AHEAD: usize = 32 * 1024;

/// How many bodies are being received.
#[derive(Debug, Default)]
pub(crate) struct Crowd(AtomicUsize);

impl Crowd {
    /// How many bodies are being received; 1 if none is.
    pub(crate) fn bodies(&self) -> usize {
        self.0.load(Ordering::Relaxed).max(1)
    }
}

/// What arrived is passed on after this time even if it is less, so that a slow sender is seen to
/// be alive: a quarter of the time that an upload may be silent, at most this.
const PATIENCE: Duration = Duration::from_secs(1);
const LOOKS_PER_IDLE_TIME: u32 = 4;

/// The body of a request, in pieces of up to [`PIECE`] bytes. An error item says
/// that it was cut off or fell silent.
pub(crate) struct Body {
    payload: Payload,
    crowd: Option<web::Data<Crowd>>,
    /// The connection that it comes by.
    connection: Rc<Connection>,
    /// How many bytes are still to be passed on, as far as that was announced: no more is collected
    /// than will come.
    announced: usize,
    /// What came and is not collected yet.
    rest: Bytes,
    /// The piece that is being collected; its capacity is the size that it will have.
    collected: BytesMut,
    /// When the first of the collected bytes came.
    since: Instant,
    /// How long they may wait for more.
    patience: Duration,
    /// The alarm that ends the wait for more.
    alarm: Pin<Box<Sleep>>,
    /// How long the sender may be silent; the store has its own watch over uploads.
    idle: Option<Duration>,
    heard: Instant,
    ended: bool,
}

impl Body {
    /// A body whose reader watches over the sender's silence.
    pub(crate) fn of(request: &HttpRequest, payload: &mut Payload) -> Self {
        let idle = upload_idle(request).unwrap_or(Duration::MAX);
        let crowd = request.app_data::<web::Data<Crowd>>().cloned();
        if let Some(crowd) = &crowd {
            crowd.0.fetch_add(1, Ordering::Relaxed);
        }
        let connection = Connection::of(request);
        connection.window.open(window_size(crowd.as_ref()));
        Self {
            payload: payload.take(),
            crowd,
            connection,
            announced: content_length(request.headers())
                .and_then(|length| usize::try_from(length).ok())
                .unwrap_or(usize::MAX),
            rest: Bytes::new(),
            collected: BytesMut::new(),
            since: Instant::now(),
            patience: PATIENCE.min(idle / LOOKS_PER_IDLE_TIME),
            alarm: Box::pin(tokio::time::sleep(PATIENCE)),
            idle: None,
            heard: Instant::now(),
            ended: false,
        }
    }

    /// A body that ends in an error when its sender is silent for longer than an upload may be.
    pub(crate) fn bounded(request: &HttpRequest, payload: &mut Payload) -> Self {
        let mut body = Self::of(request, payload);
        body.idle = upload_idle(request);
        body
    }

    /// How much is collected before it is passed on.
    fn piece(&self) -> usize {
        let bodies = self.crowd.as_ref().map_or(1, |crowd| crowd.bodies());
        (COLLECTED / bodies).clamp(LEAST_PIECE, PIECE)
    }

    fn take(&mut self) -> Bytes {
        std::mem::take(&mut self.collected).freeze()
    }

    /// Moves what came into the piece that is being collected; answers the piece when it is whole.
    ///
    /// It is copied, into exactly as much as it takes: a chunk keeps the whole buffer that it was
    /// read into, and a few that wait to be written would keep many times their size.
    fn collect(&mut self) -> Option<Bytes> {
        if self.rest.is_empty() {
            return None;
        }
        if self.collected.is_empty() {
            let piece = self.piece().min(self.announced);
            if self.rest.len() >= piece.max(LARGE_CHUNK) || self.rest.len() == self.announced {
                self.announced -= self.rest.len().min(self.announced);
                return Some(std::mem::take(&mut self.rest));
            }
            self.since = self.heard;
            self.collected = BytesMut::with_capacity(piece);
        }
        let room = self.collected.capacity() - self.collected.len();
        let taken = self.rest.split_to(room.min(self.rest.len()));
        self.collected.extend_from_slice(&taken);
        self.announced -= taken.len().min(self.announced);
        (self.collected.len() == self.collected.capacity()).then(|| self.take())
    }

    /// Sets the alarm that ends the wait for more.
    fn wait(&mut self, context: &mut Context<'_>, until: Instant) -> Poll<()> {
        self.alarm.as_mut().reset(until);
        self.alarm.as_mut().poll(context)
    }
}

impl Drop for Body {
    /// The connection may be waiting for somebody to take bytes before it reads on. It is told
    /// that nobody will by one last look: without it, a client that sends all of a refused body
    /// before it reads the answer would wait with it.
    fn drop(&mut self) {
        if let Some(crowd) = &self.crowd {
            crowd.0.fetch_sub(1, Ordering::Relaxed);
        }
        if !self.ended {
            let _ = Pin::new(&mut self.payload).poll_next(&mut Context::from_waker(Waker::noop()));
        }
        self.connection.window.close();
    }
}

/// How far a connection may be read ahead of its body, with so many bodies under way.
fn window_size(crowd: Option<&web::Data<Crowd>>) -> usize {
    (AHEAD / crowd.map_or(1, |crowd| crowd.bodies())).clamp(LEAST_AHEAD, MOST_AHEAD)
}

fn upload_idle(request: &HttpRequest) -> Option<Duration> {
    request.app_data::<web::Data<Settings>>().map(|settings| settings.upload_idle)
}

impl Stream for Body {
    type Item = Result<Bytes, io::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(piece) = this.collect() {
                return Poll::Ready(Some(Ok(piece)));
            }
            if this.ended {
                let left = this.take();
                return Poll::Ready((!left.is_empty()).then_some(Ok(left)));
            }
            match Pin::new(&mut this.payload).poll_next(context) {
                Poll::Ready(Some(Ok(chunk))) => {
                    this.heard = Instant::now();
                    this.connection.window.used(chunk.len(), window_size(this.crowd.as_ref()));
                    this.rest = chunk;
                }
                Poll::Ready(Some(Err(error))) => {
                    this.ended = true;
                    this.collected.clear();
                    return Poll::Ready(Some(Err(io::Error::other(error))));
                }
                Poll::Ready(None) => this.ended = true,
                Poll::Pending => {
                    this.connection.window.drained();
                    let until = if this.collected.is_empty() {
                        match this.idle {
                            None => return Poll::Pending,
                            Some(idle) => this.heard + idle,
                        }
                    } else {
                        this.since + this.patience
                    };
                    if this.wait(context, until).is_pending() {
                        return Poll::Pending;
                    }
                    if !this.collected.is_empty() {
                        return Poll::Ready(Some(Ok(this.take())));
                    }
                    this.ended = true;
                    let silent = "no byte came for too long";
                    return Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::TimedOut, silent))));
                }
            }
        }
    }
}

impl FromRequest for Body {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(request, payload)))
    }
}

/// The length that a request announces.
pub(crate) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Refuses a body that is coded: digests and sizes are those of the bytes that are sent.
pub(crate) fn identity_coding(headers: &HeaderMap) -> Result<(), ApiError> {
    for coding in headers.get_all(header::CONTENT_ENCODING) {
        if !coding.as_bytes().eq_ignore_ascii_case(b"identity") {
            let detail = format!(
                "Content-Encoding {coding:?} is not taken: send the bytes as they are to be kept"
            );
            return Err(ApiError::refuse(ErrorCode::UnsupportedMediaType, detail));
        }
    }
    Ok(())
}
