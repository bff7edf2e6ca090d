"""Are the plain manifests what the chart makes of the examples of values?"""

import sys

import helm
import objects
import restricted

HEAD = """\
# Made from the chart: `.venv/bin/python tests/e2e/python/packaging/plain.py write`. Values: packaging/helm/values/{name}.yaml.
# {about}
"""
# Agents and the CSI driver need more than the standard `restricted`, also those that the operator makes; everything else keeps to it.
NAMESPACE = """\
---
apiVersion: v1
kind: Namespace
metadata:
  name: carnet
  labels:
    pod-security.kubernetes.io/enforce: {level}
    pod-security.kubernetes.io/warn: {level}
    pod-security.kubernetes.io/audit: {level}
"""


def excess(documents):
    """Why the standard `restricted` is not enough for a namespace."""
    found = [one for _, template, container in objects.every_container(documents) for one in restricted.excess(template, container)]
    return found or [objects.name(one) for one in documents if one["metadata"]["name"] == "carnet-operator" and one["kind"] == "Deployment"]


def manifest(name, file):
    """The text of a manifest: the definitions of own resources where they are used, the namespace, and what Helm writes."""
    about = file.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
    text, error = helm.template([file])
    if text is None:
        raise SystemExit(error)
    # Helm's own mark is no more true here, and empty lines within texts are written with blanks.
    text = text.replace("app.kubernetes.io/managed-by: Helm", "app.kubernetes.io/managed-by: kubectl")
    text = "\n".join(line.rstrip() for line in text.splitlines()) + "\n"
    level = "privileged" if excess(helm.parse(text)) else "restricted"
    own = "".join(f"---\n{one.read_text(encoding='utf-8')}" for one in sorted((helm.CHART / "crds").glob("*.yaml"))) if "[operator, --config" in text else ""
    return HEAD.format(name=name, about=about) + NAMESPACE.format(level=level) + own + text


def manifests():
    return {name: manifest(name, file) for name, file in helm.examples().items()}


def write():
    for name, text in manifests().items():
        (helm.MANIFESTS / f"{name}.yaml").write_text(text, encoding="utf-8")


def check():
    problems = []
    made = manifests()
    there = {file.stem: file.read_text(encoding="utf-8") for file in helm.MANIFESTS.glob("*.yaml")}
    for name in sorted(set(made) | set(there)):
        if made.get(name) != there.get(name):
            problems.append(f"packaging/manifests/{name}.yaml is not what the chart makes: see its first line")
    own = helm.ROOT / "crates/operator/crds"
    for file in sorted({one.name for folder in (own, helm.CHART / "crds") for one in folder.glob("*.yaml")}):
        texts = [(folder / file).read_text(encoding="utf-8") if (folder / file).exists() else None for folder in (own, helm.CHART / "crds")]
        if texts[0] != texts[1]:
            problems.append(f"the chart's crds/{file} is not the operator's: copy crates/operator/crds")
    return {"manifests": sorted(made), "problems": problems}


if __name__ == "__main__" and sys.argv[1:] == ["write"]:
    write()
