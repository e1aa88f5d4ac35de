"""Trains a run in children that are killed at random moments: python kill_driver.py RUN KILLS SEED.

Forked after everything is imported, so that nearly all of the time is training and saving.
"""

import json
import os
import random
import signal
import sys
import time
import traceback

import torch
from rich.console import Console

from rl_coordconv.runs import RunDirectory
from rl_coordconv.training import train as train_module


def in_child(run):
    code = 1
    try:
        with open(os.devnull, "w", encoding="utf8") as nowhere:
            code = train_module.train(run, Console(file=nowhere), threads=1)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def wait_for_a_checkpoint(run):
    """Wait until one is being written; not for ever: the training may have ended."""
    deadline = time.monotonic() + 1.0
    while time.monotonic() < deadline and not any(run.checkpoints.glob(".*")):
        pass


def main(path, kills, seed):
    # A checkpoint between any two rollouts: many kills fall into the writing of one.
    train_module.CHECKPOINT_SECONDS = 0.0
    torch.set_num_threads(1)
    run, chance = RunDirectory(path), random.Random(seed)
    killed, unfinished = 0, 0
    while True:
        child = os.fork()
        if child == 0:
            in_child(run)
        if killed < kills:
            time.sleep(chance.uniform(0.05, 0.7))
            if killed % 2:
                wait_for_a_checkpoint(run)
            os.kill(child, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code != -signal.SIGKILL:
            break
        killed += 1
        unfinished += any(run.checkpoints.glob(".*"))
    print(json.dumps({"killed": killed, "while_saving": unfinished, "code": code}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
