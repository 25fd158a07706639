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
use actix_server::{Server, ServerBuilder};
use actix_service::{IntoServiceFactory as _, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::dev::AppConfig;
use actix_web::http::KeepAlive;
use actix_web::middleware::from_fn;
use actix_web::{App, web};
use artifact_store::ArtifactStore;
use tokio::net::TcpStream;

use super::caller::Door;
use super::extract::Crowd;
use super::metrics::Metrics;
use super::readiness::ReadinessCache;
use super::socket::Socket;
use super::{Settings, early, observe, routes};

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
    server: Server,
    addresses: Vec<SocketAddr>,
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
    /// Binds the addresses and makes a server that stops when `stop` is done: it takes no new
    /// requests then and finishes those that run. It has to be called inside an actix system.
    ///
    /// # Errors
    /// An address cannot be bound.
    pub fn bind(
        store: ArtifactStore,
        settings: Settings,
        addresses: &[SocketAddr],
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<Self> {
        let mut server = Server::build()
            .shutdown_signal(stop)
            .shutdown_timeout(settings.shutdown.as_secs().max(1));
        let shared = Shared {
            door: web::Data::new(Door::new(store)),
            settings: web::Data::new(settings),
            metrics: web::Data::new(Metrics::default()),
            readiness: web::Data::new(ReadinessCache::default()),
            crowd: web::Data::new(Crowd::default()),
            docs: web::Data::new(utoipa_swagger_ui::Config::from("/openapi.json")),
        };
        let mut bound = Vec::new();
        for address in addresses {
            let listener = TcpListener::bind(address)?;
            // Connections inherit it, which spares each of them a call: an answer must not wait
            // for the acknowledgement of the one before (RFC 896 and delayed ACK, 40 ms).
            rustix::net::sockopt::set_tcp_nodelay(&listener, true)?;
            bound.push(listener.local_addr()?);
            server = listen(server, listener, shared.clone())?;
        }
        Ok(Self { server: server.run(), addresses: bound })
    }

    /// The addresses that it listens on, with the ports that the system chose.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Serves until it is stopped.
    ///
    /// # Errors
    /// The server died.
    pub async fn serve(self) -> io::Result<()> {
        self.server.await
    }
}

fn listen(
    server: ServerBuilder,
    listener: TcpListener,
    shared: Shared,
) -> io::Result<ServerBuilder> {
    let stopping = server.graceful_shutdown_signal();
    server.listen("gateway", listener, move || {
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
        let (stopping, settings) = (stopping.clone(), shared.settings.clone());
        let service = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .keep_alive(KeepAlive::Timeout(KEEP_ALIVE))
            .client_request_timeout(HEAD_TIME)
            .client_disconnect_timeout(LINGER)
            .h1_write_buffer_size(WRITE_BUFFER)
            .h1_allow_half_closed(true)
            .on_connect_ext(|socket: &Socket, data| {
                data.insert(socket.window());
            })
            .expect(move |request| std::future::ready(early::expect(request, &settings)))
            .finish(map_config(app, |()| AppConfig::default()));
        fn_service(move |stream: TcpStream| {
            ready(Ok::<_, DispatchError>((Socket::new(stream), Protocol::Http1, None)))
        })
        .and_then(service)
    })
}
