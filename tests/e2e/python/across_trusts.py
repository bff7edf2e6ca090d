"""Let five receiving sides trust identities of others, each by its own administration: Google, Azure, AWS, Vault and OCI.

Reads a list of trusts, each with a name, an issuer, a subject, and an audience where its tokens are all for the same.
"""
import argparse
import json
import os
import uuid

import boto3
import google.auth
import google.auth.transport.requests
import hvac
import oci
import requests

parser = argparse.ArgumentParser()
parser.add_argument("trusts")
parser.add_argument("--number", required=True, help="of Google's project")
parser.add_argument("--account", required=True, help="Google's service account that all become")
parser.add_argument("--subscription", required=True)
parser.add_argument("--storage", required=True, help="the storage account at Azure")
parser.add_argument("--imds", required=True, help="Azure's metadata service")
parser.add_argument("--vault-token", required=True)
parser.add_argument("--domain", required=True)
parser.add_argument("--oci-client", required=True)
parser.add_argument("--oci-user", required=True)
args = parser.parse_args()
with open(args.trusts, encoding="utf-8") as file:
    TRUSTS = json.load(file)


def done(answer):
    assert answer.status_code < 300, (answer.request.method, answer.url, answer.status_code, answer.text)
    return answer.json() if answer.content else None


def at_google():
    """A pool with a provider for each; the subjects, one by one, may become the service account."""
    iam = f"https://iam.googleapis.com/v1/projects/{args.number}"
    pools = iam + "/locations/global/workloadIdentityPools"
    credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
    session = google.auth.transport.requests.AuthorizedSession(credentials)
    done(session.post(pools + "?workloadIdentityPoolId=across", json={}))
    members = []
    for trust in TRUSTS:
        allowed = {"allowedAudiences": [trust["audience"]]} if trust["audience"] else {}
        body = {
            "attributeMapping": {"google.subject": "assertion.sub"},
            "attributeCondition": f"assertion.sub == '{trust['subject']}'",
            "oidc": {"issuerUri": trust["issuer"], **allowed},
        }
        done(session.post(f"{pools}/across/providers?workloadIdentityPoolProviderId=from-{trust['name']}", json=body))
        pool = f"projects/{args.number}/locations/global/workloadIdentityPools/across"
        members.append(f"principal://iam.googleapis.com/{pool}/subject/{trust['subject']}")
    account = f"{iam}/serviceAccounts/{args.account}"
    policy = done(session.post(account + ":getIamPolicy", json={}))
    policy["bindings"].append({"role": "roles/iam.workloadIdentityUser", "members": members})
    done(session.post(account + ":setIamPolicy", json={"policy": policy}))


def at_azure():
    """An application with a federated credential for each, which reads the storage account. Returns its client id."""

    def token(resource):
        answer = requests.get(
            args.imds + "/metadata/identity/oauth2/token",
            params={"api-version": "2018-02-01", "resource": resource},
            headers={"Metadata": "true"},
        )
        return {"Authorization": "Bearer " + done(answer)["access_token"]}

    graph, arm = "https://graph.microsoft.com", "https://management.azure.com"
    headers = token(graph)
    app = done(requests.post(graph + "/v1.0/applications", json={"displayName": "across"}, headers=headers))
    principal = done(requests.post(graph + "/v1.0/servicePrincipals", json={"appId": app["appId"]}, headers=headers))
    for trust in TRUSTS:
        audience = trust["audience"] or "api://AzureADTokenExchange"
        body = {"name": trust["name"], "issuer": trust["issuer"], "subject": trust["subject"], "audiences": [audience]}
        url = f"{graph}/v1.0/applications/{app['id']}/federatedIdentityCredentials"
        done(requests.post(url, json=body, headers=headers))
    scope = (
        f"/subscriptions/{args.subscription}/resourceGroups/carnet-sandbox"
        f"/providers/Microsoft.Storage/storageAccounts/{args.storage}"
    )
    reader = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
    assignment = {
        "principalId": principal["id"],
        "principalType": "ServicePrincipal",
        "roleDefinitionId": f"/subscriptions/{args.subscription}/providers/Microsoft.Authorization/roleDefinitions/{reader}",
    }
    url = f"{arm}{scope}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}?api-version=2022-04-01"
    done(requests.put(url, json={"properties": assignment}, headers=token(arm)))
    return app["appId"]


def at_aws():
    """A provider for each issuer, a role for each subject."""
    iam = boto3.Session(profile_name="builder").client("iam")
    known = iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
    for trust in TRUSTS:
        host = trust["issuer"].removeprefix("https://")
        audience = trust["audience"] or "sts.amazonaws.com"
        # Where a token has an `azp`, AWS takes that for the audience, and calls the other one `oaud`.
        of_audience = "oaud" if trust.get("azp") else "aud"
        federated = f"arn:aws:iam::123456789012:oidc-provider/{host}"
        if host == "accounts.google.com":
            # Every account has it.
            federated = host
        elif not any(one["Arn"] == federated for one in known):
            iam.create_open_id_connect_provider(Url=trust["issuer"], ClientIDList=[trust.get("azp") or audience])
            known.append({"Arn": federated})
        policy = {
            "Effect": "Allow",
            "Principal": {"Federated": federated},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": {f"{host}:{of_audience}": audience, f"{host}:sub": trust["subject"]}},
        }
        role = "from-" + trust["name"]
        iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [policy]}))
        allow = {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        iam.put_role_policy(RoleName=role, PolicyName="list", PolicyDocument=document)


def at_vault():
    """A mount for each, with one role."""
    client = hvac.Client(url=os.environ["VAULT_ADDR"], token=args.vault_token)
    for trust in TRUSTS:
        mount = "from-" + trust["name"]
        client.sys.enable_auth_method("jwt", path=mount)
        client.auth.jwt.configure(oidc_discovery_url=trust["issuer"], bound_issuer=trust["issuer"], path=mount)
        client.auth.jwt.create_role(
            name="app",
            role_type="jwt",
            user_claim="sub",
            allowed_redirect_uris=[],
            bound_audiences=[trust["audience"] or "vault"],
            bound_subject=trust["subject"],
            token_policies=["app"],
            path=mount,
        )


def at_oci():
    """A propagation trust for issuers that the domain does not have yet."""
    config = oci.config.from_file(os.environ["OCI_CLI_CONFIG_FILE"], "DEFAULT")
    domains = oci.identity_domains
    client = domains.IdentityDomainsClient(config, service_endpoint=args.domain, retry_strategy=oci.retry.NoneRetryStrategy())
    for trust in TRUSTS:
        if not trust.get("keys"):
            continue
        models = domains.models
        user = models.IdentityPropagationTrustImpersonationServiceUsers(
            ocid=args.oci_user, rule=f"sub eq '{trust['subject']}'"
        )
        client.create_identity_propagation_trust(
            identity_propagation_trust=models.IdentityPropagationTrust(
                schemas=["urn:ietf:params:scim:schemas:oracle:idcs:IdentityPropagationTrust"],
                name=trust["name"],
                type="JWT",
                active=True,
                issuer=trust["issuer"],
                public_key_endpoint=trust["keys"],
                oauth_clients=[args.oci_client],
                client_claim_name="aud",
                client_claim_values=[args.domain],
                subject_type="User",
                allow_impersonation=True,
                impersonation_service_users=[user],
            )
        )


at_google()
application = at_azure()
at_aws()
at_vault()
at_oci()
print(json.dumps({"application": application}))
