"""Let Google, AWS and Vault trust proofs that are no tokens: a signed request of an AWS role, one of an OCI instance, and
the certificate of a workload."""
import argparse
import json
import os

import boto3
import google.auth
import google.auth.transport.requests
import hvac

parser = argparse.ArgumentParser()
parser.add_argument("--number", required=True, help="of Google's project")
parser.add_argument("--account", required=True, help="Google's service account that all become")
parser.add_argument("--bundle", required=True, help="certificates of the trust domain")
parser.add_argument("--workload", required=True, help="its SPIFFE ID")
parser.add_argument("--vault-token", required=True)
parser.add_argument("--tenancy", required=True)
parser.add_argument("--oci-group", required=True)
args = parser.parse_args()
# As Vault sees a session: without the path of its role.
MACHINE = "arn:aws:iam::123456789012:role/machine"
with open(args.bundle, encoding="utf-8") as file:
    BUNDLE = file.read()


def at_google():
    iam = f"https://iam.googleapis.com/v1/projects/{args.number}"
    pool = "/locations/global/workloadIdentityPools"
    credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
    session = google.auth.transport.requests.AuthorizedSession(credentials)

    def post(url, body):
        answer = session.post(url, json=body)
        assert answer.status_code == 200, (url, answer.status_code, answer.text)
        return answer.json()

    post(f"{iam}{pool}?workloadIdentityPoolId=proofs", {})
    providers = f"{iam}{pool}/proofs/providers?workloadIdentityPoolProviderId="
    post(providers + "aws-account", {"aws": {"accountId": "123456789012"}})
    store = {"trustAnchors": [{"pemCertificate": BUNDLE}]}
    post(
        providers + "mesh",
        {"attributeMapping": {"google.subject": "assertion.san.uri"}, "x509": {"trustStore": store}},
    )
    name = f"iam.googleapis.com/projects/{args.number}{pool}/proofs"
    members = [
        f"principalSet://{name}/attribute.aws_role/arn:aws:sts::123456789012:assumed-role/machine",
        f"principal://{name}/subject/{args.workload}",
    ]
    account = f"{iam}/serviceAccounts/{args.account}"
    policy = post(account + ":getIamPolicy", {})
    policy["bindings"].append({"role": "roles/iam.workloadIdentityUser", "members": members})
    post(account + ":setIamPolicy", {"policy": policy})


def at_aws():
    anywhere = boto3.Session(profile_name="builder").client("rolesanywhere")
    source = {"sourceType": "CERTIFICATE_BUNDLE", "sourceData": {"x509CertificateData": BUNDLE}}
    anchor = anywhere.create_trust_anchor(name="mesh", source=source, enabled=True)["trustAnchor"]
    role = "arn:aws:iam::123456789012:role/carnet/certificate"
    profile = anywhere.create_profile(name="mesh", roleArns=[role], enabled=True)["profile"]
    return {"anchor": anchor["trustAnchorArn"], "profile": profile["profileArn"], "role": role}


def at_vault():
    client = hvac.Client(url=os.environ["VAULT_ADDR"], token=args.vault_token)
    client.sys.enable_auth_method("aws")
    client.auth.aws.configure(iam_server_id_header_value="vault.example")
    client.auth.aws.create_role(
        role="app", auth_type="iam", bound_iam_principal_arn=[MACHINE], resolve_aws_unique_ids=False, policies=["app"]
    )
    client.sys.enable_auth_method("oci")
    client.write_data("auth/oci/config", data={"home_tenancy_id": args.tenancy})
    client.write_data("auth/oci/role/app", data={"ocid_list": args.oci_group, "token_policies": "app"})
    client.sys.enable_auth_method("cert")
    mesh = {"certificate": BUNDLE, "allowed_uri_sans": args.workload, "token_policies": "app"}
    client.write_data("auth/cert/certs/app", data=mesh)


at_google()
at_vault()
print(json.dumps(at_aws()))
