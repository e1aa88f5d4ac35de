"""Protocols of one's own."""

import pytest

from rl_coordconv._util.errors import InputError
from rl_coordconv.envs import Protocol, load_protocol

DEEPMIND = load_protocol("deepmind")


def test_a_copy_changes_what_it_says_and_nothing_else():
    changed = DEEPMIND.model_copy(update={"name": "mine", "repeat_action_probability": 0.5})
    assert changed == Protocol(name="mine", repeat_action_probability=0.5)
    assert DEEPMIND.repeat_action_probability == 0.0
    assert DEEPMIND.model_copy() == DEEPMIND


@pytest.mark.parametrize(
    ("update", "message"),
    [
        ({"frame_skp": 3}, "frame_skp: unknown key .*did you mean 'frame_skip'"),
        ({"clip_reward": False}, "did you mean 'clip_rewards'"),
        ({"repeat_action_probability": "0.25"}, "repeat_action_probability: .*got '0.25'"),
        ({"repeat_action_probability": 1.25}, "less than or equal to 1, got 1.25"),
        ({"frame_skip": 0}, "frame_skip: .*greater than 0, got 0"),
        ({"max_frames_per_episode": 2**31}, "max_frames_per_episode: .*2147483647"),
    ],
)
def test_a_copy_is_checked(update, message):
    with pytest.raises(InputError, match=message):
        DEEPMIND.model_copy(update=update)
