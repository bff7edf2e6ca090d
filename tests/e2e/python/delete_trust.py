"""Delete the propagation trust of an issuer with an administrator's API key."""
import argparse
import json
import os

import oci

parser = argparse.ArgumentParser()
parser.add_argument("--domain", required=True)
parser.add_argument("--issuer", required=True)
args = parser.parse_args()

config = oci.config.from_file(os.environ["OCI_CLI_CONFIG_FILE"], "DEFAULT")
client = oci.identity_domains.IdentityDomainsClient(
    config, service_endpoint=args.domain, retry_strategy=oci.retry.NoneRetryStrategy()
)
found = client.list_identity_propagation_trusts(filter=f'issuer eq "{args.issuer}"').data.resources
for trust in found:
    client.delete_identity_propagation_trust(trust.id)
print(json.dumps({"deleted": len(found)}))
