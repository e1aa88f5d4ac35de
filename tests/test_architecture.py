"""The import rules: which subpackage may import which, and what an import may cost."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

import rl_coordconv

PACKAGE = Path(rl_coordconv.__file__).parent
ALLOWED = {
    "_util": set(),
    "machine": set(),
    "layers": set(),
    "envs": {"machine"},
    "statistics": set(),
    "extractors": {"layers"},
    "tasks": {"layers", "machine"},
    "agents": {"layers", "extractors", "machine"},
    "runs": {"agents", "envs", "extractors", "machine"},
    "trackers": {"runs"},
    "hub": {"agents", "runs"},
    "training": {"layers", "extractors", "agents", "envs", "runs", "trackers", "machine"},
    "sweeps": {"agents", "envs", "extractors", "runs", "training", "machine"},
    "reports": {"runs", "envs", "extractors", "statistics", "machine"},
    "exports": {"agents", "envs", "runs", "training"},
    "benchmarks": {
        "layers",
        "extractors",
        "envs",
        "agents",
        "runs",
        "training",
        "sweeps",
        "machine",
    },
    "cli": {
        "training",
        "sweeps",
        "reports",
        "exports",
        "trackers",
        "hub",
        "benchmarks",
        "runs",
        "tasks",
        "machine",
        "envs",
        "extractors",
    },
}
"""What each subpackage may import; `_util` and the files beside them are open to all."""


def subpackages() -> list[str]:
    return sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))


def imported_modules(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_every_subpackage_has_its_rule():
    assert subpackages() == sorted(ALLOWED)


@pytest.mark.parametrize("subpackage", sorted(ALLOWED))
def test_imports_point_one_way(subpackage):
    for path in (PACKAGE / subpackage).rglob("*.py"):
        parts = [name.split(".") for name in imported_modules(path)]
        used = {part[1] for part in parts if part[0] == "rl_coordconv" and len(part) > 1}
        wrong = (used & set(ALLOWED)) - ALLOWED[subpackage] - {subpackage, "_util"}
        assert not wrong, f"{path.relative_to(PACKAGE)} imports {sorted(wrong)}"


def test_layers_need_torch_alone():
    for path in (PACKAGE / "layers").glob("*.py"):
        names = {name.split(".")[0] for name in imported_modules(path)}
        foreign = names - set(sys.stdlib_module_names) - {"rl_coordconv", "torch"}
        assert not foreign, f"{path.name} imports {sorted(foreign)}"


def test_envs_know_no_network():
    for path in (PACKAGE / "envs").rglob("*.py"):
        if path.name == "codecs.py":  # whose tensors are what a checkpoint may hold
            continue
        assert not {n for n in imported_modules(path) if n.split(".")[0] == "torch"}, path.name


PRIVATE = {
    "_util/torch_internals.py": {
        *("ops", "_foreach_mul_", "_has_any_global_hook", "_backward_hooks", "_forward_hooks"),
        *("_optimizer_step_pre_hooks", "_is_avx512_bf16_supported"),
    },
    "_util/sb3_internals.py": {"_stats_window_size", "_wrap_env"},
    "envs/emulator.py": {"send", "recv"},
}
"""What is looked up on objects of other libraries, and the one file that may."""


@pytest.mark.parametrize("place", sorted(PRIVATE))
def test_private_interfaces_are_used_in_one_place(place):
    """See "Private interfaces that we lean on" in CONTRIBUTING.md."""
    for path in PACKAGE.rglob("*.py"):
        tree = ast.walk(ast.parse(path.read_text(encoding="utf8")))
        found = {ast.unparse(node) for node in tree if isinstance(node, ast.Attribute)}
        used = {name for name in found if name.split(".")[-1] in PRIVATE[place]}
        if place == "envs/emulator.py":
            used = {name for name in used if ".ale." in name}
        assert not used or path == PACKAGE / place, f"{path.relative_to(PACKAGE)} uses {used}"


HEAVY = (
    "torch",
    "stable_baselines3",
    "matplotlib",
    "tensorboard",
    "ray",
    "ale_py",
    "cv2",
    "jinja2",
    "scipy",
    "onnx",
    "onnxruntime",
    "wandb",
    "trackio",
    "mlflow",
    "huggingface_hub",
)


@pytest.mark.parametrize("statement", ["import rl_coordconv", "import rl_coordconv.cli"])
def test_importing_is_light(statement):
    code = f"import sys; {statement}; print(*[n for n in {HEAVY!r} if n in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == []


def test_the_presets_folders_hold_no_python():
    root = PACKAGE.parent
    for folder in ("agents", "envs"):
        assert not list((root / folder).rglob("*.py"))


def test_scripts_are_thin_doors():
    for path in (PACKAGE.parent / "scripts").glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf8"))
        assert len(tree.body) <= 8, path.name
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)], path.name


def imports_at_once(path: Path, modules: set[str]) -> set[str]:
    """Return the modules of this package that importing a file imports right away."""
    found: set[str] = set()

    def visit(nodes):
        for node in nodes:
            is_for_types = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
            if is_for_types or isinstance(node, ast.FunctionDef):
                continue
            if isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names if alias.name in modules)
            elif isinstance(node, ast.ImportFrom):
                names = {f"{node.module}.{alias.name}" for alias in node.names}
                found.update(names & modules or {node.module} & modules)
            else:
                visit(ast.iter_child_nodes(node))

    visit(ast.parse(path.read_text(encoding="utf8")).body)
    return found


def test_no_files_import_each_other_in_a_circle():
    root = PACKAGE.parent
    files = {
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path
        for path in PACKAGE.rglob("*.py")
    }
    graph = {name: imports_at_once(path, set(files)) - {name} for name, path in files.items()}
    assert sum(map(len, graph.values())) > 500
    order = list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError
    assert order.index("rl_coordconv.layers.conv") < order.index("rl_coordconv.extractors.nature")
