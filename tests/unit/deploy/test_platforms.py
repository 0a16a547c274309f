"""The deploy files against the code: names of variables, times, keys, paths and ports."""

import configparser
import json
import os
import re
import subprocess
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
import yaml
from pydantic import AliasChoices

from config.settings import Settings
from sandbox.worker_process import ROOT

CLOSING_S = 5  # what a worker may need beyond its grace to hand back and close
INTERPRETER = {"PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "LANG"}


def _text(file: str) -> str:
    return (ROOT / file).read_text("utf-8")


@cache
def _yaml(file: str) -> Any:
    [document] = yaml.safe_load_all(_text(file))
    return document


def _unit() -> configparser.ConfigParser:
    unit = configparser.ConfigParser(interpolation=None, strict=True)
    unit.optionxform = str
    unit.read_string(_text("deploy/systemd/vidfab-worker.service"))
    return unit


def _compose() -> Mapping[str, Any]:
    return _yaml("compose.yaml")["services"]


def _pod() -> Mapping[str, Any]:
    return _yaml("deploy/kubernetes.yaml")["spec"]["template"]["spec"]


def _container() -> Mapping[str, Any]:
    [container] = _pod()["containers"]
    return container


def _render() -> Mapping[str, Any]:
    [service] = _yaml("deploy/render.yaml")["services"]
    return service


def _railway() -> Mapping[str, Any]:
    return json.loads(_text("deploy/railway.json"))


def _keda() -> Mapping[str, Any]:
    documents = {one["kind"]: one for one in yaml.safe_load_all(_text("deploy/keda.yaml"))}
    return documents["ScaledObject"]["spec"]


def _ecosystem(option: str) -> str:
    [value] = re.findall(rf"\b{option}: ([^,}}]+)", _text("ecosystem.config.js"))
    return value.strip()


def _pairs(assignments: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in assignments.split())


def _environments() -> dict[str, dict[str, str]]:
    [image] = re.findall(r"^ENV (.+)$", _text("Dockerfile"), re.MULTILINE)
    [pm2] = re.findall(r"env: {(.+?)}", _text("ecosystem.config.js"), re.DOTALL)
    settings = re.findall(r"^ +(\w+): (?:process\.env\.\w+ \|\| )?'([^']*)',$", pm2, re.MULTILINE)
    return {
        "Dockerfile": _pairs(image),
        "compose.yaml": _compose()["worker"]["environment"],
        "ecosystem.config.js": dict(settings),
        "kubernetes.yaml": {one["name"]: one["value"] for one in _container()["env"]},
        "render.yaml": {one["key"]: one.get("value", "") for one in _render()["envVars"]},
        "railway.json": {},
        "systemd": _pairs(_unit()["Service"]["Environment"]),
    }


def _known() -> set[str]:
    aliases = [field.validation_alias for field in Settings.model_fields.values()]
    return {
        str(name)
        for alias in aliases
        for name in (alias.choices if isinstance(alias, AliasChoices) else [alias])
    }


@pytest.mark.parametrize("file", _environments())
def test_every_variable_is_one_that_is_read(file: str) -> None:
    assert set(_environments()[file]) - INTERPRETER <= _known()


@pytest.mark.parametrize("file", _environments())
def test_set_values_are_accepted(file: str) -> None:
    required = {"SUPABASE_URL": "https://a.example", "SUPABASE_SERVICE_KEY": "sb_secret_a"}
    given = {name: value for name, value in _environments()[file].items() if value}
    Settings(**required | given)


def _stop_timeouts_s() -> dict[str, float]:
    """How long each platform waits between the stop signal and SIGKILL."""
    return {
        "Dockerfile": 10,  # Docker's own
        "compose.yaml": float(_compose()["worker"]["stop_grace_period"].removesuffix("s")),
        "ecosystem.config.js": int(_ecosystem("kill_timeout")) / 1000,
        "kubernetes.yaml": _pod()["terminationGracePeriodSeconds"],
        "render.yaml": _render()["maxShutdownDelaySeconds"],
        "railway.json": _railway()["deploy"]["drainingSeconds"],
        "systemd": float(_unit()["Service"]["TimeoutStopSec"]),
    }


@pytest.mark.parametrize("file", _environments())
def test_nothing_is_killed_before_its_grace_is_over(file: str) -> None:
    default = Settings.model_fields["shutdown_grace_s"].default
    grace_s = float(_environments()[file].get("SHUTDOWN_GRACE_S", default))
    assert _stop_timeouts_s()[file] >= grace_s + CLOSING_S


@pytest.mark.parametrize("file", sorted(_environments().keys() - {"Dockerfile", "railway.json"}))
def test_a_picture_that_is_being_bought_is_waited_for(file: str) -> None:
    """It takes about 15 s, and half of one is paid for. The two others name no variable."""
    assert float(_environments()[file]["SHUTDOWN_GRACE_S"]) >= 20


def test_keda_counts_the_keys_of_the_queue() -> None:
    queue = Settings.model_fields["queue_name"].default
    triggers = [trigger["metadata"] for trigger in _keda()["triggers"]]
    keys = [trigger["listName"] for trigger in triggers]
    assert keys == [f"bull:{queue}:{state}" for state in ("prioritized", "wait", "active")]
    assert f'queue="{queue}"' in _text("deploy/keda.yaml")
    concurrency = Settings.model_fields["queue_concurrency"].default
    assert int(triggers[2]["listLength"]) == concurrency


def test_keda_leaves_a_worker_for_what_is_delayed() -> None:
    assert _keda()["minReplicaCount"] == 1
    assert _keda()["scaleTargetRef"]["name"] == _yaml("deploy/kubernetes.yaml")["metadata"]["name"]


def test_keda_asks_redis_as_often_as_the_costs_say() -> None:
    """Without its cache, each question of the autoscaler, every 15 s, would be one to Redis."""
    triggers = _keda()["triggers"]
    assert all(trigger["useCachedMetrics"] for trigger in triggers)
    a_month = len(triggers) * 30 * 24 * 3600 / _keda()["pollingInterval"]
    told = f"| {round(a_month, -4):,.0f} |"
    assert told == "| 130,000 |"
    assert all(told in _text(f"docs/{page}.md") for page in ("cost", "zh/cost"))


def test_kubernetes_probes_reach_the_endpoints() -> None:
    environment = _environments()["kubernetes.yaml"]
    [port] = _container()["ports"]
    assert environment["HEALTH_HOST"] == "0.0.0.0"
    assert str(port["containerPort"]) == environment["HEALTH_PORT"]
    asked = {kind: _container()[f"{kind}Probe"]["httpGet"] for kind in ("liveness", "readiness")}
    assert asked == {
        "liveness": {"path": "/livez", "port": port["name"]},
        "readiness": {"path": "/readyz", "port": port["name"]},
    }
    annotations = _yaml("deploy/kubernetes.yaml")["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == environment["HEALTH_PORT"]


def test_kubernetes_runs_the_user_of_the_image_and_writes_to_tmp() -> None:
    security = _pod()["securityContext"]
    assert f"USER {security['runAsUser']}:{security['runAsGroup']}\n" in _text("Dockerfile")
    assert security["runAsNonRoot"]
    assert _container()["securityContext"]["readOnlyRootFilesystem"]
    [mount] = _container()["volumeMounts"]
    [volume] = _pod()["volumes"]
    assert (mount["name"], mount["mountPath"]) == (volume["name"], "/tmp")
    assert "emptyDir" in volume


def test_kubernetes_keeps_its_service_variables_from_the_settings() -> None:
    """A Service `redis` would set REDIS_PORT=tcp://…, and the start be refused."""
    assert _pod()["enableServiceLinks"] is False


def test_compose_keeps_jobs_and_publishes_nothing() -> None:
    redis, worker = _compose()["redis"], _compose()["worker"]
    assert "--maxmemory-policy noeviction --appendonly yes" in redis["command"]
    assert redis["volumes"] == ["redis-data:/data"]
    assert all(port.startswith("127.0.0.1:") for port in redis["ports"])
    assert "ports" not in worker
    assert worker["read_only"]
    assert worker["volumes"] == ["/tmp"]
    assert worker["depends_on"]["redis"]["condition"] == "service_healthy"
    assert worker["environment"]["REDIS_HOST"] == "redis"


def test_secrets_are_asked_for_and_never_given() -> None:
    secrets = {name for name in _known() if re.search(r"KEY|PASSWORD|TOKEN|DSN|WEBHOOK", name)}
    for environment in _environments().values():
        assert all(environment[name] == "" for name in secrets & set(environment))
    unset = [one["key"] for one in _render()["envVars"] if one.get("sync") is False]
    assert {"BULLMQ_REDIS_URL", "SUPABASE_URL", "SUPABASE_SERVICE_KEY"} <= set(unset)


def test_hosts_build_the_dockerfile() -> None:
    assert _railway()["build"] == {"builder": "DOCKERFILE", "dockerfilePath": "Dockerfile"}
    assert "startCommand" not in _railway()["deploy"]
    assert (_render()["type"], _render()["runtime"]) == ("worker", "docker")
    assert (ROOT / _render()["dockerfilePath"]).is_file()


def test_systemd_signals_the_worker_alone() -> None:
    """Its children get the stop signal only if they outlive it."""
    service = _unit()["Service"]
    assert service["KillMode"] == "mixed"
    assert service["Restart"] == "on-failure"
    assert service["EnvironmentFile"] == "/etc/vidfab-worker.env"


def test_what_ci_runs_is_of_this_repository_alone() -> None:
    [job] = _yaml("deploy/github-actions.yaml")["jobs"].values()
    assert [step for step in job["steps"] if "uses" in step] == []
    scripts = "\n".join(step["run"] for step in job["steps"])
    assert subprocess.run(["bash", "-n"], input=scripts, text=True, check=False).returncode == 0
    assert ".ci/run" in scripts
    assert os.access(ROOT / ".ci/run", os.X_OK)
    assert re.findall(r"^make .+", _text(".ci/run"), re.MULTILINE) == ["make check", "make test"]
    assert "make test " in _text("README.md")
    targets = set(re.findall(r"make ([a-z-]+)", scripts + _text(".ci/run")))
    assert targets <= set(re.findall(r"^([a-z-]+):", _text("Makefile"), re.MULTILINE))


@pytest.mark.parametrize("lock", ["all", "worker", "sbom", "otel"])
def test_every_package_of_a_lock_has_hashes_and_no_address(lock: str) -> None:
    text = _text(f"requirements/{lock}.txt")
    packages = re.findall(r"^[A-Za-z0-9].*", text, re.MULTILINE)
    assert [line for line in packages if not re.fullmatch(r"[\w.-]+==\S+( ; .+)? \\", line)] == []
    assert len(re.findall(r"\\\n    --hash=sha256:", text)) >= len(packages) > 10
    assert "://" not in text
