"""Train stable-baselines3's own PPO on Aim, with one of this library's extractors.

python plain_sb3.py [EXTRACTOR [POOLING]]
"""

import sys

from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy

from rl_coordconv import extractor_policy_kwargs  # importing the library registers Aim


def main(extractor="coordconv", pooling="max"):
    model = PPO(
        "CnnPolicy",
        make_vec_env("rl_coordconv/Aim-v0", n_envs=16, seed=0),
        policy_kwargs=extractor_policy_kwargs(extractor, pooling=pooling),
        learning_rate=lambda left: 1e-3 * left,
        n_steps=32,
        batch_size=128,
        n_epochs=4,
        gamma=0.0,
        gae_lambda=1.0,
        ent_coef=0.01,
        seed=0,
    )
    model.learn(20_000)
    hits = {}
    for region in ("train", "held-out"):
        env = make_vec_env("rl_coordconv/Aim-v0", env_kwargs={"region": region}, seed=1000)
        hits[region], _ = evaluate_policy(model, env, n_eval_episodes=50)
        print(f"{region}: {hits[region]:.1f} of 16")
    return hits


if __name__ == "__main__":
    main(*sys.argv[1:])
