"""``rl-coordconv export``: write a trained agent for programs without PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from rl_coordconv._util.console import PlainConsole
from rl_coordconv.cli.arguments import parse
from rl_coordconv.cli.outputs import check_extra, check_file

if TYPE_CHECKING:
    from rl_coordconv.exports.export import Export

ENDINGS = (".onnx",)
PACKAGES = ("onnx", "onnxscript", "onnxruntime")


@dataclass(frozen=True)
class ExportArguments:
    """Write a trained agent's policy as ONNX: uint8 images in; logits (or mean and standard
    deviation), the most probable action and the value out; batches of any size. A JSON file beside
    it says what goes in and comes out. Needs rl-coordconv[onnx]."""

    run_dir: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN_DIR")]
    """The run's directory."""
    onnx: Path
    """The file to write, for example policy.onnx; policy.onnx.json is written beside it."""
    trust: bool = False
    """Import, and so run, code of other packages that the run's files name: its environment, its
    wrappers, its extractor."""


def run(argv: list[str]) -> int:
    """Parse the flags, export, and say what was written."""
    arguments = parse(ExportArguments, argv, command="export")
    for package in PACKAGES:
        check_extra(package, "onnx", "writing ONNX")
    check_file("--onnx", arguments.onnx, ENDINGS)
    from rl_coordconv.exports.export import contract_path, export_onnx
    from rl_coordconv.runs import RunDirectory
    from rl_coordconv.training.evaluate import load_agent, refuse_model_file, unfinished_note
    from rl_coordconv.training.trust import import_named_code

    check_file("--onnx", contract_path(arguments.onnx))
    console = PlainConsole()
    directory = RunDirectory(arguments.run_dir)
    refuse_model_file(directory)
    if arguments.trust:
        import_named_code(directory.config())
    agent = load_agent(directory, "cpu")
    if note := unfinished_note(agent):
        console.print(f"note: {note}", soft_wrap=True, highlight=False, markup=False)
    written = export_onnx(agent, arguments.onnx)
    console.print(_describe(written), soft_wrap=True, highlight=False, markup=False)
    return 0


def _describe(written: Export) -> str:
    policy = written.policy
    inputs = ", ".join(
        f"{name} {_shape(shape)} {dtype}" for name, (shape, dtype) in policy.inputs.items()
    )
    return (
        f"{written.path} ({len(policy.content) / 1e6:.1f} MB): {inputs} in; "
        f"{', '.join(policy.outputs)} out\n"
        f"onnxruntime {policy.versions['onnxruntime']} computes what torch does to within "
        f"{policy.largest_difference:.1e}\n"
        f"what goes in and comes out: {written.contract}"
    )


def _shape(sides: tuple[int, ...]) -> str:
    return f"(batch, {', '.join(map(str, sides))})" if sides else "(batch,)"
