"""What a kubelet asks a CSI driver, by a client generated from the definition: csi_kubelet.py SOCKET ACTION [TARGET]."""
import json
import sys

import grpc

from spiffe_generated import generate, outcome

messages, services = generate("csi/v1/csi.proto")
TIMEOUT = 20
VOLUME = "csi-8f2b6f1d0c"
MODES = messages.VolumeCapability.AccessMode
CONTEXT = {
    "csi.storage.k8s.io/ephemeral": "true",
    "csi.storage.k8s.io/pod.name": "web-0",
    "csi.storage.k8s.io/pod.namespace": "shop",
    "csi.storage.k8s.io/pod.uid": "0",
    "csi.storage.k8s.io/serviceAccount.name": "default",
}


def request(target):
    """The request for an inline volume with readOnly: true."""
    return messages.NodePublishVolumeRequest(
        volume_id=VOLUME,
        target_path=target,
        volume_capability=messages.VolumeCapability(
            mount=messages.VolumeCapability.MountVolume(), access_mode=MODES(mode=MODES.SINGLE_NODE_WRITER)),
        readonly=True,
        volume_context=CONTEXT,
    )


def look(identity, node):
    """Who the driver says that it is."""
    info = identity.GetPluginInfo(messages.GetPluginInfoRequest(), timeout=TIMEOUT)
    plugin = identity.GetPluginCapabilities(messages.GetPluginCapabilitiesRequest(), timeout=TIMEOUT)
    probe = identity.Probe(messages.ProbeRequest(), timeout=TIMEOUT)
    capabilities = node.NodeGetCapabilities(messages.NodeGetCapabilitiesRequest(), timeout=TIMEOUT)
    return {
        "name": info.name,
        "version": info.vendor_version,
        "ready": probe.ready.value if probe.HasField("ready") else None,
        "node": node.NodeGetInfo(messages.NodeGetInfoRequest(), timeout=TIMEOUT).node_id,
        "capabilities": len(plugin.capabilities) + len(capabilities.capabilities),
    }


BENDS = {
    "no_volume": lambda one: one.ClearField("volume_id"),
    "no_target": lambda one: one.ClearField("target_path"),
    "no_capability": lambda one: one.ClearField("volume_capability"),
    "no_access_type": lambda one: one.volume_capability.ClearField("mount"),
    "block": lambda one: one.volume_capability.block.SetInParent(),
    "file_system": lambda one: setattr(one.volume_capability.mount, "fs_type", "ext4"),
    "options": lambda one: one.volume_capability.mount.mount_flags.append("exec"),
    "no_access_mode": lambda one: one.volume_capability.ClearField("access_mode"),
    "reader": lambda one: setattr(one.volume_capability.access_mode, "mode", MODES.SINGLE_NODE_READER_ONLY),
    "many_nodes": lambda one: setattr(one.volume_capability.access_mode, "mode", MODES.MULTI_NODE_MULTI_WRITER),
    "writable": lambda one: one.ClearField("readonly"),
    "persistent": lambda one: one.volume_context.update({"csi.storage.k8s.io/ephemeral": "false"}),
    "no_pod_info": lambda one: one.ClearField("volume_context"),
    "outside": lambda one: setattr(one, "target_path", "/etc/carnet/mount"),
    "detour": lambda one: setattr(one, "target_path", one.target_path + "/../../../mount"),
}


def refused(node, target):
    """What is said to each request that is bent in one place."""
    answers = {}
    for name, bend in BENDS.items():
        one = request(target)
        bend(one)
        answers[name] = outcome(lambda: node.NodePublishVolume(one, timeout=TIMEOUT))[0]
    stage = messages.NodeStageVolumeRequest()
    answers["stage"] = outcome(lambda: node.NodeStageVolume(stage, timeout=TIMEOUT))[0]
    return answers


def main():
    socket, action, *rest = sys.argv[1:]
    # The C core calls the server by the path of its socket, which is no name.
    with grpc.insecure_channel(f"unix://{socket}") as channel:
        identity, node = services.IdentityStub(channel), services.NodeStub(channel)
        what = {
            "look": lambda: look(identity, node),
            "publish": lambda: outcome(lambda: node.NodePublishVolume(request(*rest), timeout=TIMEOUT))[0],
            "unpublish": lambda: outcome(lambda: node.NodeUnpublishVolume(
                messages.NodeUnpublishVolumeRequest(volume_id=VOLUME, target_path=rest[0]), timeout=TIMEOUT))[0],
            "refused": lambda: refused(node, *rest),
        }
        print(json.dumps(what[action]()))


main()
