"""The files around the code: what they name is there."""

import re
from pathlib import Path

import pytest
import yaml

from rl_coordconv.version import __version__

ROOT = Path(__file__).parents[1]
TARGETS = {"test", "test-versions", "lint", "docs"}
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
pytestmark = pytest.mark.skipif(not WORKFLOWS, reason="an unpacked sdist has no workflows")


def commands():
    for path in WORKFLOWS:
        for job in yaml.safe_load(path.read_text())["jobs"].values():
            yield from (step["run"] for step in job["steps"] if "run" in step)


def test_workflows_call_targets_of_the_makefile():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called = [re.findall(r"^make ([\w-]+)", command) for command in commands()]
    assert {name for names in called for name in names} == TARGETS
    assert all(names for names in called)
    assert targets >= TARGETS


def test_workflows_run_on_every_python_that_is_declared():
    declared = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text())
    jobs = yaml.safe_load(WORKFLOWS[0].read_text())["jobs"]
    assert jobs["tests"]["strategy"]["matrix"]["python"] == declared
    assert jobs["versions"]["strategy"]["matrix"]["versions"] == ["oldest", "newest"]


@pytest.mark.parametrize("name", ["bug.yml", "question.yml"])
def test_issue_forms_are_forms(name):
    form = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / name).read_text())
    assert {"name", "description", "body"} <= set(form)
    fields = [part["id"] for part in form["body"]]
    assert len(fields) == len(set(fields))


def test_a_bug_report_asks_for_check_env():
    assert "check_env" in (ROOT / ".github" / "ISSUE_TEMPLATE" / "bug.yml").read_text()


def test_the_citation_names_the_paper():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    (paper,) = citation["references"]
    assert len(paper["authors"]) == 7
    assert paper["identifiers"][0]["value"] == "arXiv:1807.03247"
    # Without a version of its own it cannot be behind.
    assert "version" not in citation
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", __version__)
