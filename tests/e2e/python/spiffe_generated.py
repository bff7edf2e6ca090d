"""Code of the public Workload API and of Envoy's secret discovery, generated from their definitions when it is asked for."""
import atexit
import importlib
import os
import pathlib
import shutil
import sys
import tempfile

import grpc
import grpc_tools
from grpc_tools import protoc

PROTO = pathlib.Path(__file__).resolve().parents[3] / "crates/grpc/proto"
HEADER = ("workload.spiffe.io", "true")


def generate(*definitions):
    """The modules of these definitions, messages and stubs of each in turn."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    known = pathlib.Path(grpc_tools.__file__).parent / "_proto"
    words = ["protoc", f"-I{PROTO}", f"-I{known}", f"--python_out={folder}", f"--grpc_python_out={folder}"]
    if protoc.main([*words, *definitions]) != 0:
        sys.exit("protoc failed")
    # Without this, whatever else is installed under the name of a package would stand before ours.
    for package in [path for path in pathlib.Path(folder).rglob("*") if path.is_dir()]:
        (package / "__init__.py").touch()
    sys.path.insert(0, folder)
    names = [name.removesuffix(".proto").replace("/", ".") for name in definitions]
    return [importlib.import_module(name + kind) for name in names for kind in ("_pb2", "_pb2_grpc")]


def channel(**options):
    """As a stock client opens it: the address alone, unless a test names options."""
    return grpc.insecure_channel(os.environ["SPIFFE_ENDPOINT_SOCKET"], options=list(options.items()) or None)


def outcome(call):
    """What became of it: `OK`, or the code and its text."""
    try:
        answer = call()
    except grpc.RpcError as error:
        return {"code": error.code().name, "text": error.details()}, None
    return {"code": "OK"}, answer
