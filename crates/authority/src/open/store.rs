//! The store.

use std::sync::Arc;

use carnet_core::{Context, Error};
use carnet_store::{Options, Store, TlsConnector};

use crate::config::StorePlace;

/// Opens it and brings its schema up to date.
///
/// # Errors
/// When it cannot be reached, may be read by others, is damaged, or is of a newer carnet.
pub(crate) async fn open_store(
    place: &StorePlace,
    tls: Option<Arc<dyn TlsConnector>>,
    context: &Context,
) -> Result<Arc<dyn Store>, Error> {
    let password = match &place.password {
        Some(source) => Some(source.read(context, "password of the store")?),
        None => None,
    };
    let options = Options { queue: place.queue, password, tls, ..Options::default() };
    Ok(carnet_store::open(&place.url, options).await?)
}
