"""Print the constraints, or the licences: `python -m tests.supply constraints`, or `licences`, which may fail."""

import sys

from tests.supply.distributions import closure, constraints, licence, problem


def main(what: str) -> int:
    if what == "constraints":
        print("\n".join(constraints()))
        return 0
    problems = []
    for name, distribution in closure().items():
        statement = "not installed" if distribution is None else f"{distribution.version}  {licence(distribution)}"
        print(f"{name:36} {statement}")
        if distribution is not None and (sentence := problem(name, distribution)):
            problems.append(sentence)
    print("\n".join(problems) or "every licence is allowed", file=sys.stderr)
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
