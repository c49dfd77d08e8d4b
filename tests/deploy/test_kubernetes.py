"""The manifests under deploy/k8s, judged offline by the published schemas, the compose file and the settings."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from worker import settings as settings_module
from worker.cli.healthcheck import Component
from worker.settings import Settings, load_settings
from worker.status.metrics import GAUGES

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "k8s" / "base"
OVERLAYS = sorted((ROOT / "deploy" / "k8s" / "overlays").iterdir())
KUBECTL = Path(sys.executable).parent / "kubectl"
GUIDE = (ROOT / "docs" / "operator" / "install.md").read_text().partition("## Kubernetes")[2].partition("\n## ")[0]
KUSTOMIZATION: dict[str, Any] = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
APPLIED = [part for name in KUSTOMIZATION["resources"] for part in yaml.safe_load_all((FOLDER / name).read_text())]
SECRET: dict[str, Any] = yaml.safe_load((FOLDER.parent / "secret.example.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("finmind-worker:")}
RELEASES = ("1.30", "1.35", "1.36", "1.37")
"""The oldest release promised, and the three newest whose schemas are published in the package."""


def of_kind(*kinds: str) -> dict[str, dict[str, Any]]:
    return {part["metadata"]["name"]: part for part in APPLIED if part["kind"] in kinds}


def pod(name: str) -> dict[str, Any]:
    return of_kind("Deployment", "Job")[name]["spec"]["template"]["spec"]


def container(name: str) -> dict[str, Any]:
    (only,) = pod(name)["containers"]
    return only


def volume(name: str, wanted: str) -> dict[str, Any] | None:
    return next((found for found in pod(name)["volumes"] if found["name"] == wanted), None)


def secret(named: str | dict[str, str]) -> dict[str, str]:
    """Return a secret of a service of the compose file in its long form."""
    return {"source": named, "target": named} if isinstance(named, str) else named


PODS = sorted(of_kind("Deployment", "Job"))
SERVING = sorted(of_kind("Deployment"))
WORKERS = [name for name in SERVING if name.startswith("worker-")]
CONFIG: dict[str, str] = of_kind("ConfigMap")["finmind-worker"]["data"]


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("part", [*APPLIED, SECRET], ids=lambda part: f"{part['kind']}-{part['metadata']['name']}")
def test_every_manifest_follows_the_published_schema(part, release):
    assert kubernetes_validate.validate(part, release, strict=True) == release


def test_every_file_is_applied_and_says_whose_it_is():
    assert {path.name for path in FOLDER.iterdir()} == {*KUSTOMIZATION["resources"], "kustomization.yaml"}
    for part in [*APPLIED, SECRET]:
        assert part["kind"] == "Namespace" or part["metadata"]["namespace"] == KUSTOMIZATION["namespace"]
        assert part["metadata"]["labels"]["app.kubernetes.io/name"] == "finmind-worker"


def build(folder: Path) -> list[dict[str, Any]]:
    asked = [KUBECTL, "kustomize", folder]
    return list(yaml.safe_load_all(subprocess.run(asked, capture_output=True, timeout=60, check=True).stdout))


@pytest.mark.skipif(not KUBECTL.exists(), reason="no kubectl for this platform")
@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda overlay: overlay.name)
def test_an_overlay_is_built_of_the_base_and_follows_the_published_schema(overlay, release):
    built = build(overlay)
    assert len(built) == len(APPLIED)
    for part in built:
        assert kubernetes_validate.validate(part, release, strict=True) == release


@pytest.mark.skipif(not KUBECTL.exists(), reason="no kubectl for this platform")
@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda overlay: overlay.name)
def test_an_overlay_names_one_image_of_a_version_and_every_patch_finds_its_target(overlay):
    stated = yaml.safe_load((overlay / "kustomization.yaml").read_text())
    built = {(part["kind"], part["metadata"]["name"]): part for part in build(overlay)}
    (image,) = stated["images"]
    assert image["newTag"] != "latest"
    used = {found for part in built.values() for found in re.findall(r"'image': '([^']+)'", str(part))}
    assert used == {f"{image['newName']}:{image['newTag']}"}
    assert built["ConfigMap", "finmind-worker"]["data"]["METRICS_LISTEN"] == CONFIG["METRICS_LISTEN"]
    assert built["PersistentVolumeClaim", "statements"]["spec"]["storageClassName"]
    assert built["NetworkPolicy", "data"]["spec"]["egress"] != of_kind("NetworkPolicy")["data"]["spec"]["egress"]


def test_the_same_processes_run_as_in_the_compose_file():
    assert set(PODS) == set(OURS)


@pytest.mark.parametrize("name", PODS)
def test_a_process_is_started_as_in_the_compose_file(name):
    there, here = OURS[name], container(name)
    assert (here["image"], here["command"]) == (there["image"].partition(":")[0], there["command"])
    (there_size,) = re.findall(r"/tmp:.*size=(\d+m)", str(there["tmpfs"]))
    assert volume(name, "scratch")["emptyDir"] == {"medium": "Memory", "sizeLimit": _binary(there_size)}
    mounted = [(item["key"], item["path"]) for item in volume(name, "secrets")["secret"]["items"]]
    assert mounted == [(found["source"], found["target"]) for found in map(secret, there["secrets"])]
    limits = there["deploy"]["resources"]["limits"]
    assert here["resources"]["limits"] == {"cpu": limits["cpus"], "memory": _binary(limits["memory"])}
    assert set(here["resources"]["requests"]) == {"cpu", "memory"}


@pytest.mark.parametrize("name", PODS)
def test_a_pod_is_locked_down(name):
    user = int(OURS[name]["user"].split(":")[0])
    assert pod(name)["automountServiceAccountToken"] is False
    assert pod(name)["enableServiceLinks"] is False  # the Service `api` would set API_PORT to an address
    assert pod(name)["securityContext"] == {
        "runAsNonRoot": True, "runAsUser": user, "runAsGroup": user, "fsGroup": user,
        "fsGroupChangePolicy": "OnRootMismatch", "seccompProfile": {"type": "RuntimeDefault"},
    }  # fmt: skip
    assert container(name)["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod(name).keys()
    assert volume(name, "secrets")["secret"]["defaultMode"] == 0o440
    assert "emptyDir" in volume(name, "scratch")
    mounted = {mount["name"]: mount for mount in container(name)["volumeMounts"]}
    assert set(mounted) == {found["name"] for found in pod(name)["volumes"]}
    assert mounted["scratch"]["mountPath"] == "/tmp"
    assert (mounted["secrets"]["mountPath"], mounted["secrets"]["readOnly"]) == ("/run/secrets", True)


@pytest.mark.parametrize("name", SERVING)
def test_a_process_that_stays_is_probed_at_its_start_and_afterwards(name):
    probes = [container(name)[f"{kind}Probe"] for kind in ("startup", "readiness", "liveness")]
    check = OURS[name]["healthcheck"]["test"]
    for probe in probes:
        if "exec" in probe:
            assert probe["exec"]["command"] == check[1:]
            assert probe["exec"]["command"][-1] in list(Component)
        else:
            (port,) = container(name)["ports"]
            assert port["name"] == probe["httpGet"]["port"]
            assert f"http://127.0.0.1:{port['containerPort']}{probe['httpGet']['path']}'" in check[-1]
    startup, readiness, liveness = (probe["periodSeconds"] * probe["failureThreshold"] for probe in probes)
    assert startup >= 60
    assert readiness < liveness
    if "exec" in probes[-1]:
        assert liveness >= 600, "a short absence of Redis would restart every worker in the middle of its imports"


@pytest.mark.parametrize("name", SERVING)
def test_selectors_find_the_pods_they_are_meant_for(name):
    labels = of_kind("Deployment")[name]["spec"]["template"]["metadata"]["labels"]
    assert labels == {"app.kubernetes.io/name": "finmind-worker", "app.kubernetes.io/component": name}
    assert of_kind("Deployment")[name]["spec"]["selector"]["matchLabels"] == labels
    assert all(
        spread["labelSelector"]["matchLabels"] == labels for spread in pod(name).get("topologySpreadConstraints", [])
    )
    if name in of_kind("PodDisruptionBudget"):
        assert of_kind("PodDisruptionBudget")[name]["spec"]["selector"]["matchLabels"] == labels


def test_workers_may_finish_and_never_all_leave_at_once():
    assert all(pod(name)["terminationGracePeriodSeconds"] >= 120 for name in WORKERS)
    assert set(of_kind("PodDisruptionBudget")) == {*WORKERS, "api"}
    for name in (*WORKERS, "api"):
        assert of_kind("Deployment")[name]["spec"].get("replicas", 2) >= 2
        assert of_kind("PodDisruptionBudget")[name]["spec"]["maxUnavailable"] == 1
        assert pod(name)["topologySpreadConstraints"]
    beat = of_kind("Deployment")["beat"]["spec"]
    assert (beat["replicas"], beat["strategy"]["type"]) == (1, "Recreate")


def test_the_schema_is_applied_by_a_job_that_ends():
    assert of_kind("Job")["migrate"]["spec"]["activeDeadlineSeconds"]
    assert pod("migrate")["restartPolicy"] == "OnFailure"


def test_the_autoscaler_asks_for_metrics_that_exist_and_alone_decides_how_many():
    scaler = of_kind("HorizontalPodAutoscaler")["worker-scheduled"]["spec"]
    assert scaler["scaleTargetRef"]["name"] == "worker-scheduled"
    assert "replicas" not in of_kind("Deployment")["worker-scheduled"]["spec"]
    asked = {metric["external"]["metric"]["name"] for metric in scaler["metrics"]}
    assert "finmind_oldest_due_seconds" in asked
    assert asked <= {gauge.name for gauge in GAUGES if not gauge.labels}
    adapter = yaml.safe_load((FOLDER.parent / "prometheus-adapter.values.yaml").read_text())
    (rule,) = adapter["rules"]["external"]
    (pattern,) = re.findall(r'__name__=~"([^"]+)"', rule["seriesQuery"])
    assert all(re.fullmatch(pattern, name) for name in asked)


def test_everything_that_is_set_is_a_setting():
    assert {name.lower() for name in CONFIG} <= set(Settings.model_fields)
    assert not re.search(r"PASSWORD|SECRET|KEY|TOKEN|URL|AUTH", " ".join(CONFIG))
    for name in PODS:
        assert container(name)["envFrom"] == [{"configMapRef": {"name": "finmind-worker"}}]
        assert "env" not in container(name)


def test_the_api_and_those_who_import_share_the_folder_for_statements():
    shared = {name for name in PODS if volume(name, "statements")}
    assert shared == {"api", "worker-interactive", "worker-scheduled", "worker-heavy"}
    for name in shared:
        mount = next(found for found in container(name)["volumeMounts"] if found["name"] == "statements")
        assert mount["mountPath"] == CONFIG["STATEMENT_FOLDER"] == OURS[name]["environment"]["STATEMENT_FOLDER"]
        claim = volume(name, "statements")["persistentVolumeClaim"]["claimName"]
        assert of_kind("PersistentVolumeClaim")[claim]["spec"]["accessModes"] == ["ReadWriteMany"]


def test_the_template_has_every_key_that_is_mounted_and_no_value():
    mounted = {item["key"] for name in PODS for item in volume(name, "secrets")["secret"]["items"]}
    assert set(SECRET["stringData"]) == mounted
    optional = {name for name, field in Settings.model_fields.items() if field.default is None and name in mounted}
    optional -= {"credential_keys", "jwt_secret", "ops_basic_auth"}
    assert SECRET["stringData"] == {name: "" if name in optional else "FILL-IN" for name in SECRET["stringData"]}
    assert mounted - {"flower_conf"} <= set(Settings.model_fields) | {
        key for key in mounted if key.startswith("database_url_")
    }
    assert SECRET["metadata"]["name"] == volume("api", "secrets")["secret"]["secretName"]
    assert not of_kind("Secret")


def test_settings_are_read_from_secrets_as_kubernetes_mounts_them(tmp_path, monkeypatch):
    held = tmp_path / "..2026_01_01"
    held.mkdir()
    (tmp_path / "..data").symlink_to(held.name)
    for key in ("database_url", "redis_url", "jwt_secret"):
        (held / key).write_text(f"mounted://{key}\n")
        (tmp_path / key).symlink_to(f"..data/{key}")
    for name in [name for name in os.environ if name.endswith("_URL") or name.startswith("JWT")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(settings_module, "MOUNTED_SECRETS", tmp_path)
    assert load_settings().database_url.get_secret_value() == "mounted://database_url"
    assert load_settings().jwt_secret.get_secret_value() == "mounted://jwt_secret"


def test_nobody_talks_to_anybody_unless_a_policy_says_so():
    policies = of_kind("NetworkPolicy")
    assert policies["nothing"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert _chosen(policies["receivers"]) == {"worker-webhooks"}
    assert _chosen(policies["banks"]) == {"worker-interactive", "worker-scheduled", "worker-heavy", "api"}
    assert _chosen(policies["door"]) == {"api"}
    assert _chosen(policies["jwks"]) == {"api"}
    assert _chosen(policies["spans"]) == set(WORKERS)
    assert _ports(policies["data"]) == {5432, 6379}
    assert not _ports(policies["data"]) & (_ports(policies["receivers"]) | _ports(policies["banks"]))


def test_the_way_to_receivers_leads_to_public_addresses_on_the_ports_that_are_set():
    (rule,) = of_kind("NetworkPolicy")["receivers"]["spec"]["egress"]
    blocks = [peer["ipBlock"] for peer in rule["to"]]
    assert [block["cidr"] for block in blocks] == ["0.0.0.0/0", "2000::/3"]
    private = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10", "127.0.0.0/8"}
    assert private <= set(blocks[0]["except"])
    ports = {int(port) for port in Settings.model_fields["webhook_ports"].default.split(",")}
    assert _ports(of_kind("NetworkPolicy")["receivers"]) == ports | {465, 587}


def test_the_service_leads_to_the_api_and_tells_prometheus_where_to_read():
    service, (port,) = of_kind("Service")["api"], container("api")["ports"]
    assert service["spec"]["selector"] == of_kind("Deployment")["api"]["spec"]["selector"]["matchLabels"]
    assert service["spec"]["ports"][0]["targetPort"] == port["name"]
    assert service["metadata"]["annotations"]["prometheus.io/port"] == str(port["containerPort"])
    assert port["containerPort"] == Settings.model_fields["api_port"].default


@pytest.mark.parametrize("name", WORKERS)
def test_prometheus_reads_the_latencies_of_every_worker_where_it_serves_them(name):
    port = int(CONFIG["METRICS_LISTEN"].rpartition(":")[2])
    assert container(name)["ports"] == [{"name": "metrics", "containerPort": port}]
    annotations = of_kind("Deployment")[name]["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(port)
    door = of_kind("NetworkPolicy")["measures"]
    assert name in _chosen(door)
    assert door["spec"]["ingress"][0]["ports"] == [{"protocol": "TCP", "port": "metrics"}]


def test_the_guide_speaks_of_what_is_there():
    words = [word for block in re.findall(r"```sh[^\n]*\n(.*?)```", GUIDE, re.DOTALL) for word in shlex.split(block)]
    named = {word.partition("=")[2] for word in words if word.startswith("app.kubernetes.io/component=")}
    components = {part["metadata"]["labels"]["app.kubernetes.io/component"] for part in APPLIED}
    assert {"ground", "migrate"} <= named <= components
    made = {word.partition("=")[2].partition("=")[0] for word in words if word.startswith("--from-file=")}
    assert {Path(path).name for path in made} == set(SECRET["stringData"])


def _binary(size: str) -> str:
    return size.replace("g", "Gi").replace("m", "Mi")


def _chosen(policy: dict[str, Any]) -> set[str]:
    selector = policy["spec"]["podSelector"]
    names = [value for found in selector.get("matchExpressions", []) for value in found["values"]]
    names += selector.get("matchLabels", {}).values()
    assert set(names) <= set(PODS)
    return set(names)


def _ports(policy: dict[str, Any]) -> set[int]:
    return {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]}
