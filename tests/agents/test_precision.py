"""fp32 or bf16: what was asked for, what the hardware has, and what a check finds."""

import math
from types import SimpleNamespace

import pytest
import torch
from images_env import make_blinking
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, FlattenExtractor
from torch import nn

from rl_coordconv._util.errors import InputError, UnknownNameError
from rl_coordconv.agents import A2C, PPO, precision
from rl_coordconv.agents.precision import (
    PrecisionCheck,
    check_request,
    choose_precision,
    compare_precisions,
    has_fast_bf16,
)
from rl_coordconv.extractors import extractor_policy_kwargs
from rl_coordconv.machine import hardware

CPU = torch.device("cpu")
RIGHT_AND_FASTER = PrecisionCheck(error=0.004, cosine=0.999, speedup=2.0)
RIGHT_WHILE_BUSY = PrecisionCheck(error=0.004, cosine=0.999, speedup=0.74)
RIGHT_BUT_SLOWER = PrecisionCheck(error=0.004, cosine=0.999, speedup=0.3)
WRONG = PrecisionCheck(error=0.4, cosine=0.5, speedup=2.0)
NOT_A_NUMBER = PrecisionCheck(error=float("nan"), cosine=float("nan"), speedup=2.0)
FROZEN = PrecisionCheck(error=0.004, cosine=None, speedup=2.0)
FAILED = PrecisionCheck(error=0.0, cosine=1.0, speedup=2.0, failure="RuntimeError: no")
TRAINED = PrecisionCheck(error=0.0267, cosine=0.9614, speedup=1.8)
"""The largest differences seen, of IMPALA after some thousand steps; docs/performance.md."""


def build(request, cls=A2C, policy="CnnPolicy", extractor="coordconv", **kwargs):
    if policy == "CnnPolicy" and "features_extractor_class" not in kwargs:
        options = {} if extractor.startswith("impala") else {"features_dim": 64}
        kwargs = extractor_policy_kwargs(extractor, **options) | kwargs
    return cls(policy, make_blinking(), policy_kwargs=kwargs, seed=0, device="cpu",
               precision=request)  # fmt: skip


@pytest.fixture
def machine(monkeypatch):
    """Set what the hardware and the check say, and where auto may try bf16."""
    take_time = precision._time

    def set_up(check=None, has_bf16=True, shown=("cpu",), flags=("avx512_bf16",)):
        monkeypatch.setattr(precision, "has_fast_bf16", lambda device: has_bf16)
        monkeypatch.setattr(precision, "cpu_flags", lambda: frozenset(flags))
        monkeypatch.setattr(precision, "SHOWN_TO_LEARN", shown)
        if check is not None:
            monkeypatch.setattr(precision, "compare_precisions", lambda policy: check)
        else:  # as real as it can be without the stopwatch's word on it
            monkeypatch.setattr(precision, "_time", lambda *runs: (take_time(*runs), 2.0)[1])

    return set_up


@pytest.mark.parametrize(
    ("check", "has_bf16", "want", "reason"),
    [
        (RIGHT_AND_FASTER, True, "bf16", "right here"),
        (RIGHT_WHILE_BUSY, True, "bf16", "timed at 0.74 times fp32's speed"),
        (TRAINED, True, "bf16", "gradients' cosine 0.9614"),
        (FROZEN, True, "bf16", "no gradients"),
        (RIGHT_BUT_SLOWER, True, "fp32", "0.30 times fp32's speed, too slow"),
        (WRONG, True, "fp32", "wrong here"),
        (NOT_A_NUMBER, True, "fp32", "wrong here"),
        (FAILED, True, "fp32", "could not be checked here: RuntimeError: no"),
        (RIGHT_AND_FASTER, False, "fp32", "cpu has no bf16 arithmetic"),
    ],
)
def test_auto_takes_bf16_where_the_machine_has_it_and_it_is_right(
    machine, check, has_bf16, want, reason
):
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


def test_auto_stays_with_fp32_on_processors_where_nothing_was_measured(machine):
    machine(RIGHT_AND_FASTER, flags=("bf16", "asimd"))
    chosen = build("auto").chosen_precision
    assert chosen.name == "fp32"
    assert "until bf16 is measured on this kind of processor" in chosen.reason


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
    assert chosen.reason.startswith("asked for; bf16 is right here")


def test_an_unknown_word_is_refused_with_the_closest():
    with pytest.raises(UnknownNameError, match=r"unknown precision 'fp23'.*fp32"):
        build("fp23")


class Clock:
    """Says how long each computation took: the rounds' seconds of fp32 and bf16, in turn."""

    def __init__(self, *rounds):
        self.left = {"fp32": [one[0] for one in rounds], "bf16": [one[1] for one in rounds]}
        self.order = []

    def run(self, name):
        return lambda: self.order.append(name) or self.left[name].pop(0)

    def time(self, monkeypatch):
        monkeypatch.setattr(precision, "_seconds", lambda run, device: run())
        return precision._time({name: self.run(name) for name in ("fp32", "bf16")}, CPU)


