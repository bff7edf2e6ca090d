"""Envoy's secret discovery by a generated client, as Envoy talks it: a stream with acknowledgements, and single requests."""
import json
import queue
import sys

import grpc
from google.protobuf import any_pb2
from google.rpc import status_pb2

from spiffe_generated import channel, generate, outcome

TLS = "envoy/extensions/transport_sockets/tls/v3/"
MODULES = generate(
    "envoy/type/v3/semantic_version.proto",
    "envoy/config/core/v3/extension.proto",
    "envoy/config/core/v3/base.proto",
    TLS + "tls_spiffe_validator_config.proto",
    TLS + "common.proto",
    TLS + "secret.proto",
    "envoy/service/discovery/v3/discovery.proto",
    "envoy/service/secret/v3/sds.proto",
)
validators, secrets, discovery, services = MODULES[6], MODULES[10], MODULES[12], MODULES[15]
base = MODULES[4]
TYPE = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
TIMEOUT = 20


def request(names, **more):
    return discovery.DiscoveryRequest(resource_names=names, type_url=TYPE, node=base.Node(id="e2e"), **more)


def read(answer):
    """The secrets of an answer, by kind."""
    return {secret.name: describe(secret) for secret in map(unpacked, answer.resources)}


def unpacked(resource):
    secret = secrets.Secret()
    if not any_pb2.Any.Unpack(resource, secret):
        raise ValueError(f"not a secret: {resource.type_url}")
    return secret


def describe(secret):
    if secret.HasField("tls_certificate"):
        certificate = secret.tls_certificate
        return {"chain": certificate.certificate_chain.inline_bytes.decode(), "key": certificate.private_key.inline_bytes.decode()[:27]}
    context = secret.validation_context
    if not context.HasField("custom_validator_config"):
        return {"trusted_ca": context.trusted_ca.inline_bytes.decode()}
    config = validators.SPIFFECertValidatorConfig()
    context.custom_validator_config.typed_config.Unpack(config)
    return {"validator": context.custom_validator_config.name, "domains": sorted(one.name for one in config.trust_domains),
            "begins": [one.trust_bundle.inline_bytes.decode()[:27] for one in config.trust_domains]}


class Conversation:
    """A stream of which one side is written as the test wants."""

    def __init__(self, stub):
        self.requests = queue.Queue()
        self.answers = stub.StreamSecrets(iter(self.requests.get, None), timeout=TIMEOUT)

    def ask(self, *names, **more):
        self.requests.put(request(names, **more))

    def next(self):
        answer = next(self.answers)
        return {"version": answer.version_info, "nonce": answer.nonce, "type": answer.type_url, "secrets": read(answer)}

    def end(self):
        self.requests.put(None)
        return sum(1 for _ in self.answers)


def stream(stub):
    """Asks, acknowledges, asks for more, refuses, and ends. What is acknowledged or refused is not sent again."""
    talk = Conversation(stub)
    talk.ask("default")
    one = talk.next()
    talk.ask("default", version_info=one["version"], response_nonce=one["nonce"])
    talk.ask("default", "ROOTCA", version_info=one["version"], response_nonce=one["nonce"])
    two = talk.next()
    refusal = status_pb2.Status(code=3, message="not today")
    talk.ask("default", "ROOTCA", version_info=one["version"], response_nonce=two["nonce"], error_detail=refusal)
    talk.ask("default", version_info=two["version"], response_nonce=one["nonce"])
    return {"one": one, "two": two, "more": talk.end()}


def fetch(stub, *names):
    told, answer = outcome(lambda: stub.FetchSecrets(request(names), timeout=TIMEOUT))
    return told | ({"version": answer.version_info, "nonce": answer.nonce, "secrets": read(answer)} if answer else {})


def main():
    own_id, trust_domain = sys.argv[1:]
    with channel() as connection:
        stub = services.SecretDiscoveryServiceStub(connection)
        delta = lambda: next(stub.DeltaSecrets(iter([discovery.DeltaDiscoveryRequest(type_url=TYPE)]), timeout=TIMEOUT))
        print(json.dumps({
            "stream": stream(stub),
            "fetch": {name: fetch(stub, name) for name in ("default", "ROOTCA", "ALL", own_id, trust_domain, "spiffe://nobody.test/x")},
            "everything": fetch(stub),
            "delta": outcome(delta)[0],
        }))


main()
