"""Are the objects what the published schemas of Kubernetes say? In each release that the chart is for."""

import functools
import importlib.resources
import json
import re
import subprocess

import jsonschema
import referencing

import helm
import objects

# From the oldest that the chart takes to the newest whose schemas are published.
OLDEST = "1.30"
# Kinds that are not Kubernetes' own: by whom they are checked.
FOREIGN = {"Route", "ServiceMonitor"}

# What OpenShift's documentation says of a Route (route.openshift.io/v1, OpenShift 4.16 and newer). No package publishes a schema of it.
ROUTE = {
    "type": "object", "additionalProperties": False, "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "apiVersion": {"const": "route.openshift.io/v1"}, "kind": {"const": "Route"}, "metadata": {"type": "object"},
        "spec": {
            "type": "object", "additionalProperties": False, "required": ["to"],
            "properties": {
                "host": {"type": "string", "maxLength": 253},
                "to": {
                    "type": "object", "additionalProperties": False, "required": ["kind", "name"],
                    "properties": {"kind": {"const": "Service"}, "name": {"type": "string", "minLength": 1}, "weight": {"type": "integer", "minimum": 0, "maximum": 256}},
                },
                "port": {"type": "object", "additionalProperties": False, "required": ["targetPort"], "properties": {"targetPort": {"type": ["string", "integer"]}}},
                "tls": {
                    "type": "object", "additionalProperties": False, "required": ["termination"],
                    "properties": {
                        "termination": {"enum": ["edge", "passthrough", "reencrypt"]},
                        "insecureEdgeTerminationPolicy": {"enum": ["Allow", "Disable", "None", "Redirect", ""]},
                        "externalCertificate": {"type": "object", "additionalProperties": False, "required": ["name"], "properties": {"name": {"type": "string"}}},
                    },
                },
                "wildcardPolicy": {"enum": ["None", "Subdomain", ""]},
            },
        },
    },
}


# The package has a folder for each release, made of the API server's own description; `strict` refuses unknown fields.
SCHEMAS = importlib.resources.files("kubernetes_validate") / "kubernetes-json-schema"


def number_of(release):
    return tuple(map(int, release.split(".")[:2]))


@functools.cache
def versions():
    found = (re.fullmatch(r"v([0-9.]+)-local-strict", folder.name) for folder in SCHEMAS.iterdir())
    releases = sorted((one[1] for one in found if one), key=number_of)
    return [release for release in releases if number_of(release) >= number_of(OLDEST)]


@functools.cache
def registry(release):
    text = (SCHEMAS / f"v{release}-local-strict" / "_definitions.json").read_text(encoding="utf-8")
    resource = referencing.Resource.from_contents(json.loads(text))
    return resource.id(), resource @ referencing.Registry()


@functools.cache
def validator(release, version, kind):
    """The validator of a kind, or `None` where this release has no such kind."""
    group = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", version)
    file = SCHEMAS / f"v{release}-local-strict" / f"{kind.lower()}-{group}.json"
    if not file.is_file():
        return None
    schema = json.loads(file.read_text(encoding="utf-8"))
    return jsonschema.Draft202012Validator(schema, registry=registry(release)[1])


def strict(schema):
    """A structural schema that refuses what an API server would drop without a word."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: {key: strict(one) for key, one in value.items()} if name == "properties" else strict(value) for name, value in schema.items()}
    if "properties" in made and not made.get("x-kubernetes-preserve-unknown-fields") and "additionalProperties" not in made:
        made["additionalProperties"] = False
    return made


@functools.cache
def definitions():
    """Schemas of the chart's own resources, by group, version and kind."""
    found = {}
    for crd in helm.crds():
        spec = crd["spec"]
        for version in spec["versions"]:
            schema = strict(version["schema"]["openAPIV3Schema"])
            properties = schema["properties"] | {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
            found[(f"{spec['group']}/{version['name']}", spec["names"]["kind"])] = schema | {"properties": properties}
    return found


def refusals(document, release, own):
    key = (document["apiVersion"], document["kind"])
    if document["kind"] == "Route":
        checker = jsonschema.Draft202012Validator(ROUTE)
    elif key in own:
        checker = jsonschema.Draft202012Validator(own[key])
    elif document["kind"] in FOREIGN:
        return
    else:
        checker = validator(release, *key)
        if checker is None:
            yield f"{release} has no {key}"
            return
    for error in checker.iter_errors(document):
        yield f"{release} {objects.name(document)} {error.json_path}: {error.message[:300]}"


def complaints(documents, releases=None):
    own = definitions()
    return [one for release in releases or versions() for document in documents for one in refusals(document, release, own)]


def monitors(sets):
    """ServiceMonitors, by the schema of the Prometheus operator, in JavaScript."""
    documents = [document for documents in sets.values() for document in objects.of(documents, "ServiceMonitor")]
    script = helm.ROOT / "tests/e2e/node/service_monitor.mjs"
    done = subprocess.run(["node", str(script)], input=json.dumps(documents), capture_output=True, text=True, check=False)
    if done.returncode:
        return documents, [f"service_monitor.mjs: {done.stderr}"]
    return documents, json.loads(done.stdout)


def misspell(documents):
    objects.of(documents, "DaemonSet")[0]["spec"]["template"]["spec"]["containers"][0]["volumeMount"] = []


def number(documents):
    objects.of(documents, "Service")[0]["spec"]["ports"][0]["port"] = "80"


def old(documents):
    objects.of(documents, "CSIDriver")[0]["apiVersion"] = "storage.k8s.io/v1beta1"


def resource(documents):
    objects.of(documents, "Authority")[0]["spec"]["trustdomain"] = "example.org"


def kind_of_exposure(documents):
    objects.of(documents, "Authority")[0]["spec"]["exposure"]["kind"] = "Gateway"


def unknown(documents):
    objects.of(documents, "NetworkPolicy")[0]["spec"]["policyType"] = ["Ingress"]


RESOURCES = [
    ("a misspelt field of a custom resource", resource, "trustdomain"),
    ("a kind that there is not", kind_of_exposure, "Gateway"),
]
BENDS = [
    ("a misspelt field of a container", misspell, "volumeMount"),
    ("a port that is a text", number, "is not of type"),
    ("a version that is gone", old, "has no"),
    ("an unknown field", unknown, "policyType"),
]


def check():
    sets = helm.everything()
    sets["definitions"] = helm.crds()
    sets["custom resources"] = helm.resources()
    problems = [f"{name}: {one}" for name, documents in sets.items() for one in complaints(documents)]
    # The old right to the kubelet, for old clusters.
    for release in versions():
        documents = helm.rendered([helm.examples()["single"]], kubernetes=release)
        problems += complaints(documents, [release])
    documents, refused = monitors(sets)
    problems += refused
    problems += objects.noticed(lambda documents: complaints(documents, versions()[-1:]), sets["single"], BENDS)
    problems += objects.noticed(lambda documents: complaints(documents, versions()[-1:]), helm.resources(), RESOURCES)
    return {
        "releases": versions(), "objects": sum(map(len, sets.values())), "kinds": sorted({one["kind"] for documents in sets.values() for one in documents}),
        "monitors": len(documents), "problems": problems,
    }
