"""Infisical's SDK: every login that it has and the server too, and the secrets of a project. With a token in INFISICAL_TOKEN only
the latter."""
import argparse
import json
import os

from infisical_sdk import InfisicalSDKClient
from infisical_sdk.infisical_requests import APIError

parser = argparse.ArgumentParser()
parser.add_argument("--host", required=True)
parser.add_argument("--project", required=True)
parser.add_argument("--identity")
parser.add_argument("--worker")
args = parser.parse_args()


def client(token=None):
    return InfisicalSDKClient(host=args.host, token=token, cache_ttl=None)


def secrets(one):
    found = one.secrets.list_secrets(environment_slug="prod", secret_path="/", project_id=args.project)
    return {
        "own": {secret.secretKey: secret.secretValue for secret in found.secrets},
        # Here the SDK leaves what it got as it is.
        "imported": {secret["secretKey"]: secret["secretValue"] for each in found.imports for secret in each.secrets},
    }


def password(one):
    found = one.secrets.get_secret_by_name("DB_PASSWORD", "prod", "/", project_id=args.project)
    return found.secretValue


def refused(action):
    try:
        action()
    except APIError as error:
        return [error.status_code, error.response["error"]]
    return None


def log_in():
    answer = {}
    by_oidc = client()
    login = by_oidc.auth.oidc_auth.login(args.identity, os.environ["OIDC_TOKEN"])
    answer["login"] = [login.tokenType, login.expiresIn, login.accessTokenMaxTTL]
    answer["oidc"] = secrets(by_oidc)
    by_aws = client()
    by_aws.auth.aws_auth.login(args.identity)
    answer["aws"] = password(by_aws)
    by_token = client()
    by_token.auth.token_auth.login(login.accessToken)
    answer["token"] = password(by_token)
    worker = client()
    worker.auth.universal_auth.login(os.environ["WORKER_ID"], os.environ["WORKER_SECRET"])
    answer["no_member"] = refused(lambda: password(worker))
    admin = client()
    admin.auth.universal_auth.login(os.environ["ADMIN_ID"], os.environ["ADMIN_SECRET"])
    path = f"/api/v2/workspace/{args.project}/identity-memberships/{args.worker}"
    admin.api.post(path=path, json={"role": "viewer"}, model=object)
    answer["universal"] = password(worker)
    answer["write"] = refused(lambda: worker.secrets.update_secret_by_name(
        "DB_PASSWORD", project_id=args.project, secret_path="/", environment_slug="prod", secret_value="mine"))
    answer["stranger"] = refused(lambda: client().auth.oidc_auth.login(args.identity, os.environ["STRANGER_TOKEN"]))
    answer["secret"] = refused(lambda: client().auth.universal_auth.login(os.environ["WORKER_ID"], "wrong"))
    return answer


def delivered():
    token = os.environ["INFISICAL_TOKEN"]
    head, signature = token.rsplit(".", 1)
    bent = f"{head}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"
    return {"secrets": secrets(client(token)), "bent": refused(lambda: secrets(client(bent)))}


print(json.dumps(delivered() if "INFISICAL_TOKEN" in os.environ else log_in()))
