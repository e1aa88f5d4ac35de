"""One optimiser step by torch's fused kernel, where that is the same step."""

import pytest
import torch

from rl_coordconv.agents.fast.optimizers import bring_counters_to_parameters, step


def loaded_adam(device):
    """Return an Adam as it is after loading what it had saved: its counters are on the CPU."""
    parameter = torch.nn.Parameter(torch.zeros(3, device=device))
    optimizer = torch.optim.Adam([parameter], lr=0.1)
    state = {"step": torch.tensor(4.0), "exp_avg": torch.ones(3), "exp_avg_sq": torch.ones(3)}
    optimizer.load_state_dict({"state": {0: state},
                               "param_groups": optimizer.state_dict()["param_groups"]})  # fmt: skip
    return parameter, optimizer


def test_loaded_counters_follow_their_parameters_to_the_device():
    """A GPU's fused kernel reads them there; "meta" stands in for it."""
    parameter, optimizer = loaded_adam("meta")
    assert optimizer.state[parameter]["step"].device.type == "cpu"
    bring_counters_to_parameters(optimizer)
    counter = optimizer.state[parameter]["step"]
    assert (counter.device.type, counter.dtype, counter.shape) == ("meta", torch.float32, ())


def test_on_the_cpu_a_loaded_optimizer_goes_on_counting():
    parameter, optimizer = loaded_adam("cpu")
    parameter.grad = torch.ones(3)
    step(optimizer)
    assert optimizer.state[parameter]["step"].item() == 5
    # m = 1, v = 1, both corrected for five steps.
    moved = 0.1 * (1 / (1 - 0.9**5)) / ((1 / (1 - 0.999**5)) ** 0.5 + 1e-8)
    torch.testing.assert_close(parameter.detach(), torch.full((3,), -moved))


@pytest.mark.parametrize("case", ["plain", "other layout", "hook", "momentum", "tensor rate"])
def test_a_step_is_torchs_own(case):
    weights = []
    for take in (step, lambda optimizer: optimizer.step()):
        torch.manual_seed(0)
        parameter = torch.nn.Parameter(torch.randn(4, 6, 3, 3))
        cls, options = (torch.optim.SGD, {"momentum": 0.9}) if case == "momentum" else (
            torch.optim.Adam, {})  # fmt: skip
        rate = torch.tensor(0.01) if case == "tensor rate" else 0.01
        optimizer = cls([parameter], lr=rate, **options)
        heard = []
        if case == "hook":
            optimizer.register_step_pre_hook(
                lambda one, *_, heard=heard: heard.append(one.param_groups[0]["fused"])
            )
        for _ in range(3):
            gradient = torch.randn(4, 6, 3, 3)
            if case == "other layout":
                gradient = gradient.contiguous(memory_format=torch.channels_last)
            parameter.grad = gradient
            take(optimizer)
        weights.append(parameter.detach())
        assert set(heard) <= {None}
        assert optimizer.param_groups[0].get("fused") is None
    torch.testing.assert_close(*weights, rtol=1e-5, atol=1e-6)
