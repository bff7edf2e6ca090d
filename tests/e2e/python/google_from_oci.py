"""From an OCI principal to Google buckets with a subject-token supplier, as a function does it."""
import argparse
import json

import oci
import requests
from google.auth import identity_pool
from google.cloud import storage

parser = argparse.ArgumentParser()
parser.add_argument("--principal", choices=["instance", "resource"], required=True)
parser.add_argument("--domain", required=True)
parser.add_argument("--audience", required=True)
parser.add_argument("--impersonation", required=True)
parser.add_argument("--project", required=True)
args = parser.parse_args()


class Supplier(identity_pool.SubjectTokenSupplier):
    def get_subject_token(self, context, request):
        if args.principal == "instance":
            signer = oci.auth.signers.InstancePrincipalsSecurityTokenSigner()
        else:
            signer = oci.auth.signers.get_resource_principals_signer()
        form = (
            "grant_type=urn:ietf:params:oauth:grant-type:token-exchange"
            "&scope=urn:opc:idm:__myscopes__"
            "&requested_token_type=urn:ietf:params:oauth:token-type:access_token"
        )
        answer = requests.post(
            args.domain + "/oauth2/v1/token",
            data=form,
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            auth=signer,
            timeout=10,
        )
        answer.raise_for_status()
        return answer.json()["access_token"]


credentials = identity_pool.Credentials(
    credential_source=None,
    audience=args.audience,
    subject_token_type="urn:ietf:params:oauth:token-type:jwt",
    token_url="https://sts.googleapis.com/v1/token",
    service_account_impersonation_url=args.impersonation,
    subject_token_supplier=Supplier(),
)
client = storage.Client(credentials=credentials, project=args.project)
print(json.dumps({"buckets": sorted(bucket.name for bucket in client.list_buckets(retry=None))}))
