"""Put, list and read a blob with a credential of azure-identity; print what there is, or why not."""
import argparse
import json
import os

from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.identity import (
    CredentialUnavailableError,
    DefaultAzureCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)
from azure.storage.blob import BlobServiceClient

parser = argparse.ArgumentParser()
parser.add_argument("--credential", choices=["default", "managed", "workload"], default="default")
parser.add_argument("--client-id", help="of a user-assigned identity")
parser.add_argument("--account-url", default="https://carnetsandbox.blob.core.windows.net")
parser.add_argument("--container", default="logs")
parser.add_argument("--create", action="store_true", help="make the container first")
parser.add_argument("--write", action="store_true", help="put a blob")
args = parser.parse_args()

if args.credential == "workload":
    credential = WorkloadIdentityCredential()
elif args.credential == "managed":
    credential = ManagedIdentityCredential(client_id=args.client_id)
else:
    # What a developer's machine might have is not asked.
    credential = DefaultAzureCredential(
        exclude_azure_cli_credential=True,
        exclude_azure_powershell_credential=True,
        exclude_developer_cli_credential=True,
        exclude_shared_token_cache_credential=True,
        exclude_visual_studio_code_credential=True,
    )
service = BlobServiceClient(args.account_url, credential=credential, retry_total=0)
container = service.get_container_client(args.container)
try:
    if args.create:
        container.create_container()
    if args.write:
        container.upload_blob("from/python.txt", b"written by azure-storage-blob", overwrite=True)
    answer = {
        "containers": sorted(found.name for found in service.list_containers()),
        "blobs": sorted(found.name for found in container.list_blobs()),
    }
    if args.write:
        answer["content"] = container.download_blob("from/python.txt").readall().decode()
    print(json.dumps(answer))
except (ClientAuthenticationError, CredentialUnavailableError) as error:
    print(json.dumps({"refused": str(error).replace(os.linesep, " ")}))
except HttpResponseError as error:
    print(json.dumps({"status": error.status_code, "code": str(error.error_code)}))
