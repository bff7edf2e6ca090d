//! Buckets and objects, in memory.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;

use crate::seed;

/// Most objects, so that a runaway client cannot fill the memory of the machine; each is at most one request body.
pub(crate) const MAX_OBJECTS: usize = 1000;
/// Most bytes of all objects together.
pub(crate) const MAX_BYTES: usize = 256 << 20;

/// The buckets of the namespace, by name.
#[derive(Debug, Default)]
pub(crate) struct Storage {
    pub(crate) buckets: BTreeMap<String, Bucket>,
}

/// A bucket.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    pub(crate) name: String,
    pub(crate) compartment: String,
    /// OCID of the principal that made it.
    pub(crate) created_by: String,
    pub(crate) time_created: Timestamp,
    pub(crate) etag: String,
    pub(crate) id: String,
    /// By name.
    pub(crate) objects: BTreeMap<String, Object>,
}

/// An object.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) content: Bytes,
    pub(crate) content_type: String,
    /// MD5, base64.
    pub(crate) md5: String,
    pub(crate) etag: String,
    pub(crate) time_modified: Timestamp,
    /// `opc-meta-*`, by the part after it.
    pub(crate) metadata: BTreeMap<String, String>,
}

impl Storage {
    pub(crate) fn seeded(now: Timestamp) -> Self {
        let object = Object {
            content: Bytes::from_static(seed::OBJECT_CONTENT.as_bytes()),
            content_type: "text/plain".to_owned(),
            md5: crate::object_storage::md5(seed::OBJECT_CONTENT.as_bytes()),
            etag: "00000000-0000-4000-8000-000000000002".to_owned(),
            time_modified: now,
            metadata: BTreeMap::new(),
        };
        let bucket = Bucket {
            name: seed::BUCKET.to_owned(),
            compartment: seed::COMPARTMENT.to_owned(),
            created_by: seed::ADMIN_USER.to_owned(),
            time_created: now,
            etag: "00000000-0000-4000-8000-000000000001".to_owned(),
            id: "ocid1.bucket.oc1.iad.aaaaaaaacarnetsandboxbucket0000000000000000000000000000001".to_owned(),
            objects: BTreeMap::from([(seed::OBJECT.to_owned(), object)]),
        };
        Self { buckets: BTreeMap::from([(bucket.name.clone(), bucket)]) }
    }

    /// Whether another object of this size may be kept.
    pub(crate) fn has_room(&self, size: usize) -> bool {
        let objects = || self.buckets.values().flat_map(|bucket| bucket.objects.values());
        let bytes: usize = objects().map(|object| object.content.len()).sum();
        objects().count() < MAX_OBJECTS && bytes.saturating_add(size) <= MAX_BYTES
    }
}
