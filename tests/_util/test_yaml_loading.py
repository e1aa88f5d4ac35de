"""YAML as plain data: what is read, and the bounds of what is refused."""

import pytest

from rl_coordconv._util.errors import InputError
from rl_coordconv._util.presets import preset_names, preset_path
from rl_coordconv._util.yaml_loading import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_VALUES,
    parse_yaml,
    read_yaml_file,
)


def test_anchors_aliases_and_merge_keys_are_read():
    text = "a: &a {x: 1, y: 2}\nb: *a\nc: {<<: *a, y: 3}\n"
    assert parse_yaml(text, where="here") == {
        "a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 2}, "c": {"x": 1, "y": 3},
    }  # fmt: skip


def test_the_same_key_in_two_mappings_is_no_repetition():
    assert parse_yaml("{a: {x: 1}, b: {x: 1}}", where="here") == {"a": {"x": 1}, "b": {"x": 1}}


@pytest.mark.parametrize("text", ["{a: 1, a: 1}", '{a: 1, "a": 2}', "{1: a, 1: b}", "{~: a, ~: b}"])
def test_a_key_given_twice_is_refused_wherever_it_stands(text):
    with pytest.raises(InputError, match="here is not valid YAML: key .* is given twice"):
        parse_yaml(f"[{{b: {text}}}]", where="here")


def test_levels_are_counted():
    def nested(levels):
        return "[" * levels + "]" * levels

    assert parse_yaml(nested(MAX_DEPTH), where="here") is not None
    with pytest.raises(InputError, match=f"more than {MAX_DEPTH} levels"):
        parse_yaml(nested(MAX_DEPTH + 1), where="here")


def test_values_are_counted_as_if_aliases_were_written_out():
    # The anchored list is 1 + 99 values, and so is each alias; two more for the lists around them.
    def repeated(times):
        return f"[&a [{','.join(['1'] * 99)}], [{','.join(['*a'] * times)}]]"

    most = (MAX_VALUES - 102) // 100
    assert len(parse_yaml(repeated(most), where="here")[1]) == most
    with pytest.raises(InputError, match="more than 20,000 values"):
        parse_yaml(repeated(most + 1), where="here")


def test_files_are_bounded(tmp_path):
    path = tmp_path / "large.yaml"
    path.write_bytes(b"a: 1 #".ljust(MAX_BYTES, b"x"))
    assert read_yaml_file(path) == {"a": 1}
    path.write_bytes(b"a: 1 #".ljust(MAX_BYTES + 1, b"x"))
    with pytest.raises(InputError, match=r"large\.yaml is too large"):
        read_yaml_file(path)


@pytest.mark.parametrize("subpackage", ["agents", "envs"])
def test_every_file_of_ours_is_far_from_the_bounds(subpackage):
    for name in preset_names(subpackage):
        path = preset_path(subpackage, subpackage, name)
        assert path.stat().st_size < MAX_BYTES / 100
        assert isinstance(read_yaml_file(path), dict)
