"""Reading Kubernetes' objects."""

import copy


def name(document):
    return f"{document['kind']}/{document['metadata']['name']}"


def of(documents, *kinds):
    return [document for document in documents if document["kind"] in kinds]


def pods(documents):
    """Each object that makes pods, with the template of its pods."""
    for document in of(documents, "Deployment", "StatefulSet", "DaemonSet", "Job"):
        yield document, document["spec"]["template"]


def containers(template):
    return template["spec"].get("initContainers", []) + template["spec"]["containers"]


def every_container(documents):
    for document, template in pods(documents):
        for container in containers(template):
            yield document, template, container


def named(documents, kind, wanted):
    for document in of(documents, kind):
        if document["metadata"]["name"] == wanted:
            return document
    raise KeyError(f"{kind}/{wanted}")


def bent(documents, change):
    """A copy that is changed in one place."""
    documents = copy.deepcopy(documents)
    change(documents)
    return documents


def noticed(check, documents, bends):
    """Bends the objects in one place each; what the check then does not complain of is a problem of the check."""
    missed = []
    for what, change, complaint in bends:
        problems = check(bent(documents, change))
        if not any(complaint in problem for problem in problems):
            missed.append(f"not noticed: {what}; said was {problems[:3]}")
    return missed
