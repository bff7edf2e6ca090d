"""The guide's whole set-up of a new Vault, request by request: no client library, only the API as it is documented.

Initialise, unseal, a secret, the JWT method with its discovery URL, a policy, a role; then log in with a JWT and read.
"""
import argparse
import json
import os

import requests

parser = argparse.ArgumentParser()
parser.add_argument("--url", required=True)
parser.add_argument("--issuer", required=True)
parser.add_argument("--subject", required=True)
parser.add_argument("--audience", required=True)
args = parser.parse_args()

NAME = "ztwim"
POLICY = 'path "secret/%s" {\n    capabilities = ["read"]\n}\n' % NAME


def call(method, path, body=None, token=None):
    headers = {"X-Vault-Token": token} if token else {}
    return requests.request(method, args.url + "/v1/" + path, json=body, headers=headers, timeout=10)


def done(answer, *wanted):
    assert answer.status_code in wanted, (answer.request.method, answer.url, answer.status_code, answer.text)
    return answer.json() if answer.content else {}


health = [call("GET", "sys/health").status_code]
keys = done(call("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1}), 200)
root = keys["root_token"]
health.append(call("GET", "sys/health").status_code)
sealed = call("GET", "sys/mounts", token=root).status_code
status = done(call("PUT", "sys/unseal", {"key": keys["keys_base64"][0]}), 200)
assert status["sealed"] is False, status
health.append(call("GET", "sys/health").status_code)

done(call("POST", "sys/mounts/secret", {"type": "kv"}, root), 204)
done(call("PUT", "secret/" + NAME, {"version": "v0.1.0"}, root), 204)
done(call("PUT", "secret/neighbour", {"version": "secret"}, root), 204)
done(call("POST", "sys/auth/jwt", {"type": "jwt"}, root), 204)
config = {"oidc_discovery_url": args.issuer, "default_role": NAME + "-role"}
done(call("PUT", "auth/jwt/config", config, root), 200, 204)
done(call("PUT", "sys/policies/acl/" + NAME + "-policy", {"policy": POLICY}, root), 204)
role = {
    "role_type": "jwt",
    "user_claim": "sub",
    "bound_audiences": args.audience,
    "bound_claims_type": "glob",
    "bound_claims": {"sub": args.subject},
    "token_ttl": "24h",
    "token_policies": NAME + "-policy",
}
done(call("PUT", "auth/jwt/role/" + NAME + "-role", role, root), 200, 204)

token = os.environ["SUBJECT_TOKEN"]
login = done(call("POST", "auth/jwt/login", {"jwt": token, "role": NAME + "-role"}), 200)["auth"]
default = done(call("POST", "auth/jwt/login", {"jwt": token}), 200)["auth"]
client = login["client_token"]
stranger = call("POST", "auth/jwt/login", {"jwt": os.environ["STRANGER_TOKEN"], "role": NAME + "-role"})
print(
    json.dumps(
        {
            "health": health,
            "sealed": sealed,
            "policies": sorted(login["policies"]),
            "seconds": login["lease_duration"],
            "default_role": sorted(default["policies"]),
            "secret": done(call("GET", "secret/" + NAME, token=client), 200)["data"],
            "neighbour": call("GET", "secret/neighbour", token=client).status_code,
            "stranger": stranger.status_code,
            "again": call("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1}).status_code,
        }
    )
)
