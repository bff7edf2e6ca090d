"""Exchange a JWT for a UPST with Oracle's own signer, and list buckets as the service user."""
import argparse
import json
import os
import sys

import oci
from oci._vendor import requests

parser = argparse.ArgumentParser()
parser.add_argument("--domain", required=True)
parser.add_argument("--client-id", required=True)
parser.add_argument("--compartment", required=True)
parser.add_argument("--objectstorage")
args = parser.parse_args()

try:
    signer = oci.auth.signers.TokenExchangeSigner(
        os.environ["SUBJECT_TOKEN"], args.domain, args.client_id, os.environ["CLIENT_SECRET"], region="us-ashburn-1"
    )
except requests.exceptions.HTTPError as error:
    print(json.dumps({"refused": error.response.status_code, "body": error.response.json()}))
    sys.exit(0)
options = {"service_endpoint": args.objectstorage} if args.objectstorage else {}
storage = oci.object_storage.ObjectStorageClient(
    {"region": "us-ashburn-1"}, signer=signer, retry_strategy=oci.retry.NoneRetryStrategy(), **options
)
namespace = storage.get_namespace().data
buckets = [bucket.name for bucket in storage.list_buckets(namespace, args.compartment).data]
print(json.dumps({"namespace": namespace, "buckets": buckets}))
