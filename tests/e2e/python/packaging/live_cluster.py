"""The chart's authority and agent run here as processes: the agent proves what its node is by its account's token, which the authority has
reviewed, and gives a process of this machine an identity."""

import base64
import json
import os
import pathlib
import subprocess
import tempfile

import api_server
import certificates
import helm
import live_single
import objects
import pod

AUTHORITY, AGENT = "token-of-the-authority", "token-of-the-agent"


def rendered():
    """The example, with an entry for processes of this user."""
    entry = (
        f'[[entry]]\nspiffe_id = "spiffe://example.org/process"\nparent_id = "spiffe://example.org/nodes/production"\nselectors = ["unix:uid:{os.geteuid()}"]\n'
    )
    return helm.rendered([helm.examples()["single"]], [f"authority.entries={json.dumps({'process.toml': entry})}"])


def mounted(documents, kind, name):
    """The audience of the token that the kubelet gives the pods, and their account."""
    spec = objects.named(documents, kind, name)["spec"]["template"]["spec"]
    sources = [one["projected"]["sources"][0]["serviceAccountToken"] for one in spec["volumes"] if "projected" in one]
    return spec["serviceAccountName"], sources[0]["audience"] if sources else None


def account(one, token, certificate):
    """The pod's account, as the kubelet mounts it."""
    folder = one.places[pod.ACCOUNT]
    folder.mkdir()
    (folder / "token").write_text(token, encoding="utf-8")
    (folder / "ca.crt").write_text(certificate["tls.crt"], encoding="utf-8")


def token(socket):
    """What a process of this user gets at the agent's socket."""
    done = subprocess.run(
        [pod.CARNET, "get", "--from", "spiffe", f"endpoint=unix://{socket}", "audience=https://api.example.org", "--format", "token"],
        env={name: os.environ[name] for name in ("PATH", "HOME")}, capture_output=True, text=True, check=False, timeout=60,
    )
    if done.returncode:
        return {"sub": done.stderr}
    payload = done.stdout.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def run(place, documents, server, certificate, problems):
    authority = pod.Pod(documents, "StatefulSet", "carnet-authority", place / "authority", {"replace": {"https://kubernetes.default.svc": server.url}})
    account(authority, AUTHORITY, certificate)
    with authority.start("authority") as running:
        says = running.says()
        bundle = live_single.get(f"http://{says['public']}/spiffe-bundle")[1]
        outside = {"ConfigMap/carnet-bundle": {"bundle.json": bundle}, "replace": {"https://carnet-authority.carnet.svc:8443": f"https://{says['nodes']}"}}
        agent = pod.Pod(documents, "DaemonSet", "carnet-agent", place / "agent", outside)
        account(agent, AGENT, certificate)
        (agent.places["/var/run/secrets/carnet"] / "token").write_text(AGENT, encoding="utf-8")
        with agent.start("agent") as second:
            said = second.says()
            claims = token(agent.places["/run/carnet/agent"] / "api.sock")
            if second.stop():
                problems.append("the agent did not end well")
        nodes = json.dumps(live_single.info(authority)("node", "list"))
        if said["spiffe_id"] not in nodes:
            problems.append(f"the authority does not know {said['spiffe_id']}: {nodes}")
    return said["spiffe_id"], claims


def check():
    problems = []
    documents, certificate = rendered(), certificates.of("localhost")
    accounts = {AUTHORITY: ("carnet", mounted(documents, "StatefulSet", "carnet-authority")[0], None), AGENT: ("carnet", *mounted(documents, "DaemonSet", "carnet-agent"))}
    server = api_server.Server(documents, certificate, accounts)
    with tempfile.TemporaryDirectory() as place:
        node, claims = run(pathlib.Path(place), documents, server, certificate, problems)
    return {"node": node, "asked": server.asked, "sub": claims["sub"], "iss": claims.get("iss"), "problems": problems}
