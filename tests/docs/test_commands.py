"""Every command of every page is one that the program takes, and names things that exist."""

import itertools
import re
import shlex
import tomllib

import pytest
from documents import DOCUMENTS, PAGES, ROOT, blocks, inline_code
from known_commands import find_commands

from rl_coordconv._util.errors import InputError
from rl_coordconv._util.presets import preset_path
from rl_coordconv.cli.arguments import parse
from rl_coordconv.envs import find_env
from rl_coordconv.extractors import EXTRACTORS
from rl_coordconv.extractors.arms import parse_arm

COMMANDS = find_commands()
SCRIPTS = {
    path.name: re.search(r'main\(\["(\w+)"', path.read_text())[1]
    for path in (ROOT / "scripts").glob("*.py")
}
PLACEHOLDERS = {"SEED": "0", "N": "1", "PRECISION": "fp32", "EXTRACTOR": "cnn", "TASK": "digits"}
"""What a reader puts there; other words in capitals are paths and names."""
OURS = ("rl-coordconv ", "python -m rl_coordconv ", "python scripts/", "make ", "python -m pytest ",
        "pip install ", "python docs/")  # fmt: skip
SHELL = {"", "sh", "bash", "console"}


def written(document):
    """Return the commands of a page that are ours, each on one line."""
    lines = []
    for block in blocks(document):
        if block.language in SHELL:
            lines += block.text.replace("\\\n", " ").splitlines()
    lines += inline_code(document)
    return sorted({line.strip() for line in lines if line.strip().startswith(OURS)})


def spelled_out(line):
    """Return a command's words, once for each choice that ``a|b`` leaves."""
    words = [word for word in shlex.split(line, comments=True) if word != "..."]
    choices = [[PLACEHOLDERS.get(part, part) for part in word.split("|")] for word in words]
    return [list(one) for one in itertools.product(*choices)]


def arguments_of(words):
    """Parse a command of the program; None where it asks for help alone."""
    if words[:2] == ["python", "-m"]:
        words = words[2:]
    elif words[0] == "python":
        words = ["", SCRIPTS[words[1].removeprefix("scripts/")], *words[2:]]
    length = 2 if " ".join(words[1:3]) in COMMANDS else 1
    name, rest = " ".join(words[1 : 1 + length]), words[1 + length :]
    if not rest or "--help" in rest:  # the command is only mentioned
        assert name in COMMANDS or name in ("COMMAND", "benchmark"), name
        return None
    return parse(COMMANDS[name], rest, command=name)


def check_names(arguments):
    """Look up what a command names: games, agents, extractors, suites."""

    def every(*fields):
        for field in fields:
            value = getattr(arguments, field, None)
            yield from ([value] if isinstance(value, str) else value or ())

    for arm in every("extractor", "extractors"):
        name, options = parse_arm(arm)
        if ":" not in name and isinstance(getattr(arguments, "extractor_kwargs", ()), tuple):
            EXTRACTORS[name].choose(options)
    for game in every("game", "games"):
        find_env(game)
    for kind, folder, names in (("agent", "agents", every("agent", "agents")),
                                ("suite", "envs", every("suite"))):  # fmt: skip
        for name in names:
            if not name.endswith(".yaml"):
                assert preset_path(folder, kind, name).is_file()


def check_elsewhere(words):
    """Check a command of another program: what it takes from this repository."""
    if words[0] == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert set(words[1:2]) <= set(targets), words
    elif words[0] == "pip":
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
            "optional-dependencies"
        ]
        for inside in re.findall(r"\[([\w,]+)\]", " ".join(words)):
            if "rl-coordconv" in " ".join(words) or "." in " ".join(words):
                assert set(inside.split(",")) <= {*extras, "box2d"}, words
    else:
        paths = [word for word in words[1:] if word.startswith(("tests/", "docs/"))]
        assert all(list(ROOT.glob(path.partition("::")[0])) for path in paths), words


def is_of_the_program(words):
    """Tell whether a command is the program's own, in any of its three spellings."""
    start = " ".join(words[:3])
    return start.startswith(("rl-coordconv", "python -m rl_coordconv", "python scripts/"))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_are_taken(document):
    for line in written(document):
        for words in spelled_out(line):
            if not is_of_the_program(words):
                check_elsewhere(words)
                continue
            try:
                check_names(arguments_of(words))
            except (InputError, LookupError, ValueError) as error:
                pytest.fail(f"{line}\n{error}")


def test_pages_hold_many_commands():
    assert sum(len(written(document)) for document in PAGES) > 60


@pytest.mark.parametrize(
    "line",
    ["rl-coordconv train --gam Pong", "rl-coordconv sweep --seeds many", "rl-coordconv trian",
     "python scripts/train_atari.py --game Pong --agent pppo", "rl-coordconv train --game Pongg",
     "rl-coordconv sweep --games Aim --extractors coordconf"],
)  # fmt: skip
def test_a_wrong_command_would_be_found(line):
    with pytest.raises((InputError, LookupError, ValueError, AssertionError)):
        check_names(arguments_of(spelled_out(line)[0]))
