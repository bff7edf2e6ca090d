"""Have a Vault trust the jobs of CI systems: a JWT auth method for each, with a role whose tokens may read the secrets of `app`."""
import argparse
import json

import hvac

parser = argparse.ArgumentParser()
parser.add_argument("--url", required=True)
parser.add_argument("--token", required=True)
parser.add_argument("trusts", help="JSON: a list of objects with mount, issuer, audience, bound_claims")
args = parser.parse_args()

client = hvac.Client(url=args.url, token=args.token)
for trust in json.loads(args.trusts):
    mount = trust["mount"]
    client.sys.enable_auth_method("jwt", path=mount)
    client.auth.jwt.configure(oidc_discovery_url=trust["issuer"], bound_issuer=trust["issuer"], path=mount)
    client.auth.jwt.create_role(
        name="job",
        role_type="jwt",
        user_claim="sub",
        allowed_redirect_uris=[],
        bound_audiences=[trust["audience"]],
        bound_claims=trust["bound_claims"],
        token_policies=["app"],
        token_ttl=600,
        path=mount,
    )
print(json.dumps(sorted(client.sys.list_auth_methods()["data"])))
