"""How arms are written, read, and compared with their controls."""

import pytest

from rl_coordconv._util.errors import InputError
from rl_coordconv.extractors.arms import (
    arm_name,
    control_of,
    extractor_of,
    is_control,
    parse_arm,
    published_tally,
)


@pytest.mark.parametrize(("text", "name", "options"), [
    ("cnn", "cnn", {}),
    (" coordconv-all ", "coordconv-all", {}),
    ("coordconv()", "coordconv", {}),
    ("coordconv(with_r=true)", "coordconv", {"with_r": True}),
    ("coordconv( with_r = True , pooling=max )", "coordconv", {"with_r": True, "pooling": "max"}),
    ("my_pkg.nets:MyCNN(depth=3, rate=0.5)", "my_pkg.nets:MyCNN", {"depth": 3, "rate": 0.5}),
    ("a:B(kind='3')", "a:B", {"kind": "3"}),
])  # fmt: skip
def test_an_arm_is_read_and_written_back(text, name, options):
    assert parse_arm(text) == (name, options)
    if "'" not in text:
        assert parse_arm(arm_name(name, options)) == (name, options)


def test_its_options_are_sorted_and_in_yamls_words():
    assert arm_name("coordconv", {"with_r": True, "pooling": "max"}) == (
        "coordconv(pooling=max, with_r=true)"
    )


@pytest.mark.parametrize(("text", "words"), [
    ("coordconv(", "not of the form"),
    ("coordconv)", "not of the form"),
    ("coordconv(a=1)(b=2)", "not of the form"),
    ("", "not of the form"),
    (3, "not of the form"),
    ("coordconv(with_r)", "'with_r' is not of the form option=value"),
    ("coordconv(=3)", "not of the form option=value"),
    ("coordconv(a b=3)", "not of the form option=value"),
    ("coordconv(a=)", "not of the form option=value"),
    ("coordconv(a=1, a=2)", "says option 'a' twice"),
    ("coordconv(a=[1)", "is no number, text or truth value"),
    ("coordconv(a={})", "is no number, text or truth value"),
    ("coordconv(a=2023-01-01)", "is no number, text or truth value"),
])  # fmt: skip
def test_what_has_another_form_is_refused(text, words):
    with pytest.raises(InputError, match=words):
        parse_arm(text)


def test_a_treatment_is_compared_with_the_control_of_its_own_options():
    arms = ["cnn", "coordconv", "coordconv(with_r=true)", "placebo", "placebo(with_r=true)"]
    assert control_of("coordconv", arms) == "placebo"
    assert control_of("coordconv(with_r=true)", arms) == "placebo(with_r=true)"
    assert control_of("coordconv(pooling=max)", arms) == "placebo"
    assert control_of("coordconv-paper", ["cnn", "coordconv-paper"]) is None
    assert control_of("cnn", arms) is None
    assert control_of("some import", arms) is None
    assert [arm for arm in arms if is_control(arm)] == ["placebo", "placebo(with_r=true)"]
    assert extractor_of("placebo(with_r=true)") == "placebo"


def test_the_papers_tally_stands_beside_what_the_paper_did():
    assert published_tally("coordconv-all(with_r=true)", "cnn", "a2c") == "6/2/1 of 9"
    for arm, other, algorithm in (("coordconv", "cnn", "ppo"), ("coordconv", "placebo", "a2c"),
                                  ("placebo", "cnn", "a2c"), ("impala", "cnn", "a2c")):  # fmt: skip
        assert published_tally(arm, other, algorithm) is None
