"""One self-contained HTML file about a skill: verdict first, then everything it rests on.

No script, no network, and every text that comes from data is escaped, so a report of a stranger's
artifact is safe to open. It holds no time and no host: equal artifacts give equal reports.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from r2s.core.files import replacing
from r2s.core.rigid import quat_to_matrix
from r2s.report.curves import Series, interval_bar, line_chart
from r2s.report.style import CSS

MAX_BYTES = 5_000_000
PICTURE = (880, 600)
JPEG_QUALITY = 86
GOALS_SHOWN = 60
POLICY_HEADER = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

Artifacts = Mapping[str, Any]  # kind -> artifact


@dataclass(frozen=True)
class Ancestor:
    """One line of a lineage. `made_by`: stage and what it ran with, in words."""

    depth: int
    kind: str
    digest: str
    refs: tuple[str, ...] = ()
    made_by: str = ""


def write_report(
    artifacts: Artifacts,
    lineage: Sequence[Ancestor],
    path: Path,
    *,
    title: str = "",
    facts: Mapping[str, Any] | None = None,
    pictures: bool = True,
) -> Path:
    """Write the report of whatever kinds of artifacts there are, and return its path.

    Args:
        artifacts: kind (`scan`, `reconstruction`, `robot`, `scene`, `policy`, `validation`, `bundle`)
            to artifact; missing ones leave their section out.
        facts: measured numbers of the runs (steps/s, seconds), shown with the rest.
        pictures: draw scan, twin and overlay (a few seconds each).
    """
    page = report_html(artifacts, lineage, title=title, facts=facts or {}, pictures=pictures)
    with replacing(path) as part:
        part.write_text(page, encoding="utf-8")
    return path


def report_html(
    artifacts: Artifacts,
    lineage: Sequence[Ancestor],
    *,
    title: str = "",
    facts: Mapping[str, Any] | None = None,
    pictures: bool = True,
) -> str:
    """Return the report as one HTML document."""
    title = title or _title(artifacts)
    sections = [
        _verdict(artifacts),
        _cards(artifacts, facts or {}),
        _pictures(artifacts) if pictures else "",
        _validation(artifacts.get("validation")),
        _training(artifacts.get("policy")),
        _parity(artifacts),
        _scene(artifacts.get("scene")),
        _twin(artifacts.get("reconstruction")),
        _scan(artifacts.get("scan")),
        _repairs(artifacts.get("robot") or artifacts.get("scene")),
        _warnings(artifacts),
        _facts(facts or {}),
        _lineage(lineage),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY_HEADER}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{CSS}</style></head><body><main>"
        f"<h1>{escape(title)}</h1><p class=sub>{escape(_subtitle(artifacts))}</p>"
        + "".join(sections)
        + "</main></body></html>\n"
    )


def _title(artifacts: Artifacts) -> str:
    for kind in ("policy", "scene"):
        if kind in artifacts:
            info = artifacts[kind].info
            robot = info.robot if kind == "policy" else info.robot.name
            return f"{robot}: {info.task.name}"
    return "r2s report"


def _subtitle(artifacts: Artifacts) -> str:
    known = [kind for kind in ("scan", "reconstruction", "scene", "policy", "validation", "bundle")
             if kind in artifacts]  # fmt: skip
    return "from " + ", ".join(known) if known else "nothing to report yet"


def _verdict(artifacts: Artifacts) -> str:
    validation = artifacts.get("validation")
    if validation is None:
        return _banner("none", "not validated", "r2s validate judges this policy")
    info = validation.info
    return _banner(info.verdict, info.verdict, info.reason)


def _banner(name: str, word: str, why: str) -> str:
    return (
        f'<div class="verdict {escape(name)}"><b>{escape(word)}</b><span>{escape(why)}</span></div>'
    )


def _cards(artifacts: Artifacts, facts: Mapping[str, Any]) -> str:
    cards: list[tuple[str, str]] = []
    if validation := artifacts.get("validation"):
        nominal = _nominal(validation.info)
        cards.append((_percent(nominal.lower), "success, 95 % lower bound"))
        cards.append((str(sum(s.trials for s in validation.info.scenarios)), "trials"))
    if policy := artifacts.get("policy"):
        training = policy.info.training
        cards.append((_percent(training.success_rate), "success in training"))
        cards.append((_count(training.env_steps), f"steps on {training.engine}"))
        cards.append((f"{policy.info.parity.max_abs:.1e}", "ONNX against JAX"))
    if reconstruction := artifacts.get("reconstruction"):
        audit = reconstruction.info.audit
        cards.append((_length(audit.twin_median_m), "twin error, median"))
        cards.append((_percent(audit.blocked_5cm, 2), "free space blocked (5 cm)"))
    if scene := artifacts.get("scene"):
        cards.append(
            (str(len(scene.goals) or len(scene.spawns)), "goals" if len(scene.goals) else "spawns")
        )
    if bundle := artifacts.get("bundle"):
        size = sum(len(bundle.files[name]) for name in bundle.files)
        cards.append((f"{size / 1e6:.1f} MB", f"bundle for {bundle.info.target}"))
    if rate := facts.get("physics_steps_per_s"):
        cards.append((f"{_count(rate)}/s", "physics steps"))
    body = "".join(
        f"<div class=card><div class=v>{escape(value)}</div><div class=k>{escape(key)}</div></div>"
        for value, key in cards
    )
    return f"<div class=cards>{body}</div>" if cards else ""


def _pictures(artifacts: Artifacts) -> str:
    from r2s.report.overlay import render_overlay
    from r2s.report.render import render_scan, render_scene, scan_camera

    scan, reconstruction = artifacts.get("scan"), artifacts.get("reconstruction")
    scene, figures = artifacts.get("scene"), []
    if scene is not None:
        marks = None
        if len(scene.goals):
            step = max(1, len(scene.goals) // GOALS_SHOWN)
            turn = quat_to_matrix(scene.info.base_quaternion)
            marks = scene.goals[::step] @ turn.T + np.asarray(scene.info.base_position_m)
        image = render_scene(scene, size=PICTURE, marks=marks)
        text = "The twin with its robot at home" + (
            ", and some of its goals" if marks is not None else ""
        )
        figures.append(_figure(image, text))
    if scan is not None:
        camera = scan_camera(scan, PICTURE)
        if reconstruction is not None:
            image = render_overlay(scan, reconstruction, size=PICTURE, camera=camera)
            figures.append(_figure(image, "Colliders over what the sensor saw"))
        figures.append(_figure(render_scan(scan, size=PICTURE, camera=camera), "The scan"))
    return f"<h2>Place and twin</h2><div class=figs>{''.join(figures)}</div>" if figures else ""


def _figure(image: np.ndarray, caption: str) -> str:
    from PIL import Image

    data = io.BytesIO()
    Image.fromarray(image).save(data, format="JPEG", quality=JPEG_QUALITY, optimize=True)
    text = base64.b64encode(data.getvalue()).decode()
    return (
        f'<figure><img alt="{escape(caption)}" src="data:image/jpeg;base64,{text}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _validation(validation: Any) -> str:
    if validation is None:
        return ""
    info = validation.info
    rows = []
    for s in info.scenarios:
        rate = s.successes / s.trials if s.trials else 0.0
        pinned = ", ".join(f"{name} {value:.4g}" for name, value in sorted(s.pinned.items()))
        rows.append(
            [
                escape(s.name), escape(pinned or "-"), f"{s.successes} / {s.trials}",
                f"{_percent(s.lower)} - {_percent(s.upper)}",
                interval_bar(s.lower, s.upper, rate, s.threshold, s.verdict),
                f"{s.mean_error:.4g}", _tag(s.verdict),
            ]
        )  # fmt: skip
    head = ["scenario", "held at", "successes", "95 % bounds", "", "mean error", "verdict"]
    note = (
        f"Exported policy in {info.engine}, {1000 * info.timestep_s:.2g} ms steps, onnxruntime "
        f"{info.onnxruntime}; {info.edge_trials_equal} whole trials equal to the robot's runtime. "
        "Dashed: the bound to pass."
    )
    return f"<h2>Validation</h2>{_table(head, rows)}<p class=sub>{escape(note)}</p>"


def _training(policy: Any) -> str:
    if policy is None:
        return ""
    rows = [json.loads(line) for line in policy.log.decode().splitlines() if line.strip()]
    steps = [row.get("env_steps", index) for index, row in enumerate(rows)]
    played = [row.get("success_rate") for row in rows]
    judged = [
        (s, row["evaluation"]) for s, row in zip(steps, rows, strict=True) if row.get("evaluation")
    ]
    success = line_chart(
        [
            Series("evaluated", [s for s, _ in judged], [e.get("success_rate") for _, e in judged], 2, True),
            Series("exploring", steps, played, 0),
        ],
        x_label="environment steps", y_label="success rate", y_range=(0.0, 1.0),
    )  # fmt: skip
    returns = line_chart(
        [Series("return", steps, [row.get("return_mean") for row in rows], 1)],
        x_label="environment steps", y_label="mean return",
    )  # fmt: skip
    names = sorted({name for row in rows for name in row.get("terms", {})})
    terms = line_chart(
        [
            Series(name, steps, [row.get("terms", {}).get(name) for row in rows], color % 6)
            for color, name in enumerate(names)
        ],
        x_label="environment steps", y_label="reward per second, by term",
    )  # fmt: skip
    figures = [
        (success, "Success rate"),
        (returns, "Mean return of an episode"),
        (terms, "Reward terms, per second"),
    ]
    body = "".join(
        f"<figure>{svg}<figcaption>{escape(text)}</figcaption></figure>" for svg, text in figures
    )
    t = policy.info.training
    note = (
        f"{t.iterations} iterations, {t.copies} copies on {t.engine}, {t.episodes} episodes, "
        f"{t.crashes} engine failures left out."
    )
    return f"<h2>Training</h2><div class=figs>{body}</div><p class=sub>{escape(note)}</p>"


def _parity(artifacts: Artifacts) -> str:
    policy, bundle = artifacts.get("policy"), artifacts.get("bundle")
    if policy is None:
        return ""
    info = policy.info
    width = sum(signal.width for signal in info.observations)
    rows = [
        ["ONNX against JAX", f"max {info.parity.max_abs:.2e} over {info.parity.vectors} inputs"],
        ["runtime", f"onnxruntime {info.parity.onnxruntime}, opset {info.onnx_opset}"],
        [
            "network",
            f"{width} - {' - '.join(map(str, info.network.actor))} - {len(info.actions.joints)}",
        ],
        ["observations", ", ".join(f"{s.name} ({s.width})" for s in info.observations)],
        ["actions", f"{info.actions.mode}, {', '.join(info.actions.joints)}"],
        ["control rate", f"{1 / info.control_s:.4g} Hz"],
    ]
    if bundle is not None:
        b = bundle.info
        rows.append(
            [
                "bundle",
                f"{b.target}, {b.golden_vectors} golden vectors, {b.golden_ticks} golden ticks",
            ]
        )
        gate = b.gate + (" (gate overridden by the user)" if b.gate_override else "")
        rows.append(["gate", gate])
    return "<h2>Policy</h2>" + _facts_table(rows)


def _scene(scene: Any) -> str:
    if scene is None:
        return ""
    info = scene.info
    x, y, z = info.base_position_m
    rows = [
        ["robot", f"{info.robot.name} ({info.robot.kind}, {info.robot.base} base)"],
        ["base", f"({x:.3f}, {y:.3f}, {z:.3f}) m"],
        [
            "training model",
            f"{info.bodies} bodies, {info.geoms} geoms, nq {info.nq}, nv {info.nv}, nu {info.nu}",
        ],
        ["time step, control", f"{1000 * info.timestep_s:.3g} ms, {1000 * info.control_s:.3g} ms"],
        ["speed after a second at rest", f"{info.settle_speed_m_s:.2e} m/s"],
        ["things that move", ", ".join(info.movable) or "none"],
        ["free share of the workspace", _percent(info.workspace_free_fraction)],
        ["task", ", ".join(f"{k} {v:g}" for k, v in sorted(info.task.parameters.items()))],
    ]
    ranges = [
        [escape(r.name), escape(f"{r.target} {r.select}"), escape(r.field), escape(r.operation),
         f"{r.low:g} - {r.high:g}", escape(r.when)]
        for r in info.randomization
    ]  # fmt: skip
    table = _table(["randomized", "of", "field", "how", "range", "each"], ranges) if ranges else ""
    return f"<h2>Scene</h2>{_facts_table(rows)}<br>{table}"


def _twin(reconstruction: Any) -> str:
    if reconstruction is None:
        return ""
    info, audit = reconstruction.info, reconstruction.info.audit
    rows = [
        [
            "twin against scan",
            f"median {_length(audit.twin_median_m)}, 95 % {_length(audit.twin_p95_m)} over {audit.rays} rays",
        ],
        ["scan the twin does not explain", _percent(audit.unexplained_fraction, 2)],
        ["twin where the sensor saw through", _percent(audit.phantom_fraction, 2)],
        [
            "free space blocked",
            f"{_percent(audit.blocked_2cm, 2)} (2 cm clear), {_percent(audit.blocked_5cm, 2)} (5 cm clear)",
        ],
        ["surface without a collider within 2 cm", _percent(audit.missed_2cm, 2)],
        ["compared with", "the known truth" if audit.truth else "rays of the scan"],
        ["sensor position", info.viewpoint_evidence],
    ]
    bodies = [
        [escape(b.name), escape(b.role), escape(b.mobility), escape(b.fit), str(len(b.geoms)),
         f"{b.mass_kg.value:.3g} ({b.mass_kg.low:.2g} - {b.mass_kg.high:.2g})" if b.mass_kg else "-",
         _percent(b.assumed_fraction)]
        for b in info.bodies[:40]
    ]  # fmt: skip
    head = ["body", "role", "mobility", "fit", "geoms", "mass [kg]", "unseen"]
    return f"<h2>Reconstruction</h2>{_facts_table(rows)}<br>{_table(head, bodies)}"


def _scan(scan: Any) -> str:
    if scan is None:
        return ""
    info = scan.info
    low, high = info.bounds_m
    extent = " x ".join(f"{b - a:.2f}" for a, b in zip(low, high, strict=True))
    rows = [
        [
            "points",
            f"{len(scan.points)} of {info.raw_points} read, one per {1000 * info.voxel_m:.3g} mm voxel",
        ],
        ["dropped", ", ".join(f"{k} {v}" for k, v in sorted(info.dropped.items())) or "none"],
        ["unit", f"{info.unit}: {info.unit_evidence}"],
        ["up", f"{info.up_axis} ({_percent(info.up_confidence)} sure): {info.up_evidence}"],
        ["range noise", f"{1000 * info.noise_sigma_m:.2f} mm"],
        ["extent", f"{extent} m"],
        [
            "sensor positions",
            f"{len(scan.viewpoints)}, {info.viewpoints_source}: {info.viewpoint_evidence}",
        ],
    ]
    return "<h2>Scan</h2>" + _facts_table(rows)


def _repairs(source: Any) -> str:
    if source is None:
        return ""
    robot = getattr(source.info, "robot", source.info)
    if not robot.repairs:
        return ""
    rows = [
        [escape(r.element), escape(r.rule), escape(r.before), escape(r.after), escape(r.reason)]
        for r in robot.repairs[:40]
    ]
    return "<h2>Repairs of the robot</h2>" + _table(["where", "rule", "was", "is", "why"], rows)


def _warnings(artifacts: Artifacts) -> str:
    found = [
        (kind, text)
        for kind in ("scan", "reconstruction", "scene")
        if kind in artifacts
        for name in ("notes", "warnings")
        for text in getattr(artifacts[kind].info, name, ())
    ]
    if not found:
        return ""
    items = "".join(f"<li><b>{kind}</b>: {escape(text)}</li>" for kind, text in found)
    return f"<h2>Said along the way</h2><ul>{items}</ul>"


def _facts(facts: Mapping[str, Any]) -> str:
    rows = [
        [key, f"{value:.4g}" if isinstance(value, float) else str(value)]
        for key, value in sorted(facts.items())
    ]
    return "<h2>Measured on this machine</h2>" + _facts_table(rows) if rows else ""


def _lineage(lineage: Sequence[Ancestor]) -> str:
    if not lineage:
        return ""
    rows = [
        ["&nbsp;" * 4 * a.depth + escape(a.kind), escape(", ".join(a.refs) or "-"), escape(a.made_by or "-"),
         f"<code>{escape(a.digest.removeprefix('sha256:')[:16])}</code>"]
        for a in lineage
    ]  # fmt: skip
    return "<h2>Lineage</h2>" + _table(["artifact", "names", "made by", "digest"], rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of cells that are already HTML."""
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<div class=scroll><table><tr>{top}</tr>{body}</table></div>"


def _facts_table(rows: Iterable[Sequence[str]]) -> str:
    """Return a two-column table of plain texts."""
    body = "".join(
        f"<tr><th>{escape(key)}</th><td>{escape(value)}</td></tr>" for key, value in rows
    )
    return f"<div class=scroll><table>{body}</table></div>"


def _nominal(info: Any) -> Any:
    return next((s for s in info.scenarios if s.name == "nominal"), info.scenarios[0])


def _tag(verdict: str) -> str:
    return f'<span class="tag {escape(verdict)}">{escape(verdict)}</span>'


def _percent(value: float | None, digits: int = 1) -> str:
    return "not measured" if value is None else f"{100 * value:.{digits}f} %"


def _length(value: float | None) -> str:
    return "not measured" if value is None else f"{1000 * value:.1f} mm"


def _count(value: float) -> str:
    from r2s.report.curves import short

    return short(float(f"{value:.3g}"))
