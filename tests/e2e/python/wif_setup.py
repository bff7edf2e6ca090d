"""Set workload identity federation up in a domain, step by step, with Oracle's SDK; then exchange a token.

Two confidential apps (one that may administer the domain, one that may exchange), a service user, a trust for an
external issuer, and at the end the exchange itself.
"""
import argparse
import base64
import json
import os

import oci
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

APP = "urn:ietf:params:scim:schemas:oracle:idcs:App"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"

parser = argparse.ArgumentParser()
parser.add_argument("--domain", required=True)
parser.add_argument("--issuer", required=True)
parser.add_argument("--jwks", required=True)
parser.add_argument("--rule", default="sub eq *")
args = parser.parse_args()

domains = oci.identity_domains
config = oci.config.from_file(os.environ["OCI_CLI_CONFIG_FILE"], "DEFAULT")
admin = domains.IdentityDomainsClient(
    config, service_endpoint=args.domain, retry_strategy=oci.retry.NoneRetryStrategy()
)


def confidential_app(name):
    app = admin.create_app(
        app=domains.models.App(
            schemas=[APP],
            display_name=name,
            based_on_template=domains.models.AppBasedOnTemplate(value="CustomWebAppTemplateId"),
        )
    )
    assert app.status == 201, app.status
    changes = [
        ("REMOVE", "allowOffline", None),
        ("REMOVE", "bypassConsent", None),
        ("ADD", "allowedGrants", ["client_credentials"]),
        ("ADD", "clientType", "confidential"),
        ("REPLACE", "isOAuthClient", True),
    ]
    operations = [domains.models.Operations(op=op, path=path, value=value) for op, path, value in changes]
    patched = admin.patch_app(app.data.id, patch_op=domains.models.PatchOp(schemas=[PATCH], operations=operations))
    admin.put_app_status_changer(
        app.data.ocid,
        app_status_changer=domains.models.AppStatusChanger(
            id=app.data.ocid, schemas=["urn:ietf:params:scim:schemas:oracle:idcs:AppStatusChanger"], active=True
        ),
    )
    return app.data.id, patched.data.name, patched.data.client_secret


setup_id, setup_client, setup_secret = confidential_app("set-up")
role = admin.list_app_roles(filter='displayName eq "Identity Domain Administrator"').data.resources[0].id
grant = admin.create_grant(
    grant=domains.models.Grant(
        schemas=["urn:ietf:params:scim:schemas:oracle:idcs:Grant"],
        grant_mechanism="ADMINISTRATOR_TO_APP",
        grantee=domains.models.GrantGrantee(value=setup_id, type="App"),
        app=domains.models.GrantApp(value="IDCSAppId"),
        entitlement=domains.models.GrantEntitlement(attribute_name="appRoles", attribute_value=role),
    )
).data.id
answer = requests.post(
    args.domain + "/oauth2/v1/token",
    data={"grant_type": "client_credentials", "scope": "urn:opc:idm:__myscopes__"},
    auth=(setup_client, setup_secret),
    timeout=10,
)
answer.raise_for_status()
bearer = {"Authorization": "Bearer " + answer.json()["access_token"]}
_, exchange_client, exchange_secret = confidential_app("token exchange")


def scim(path, body):
    reply = requests.post(args.domain + "/admin/v1/" + path, json=body, headers=bearer, timeout=10)
    assert reply.status_code == 201, (path, reply.status_code, reply.text)
    return reply.json()


user = scim(
    "Users",
    {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "urn:ietf:params:scim:schemas:oracle:idcs:extension:user:User": {"serviceUser": True},
        "userName": "pipeline",
    },
)
trust = scim(
    "IdentityPropagationTrusts",
    {
        "schemas": ["urn:ietf:params:scim:schemas:oracle:idcs:IdentityPropagationTrust"],
        "name": "pipeline",
        "type": "JWT",
        "active": True,
        "issuer": args.issuer,
        "publicKeyEndpoint": args.jwks,
        "oauthClients": [exchange_client],
        "subjectType": "User",
        "allowImpersonation": True,
        "impersonationServiceUsers": [{"ocid": user["ocid"], "rule": args.rule}],
    },
)
key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
public = key.public_key().public_bytes(
    serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
)
exchanged = requests.post(
    args.domain + "/oauth2/v1/token",
    data={
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "requested_token_type": "urn:oci:token-type:oci-upst",
        "subject_token_type": "jwt",
        "subject_token": os.environ["SUBJECT_TOKEN"],
        "public_key": base64.b64encode(public).decode(),
    },
    auth=(exchange_client, exchange_secret),
    timeout=10,
)
print(
    json.dumps(
        {
            "grant": bool(grant),
            "trust": bool(trust["id"]),
            "user": user["ocid"],
            "status": exchanged.status_code,
            "upst": exchanged.json().get("token", "").count(".") == 2,
        }
    )
)
