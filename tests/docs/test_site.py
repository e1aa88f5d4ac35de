"""The site: every page is in it, links work there too, flags are the parsers', and it builds."""

import re
import subprocess
import sys

import pytest
from documents import PAGES, ROOT, read
from known_commands import describe_commands, find_commands
from repository_links import Repository

from rl_coordconv.cli.arguments import flags_of
from rl_coordconv.cli.main import COMMANDS

URL = "https://example.org/somebody/rl-coordconv"


def test_every_page_is_in_the_table_of_contents():
    listed = set()
    for folder, page in (("", "docs/index.md"), ("api/", "docs/api/index.md")):
        for tree in re.findall(r"```\{toctree\}\n(.*?)```", read(page), flags=re.DOTALL):
            for line in tree.splitlines():
                if line and not line.startswith(":"):
                    entry = re.sub(r".*<(.*)>", r"\1", line)
                    listed.add(f"docs/{folder}{entry}.md")
    assert listed == set(PAGES) - {"docs/index.md"}


def test_can_i_use_it_comes_first():
    first = re.search(r"```\{toctree\}\n(?::.*\n)*\n(.*)\n", read("docs/index.md"))
    assert first[1] == "can-i-use-it"


def test_every_flag_of_every_command_is_described():
    sections = re.split(r"^## ", describe_commands(), flags=re.MULTILINE)[1:]
    described = {section.partition("\n")[0]: section for section in sections}
    commands = find_commands()
    assert described.keys() == commands.keys()
    assert {name.partition(" ")[0] for name in commands} == set(COMMANDS)
    assert {"sweep status", "benchmark layer"} <= set(commands)
    for name, kind in commands.items():
        options = re.findall(r"^::::\{option\} (--[a-z-]+)", described[name], flags=re.MULTILINE)
        positional = len(re.findall(r"^::::\{option\} (?!--)", described[name], flags=re.MULTILINE))
        flags = list(flags_of(kind))
        assert [flag for flag in flags if flag in options] == options
        assert len(flags) == len(options) + positional
    assert "Seed of weights, sampling and games. (default: 0)" in described["train"]
    assert "::::{option} --precision {auto,fp32,bf16}" in described["train"]


def rewritten(text, page="sweeps.md", url=None):
    repository = Repository(ROOT, {"CHANGELOG.md": "project/changelog"}, url)
    return repository.rewrite(text, ROOT / "docs" / page, ROOT / "docs" / page)


@pytest.mark.parametrize(
    ("link", "without", "with_url"),
    [
        ("[a](comparing.md#runs)", "[a](comparing.md#runs)", "[a](comparing.md#runs)"),
        ("[a](#pairs)", "[a](#pairs)", "[a](#pairs)"),
        ("[a](https://x.org/y.md)", "[a](https://x.org/y.md)", "[a](https://x.org/y.md)"),
        ("[a](../CHANGELOG.md)", "[a](project/changelog.md)", "[a](project/changelog.md)"),
        ("[a](../agents/ppo.yaml)", "[a](../agents/ppo.yaml)",
         f"[a]({URL}/blob/main/agents/ppo.yaml)"),
        ("[a](precision)", "a", f"[a]({URL}/tree/main/docs/precision)"),
        ("[a](position-in-rl)", "[a](position-in-rl/README.md)", "[a](position-in-rl/README.md)"),
        ("[a](../agents/README.md)", "a", f"[a]({URL}/blob/main/agents/README.md)"),
        ("[a](nowhere.md)", "[a](nowhere.md)", "[a](nowhere.md)"),
        ("![a](figures/learning_curves.png)",) * 3,
        ("```\n[a](precision)\n```",) * 3,
    ],
)  # fmt: skip
def test_links(link, without, with_url):
    assert rewritten(link) == without
    assert rewritten(link, url=URL) == with_url


def test_links_of_a_file_that_is_shown_elsewhere():
    repository = Repository(ROOT, {"SECURITY.md": "project/security"})
    text = repository.rewrite("[a](docs/reliability.md), [b](SECURITY.md)", ROOT / "README.md",
                              ROOT / "docs" / "project" / "x.md")  # fmt: skip
    assert text == "[a](../reliability.md), [b](security.md)"


@pytest.mark.slow
def test_it_builds_without_a_warning(tmp_path):
    for needed in ("sphinx", "furo", "myst_parser", "sphinx_copybutton"):
        pytest.importorskip(needed, reason="pip install -e '.[docs]'")
    result = subprocess.run(
        [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "-q", "-b", "html",
         str(ROOT / "docs"), str(tmp_path / "html"), "-d", str(tmp_path / "doctrees")],
        capture_output=True, text=True, cwd=ROOT, timeout=280, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-3000:]
    commands = (tmp_path / "html" / "commands.html").read_text(encoding="utf8")
    assert 'id="cmdoption-rl-coordconv-train-extractor"' in commands
    layers = (tmp_path / "html" / "api" / "layers.html").read_text(encoding="utf8")
    assert 'id="rl_coordconv.layers.CoordConv2d"' in layers
