//! What a token request must name beside the token: tenant, client, scope.

use carnet_trust::Refusal;

use super::{Code, refuse};

/// Checks what stands for the tenant in the path: a GUID, or a domain name.
///
/// # Errors
/// AADSTS900023.
pub fn check_tenant(tenant: &str) -> Result<(), Box<Refusal>> {
    let label = |label: &str| {
        !label.is_empty() && label.len() <= 63 && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let guid = is_guid(tenant);
    if guid || (tenant.contains('.') && tenant.len() <= 253 && tenant.split('.').all(label)) {
        return Ok(());
    }
    let fix = "give the tenant's id (a GUID) or one of its domain names";
    Err(refuse("tenant", carnet_core::safe_text(tenant), "a GUID or a domain name", Code::TENANT_FORM, fix))
}

/// Reads `scope`: exactly one, `RESOURCE/.default`. Gives the resource.
///
/// # Errors
/// AADSTS70011.
pub fn parse_scope(scope: &str) -> Result<&str, Box<Refusal>> {
    let resource = scope.strip_suffix("/.default").filter(|resource| !resource.is_empty());
    if let Some(resource) = resource.filter(|resource| !resource.contains(char::is_whitespace)) {
        return Ok(resource);
    }
    let fix = "ask for one resource, with `/.default` at its end";
    Err(refuse("scope", carnet_core::safe_text(scope), "RESOURCE/.default", Code::SCOPE, fix))
}

/// There is no tenant of this id or name (AADSTS90002).
pub fn unknown_tenant(tenant: &str) -> Box<Refusal> {
    let fix = "check the tenant, and that it is in this cloud";
    refuse("tenant", carnet_core::safe_text(tenant), "a tenant of this cloud", Code::TENANT, fix)
}

/// The tenant has no application and no identity of this client id (AADSTS700016).
pub fn unknown_application(client_id: &str, tenant: &str) -> Box<Refusal> {
    let fix = "check client id and tenant; a new service principal takes some minutes";
    let wanted = format!("an application or managed identity of {}", carnet_core::safe_text(tenant));
    refuse("client", carnet_core::safe_text(client_id), wanted, Code::APPLICATION, fix)
}

/// The tenant has no such resource (AADSTS500011).
pub fn unknown_resource(resource: &str, tenant: &str) -> Box<Refusal> {
    let fix = "check the scope; the resource's service principal must be in the tenant";
    let wanted = format!("a resource of {}", carnet_core::safe_text(tenant));
    refuse("resource", carnet_core::safe_text(resource), wanted, Code::RESOURCE, fix)
}

/// Whether a text is a GUID of the form 8-4-4-4-12, in either case.
pub(crate) fn is_guid(text: &str) -> bool {
    let lengths = [8, 4, 4, 4, 12];
    let parts: Vec<&str> = text.split('-').collect();
    parts.len() == lengths.len()
        && parts
            .iter()
            .zip(lengths)
            .all(|(part, length)| part.len() == length && part.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn accepts_tenants_by_id_and_by_domain() {
        for tenant in ["11111111-2222-3333-4444-555555555555", "carnet.onmicrosoft.com", "carnet.example"] {
            check_tenant(tenant).unwrap();
        }
    }

    #[test]
    fn rejects_what_is_no_tenant() {
        for tenant in ["", "carnet", "a..b", "11111111-2222-3333-4444-55555555555", "a b.example", "common/x.y"] {
            let refusal = check_tenant(tenant).unwrap_err();
            assert_eq!((refusal.clause, refusal.code.as_str()), ("tenant", "AADSTS900023"), "{tenant}");
        }
    }

    #[test]
    fn a_scope_names_one_resource() {
        assert_eq!(parse_scope("https://storage.azure.com/.default").unwrap(), "https://storage.azure.com");
        // A resource that ends in a slash keeps it.
        assert_eq!(
            parse_scope("https://management.core.windows.net//.default").unwrap(),
            "https://management.core.windows.net/"
        );
        for scope in ["", "/.default", "https://storage.azure.com", "https://a/.default https://b/.default"] {
            assert_eq!(parse_scope(scope).unwrap_err().code, "AADSTS70011", "{scope}");
        }
    }

    #[test]
    fn what_is_not_there_has_its_code() {
        for (refusal, code) in [
            (unknown_tenant("t"), "AADSTS90002"),
            (unknown_application("c", "t"), "AADSTS700016"),
            (unknown_resource("r", "t"), "AADSTS500011"),
        ] {
            assert_eq!(refusal.code, code);
        }
    }

    proptest! {
        #[test]
        fn a_tenant_is_one_part_of_a_path(text in "[a-zA-Z0-9./?#%@:\\\\ é-]{0,40}") {
            let one = check_tenant(&text).is_ok();
            prop_assert!(!one || text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte)));
            prop_assert!(!one || !text.split('.').any(str::is_empty));
        }

        #[test]
        fn a_resource_is_the_scope_without_its_end(text in "[a-z:/. ]{0,30}(/\\.default)?") {
            if let Ok(resource) = parse_scope(&text) {
                prop_assert_eq!(format!("{resource}/.default"), text);
            }
        }
    }
}
