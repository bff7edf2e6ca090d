"""Whom the API server takes us for, and the pods of the namespace: with whatever the kubeconfig says."""
import argparse
import json

from kubernetes import client, config

parser = argparse.ArgumentParser()
parser.add_argument("--kubeconfig", required=True)
args = parser.parse_args()

config.load_kube_config(config_file=args.kubeconfig)
answer = {}
try:
    review = client.AuthenticationV1Api().create_self_subject_review(client.V1SelfSubjectReview())
    answer["who"] = review.status.user_info.username
    answer["pods"] = [pod.metadata.name for pod in client.CoreV1Api().list_namespaced_pod("example").items]
except client.ApiException as error:
    answer["refused"] = [error.status, json.loads(error.body)["reason"]]
print(json.dumps(answer))
