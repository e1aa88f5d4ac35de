"""As much of Ray as the launcher uses, in one process: tasks and actors are called at once.

Options, machines and where a task was sent are kept for tests to look at.
"""

import sys
import threading
from types import ModuleType, SimpleNamespace


class Strategy:
    def __init__(self, node_id, soft):
        self.node_id, self.soft = node_id, soft


class Task:
    def __init__(self, ray, function, options):
        self.ray, self.function, self.chosen = ray, function, options

    def options(self, **more):
        return Task(self.ray, self.function, self.chosen | more)

    def remote(self, *arguments):
        self.ray.sent.append((self.function.__name__, self.chosen, arguments))
        if isinstance(self.function, type):
            actor = self.function(*arguments)
            return SimpleNamespace(**{
                name: Task(self.ray, getattr(actor, name), {})
                for name in dir(actor) if not name.startswith("_")
            })  # fmt: skip
        return self.function(*arguments)


class FakeRay(ModuleType):
    def __init__(self, *machines):
        super().__init__("ray")
        self.machines = [
            {"NodeID": f"node{index}", "Alive": True, "Resources": resources}
            for index, resources in enumerate(machines)
        ]
        self.sent, self.is_up = [], False
        self.lock = threading.Lock()

    def is_initialized(self):
        return self.is_up

    def init(self, **options):
        self.is_up = True

    def shutdown(self):
        self.is_up = False

    def nodes(self):
        return self.machines

    def cluster_resources(self):
        names = {name for machine in self.machines for name in machine["Resources"]}
        return {name: sum(machine["Resources"].get(name, 0) for machine in self.machines)
                for name in names}  # fmt: skip

    def remote(self, **options):
        return lambda function: Task(self, function, options)

    def get(self, reference, timeout=None):
        return reference

    def cancel(self, reference, force):
        reference.close()


def install(monkeypatch, *machines):
    """Let ``import ray`` find a cluster of machines with these resources."""
    ray = FakeRay(*machines)
    strategies = ModuleType("ray.util.scheduling_strategies")
    strategies.NodeAffinitySchedulingStrategy = Strategy
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setitem(sys.modules, "ray.util", ModuleType("ray.util"))
    monkeypatch.setitem(sys.modules, "ray.util.scheduling_strategies", strategies)
    return ray
