"""Be the pod that this runs in, on Kubernetes Engine: make a bucket, and list what there is. With --profile, be the session of a
profile instead."""
import argparse
import json
import os

import oci
from oci.auth.rpt_path_providers import DefaultServiceAccountTokenProvider

parser = argparse.ArgumentParser()
parser.add_argument("--compartment", required=True)
parser.add_argument("--make", metavar="BUCKET", required=True)
parser.add_argument("--objectstorage")
parser.add_argument("--profile", action="store_true")
args = parser.parse_args()
once = oci.retry.NoneRetryStrategy()


def of_pod():
    """What `get_oke_workload_identity_resource_principal_signer` makes, which knows no port but 12250."""
    provider = DefaultServiceAccountTokenProvider()
    provider.override_sa_token_path(os.environ["CARNET_SANDBOX_POD_TOKEN_FILE"])
    return oci.auth.signers.OkeWorkloadIdentityResourcePrincipalSigner(
        sa_token_provider=provider,
        sa_cert_path=os.environ["OCI_KUBERNETES_SERVICE_ACCOUNT_CERT_PATH"],
        service_host=os.environ["KUBERNETES_SERVICE_HOST"],
        service_port=os.environ["KUBERNETES_SERVICE_PORT_PROXYMUX"],
        region=os.environ["OCI_RESOURCE_PRINCIPAL_REGION"],
        retry_strategy=once,
    )


def of_profile():
    config = oci.config.from_file(os.environ["OCI_CLI_CONFIG_FILE"], os.environ["OCI_CLI_PROFILE"])
    with open(config["security_token_file"], encoding="utf-8") as file:
        token = file.read()
    return oci.auth.signers.SecurityTokenSigner(token, oci.signer.load_private_key_from_file(config["key_file"]))


def use(signer):
    options = {"service_endpoint": args.objectstorage} if args.objectstorage else {}
    config = {"region": os.environ["OCI_RESOURCE_PRINCIPAL_REGION"]}
    storage = oci.object_storage.ObjectStorageClient(config, signer=signer, retry_strategy=once, **options)
    namespace = storage.get_namespace().data
    wanted = oci.object_storage.models.CreateBucketDetails(name=args.make, compartment_id=args.compartment)
    answer = {}
    try:
        answer["made"] = storage.create_bucket(namespace, wanted).data.name
    except oci.exceptions.ServiceError as error:
        answer["refused"] = [error.status, error.code]
    answer["buckets"] = sorted(bucket.name for bucket in storage.list_buckets(namespace, args.compartment).data)
    return answer


try:
    signer = of_profile() if args.profile else of_pod()
except oci.exceptions.ServiceError as error:
    print(json.dumps({"proxymux": error.status, "says": error.message}))
else:
    print(json.dumps(use(signer)))
