//! The signing keys.

use std::sync::Arc;

use carnet_core::{Context, Error};
use carnet_keys::{Backend, Cost, KeyFile, KeyManager, KeyParts, Passphrase, Pkcs11, Pkcs11Settings, Sealer, Software};
use carnet_store::Store;

use crate::config::{KeyPlace, Seal};

/// Opens them; where there are none they are made.
///
/// # Errors
/// When what they are sealed with, the token or the authority above cannot be used, or does not belong to them.
pub(crate) async fn open_keys(
    place: &KeyPlace,
    store: &Arc<dyn Store>,
    context: &Context,
) -> Result<Arc<KeyManager>, Error> {
    let sealer = open_sealer(&place.seal, store, context).await?;
    let backend: Arc<dyn Backend> = match &place.pkcs11 {
        None => Arc::new(Software),
        Some(token) => {
            let pin = token.pin.read(context, "PIN of the token")?;
            let settings = Pkcs11Settings {
                module: token.module.clone(),
                token: token.token.clone(),
                pin,
                sessions: token.sessions,
            };
            Arc::new(Pkcs11::open(settings).await?)
        }
    };
    let parts = KeyParts {
        store: Arc::clone(store),
        context: context.clone(),
        sealer,
        backend,
        upstream: place.upstream.clone(),
        settings: place.settings.clone(),
    };
    KeyManager::open(parts).await
}

async fn open_sealer(seal: &Seal, store: &Arc<dyn Store>, context: &Context) -> Result<Arc<dyn Sealer>, Error> {
    match seal {
        Seal::KeyFile(path) => {
            // Another file than the one that the keys were sealed with would be made silently otherwise.
            let fresh = store.keys().await?.is_empty();
            Ok(Arc::new(KeyFile::new(context, path, fresh)?))
        }
        Seal::Passphrase(source) => {
            let passphrase = source.read(context, "passphrase of the keys")?;
            Ok(Arc::new(Passphrase::open(&**store, context, &passphrase, Cost::default()).await?))
        }
    }
}
