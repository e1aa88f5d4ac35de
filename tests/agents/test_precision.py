"""fp32 or bf16: what was asked for, what the hardware has, and what a check finds."""

import pytest
import torch
from images_env import make_blinking

from rl_coordconv.agents import A2C, PPO, precision
from rl_coordconv.agents.precision import FormatCheck, compare_formats
from rl_coordconv.errors import InputError, UnknownNameError
from rl_coordconv.extractors import extractor_policy_kwargs

RIGHT_AND_FASTER = FormatCheck(error=0.004, cosine=0.999, speedup=2.0)
RIGHT_BUT_SLOWER = FormatCheck(error=0.004, cosine=0.999, speedup=0.3)
WRONG = FormatCheck(error=0.4, cosine=0.5, speedup=2.0)
NOT_A_NUMBER = FormatCheck(error=float("nan"), cosine=float("nan"), speedup=2.0)
TRAINED = FormatCheck(error=0.0267, cosine=0.9614, speedup=1.8)
"""The largest differences seen, of IMPALA after some thousand steps; docs/performance.md."""


def build(request, cls=A2C):
    kwargs = extractor_policy_kwargs("coordconv", features_dim=64)
    return cls("CnnPolicy", make_blinking(), policy_kwargs=kwargs, seed=0, device="cpu",
               precision=request)  # fmt: skip


@pytest.fixture
def machine(monkeypatch):
    """Set what the hardware and the check say, and where auto may try bf16."""

    def set_up(check, has_bf16=True, shown=("cpu",)):
        monkeypatch.setattr(precision, "has_fast_bf16", lambda device: has_bf16)
        monkeypatch.setattr(precision, "compare_formats", lambda policy: check)
        monkeypatch.setattr(precision, "SHOWN_TO_LEARN", shown)

    return set_up


@pytest.mark.parametrize(
    ("check", "has_bf16", "want", "reason"),
    [
        (RIGHT_AND_FASTER, True, "bf16", "2.00 times as fast as fp32 here and right"),
        (TRAINED, True, "bf16", "1.80 times as fast as fp32 here and right"),
        (RIGHT_BUT_SLOWER, True, "fp32", "0.30 times as fast"),
        (WRONG, True, "fp32", "and wrong"),
        (NOT_A_NUMBER, True, "fp32", "and wrong"),
        (RIGHT_AND_FASTER, False, "fp32", "cpu has no bf16 arithmetic"),
    ],
)
def test_auto_takes_bf16_where_it_is_both_faster_and_right(machine, check, has_bf16, want, reason):
    machine(check, has_bf16)
    chosen = build("auto").chosen_precision
    assert chosen.name == want
    assert chosen.reason.startswith("auto: ")
    assert reason in chosen.reason


def test_auto_stays_with_fp32_where_learning_was_not_compared(machine):
    machine(RIGHT_AND_FASTER, shown=("mps",))
    chosen = build("auto").chosen_precision
    assert chosen.name == "fp32"
    assert "until learning in bf16 is compared on cpu" in chosen.reason


def test_bf16_where_it_is_wrong_or_missing_is_refused(machine):
    machine(WRONG)
    with pytest.raises(InputError, match="computes something else here"):
        _ = build("bf16").chosen_precision
    machine(RIGHT_AND_FASTER, has_bf16=False)
    with pytest.raises(InputError, match="cpu has no bf16 arithmetic"):
        build("bf16")


def test_what_is_asked_for_is_given_with_a_word_on_it(machine):
    machine(RIGHT_BUT_SLOWER)
    assert build("fp32").chosen_precision.reason == "asked for"
    chosen = build("bf16").chosen_precision
    assert (chosen.name, chosen.dtype) == ("bf16", torch.bfloat16)
    assert chosen.reason.startswith("asked for; bf16 is 0.30 times as fast")


def test_an_unknown_word_is_refused_with_the_closest():
    with pytest.raises(UnknownNameError, match=r"unknown precision 'fp23'.*fp32"):
        build("fp23")


def test_the_check_itself_leaves_no_trace():
    model = build("fp32")
    state, numbers = model.policy.state_dict(), torch.get_rng_state()
    before = {name: value.clone() for name, value in state.items()}
    check = compare_formats(model.policy)
    assert check.is_right
    assert 0 < check.error < 0.02
    assert check.speedup > 0
    assert torch.equal(torch.get_rng_state(), numbers)
    assert all(torch.equal(value, before[name]) for name, value in state.items())
    assert all(parameter.grad is None for parameter in model.policy.parameters())


def test_the_check_finds_a_wrong_result(monkeypatch):
    """As on processors where some bf16 convolutions are wrong (pytorch issue 169688)."""
    model = build("fp32")
    original = torch.conv2d

    def broken(images, weight, *rest):
        output = original(images, weight, *rest)
        return output * 1.1 if weight.dtype is torch.bfloat16 else output

    monkeypatch.setattr(torch, "conv2d", broken)
    assert not compare_formats(model.policy).is_right


@pytest.mark.skipif(not torch.ops.mkldnn._is_mkldnn_bf16_supported(), reason="no bf16 here")
@pytest.mark.parametrize("cls", [A2C, PPO])
def test_bf16_trains_close_to_fp32(cls):
    options = {A2C: {}, PPO: {"n_steps": 16, "batch_size": 32, "n_epochs": 1}}[cls]
    results = []
    for request in ("fp32", "bf16"):
        kwargs = extractor_policy_kwargs("coordconv", features_dim=64)
        model = cls("CnnPolicy", make_blinking(), policy_kwargs=kwargs, seed=0, device="cpu",
                    precision=request, **options)  # fmt: skip
        before = torch.nn.utils.parameters_to_vector(model.policy.parameters()).detach()
        model.learn(64)
        after = torch.nn.utils.parameters_to_vector(model.policy.parameters()).detach()
        assert all(parameter.dtype is torch.float32 for parameter in model.policy.parameters())
        assert model.rollout_buffer.values.dtype == "float32"
        results.append(after - before)
    assert torch.cosine_similarity(*results, dim=0) > 0.8
    assert not torch.equal(*results)
