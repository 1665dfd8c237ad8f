#!/usr/bin/env python3
"""Checks the deployment files without a container engine.

Every YAML file parses; the Kubernetes objects and the compose file hang together (names, ports, the drain's deadline
against the grace period); the configuration that they carry is accepted by `fanfare config check`, with TLS and without; HAProxy and nginx
accept their files. Says what is wrong, one sentence each, and exits with 1.

Usage: check-deploy.py FANFARE_BINARY
"""

import ipaddress
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
problems = []


def require(holds, message):
    if not holds:
        problems.append(message)


def seconds(text):
    """A duration such as "1m30s" or "45s" in seconds."""
    units = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
    parts = re.findall(r"(\d+)(ms|s|m|h)", text)
    assert parts and "".join(a + b for a, b in parts) == text, text
    return sum(int(number) * units[unit] for number, unit in parts)


def documents(path):
    return [d for d in yaml.safe_load_all(path.read_text()) if d is not None]


def merged(base, patch):
    """What kustomize makes of an object and a patch of it, as far as the patches here go: lists of objects are merged by name or port."""
    if isinstance(base, dict) and isinstance(patch, dict):
        return {key: merged(base[key], patch[key]) if key in base and key in patch else base.get(key, patch.get(key)) for key in base | patch}
    if isinstance(base, list) and isinstance(patch, list) and all(isinstance(one, dict) for one in base + patch):
        same = lambda one, other: any(one.get(key) is not None and one.get(key) == other.get(key) for key in ("port", "name"))
        kept = [merged(one, next((other for other in patch if same(one, other)), {})) for one in base]
        added = [one for one in patch if not any(same(one, other) for other in base)]
        return [one for one in kept + added if one.get("$patch") != "delete"]
    return patch


def certificate(scratch):
    """A file with a certificate and its key, in place of those that are not here."""
    path = pathlib.Path(scratch) / "certificate.pem"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    words += ["-subj", "/CN=sample", "-addext", "subjectAltName=DNS:sample.example", "-keyout", path, "-out", path.with_suffix(".crt")]
    subprocess.run(words, check=True, capture_output=True)
    path.write_text(path.read_text() + path.with_suffix(".crt").read_text())
    return str(path)


def with_certificate(env, scratch):
    """The same environment with files that are there."""
    return {**env, **{name: certificate(scratch) for name in ("FANFARE__SERVER__CERTIFICATE", "FANFARE__SERVER__KEY")}}


def config_check(binary, what, env=None, toml=None):
    """Whether `fanfare config check` accepts a file and an environment."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("FANFARE__")}
    command = [binary, "config", "check"]
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        if toml is not None:
            file.write(toml)
            file.flush()
            command += ["--config", file.name]
        done = subprocess.run(command, env={**clean, **(env or {})}, capture_output=True, text=True)
    require(done.returncode == 0, f"{what}: fanfare config check refuses it: {done.stderr.strip() or done.stdout.strip()}")


def drain_deadline(binary, env=None, toml=None):
    """The deadline in seconds that a node would run with."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("FANFARE__")}
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(toml or "")
        file.flush()
        command = [binary, "config", "print", "--config", file.name]
        shown = subprocess.run(command, env={**clean, **(env or {})}, capture_output=True, text=True, check=True).stdout
    found = re.search(r'^\[drain\]\n(?:[^\[]*\n)*?deadline = "([^"]+)"', shown, re.M)
    assert found, shown
    return seconds(found.group(1))


