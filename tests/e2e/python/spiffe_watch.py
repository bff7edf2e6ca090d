"""Watch X509-SVIDs by a generated client: one line of JSON for each message, and one for the end."""
import json
import sys

import grpc

from spiffe_generated import HEADER, channel, generate

messages, services = generate("workload.proto")
# A test that waits for what does not come ends with that.
LONGEST = 120


def say(line):
    print(json.dumps(line), flush=True)


def main():
    with channel() as connection:
        stub = services.SpiffeWorkloadAPIStub(connection)
        try:
            for answer in stub.FetchX509SVID(messages.X509SVIDRequest(), metadata=(HEADER,), timeout=LONGEST):
                say({"ids": [svid.spiffe_id for svid in answer.svids], "leaves": [svid.x509_svid.hex() for svid in answer.svids],
                     "bundle": answer.svids[0].bundle.hex()})
        except grpc.RpcError as error:
            say({"code": error.code().name, "text": error.details()})


sys.exit(main())
