"""A workload in a pod with a volume: csi_pod.py FOLDER. It gets its identities there and tries what it must not."""
import errno
import json
import os
import sys

from spiffe_generated import HEADER, channel, generate

messages, services = generate("workload.proto")
folder = sys.argv[1]
socket = os.path.join(folder, "api.sock")
os.environ["SPIFFE_ENDPOINT_SOCKET"] = f"unix://{socket}"


def identities():
    with channel() as connection:
        stub = services.SpiffeWorkloadAPIStub(connection)
        stream = stub.FetchX509SVID(messages.X509SVIDRequest(), metadata=(HEADER,), timeout=20)
        answer = next(stream)
        stream.cancel()
        return [svid.spiffe_id for svid in answer.svids]


def refused(act):
    try:
        act()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "done"


print(json.dumps({
    "found": sorted(os.listdir(folder)),
    "ids": identities(),
    "write": refused(lambda: open(os.path.join(folder, "mine"), "w")),
    "make": refused(lambda: os.mkdir(os.path.join(folder, "mine"))),
    "remove": refused(lambda: os.unlink(socket)),
    "rename": refused(lambda: os.rename(socket, os.path.join(folder, "other.sock"))),
    "mode": refused(lambda: os.chmod(socket, 0o700)),
    "options": [line.split()[5] for line in open("/proc/self/mountinfo") if line.split()[4] == folder],
}))
