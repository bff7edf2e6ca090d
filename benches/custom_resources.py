"""An operator as a process: how long 1,000 entries take from a cold start, how long a change of all of them, and the most memory it had.

It runs beside the sandbox's API server and a trial authority, so the time is that of all three on one machine. That API server is ours and keeps its objects in memory; a real one writes each to etcd, and would take longer.
Every goal is printed with what was seen. Exit status 1 when one is missed. After `cargo build --release` and `cargo xtask setup`:

    .venv/bin/python benches/custom_resources.py [ENTRIES]
"""
import json
import os
import pathlib
import ssl
import subprocess
import sys
import tempfile
import time
import http.client
import urllib.parse

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
CARNET = os.environ.get("CARNET_BIN", str(ROOT / "target/release/carnet"))
ENTRIES = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
GOAL_SECONDS, GOAL_MB = 5, 60
BARE = {"PATH": os.environ["PATH"], "HOME": tempfile.gettempdir()}
OWN = "/apis/carnet.dev/v1alpha1"
LIST = f"{OWN}/namespaces/example/registrationentries"


class Service:
    """A process that says in one line of JSON that it serves, and ends with its standard input."""

    def __init__(self, *words):
        command = [CARNET, "--output", "json", *words, "--stop-with-stdin"]
        self.process = subprocess.Popen(command, env=BARE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.said = json.loads(self.process.stdout.readline())

    def peak(self):
        """The most memory that it had, in MB."""
        lines = pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024

    def stop(self):
        self.process.stdin.close()
        self.process.wait(30)


class Api:
    """The API server, as its administrator."""

    def __init__(self, folder):
        config = json.loads((folder / "kubernetes/config").read_text())
        cluster = next(one["cluster"] for one in config["clusters"] if one["name"] == "dev")
        user = next(one["user"] for one in config["users"] if one["name"] == "dev")
        self.url = urllib.parse.urlsplit(cluster["server"])
        self.headers = {"authorization": f"Bearer {user['token']}"}
        context = ssl.create_default_context(cafile=cluster["certificate-authority"])
        self.connection = http.client.HTTPSConnection(self.url.hostname, self.url.port, context=context)

    def ask(self, method, path, body=None, kind="application/json"):
        headers = {**self.headers, "content-type": kind}
        self.connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status >= 400:
            raise SystemExit(f"{method} {path}: {answer.status} {text[:300]}")
        return json.loads(text)

    def until(self, is_so):
        """How long until this is true of all entries."""
        begun = time.monotonic()
        while not all(is_so(one) for one in self.ask("GET", LIST)["items"]):
            if time.monotonic() - begun > 120:
                raise SystemExit("after two minutes it is still not so")
            # Each look costs the API server as much as many writes.
            time.sleep(0.2)
        return time.monotonic() - begun


def ready(entry):
    status = entry.get("status", {})
    conditions = [one for one in status.get("conditions", []) if one["type"] == "Ready"]
    return bool(conditions) and conditions[0]["status"] == "True" and status.get("observedGeneration") == entry["metadata"]["generation"]


def definitions():
    """The definitions, as objects."""
    for path in sorted((ROOT / "crates/operator/crds").glob("*.yaml")):
        yield yaml.safe_load(path.read_text(encoding="utf-8"))


def main():
    failed = False
    with tempfile.TemporaryDirectory(prefix="carnet-operator-") as name:
        folder = pathlib.Path(name)
        sandbox = Service("sandbox", "--folder", str(folder / "sandbox"))
        # It writes its files, the kubeconfig among them, for who asks for the variables.
        subprocess.run([CARNET, "sandbox", "env", "--at", str(folder / "sandbox")], env=BARE, stdout=subprocess.DEVNULL, check=True)
        authority = Service("authority", "--dev", "--folder", str(folder / "authority"))
        domain, socket = authority.said["trust_domain"], authority.said["admin"]
        api = Api(folder / "sandbox")
        for definition in definitions():
            api.ask("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
        for number in range(ENTRIES):
            spec = {"spiffeId": f"spiffe://{domain}/ns/example/sa/e{number}", "pods": {"serviceAccount": f"e{number}"}}
            api.ask("POST", LIST, {"metadata": {"name": f"e{number}"}, "spec": spec})
        config = folder / "carnet.toml"
        config.write_text(
            f'version = 1\n[operator]\nmanage = ["registrations"]\nkubeconfig = "{folder}/sandbox/kubernetes/config"\ncontext = "dev"\n'
            f'parent_id = "spiffe://{domain}/nodes/bench"\nauthority = {{ socket = "{socket}" }}\n'
        )
        operator = Service("--config", str(config), "operator")
        cold = api.until(ready)
        for number in range(ENTRIES):
            api.ask("PATCH", f"{LIST}/e{number}", {"spec": {"x509TtlSeconds": 600}}, "application/merge-patch+json")
        behind = api.until(ready)
        peak = operator.peak()
        for row, seen, unit, goal in [
            (f"{ENTRIES} entries from a cold start", cold, "s", GOAL_SECONDS),
            ("still to do after all of them were changed", behind, "s", GOAL_SECONDS),
            ("most memory of the operator", peak, "MB", GOAL_MB),
        ]:
            failed |= seen > goal
            print(f"{'MISSED' if seen > goal else 'ok    '}  {row:<52} {seen:6.2f} {unit:<4} goal under {goal} {unit}")
        for service in (operator, authority, sandbox):
            service.stop()
    sys.exit(failed)


main()
