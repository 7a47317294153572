"""`python -m tests.bench NAME`: the benchmarks, each a module beside this one with a `main(arguments)`."""

import argparse
import sys
from importlib import import_module

BENCHES = {
    "peers": "speed and memory against grad-cam and torchcam, on a ResNet-50 of seeded weights",
    "fidelity": "how alike the fast Score-CAM is to the exhaustive one, on a folder of photos",
    "evidence": "time of the faithfulness figures, and how far int8 moves their curves",
    "needs": "counterfactuals on photos on which what the network needs is known, and their cost",
    "baselines": "the methods beside maps that know nothing, on photos with boxes",
    "page": "waiting times on the page, in Chromium",
    "endpoints": "waiting times of programs, one and ten at once, with the page open beside them",
    "decoding": "cost of decoding photos in processes of their own",
    "models": "export and maps of one model of each family of torchvision, and of ten of timm",
    "inputs": "what becomes of each file of a folder: read, or refused with which sentence",
    "archive": "a study of many photos: speed beside the forward passes alone, memory, and the report",
    "cluster": "a study on Ray beside the local engine, its driver's memory, and a plan for larger archives",
    "runtimes": "the fast comparison with fewer forwards, and its forwards in OpenVINO",
    "scaling": "time and memory against channels, chunk and number of photos",
}


def main(arguments: list[str]) -> int:
    """Run the benchmark named first, with the arguments that follow it."""
    width = max(map(len, BENCHES))
    table = "\n".join(f"  {name:{width}}  {what}" for name, what in BENCHES.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        usage="%(prog)s NAME [--help] ...",
        description=f"Measure, and print a Markdown table.\n\nbenchmarks:\n{table}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", choices=BENCHES, metavar="NAME", help="one of the benchmarks above")
    chosen = parser.parse_args(arguments[:1])
    return int(import_module(f"tests.bench.{chosen.name}").main(arguments[1:]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
