//! The only HTTP client of carnet, with the guard on where it may connect, and the listeners that serve axum routers.
//!
//! [`Client`] implements [`carnet_core::HttpSend`]: one request, one whole answer, no redirects, limits on time and
//! size. Who chose an address ([`carnet_core::Destination`]) decides which addresses may be dialled, and that is
//! checked on the address that is dialled, not on a name. Nothing happens before the first request: no thread, no
//! file, no TLS set-up.
//!
//! [`serve`] listens for a router over plain TCP or TLS, [`serve_unix`] on a Unix socket. No other crate names the HTTP
//! client or the TLS library.
//!
//! | listener | speaks | a request's extensions |
//! | --- | --- | --- |
//! | plain TCP | HTTP/1.1 | `ConnectInfo<SocketAddr>` |
//! | TLS, [`TlsServerConfig::by_name`] | HTTP/1.1 | `ConnectInfo<SocketAddr>`, [`PeerCertificates`] |
//! | TLS, [`TlsServerConfig::new`] | HTTP/2 and HTTP/1.1 by ALPN | `ConnectInfo<SocketAddr>`, [`PeerCertificates`] |
//! | Unix socket | HTTP/2 with prior knowledge and HTTP/1.1 | [`Peer`] |
//!
//! # Certificates that change
//!
//! A [`CertificateSource`] is asked at every handshake, so a certificate is replaced by giving another one from then
//! on. [`CertificateFiles`] is one for files that somebody else manages; a task that renews an SVID keeps its own in a
//! `tokio::sync::watch` and makes a closure of the receiver. What a peer shows is believed by a [`ChainVerifier`] that
//! the caller brings, on both sides; sessions are never resumed with one, because a resumed session would skip it.
//!
//! # Behind proxies
//!
//! [`serve_behind`] reads `X-Forwarded-For` of the proxies that are configured ([`TrustedProxies`]), from its end, and of nobody else.
//! `ConnectInfo` stays the peer of the connection; who asks is the extension [`ForwardedPeer`].
//!
//! # What a client on a Unix socket calls the server
//!
//! gRPC's C core (Python, C++, Ruby, PHP) sends the percent-encoded path of the socket as `:authority`. The HTTP/2
//! library resets such streams, so on Unix sockets the bytes that it would refuse are made harmless as they come in.
//! Handlers there get an authority that means nothing; they must not decide by it.
//!
//! # Example
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use carnet_core::{HttpSend, Request, SystemEnvironment};
//! use carnet_net::{Client, Settings};
//!
//! let client = Client::new(Settings::from_environment(&SystemEnvironment));
//! let answer = client.send(Request::get("https://gitlab.com/.well-known/openid-configuration".parse()?)).await?;
//! assert_eq!(answer.status, 200);
//! # Ok(())
//! # }
//! ```

mod authority;
mod certificate;
mod certificate_files;
mod client;
mod dialer;
mod forwarded;
mod guard;
mod listen;
mod proxy;
mod roots;
mod server;
mod settings;
mod unix;
mod verifier;

pub use authority::mend_authorities;
pub use certificate::{CertificateSource, TlsCertificate};
pub use certificate_files::CertificateFiles;
pub use client::{Client, ClientTls, Streamed};
pub use dialer::TlsDialer;
pub use forwarded::{ForwardedPeer, TrustedProxies};
pub use guard::is_public;
pub use listen::{address_of, listen};
pub use proxy::{NoProxy, Proxy, ProxyError, parse_connect_answer};
pub use roots::parse_roots;
pub use server::{
    ChallengeSource, ClientCertificates, Limits, PeerCertificates, ServerCertificate, TlsServerConfig, serve,
    serve_behind, serve_stream, serve_unix, serve_with, take_over,
};
pub use settings::Settings;
pub use unix::{Peer, UnixSocket};
pub use verifier::ChainVerifier;
