//! What tools ask before they do anything: endpoints of the cloud, subscriptions, tenants, resource providers.

use axum::response::Response;
use http::Method;
use serde_json::{Value, json};

use super::{Admin, Target};
use crate::{
    call::Call,
    reply::{Answer, ok},
    seed,
};

/// `GET /metadata/endpoints`: nobody has to sign in. The forms before and after 2019-05-01 differ; `az cloud
/// register` reads an object that is no list.
pub(super) fn answer(call: &Call) -> Response {
    let manager = call.origin(super::HOST);
    ok(&json!({
        "name": "AzureCloud",
        "portal": "https://portal.azure.com",
        "authentication": {
            "loginEndpoint": "https://login.microsoftonline.com",
            "audiences": ["https://management.core.windows.net/", "https://management.azure.com/"],
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "resourceManager": manager,
        "media": "https://rest.media.azure.net",
        "graph": "https://graph.windows.net/",
        "graphAudience": "https://graph.windows.net/",
        "microsoftGraphResourceId": "https://graph.microsoft.com/",
        "galleryEndpoint": "https://gallery.azure.com/",
        "sqlManagement": "https://management.core.windows.net:8443/",
        "batch": "https://batch.core.windows.net/",
        "suffixes": {
            "storage": "core.windows.net",
            "keyVaultDns": "vault.azure.net",
            "sqlServerHostname": "database.windows.net",
            "acrLoginServer": "azurecr.io",
        },
    }))
}

/// Subscriptions and tenants. Whoever has no role there sees none.
pub(super) fn subscriptions(admin: &Admin<'_>, target: &Target) -> Answer {
    if *admin.method() != Method::GET {
        return Err(admin.method_not_allowed());
    }
    let scope = format!("/subscriptions/{}", seed::SUBSCRIPTION);
    let inner = admin.state.lock();
    match target {
        Target::Tenants => Ok(admin.list(vec![json!({
            "id": format!("/tenants/{}", seed::TENANT),
            "tenantId": seed::TENANT,
            "displayName": "carnet sandbox",
            "defaultDomain": seed::DOMAIN,
            "tenantCategory": "Home",
        })])),
        Target::Subscription(_) => {
            admin.permit(&inner, "Microsoft.Resources/subscriptions/read", &scope)?;
            Ok(ok(&subscription()))
        }
        _ => {
            // A role on anything below shows the subscription.
            let has_role = inner.assignments.of(&admin.caller.object_id).next().is_some();
            Ok(admin.list(if has_role { vec![subscription()] } else { Vec::new() }))
        }
    }
}

fn subscription() -> Value {
    json!({
        "id": format!("/subscriptions/{}", seed::SUBSCRIPTION),
        "subscriptionId": seed::SUBSCRIPTION,
        "tenantId": seed::TENANT,
        "displayName": "carnet sandbox",
        "state": "Enabled",
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "subscriptionPolicies":
            { "locationPlacementId": "Public_2014-09-01", "quotaId": "PayAsYouGo_2014-09-01", "spendingLimit": "Off" },
    })
}

/// A resource provider, which is always registered.
pub(super) fn provider(admin: &Admin<'_>, namespace: &str, register: bool) -> Answer {
    let action = match (admin.method(), register) {
        (&Method::GET, false) => "Microsoft.Resources/subscriptions/providers/read".to_owned(),
        (&Method::POST, true) => format!("{namespace}/register/action"),
        _ => return Err(admin.method_not_allowed()),
    };
    let scope = format!("/subscriptions/{}", seed::SUBSCRIPTION);
    admin.permit(&admin.state.lock(), &action, &scope)?;
    Ok(ok(&json!({
        "id": format!("{scope}/providers/{namespace}"),
        "namespace": namespace,
        "registrationPolicy": "RegistrationRequired",
        "registrationState": "Registered",
        "resourceTypes": [],
    })))
}
