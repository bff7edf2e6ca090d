"""The usual flows of hvac: a new server from nothing to a secret; or one secret with a token that was delivered."""
import argparse
import json
import os

import hvac

parser = argparse.ArgumentParser()
parser.add_argument("--url", required=True)
parser.add_argument("--issuer")
parser.add_argument("--token-file")
args = parser.parse_args()


def refused(action):
    try:
        action()
    except hvac.exceptions.VaultError as error:
        return type(error).__name__
    return None


def read(client, path):
    return client.secrets.kv.v2.read_secret_version(path=path, raise_on_deleted_version=True)["data"]["data"]


def set_up():
    client = hvac.Client(url=args.url)
    before = [client.sys.is_initialized(), client.sys.read_health_status(method="GET").status_code]
    keys = client.sys.initialize(secret_shares=3, secret_threshold=2)
    client.token = keys["root_token"]
    for key in keys["keys"][:2]:
        client.sys.submit_unseal_key(key)
    assert client.sys.is_sealed() is False and client.is_authenticated()
    client.sys.enable_secrets_engine("kv", path="secret", options={"version": "2"})
    kv = client.secrets.kv.v2
    for value in ["first", "second"]:
        kv.create_or_update_secret(path="app/db", secret={"password": value})
    kv.create_or_update_secret(path="neighbour/db", secret={"password": "other"})
    stale = refused(lambda: kv.create_or_update_secret(path="app/db", secret={"password": "third"}, cas=1))
    client.sys.enable_auth_method("jwt")
    client.auth.jwt.configure(oidc_discovery_url=args.issuer, bound_issuer=args.issuer)
    client.sys.create_or_update_policy("app", 'path "secret/data/app/*" { capabilities = ["read"] }')
    client.auth.jwt.create_role(
        name="app",
        role_type="jwt",
        user_claim="sub",
        allowed_redirect_uris=[],
        bound_audiences=["vault"],
        bound_claims={"repository": "carnet-sandbox/app"},
        token_policies=["app"],
        token_ttl=600,
    )
    wrapped = client.sys.wrap(payload={"answer": 42}, ttl=60)["wrap_info"]["token"]
    unwrapped = client.sys.unwrap(wrapped)["data"]

    job = hvac.Client(url=args.url)
    login = job.auth.jwt.jwt_login(role="app", jwt=os.environ["SUBJECT_TOKEN"])["auth"]
    itself = job.auth.token.lookup_self()["data"]
    answer = {
        "before": before,
        "newest": read(client, "app/db")["password"],
        "version": kv.read_secret_metadata(path="app/db")["data"]["current_version"],
        "paths": client.secrets.kv.v2.list_secrets(path="")["data"]["keys"],
        "stale": stale,
        "unwrapped": unwrapped,
        "twice": refused(lambda: client.sys.unwrap(wrapped)),
        "policies": sorted(login["policies"]),
        "ttl": itself["creation_ttl"],
        "secret": read(job, "app/db"),
        "neighbour": refused(lambda: read(job, "neighbour/db")),
        "write": refused(lambda: job.secrets.kv.v2.create_or_update_secret(path="app/db", secret={"password": "mine"})),
        "renewed": job.auth.token.renew_self()["auth"]["lease_duration"],
        "stranger": refused(lambda: hvac.Client(url=args.url).auth.jwt.jwt_login("app", os.environ["STRANGER_TOKEN"])),
    }
    job.auth.token.revoke_self()
    answer["revoked"] = refused(lambda: read(job, "app/db"))
    client.sys.seal()
    answer["sealed"] = refused(lambda: read(client, "app/db"))
    return answer


def delivered():
    with open(args.token_file, encoding="utf-8") as file:
        client = hvac.Client(url=args.url, token=file.read())
    gone = refused(client.auth.token.lookup_self)
    if gone:
        return {"token": gone}
    secret = read(client, "app/db")
    return {"secret": secret["username"], "neighbour": refused(lambda: read(client, "neighbour/db"))}


print(json.dumps(delivered() if args.token_file else set_up()))
