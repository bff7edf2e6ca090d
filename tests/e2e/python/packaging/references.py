"""Does everything that the objects name exist? What they expect from outside is listed here."""

import helm
import objects

# What a cluster, its operator or the user of the chart brings.
OUTSIDE = {
    "Secret/carnet-store", "Secret/carnet-seal", "Secret/oidc-example-org", "Secret/carnet-discovery-tls",
    "ConfigMap/carnet-bundle", "ConfigMap/database-ca",
    "ClusterRole/system:openshift:scc:privileged", "ServiceAccount/router",
}
# Drivers of volumes that are there, or come with the chart.
DRIVERS = {"csi.spiffe.io"}


def selects(selector, template):
    labels = template["metadata"].get("labels", {})
    return all(labels.get(key) == value for key, value in selector.items())


def wanted_of(volume):
    """The object that a volume is made of, if it is made of one."""
    if "configMap" in volume:
        return f"ConfigMap/{volume['configMap']['name']}", volume["configMap"].get("items", [])
    if "secret" in volume:
        return f"Secret/{volume['secret']['secretName']}", volume["secret"].get("items", [])
    return None, []


def volumes(documents):
    for document, template in objects.pods(documents):
        place = objects.name(document)
        spec = template["spec"]
        there = {volume["name"] for volume in spec.get("volumes", [])}
        claims = document["spec"].get("volumeClaimTemplates", [])
        there |= {claim["metadata"]["name"] for claim in claims}
        mounted = set()
        for container in objects.containers(template):
            paths = [mount["mountPath"] for mount in container.get("volumeMounts", [])]
            if len(paths) != len(set(paths)):
                yield f"{place}/{container['name']}: two volumes at one path"
            for mount in container.get("volumeMounts", []):
                mounted.add(mount["name"])
                if mount["name"] not in there:
                    yield f"{place}/{container['name']}: no volume {mount['name']}"
        for unused in there - mounted:
            yield f"{place}: nobody mounts the volume {unused}"
        for volume in spec.get("volumes", []):
            wanted, items = wanted_of(volume)
            if wanted in OUTSIDE or wanted is None:
                driver = volume.get("csi", {}).get("driver")
                if driver and driver not in DRIVERS:
                    yield f"{place}: no driver {driver}"
                continue
            kind, name = wanted.split("/")
            try:
                found = objects.named(documents, kind, name)
            except KeyError:
                yield f"{place}: no {wanted}"
                continue
            for item in items:
                if item["key"] not in found["data"]:
                    yield f"{place}: {wanted} has no {item['key']}"


def ports_of(documents, selector):
    for document, template in objects.pods(documents):
        if selects(selector, template):
            yield {port["name"] for container in objects.containers(template) for port in container.get("ports", [])}


def services(documents):
    for service in objects.of(documents, "Service"):
        found = list(ports_of(documents, service["spec"]["selector"]))
        if len(found) != 1:
            yield f"{objects.name(service)}: selects {len(found)} kinds of pods"
        for port in service["spec"]["ports"]:
            if not all(port["targetPort"] in names for names in found):
                yield f"{objects.name(service)}: no port {port['targetPort']} at its pods"


def behind(documents, service, port):
    """Whether a Service has this port by name."""
    try:
        found = objects.named(documents, "Service", service)
    except KeyError:
        return False
    return any(one["name"] == port for one in found["spec"]["ports"])


def fronts(documents):
    for ingress in objects.of(documents, "Ingress"):
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                service = path["backend"]["service"]
                if not behind(documents, service["name"], service["port"]["name"]):
                    yield f"{objects.name(ingress)}: nothing behind it"
        for tls in ingress["spec"].get("tls", []):
            if f"Secret/{tls['secretName']}" not in OUTSIDE:
                yield f"{objects.name(ingress)}: no Secret {tls['secretName']}"
    for route in objects.of(documents, "Route"):
        if not behind(documents, route["spec"]["to"]["name"], route["spec"]["port"]["targetPort"]):
            yield f"{objects.name(route)}: nothing behind it"
    for monitor in objects.of(documents, "ServiceMonitor"):
        wanted = monitor["spec"]["selector"]["matchLabels"]
        found = [one for one in objects.of(documents, "Service") if wanted.items() <= one["metadata"]["labels"].items()]
        if len(found) != 1 or not behind(documents, found[0]["metadata"]["name"], monitor["spec"]["endpoints"][0]["port"]):
            yield f"{objects.name(monitor)}: it scrapes {len(found)} Services"


