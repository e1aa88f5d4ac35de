"""Where a training's time goes: of a GPU its work, not the starting of it."""

import pytest
import torch

from rl_coordconv.agents import instrument
from rl_coordconv.agents.instrument import Stopwatch


class Gpu:
    """A clock, and a GPU that works on until somebody waits for it."""

    def __init__(self, monkeypatch, is_capturing=False):
        self.now = self.left = 0.0
        monkeypatch.setattr(instrument.time, "perf_counter", lambda: self.now)
        monkeypatch.setattr(torch.cuda, "synchronize", self.wait)
        monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: is_capturing)

    def launch(self, work):
        self.now += 1.0
        self.left += work
        return work

    def wait(self, device):
        assert device.type == "cuda"
        self.now, self.left = self.now + self.left, 0.0


@pytest.mark.parametrize(
    ("device", "is_capturing", "update"),
    [("cuda", False, 2 * (1.0 + 30.0)), ("cuda", True, 2 * 1.0), ("cpu", False, 2 * 1.0)],
)
def test_a_part_is_charged_with_the_work_it_has_started(monkeypatch, device, is_capturing, update):
    gpu = Gpu(monkeypatch, is_capturing)
    watch = Stopwatch(torch.device(device))
    gpu.launch(7.0)  # of nobody's part
    train = watch.wrap("update", gpu.launch)
    assert [train(30.0), train(30.0)] == [30.0, 30.0]
    assert watch.seconds == {"update": update}


def test_a_part_that_fails_is_timed_to_its_end(monkeypatch):
    gpu = Gpu(monkeypatch)
    watch = Stopwatch(torch.device("cuda"))

    def fail():
        gpu.launch(4.0)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        watch.wrap("inference", fail)()
    assert watch.seconds == {"inference": 5.0}
