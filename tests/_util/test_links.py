"""Links: found wherever they stand, and nothing goes through them."""

import os

import pytest

from rl_coordconv._util.errors import InputError
from rl_coordconv._util.files import write_text
from rl_coordconv._util.links import (
    is_there,
    make_folder,
    refuse_link,
    refuse_links_out,
    require_regular_file,
)
from rl_coordconv._util.reading import read_bytes


@pytest.fixture
def outside(tmp_path):
    """A folder with a file that nobody may touch."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "file").write_text("precious")
    return folder


def test_neither_reading_nor_writing_goes_through_a_link(tmp_path, outside):
    link = tmp_path / "link"
    link.symlink_to(outside / "file")
    for act in (read_bytes, lambda path: write_text(path, "new"), refuse_link):
        with pytest.raises(InputError, match="link is a link, through which nothing is read"):
            act(link)
    assert (outside / "file").read_text() == "precious"


def test_a_link_that_leads_nowhere_is_there(tmp_path):
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere")
    assert is_there(link)
    with pytest.raises(InputError, match="is a link"):
        write_text(link, "new")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("place", ["link", "inner/link", "inner/deeper/link"])
def test_links_that_lead_out_are_found_at_every_depth(tmp_path, outside, place):
    home = tmp_path / "home"
    link = home / place
    link.parent.mkdir(parents=True)
    for target in (outside, outside / "file", tmp_path / "nowhere", link, f"{home}-twin"):
        link.symlink_to(target)
        if target == link:  # a loop leads nowhere, but not out
            refuse_links_out(home)
        else:
            with pytest.raises(InputError, match="link is a link that leads out of"):
                refuse_links_out(home)
        link.unlink()


def test_links_that_stay_inside_may_stay(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "file").write_text("x")
    (home / "same").symlink_to("file")
    refuse_links_out(home)
    # Also where the folder itself was reached through a link.
    (tmp_path / "alias").symlink_to(home)
    refuse_links_out(tmp_path / "alias")


def test_what_stands_in_the_place_of_a_file(tmp_path):
    require_regular_file(tmp_path / "nothing")
    (tmp_path / "file").touch()
    require_regular_file(tmp_path / "file")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="folder is a directory, where a file is needed"):
        require_regular_file(tmp_path / "folder")
    with pytest.raises(InputError, match="pipe is no regular file"):
        require_regular_file(tmp_path / "pipe")
    with pytest.raises(InputError, match="pipe cannot be read: it is a pipe"):
        read_bytes(tmp_path / "pipe")


def test_folders_are_made_where_no_link_and_no_file_is(tmp_path, outside):
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "link").symlink_to(outside)
    with pytest.raises(InputError, match="link is a link"):
        make_folder(tmp_path / "link")
    with pytest.raises(InputError, match="file is a file where a folder is needed"):
        make_folder(outside / "file")
