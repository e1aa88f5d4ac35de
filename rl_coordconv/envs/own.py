"""The library's own environments."""

from __future__ import annotations

from typing import cast, get_args

from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from rl_coordconv._util.errors import unknown_name
from rl_coordconv.envs.aim import AimEnv, Region
from rl_coordconv.envs.spec import EnvFamily, EnvRequest, EnvSpec
from rl_coordconv.envs.state.monitor import ResumableMonitor
from rl_coordconv.registration import AIM as AIM_ID

AIM = "Aim"
_SPELLINGS = (AIM.casefold(), AIM_ID.casefold())


def find_own(name: str) -> EnvSpec | None:
    """Return what a name stands for; None if it is not one of the library's own."""
    return _AIM if name.strip().casefold() in _SPELLINGS else None


def _make_aim(request: EnvRequest) -> VecEnv:
    split, mode = request.split, request.render_mode
    if split not in get_args(Region):
        raise unknown_name("region", split, get_args(Region))
    region = cast(Region, split)
    # Painting a square takes a few microseconds: no threads, no processes.
    env = DummyVecEnv([lambda: ResumableMonitor(AimEnv(region, mode))] * request.n_envs)
    if request.seed is not None:
        env.seed(request.seed)
    return env


_AIM = EnvSpec(
    name=AIM,
    make=_make_aim,
    spaces=lambda _: (AimEnv().observation_space, AimEnv().action_space),
    steps_per_second=lambda _: float(AimEnv.metadata["render_fps"]),
    splits=("held-out",),
)

FAMILY = EnvFamily(find_own, lambda: [AIM])
