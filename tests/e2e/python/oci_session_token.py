"""Use a session token and its key from an OCI profile: namespace, buckets, compartments, VCNs."""
import argparse
import json
import os

import oci

parser = argparse.ArgumentParser()
parser.add_argument("--compartment", required=True)
parser.add_argument("--objectstorage")
parser.add_argument("--identity")
parser.add_argument("--core")
parser.add_argument("--put", metavar="BUCKET/OBJECT")
args = parser.parse_args()

config = oci.config.from_file(os.environ["OCI_CLI_CONFIG_FILE"], os.environ.get("OCI_CLI_PROFILE", "DEFAULT"))
with open(config["security_token_file"], encoding="utf-8") as file:
    token = file.read()
key = oci.signer.load_private_key_from_file(config["key_file"])
signer = oci.auth.signers.SecurityTokenSigner(token, key)
once = oci.retry.NoneRetryStrategy()


def client(kind, endpoint):
    options = {"signer": signer, "retry_strategy": once}
    if endpoint:
        options["service_endpoint"] = endpoint
    return kind({"region": config["region"]}, **options)


storage = client(oci.object_storage.ObjectStorageClient, args.objectstorage)
namespace = storage.get_namespace().data
result = {"namespace": namespace}
result["buckets"] = [bucket.name for bucket in storage.list_buckets(namespace, args.compartment).data]
if args.put:
    bucket, name = args.put.split("/", 1)
    storage.put_object(namespace, bucket, name, b"hello from a session token")
    result["object"] = storage.get_object(namespace, bucket, name).data.content.decode()
identity = client(oci.identity.IdentityClient, args.identity)
result["compartments"] = [
    one.name for one in identity.list_compartments(config["tenancy"], compartment_id_in_subtree=True).data
]
result["domains"] = [one.name for one in identity.list_availability_domains(config["tenancy"]).data]
network = client(oci.core.VirtualNetworkClient, args.core)
result["vcns"] = [one.display_name for one in network.list_vcns(args.compartment).data]
print(json.dumps(result))
