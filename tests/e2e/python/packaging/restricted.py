"""What may containers do? No more than the standard `restricted` of Kubernetes allows, but for those that are named here with what they need."""

import helm
import objects

# The agent looks at processes of others; the driver mounts; the registrar writes where root alone may. All else is restricted.
EXCEPTIONS = {
    ("agent", "agent"): {"hostPID", "hostPath", "root", "added SYS_PTRACE", "added DAC_READ_SEARCH"},
    ("agent", "csi"): {"hostPID", "hostPath", "root", "privileged"},
    ("agent", "registrar"): {"hostPID", "hostPath", "root"},
    ("csi", "csi"): {"hostPath", "root", "privileged"},
    ("csi", "registrar"): {"hostPath", "root"},
}
# OpenShift has no capabilities for a container without `privileged` that SELinux would let have its way.
OPENSHIFT = {
    ("agent", "agent"): {"hostPID", "hostPath", "root", "privileged"},
    ("agent", "csi"): {"hostPID", "hostPath", "root", "privileged"},
    ("agent", "registrar"): {"hostPID", "hostPath", "root", "SELinux spc_t"},
}
HARMLESS = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def excess(template, container):
    """Everything by which a container is more than `restricted`."""
    spec, pod, own = template["spec"], template["spec"].get("securityContext", {}), container.get("securityContext", {})
    both = pod | own
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(name):
            yield name
    used = {mount["name"] for mount in container.get("volumeMounts", [])}
    for volume in spec.get("volumes", []):
        kinds = set(volume) - {"name"}
        if volume["name"] in used and not kinds <= HARMLESS:
            yield next(iter(kinds))
    if own.get("privileged"):
        yield "privileged"
    elif own.get("allowPrivilegeEscalation") is not False:
        yield "escalation"
    if both.get("runAsUser") == 0 or (both.get("runAsNonRoot") is not True and both.get("runAsUser") is None):
        yield "root"
    elif both.get("runAsNonRoot") is not True:
        yield "perhaps root"
    capabilities = own.get("capabilities", {})
    if not own.get("privileged"):
        if capabilities.get("drop") != ["ALL"]:
            yield "not all dropped"
        yield from (f"added {one}" for one in capabilities.get("add", []))
    if both.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
        yield "no seccomp"
    if both.get("seLinuxOptions", {}).get("type") not in (None, "container_t"):
        yield f"SELinux {both['seLinuxOptions']['type']}"
    if any(port.get("hostPort") for port in container.get("ports", [])):
        yield "hostPort"


def habits(template, container):
    """What no standard demands and everybody should do."""
    if container.get("securityContext", {}).get("readOnlyRootFilesystem") is not True:
        yield "may write its root file system"
    image = container["image"]
    if "@sha256:" not in image and (":" not in image.rsplit("/", 1)[-1] or image.endswith(":latest")):
        yield f"the image {image} is not pinned"
    if template["spec"].get("enableServiceLinks") is not False and container["image"].startswith("carnet:") and template["metadata"]["labels"].get("app.kubernetes.io/part-of"):
        yield "variables of other Services are in its environment"


def complaints(documents, exceptions=None):
    exceptions = EXCEPTIONS if exceptions is None else exceptions
    found = []
    for document, template, container in objects.every_container(documents):
        place = f"{objects.name(document)}/{container['name']}"
        component = template["metadata"]["labels"].get("app.kubernetes.io/component")
        allowed = exceptions.get((component, container["name"]), set())
        has = set(excess(template, container))
        found += [f"{place}: {one}" for one in sorted(has - allowed)]
        found += [f"{place}: it does not need {one}" for one in sorted(allowed - has)]
        found += [f"{place}: {one}" for one in habits(template, container)]
        if component and not {"requests", "limits"} <= set(container.get("resources", {})):
            found.append(f"{place}: no bound on what it uses")
    return found


def authority(documents):
    return objects.of(documents, "StatefulSet")[0]["spec"]["template"]["spec"]


def forget(name):
    def change(documents):
        del authority(documents)["containers"][0]["securityContext"][name]
    return change


def root(documents):
    authority(documents)["securityContext"]["runAsUser"] = 0


def host(documents):
    authority(documents)["volumes"].append({"name": "data", "hostPath": {"path": "/"}})


def latest(documents):
    authority(documents)["containers"][0]["image"] = "carnet"


BENDS = [
    ("rights may grow", forget("allowPrivilegeEscalation"), "escalation"),
    ("capabilities are kept", forget("capabilities"), "not all dropped"),
    ("the root file system can be written", forget("readOnlyRootFilesystem"), "may write"),
    ("it runs as root", root, "root"),
    ("a folder of the node", host, "hostPath"),
    ("an image without a tag", latest, "is not pinned"),
]


def check():
    sets = helm.everything()
    problems = []
    for name, documents in sets.items():
        problems += [f"{name}: {one}" for one in complaints(documents, OPENSHIFT if name == "openshift" else EXCEPTIONS)]
    problems += objects.noticed(complaints, sets["single"], BENDS)
    return {"containers": sum(1 for documents in sets.values() for _ in objects.every_container(documents)), "problems": problems}
