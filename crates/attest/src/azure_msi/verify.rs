//! The authority's half.

use std::collections::BTreeMap;

use carnet_core::{Context, Destination, Error, Mistake};
use carnet_jose::{Algorithm, CachedKeySets, KeySource, VerifiedJwt};
use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::Payload;
use crate::{
    Attested, Kind, Once,
    attested::{path, payload, refused, selectors},
    load,
    shown::{self, Wanted},
};

const KIND: Kind = Kind::AzureMsi;
/// Tolerance for clocks that disagree, as SPIRE's method has it: tokens are valid from the moment at which they are made.
const LEEWAY: SignedDuration = SignedDuration::from_mins(5);
/// Tokens of managed identities live up to 24 hours.
const MAX_LIFETIME: SignedDuration = SignedDuration::from_hours(25);

/// Which machines are believed.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AzureMsiConfig {
    /// What the tokens must be for. Let it be the URI of an application of your own, for instance `api://carnet`: a token for
    /// `https://management.azure.com/` would let the authority act as the node, and every program of the tenant has such a one.
    pub audience: String,
    /// The tenants by their identifiers, in lower case.
    pub tenants: BTreeMap<String, AzureTenant>,
}

/// A tenant whose machines may be nodes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AzureTenant {
    /// Subscriptions whose machines may be nodes: identifiers in lower case.
    pub subscriptions: Vec<String>,
    /// What stands in `iss`. Default: `https://sts.windows.net/TENANT/`, the issuer of the tokens of version 1. An application that
    /// takes version 2 gets `https://login.microsoftonline.com/TENANT/v2.0`.
    #[serde(default)]
    pub issuer: Option<String>,
    /// URL of the tenant's keys. Default: `https://login.microsoftonline.com/TENANT/discovery/v2.0/keys`.
    #[serde(default)]
    pub jwks_url: Option<Url>,
}

/// See [`AzureMsiConfig`].
#[derive(Debug)]
pub struct AzureMsiVerifier {
    audience: String,
    tenants: Vec<Tenant>,
    fetched: CachedKeySets,
    context: Context,
}

#[derive(Debug)]
struct Tenant {
    id: String,
    issuer: String,
    keys: KeySource,
    subscriptions: Vec<String>,
}

impl AzureMsiConfig {
    /// What is wrong with it: there is no file to read.
    pub(crate) fn check(&self, mistakes: &mut Vec<Mistake>) {
        if self.audience.is_empty() {
            mistakes.push(Mistake::new("azure_msi.audience", "is empty"));
        }
        let ids: Vec<&String> = self.tenants.keys().collect();
        load::not_empty("azure_msi.tenants", &ids, "tenants with their subscriptions", mistakes);
        for (id, tenant) in &self.tenants {
            let field = format!("azure_msi.tenants.{id}.subscriptions");
            load::not_empty(&field, &tenant.subscriptions, "the subscriptions", mistakes);
            load::keys_url(&format!("azure_msi.tenants.{id}.jwks_url"), tenant.jwks_url.as_ref(), mistakes);
            mistakes.extend(Tenant::load(id, tenant).err());
        }
    }
}

impl AzureMsiVerifier {
    /// Of a checked configuration.
    pub(crate) fn load(config: &AzureMsiConfig, context: &Context, fetched: CachedKeySets) -> Self {
        let tenants = config.tenants.iter().filter_map(|(id, tenant)| Tenant::load(id, tenant).ok()).collect();
        Self { audience: config.audience.clone(), tenants, fetched, context: context.clone() }
    }

    /// Whether the tenant's keys have signed the token for this audience, and it is that of a machine's own identity in an
    /// allowed subscription.
    ///
    /// # Errors
    /// The first of these that does not hold; [`carnet_core::ErrorKind::Unreachable`] when the keys cannot be had.
    pub async fn verify(&self, evidence: &Value) -> Result<Attested, Error> {
        let Payload { token } = payload(KIND, evidence)?;
        let token = shown::parse(KIND, &token)?;
        // Which tenant's keys it is held against; that they have signed it is seen below.
        let issuer = token.unverified_issuer().unwrap_or_default();
        let tenant = self.tenants.iter().find(|tenant| tenant.issuer == issuer).ok_or_else(|| {
            let shown = carnet_core::safe_text(&issuer.chars().take(128).collect::<String>());
            refused(KIND, "issuer", format!("no tenant that is allowed has the issuer {shown:?}")).hint(
                "tokens of version 1 and of version 2 have different issuers: `issuer` of the tenant names the one",
            )
        })?;
        let keys = self.fetched.keys(&tenant.issuer, &tenant.keys, token.unverified_kid()).await?;
        let wanted = Wanted {
            kind: KIND,
            issuer: &tenant.issuer,
            audience: &self.audience,
            algorithms: &[Algorithm::Rs256],
            leeway: LEEWAY,
            max_lifetime: Some(MAX_LIFETIME),
        };
        tenant.attest(&wanted.verify(&token, &keys, self.context.now())?)
    }
}

