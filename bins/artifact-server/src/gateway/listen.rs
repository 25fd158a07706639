//! The server itself: sockets, connections, the application.
//!
//! It is put together from the parts of actix: `HttpServer` has no way to look at a request that
//! expects `100 Continue` before the body is asked for.

use std::future::{Future, ready};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, Protocol};
use actix_service::{
    IntoServiceFactory as _, ServiceFactory, ServiceFactoryExt as _, fn_service, map_config,
};
use actix_web::dev::AppConfig;
use actix_web::http::KeepAlive;
use actix_web::middleware::from_fn;
use actix_web::{App, web};
use artifact_store::ArtifactStore;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::caller::Door;
use super::extract::Crowd;
use super::metrics::Metrics;
use super::readiness::ReadinessCache;
use super::socket::Socket;
use super::{Settings, doors, early, observe, routes, workers};

/// How long a client may take to send a request's head, and how long it may be silent between two
/// requests.
const HEAD_TIME: Duration = Duration::from_secs(10);
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// How long the rest of a refused body is read, so that the client gets to see why.
const LINGER: Duration = Duration::from_secs(2);

/// Bytes of answers that wait for a slow client, for each connection.
const WRITE_BUFFER: usize = 256 * 1024;

/// A gateway that listens.
pub struct Gateway {
    listeners: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
    shared: Shared,
}

/// What every connection of every worker shares.
#[derive(Clone)]
struct Shared {
    door: web::Data<Door>,
    settings: web::Data<Settings>,
    metrics: web::Data<Metrics>,
    readiness: web::Data<ReadinessCache>,
    crowd: web::Data<Crowd>,
    docs: web::Data<utoipa_swagger_ui::Config<'static>>,
}

impl Gateway {
    /// Binds the addresses.
    ///
    /// # Errors
    /// An address cannot be bound.
    pub fn bind(
        store: ArtifactStore,
        settings: Settings,
        addresses: &[SocketAddr],
    ) -> io::Result<Self> {
        let listeners: Vec<_> =
            addresses.iter().map(|address| doors::first(*address)).collect::<Result<_, _>>()?;
        let addresses = listeners.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?;
        let shared = Shared {
            door: web::Data::new(Door::new(store)),
            settings: web::Data::new(settings),
            metrics: web::Data::new(Metrics::default()),
            readiness: web::Data::new(ReadinessCache::default()),
            crowd: web::Data::new(Crowd::default()),
            docs: web::Data::new(utoipa_swagger_ui::Config::from("/openapi.json")),
        };
        Ok(Self { listeners, addresses, shared })
    }

    /// The addresses that it listens on, with the ports that the system chose.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Serves until `stop` is done: it takes no new requests then and finishes those that run.
    ///
    /// # Errors
    /// It could not begin.
    pub async fn serve(self, stop: impl Future<Output = ()>) -> io::Result<()> {
        let stopping = CancellationToken::new();
        let patience = self.shared.settings.shutdown;
        let shared = self.shared;
        let told = stopping.clone();
        let factory = move || connections(shared.clone(), told.clone());
        workers::serve(self.listeners, factory, stopping, stop, patience).await
    }
}

/// What serves the connections of one worker.
fn connections(
    shared: Shared,
    stopping: CancellationToken,
) -> impl ServiceFactory<TcpStream, Config = ()> {
    let app = App::new()
        .app_data(shared.door.clone())
        .app_data(shared.settings.clone())
        .app_data(shared.metrics.clone())
        .app_data(shared.readiness.clone())
        .app_data(shared.crowd.clone())
        .app_data(shared.docs.clone())
        .wrap(from_fn(observe::observe))
        .configure(routes::routes);
    let app = app.into_factory().map_err(|error| error.error_response());
    let settings = shared.settings;
    let service = HttpService::build()
        .graceful_shutdown_signal(move || {
            let stopping = stopping.clone();
            async move { stopping.cancelled().await }
        })
        .keep_alive(KeepAlive::Timeout(KEEP_ALIVE))
        .client_request_timeout(HEAD_TIME)
        .client_disconnect_timeout(LINGER)
        .h1_write_buffer_size(WRITE_BUFFER)
        .h1_allow_half_closed(true)
        .on_connect_ext(|socket: &Socket, data| {
            data.insert(socket.connection());
        })
        .expect(move |request| std::future::ready(early::expect(request, &settings)))
        .finish(map_config(app, |()| AppConfig::default()));
    fn_service(move |stream: TcpStream| {
        ready(Ok::<_, DispatchError>((Socket::new(stream), Protocol::Http1, None)))
    })
    .and_then(service)
}
