//! Access tokens: JWTs that Entra signs and every resource verifies by itself.

use carnet_azure::trust::Client;
use carnet_core::Secret;
use carnet_jose::{Algorithm, KeyError, KeySet, Rules, UnverifiedJwt, encode_jwt, verify_jwt};
use carnet_sandbox_kit::{FaultKind, World};
use carnet_trust::Refusal;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::{
    reply::guid,
    seed,
    state::{Inner, State},
};

/// How far `nbf` of an access token lies back ("ID token claims reference": five minutes of skew are allowed for).
const BACKDATED: i64 = 300;
/// What tokens of the first version name as their issuer.
const FIRST_ISSUER: &str = "https://sts.windows.net/";

/// Resources of Microsoft's own that the tenant has: what a token may be asked for, without a slash at the end.
pub(crate) const ARM: [&str; 3] =
    ["https://management.azure.com", "https://management.core.windows.net", "797f4846-ba00-4fd7-ba43-dac1f8f63013"];
/// Blob Storage, under any account.
pub(crate) const STORAGE: [&str; 2] = ["https://storage.azure.com", "e406a681-f3d4-42a8-90b6-c2b029497af1"];
/// Microsoft Graph.
pub(crate) const GRAPH: [&str; 2] = ["https://graph.microsoft.com", "00000003-0000-0000-c000-000000000000"];
const VAULT: [&str; 2] = ["https://vault.azure.net", "cfa8b339-82a2-471a-a3c9-0fc0be7a4093"];
/// What managed identities ask for when an application trusts them; its tokens are of the second version.
const EXCHANGE: [&str; 3] =
    ["api://AzureADTokenExchange", "api://AzureADTokenExchangeChina", "api://AzureADTokenExchangeUSGov"];

/// Somebody for whom tokens are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resource {
    /// `aud`.
    pub(crate) audience: String,
    /// Which form of token it wants: 1 or 2.
    pub(crate) version: u8,
}

/// The resource of this name, if the tenant has it. `aud` is what was asked for, with or without its slash.
pub(crate) fn resource(inner: &Inner, name: &str) -> Option<Resource> {
    let bare = name.strip_suffix('/').unwrap_or(name);
    let first = |audience: &str| Some(Resource { audience: audience.to_owned(), version: 1 });
    if [&ARM[..], &STORAGE[..], &GRAPH[..], &VAULT[..]].into_iter().flatten().any(|own| *own == bare)
        || is_account(bare)
    {
        return first(name);
    }
    if EXCHANGE.contains(&bare) {
        // UNCONFIRMED: what is seen in the wild is the GUID of Microsoft's application. The credential names this text.
        return Some(Resource { audience: bare.to_owned(), version: 2 });
    }
    let by_id = name.strip_prefix("api://").unwrap_or(name);
    let principal = inner.directory.uri(name).or_else(|| inner.directory.client(by_id))?;
    let application = principal.application().filter(|own| own.has_principal)?;
    if application.token_version == 2 {
        return Some(Resource { audience: principal.client.client_id.clone(), version: 2 });
    }
    first(name)
}

fn is_account(name: &str) -> bool {
    let account = name.strip_prefix("https://").and_then(|rest| rest.strip_suffix(".blob.core.windows.net"));
    account.is_some_and(|account| !account.is_empty() && account.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// A token that is to be made.
#[derive(Debug)]
pub(crate) struct Order<'a> {
    pub(crate) client: &'a Client,
    pub(crate) resource: &'a Resource,
    pub(crate) now: Timestamp,
    pub(crate) lifetime: SignedDuration,
    /// Resource Manager's id of a managed identity.
    pub(crate) resource_id: Option<&'a str>,
    /// Whether the client can handle claims challenges (`cp1`).
    pub(crate) continuous: bool,
}

impl Order<'_> {
    /// Makes it ("Access token claims reference").
    ///
    /// # Errors
    /// When the key cannot be made.
    pub(crate) fn mint(&self, state: &State) -> Result<Secret, KeyError> {
        let Client { client_id, object_id, .. } = self.client;
        let (now, tenant) = (self.now.as_second(), seed::TENANT);
        let mut claims = members([
            ("aud", json!(self.resource.audience)),
            ("iat", json!(now)),
            ("nbf", json!(now.saturating_sub(BACKDATED))),
            ("exp", json!(now.saturating_add(self.lifetime.as_secs()))),
            ("idtyp", json!("app")),
            ("oid", json!(object_id)),
            ("sub", json!(object_id)),
            ("tid", json!(tenant)),
            ("uti", json!(state.world.random_hex::<11>())),
        ]);
        if self.resource.version == 2 {
            let issuer = seed::own_issuer();
            let own =
                [("iss", json!(issuer)), ("azp", json!(client_id)), ("azpacr", json!("2")), ("ver", json!("2.0"))];
            claims.extend(members(own));
        } else {
            let issuer = first_issuer();
            claims.extend(members([
                ("iss", json!(issuer)),
                ("idp", json!(issuer)),
                ("appid", json!(client_id)),
                ("appidacr", json!("2")),
                ("ver", json!("1.0")),
            ]));
        }
        if let Some(resource_id) = self.resource_id {
            claims.extend(members([("xms_mirid", json!(resource_id))]));
        }
        if self.continuous {
            claims.extend(members([("xms_cc", json!(["CP1"]))]));
        }
        if GRAPH.contains(&self.resource.audience.trim_end_matches('/')) && object_id == seed::MACHINE_PRINCIPAL {
            claims.extend(members([("roles", json!(["Application.ReadWrite.All"]))]));
        }
        let key = state.key.get()?;
        // Entra names the key by thumbprint as well; readers look for either.
        let header = Map::from_iter([("x5t".to_owned(), key.kid().unwrap_or_default().into())]);
        encode_jwt(&key, &header, &claims)
    }
}

