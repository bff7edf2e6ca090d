"""Read the propagation trusts and users of an identity domain with an administrator's API key."""
import argparse
import json
import os

import oci

parser = argparse.ArgumentParser()
parser.add_argument("--domain", required=True)
args = parser.parse_args()

config = oci.config.from_file(os.environ["OCI_CLI_CONFIG_FILE"], "DEFAULT")
client = oci.identity_domains.IdentityDomainsClient(
    config, service_endpoint=args.domain, retry_strategy=oci.retry.NoneRetryStrategy()
)
trusts = client.list_identity_propagation_trusts(attribute_sets=["all"]).data.resources
users = client.list_users(filter='userName sw "svc-"', count=1).data
try:
    client.get_user("0" * 32)
    missing = None
except oci.exceptions.ServiceError as error:
    missing = error.status
print(
    json.dumps(
        {
            "issuers": sorted(trust.issuer for trust in trusts),
            "rules": [user.rule for trust in trusts for user in trust.impersonation_service_users or []],
            "service_users": users.total_results,
            "page": len(users.resources),
            "missing": missing,
        }
    )
)
