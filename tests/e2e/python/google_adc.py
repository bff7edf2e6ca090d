"""List buckets with application default credentials."""
import argparse
import json

import google.auth
import google.auth.exceptions
from google.cloud import storage

parser = argparse.ArgumentParser()
parser.add_argument("--project", required=True)
parser.add_argument("--storage")
args = parser.parse_args()

options = {"client_options": {"api_endpoint": args.storage}} if args.storage else {}
credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
try:
    buckets = storage.Client(project=args.project, credentials=credentials, **options).list_buckets(retry=None)
    print(json.dumps({"buckets": sorted(bucket.name for bucket in buckets)}))
except google.auth.exceptions.OAuthError as error:
    print(json.dumps({"refused": str(error)}))
