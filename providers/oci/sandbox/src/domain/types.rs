//! The resource types of the administration API, as far as they are emulated.
//!
//! Attribute characteristics follow the identity domains API (schemas of the OCI SDKs, package `identity_domains`).

use crate::scim::{ResourceType, boolean, complex, number, string};

/// The platform's own application, whose roles make administrators.
pub(crate) const PLATFORM_APP: &str = "IDCSAppId";

/// The role whose holders may do everything here.
pub(crate) const ADMINISTRATOR_ROLE: &str = "Identity Domain Administrator";

/// Extension of users with `serviceUser` and `isFederatedUser`.
pub(crate) const USER_EXTENSION: &str = "urn:ietf:params:scim:schemas:oracle:idcs:extension:user:User";

/// Extension of users with what they can have.
pub(crate) const USER_CAPABILITIES: &str = "urn:ietf:params:scim:schemas:oracle:idcs:extension:capabilities:User";

/// Extension of users with locks and log-ins.
pub(crate) const USER_STATE: &str = "urn:ietf:params:scim:schemas:oracle:idcs:extension:userState:User";

/// Schema of the body of `AppStatusChanger`.
pub(crate) const STATUS_CHANGER: &str = "urn:ietf:params:scim:schemas:oracle:idcs:AppStatusChanger";

/// OAuth clients and resource servers.
pub(crate) static APPS: ResourceType = ResourceType {
    name: "App",
    endpoint: "Apps",
    schema: "urn:ietf:params:scim:schemas:oracle:idcs:App",
    ocid_type: Some("domainapp"),
    attributes: &[
        string("displayName").required(),
        string("name").read_only().exact().unique(),
        complex("basedOnTemplate").required().immutable(),
        string("clientSecret").read_only(),
        boolean("active"),
        boolean("isOAuthClient"),
        boolean("isOAuthResource"),
        string("clientType"),
        string("allowedGrants").exact(),
        string("audience").exact(),
        complex("scopes"),
        complex("allowedScopes"),
        string("trustScope"),
        number("accessTokenExpiry"),
        boolean("allowOffline"),
        boolean("bypassConsent"),
        complex("certificates"),
        string("description"),
    ],
};

/// Roles of applications.
pub(crate) static APP_ROLES: ResourceType = ResourceType {
    name: "AppRole",
    endpoint: "AppRoles",
    schema: "urn:ietf:params:scim:schemas:oracle:idcs:AppRole",
    ocid_type: Some("domainapprole"),
    attributes: &[
        string("displayName").required(),
        string("uniqueName").read_only().unique(),
        complex("app").required().immutable(),
        boolean("adminRole"),
        boolean("availableToClients"),
        boolean("availableToUsers"),
        boolean("availableToGroups"),
        string("description"),
    ],
};

/// Who has which role.
pub(crate) static GRANTS: ResourceType = ResourceType {
    name: "Grant",
    endpoint: "Grants",
    schema: "urn:ietf:params:scim:schemas:oracle:idcs:Grant",
    ocid_type: None,
    attributes: &[
        string("grantMechanism").required().immutable(),
        complex("grantee").required().immutable(),
        complex("app").immutable(),
        complex("entitlement").immutable(),
        complex("grantor").read_only(),
        string("compositeKey").read_only().exact().unique(),
        boolean("isFulfilled"),
    ],
};

/// Groups of users.
pub(crate) static GROUPS: ResourceType = ResourceType {
    name: "Group",
    endpoint: "Groups",
    schema: "urn:ietf:params:scim:schemas:core:2.0:Group",
    ocid_type: Some("group"),
    attributes: &[
        string("displayName").required().unique(),
        complex("members").on_request(),
        string("externalId").exact(),
    ],
};

/// Settings of the domain: one resource.
pub(crate) static SETTINGS: ResourceType = ResourceType {
    name: "Settings",
    endpoint: "Settings",
    schema: "urn:ietf:params:scim:schemas:oracle:idcs:Settings",
    ocid_type: None,
    attributes: &[
        string("issuer").exact(),
        string("prevIssuer").read_only().exact(),
        boolean("signingCertPublicAccess"),
        number("iamUpstSessionExpiry"),
        number("diagnosticLevel"),
        string("diagnosticTracingUpto"),
    ],
};

/// Identity propagation trusts.
pub(crate) static TRUSTS: ResourceType = ResourceType {
    name: "IdentityPropagationTrust",
    endpoint: "IdentityPropagationTrusts",
    schema: "urn:ietf:params:scim:schemas:oracle:idcs:IdentityPropagationTrust",
    ocid_type: Some("domainidentitypropagationtrust"),
    attributes: &[
        string("name").required().immutable(),
        string("type").required(),
        string("issuer").required().exact().unique(),
        string("accountId").exact(),
        boolean("active"),
        string("description"),
        string("subjectType"),
        string("subjectClaimName").exact(),
        string("subjectMappingAttribute"),
        string("clientClaimName").exact(),
        string("clientClaimValues").exact(),
        string("publicKeyEndpoint").exact(),
        string("publicCertificate").exact(),
        string("oauthClients").exact(),
        boolean("allowImpersonation"),
        complex("impersonationServiceUsers").on_request(),
        string("impersonatingResource").exact(),
        complex("claimValidations"),
        string("claimPropagations").exact(),
        number("clockSkewSeconds"),
    ],
};

/// Users, service users among them.
pub(crate) static USERS: ResourceType = ResourceType {
    name: "User",
    endpoint: "Users",
    schema: "urn:ietf:params:scim:schemas:core:2.0:User",
    ocid_type: Some("user"),
    attributes: &[
        string("userName").required().unique(),
        string("displayName"),
        string("description"),
        string("externalId").exact(),
        boolean("active"),
        complex("name"),
        complex("emails"),
        string("password").on_request(),
        complex("groups").read_only(),
    ],
};

/// All of them.
pub(crate) static ALL: [&ResourceType; 7] = [&APPS, &APP_ROLES, &GRANTS, &GROUPS, &SETTINGS, &TRUSTS, &USERS];