def test_both_precisions_are_timed_in_turn_and_the_median_is_told(monkeypatch):
    clock = Clock((6.0, 4.0), (8.0, 4.0), (4.0, 4.0), (0.0, 1.0))
    assert clock.time(monkeypatch) == 1.5
    assert clock.order == ["fp32", "bf16", "bf16", "fp32", "fp32", "bf16"]


def test_bursts_of_other_work_neither_hide_nor_feign_a_slow_build(monkeypatch):
    fast, held_up, slow, feigned = (3.0, 2.0), (3.0, 20.0), (3.0, 10.0), (30.0, 10.0)
    assert Clock(held_up, fast, held_up, fast, fast).time(monkeypatch) == 1.5
    assert Clock(feigned, slow, feigned, slow, slow).time(monkeypatch) == pytest.approx(0.3)


def test_the_choice_does_not_depend_on_how_busy_the_machine_is(machine, monkeypatch):
    """Everything between the slowest and the fastest timing of one machine gives one answer."""
    machine()
    policy = build("fp32").policy
    names = []
    for ratio in (0.74, 1.0, 1.56):
        monkeypatch.setattr(precision, "_time", lambda runs, device, ratio=ratio: ratio)
        chosen = choose_precision("auto", policy)
        names.append(chosen.name)
        assert f"timed at {ratio:.2f} times" in chosen.reason
    assert names == ["bf16"] * 3


FLAGS = "flags\t\t: fpu avx512f avx512bw {}\n"


@pytest.mark.parametrize(
    ("cpuinfo", "onednn", "want"),
    [
        (FLAGS.format("avx512_bf16"), True, True),
        (FLAGS.format("amx_tile amx_bf16"), True, True),
        ("Features\t: fp asimd bf16 i8mm\n", True, True),
        (FLAGS.format(""), True, False),  # oneDNN would emulate it
        (FLAGS.format("avx512_bf16"), False, False),
    ],
)
def test_a_cpu_has_bf16_with_instructions_for_it_and_a_library_that_uses_them(
    monkeypatch, tmp_path, cpuinfo, onednn, want
):
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\n{cpuinfo}")
    monkeypatch.setattr(hardware, "_CPU_INFO", tmp_path / "cpuinfo")
    operators = SimpleNamespace(_is_mkldnn_bf16_supported=lambda: onednn)
    monkeypatch.setattr(torch.ops, "mkldnn", operators)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    assert has_fast_bf16(CPU) is want


@pytest.mark.parametrize("is_available", [True, False])
def test_a_torch_without_onednn_has_no_fast_bf16_and_trains_in_fp32(monkeypatch, is_available):
    monkeypatch.setattr(torch.ops, "mkldnn", SimpleNamespace())
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: is_available)
    assert has_fast_bf16(CPU) is False
    model = build("auto")
    assert model.chosen_precision.name == "fp32"
    assert "no bf16 arithmetic" in model.chosen_precision.reason
    with pytest.raises(InputError, match="cpu has no bf16 arithmetic"):
        build("bf16")


@pytest.mark.parametrize("kind", ["mps", "xpu", "meta", "cuda"])
def test_devices_that_are_not_there_or_not_known_have_no_fast_bf16(monkeypatch, kind):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    device = torch.device(kind)
    assert has_fast_bf16(device) is False
    check_request("auto", device)
    with pytest.raises(InputError, match=f"{kind} has no bf16 arithmetic"):
        check_request("bf16", device)


class Small(BaseFeaturesExtractor):
    """A user's own extractor."""

    def __init__(self, space):
        super().__init__(space, 32)
        self.layer = nn.Conv2d(space.shape[0], 2, 5, stride=4)
        self.last = nn.LazyLinear(32)
        self(torch.zeros(1, *space.shape))

    def forward(self, images):
        return self.last(self.layer(images).flatten(1))


class Unused(Small):
    """Has weights that nothing flows through."""

    def __init__(self, space):
        super().__init__(space)
        self.forgotten = nn.Linear(3, 3)


class Detached(Small):
    def forward(self, images):
        return super().forward(images).detach()


class Nan(Small):
    def forward(self, images):
        return super().forward(images) / 0 * 0


class Zero(Small):
    def forward(self, images):
        return super().forward(images) * 0


class Noisy(Small):
    """Draws numbers of its own."""

    def forward(self, images):
        return super().forward(images) + torch.randn(32)


class OnlyFloat32(Small):
    def forward(self, images):
        features = super().forward(images)
        if features.dtype is torch.bfloat16:
            raise NotImplementedError("not implemented for 'BFloat16'\nand more")
        return features


