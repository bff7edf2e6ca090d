//! Patches of objects that others change, too.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Cache;
use crate::{
    api::FINALIZER,
    kube::{ApiError, Kube, Object},
};

/// How often an object that changes under our hands is read again.
const TRIES: usize = 5;

/// Patches an object at the version that was looked at; when it is at another by then, reads it again and looks again. `look` gives the part and the patch, or
/// nothing when all is as it should be. `None` when the object is gone, or is another of its name.
pub(crate) async fn change(
    kube: &Kube,
    cache: &Cache,
    mut object: Arc<Object>,
    look: impl Fn(&Object) -> Option<(&'static str, Value)>,
) -> Result<Option<Arc<Object>>, ApiError> {
    let (key, uid) = (object.key(), object.uid().to_owned());
    let mut tries = 0;
    while let Some((part, patch)) = look(&object) {
        tries += 1;
        match kube.merge(&cache.of, &key, part, &patch).await {
            Ok(changed) => {
                let changed = changed.lean();
                cache.learn(changed.clone());
                return Ok(Some(Arc::new(changed)));
            }
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) if error.is_conflict() && tries < TRIES => match kube.find(&cache.of, &key).await? {
                Some(now) if now.uid() == uid => object = Arc::new(now.lean()),
                _ => return Ok(None),
            },
            Err(error) => return Err(error),
        }
    }
    Ok(Some(object))
}

/// The patch that holds the object, or lets it go. `None` when it is so already, or cannot be held any more.
pub(crate) fn finalizers(object: &Object, hold: bool) -> Option<Value> {
    let mut finalizers = object.finalizers();
    if finalizers.contains(&FINALIZER) == hold || (hold && object.is_leaving()) {
        return None;
    }
    finalizers.retain(|finalizer| *finalizer != FINALIZER);
    finalizers.extend(hold.then_some(FINALIZER));
    Some(json!({ "metadata": { "resourceVersion": object.version(), "finalizers": finalizers } }))
}
