"""A run's files on their way between machines."""

import pytest

from rl_coordconv._util.errors import InputError
from rl_coordconv.sweeps.backends.sync_bundles import pack, unpack


def write(run, **files):
    for name, text in files.items():
        path = run / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def contents(run):
    return {path.relative_to(run).as_posix(): path.read_text()
            for path in run.rglob("*") if path.is_file()}  # fmt: skip


@pytest.fixture
def runs(tmp_path):
    there, here = tmp_path / "there", tmp_path / "here"
    write(there, status_json="new", model_zip="model", checkpoints__step2__state_pt="two",
          checkpoints__step3__state_pt="three", profile__table_txt="table")  # fmt: skip
    (there / ".lock").write_text("")
    (there / "checkpoints" / ".step4.tmp").mkdir()
    (there / "checkpoints" / ".step4.tmp" / "state.pt").write_text("half")
    write(here, status_json="old", config_yaml="kept", checkpoints__step1__state_pt="one",
          checkpoints__step2__state_pt="two, from here")  # fmt: skip
    return there, here


def test_a_whole_parcel_brings_everything_that_is_complete(runs):
    there, here = runs
    unpack(pack(there, whole=True), here)
    assert contents(here) == {
        "config.yaml": "kept",
        "status.json": "new",
        "model.zip": "model",
        "profile/table.txt": "table",
        # A checkpoint never changes; those that are gone there go here too.
        "checkpoints/step2/state.pt": "two, from here",
        "checkpoints/step3/state.pt": "three",
    }


def test_a_small_parcel_leaves_checkpoints_alone(runs):
    there, here = runs
    unpack(pack(there, whole=False), here)
    assert contents(here) == {
        "config.yaml": "kept",
        "status.json": "new",
        "profile/table.txt": "table",
        "checkpoints/step1/state.pt": "one",
        "checkpoints/step2/state.pt": "two, from here",
    }


def test_a_damaged_parcel_changes_nothing(runs):
    there, here = runs
    before = contents(here)
    bundle = pack(there, whole=True)
    with pytest.raises(InputError, match="a sync bundle is damaged"):
        unpack(bundle[: len(bundle) // 2], here)
    assert contents(here) == before


def test_the_status_comes_last_and_everything_is_on_the_disk_before_it(runs, disk):
    there, here = runs
    bundle = pack(there, whole=True)
    disk.clear()
    unpack(bundle, here)
    assert [name for kind, name in disk if kind == "rename"] == [
        "step3", "model.zip", "table.txt", "status.json",
    ]  # fmt: skip
    for name, content in (("step3", "step3"), ("model.zip", "model.zip"),
                          ("table.txt", "table.txt"), ("status.json", "status.json")):  # fmt: skip
        assert disk.index(("sync", content)) < disk.index(("rename", name))
    assert ("sync", "state.pt") in disk[: disk.index(("rename", "step3"))]
    at = disk.index(("rename", "step3"))
    assert disk[at + 1] == ("sync", "checkpoints")
    before_status = disk[: disk.index(("sync", "status.json"))]
    assert before_status[-2:] == [("sync", "here"), ("sync", "profile")]
    assert disk[-1] == ("sync", "here")
