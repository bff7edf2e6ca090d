//! All that the emulated services know, in one place and bounded.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use carnet_aws::trust::{Providers, Role};
use carnet_sandbox_kit::World;
use jiff::Timestamp;
use md5::{Digest as _, Md5};

use crate::{
    issuers::IssuerKeys,
    keys::Keys,
    policy::PolicyDocument,
    roles_anywhere::{Profile, TrustAnchor},
    seed,
    sessions::Accesses,
};

/// Most providers and roles of the account. AWS's own quotas are 100 and 1000; here many trusts are to be tried out.
pub(crate) const MAX_TRUSTS: usize = 20_000;
/// Most entries of each other kind. A sandbox that somebody fills by mistake answers `LimitExceeded` and goes on.
pub(crate) const MAX_ENTRIES: usize = 1000;
/// Most bytes of all objects together.
pub(crate) const MAX_STORED: usize = 64 << 20;

/// The world and what is in it.
pub(crate) struct State {
    pub(crate) world: World,
    pub(crate) keys: Keys,
    pub(crate) issuers: IssuerKeys,
    inner: Mutex<Inner>,
}

/// What is behind the lock.
#[derive(Default)]
pub(crate) struct Inner {
    /// By account and issuer, so that one is found in the same time however many there are.
    pub(crate) providers: Providers,
    /// When each provider was made, by its ARN.
    pub(crate) provider_dates: HashMap<String, Timestamp>,
    /// By name in lower case: names differ in more than case.
    pub(crate) roles: HashMap<String, RoleEntry>,
    /// By name.
    pub(crate) users: BTreeMap<String, User>,
    pub(crate) accesses: Accesses,
    /// By ARN.
    pub(crate) anchors: BTreeMap<String, TrustAnchor>,
    /// By ARN.
    pub(crate) profiles: BTreeMap<String, Profile>,
    pub(crate) buckets: BTreeMap<String, Bucket>,
    /// Session tokens of the metadata service, hashed, with their end.
    pub(crate) metadata_tokens: HashMap<[u8; 32], Timestamp>,
    /// Whether the account is an issuer of its own.
    pub(crate) outbound: bool,
    /// Issuers whose certificates end in no public root, with the SHA-1 of their top intermediate.
    pub(crate) private_issuers: BTreeMap<String, String>,
    /// Regions in which STS is switched off.
    pub(crate) disabled_regions: BTreeSet<String>,
    /// Roles of EKS's service accounts, by cluster, namespace and name.
    pub(crate) associations: BTreeMap<(String, String, String), Association>,
}

/// A role with its permissions.
#[derive(Clone, Debug)]
pub(crate) struct RoleEntry {
    pub(crate) role: Role,
    /// `AROA…`
    pub(crate) id: String,
    /// `/` or `/division/`.
    pub(crate) path: String,
    /// The trust policy as it was given.
    pub(crate) document: String,
    pub(crate) description: String,
    pub(crate) created: Timestamp,
    /// Inline policies by name, as given and parsed.
    pub(crate) policies: BTreeMap<String, (String, PolicyDocument)>,
}

/// A user with long-lived keys.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) policy: PolicyDocument,
}

/// Which role a service account of a cluster gets.
#[derive(Clone, Debug)]
pub(crate) struct Association {
    pub(crate) id: String,
    pub(crate) role_arn: String,
}

/// A bucket with its objects.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    pub(crate) created: Timestamp,
    pub(crate) region: String,
    pub(crate) objects: BTreeMap<String, Object>,
}

/// An object.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) content: Bytes,
    pub(crate) content_type: String,
    /// In quotation marks.
    pub(crate) etag: String,
    pub(crate) modified: Timestamp,
    /// Checksums by the name of their header, as the client gave them.
    pub(crate) checksums: BTreeMap<String, String>,
}

impl State {
    /// The world of the documents.
    pub(crate) fn seeded(world: World) -> Self {
        let keys = Keys::of(&world);
        let mut inner = Inner { outbound: true, ..Inner::default() };
        seed::fill(&mut inner, world.now("aws-iam"));
        Self { issuers: IssuerKeys::new(&world), keys, inner: Mutex::new(inner), world }
    }

    /// What is behind the lock. Never held across an await.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A random id in the form of a UUID of version 4 (RFC 9562, 5.4).
    pub(crate) fn uuid(&self) -> String {
        let digits = self.world.random_hex::<16>();
        let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
        format!("{}-{}-4{}-8{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
    }

    /// A unique id of IAM: four letters that say what it is of, and characters of base32.
    pub(crate) fn unique_id<const N: usize>(&self, prefix: &str) -> String {
        const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let mut bytes = [0_u8; N];
        self.world.random.fill(&mut bytes);
        let characters = bytes.iter().filter_map(|byte| BASE32.get(usize::from(byte & 31)));
        prefix.chars().chain(characters.map(|byte| char::from(*byte))).collect()
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("State")
    }
}

impl Inner {
    /// The role of this ARN, byte for byte.
    pub(crate) fn role(&self, arn: &str) -> Option<&RoleEntry> {
        let name = arn.rsplit('/').next().unwrap_or_default();
        self.roles.get(&name.to_ascii_lowercase()).filter(|entry| entry.role.arn == arn)
    }

    /// The role of this name. Names differ in more than case, but are asked for with their case.
    pub(crate) fn role_named(&self, name: &str) -> Option<&RoleEntry> {
        self.roles.get(&name.to_ascii_lowercase()).filter(|entry| entry.role.name() == name)
    }

    /// As [`Inner::role_named`], to change it.
    pub(crate) fn role_named_mut(&mut self, name: &str) -> Option<&mut RoleEntry> {
        self.roles.get_mut(&name.to_ascii_lowercase()).filter(|entry| entry.role.name() == name)
    }

    /// Bytes of all objects.
    pub(crate) fn stored(&self) -> usize {
        self.buckets.values().flat_map(|bucket| bucket.objects.values()).map(|object| object.content.len()).sum()
    }
}

impl Bucket {
    pub(crate) fn new(region: &str, created: Timestamp) -> Self {
        Self { created, region: region.to_owned(), objects: BTreeMap::new() }
    }
}

impl Object {
    pub(crate) fn new(content: Bytes, content_type: &str, modified: Timestamp) -> Self {
        // "The entity tag is an MD5 digest" of objects that came in one piece ("Object", S3 API reference).
        let digest = carnet_core::hex(&Md5::digest(&content));
        let content_type = content_type.to_owned();
        Self { content, content_type, etag: format!("\"{digest}\""), modified, checksums: BTreeMap::new() }
    }
}