fn members<const N: usize>(members: [(&str, Value); N]) -> Map<String, Value> {
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The issuer of tokens of the first version.
pub(crate) fn first_issuer() -> String {
    format!("{FIRST_ISSUER}{}/", seed::TENANT)
}

/// How long an access token lives: between 60 and 90 minutes ("Configurable token lifetimes"). Nothing while the fault
/// `expired` is on.
pub(crate) fn lifetime(world: &World, service: &str, path: &str) -> SignedDuration {
    if world.faults.hits(FaultKind::Expired, service, path) {
        return SignedDuration::ZERO;
    }
    let mut bytes = [0_u8; 2];
    world.random.fill(&mut bytes);
    SignedDuration::from_secs(3600 + i64::from(u16::from_be_bytes(bytes) % 1801))
}

/// Who calls.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) object_id: String,
    pub(crate) client_id: String,
    /// Application permissions, for Graph.
    pub(crate) roles: Vec<String>,
}

/// Verifies the access token of a request, for one of these resources.
///
/// # Errors
/// By the clause that fails; `code` is the service's own.
pub(crate) fn verify(
    state: &State,
    token: &str,
    accepted: &[&str],
    now: Timestamp,
    code: &'static str,
) -> Result<Caller, Box<Refusal>> {
    let refuse = |clause: &'static str, seen: String, wanted: &str, fix: &str| {
        Box::new(Refusal::new(clause, seen, wanted, code, fix))
    };
    let token = UnverifiedJwt::parse(token)
        .map_err(|error| refuse("form", error.to_string(), "a JWT", "send the access token unchanged"))?;
    let keys = state.key.get().and_then(|key| key.public_key()).map(KeySet::of);
    let keys = keys.map_err(|error| refuse("key", error.to_string(), "a key", "try again"))?;
    let with_slash: Vec<String> = accepted.iter().map(|name| format!("{name}/")).collect();
    let audiences: Vec<&str> = accepted.iter().copied().chain(with_slash.iter().map(String::as_str)).collect();
    let (first, second) = (first_issuer(), seed::own_issuer());
    let issuer = if token.unverified_issuer() == Some(second.as_str()) { &second } else { &first };
    let rules = Rules {
        issuer: Some(issuer),
        audiences: Some(&audiences),
        algorithms: &[Algorithm::Rs256],
        leeway: SignedDuration::ZERO,
        require_expiry: true,
        max_lifetime: None,
        types: &["JWT"],
    };
    let verified = verify_jwt(&token, &keys, &rules, now).map_err(|error| {
        let fix = "take a new access token for this resource from this sandbox";
        refuse(error.clause.name(), error.to_string(), "an access token of this tenant for this resource", fix)
    })?;
    let claims = verified.claims();
    let text = |name: &str| claims.str(name).unwrap_or_default().to_owned();
    let held = claims.get("roles").and_then(Value::as_array).into_iter().flatten();
    Ok(Caller {
        object_id: text("oid"),
        client_id: claims.str("appid").or_else(|| claims.str("azp")).unwrap_or_default().to_owned(),
        roles: held.filter_map(Value::as_str).map(ToOwned::to_owned).collect(),
    })
}

/// A GUID for answers.
pub(crate) fn trace_id(state: &State) -> String {
    guid(&state.world)
}
