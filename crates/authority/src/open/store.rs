//! The store.

use std::sync::Arc;

use carnet_core::{BoxFuture, Context, Error};
use carnet_net::{Settings as Network, TlsDialer};
use carnet_store::{ByteStream, Options, Store, TlsConnector};

use crate::config::StorePlace;

/// TLS to the database, made when it is asked for: a store on disk reads no roots.
#[derive(Debug)]
struct DatabaseTls(Network);

impl TlsConnector for DatabaseTls {
    fn connect(
        &self,
        host: String,
        stream: Box<dyn ByteStream>,
    ) -> BoxFuture<'static, Result<Box<dyn ByteStream>, Error>> {
        let dialer = TlsDialer::new(&self.0, None);
        Box::pin(async move { Ok(Box::new(dialer?.connect(&host, stream).await?) as Box<dyn ByteStream>) })
    }
}

/// Opens it and brings its schema up to date.
///
/// # Errors
/// When it cannot be reached, may be read by others, is damaged, or is of a newer carnet.
pub(crate) async fn open_store(
    place: &StorePlace,
    network: &Network,
    context: &Context,
) -> Result<Arc<dyn Store>, Error> {
    let password = match &place.password {
        Some(source) => Some(source.read(context, "password of the store")?),
        None => None,
    };
    let tls: Option<Arc<dyn TlsConnector>> = Some(Arc::new(DatabaseTls(network.clone())));
    let options = Options { queue: place.queue, password, tls, ..Options::default() };
    Ok(carnet_store::open(&place.url, options).await?)
}
