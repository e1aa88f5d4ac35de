"""An object's state as plain data: everything that may have changed, nothing by halves."""

import enum
import io
import random
import threading
from collections import deque, namedtuple

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

from rl_coordconv.envs.state.errors import StateError
from rl_coordconv.envs.state.monitor import ResumableMonitor
from rl_coordconv.envs.state.objects import put_state, read_state

Pair = namedtuple("Pair", "x y")


class Side(enum.Enum):
    LEFT = 1
    RIGHT = 2


class Slotted:
    __slots__ = ("value",)

    def __init__(self):
        self.value = 0


class World:
    """Holds one of every kind of value."""

    def __init__(self, seed):
        numbers = np.random.default_rng(seed)
        self.generator = np.random.default_rng(seed)
        self.old_generator = np.random.RandomState(seed)
        self.python_generator = random.Random(seed)
        self.space = spaces.Dict({"a": spaces.Discrete(1000, seed=seed)})
        self.grid = numbers.integers(0, 255, (4, 6)).astype(np.uint8)
        self.part = self.grid[1:3]  # a view
        self.scalar = np.float32(numbers.random())
        self.tensor = torch.from_numpy(numbers.random(3))
        self.side = Side.LEFT if seed % 2 else Side.RIGHT
        self.pair = Pair(seed, [seed])
        self.last = deque([seed, seed + 1], maxlen=2)
        self.items = [Slotted(), {"k": seed, 3: None}]
        self.items[0].value = seed
        self.again = self.items[0]
        self.owner = self  # a circle
        self.names = {f"n{seed}", "x"}
        self.raw = bytes([seed, 255])
        self.score, self.done, self.nothing = seed / 3, bool(seed % 2), None
        self.function, self.sentinel = len, object()

    def draw(self):
        return (
            self.generator.random(),
            self.old_generator.normal(),
            self.python_generator.gauss(0, 1),
            self.space.sample()["a"],
        )


