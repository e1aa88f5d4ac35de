"""Record a video of an agent: one episode."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.vec_env import VecEnv

from rl_coordconv._util.errors import InputError, missing_extra
from rl_coordconv.envs import make_vec_env
from rl_coordconv.runs.seeds import evaluation_seed
from rl_coordconv.training.evaluate import LoadedAgent

CONTAINERS = (".mp4", ".mkv", ".mov")
"""Files that hold H.264."""
MAX_SECONDS = 300
"""A game that has not ended after five minutes is recorded no further."""
SCALE = 3
"""The screen of 160 x 210 pixels is enlarged this many times."""


@dataclass(frozen=True)
class Video:
    """What was recorded."""

    score: float
    """Raw score at the end of the video."""
    seconds: float
    """Length of the video."""
    is_full_episode: bool
    """False where the episode went on for longer than the video."""


def record_video(
    agent: LoadedAgent, path: Path, *, deterministic: bool | None = None, repetition: int = 0
) -> Video:
    """Play one episode and write it as a video in real time.

    Args:
        agent: the agent.
        path: the file; a name ending in ``.mp4``, ``.mkv`` or ``.mov``.
        deterministic: take the most probable action; None does as the run's configuration says.
        repetition: another number records another episode.

    Raises:
        MissingExtraError: imageio-ffmpeg is not installed.
        InputError: the folder of ``path`` does not exist, or its ending is another one.
    """
    if path.suffix not in CONTAINERS:
        raise InputError(
            f"a video cannot be written as {path.name!r} (allowed endings: {', '.join(CONTAINERS)})"
        )
    if not path.parent.is_dir():
        raise InputError(f"the folder {path.parent} for the video does not exist")
    greedy = agent.config.evaluation.deterministic if deterministic is None else deterministic
    seed = evaluation_seed(agent.config.seed, repetition)
    protocol = agent.config.protocol.for_evaluation() if agent.config.protocol else None
    fps = agent.config.environment.steps_per_second(protocol)
    env = make_vec_env(
        agent.config.game,
        1,
        protocol=protocol,
        presentation=agent.config.env,
        seed=seed,
        render_mode="rgb_array",
    )
    torch.manual_seed(seed)
    try:
        return _record(agent, env, path, fps, greedy)
    finally:
        env.close()


def _record(agent: LoadedAgent, env: VecEnv, path: Path, fps: float, greedy: bool) -> Video:
    observation = env.reset()
    frame = _frame(env)
    writer = _open_writer(path, frame.shape, fps)
    writer.send(frame)
    score, frames, is_over = 0.0, 1, False
    try:
        while frames < MAX_SECONDS * fps and not is_over:
            action, _ = agent.policy.predict(observation, deterministic=greedy)  # type: ignore[arg-type]
            observation, rewards, dones, _ = env.step(action)
            score += float(rewards[0])
            is_over = bool(dones[0])
            if not is_over:  # else the screen is already the next game's
                writer.send(_frame(env))
                frames += 1
    finally:
        writer.close()
    return Video(score, frames / fps, is_over)


def _frame(env: VecEnv) -> np.ndarray:
    image = env.get_images()[0]
    if image is None:
        raise RuntimeError("the environment renders no images")
    return np.ascontiguousarray(image)


def _open_writer(path: Path, shape: tuple[int, ...], fps: float) -> Any:
    try:
        import imageio_ffmpeg
    except ImportError as error:
        raise missing_extra("imageio-ffmpeg", "video", "writing a video") from error
    height, width = shape[:2]
    enlarge = f"scale={width * SCALE}:{height * SCALE}:flags=neighbor"
    writer = imageio_ffmpeg.write_frames(
        str(path),
        (width, height),
        fps=fps,
        macro_block_size=2,
        output_params=["-vf", enlarge],
        ffmpeg_log_level="error",
    )
    writer.send(None)
    return writer
