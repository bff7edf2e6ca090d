"""An administrator gives a service user a role in the identity domain; the service user then uses it with a session."""
import argparse
import json
import os

import oci

parser = argparse.ArgumentParser()
parser.add_argument("--domain", required=True)
parser.add_argument("--administrator", required=True, metavar="CONFIG")
args = parser.parse_args()

models = oci.identity_domains.models
once = oci.retry.NoneRetryStrategy()
administrator = oci.identity_domains.IdentityDomainsClient(
    oci.config.from_file(args.administrator, "DEFAULT"), service_endpoint=args.domain, retry_strategy=once
)
config = oci.config.from_file(os.environ["OCI_CLI_CONFIG_FILE"], os.environ["OCI_CLI_PROFILE"])
with open(config["security_token_file"], encoding="utf-8") as file:
    signer = oci.auth.signers.SecurityTokenSigner(
        file.read(), oci.signer.load_private_key_from_file(config["key_file"])
    )
session = oci.identity_domains.IdentityDomainsClient(
    {"region": config["region"]}, signer=signer, service_endpoint=args.domain, retry_strategy=once
)


def users():
    try:
        return sorted(user.user_name for user in session.list_users(filter='userName sw "svc-"').data.resources)
    except oci.exceptions.ServiceError as error:
        return error.status


before = users()
user = administrator.list_users(filter='userName eq "svc-ci"').data.resources[0].id
role = administrator.list_app_roles(filter='displayName eq "User Administrator"').data.resources[0].id
administrator.create_grant(
    grant=models.Grant(
        schemas=["urn:ietf:params:scim:schemas:oracle:idcs:Grant"],
        grant_mechanism="ADMINISTRATOR_TO_USER",
        grantee=models.GrantGrantee(value=user, type="User"),
        app=models.GrantApp(value="IDCSAppId"),
        entitlement=models.GrantEntitlement(attribute_name="appRoles", attribute_value=role),
    )
)
print(json.dumps({"before": before, "after": users()}))
