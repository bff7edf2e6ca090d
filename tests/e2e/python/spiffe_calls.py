"""Every method of the Workload API by a generated client, and what is said to calls that are not as they should be."""
import base64
import json
import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from spiffe_generated import HEADER, channel, generate, outcome

messages, services = generate("workload.proto")
TIMEOUT = 20
AUDIENCE = "https://audience.test"
GOOD = (HEADER,)
WRONG = {
    "missing": (),
    "false": (("workload.spiffe.io", "false"),),
    "capital": (("workload.spiffe.io", "True"),),
    "empty": (("workload.spiffe.io", ""),),
    "doubled": (HEADER, HEADER),
}
STREAMS = {
    "FetchX509SVID": messages.X509SVIDRequest(),
    "FetchX509Bundles": messages.X509BundlesRequest(),
    "FetchJWTBundles": messages.JWTBundlesRequest(),
    "FetchWITSVID": messages.WITSVIDRequest(),
    "FetchWITBundles": messages.WITBundlesRequest(),
}


def first(stream):
    """The first message of a stream, which is then given up."""
    try:
        return next(stream)
    finally:
        stream.cancel()


class Calls:
    def __init__(self, stub):
        self.stub = stub

    def stream(self, method, metadata=GOOD):
        return outcome(lambda: first(getattr(self.stub, method)(STREAMS[method], metadata=metadata, timeout=TIMEOUT)))

    def jwt(self, audience=(AUDIENCE,), spiffe_id="", metadata=GOOD):
        request = messages.JWTSVIDRequest(audience=audience, spiffe_id=spiffe_id)
        return outcome(lambda: self.stub.FetchJWTSVID(request, metadata=metadata, timeout=TIMEOUT))

    def validate(self, audience=AUDIENCE, svid="", metadata=GOOD):
        request = messages.ValidateJWTSVIDRequest(audience=audience, svid=svid)
        return outcome(lambda: self.stub.ValidateJWTSVID(request, metadata=metadata, timeout=TIMEOUT))


def ids(answer):
    return [svid.spiffe_id for svid in answer.svids] if answer else None


def b64(octets):
    return base64.b64encode(octets).decode()


def good(calls):
    """What the methods answer to a call that is as it should be."""
    x509, svids = calls.stream("FetchX509SVID")
    bundles, x509_bundles = calls.stream("FetchX509Bundles")
    jwt_bundles, sets = calls.stream("FetchJWTBundles")
    jwt, tokens = calls.jwt()
    token = tokens.svids[0].svid if tokens else ""
    validated, claims = calls.validate(svid=token)
    fetched = svids.svids if svids else []
    return {
        "x509": x509 | {"svids": [{"id": one.spiffe_id, "chain": b64(one.x509_svid), "key": b64(one.x509_svid_key),
                                   "bundle": b64(one.bundle), "hint": one.hint} for one in fetched]},
        "x509_bundles": bundles | {"bundles": {name: b64(der) for name, der in (x509_bundles.bundles if sets else {}).items()}},
        "jwt_bundles": jwt_bundles | {"bundles": {name: json.loads(jwks) for name, jwks in (sets.bundles if sets else {}).items()}},
        "jwt": jwt | {"ids": ids(tokens), "token": token},
        "jwt_of_one": dict(zip(("outcome", "ids"), asked_for_one(calls, tokens))),
        "validated": validated | ({"id": claims.spiffe_id, "claims": dict(plain(claims.claims))} if claims else {}),
    }


def asked_for_one(calls, tokens):
    told, answer = calls.jwt(spiffe_id=tokens.svids[0].spiffe_id if tokens else "")
    return told, ids(answer)


def plain(struct):
    return ((name, list(value) if hasattr(value, "extend") else value) for name, value in struct.items())


def refused(calls):
    """What is said to each call that is not."""
    headers = {name: {method: calls.stream(method, metadata)[0] for method in STREAMS}
               | {"FetchJWTSVID": calls.jwt(metadata=metadata)[0],
                  "ValidateJWTSVID": calls.validate(svid="x", metadata=metadata)[0]}
               for name, metadata in WRONG.items()}
    _, tokens = calls.jwt()
    token = tokens.svids[0].svid if tokens else "a.b.c"
    head, body, signature = token.split(".")
    bent = ("A" if signature[0] != "A" else "B") + signature[1:]
    return {
        "headers": headers,
        "no_audience": calls.jwt(audience=())[0],
        "empty_audience": calls.jwt(audience=("",))[0],
        "malformed_id": calls.jwt(spiffe_id="https://example.org/x")[0],
        "foreign_id": calls.jwt(spiffe_id="spiffe://nobody.test/x")[0],
        "validate_no_audience": calls.validate(audience="", svid=token)[0],
        "validate_no_token": calls.validate()[0],
        "validate_other_audience": calls.validate(audience="https://other.test", svid=token)[0],
        "validate_bent": calls.validate(svid=f"{head}.{body}.{bent}")[0],
        "validate_garbage": calls.validate(svid="garbage")[0],
        "wit_svid": calls.stream("FetchWITSVID")[0],
        "wit_bundles": calls.stream("FetchWITBundles")[0],
    }


def neighbours(connection):
    """What stands beside it on the same socket; none of it wants the header."""
    health = health_pb2_grpc.HealthStub(connection)
    unknown = connection.unary_unary("/SpiffeWorkloadAPI/FetchNothing", lambda request: request, lambda answer: answer)
    checks = {name or "whole": outcome(lambda name=name: health.Check(health_pb2.HealthCheckRequest(service=name), timeout=TIMEOUT))
              for name in ("", "SpiffeWorkloadAPI", "nobody")}
    return {
        "health": {name: told | ({"status": health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)} if answer else {})
                   for name, (told, answer) in checks.items()},
        "services": sorted(ProtoReflectionDescriptorDatabase(connection).get_services()),
        "unknown": outcome(lambda: unknown(b"", metadata=GOOD, timeout=TIMEOUT))[0],
    }


def main():
    with channel() as connection:
        calls = Calls(services.SpiffeWorkloadAPIStub(connection))
        what = {
            "good": lambda: good(calls),
            "refused": lambda: refused(calls),
            "neighbours": lambda: neighbours(connection),
            "jwt": lambda: calls.jwt(audience=sys.argv[2:])[0],
        }
        answer = what[sys.argv[1]]()
    print(json.dumps(answer))


main()
