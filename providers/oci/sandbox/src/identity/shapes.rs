//! What the identity service shows of its things.

use serde_json::{Value, json};

use crate::{
    seed,
    state::{Compartment, DynamicGroup, Group, StoredPolicy, User},
};

pub(super) fn user_json(user: &User) -> Value {
    json!({
        "id": user.id,
        "compartmentId": seed::TENANCY,
        "name": user.name,
        "description": user.description,
        "email": user.email,
        "emailVerified": user.email.is_some(),
        "dbUserName": null,
        "identityProviderId": null,
        "externalIdentifier": null,
        "timeCreated": user.time_created.to_string(),
        "lifecycleState": if user.active { "ACTIVE" } else { "INACTIVE" },
        "inactiveStatus": if user.active { Value::Null } else { json!(4) },
        "freeformTags": {},
        "definedTags": {},
        "capabilities": {
            "canUseConsolePassword": true,
            "canUseApiKeys": true,
            "canUseAuthTokens": true,
            "canUseSmtpCredentials": true,
            "canUseDbCredentials": true,
            "canUseCustomerSecretKeys": true,
            "canUseOAuth2ClientCredentials": true,
        },
        "isMfaActivated": false,
        "lastSuccessfulLoginTime": null,
        "previousSuccessfulLoginTime": null,
    })
}

pub(super) fn group_json(group: &Group) -> Value {
    json!({
        "id": group.id,
        "compartmentId": seed::TENANCY,
        "name": group.name,
        "description": group.description,
        "timeCreated": group.time_created.to_string(),
        "lifecycleState": "ACTIVE",
        "freeformTags": {},
        "definedTags": {},
    })
}

pub(super) fn dynamic_group_json(group: &DynamicGroup) -> Value {
    json!({
        "id": group.id,
        "compartmentId": seed::TENANCY,
        "name": group.name,
        "description": group.description,
        "matchingRule": group.matching_rule,
        "timeCreated": group.time_created.to_string(),
        "lifecycleState": "ACTIVE",
        "freeformTags": {},
        "definedTags": {},
    })
}

pub(super) fn compartment_json(compartment: &Compartment) -> Value {
    json!({
        "id": compartment.id,
        "compartmentId": compartment.parent,
        "name": compartment.name,
        "description": compartment.description,
        "timeCreated": compartment.time_created.to_string(),
        "lifecycleState": "ACTIVE",
        "isAccessible": true,
        "freeformTags": {},
        "definedTags": {},
    })
}

pub(super) fn policy_json(policy: &StoredPolicy) -> Value {
    json!({
        "id": policy.id,
        "compartmentId": policy.compartment,
        "name": policy.name,
        "description": policy.description,
        "statements": policy.statements,
        "timeCreated": policy.time_created.to_string(),
        "lifecycleState": "ACTIVE",
        "versionDate": null,
        "freeformTags": {},
        "definedTags": {},
    })
}
