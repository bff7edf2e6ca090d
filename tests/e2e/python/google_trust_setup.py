"""Let Google Cloud trust an OCI identity domain whose keys are not public: open the key document, upload it, bind.

An OCI administrator (API key) opens the domain's signing certificate; a Google administrator (the machine's service account)
makes a pool and a provider with the uploaded key set and lets the pool impersonate a service account.
"""
import argparse
import json
import os

import google.auth
import google.auth.transport.requests
import oci
import requests

parser = argparse.ArgumentParser()
parser.add_argument("--domain", required=True)
parser.add_argument("--project", required=True)
parser.add_argument("--number", required=True)
parser.add_argument("--account", required=True)
args = parser.parse_args()

# The members that a provider's uploaded key set may have; anything else is refused.
MEMBERS = {"kty", "alg", "use", "kid", "n", "e", "x", "y", "crv"}
IAM = "https://iam.googleapis.com/v1/"
result = {}

config = oci.config.from_file(os.environ["OCI_CLI_CONFIG_FILE"], "DEFAULT")
administrator = oci.signer.Signer.from_config(config)
settings = args.domain + "/admin/v1/Settings/Settings"
keys = args.domain + "/admin/v1/SigningCert/jwk"


def protect(public):
    change = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": "signingCertPublicAccess", "value": public}],
    }
    answer = requests.patch(settings, json=change, auth=administrator, timeout=10)
    assert answer.status_code == 200, answer.text


protect(False)
result["protected"] = requests.get(keys, timeout=10).status_code
protect(True)
document = requests.get(keys, timeout=10).json()
protect(False)
stripped = {"keys": [{name: key[name] for name in MEMBERS & key.keys()} for key in document["keys"]]}

credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
session = google.auth.transport.requests.AuthorizedSession(credentials)


def done(answer):
    assert answer.status_code == 200, answer.text
    operation = answer.json()
    while not operation.get("done"):
        operation = session.get(IAM + operation["name"], timeout=10).json()
    assert "error" not in operation, operation
    return operation["response"]


parent = f"projects/{args.project}/locations/global/workloadIdentityPools"
done(session.post(f"{IAM}{parent}?workloadIdentityPoolId=uploaded", json={"displayName": "Uploaded keys"}, timeout=10))


def provider(jwks):
    body = {
        "attributeMapping": {"google.subject": "assertion.sub"},
        "oidc": {"issuerUri": args.domain, "allowedAudiences": [args.domain], "jwksJson": json.dumps(jwks)},
    }
    url = f"{IAM}{parent}/uploaded/providers?workloadIdentityPoolProviderId=domain"
    return session.post(url, json=body, timeout=10)


# The document as it is has members that Google refuses.
extra = {"keys": [{**key, "x5t": "AAAA"} for key in stripped["keys"]]}
result["extra_member"] = provider(extra).status_code
done(provider(stripped))

account = f"{IAM}projects/{args.project}/serviceAccounts/{args.account}"
policy = session.post(account + ":getIamPolicy", json={}, timeout=10).json()
member = f"principalSet://iam.googleapis.com/projects/{args.number}/locations/global/workloadIdentityPools/uploaded/*"
policy.setdefault("bindings", []).append({"role": "roles/iam.workloadIdentityUser", "members": [member]})
answer = session.post(account + ":setIamPolicy", json={"policy": policy}, timeout=10)
result["bound"] = answer.status_code
policy["etag"] = "BwXXXXXXXXX="
result["stale_etag"] = session.post(account + ":setIamPolicy", json={"policy": policy}, timeout=10).status_code
print(json.dumps(result))
