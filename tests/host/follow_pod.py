"""Run one Pod with the host backend and print its events, a JSON object per line. A program for the tests.

Standard input: {"pod", "config_maps", "secrets", "keep", "reactions", "package", "entrypoint_binary"}. A reaction
["TEXT", "METHOD", ARGS...] calls a method of the HostPod once TEXT has appeared in the output of a container.
"""

import base64
import dataclasses
import importlib.util
import json
import os
import sys


def import_monopod(directory):
    spec = importlib.util.spec_from_file_location(
        "monopod", os.path.join(directory, "__init__.py"), submodule_search_locations=[directory]
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules["monopod"] = module
    spec.loader.exec_module(module)


def report(**fields):
    print(json.dumps(fields), flush=True)


def describe(event):
    fields = dataclasses.asdict(event)
    if "data" in fields:
        fields["data"] = base64.b64encode(fields["data"]).decode()
    return {"event": type(event).__name__, **fields}


def main():
    request = json.load(sys.stdin)
    import_monopod(request["package"])
    from monopod.runner.backend_errors import BackendUnavailableError, PodRefusedError  # noqa: PLC0415
    from monopod.runner.host.pod import HostPod  # noqa: PLC0415

    pod = HostPod(
        request["pod"],
        runtime_image_name="monopod:test",
        entrypoint_binary=request["entrypoint_binary"],
        config_maps=request["config_maps"],
        secrets=request["secrets"],
        keep=request["keep"],
    )
    reactions = list(request["reactions"])
    with pod:
        try:
            pod.start()
        except PodRefusedError as error:
            report(event="refused", problems=error.problems)
            return
        except BackendUnavailableError as error:
            report(event="unavailable", message=str(error))
            return
        report(event="running", launcher=pod._launcher.pid, state=pod.state_directory, descriptors=open_files())
        seen = b""
        while not pod.is_finished:
            for event in pod.events():
                report(**describe(event))
                seen += getattr(event, "data", b"")
                for reaction in [each for each in reactions if each[0].encode() in seen]:
                    reactions.remove(reaction)
                    result = getattr(pod, reaction[1])(*reaction[2:])
                    for each in result or ():
                        report(**describe(each))
    report(event="closed", descriptors=open_files())


def open_files():
    return len(os.listdir("/proc/self/fd"))


main()
