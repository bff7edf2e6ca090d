"""Who am I, and what may I: with whatever credentials boto3's own chain finds."""
import argparse
import io
import json

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

parser = argparse.ArgumentParser()
parser.add_argument("--profile")
parser.add_argument("--put", metavar="BUCKET/KEY")
args = parser.parse_args()

session = boto3.Session(profile_name=args.profile)
once = Config(retries={"total_max_attempts": 1})
result = {}
try:
    result["arn"] = session.client("sts", config=once).get_caller_identity()["Arn"].rsplit("/", 1)[0]
    storage = session.client("s3", config=once)
    result["buckets"] = [bucket["Name"] for bucket in storage.list_buckets()["Buckets"]]
    listed = storage.list_objects_v2(Bucket="carnet-reports", Prefix="2026/")
    result["keys"] = [item["Key"] for item in listed["Contents"]]
    body = storage.get_object(Bucket="carnet-reports", Key=result["keys"][0])["Body"]
    result["report"] = body.read().decode()
    if args.put:
        bucket, key = args.put.split("/", 1)
        # A stream goes in chunks with a checksum behind them when the transport is TLS.
        storage.put_object(Bucket=bucket, Key=key, Body=io.BytesIO(b"hello from boto3"))
        result["object"] = storage.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    result["method"] = session.get_credentials().method
except ClientError as error:
    result["refused"] = error.response["Error"]["Code"]
    result["message"] = error.response["Error"]["Message"]
    result["status"] = error.response["ResponseMetadata"]["HTTPStatusCode"]
except BotoCoreError as error:
    result["failed"] = str(error)
print(json.dumps(result))
