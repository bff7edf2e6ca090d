"""What each of these folders opens at a cloud, with that cloud's own library: a credential that was delivered into each."""
import argparse
import importlib
import json
import os
import sys

parser = argparse.ArgumentParser()
parser.add_argument("cloud", choices=["gcp", "azure", "aws", "vault", "oci"])
parser.add_argument("folders", nargs="+")
args = parser.parse_args()


def gcp(folder):
    from google.auth import identity_pool
    from google.cloud import storage
    from google.oauth2 import credentials as tokens

    if os.path.exists(folder + "/token"):
        with open(folder + "/token", encoding="utf-8") as file:
            credentials = tokens.Credentials(file.read())
    else:
        scopes = ["https://www.googleapis.com/auth/cloud-platform"]
        credentials = identity_pool.Credentials.from_file(folder + "/google.json", scopes=scopes)
    buckets = storage.Client(project=os.environ["GOOGLE_CLOUD_PROJECT"], credentials=credentials).list_buckets(retry=None)
    return sorted(bucket.name for bucket in buckets)


def azure(folder):
    from azure.identity import WorkloadIdentityCredential
    from azure.storage.blob import BlobServiceClient

    credential = WorkloadIdentityCredential(
        tenant_id=os.environ["AZURE_TENANT_ID"], client_id=os.environ["AZURE_CLIENT_ID"], token_file_path=folder + "/token"
    )
    service = BlobServiceClient("https://carnetsandbox.blob.core.windows.net", credential=credential, retry_total=0)
    return sorted(container.name for container in service.list_containers())


def aws(folder):
    import boto3
    import botocore.session

    session = botocore.session.Session(profile="carnet")
    session.set_config_variable("credentials_file", folder + "/credentials")
    buckets = boto3.Session(botocore_session=session, region_name="eu-central-1").client("s3").list_buckets()
    return sorted(bucket["Name"] for bucket in buckets["Buckets"])


def vault(folder):
    import hvac

    with open(folder + "/token", encoding="utf-8") as file:
        client = hvac.Client(url=os.environ["VAULT_ADDR"], token=file.read())
    secret = client.secrets.kv.v2.read_secret_version(path="app/db", raise_on_deleted_version=True)
    return [secret["data"]["data"]["username"]]


def oci(folder):
    oci = importlib.import_module("oci")
    config = oci.config.from_file(folder + "/profile/current/config", "CARNET")
    with open(config["security_token_file"], encoding="utf-8") as file:
        token = file.read()
    signer = oci.auth.signers.SecurityTokenSigner(token, oci.signer.load_private_key_from_file(config["key_file"]))
    storage = oci.object_storage.ObjectStorageClient(
        {"region": config["region"]}, signer=signer, retry_strategy=oci.retry.NoneRetryStrategy()
    )
    buckets = storage.list_buckets(storage.get_namespace().data, os.environ["OCI_COMPARTMENT"]).data
    return [bucket.name for bucket in buckets]


opens = getattr(sys.modules[__name__], args.cloud)
answer = {}
for folder in args.folders:
    try:
        answer[os.path.basename(folder)] = opens(folder)
    except Exception as error:  # Each library has its own kinds; what they say is what is looked at.
        answer[os.path.basename(folder)] = f"{type(error).__name__}: {error}"
print(json.dumps(answer))
