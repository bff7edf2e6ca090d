"""Log in at an authority with a request that is signed and not sent: by Oracle's signers, or by botocore. Prints the answer and what
was shown, which --again shows once more."""
import argparse
import json
import os
from urllib.parse import urlsplit

import boto3
import oci
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

AUDIENCE = "x-carnet-audience"
SIGNED = ["date", "(request-target)", "host", AUDIENCE]

parser = argparse.ArgumentParser()
parser.add_argument("authority")
parser.add_argument("principal", choices=["oci-user", "oci-user-plain", "oci-instance", "aws"])
parser.add_argument("--for", dest="audience", required=True, help="what the token is for")
parser.add_argument("--named", help="the authority as the request names it")
parser.add_argument("--claimed", help="another user than the one that signs")
parser.add_argument("--again", action="store_true")
args = parser.parse_args()


def shown(request, names):
    headers = {name: request.headers[name] for name in ["authorization", *names]}
    return headers | {"host": urlsplit(request.url).netloc}


def by_oracle():
    user = None
    if args.principal == "oci-instance":
        signer = oci.auth.signers.InstancePrincipalsSecurityTokenSigner(generic_headers=SIGNED)
        url = f"https://objectstorage.{signer.region}.oraclecloud.com/n/"
    else:
        config = oci.config.from_file(os.environ["OCI_CONFIG_FILE"])
        signer = oci.signer.Signer.from_config(config)
        if args.principal == "oci-user":
            signer.create_signers(signer.api_key, signer.private_key, SIGNED, [])
        user = args.claimed or config["user"]
        url = f"https://identity.{config['region']}.oraclecloud.com/20160918/users/{user}"
    named = {} if args.principal == "oci-user-plain" else {AUDIENCE: args.named or args.authority}
    request = requests.Request("GET", url, headers=named, auth=signer).prepare()
    login = {"headers": shown(request, ["date", *named])}
    return "oci", login | ({"user": user} if user else {})


def by_aws():
    session = boto3.Session()
    region = session.region_name
    request = AWSRequest(
        method="POST",
        url=f"https://sts.{region}.amazonaws.com/",
        data="Action=GetCallerIdentity&Version=2011-06-15",
        headers={"content-type": "application/x-www-form-urlencoded", AUDIENCE: args.named or args.authority},
    )
    SigV4Auth(session.get_credentials().get_frozen_credentials(), "sts", region).add_auth(request)
    more = [name for name in ["x-amz-security-token"] if name in request.headers]
    headers = shown(request, ["content-type", "x-amz-date", AUDIENCE, *more])
    return "aws", {"account": os.environ["ACCOUNT"], "headers": headers}


def send(kind, login):
    answer = requests.post(f"{args.authority}/v1/auth/{kind}/login", json=login | {"audience": [args.audience]}, timeout=30)
    return {"status": answer.status_code, "challenge": answer.headers.get("www-authenticate")} | answer.json()


kind, login = by_aws() if args.principal == "aws" else by_oracle()
answers = [send(kind, login) for _ in range(2 if args.again else 1)]
print(json.dumps(answers))
