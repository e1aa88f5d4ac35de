"""Show how much of what a trained policy does depends on what it sees.

    python what_the_policy_sees.py RUN_DIR [RUN_DIR ...]

For each run the agent plays 150 steps in eight environments. Printed are, of its own network on
every 15th step: how much the features differ from image to image (standard deviation over the
images, mean over the 512 features), the share of features that are ever active, and the mutual
information of image and action in nats (0: the action does not depend on the image; the most that
four actions allow is ln 4 = 1.39).
"""

import sys
import warnings
from pathlib import Path

import torch

from rl_coordconv import load_policy
from rl_coordconv.envs import AtariVecEnv
from rl_coordconv.runs import RunDirectory

STEPS, EVERY, ENVS = 150, 15, 8


def watch(run: RunDirectory) -> tuple[float, float, float]:
    config = run.config()
    policy = load_policy(run.path)
    env = AtariVecEnv(config.game, ENVS, protocol=config.protocol, num_threads=1)
    env.seed(5)
    seen, images = [], env.reset()
    for step in range(1, STEPS + 1):
        actions, _ = policy.predict(images)
        images, *_ = env.step(actions)
        if step % EVERY == 0:
            seen.append(torch.as_tensor(images))
    env.close()
    with torch.no_grad():
        batch = torch.cat(seen)
        features = policy.extract_features(batch)
        probabilities = policy.get_distribution(batch).distribution.probs
    information = (probabilities * (probabilities / probabilities.mean(0)).log()).sum(1).mean()
    active = (features > 0).any(0).float().mean()
    return features.std(0).mean().item(), active.item(), information.item()


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print("| run | features differ by | ever active | image and action share |")
    print("| --- | ---: | ---: | ---: |")
    for path in map(Path, sys.argv[1:]):
        differ, active, information = watch(RunDirectory(path))
        name = f"{path.parts[-3]}: {path.name}" if len(path.parts) > 2 else path.name
        print(f"| {name} | {differ:.3f} | {active:.0%} | {information:.4f} nats |", flush=True)