def selectors(documents):
    for document, template in objects.pods(documents):
        place = objects.name(document)
        if document["kind"] != "Job":
            selector = document["spec"]["selector"]["matchLabels"]
            if not selects(selector, template):
                yield f"{place}: it does not select its own pods"
            if "app.kubernetes.io/version" in selector:
                yield f"{place}: its selector changes with the version, and a selector cannot be changed"
            others = [objects.name(one) for one, pod in objects.pods(documents) if one is not document and selects(selector, pod)]
            if others:
                yield f"{place}: it selects pods of {others}"
        account = template["spec"]["serviceAccountName"]
        if not any(one["metadata"]["name"] == account for one in objects.of(documents, "ServiceAccount")):
            yield f"{place}: no ServiceAccount {account}"
        for container in objects.containers(template):
            ports = {port["name"] for port in container.get("ports", [])}
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                asked = container.get(probe, {}).get("httpGet")
                if asked and asked["port"] not in ports:
                    yield f"{place}/{container['name']}: {probe} asks at no port of its own"
    for policy in objects.of(documents, "PodDisruptionBudget", "NetworkPolicy"):
        selector = (policy["spec"].get("selector") or policy["spec"].get("podSelector"))["matchLabels"]
        pods = [template for _, template in objects.pods(documents) if selects(selector, template)]
        if len(pods) != 1:
            yield f"{objects.name(policy)}: it is about {len(pods)} kinds of pods"
        ports = [port["port"] for rule in policy["spec"].get("ingress", []) for port in rule["ports"]]
        for port in ports:
            if not all(port in names for names in ports_of(documents, selector)):
                yield f"{objects.name(policy)}: no port {port} at its pods"


def bindings(documents):
    for binding in objects.of(documents, "RoleBinding", "ClusterRoleBinding"):
        role = f"{binding['roleRef']['kind']}/{binding['roleRef']['name']}"
        there = {objects.name(one) for one in documents} | OUTSIDE
        if role not in there:
            yield f"{objects.name(binding)}: no {role}"
        for subject in binding["subjects"]:
            if f"{subject['kind']}/{subject['name']}" not in there:
                yield f"{objects.name(binding)}: no {subject['kind']} {subject['name']}"


def twice(documents):
    seen = set()
    for document in documents:
        key = (document["kind"], document["metadata"].get("namespace"), document["metadata"]["name"])
        if key in seen:
            yield f"twice: {key}"
        seen.add(key)


def complaints(documents):
    checks = (volumes, services, fronts, selectors, bindings, twice)
    return [one for check in checks for one in check(documents)]


def rename_volume(documents):
    objects.of(documents, "DaemonSet")[0]["spec"]["template"]["spec"]["volumes"][0]["name"] = "other"


def rename_port(documents):
    objects.of(documents, "Service")[0]["spec"]["ports"][0]["targetPort"] = "web"


def rename_account(documents):
    objects.of(documents, "ClusterRoleBinding")[0]["subjects"][0]["name"] = "other"


def rename_label(documents):
    objects.of(documents, "NetworkPolicy")[0]["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] = "other"


def rename_config(documents):
    objects.of(documents, "ConfigMap")[0]["metadata"]["name"] = "other"


def rename_service(documents):
    objects.of(documents, "Ingress")[0]["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"] = "other"


def rename_probe(documents):
    objects.of(documents, "StatefulSet")[0]["spec"]["template"]["spec"]["containers"][0]["readinessProbe"]["httpGet"]["port"] = "web"


BENDS = [
    ("a volume of another name", rename_volume, "no volume"),
    ("a volume that nobody mounts", rename_volume, "nobody mounts"),
    ("a port of another name", rename_port, "no port web"),
    ("an account of another name", rename_account, "no ServiceAccount other"),
    ("a policy about nobody", rename_label, "about 0 kinds"),
    ("a ConfigMap of another name", rename_config, "no ConfigMap"),
    ("an Ingress before nothing", rename_service, "nothing behind it"),
    ("a probe at no port", rename_probe, "at no port"),
]


def check():
    sets = helm.everything()
    problems = [f"{name}: {one}" for name, documents in sets.items() for one in complaints(documents)]
    problems += objects.noticed(complaints, sets["single"], BENDS)
    return {"sets": sorted(sets), "problems": problems}
