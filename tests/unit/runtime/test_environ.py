"""The environment of an instance, variable by variable (runtime-contract.md §7.3, §7.4)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from emulator.model.function import Api, Revision
from emulator.runtime.environ import Surroundings, environment, with_tools
from emulator.runtime.spec import RuntimeSpec
from tests.unit.runtime.conftest import ACCOUNT

Make = Callable[..., Revision]
Find = Callable[[str], RuntimeSpec]

SYSTEM = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
KEYS = {
    "ALIBABA_CLOUD_ACCESS_KEY_ID": "ak-id",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "ak-secret",
    "ALIBABA_CLOUD_SECURITY_TOKEN": "sts-token",
}
COMMON = {
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "FC_FUNC_CODE_PATH": "/code/",
    "FC_ACCOUNT_ID": "1000",
    "FC_FUNCTION_HANDLER": "index.handler",
    "FC_FUNCTION_MEMORY_SIZE": "512",
    "FC_FUNCTION_NAME": "hello",
    "FC_REGION": "cn-hangzhou",
    "FC_INSTANCE_ID": "c-1",
}
BUILT_IN = {
    **COMMON,
    **KEYS,
    "PATH": f"/var/fc/lang/python3.10/bin:{SYSTEM}:/opt/bin",
    "LD_LIBRARY_PATH": "/code:/code/lib:/usr/local/lib:/opt/lib",
    "PYTHONPATH": "/code:/opt/python/lib/python3.10/site-packages:/opt/python",
    "FC_VER_ID": "",
    "FCLOCAL_ENDPOINT": "fd:3",
    "FCLOCAL_RUNTIME": "python3.10",
    "FCLOCAL_CONCURRENCY": "1",
    "FCLOCAL_BUNDLED": '{"requests":"requests==2.28.1","oss2":"oss2"}',
    "FCLOCAL_LAYERS": "/opt",
}
CUSTOM = {
    **COMMON,
    **KEYS,
    "PATH": SYSTEM,
    "PYTHONPATH": "/code",
    "FC_CUSTOM_LISTEN_PORT": "9000",
    "FC_SERVER_PORT": "9000",
}


def around(**fields: object) -> Surroundings:
    given = {"account": ACCOUNT, "instance_id": "c-1", "port": 9000, **fields}
    return Surroundings(**given)  # type: ignore[arg-type]


def test_a_built_in_runtime(revision: Make, spec: Find) -> None:
    assert environment(revision(), spec("python3.10"), around()) == BUILT_IN


def test_a_custom_runtime_gets_no_search_paths_and_nothing_of_ours(revision: Make, spec: Find) -> None:
    assert environment(revision("custom.debian10"), spec("custom.debian10"), around()) == CUSTOM


def test_fc2_adds_its_service_and_the_old_names_of_the_keys(revision: Make, spec: Find) -> None:
    made = revision(name="shop$hello", api=Api.FC2, version_id="3")
    assert environment(made, spec("python3.10"), around()) == {
        **BUILT_IN,
        "FC_VER_ID": "3",
        "FC_SERVICE_NAME": "shop",
        "FC_QUALIFIER": "3",
        "topic": "FCLogs:hello",
        "accessKeyID": "ak-id",
        "accessKeySecret": "ak-secret",
        "securityToken": "sts-token",
    }


def test_images_since_debian_11_name_the_version_otherwise(revision: Make, spec: Find) -> None:
    env = environment(revision("python3.12", version_id="7"), spec("python3.12"), around())
    assert env["FC_FUNCTION_VERSION"] == "7"
    assert "FC_VER_ID" not in env


@pytest.mark.parametrize("api", list(Api))
def test_credentials_can_be_kept_out(revision: Make, spec: Find, api: Api) -> None:
    env = environment(revision(api=api, inject_credentials_env=False), spec("python3.10"), around())
    assert not {"ak-id", "ak-secret", "sts-token"} & set(env.values())


def test_the_users_values_win(revision: Make, spec: Find) -> None:
    made = revision(environment={"PATH": "/mine", "TZ": "Asia/Shanghai", "PYTHONPATH": "/p", "A": "1"})
    env = environment(made, spec("python3.10"), around())
    assert env == {**BUILT_IN, **made.function.environment}


def test_reserved_names_stay_fcs_own(revision: Make, spec: Find) -> None:
    mine = {"FC_REGION": "x", "FC_NEW": "x", "FCLOCAL_ENDPOINT": "tcp:1", "accessKeyID": "x"}
    assert environment(revision(environment=mine), spec("python3.10"), around()) == {**BUILT_IN, "accessKeyID": "x"}
    fc2 = environment(revision(environment=mine, api=Api.FC2), spec("python3.10"), around())
    assert fc2["accessKeyID"] == "ak-id"


def test_another_user_and_unwalled_programs_have_their_home_in_tmp(revision: Make, spec: Find) -> None:
    assert environment(revision(user_id=10003), spec("python3.10"), around())["HOME"] == "/tmp"
    assert environment(revision(), spec("python3.10"), around(own_root=False))["HOME"] == "/tmp"


def test_port_concurrency_and_memory_are_the_functions_own(revision: Make, spec: Find) -> None:
    env = environment(revision("custom", memory_mb=1024), spec("custom"), around(port=8080))
    assert (env["FC_SERVER_PORT"], env["FC_CUSTOM_LISTEN_PORT"], env["FC_FUNCTION_MEMORY_SIZE"]) == (
        "8080",
        "8080",
        "1024",
    )
    env = environment(revision(instance_concurrency=20), spec("python3.10"), around())
    assert env["FCLOCAL_CONCURRENCY"] == "20"


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        (SYSTEM, f"/tools:{SYSTEM}"),
        ("/code/bin:/usr/bin:/bin", "/code/bin:/tools:/usr/bin:/bin"),
        ("/var/fc/lang/python3.10/bin:/usr/local/bin/", "/var/fc/lang/python3.10/bin:/tools:/usr/local/bin/"),
        ("/code/bin", "/code/bin:/tools"),
    ],
)
def test_the_images_interpreters_come_before_the_hosts(path: str, wanted: str) -> None:
    assert with_tools(path, "/tools") == wanted
