"""What keeps a Pod from its node, and a container from its start, in the words of the scheduler and of kubelet.

From Kubernetes' source: pkg/scheduler (``FitError`` with the plugins VolumeBinding and NodeResourcesFit), pkg/kubelet
(``makeEnvironmentVariables``), pkg/kubelet/images, and what containerd answers for a tag that a registry does not have.
"""

from __future__ import annotations

from monopod.schemas.formats import quantity

ALLOCATABLE = {"cpu": "64", "memory": "256Gi"}
"""What the only node offers."""
_NO_PREEMPTION = "preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."


def unschedulable(pod, claims):
    """Return why no node takes a Pod in a namespace with these claims; None if one does."""
    for volume in pod["spec"].get("volumes", ()):
        claim = volume.get("persistentVolumeClaim", {}).get("claimName")
        if claim is not None and claim not in claims:
            why = f'0/1 nodes are available: persistentvolumeclaim "{claim}" not found'
            return f"{why}. not found. {_NO_PREEMPTION}"
    for name, most in ALLOCATABLE.items():
        if _requested(pod, name) > quantity.parse(most):
            return f"0/1 nodes are available: 1 Insufficient {name}. no new claims to deallocate, {_NO_PREEMPTION}"
    return None


def _requested(pod, name):
    running = [
        *pod["spec"]["containers"],
        *(each for each in pod["spec"].get("initContainers", ()) if each.get("restartPolicy") == "Always"),
    ]
    return sum(quantity.parse(each.get("resources", {}).get("requests", {}).get(name, "0")) for each in running)


def not_started(pod, secrets, absent_images):
    """Return the (reason, message) with which each container waits that kubelet cannot start, by its name."""
    found = {}
    for container in pod["spec"]["containers"]:
        image = container["image"]
        for variable in container.get("env", ()):
            of_secret = variable.get("valueFrom", {}).get("secretKeyRef", {})
            if of_secret and not of_secret.get("optional") and of_secret["name"] not in secrets:
                found[container["name"]] = ("CreateContainerConfigError", f'secret "{of_secret["name"]}" not found')
        if image in absent_images:
            name = f"docker.io/library/{image}"
            why = f'failed to pull and unpack image "{name}": failed to resolve reference "{name}": {name}: not found'
            found[container["name"]] = ("ImagePullBackOff", f'Back-off pulling image "{image}": ErrImagePull: {why}')
    return found
