"""The sidecar of `packaging/workloads/sidecar.yaml` runs here as a process, at the Workload API of an authority for trying out."""

import base64
import json
import os
import pathlib
import stat
import subprocess
import tempfile

import commands
import helm
import pod


def dev(folder):
    arguments = [pod.CARNET, "--output", "json", "authority", "--dev", "--with-agent", "--folder", str(folder), "--trust-domain", "example.org"]
    clean = {name: os.environ[name] for name in ("PATH", "HOME")} | {"OCI_METADATA_BASE_URL": "http://127.0.0.1:9/opc/v2", "NO_GCE_CHECK": "true"}
    return subprocess.Popen(arguments, env=clean, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def claims(token):
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def started(one):
    """The startup probe of the sidecar, as the kubelet runs it."""
    command = [one.at_home(part) for part in one.container("credentials")["startupProbe"]["exec"]["command"]]
    done = subprocess.run([pod.CARNET, *command[1:]], env=one.environment("credentials"), capture_output=True, check=False, timeout=30)
    return done.returncode == 0


def sidecar(folder, socket, problems):
    socket = pathlib.Path(socket.removeprefix("unix://"))
    # The socket of the agent has a name of its own here; pods know it by that of the chart.
    (folder / "api").mkdir()
    (folder / "api/api.sock").symlink_to(socket)
    # `cat` waits, and says by its standard output when it is there; it stands for `pause`.
    outside = {"workload-api": folder / "api", "replace": {"/usr/bin/pause": "/bin/cat"}}
    one = pod.Pod(helm.workloads()["sidecar"], "Deployment", "upload", folder / "pod", outside)
    if started(one):
        problems.append("the startup probe succeeds before there is a token")
    arguments, environment = one.command("credentials")
    process = subprocess.Popen(arguments, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdin.write("there\n")
    process.stdin.flush()
    if process.stdout.readline() != "there\n":
        raise SystemExit(f"the sidecar did not start: {process.stderr.read()}")
    token = one.places["/run/credentials"] / "token"
    if not started(one):
        problems.append("the startup probe fails although there is a token")
    if stat.S_IMODE(token.stat().st_mode) != 0o600:
        problems.append(f"the token's mode is {token.stat().st_mode:o}")
    audience = claims(token.read_text(encoding="utf-8"))["aud"]
    # Its standard input stays open until then: it ends by the signal, which is handed on.
    process.terminate()
    process.wait(timeout=30)
    return audience, process.returncode


def check():
    problems = []
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        authority = dev(place / "authority")
        try:
            audience, code = sidecar(place, json.loads(authority.stdout.readline())["socket"], problems)
        finally:
            authority.kill()
            authority.wait()
    return {"audience": audience, "ended": code, "carnet": commands.carnet("version").stdout.strip(), "problems": problems}
