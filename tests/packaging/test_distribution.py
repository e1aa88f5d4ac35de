"""What is shipped: one top-level name, presets inside, and a wheel that works from the sdist."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytest.importorskip("build")
pytest.importorskip("hatchling")


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """Build an sdist, and a wheel from that sdist."""
    if not (ROOT / "pyproject.toml").is_file():
        pytest.skip("not in a clone")
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def test_the_wheel_has_one_top_level_name_and_the_presets(built):
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = wheel.namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"rl_coordconv"}
    for name in ("agents/presets/ppo.yaml", "agents/presets/a2c.yaml", "py.typed",
                 "envs/presets/atari-57.yaml"):  # fmt: skip
        assert f"rl_coordconv/{name}" in names
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]


def test_the_sdist_holds_what_a_clone_holds(built):
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "Makefile", "constraints.txt",
            "agents/ppo.yaml", "envs/coordconv-9.yaml", "scripts/train_atari.py",
            "tests/packaging/test_distribution.py"} <= names  # fmt: skip


CODE = """
import sys
sys.path.insert(0, sys.argv[1])
import rl_coordconv
assert rl_coordconv.__file__.startswith(sys.argv[1]), rl_coordconv.__file__
from rl_coordconv.agents.presets import load_agent_preset
from rl_coordconv.envs import load_suite
print(load_agent_preset("ppo").n_envs, len(load_suite("atari-57").games))
"""


def test_the_wheel_works_without_the_clone(built, tmp_path):
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        wheel.extractall(tmp_path)
    result = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path)], capture_output=True, text=True, cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == ["8", "57"]
