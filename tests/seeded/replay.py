"""Run one seed and tell everything that happened: `python -m tests.seeded.replay SEED`."""

import sys

from tests.support.seeded.scenes import drawn
from tests.support.seeded.simulation import Simulation
from tests.support.seeded.truth import Violation


def main(seed: str) -> int:
    scene = drawn(seed)
    print(f"traits: {', '.join(sorted(scene.traits))}; processes: {scene.processes}")
    for fault in scene.faults:
        print(f"fault: {fault}")
    print(f"settings: {scene.settings}")
    for act in scene.acts:
        print(f"after {act.at} boundaries: {act.what} {' '.join(map(str, act.arguments))}")
    simulation = Simulation(scene, seed)
    try:
        simulation.run()
    except Violation as violation:
        print("\n".join(simulation.trace))
        print(f"VIOLATED {violation}")
        return 1
    print("\n".join(simulation.trace))
    print(f"all held; {simulation.boundaries} boundaries, digest {simulation.digest}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
