//! States that the Workload API sends again on every change.

use std::{fmt, mem};

use carnet_core::{Error, Result, SecretBytes};
use tonic::Streaming;

use super::{JwtBundles, X509Bundles, X509Context, X509Svid, empty, label};
use crate::{
    connection::{Meaning, refusal},
    spiffe_workload::{JwtBundlesResponse, X509BundlesResponse, X509svidResponse},
};

/// What can be watched.
pub trait State: Sized + sealed::Sealed {
    /// How it is sent.
    #[doc(hidden)]
    type Message: prost::Message + Default + 'static;

    /// Takes the state out of its message.
    #[doc(hidden)]
    fn read(message: Self::Message, server: &str) -> Result<Self>;
}

mod sealed {
    pub trait Sealed {}
}

/// A state, now and after every change. Dropping it ends the watch.
pub struct Watch<T: State> {
    stream: Streaming<T::Message>,
    server: String,
}

impl<T: State> fmt::Debug for Watch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("server", &self.server).finish_non_exhaustive()
    }
}

impl<T: State> Watch<T> {
    pub(super) fn new(stream: Streaming<T::Message>, server: &str) -> Self {
        Self { stream, server: server.to_owned() }
    }

    /// The next state. The first one comes at once; after that it waits until something changes, without a deadline. It may be
    /// dropped and called again without losing a state.
    ///
    /// # Errors
    /// `NotHere` when the caller has lost its last identity, `Unreachable` when the server ended the stream. There is no
    /// further state after an error: watch again, after a pause.
    pub async fn next(&mut self) -> Result<T> {
        let action = format!("wait for changes from {}", self.server);
        match self.stream.message().await {
            Ok(Some(message)) => T::read(message, &self.server),
            Ok(None) => Err(Error::unreachable(action).because(Error::unreachable("the server ended the stream"))),
            Err(status) => Err(refusal(&action, Meaning::Identity, &status)),
        }
    }
}

impl sealed::Sealed for X509Context {}
impl State for X509Context {
    type Message = X509svidResponse;

    fn read(message: X509svidResponse, server: &str) -> Result<Self> {
        let svids: Vec<X509Svid> = message
            .svids
            .into_iter()
            .map(|mut svid| X509Svid {
                spiffe_id: mem::take(&mut svid.spiffe_id),
                certificates: mem::take(&mut svid.x509_svid),
                private_key: SecretBytes::new(mem::take(&mut svid.x509_svid_key)),
                bundle: mem::take(&mut svid.bundle),
                hint: label(mem::take(&mut svid.hint)),
            })
            .collect();
        if svids.is_empty() {
            return Err(empty(server, "X509-SVID"));
        }
        Ok(Self { svids, crls: message.crl, federated_bundles: message.federated_bundles })
    }
}

impl sealed::Sealed for X509Bundles {}
impl State for X509Bundles {
    type Message = X509BundlesResponse;

    fn read(message: X509BundlesResponse, _server: &str) -> Result<Self> {
        Ok(Self { crls: message.crl, bundles: message.bundles })
    }
}

impl sealed::Sealed for JwtBundles {}
impl State for JwtBundles {
    type Message = JwtBundlesResponse;

    fn read(message: JwtBundlesResponse, _server: &str) -> Result<Self> {
        Ok(Self { bundles: message.bundles })
    }
}
