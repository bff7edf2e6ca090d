"""The usual set-up with boto3: provider, role, policy; then back to nothing."""
import argparse
import json

import boto3
from botocore.exceptions import ClientError

parser = argparse.ArgumentParser()
parser.add_argument("--issuer", required=True)
parser.add_argument("--certificate", required=True)
args = parser.parse_args()

session = boto3.Session(profile_name="builder")
iam = session.client("iam")
provider = iam.create_open_id_connect_provider(Url=args.issuer, ClientIDList=["sts.amazonaws.com"])
arn = provider["OpenIDConnectProviderArn"]
name = arn.split("oidc-provider/", 1)[1]
trust = {
    "Version": "2012-10-17",
    "Statement": [{
        "Effect": "Allow",
        "Principal": {"Federated": arn},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{name}:sub": "someone"}},
    }],
}
iam.create_role(RoleName="set-up", AssumeRolePolicyDocument=json.dumps(trust), MaxSessionDuration=7200)
allow = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:List*", "Resource": "*"}]}
iam.put_role_policy(RoleName="set-up", PolicyName="list", PolicyDocument=json.dumps(allow))
role = iam.get_role(RoleName="set-up")["Role"]
result = {
    "arn": arn,
    "role": role["Arn"],
    "duration": role["MaxSessionDuration"],
    "trust": role["AssumeRolePolicyDocument"] == trust,
    "policy": iam.get_role_policy(RoleName="set-up", PolicyName="list")["PolicyDocument"] == allow,
    "client_ids": iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)["ClientIDList"],
    "roles": sorted(one["RoleName"] for page in iam.get_paginator("list_roles").paginate(MaxItems=2) for one in page["Roles"]),
}
try:
    iam.create_open_id_connect_provider(Url=args.issuer)
except iam.exceptions.EntityAlreadyExistsException:
    result["again"] = "EntityAlreadyExists"
iam.delete_role_policy(RoleName="set-up", PolicyName="list")
iam.delete_role(RoleName="set-up")
iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)
try:
    iam.get_role(RoleName="set-up")
except iam.exceptions.NoSuchEntityException:
    result["gone"] = True

anywhere = session.client("rolesanywhere")
with open(args.certificate, encoding="utf-8") as file:
    source = {"sourceType": "CERTIFICATE_BUNDLE", "sourceData": {"x509CertificateData": file.read()}}
try:
    anchor = anywhere.create_trust_anchor(name="anchor", source=source, enabled=True)["trustAnchor"]
    profile = anywhere.create_profile(name="profile", roleArns=[role["Arn"]], enabled=True)["profile"]
    result["anchors"] = [one["name"] for one in anywhere.list_trust_anchors()["trustAnchors"]]
    anywhere.delete_profile(profileId=profile["profileId"])
    anywhere.delete_trust_anchor(trustAnchorId=anchor["trustAnchorId"])
except ClientError as error:
    result["anchors"] = error.response["Error"]
print(json.dumps(result))
