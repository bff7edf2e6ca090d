"""Which rights of the API are given, and to whom? Those that are listed here, each because somebody uses it."""

import helm
import objects

# By component: group, resource and verb.
NEEDED = {
    "authority": {("authentication.k8s.io", "tokenreviews", "create")},
    "agent": {("", "nodes/pods", "get")},
}
# Accounts of others, by what they are for.
ROUTER = {("", "secrets/oidc-example-org", verb) for verb in ("get", "list", "watch")}


def rules(role):
    for rule in role["rules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for name in rule.get("resourceNames", [""]):
                    for verb in rule["verbs"]:
                        yield group, f"{resource}/{name}" if name else resource, verb


def given(documents):
    """Each account with all that it is bound to."""
    found = {}
    for binding in objects.of(documents, "RoleBinding", "ClusterRoleBinding"):
        for subject in binding["subjects"]:
            rights = found.setdefault(subject["name"], set())
            try:
                role = objects.named(documents, binding["roleRef"]["kind"], binding["roleRef"]["name"])
            except KeyError:
                rights.add(("role", binding["roleRef"]["name"], "use"))
                continue
            rights |= set(rules(role))
    return found


def complaints(documents, needed=None):
    needed = NEEDED if needed is None else needed
    found = []
    rights = given(documents)
    for document, template in objects.pods(documents):
        component = template["metadata"]["labels"].get("app.kubernetes.io/component")
        account = template["spec"]["serviceAccountName"]
        has = rights.pop(account, set())
        wanted = needed.get(component, set())
        found += [f"{account}: not needed: {one}" for one in sorted(has - wanted)]
        found += [f"{account}: missing: {one}" for one in sorted(wanted - has)]
        token = template["spec"].get("automountServiceAccountToken") is not False
        asks = any(one[0] != "role" for one in wanted)
        if token != asks:
            found.append(f"{objects.name(document)}: {'a token that nobody uses' if token else 'no token'}")
    for account in objects.of(documents, "ServiceAccount"):
        if account.get("automountServiceAccountToken") is not False:
            found.append(f"{objects.name(account)}: its token is given to whoever uses it")
    rights.pop("router", None)
    return found + [f"rights for nobody: {account}" for account in rights]


def everything(documents):
    objects.of(documents, "ClusterRole")[0]["rules"][0]["verbs"] = ["*"]


def more(documents):
    objects.of(documents, "ClusterRole")[0]["rules"].append({"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]})


def stranger(documents):
    objects.of(documents, "ClusterRoleBinding")[0]["subjects"][0]["name"] = "default"


def token(documents):
    documents[:] = [one for one in documents if one["kind"] not in ("ClusterRoleBinding",)]


BENDS = [
    ("all verbs", everything, "not needed"),
    ("secrets of the whole cluster", more, "'secrets', 'list'"),
    ("rights for another account", stranger, "rights for nobody: default"),
    ("a binding less", token, "missing"),
]


def check():
    sets = helm.everything()
    problems = []
    for name, documents in sets.items():
        needed = dict(NEEDED)
        if name == "openshift":
            needed["agent"] = NEEDED["agent"] | {("role", "system:openshift:scc:privileged", "use")}
            if given(documents).get("router") != ROUTER:
                problems.append(f"{name}: the router may {given(documents).get('router')}")
        problems += [f"{name}: {one}" for one in complaints(documents, needed)]
    old = helm.rendered([helm.examples()["single"]], kubernetes="1.32.0")
    if given(old)["carnet-agent"] != {("", "nodes/proxy", "get")}:
        problems.append("before Kubernetes 1.33 a kubelet asks for nodes/proxy")
    alone = helm.rendered([helm.examples()["single"]], ["authority.nodeAttestation.enabled=false"])
    if "carnet-authority" in given(alone):
        problems.append("an authority that attests no nodes asks the API server for nothing")
    problems += objects.noticed(complaints, sets["single"], BENDS)
    return {"accounts": sorted({account for documents in sets.values() for account in given(documents)}), "problems": problems}
