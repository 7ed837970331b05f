"""The benchmark over generated rooms: a table and a JSON file.

    python tests/benchmarks/room_bench.py --rooms 20 --noise 2 5 10 --others 1 --out rooms.json

Sensors take turns: room k is scanned by the LiDAR, the hand-held camera or the phone. Each run has a
process of its
own, so that its peak of memory is its own.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import room_runs

SENSORS = ("lidar", "handheld", "phone")
# name: (key, how the rows of a line are put together, factor, digits)
COLUMNS = {
    "plane mm": ("offset_mm", "median", 1, 1), "worst": ("offset_worst_mm", "median", 1, 1),
    "tilt deg": ("tilt_deg", "median", 1, 3), "floor mm": ("floor_mm", "median", 1, 1),
    "level deg": ("level_deg", "median", 1, 3),
    "acc mm": ("accuracy_mm", "mean", 1, 1), "comp mm": ("completeness_mm", "mean", 1, 1),
    "F@10": ("f_10mm", "mean", 1, 3), "F@20": ("f_20mm", "mean", 1, 3), "twin@20": ("recall_20mm",
    "mean", 1, 3),
    "block5 %": ("blocked_5cm", "mean", 100, 3), "block2 %": ("blocked_2cm", "mean", 100, 2),
    "miss2 %": ("missed_2cm", "mean", 100, 2),
    "obj P": ("precision", "mean", 1, 2), "obj R": ("recall", "mean", 1, 2), "pose mm": ("pose_mm",
    "median", 1, 1),
    "doors": ("door_share", "mean", 1, 2), "geoms": ("geoms", "mean", 1, 0),
    "s": ("total_s", "mean", 1, 0), "MB": ("peak_mb", "max", 1, 0),
}  # fmt: skip


def bench(
    rooms: int, noises_m: list[float], others: int, workers: int, first: int = 0
) -> Iterator[dict[str, Any]]:
    """Yield one row per run, in order."""
    cases = [
        (first + k, SENSORS[k % len(SENSORS)], noise, k < others and noise == noises_m[0])
        for noise in noises_m
        for k in range(rooms)
    ]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, max_tasks_per_child=1) as pool:
        yield from pool.map(_one, cases)


def _one(case: tuple[int, str, float, bool]) -> dict[str, Any]:
    seed, sensor, noise_m, others = case
    return with_shares(room_runs.run(seed, sensor, noise_m, explain=True, others=others))


def with_shares(row: dict[str, Any]) -> dict[str, Any]:
    """Add what follows from a row's counts."""
    if "error" in row:
        return row
    row["precision"] = row["matched"] / row["objects_found"] if row["objects_found"] else None
    row["recall"] = row["matched"] / row["objects"] if row["objects"] else None
    row["door_share"] = row["doors_passable"] / row["doors"]
    row["total_s"] = row["scan_s"] + row["reconstruct_s"]
    return row


def table(rows: list[dict[str, Any]]) -> str:
    """Return the table: a line per noise and sensor, and one per noise."""
    lines = [f"{'noise':>6} {'sensor':9} {'n':>3} " + " ".join(f"{name:>8}" for name in COLUMNS)]
    for noise in sorted({row["noise_mm"] for row in rows}):
        for sensor in (*SENSORS, "all"):
            some = [r for r in rows if r["noise_mm"] == noise and sensor in (r["sensor"], "all")]
            good = [row for row in some if "error" not in row]
            if good:
                lines.append(
                    f"{noise:4.0f}mm {sensor:9} {len(good):3d} "
                    + " ".join(_cell(good, *c) for c in COLUMNS.values())
                )
            lines += [
                f"       {r['sensor']} room {r['seed']}: {r['error']}"
                for r in some
                if "error" in r and sensor == "all"
            ]
    for row in rows:
        lines += [
            f"  room {row['seed']}: {o['way']:42} {o['geoms']:4d} geoms {o['seconds']:6.0f} s  blocked "
            f"{100 * o['blocked_5cm']:7.3f} %  missed {100 * o['missed_2cm']:6.2f} %"
            for o in [*row.get("others", []), *([_ours(row)] if "others" in row else [])]
        ]
    return "\n".join(lines)


def _ours(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "way": "r2s",
        "seconds": row["total_s"],
        **{k: row[k] for k in ("geoms", "blocked_5cm", "missed_2cm")},
    }


def _cell(rows: list[dict[str, Any]], key: str, how: str, factor: float, digits: int) -> str:
    values = [row[key] for row in rows if row.get(key) is not None]
    if not values:
        return f"{'-':>8}"
    value = {"median": statistics.median, "mean": statistics.fmean, "max": max}[how](values)
    return f"{factor * value:8.{digits}f}"


def main(argv: list[str] | None = None) -> list[dict[str, Any]]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rooms", type=int, default=21)
    parser.add_argument("--first", type=int, default=0, help="seed of the first room")
    parser.add_argument("--noise", type=float, nargs="+", default=[2.0, 5.0, 10.0], help="mm")
    parser.add_argument("--others", type=int, default=1, help="rooms that others decompose too")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("bench-rooms.json"))
    args = parser.parse_args(argv)
    rows: list[dict[str, Any]] = []
    noises = [n / 1e3 for n in args.noise]
    for row in bench(args.rooms, noises, args.others, args.workers, args.first):
        rows.append(row)
        args.out.write_text(
            json.dumps(rows, indent=1) + "\n"
        )  # hours of work survive an interruption
        print(f"{row['sensor']} room {row['seed']} {row['noise_mm']:g} mm", flush=True)
    print(table(rows))
    print(f"wrote {args.out}")
    return rows


if __name__ == "__main__":
    main()