def kubernetes(binary):
    directory = ROOT / "deploy/kubernetes"
    kustomization = documents(directory / "kustomization.yaml")[0]
    listed = set(kustomization["resources"])
    present = {p.name for p in directory.glob("*.yaml")} - {"kustomization.yaml", "secret.example.yaml"}
    require(listed == present, f"kustomization.yaml lists {sorted(listed)}, the directory holds {sorted(present)}")
    objects = [d for name in sorted(present) for d in documents(directory / name)]
    for one in objects:
        require(
            {"apiVersion", "kind", "metadata"} <= one.keys() and "name" in one["metadata"],
            f"an object without apiVersion, kind or name: {one}",
        )
    by_kind = {}
    for one in objects:
        by_kind.setdefault(one["kind"], []).append(one)
    deployment = by_kind["Deployment"][0]["spec"]
    pod = deployment["template"]["spec"]
    container = pod["containers"][0]
    labels = deployment["template"]["metadata"]["labels"]
    ports = {p["name"]: p["containerPort"] for p in container["ports"]}

    for kind, selector in [
        ("Service", lambda o: o["spec"]["selector"]),
        ("PodDisruptionBudget", lambda o: o["spec"]["selector"]["matchLabels"]),
        ("NetworkPolicy", lambda o: o["spec"]["podSelector"]["matchLabels"]),
        ("Deployment", lambda o: o["spec"]["selector"]["matchLabels"]),
    ]:
        for one in by_kind[kind]:
            require(selector(one).items() <= labels.items(), f"{kind} {one['metadata']['name']} selects no pod of ours")
    for service in by_kind["Service"]:
        for port in service["spec"]["ports"]:
            require(port["targetPort"] in ports, f"Service port {port['targetPort']} is no port of the container")
        require(service["spec"].get("sessionAffinity", "None") == "None", "stickiness is not wanted")
    for probe, path in [("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz?accept=1")]:
        get = container[probe]["httpGet"]
        require((get["path"], get["port"]) == (path, "admin"), f"{probe} asks {get}")
    require(deployment["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}, "a roll-out must add a node first")

    toml = by_kind["ConfigMap"][0]["data"]["fanfare.toml"]
    env = {e["name"]: "redis://redis:6379" if "URL" in e["name"] else "0123456789abcdef0123456789abcdef" for e in container["env"]}
    config_check(binary, "deploy/kubernetes", env, toml)
    require(f'listen = "0.0.0.0:{ports["http"]}"' in toml, "the ConfigMap listens on another port than the container's http")
    require(f'listen = "0.0.0.0:{ports["admin"]}"' in toml, "the ConfigMap listens on another port than the container's admin")
    require("trusted_proxies" in toml, "the ConfigMap does not say whose word about a client's address counts")
    deadline = drain_deadline(binary, env, toml)
    grace = pod["terminationGracePeriodSeconds"]
    require(deadline < grace, f"drain.deadline {deadline} s is not shorter than terminationGracePeriodSeconds {grace}")
    mounted = container["volumeMounts"][0]["mountPath"] + "/fanfare.toml"
    require(mounted in container["args"], f"the container is not told to read {mounted}")
    for one in container["env"]:
        secret = one["valueFrom"]["secretKeyRef"]
        require(secret["name"] == "fanfare", f"{one['name']} comes from another Secret")


def kubernetes_tls(binary):
    """The component with TLS, laid over what it is for."""
    directory = ROOT / "deploy/kubernetes/tls"
    component = documents(directory / "kustomization.yaml")[0]
    require(component["kind"] == "Component", "deploy/kubernetes/tls is no component")
    listed = set(component["resources"]) | {patch["path"] for patch in component["patches"]}
    present = {path.name for path in directory.glob("*.yaml")} - {"kustomization.yaml"}
    require(listed == present, f"deploy/kubernetes/tls lists {sorted(listed)}, the directory holds {sorted(present)}")
    base = {(o["kind"], o["metadata"]["name"]): o for path in (ROOT / "deploy/kubernetes").glob("*.yaml") for o in documents(path) if "metadata" in o}
    objects = {}
    for patch in component["patches"]:
        for one in documents(directory / patch["path"]):
            key = (one["kind"], one["metadata"]["name"])
            require(key in base, f"deploy/kubernetes/tls/{patch['path']} is a patch of nothing: {key}")
            objects[key] = merged(base[key], one)
    pod = objects["Deployment", "fanfare"]["spec"]["template"]["spec"]
    container = pod["containers"][0]
    require(len(pod["containers"]) == 1, "deploy/kubernetes/tls adds a container")
    ports = [(port["port"], port["targetPort"]) for port in objects["Service", "fanfare"]["spec"]["ports"]]
    require(ports == [(443, "http")], f"deploy/kubernetes/tls: the Service has {ports}")
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    secret = {volume["name"]: volume for volume in pod["volumes"]}["tls"]["secret"]
    wanted = documents(directory / "certificate.yaml")[0]["spec"]["secretName"]
    require(secret["secretName"] == wanted, f"the pod mounts the Secret {secret['secretName']}, cert-manager writes {wanted}")
    require(secret["defaultMode"] == 0o440 and pod["securityContext"]["fsGroup"] == pod["securityContext"]["runAsGroup"], "the node cannot read its key, or everybody can")
    env = {one["name"]: one.get("value", "redis://redis:6379" if "URL" in one["name"] else "0123456789abcdef0123456789abcdef") for one in container["env"]}
    for name, file in [("FANFARE__SERVER__CERTIFICATE", "tls.crt"), ("FANFARE__SERVER__KEY", "tls.key")]:
        require(env[name] == f"{mounts['tls']}/{file}", f"deploy/kubernetes/tls: {name} is {env[name]}")
    require(env["FANFARE__SERVER__TRUSTED_PROXIES"] == "[]", "deploy/kubernetes/tls trusts proxies where there are none")
    with tempfile.TemporaryDirectory() as scratch:
        config_check(binary, "deploy/kubernetes/tls", with_certificate(env, scratch), base["ConfigMap", "fanfare"]["data"]["fanfare.toml"])
        if shutil.which("kubectl"):
            shutil.copytree(ROOT / "deploy/kubernetes", pathlib.Path(scratch) / "kubernetes")
            overlay = pathlib.Path(scratch) / "overlay"
            overlay.mkdir()
            (overlay / "kustomization.yaml").write_text("resources: [../kubernetes]\ncomponents: [../kubernetes/tls]\n")
            done = subprocess.run(["kubectl", "kustomize", overlay], capture_output=True, text=True)
            require(done.returncode == 0, f"kubectl kustomize: {done.stderr.strip()}")
            for one in yaml.safe_load_all(done.stdout):
                if one["kind"] == "Deployment":
                    by_name = lambda container: sorted(container["env"], key=lambda variable: variable["name"])
                    same = by_name(one["spec"]["template"]["spec"]["containers"][0]) == by_name(container)
                    require(same, "kubectl kustomize makes another Deployment than this check")


def compose(binary):
    file = documents(ROOT / "docker-compose.yml")[0]
    services = file["services"]
    gateway = services["gateway"]
    image_env = dict(re.findall(r"(FANFARE__\w+)=(\S+)", (ROOT / "Dockerfile").read_text().split("\nENV ")[1]))
    env = {**image_env, **gateway["environment"]}
    config_check(binary, "docker-compose.yml with the Dockerfile's environment", env)
    deadline = drain_deadline(binary, env)
    grace = seconds(gateway["stop_grace_period"])
    require(deadline < grace, f"docker-compose.yml: drain.deadline {deadline} s is not shorter than stop_grace_period {grace} s")
    require(gateway["deploy"]["replicas"] >= 2, "docker-compose.yml: one node is no fleet")
    for name, service in services.items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            require(not source.startswith(".") or (ROOT / source).exists(), f"docker-compose.yml: {name} mounts {source}, which does not exist")
        for other in service.get("depends_on", []):
            require(other in services, f"docker-compose.yml: {name} depends on {other}, which does not exist")
    require(services["balancer"]["environment"]["FANFARE_NODES"] in services, "docker-compose.yml: the balancer looks for another service")
    trusted = gateway["environment"]["FANFARE__SERVER__TRUSTED_PROXIES"]
    address = services["balancer"]["networks"]["default"]["ipv4_address"]
    require(trusted == address, f"docker-compose.yml: the nodes trust {trusted}, the balancer is {address}")
    pool = file["networks"]["default"]["ipam"]["config"][0]
    subnet, automatic = ipaddress.ip_network(pool["subnet"]), ipaddress.ip_network(pool["ip_range"])
    require(ipaddress.ip_address(address) in subnet, f"docker-compose.yml: {address} is not in {subnet}")
    require(ipaddress.ip_address(address) not in automatic, f"docker-compose.yml: another container may get {address}")
    prometheus = documents(ROOT / "deploy/prometheus/prometheus.yml")[0]
    jobs = {job["job_name"]: job for job in prometheus["scrape_configs"]}
    require(jobs["fanfare"]["dns_sd_configs"][0]["names"] == ["gateway"], "prometheus.yml looks for another service")
    for rules in prometheus["rule_files"]:
        require((ROOT / "deploy/prometheus" / rules).exists(), f"prometheus.yml reads {rules}, which does not exist")
    known = set(re.findall(r"`((?:fanfare|process)_\w+)`", (ROOT / "docs/metrics.md").read_text()))
    rules = [rule for group in documents(ROOT / "deploy/prometheus/alerts.yml")[0]["groups"] for rule in group["rules"]]
    for rule in rules:
        for name in re.findall(r"\bfanfare_\w+", rule["expr"]):
            family = re.sub(r"_(bucket|sum|count)$", "", name)
            require({name, family} & known, f"alerts.yml: {rule['alert']} asks for {name}, which docs/metrics.md does not know")
    alerts(rules)


def compose_tls(binary):
    """The compose file with TLS, laid over the other."""
    base, over = (documents(ROOT / name)[0]["services"] for name in ("docker-compose.yml", "deploy/docker-compose.tls.yml"))
    require(over.keys() <= base.keys(), f"deploy/docker-compose.tls.yml has a service that docker-compose.yml does not know: {sorted(over)}")
    image_env = dict(re.findall(r"(FANFARE__\w+)=(\S+)", (ROOT / "Dockerfile").read_text().split("\nENV ")[1]))
    env = {**image_env, **base["gateway"]["environment"], **over["gateway"]["environment"]}
    mounted = over["gateway"]["volumes"][0].rsplit(":", 2)[1]
    for name in ("FANFARE__SERVER__CERTIFICATE", "FANFARE__SERVER__KEY"):
        require(env[name].startswith(f"{mounted}/"), f"deploy/docker-compose.tls.yml: {name} is not in {mounted}")
    with tempfile.TemporaryDirectory() as scratch:
        config_check(binary, "deploy/docker-compose.tls.yml", with_certificate(env, scratch))
    # The nodes and their balancer agree about what a connection begins with.
    config = (ROOT / "deploy/haproxy" / pathlib.Path(over["balancer"]["command"][-1]).name).read_text()
    require(env["FANFARE__SERVER__PROXY_PROTOCOL"] == "on" and "send-proxy-v2" in config, "deploy/docker-compose.tls.yml: nodes and balancer differ about the PROXY protocol")
    for port in over["balancer"]["ports"]:
        require(f"bind :{port.rsplit(':', 1)[1]}\n" in config, f"deploy/docker-compose.tls.yml: nothing listens at {port}")


def alerts(rules):
    """Each alert leads to lines in the runbook and has a test, and promtool runs them."""
    directory = ROOT / "deploy/prometheus"
    names = [rule["alert"] for rule in rules]
    headings = re.findall(r"^## (Fanfare\w+)$", (ROOT / "docs/runbooks.md").read_text(), re.M)
    require(headings == names, f"docs/runbooks.md and alerts.yml differ: {sorted(set(headings) ^ set(names)) or 'in their order'}")
    repository = re.search(r'^repository = "(.*)"$', (ROOT / "Cargo.toml").read_text(), re.M).group(1)
    tests = (directory / "alerts.test.yml").read_text()
    for rule in rules:
        url = f"{repository}/blob/main/docs/runbooks.md#{rule['alert'].lower()}"
        require(rule["annotations"].get("runbook_url") == url, f"alerts.yml: {rule['alert']} does not lead to {url}")
        tested = f"ALERTS{{alertname=\"{rule['alert']}\", alertstate=\"firing\"}}" in tests
        require(tested, f"alerts.test.yml does not test {rule['alert']}")
    for words in [["check", "rules", "alerts.yml"], ["test", "rules", "alerts.test.yml"]]:
        done = subprocess.run(["promtool", *words], cwd=directory, capture_output=True, text=True)
        require(done.returncode == 0, f"promtool {' '.join(words)}: {done.stdout}{done.stderr}")


def systemd(binary):
    unit = (ROOT / "deploy/systemd/fanfare.service").read_text()
    stop = seconds(re.search(r"^TimeoutStopSec=(.*)$", unit, re.M).group(1))
    deadline = drain_deadline(binary)
    require(deadline < stop, f"fanfare.service: TimeoutStopSec {stop} s is not longer than the default drain.deadline {deadline} s")


def balancers():
    path = os.environ["PATH"] + ":/usr/local/sbin:/usr/sbin:/sbin"
    env = {**os.environ, "PATH": path, "FANFARE_NODES": "localhost"}
    for file in sorted((ROOT / "deploy/haproxy").glob("*.cfg")):
        done = subprocess.run(["haproxy", "-c", "-f", file], env=env, capture_output=True, text=True)
        require(done.returncode == 0 and "WARNING" not in done.stderr, f"haproxy, {file.name}: {done.stderr.strip()}")
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        for file in (ROOT / "deploy/nginx").iterdir():
            # The names of the nodes resolve only where the nodes are.
            (scratch / file.name).write_text(re.sub(r"\bnode-[ab]\b", "127.0.0.1", file.read_text()))
        command = ["nginx", "-t", "-p", scratch, "-c", scratch / "nginx.conf", "-g", f"pid {scratch}/pid; error_log stderr;"]
        done = subprocess.run(command, env=env, capture_output=True, text=True)
        require(done.returncode == 0 and "[warn]" not in done.stderr, f"nginx: {done.stderr.strip()}")


def main():
    binary = str(pathlib.Path(sys.argv[1]).resolve())
    for path in sorted(ROOT.glob("deploy/**/*.y*ml")) + [ROOT / "docker-compose.yml"]:
        documents(path)
    kubernetes(binary)
    kubernetes_tls(binary)
    compose(binary)
    compose_tls(binary)
    systemd(binary)
    balancers()
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    if problems:
        return 1
    print("deploy: the files are well-formed and hang together")
    return 0


if __name__ == "__main__":
    sys.exit(main())
