"""Runs of seeds and of crashes, each of which says how to be seen alone."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

from tests.support.seeded.scenes import Scene, drawn
from tests.support.seeded.simulation import Simulation
from tests.support.seeded.truth import Violation

LAST_EVENTS = 40


@dataclass(frozen=True, slots=True)
class Pace:
    """How many runs there were, and how many seconds they took."""

    runs: int
    seconds: float


def run(
    seed: object, scene: Scene | None = None, *, crash_at: frozenset[int] = frozenset()
) -> Simulation:
    """Run a seed to its end.

    Raises:
        AssertionError: what did not hold, the last events, and how to see it again alone.
    """
    simulation = Simulation(scene or drawn(seed), seed, crash_at=crash_at)
    try:
        simulation.run()
    except Violation as violation:
        again = f"python -m tests.seeded.replay {seed}" if scene is None else f"scene {seed}"
        crashes = f", crashes at {sorted(crash_at)}" if crash_at else ""
        events = "\n".join(simulation.trace[-LAST_EVENTS:])
        cause = violation.__cause__ or violation.__context__
        text = f"{again}{crashes}\n{violation}\n{events}"
        raise AssertionError(text) from cause
    return simulation


def run_all(seeds: Iterable[object]) -> Pace:
    began, number = time.perf_counter(), 0
    for seed in seeds:
        run(seed)
        number += 1
    return Pace(number, time.perf_counter() - began)
