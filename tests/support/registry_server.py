"""A real registry on loopback, and functions that push images. The fixtures are for a conftest to import."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import threading
import urllib.request
from dataclasses import dataclass

import pytest

PROGRAM = shutil.which("docker-registry")
"""The path on the PATH of the test run; tests may change PATH."""
HTPASSWD = "builder:$2b$05$eRV3KYvJa3tZoK7A9xvENOTvcNrghyuYUGjbrDIf5DNVyZWCpHfAa\n"
"""The password ``secret`` of the user ``builder``."""


def digest_of(content):
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class Pusher:
    """Pushes images into a registry with its API."""

    def __init__(self, host, user=""):
        self.host = host
        self.headers = {"Authorization": "Basic " + base64.b64encode(user.encode()).decode()} if user else {}

    def _send(self, method, url, content=b"", **headers):
        request = urllib.request.Request(url, content, {**self.headers, **headers}, method=method)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as response:
            return response.headers

    def blob(self, repository, content):
        base = f"http://{self.host}/v2/{repository}/blobs/uploads/"
        location = self._send("POST", base)["Location"]
        separator = "&" if "?" in location else "?"
        url = f"{location}{separator}digest={digest_of(content)}"
        self._send("PUT", url, content, **{"Content-Type": "application/octet-stream"})
        return {"digest": digest_of(content), "size": len(content)}

    def manifest(self, repository, tag, manifest):
        content = json.dumps(manifest).encode()
        url = f"http://{self.host}/v2/{repository}/manifests/{tag}"
        self._send("PUT", url, content, **{"Content-Type": manifest["mediaType"]})
        return digest_of(content)

    def image(self, repository, tag, config):
        """Push an image of no layers with this configuration; return its descriptor."""
        return self.descriptor(
            repository,
            tag,
            {
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": {
                    "mediaType": "application/vnd.oci.image.config.v1+json",
                    **self.blob(repository, json.dumps(config).encode()),
                },
                "layers": [],
            },
        )

    def index(self, repository, tag, configs):
        """Push an index of images; `configs` are pairs of a platform and a configuration. Return its digest."""
        entries = [
            {**self.image(repository, f"{tag}-{number}", config), "platform": platform}
            for number, (platform, config) in enumerate(configs)
        ]
        media_type = "application/vnd.oci.image.index.v1+json"
        return self.manifest(repository, tag, {"schemaVersion": 2, "mediaType": media_type, "manifests": entries})

    def descriptor(self, repository, tag, manifest):
        """Push a manifest and return its descriptor in an index."""
        digest = self.manifest(repository, tag, manifest)
        size = len(json.dumps(manifest).encode())
        return {"mediaType": manifest["mediaType"], "digest": digest, "size": size}

    def bundle(self, repository, tag, layers):
        """Push a bundle; each layer is annotations and content."""
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **self.blob(repository, b"{}")},
            "layers": [
                {
                    "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                    **self.blob(repository, content),
                    "annotations": {f"dev.tekton.image.{name}": value for name, value in annotations.items()},
                }
                for annotations, content in layers
            ],
        }
        return self.manifest(repository, tag, manifest)


@dataclass
class RunningRegistry:
    """Debian's docker-registry, running."""

    host: str
    process: subprocess.Popen
    pusher: Pusher

    def stop(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def start_registry(tmp_path):
    """Starts Debian's docker-registry; with a password, only for the user ``builder``. `deletes`: it can delete."""
    if PROGRAM is None:
        pytest.skip("Debian's docker-registry is not installed")
    running = []

    def start(htpasswd="", deletes="true"):
        configuration = tmp_path / f"registry-{len(running)}.yaml"
        auth = ""
        if htpasswd:
            (tmp_path / "htpasswd").write_text(htpasswd)
            auth = f"auth: {{htpasswd: {{realm: tests, path: {tmp_path}/htpasswd}}}}\n"
        configuration.write_text(
            "version: 0.1\nlog: {level: info, formatter: json}\n"
            f"storage: {{filesystem: {{rootdirectory: {tmp_path}/storage}}, delete: {{enabled: {deletes}}}}}\n"
            "http: {addr: '127.0.0.1:0'}\n" + auth
        )
        process = subprocess.Popen(
            [PROGRAM, "serve", str(configuration)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        host = ""
        for line in process.stderr:
            if "listening on" in line:
                host = line.split("listening on ")[1].split('"')[0].strip()
                break
        drain = threading.Thread(target=process.stderr.read)
        drain.start()
        running.append((process, drain))
        assert host, "docker-registry does not say where it listens"
        return RunningRegistry(host, process, Pusher(host, "builder:secret" if htpasswd else ""))

    yield start
    for process, drain in running:
        process.kill()
        process.wait()
        drain.join()
        process.stderr.close()


@pytest.fixture
def registry(start_registry):
    return start_registry()
