//! `serve`.

use std::error::Error;
use std::io::{self, Write as _};
use std::mem::ManuallyDrop;
use std::net::SocketAddr;
use std::process::ExitCode;

use artifact_store::{Access, ArtifactStore, Capabilities, StoreOptions};
use tokio::signal::unix::{SignalKind, signal};

use super::USAGE;
use crate::args::Serve;
use crate::background;
use crate::gateway::{Gateway, Settings};
use crate::scheduling;

/// Serves the store until SIGTERM or SIGINT.
pub(super) fn serve(arguments: &Serve, options: StoreOptions) -> Result<ExitCode, Box<dyn Error>> {
    let addresses = arguments
        .addresses()
        .map_err(|error| format!("--bind {}: {error}: expected HOST:PORT", arguments.bind))?;
    if !arguments.allow_anonymous && !addresses.iter().all(is_loopback) {
        writeln!(
            io::stderr(),
            "error: {} can be reached from elsewhere and no token was made: bind a loopback \
             address such as 127.0.0.1:8080, or say --allow-anonymous to serve everybody",
            arguments.bind
        )?;
        return Ok(ExitCode::from(USAGE));
    }
    scheduling::give_way();
    // Dropping it would wait for every thread of it, and one that asks a database that hangs may
    // not end. What was promised is done by now, and the rest ends with the process.
    let system = ManuallyDrop::new(actix_web::rt::System::new());
    system.block_on(run(arguments, options, &addresses))?;
    Ok(ExitCode::SUCCESS)
}

fn is_loopback(address: &SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

fn with_limits(mut options: StoreOptions, arguments: &Serve) -> StoreOptions {
    let limits = &mut options.limits;
    if let Some(size) = arguments.max_file_bytes {
        limits.file_bytes = size.0;
    }
    if let Some(size) = arguments.max_package_bytes {
        limits.package_bytes = size.0;
    }
    if let Some(files) = arguments.max_files_per_package {
        limits.package_files = files;
    }
    if let Some(idle) = arguments.upload_idle_timeout {
        limits.upload_idle = idle;
    }
    options.with_access(if arguments.no_migrate { Access::Write } else { Access::Create })
}

fn refuse_unsafe(seen: &Capabilities, options: &StoreOptions) -> Result<(), String> {
    let storage = options.storage.shown();
    seen.unsafe_reason().map_or(Ok(()), |reason| {
        Err(format!(
            "{storage} would lose or overwrite evidence and is not served: {reason}; \
             `artifact-server check` shows all that was seen"
        ))
    })
}

async fn run(
    arguments: &Serve,
    options: StoreOptions,
    addresses: &[SocketAddr],
) -> Result<(), Box<dyn Error>> {
    let options = with_limits(options, arguments);
    let settings = Settings {
        public_url: arguments.public_url.clone().unwrap_or_default(),
        max_file_bytes: options.limits.file_bytes,
        upload_idle: options.limits.upload_idle,
        shutdown: arguments.shutdown_timeout,
    };
    // Before a store is made in it, and again each time that one is served.
    if let Some(seen) = ArtifactStore::probe_new(&options).await? {
        refuse_unsafe(&seen, &options)?;
    }
    let store = ArtifactStore::open(&options).await?;
    refuse_unsafe(&store.probe().await?, &options)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: running requests are finished, no new ones are taken");
    };
    let tending = actix_web::rt::spawn(background::tend(store.clone()));
    let gateway = Gateway::bind(store.clone(), settings, addresses)
        .map_err(|error| format!("cannot listen on {}: {error}", arguments.bind))?;
    let mut stdout = io::stdout().lock();
    for address in gateway.addresses() {
        writeln!(stdout, "listening on http://{address}")?;
    }
    stdout.flush()?;
    drop(stdout);
    gateway.serve(stop).await?;
    tending.abort();
    background::resign(&store).await;
    Ok(())
}
