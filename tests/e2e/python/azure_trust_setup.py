"""The set-up that the documents describe, by plain requests: an app registration with a federated credential (Graph), a
user-assigned identity with one (Resource Manager), a storage account that takes its time, and a role on it."""
import argparse
import json
import time
import uuid

import requests

parser = argparse.ArgumentParser()
parser.add_argument("--imds", required=True)
parser.add_argument("--subscription", required=True)
parser.add_argument("--issuer", required=True)
parser.add_argument("--subject", required=True)
args = parser.parse_args()

GRAPH, ARM = "https://graph.microsoft.com", "https://management.azure.com"
AUDIENCE = "api://AzureADTokenExchange"
BLOB_CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"


def token(resource):
    answer = requests.get(
        args.imds + "/metadata/identity/oauth2/token",
        params={"api-version": "2018-02-01", "resource": resource},
        headers={"Metadata": "true"},
        proxies={"http": None},
        timeout=10,
    )
    answer.raise_for_status()
    return {"Authorization": "Bearer " + answer.json()["access_token"]}


def call(method, url, headers, body=None):
    answer = requests.request(method, url, json=body, headers=headers, timeout=10)
    answer.raise_for_status()
    return answer


graph, arm = token(GRAPH), token(ARM)
app = call("POST", GRAPH + "/v1.0/applications", graph, {"displayName": "pipeline"}).json()
call("POST", GRAPH + "/v1.0/servicePrincipals", graph, {"appId": app["appId"]})
credential = {"name": "main", "issuer": args.issuer, "subject": args.subject, "audiences": [AUDIENCE]}
call("POST", f"{GRAPH}/v1.0/applications/{app['id']}/federatedIdentityCredentials", graph, credential)

group = f"{ARM}/subscriptions/{args.subscription}/resourceGroups/pipeline"
call("PUT", group + "?api-version=2021-04-01", arm, {"location": "westeurope"})
identity_url = group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/pipeline"
identity = call("PUT", identity_url + "?api-version=2024-11-30", arm, {"location": "westeurope"}).json()
properties = {"issuer": args.issuer, "subject": args.subject, "audiences": [AUDIENCE]}
first = call("PUT", identity_url + "/federatedIdentityCredentials/main?api-version=2024-11-30", arm, {"properties": properties})
again = call("PUT", identity_url + "/federatedIdentityCredentials/main?api-version=2024-11-30", arm, {"properties": properties})

account_id = group.removeprefix(ARM) + "/providers/Microsoft.Storage/storageAccounts/pipeline1"
body = {"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}
begun = call("PUT", f"{ARM}{account_id}?api-version=2023-05-01", arm, body)
polls = 0
while call("GET", begun.headers["Azure-AsyncOperation"], arm).json()["status"] == "InProgress":
    polls += 1
    time.sleep(float(begun.headers["Retry-After"]))
account = call("GET", f"{ARM}{account_id}?api-version=2023-05-01", arm).json()
assignment = {
    "properties": {
        "roleDefinitionId": f"/subscriptions/{args.subscription}/providers/Microsoft.Authorization/roleDefinitions/{BLOB_CONTRIBUTOR}",
        "principalId": identity["properties"]["principalId"],
        "principalType": "ServicePrincipal",
    }
}
role = f"{ARM}{account_id}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}?api-version=2022-04-01"
call("PUT", role, arm, assignment)
print(
    json.dumps(
        {
            "application": app["appId"],
            "identity": identity["properties"]["clientId"],
            "statuses": [first.status_code, again.status_code, begun.status_code],
            "polls": polls,
            "account": account["properties"]["primaryEndpoints"]["blob"],
        }
    )
)
