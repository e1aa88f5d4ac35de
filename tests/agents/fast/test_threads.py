"""One thread acts where idle ones would keep the emulator from its cores; all of them learn."""

import pytest
import torch
from images_env import make_blinking
from stable_baselines3.common.callbacks import BaseCallback

from rl_coordconv.agents import A2C, PPO
from rl_coordconv.agents.fast import acting
from rl_coordconv.machine import hardware


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield 3
    torch.set_num_threads(before)


class Count(BaseCallback):
    def __init__(self, seen):
        super().__init__()
        self.seen = seen

    def _on_step(self):
        self.seen.append(torch.get_num_threads())
        return True


@pytest.mark.parametrize(("name", "want"), [(None, 1), ("GOMP_SPINCOUNT", 3)])
@pytest.mark.parametrize("cls", [A2C, PPO])
def test_the_agent_acts_with_one_thread_where_they_spin(cls, name, want, threads, monkeypatch):
    for other in hardware._OPENMP_NAMES:
        monkeypatch.delenv(other, raising=False)
    if name:
        monkeypatch.setenv(name, "10000")
    model = cls("CnnPolicy", make_blinking(), n_steps=16, device="cpu", precision="fp32")
    counts = {"acting": [], "learning": [], "callback": []}
    sample, train = acting.sample, model.train

    def count_acting(*arguments):
        counts["acting"].append(torch.get_num_threads())
        return sample(*arguments)

    def count_learning():
        counts["learning"].append(torch.get_num_threads())
        train()

    monkeypatch.setattr(acting, "sample", count_acting)
    monkeypatch.setattr(model, "train", count_learning)
    model.learn(2 * 64, callback=Count(counts["callback"]))
    assert len(counts["acting"]) == len(counts["callback"]) == 32
    assert set(counts["acting"]) == {want}
    assert set(counts["learning"]) == set(counts["callback"]) == {threads}
    assert torch.get_num_threads() == threads
