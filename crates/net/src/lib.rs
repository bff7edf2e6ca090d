//! The only HTTP client of carnet, with the guard on where it may connect, and the listeners that serve axum routers.
//!
//! [`Client`] implements [`carnet_core::HttpSend`]: one request, one whole answer, no redirects, limits on time and
//! size. Who chose an address ([`carnet_core::Destination`]) decides which addresses may be dialled, and that is
//! checked on the address that is dialled, not on a name. Nothing happens before the first request: no thread, no
//! file, no TLS set-up.
//!
//! [`serve`] listens for a router over plain TCP or TLS. No other crate names the HTTP client or the TLS library.
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
mod guard;
mod proxy;
mod roots;
mod server;
mod settings;
mod unix;
mod verifier;

pub use authority::mend_authorities;
pub use certificate::{CertificateSource, TlsCertificate};
pub use certificate_files::CertificateFiles;
pub use client::{Client, ClientTls};
pub use guard::{is_metadata, is_public};
pub use proxy::{NoProxy, Proxy, ProxyError, parse_connect_answer};
pub use roots::parse_roots;
pub use server::{
    ClientCertificates, Limits, PeerCertificates, ServerCertificate, TlsServerConfig, serve, serve_stream, serve_unix,
    serve_with, take_over,
};
pub use settings::Settings;
pub use unix::{Peer, UnixSocket};
pub use verifier::ChainVerifier;
