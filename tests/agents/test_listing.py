"""What a model's zip would import, told without importing any of it."""

import base64
import io
import json
import os
import pickle
import zipfile
from pathlib import Path

import cloudpickle
import pytest
import torch

import rl_coordconv
from rl_coordconv._util.errors import InputError
from rl_coordconv.agents.listing import imports_of, list_model


class Hostile:
    """Makes a file where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def write_zip(path: Path, pickled: bytes, member: str = "data") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        data = {"policy_class": {":type:": "x", ":serialized:": base64.b64encode(pickled).decode()}}
        archive.writestr("data", json.dumps(data))
        if member != "data":
            inner = io.BytesIO()
            with zipfile.ZipFile(inner, "w") as torch_file:
                torch_file.writestr("archive/data.pkl", pickled)
            archive.writestr(member, inner.getvalue())
    return path


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("member", ["data", "policy.pth"])
def test_a_hostile_zip_is_listed_and_nothing_of_it_runs(tmp_path, protocol, member):
    trap = tmp_path / "trap"
    path = write_zip(tmp_path / "model.zip", pickle.dumps(Hostile(trap), protocol), member)
    listing = list_model(path)
    assert listing.imports == (f"{os.mkdir.__module__}.mkdir",)
    with pytest.raises(InputError, match=r"would import posix\.mkdir.*pass trust=True"):
        rl_coordconv.load(path)
    assert not trap.exists()
    # The trap is one: whoever trusts the file runs it.
    with pytest.raises(InputError):
        rl_coordconv.load(path, trust=True, algorithm="ppo")
    assert trap.exists() or member != "data"


def test_what_cloudpickle_writes_by_value_is_told_as_such():
    found = imports_of(cloudpickle.dumps(lambda path: os.system(path)))
    assert any("cloudpickle" in name for name in found)


def test_what_is_worked_out_while_it_runs_is_not_guessed_at():
    # Two texts, one of them replaced on the stack, and then taken for a name.
    evasive = b"\x80\x04\x8c\x02os\x8c\x04name0\x8c\x06system\x93."
    assert imports_of(evasive) == {"?"}
    assert imports_of(b"\x80\x04\x82\x01.") == {"?"}
    assert imports_of(b"cposix\nsystem\n") == {"posix.system", "?"}


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x03\x04" + bytes(50), b"x" * 300])
def test_what_is_no_zip_is_named(tmp_path, content):
    path = tmp_path / "model.zip"
    path.write_bytes(content)
    with pytest.raises(InputError, match="model.zip is not a model saved by stable-baselines3"):
        rl_coordconv.load(path)
    with pytest.raises(InputError, match="model.zip is not a model saved by stable-baselines3"):
        rl_coordconv.load(path, trust=True)


@pytest.mark.parametrize("data", [b"", b"[" * 100_000, b"[]", b"{", b"\xff", b"null"])
def test_damaged_data_is_named(tmp_path, data):
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as archive:
        archive.writestr("data", data)
    with pytest.raises(InputError, match="model.zip"):
        rl_coordconv.load(tmp_path / "model.zip", trust=True)


def test_a_member_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("rl_coordconv.agents.listing.MAX_MEMBER_BYTES", 1000)
    with zipfile.ZipFile(tmp_path / "model.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data", b" " * 2000)
    with pytest.raises(InputError, match="data unpacks to more than 1,000 bytes"):
        list_model(tmp_path / "model.zip")


def test_pickles_one_after_another_are_all_listed(tmp_path):
    """As torch wrote them before its files were archives: a number, a version, and more."""
    content = io.BytesIO()
    torch.save({"weights": torch.zeros(2)}, content, _use_new_zipfile_serialization=False)
    assert "torch._utils._rebuild_tensor_v2" in imports_of(content.getvalue())
    trap = pickle.dumps(3, 2) + pickle.dumps(Hostile(tmp_path / "trap"), 2) + b"raw numbers"
    assert imports_of(trap) == {f"{os.mkdir.__module__}.mkdir"}
