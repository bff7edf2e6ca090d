"""Which rights of the API are given, and to whom? Those that are listed here, each because somebody uses it."""

import helm
import objects

OWN = "carnet.dev"
READ = ("get", "list", "watch")
APPLY = ("get", "create", "patch", "delete")


def each(group, resources, verbs):
    return {(group, resource, verb) for resource in resources for verb in verbs}


REVIEW = {("authentication.k8s.io", "tokenreviews", "create")}
KUBELET = {("", "nodes/pods", "get")}
KUBELET_BEFORE = {("", "nodes/proxy", "get")}
LEASE = each("coordination.k8s.io", ["leases"], ("get", "create", "update"))
# Entries and rules of custom resources, kept at the authority (crates/operator/src/registrar.rs).
REGISTRATIONS = ("registrationentries", "clusterregistrationentries", "trustrules")
REGISTRAR = (
    each(OWN, REGISTRATIONS, (*READ, "patch")) | each(OWN, [f"{one}/status" for one in REGISTRATIONS], ("patch",))
    | {("", "events", "create"), ("", "namespaces/kube-system", "get")}
)
# Objects made of custom resources (crates/operator/src/workload), and what authorities and agents get, which nobody can give who has it not.
WORKLOADS = ("authorities", "agents", "discoveryproviders")
OPERATOR = (
    REVIEW | KUBELET | LEASE | REGISTRAR
    | each(OWN, WORKLOADS, (*READ, "patch")) | each(OWN, [f"{one}/status" for one in WORKLOADS], ("patch",)) | each(OWN, [f"{one}/finalizers" for one in WORKLOADS], ("update",))
    | each("", ("configmaps", "serviceaccounts", "services"), APPLY) | each("apps", ("daemonsets", "deployments", "statefulsets"), (*APPLY, "list", "watch"))
    | each("networking.k8s.io", ["ingresses"], APPLY) | each("rbac.authorization.k8s.io", ("roles", "rolebindings"), APPLY)
    | each("rbac.authorization.k8s.io", ("clusterroles", "clusterrolebindings"), (*APPLY, "list")) | each("storage.k8s.io", ["csidrivers"], (*APPLY, "list"))
)
SECRETS = {("", "secrets", "get")}
ROUTES = each("route.openshift.io", ("routes", "routes/custom-host"), (*APPLY, "update")) | each("", ["secrets"], READ)
# By component: group, resource and verb.
NEEDED = {"authority": REVIEW, "agent": KUBELET, "operator": OPERATOR}
# Accounts of others, by what they are for.
ROUTER = {("", "secrets/oidc-example-org", verb) for verb in ("get", "list", "watch")}


def rules(role):
    for rule in role["rules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for name in rule.get("resourceNames", [""]):
                    for verb in rule["verbs"]:
                        yield group, f"{resource}/{name}" if name else resource, verb


def bound(binding, role):
    namespaces = {one["metadata"].get("namespace") for one in (binding, role)} if role["kind"] == "Role" else {None}
    return role["metadata"]["name"] == binding["roleRef"]["name"] and len(namespaces) == 1


def given(documents):
    """Each account with all that it is bound to."""
    found = {}
    for binding in objects.of(documents, "RoleBinding", "ClusterRoleBinding"):
        for subject in binding["subjects"]:
            rights = found.setdefault(subject["name"], set())
            roles = [one for one in objects.of(documents, binding["roleRef"]["kind"]) if bound(binding, one)]
            if not roles:
                rights.add(("role", binding["roleRef"]["name"], "use"))
            rights |= {right for role in roles for right in rules(role)}
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


def wanted(name):
    """What the accounts of an example need."""
    if name == "openshift":
        return NEEDED | {"agent": KUBELET | {("role", "system:openshift:scc:privileged", "use")}}
    # Its authority registers custom resources.
    return NEEDED | {"authority": REVIEW | REGISTRAR | LEASE} if name == "postgres" else NEEDED


def settings():
    """What values change: the account, and what it then has."""
    examples = helm.examples()
    yield "carnet-agent", KUBELET_BEFORE, helm.rendered([examples["single"]], kubernetes="1.32.0")
    yield "carnet-authority", set(), helm.rendered([examples["single"]], ["authority.nodeAttestation.enabled=false"])
    operator = examples["operator"]
    yield "carnet-operator", OPERATOR | ROUTES, helm.rendered([operator], ["operator.routes=true", "operator.secrets=true"])
    yield "carnet-operator", OPERATOR | SECRETS, helm.rendered([operator], ["operator.secrets=true"])
    yield "carnet-operator", OPERATOR, helm.rendered([operator], ['operator.namespaces=["one","two"]'])
    yield "carnet-operator", OPERATOR, helm.rendered([operator], ['operator.namespaces=["*"]'])


def everywhere(documents):
    """What is given for the whole cluster."""
    return {right for one in objects.of(documents, "ClusterRole") for right in rules(one)}


def check():
    sets = helm.everything()
    problems = [f"{name}: {one}" for name, documents in sets.items() for one in complaints(documents, wanted(name))]
    if given(sets["openshift"]).get("router") != ROUTER:
        problems.append(f"the router may {given(sets['openshift']).get('router')}")
    for account, rights, documents in settings():
        if given(documents).get(account, set()) != rights:
            problems.append(f"{account}: {sorted(given(documents).get(account, set()) ^ rights)}")
    for namespaces, in_all in (("[]", False), ('["one","two"]', False), ('["*"]', True)):
        wide = everywhere(helm.rendered([helm.examples()["operator"]], [f"operator.namespaces={namespaces}", "operator.secrets=true"]))
        if any(resource in ("secrets", "configmaps", "statefulsets", "roles", "agents") for _, resource, _ in wide) != in_all:
            problems.append(f"an operator of the namespaces {namespaces} has rights in {'some' if in_all else 'all'}")
    problems += objects.noticed(complaints, sets["single"], BENDS)
    return {"accounts": sorted({account for documents in sets.values() for account in given(documents)}), "problems": problems}