def travelled(state):
    """As a checkpoint brings it."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


def test_everything_that_may_change_is_put_into_another_one():
    world, other = World(5), World(8)
    world.draw()
    world.old_generator.normal()  # leaves half of a pair behind
    state = travelled(read_state(world, "world"))
    grid, part, names, last, sentinel = (
        other.grid, other.part, other.names, other.last, other.sentinel,
    )  # fmt: skip
    assert put_state(other, state, "world") is other
    assert other.draw() == world.draw()
    assert np.array_equal(other.grid, world.grid)
    assert other.grid is grid
    assert other.part is part
    other.grid[1, 0] = 7
    assert part[0, 0] == 7  # still a view
    assert type(other.scalar) is np.float32
    assert other.scalar == world.scalar
    assert torch.equal(other.tensor, world.tensor)
    assert other.side is Side.LEFT
    assert other.pair == Pair(5, [5])
    assert type(other.pair) is Pair
    assert other.last is last
    assert (list(last), last.maxlen) == ([5, 6], 2)
    assert other.items[0].value == 5
    assert other.items[1] == {"k": 5, 3: None}
    assert other.again is other.items[0]
    assert other.owner is other
    assert other.names is names
    assert names == {"n5", "x"}
    assert other.raw == bytes([5, 255])
    assert (other.score, other.done, other.nothing) == (5 / 3, True, None)
    assert other.function is len
    assert other.sentinel is sentinel


class Level:
    def __init__(self, number):
        self.number = number


class Tower:
    """Points into a list of its own; what it points with is met before the list, or after it."""

    def __init__(self, pointer, at=0):
        self.levels = [Level(100), Level(1), Level(2)]
        self.trail = self.seen = [0]
        setattr(self, pointer, self.levels[at])


def test_what_two_places_share_they_share_again():
    tower, other = Tower("there", 2), Tower("there")
    tower.seen = list(tower.trail)
    put_state(other, travelled(read_state(tower, "tower")), "tower")
    assert [one.number for one in other.levels] == [100, 1, 2]
    assert other.there is other.levels[2]
    other.trail.append(1)
    assert other.seen == [0]


def test_one_object_in_the_place_of_two_is_refused():
    with pytest.raises(StateError, match=r"tower.levels\[0\] is one object where there were two"):
        put_state(Tower("current"), read_state(Tower("current", 2), "tower"), "tower")


def test_a_list_in_itself_is_refused_and_not_walked_for_ever():
    tower, other = Tower("there"), Tower("there")
    tower.levels.append(tower.levels)
    with pytest.raises(StateError, match=r"tower.levels\[3\] holds itself"):
        put_state(other, read_state(tower, "tower"), "tower")


class Own:
    """Says itself what its state is; a part of it Python could not see."""

    def __init__(self, value):
        self.value, self.lock = value, threading.Lock()

    def get_state(self):
        return {"value": self.value, "array": np.arange(self.value)}

    def set_state(self, state):
        self.value = state["value"]
        self.array = state["array"]


def test_an_object_may_tell_its_state_itself():
    other = Own(0)
    put_state(other, travelled(read_state(Own(3), "own")), "own")
    assert other.value == 3
    assert other.array.tolist() == [0, 1, 2]


class Holder:
    def __init__(self, value):
        self.inner = {"list": [value]}


class Dictionary(dict):
    """A dictionary that may keep more than its items."""


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (threading.Lock(), "is a _thread.lock, whose state Python does not see"),
        (io.StringIO(), "is a _io.StringIO, whose state Python does not see"),
        (iter([1]), "is a list_iterator, whose state Python does not see"),
        (Dictionary(), "Dictionary, whose state Python does not see"),
        (np.array([None]), "is an array of object"),
        (np.array(["a"]), "is an array of <U1"),
        ({frozenset()}, "is a set of objects"),
        ({(1, 2): 3}, "has a key that is a tuple"),
    ],
)
def test_what_python_does_not_see_is_refused_by_its_path(value, said):
    with pytest.raises(StateError) as refused:
        read_state(Holder(value), "env")
    assert str(refused.value).startswith("env.inner['list'][0] ")
    assert str(refused.value).endswith(said)


@pytest.mark.parametrize(
    ("there", "now", "said"),
    [
        (Holder(World(1)), Holder(None), "is a NoneType"),
        (Holder(deque()), Holder(None), "was a deque"),
        (Holder(Side.LEFT), Holder(None), "is no enumeration with a member 'LEFT'"),
        (Holder(Own(1)), Holder(None), "has no methods get_state and set_state any more"),
        (Holder(spaces.Dict(a=spaces.Discrete(2))), Holder(spaces.Discrete(2)), "is another space"),
    ],
)
def test_a_state_that_does_not_fit_is_refused(there, now, said):
    with pytest.raises(StateError, match=said):
        put_state(now, read_state(there, "env"), "env")


def test_an_emulator_goes_on_where_another_one_was():
    one, other = (gymnasium.make("ale_py:ALE/Pong-v5").unwrapped for _ in range(2))
    one.reset(seed=3)
    other.reset(seed=9)
    for _ in range(40):
        one.step(2)
    kept = read_state(one, "env")
    # Sticky actions draw from the emulator's own generator.
    expected = [one.step(k % 6)[0].sum() for k in range(100)]
    assert [other.step(k % 6)[0].sum() for k in range(100)] != expected
    put_state(other, kept, "env")
    assert [other.step(k % 6)[0].sum() for k in range(100)] == expected
    parts = dict(kept[1])
    parts["ale"] = ["emulator", parts["ale"][1][:5000]]
    with pytest.raises(StateError, match=r"env.ale cannot take the emulator's state"):
        put_state(other, ["object", parts, *kept[2:]], "env")


class Stubborn(gymnasium.Env):
    observation_space = action_space = spaces.Discrete(2)

    def get_state(self):
        raise RuntimeError("the simulator is busy")

    def set_state(self, state):
        raise RuntimeError("the simulator is busy")


def test_an_error_of_an_environment_is_returned_and_ends_no_process():
    monitor = ResumableMonitor(Stubborn())
    told = monitor.read_state()
    assert isinstance(told, StateError)
    assert str(told) == "env cannot be read: RuntimeError: the simulator is busy"
    state = ["object", {"env": ["own", ["plain", 3], 1]}, 0]
    assert "put back: RuntimeError: the simulator is busy" in str(monitor.put_state(state))