impl Tenant {
    fn load(id: &str, config: &AzureTenant) -> Result<Self, Mistake> {
        let field = format!("azure_msi.tenants.{id}");
        let plain = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_lowercase() || byte == b'-';
        if id.is_empty() || !id.bytes().all(plain) || ["common", "organizations", "consumers"].contains(&id) {
            return Err(Mistake::new(field, "is not the identifier of one tenant")
                .hint("name it by its GUID in lower case; common and its like stand for any tenant"));
        }
        let keys = match &config.jwks_url {
            Some(url) => url.clone(),
            None => Url::parse(&format!("https://login.microsoftonline.com/{id}/discovery/v2.0/keys"))
                .map_err(|error| Mistake::new(field, error.to_string()))?,
        };
        Ok(Self {
            issuer: config.issuer.clone().unwrap_or_else(|| format!("https://sts.windows.net/{id}/")),
            keys: KeySource::Url(keys, Destination::Configured),
            subscriptions: config.subscriptions.clone(),
            id: id.to_owned(),
        })
    }

    /// The machine that a believed token names.
    fn attest(&self, token: &VerifiedJwt) -> Result<Attested, Error> {
        let claim = |name: &'static str| {
            let missing = || refused(KIND, "claims", format!("the token has no {name}"));
            token.claims().str(name).filter(|value| !value.is_empty()).ok_or_else(missing)
        };
        if claim("tid")? != self.id {
            return Err(refused(KIND, "tenant", "the token is of another tenant than its issuer"));
        }
        let (principal, identity) = (claim("oid")?, claim("xms_mirid")?);
        let machine = Machine::parse(identity).ok_or_else(|| {
            let shown = carnet_core::safe_text(&identity.chars().take(256).collect::<String>());
            refused(KIND, "identity", format!("{shown:?} is not a machine")).hint(
                "the node needs a system-assigned identity; one that is user-assigned, or of a scale set, is shared by several machines",
            )
        })?;
        if !self.subscriptions.contains(&machine.subscription) {
            let shown = carnet_core::safe_text(&machine.subscription);
            return Err(refused(KIND, "subscription", format!("subscription {shown} is not allowed")));
        }
        let name = format!("{}:{}", machine.group, machine.name);
        let facts = [
            ("tenant-id", self.id.as_str()),
            ("principal-id", principal),
            ("subscription-id", &machine.subscription),
            ("resource-group", &machine.group),
            ("vm-name", &name),
        ];
        Ok(Attested {
            kind: KIND,
            path: path(KIND, &[&self.id, principal])?,
            selectors: selectors(KIND, facts)?,
            once: Once::FirstUse,
        })
    }
}

/// What the resource identifier of a virtual machine says. Identifiers of resources do not differ by case (Microsoft, "Naming rules and
/// restrictions for Azure resources"), so all of it is in lower case here.
#[derive(Debug, PartialEq, Eq)]
struct Machine {
    subscription: String,
    group: String,
    name: String,
}

impl Machine {
    /// `/subscriptions/SUBSCRIPTION/resourcegroups/GROUP/providers/Microsoft.Compute/virtualMachines/NAME`, and nothing behind it.
    fn parse(identity: &str) -> Option<Self> {
        let identity = identity.to_ascii_lowercase();
        let parts: Vec<&str> = identity.split('/').collect();
        let ["", "subscriptions", subscription, "resourcegroups", group, "providers", provider, kind, name] =
            parts.as_slice()
        else {
            return None;
        };
        let is_machine = *provider == "microsoft.compute" && *kind == "virtualmachines";
        let all_there = [subscription, group, name].into_iter().all(|part| !part.is_empty() && !part.contains(':'));
        (is_machine && all_there).then(|| Self {
            subscription: (*subscription).to_owned(),
            group: (*group).to_owned(),
            name: (*name).to_owned(),
        })
    }
}
