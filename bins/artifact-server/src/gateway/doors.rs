//! Listeners: one that has an address to itself, and more of them at the same address.

use std::io;
use std::net::{SocketAddr, TcpListener};

use rustix::net::{AddressFamily, SocketType, sockopt};

/// How many connections may wait to be accepted, as far as the system allows it.
const BACKLOG: i32 = 1024;

/// Listens at an address that nobody else listens at. More listeners of this user may join then.
///
/// # Errors
/// The address is taken, or is none of this machine.
pub(super) fn first(address: SocketAddr) -> io::Result<TcpListener> {
    listener(address, false)
}

/// Another listener at the address of this one, where the system spreads connections over all that
/// listen there, else the same one again.
///
/// # Errors
/// The system has no descriptor left.
pub(super) fn one_more(first: &TcpListener) -> io::Result<TcpListener> {
    listener(first.local_addr()?, true).or_else(|_| first.try_clone())
}

fn listener(address: SocketAddr, joins: bool) -> io::Result<TcpListener> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = rustix::net::socket(family, SocketType::STREAM, None)?;
    rustix::io::ioctl_fionbio(&socket, true)?;
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    // A server that is started again need not wait for the last connections of the one before.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if joins {
        sockopt::set_socket_reuseport(&socket, true)?;
    }
    rustix::net::bind(&socket, &address)?;
    if !joins {
        // Said after it was bound: a second server at the same address is refused, and does not
        // get a share of its connections.
        sockopt::set_socket_reuseport(&socket, true)?;
    }
    // Connections inherit it, which spares each of them a call: an answer must not wait for the
    // acknowledgement of the one before (RFC 896 and delayed ACK, 40 ms).
    sockopt::set_tcp_nodelay(&socket, true)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket.into())
}
