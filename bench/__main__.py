"""
``make bench``: runs all measurements, or those that ARGS names, and prints them as Markdown.

With ``--keep`` they also replace the older ones in docs/numbers.md, and the README's chart is drawn anew.
"""

import argparse
import logging
import os
import tempfile
from pathlib import Path

import structlog

from bench import (
    buckets,
    chart,
    cold_start,
    comparing,
    conversions,
    desk,
    events,
    fan_out,
    hostile,
    hours,
    imports,
    judgement,
    matching,
    memory,
    notices,
    profile,
    readers,
    renames,
    scale,
    search,
    takedowns,
    texts,
)
from bench.parts import described
from bench.results import keep
from novelsync.process import set_memory_up

MEASUREMENTS = {
    module.__name__.removeprefix("bench."): module.main
    for module in (
        imports,
        profile,
        hours,
        texts,
        buckets,
        memory,
        hostile,
        cold_start,
        readers,
        search,
        matching,
        judgement,
        takedowns,
        events,
        desk,
        notices,
        fan_out,
        conversions,
        scale,
        renames,
        comparing,
    )
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MEASUREMENTS))
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    if unknown := set(options.names) - set(MEASUREMENTS):
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(MEASUREMENTS)}")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    set_memory_up()
    machine = described()
    for name in options.names or MEASUREMENTS:
        with tempfile.TemporaryDirectory(prefix="novelsync-bench-") as folder:
            tables = []
            for table in MEASUREMENTS[name](Path(folder)):
                print(f"{table.markdown()}\n", flush=True)
                tables.append(table)
        text = "\n\n".join(table.markdown() for table in tables)
        if options.keep:
            embedded = os.environ.get("BENCH_POSTGRES") == "embedded"
            command = f"{'BENCH_POSTGRES=embedded ' if embedded else ''}make bench ARGS={name}"
            keep(f"{name}, embedded" if embedded else name, f"`{command}`: {machine}.\n\n{text}")
            if name == "imports" and not embedded:
                chart.draw(tables[0])


if __name__ == "__main__":
    main()
