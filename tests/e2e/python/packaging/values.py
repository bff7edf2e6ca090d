"""Are values refused that make no sense, by every Helm, and is every value described?"""

import json
import re
import tempfile

import jsonschema
import yaml

import helm

SCHEMA = helm.CHART / "values.schema.json"
GOOD = {"trustDomain": '"example.org"', "issuer": '"https://oidc.example.org"'}
# One value bent, and the name that the refusal must hold.
REFUSED = [
    ({"trustDomain": '""'}, "trustDomain"),
    ({"trustDomain": '"Example.org"'}, "trustDomain"),
    ({"issuer": '"http://oidc.example.org"'}, "issuer"),
    ({"issuer": '"https://oidc.example.org/"'}, "issuer"),
    ({"issuer": '"https://oidc.example.org/?a=b"'}, "issuer"),
    ({"clusterName": '"a/b"'}, "clusterName"),
    ({"unknown": "1"}, "unknown"),
    ({"image.digest": '"sha256:short"'}, "digest"),
    ({"authority.replicas": "3"}, "replicas"),
    ({"authority.replicas": "0"}, "replicas"),
    ({"authority.store.url": '"postgres://carnet@database.example.org/carnet"'}, "sealSecret"),
    ({"authority.store.url": '"postgres://carnet:secret@database.example.org/carnet"', "authority.sealSecret.name": '"seal"'}, "url"),
    ({"authority.store.url": '"mysql://carnet@database.example.org/carnet"', "authority.sealSecret.name": '"seal"'}, "url"),
    ({"authority.volume.size": '"much"'}, "size"),
    ({"authority.volume.accessMode": '"ReadWriteMany"'}, "accessMode"),
    ({"authority.keys.algorithms": '["none"]'}, "algorithms"),
    ({"authority.keys.lifetimeSeconds": '"1d"'}, "lifetimeSeconds"),
    ({"authority.podIdentities.selectors": "[]"}, "selectors"),
    ({"authority.nodeAttestation.serviceAccounts": '["carnet/agent"]'}, "serviceAccounts"),
    ({"authority.rules": '{"../rules.toml": ""}'}, "rules"),
    ({"authority.entries": '{"entries.yaml": ""}'}, "entries"),
    ({"authority.federatesWith": '{"partner.example": {"url": "http://partner.example"}}'}, "url"),
    ({"authority.podDisruptionBudget": '{"maxUnavailable": 1, "minAvailable": 1}'}, "podDisruptionBudget"),
    ({"authority.enabled": "false"}, "agent"),
    ({"agent.authority": '"authority.example.org:8443"'}, "authority"),
    ({"agent.kubelet.permission": '"all"'}, "permission"),
    ({"agent.kubelet.port": "0"}, "port"),
    ({"agent.socketDirectory": '"run/carnet"'}, "socketDirectory"),
    ({"csi.driverName": '"CSI"'}, "driverName"),
    ({"discovery.source.bundleEndpoint.url": '"https://x.example"', "discovery.source.configMap.name": '"x"'}, "source"),
    ({"discovery.source.bundleEndpoint": '{"url": "https://x.example", "endpointId": "spiffe://x.example/y"}'}, "bootstrapConfigMap"),
    ({"discovery.maxAge": '"five minutes"'}, "maxAge"),
    ({"operator.namespaces": '["*", "one"]'}, "namespaces"),
    ({"operator.namespaces": '["One"]'}, "namespaces"),
    ({"networkPolicy.apiServerPorts": "[70000]"}, "apiServerPorts"),
    ({"metrics.serviceMonitor.interval": '"often"'}, "interval"),
    # What the schema cannot say.
    ({"discovery.enabled": "true", "authority.ingress.enabled": "true", "discovery.ingress.enabled": "true"}, "same host"),
    ({"discovery.enabled": "true", "authority.route.managed": "true", "discovery.route.managed": "true"}, "same host"),
]


def nested(settings):
    """Values as Helm puts them together: the chart's own, and these."""
    values = yaml.safe_load((helm.CHART / "values.yaml").read_text(encoding="utf-8"))
    for path, text in settings.items():
        *way, last = path.split(".")
        place = values
        for name in way:
            place = place.setdefault(name, {})
        new = json.loads(text)
        place[last] = place[last] | new if isinstance(place.get(last), dict) and isinstance(new, dict) else new
    return values


def by_schema(settings):
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return [error.message for error in jsonschema.Draft7Validator(schema).iter_errors(nested(settings))]


def undescribed(values, schema, place=""):
    """Keys that only one of values.yaml and its schema knows."""
    known = schema.get("properties")
    if known is None:
        return
    for name in sorted(set(values) ^ set(known)):
        if name != "global":
            yield f"{place}{name} is in one of values.yaml and values.schema.json only"
    for name, value in values.items():
        below = known.get(name, {})
        if "$ref" in below:
            continue
        if isinstance(value, dict):
            yield from undescribed(value, below, f"{place}{name}.")


def manual():
    """The values that the manual shows: each must be some that the chart takes."""
    text = (helm.ROOT / "docs/src/kubernetes/install.md").read_text(encoding="utf-8")
    blocks = [one for one in re.findall(r"```yaml\n(.*?)```", text, re.S) if set(yaml.safe_load(one)) <= set(nested({}))]
    for block in blocks:
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(yaml.safe_dump({"trustDomain": "example.org", "issuer": "https://oidc.example.org"} | yaml.safe_load(block)))
            file.flush()
            said = helm.template([file.name])[1]
        if said:
            yield f"the manual's values {block}: {said}"
    if len(blocks) < 3:
        yield f"the manual shows {len(blocks)} values"


def check():
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft7Validator.check_schema(schema)
    problems = list(undescribed(nested({}), schema))
    problems += [f"good values: {one}" for one in by_schema(GOOD)]
    problems += manual()
    for bend, word in REFUSED:
        said = by_schema(GOOD | bend)
        if not said and word != "same host":
            problems.append(f"the schema takes {bend}")
        # Old Helms read single values only as text.
        settings = [f"{name}={text}" for name, text in (GOOD | bend).items()]
        text, error = helm.template(settings=settings)
        if text is not None or word not in error:
            problems.append(f"helm takes {bend}: {error[:200]}")
    for file in helm.examples().values():
        new, old = helm.template([file])[0], helm.template([file], version="3.8")[0]
        if new != old:
            problems.append(f"{file.name}: Helm 4 and Helm 3.8 do not agree")
        done = helm.run("4", "install", "carnet", str(helm.CHART), "--namespace", "carnet", "--dry-run=client", "--values", str(file))
        notes = done.stdout.partition("NOTES:")[2]
        if "trust domain example.org" not in notes or "<no value>" in notes or "%!" in notes:
            problems.append(f"{file.name}: the notes: {notes}{done.stderr}")
    if helm.template(settings=['trustDomain="a"'], version="3.8")[0] is not None:
        problems.append("Helm 3.8 looks at no schema")
    for version in helm.PACKAGES:
        settings = ["--set", "trustDomain=example.org", "--set", "issuer=https://oidc.example.org"]
        done = helm.run(version, "lint", "--strict", str(helm.CHART), *settings)
        if done.returncode:
            problems.append(f"helm {version} lint: {done.stdout}")
    return {"refused": len(REFUSED), "helm": [helm.run(one, "version", "--short").stdout.strip() for one in helm.PACKAGES], "problems": problems}
