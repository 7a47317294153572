"""Decode 20,000 mutated photos, or as many as named: `python -m tests.soak [COUNT] [SEED]`, in about a minute."""

import sys

from tests.mutated_photos import Outcome, decode_mutations

COUNT, SEED = 20_000, 20_000


def main(count: int = COUNT, seed: int = SEED) -> None:
    outcome = decode_mutations(count, seed)
    for line in rows(outcome):
        print(line)


def rows(outcome: Outcome) -> list[str]:
    """Return the lines of a table of what became of the photos."""
    return [
        f"{outcome.total:7,}  mutated photos",
        f"{outcome.opened:7,}  opened by their header",
        f"{outcome.read:7,}  read",
        *(f"{number:7,}  refused: {sentence}" for sentence, number in outcome.refused.most_common()),
        f"{outcome.slowest:7.1f}  seconds for the slowest",
        f"{outcome.memory / 1e6:7.0f}  MB for the largest process",
    ]


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
