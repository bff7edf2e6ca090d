"""The secrets of a project with the token of a machine identity, and what comes of another project."""
import argparse
import json
import os

from infisical_sdk import InfisicalSDKClient
from infisical_sdk.infisical_requests import APIError

parser = argparse.ArgumentParser()
parser.add_argument("project")
parser.add_argument("neighbour")
args = parser.parse_args()

with InfisicalSDKClient(host="https://app.infisical.com", token=os.environ["INFISICAL_TOKEN"]) as client:

    def secrets(project):
        found = client.secrets.list_secrets(environment_slug="dev", secret_path="/", project_id=project)
        return {secret.secretKey: secret.secretValue for secret in found.secrets}

    answer = {"secrets": secrets(args.project)}
    try:
        secrets(args.neighbour)
    except APIError as error:
        answer["neighbour"] = [error.status_code, error.response["error"]]
    print(json.dumps(answer))