def frozen(part):
    def freeze(model):
        getattr(model.policy, part).requires_grad_(False)

    return freeze


SHARED, APART = {}, {"share_features_extractor": False}
RIGHT = {
    "frozen": ("CnnPolicy", SHARED, frozen("features_extractor"), None),
    "unshared": ("CnnPolicy", APART, None, float),
    "unshared, one frozen": ("CnnPolicy", APART, frozen("pi_features_extractor"), float),
    "unshared, frozen": ("CnnPolicy", APART, lambda model: [
        frozen(f"{head}_features_extractor")(model) for head in ("pi", "vf")], None),
    "unused": ("CnnPolicy", {"features_extractor_class": Unused}, None, float),
    "detached": ("CnnPolicy", {"features_extractor_class": Detached}, None, None),
    "zero": ("CnnPolicy", {"features_extractor_class": Zero}, None, float),
    "noisy": ("CnnPolicy", {"features_extractor_class": Noisy}, None, float),
    "flat": ("MlpPolicy", SHARED, None, None),
    "impala": ("CnnPolicy", {}, None, float),
}  # fmt: skip


@pytest.mark.parametrize("cls", [A2C, PPO])
@pytest.mark.parametrize(("policy", "kwargs", "change", "cosine"), RIGHT.values(), ids=RIGHT)
def test_every_extractor_can_be_checked(machine, request, cls, policy, kwargs, change, cosine):
    machine()
    extractor = "impala" if "[impala" in request.node.name else "coordconv"
    model = build("auto", cls, policy, extractor, **kwargs)
    if change is not None:
        change(model)
    check = compare_precisions(model.policy)
    assert check.failure is None
    assert check.is_right, check.describe()
    assert (check.cosine is None) if cosine is None else (0.9 < check.cosine <= 1.0001)
    chosen = model.chosen_precision
    flat = isinstance(model.policy.features_extractor, FlattenExtractor)
    if model.slow_reason is None:
        assert chosen.name == ("fp32" if flat else "bf16")
        assert ("no weights" in chosen.reason) is flat


WRONGS = {
    "nan": ({"features_extractor_class": Nan}, "wrong here"),
    "cannot": ({"features_extractor_class": OnlyFloat32},
               "NotImplementedError: not implemented for 'BFloat16'"),
}  # fmt: skip


@pytest.mark.parametrize(("kwargs", "words"), WRONGS.values(), ids=WRONGS)
def test_what_cannot_be_right_is_fp32_and_bf16_is_refused(machine, kwargs, words):
    machine()
    chosen = choose_precision("auto", build("fp32", **kwargs).policy)
    assert chosen.name == "fp32"
    assert words in chosen.reason
    assert "\n" not in chosen.reason
    with pytest.raises(InputError, match="computes something else here"):
        choose_precision("bf16", build("fp32", **kwargs).policy)


def test_of_two_extractors_the_worse_one_counts():
    model = build("fp32", share_features_extractor=False)
    assert compare_precisions(model.policy).is_right
    with torch.no_grad():
        next(model.policy.vf_features_extractor.parameters()).fill_(float("nan"))
    check = compare_precisions(model.policy)
    assert math.isnan(check.error)
    assert not check.is_right


@pytest.mark.parametrize("extractor", [None, Noisy])
def test_the_check_itself_leaves_no_trace(extractor):
    kwargs = {} if extractor is None else {"features_extractor_class": extractor}
    model = build("fp32", **kwargs)
    model.policy.train()
    part = next(model.policy.features_extractor.children())
    part.eval()  # as for transfer learning
    state, numbers = model.policy.state_dict(), torch.get_rng_state()
    before = {name: value.clone() for name, value in state.items()}
    with torch.no_grad():
        check = compare_precisions(model.policy)
    assert check.is_right
    assert 0 < check.error < 0.02
    assert 0.95 < check.cosine < 1
    assert torch.equal(torch.get_rng_state(), numbers)
    assert all(torch.equal(value, before[name]) for name, value in state.items())
    assert all(parameter.grad is None for parameter in model.policy.parameters())
    assert model.policy.training
    assert not part.training


def test_the_check_finds_a_wrong_result(monkeypatch):
    """As on processors where some bf16 convolutions are wrong (pytorch issue 169688)."""
    model = build("fp32")
    original = torch.conv2d

    def broken(images, weight, *rest):
        output = original(images, weight, *rest)
        return output * 1.1 if weight.dtype is torch.bfloat16 else output

    monkeypatch.setattr(torch, "conv2d", broken)
    check = compare_precisions(model.policy)
    assert check.failure is None
    assert not check.is_right


@pytest.mark.skipif(not has_fast_bf16(CPU), reason="no bf16 here")
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
