"""Be the instance this runs on, and list buckets."""
import argparse
import json

import oci

parser = argparse.ArgumentParser()
parser.add_argument("--compartment", required=True)
parser.add_argument("--federation")
parser.add_argument("--objectstorage")
args = parser.parse_args()

options = {"federation_endpoint": args.federation} if args.federation else {}
signer = oci.auth.signers.InstancePrincipalsSecurityTokenSigner(**options)
options = {"service_endpoint": args.objectstorage} if args.objectstorage else {}
storage = oci.object_storage.ObjectStorageClient(
    {}, signer=signer, retry_strategy=oci.retry.NoneRetryStrategy(), **options
)
namespace = storage.get_namespace().data
buckets = [bucket.name for bucket in storage.list_buckets(namespace, args.compartment).data]
print(json.dumps({"namespace": namespace, "buckets": buckets, "region": signer.region}))
