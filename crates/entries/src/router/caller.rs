//! Who calls, as far as the connection tells.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::request::Parts,
};
use carnet_core::Context;
use carnet_net::PeerCertificates;

use crate::By;

/// The other end of the connection.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) address: Option<SocketAddr>,
    pub(super) certificates: Option<Arc<Vec<Vec<u8>>>>,
    /// The path of what is called: one of ours.
    pub(super) call: String,
}

impl Caller {
    pub(super) fn ip(&self) -> Option<IpAddr> {
        self.address.map(|address| address.ip().to_canonical())
    }

    pub(super) fn by(&self, context: &Context, actor: &str) -> By {
        By {
            actor: actor.to_owned(),
            peer: self.address.map(|address| address.to_string()),
            request_id: context.random_hex::<16>(),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let address = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| *address);
        let certificates = parts.extensions.get::<PeerCertificates>().map(|PeerCertificates(chain)| Arc::clone(chain));
        Ok(Self { address, certificates, call: parts.uri.path().to_owned() })
    }
}
