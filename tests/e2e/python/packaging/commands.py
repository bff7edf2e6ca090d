"""Does the binary know every command and flag of the containers, and is every configuration one that it takes?"""

import os
import pathlib
import re
import subprocess
import tempfile

import helm
import objects

CARNET = os.environ.get("CARNET", "")
# Variables that the node gives, by the field of the pod that they are of.
FIELDS = {"status.hostIP": "192.0.2.7", "spec.nodeName": "node-1", "metadata.name": "pod-1", "metadata.namespace": "carnet"}


def carnet(*arguments, environment=()):
    clean = {name: os.environ[name] for name in ("PATH", "HOME")}
    # No metadata service is asked.
    clean |= {"OCI_METADATA_BASE_URL": "http://127.0.0.1:9/opc/v2", "NO_GCE_CHECK": "true"}
    return subprocess.run([CARNET, *arguments], capture_output=True, text=True, check=False, env=clean | dict(environment), timeout=60)


def ours(container):
    return container["image"].startswith("carnet:")


def environment(container):
    found = {}
    for one in container.get("env", []):
        found[one["name"]] = one["value"] if "value" in one else FIELDS[one["valueFrom"]["fieldRef"]["fieldPath"]]
    return found


def arguments(container):
    """Arguments as the node gives them: `$(NAME)` is a variable of the container."""
    return [re.sub(r"\$\((\w+)\)", lambda name: environment(container)[name[1]], one) for one in container.get("args", [])]


def parsed(arguments):
    """The parser's complaint. With `--help` nothing is done, and what it does not know it refuses all the same."""
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    done = carnet(*own, "--help")
    return "" if done.returncode == 0 and done.stdout.startswith(tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")) else done.stderr.strip() or done.stdout.strip()


def config_map(documents, template, container, path):
    """The ConfigMap that is mounted where this file is."""
    for mount in container.get("volumeMounts", []):
        if str(pathlib.PurePosixPath(path).parent) == mount["mountPath"]:
            volume = next(one for one in template["spec"]["volumes"] if one["name"] == mount["name"])
            return objects.named(documents, "ConfigMap", volume["configMap"]["name"])["data"]
    raise KeyError(path)


def configured(documents, template, container, arguments):
    """What the configuration is refused for, with the files that it names beside it."""
    if "--config" not in arguments:
        return
    path = arguments[arguments.index("--config") + 1]
    files = config_map(documents, template, container, path)
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            text = text.replace(f"{pathlib.PurePosixPath(path).parent}/", f"{folder}/")
            pathlib.Path(folder, name).write_text(text, encoding="utf-8")
        config = f"{folder}/{pathlib.PurePosixPath(path).name}"
        done = carnet("config", "check", "--config", config, environment=environment(container))
        if done.returncode:
            yield f"config check: {done.stderr.strip()}"
        if arguments[0] in ("get", "run"):
            route = [one for one in arguments[1:] if not one.startswith("-")][0]
            done = carnet("get", route, "--dry-run", "--config", config, environment=environment(container))
            if done.returncode:
                yield f"get --dry-run: {done.stderr.strip()}"


def probes(container):
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        command = container.get(probe, {}).get("exec", {}).get("command")
        if command:
            yield command


def complaints(documents):
    found = []
    for document, template, container in objects.every_container(documents):
        if not ours(container):
            continue
        place = f"{objects.name(document)}/{container['name']}"
        given = arguments(container)
        problem = parsed(given)
        if problem:
            found.append(f"{place}: {given}: {problem}")
            continue
        found += [f"{place}: {one}" for one in configured(documents, template, container, given)]
        for command in probes(container):
            if command[0] != "/usr/bin/carnet" or parsed(command[1:]):
                found.append(f"{place}: {command}: {parsed(command[1:])}")
    return found


def authority(documents):
    return objects.of(documents, "StatefulSet")[0]["spec"]["template"]["spec"]["containers"][0]


def flag(documents):
    authority(documents)["args"][1] = "--configuration"


def command(documents):
    authority(documents)["args"][0] = "authorities"


def config(documents):
    data = objects.named(documents, "ConfigMap", "carnet-authority")["data"]
    data["carnet.toml"] = data["carnet.toml"].replace("x509_algorithm", "x509_algorithms")


def entry(documents):
    data = objects.named(documents, "ConfigMap", "carnet-authority")["data"]
    data["nodes.toml"] = data["nodes.toml"].replace("selectors", "selector")


def variable(documents):
    objects.of(documents, "DaemonSet")[0]["spec"]["template"]["spec"]["containers"][0]["env"] = []


BENDS = [
    ("a flag that is none", flag, "--configuration"),
    ("a command that is none", command, "authorities"),
    ("a misspelt field of the configuration", config, "x509_algorithms"),
    ("a misspelt field of an entry", entry, "selector"),
    ("a variable that is not there", variable, "NODE_ADDRESS"),
]
# Values that change what is configured, beyond the examples.
SETTINGS = [
    ("without an agent's knowledge of paths", ["agent.unixPath=false"]),
    ("with a kubelet that is not verified", ["agent.kubelet.skipVerification=true"]),
    ("without a bundle", ["agent.bootstrap.insecure=true"]),
    ("with another authority", ['agent.authority="https://authority.example.org:9443"', "authority.enabled=false"]),
    ("with join tokens alone", ["authority.nodeAttestation.enabled=false", "authority.joinTokens=true"]),
    ("with names that TOML would take for something else", ['clusterName="a.b"', 'authority.nodeAttestation.audience="a\\"b\\\\c <d>"']),
    ("with more TOML", ['authority.extraConfig="[authority.telemetry]\\nendpoint = \\"http://127.0.0.1:4318/v1/traces\\""']),
    ("with EdDSA", ['authority.keys.algorithms=["EdDSA","ES384"]']),
    ("with discovery from a bundle endpoint", ["discovery.enabled=true", 'discovery.source.bundleEndpoint.url="https://authority.example.org:8444/"']),
    ("with discovery from an endpoint of SPIFFE", [
        "discovery.enabled=true", 'discovery.source.bundleEndpoint={"url":"https://authority.example.org:8444/","endpointId":"spiffe://example.org/carnet/authority","bootstrapConfigMap":{"name":"carnet-bundle"}}',
    ]),
    ("with discovery from a ConfigMap", ["discovery.enabled=true", 'discovery.source.configMap.name="carnet-bundle"', 'discovery.tls.secretName="oidc-example-org"']),
]


def check():
    sets = helm.everything()
    single = helm.examples()["single"]
    sets |= {name: helm.rendered([single], settings) for name, settings in SETTINGS}
    problems = [f"{name}: {one}" for name, documents in sets.items() for one in complaints(documents)]
    problems += objects.noticed(complaints, sets["single"], BENDS)
    FIELDS["status.hostIP"] = "2001:db8::7"
    problems += [f"with IPv6: {one}" for one in complaints(helm.rendered([single], ["agent.kubelet.ipv6=true"]))]
    return {"containers": sum(ours(one) for documents in sets.values() for *_, one in objects.every_container(documents)), "problems": problems}
