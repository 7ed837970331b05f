"""The reconstruct stage: a scan in, bodies with collision geometry and physics out, audited."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import numpy as np
from pydantic import Field

from r2s.artifacts.base import Artifact
from r2s.artifacts.edits import Edit
from r2s.artifacts.reconstruction import Reconstruction, ReconstructionInfo
from r2s.artifacts.scan import Scan
from r2s.core.context import StageContext
from r2s.core.errors import R2SError
from r2s.core.seeds import generator
from r2s.reconstruct.audit import audit
from r2s.reconstruct.cloud import Cloud, working_cloud
from r2s.reconstruct.edits import edited
from r2s.reconstruct.freespace import carve
from r2s.reconstruct.labels import labelled, versions
from r2s.reconstruct.layout import FloorMode, LayoutConfig, build
from r2s.reconstruct.openings import described
from r2s.reconstruct.painting import painted
from r2s.reconstruct.parts import Part, all_geoms, bodies, named
from r2s.reconstruct.rays import find_rays
from r2s.reconstruct.surface import surface
from r2s.reconstruct.terrain import find_terrain
from r2s.reconstruct.visuals import own_surfaces, owners

STAGE_VERSION: int = 7
DETERMINISM: Literal["bitwise", "tolerance", "statistical"] = "bitwise"
TOOLS: tuple[str, ...] = ("numpy", "scipy", "open3d", "coacd", "trimesh", "pillow")


class Config(LayoutConfig):
    """How a scan becomes bodies. Lengths in metres."""

    edits: tuple[Edit, ...] = Field(
        (), description="what a person changed, as JSON; `r2s layout edit` takes them from YAML"
    )
    labels: bool = Field(True, description="let installed labelers say what things are")
    floor: FloorMode = Field(
        "auto",
        description="what the lowest large surface is: auto, floor, table or terrain (a height field)",
    )
    min_support_area_m2: float = Field(
        0.04, gt=0, description="smallest level surface that things may stand on"
    )
    support_thickness_m: float = Field(
        0.05, gt=0, description="thickness of a support whose underside nobody saw"
    )
    wall_thickness_m: float = Field(0.10, gt=0, description="thickness of walls that are boxes")
    max_box_edge_m: float = Field(
        1.0,
        gt=0,
        description="longest edge of wall boxes; a box of clutter may be four times as long",
    )
    max_object_height_m: float = Field(0.6, gt=0, description="taller things are static")
    max_object_edge_m: float = Field(0.6, gt=0, description="wider things are static")
    max_object_mass_kg: float = Field(10.0, gt=0, description="heavier things are static")
    max_static_geoms: int = Field(128, ge=8, description="budget of static colliders")
    max_terrain_cells: int = Field(
        256, ge=16, le=512, description="most nodes of a height field along a side"
    )
    texture_side: int = Field(
        3072,
        ge=64,
        le=8192,
        description="most texels of a side of the picture with the surfaces' colours",
    )
    max_blocked_5cm: float = Field(
        0.01,
        ge=0,
        description="audit: share of observed free space (5 cm clear) that colliders may block",
    )
    max_missed_2cm: float = Field(
        0.05,
        ge=0,
        description="audit: share of scan points that may be farther than 2 cm from any collider",
    )


def run(inputs: Mapping[str, Artifact], config: Config, context: StageContext) -> Reconstruction:
    """Reconstruct a scan.

    Raises:
        R2SError: R2S-RECON-001 no surface to build on; `accept` judges the twin.
    """
    scan = inputs["scan"]
    assert isinstance(scan, Scan)
    clock = time.perf_counter()
    cloud = working_cloud(scan)
    terrain = find_terrain(cloud, config.floor, config.max_terrain_cells)
    rays = find_rays(scan, cloud.points, cloud.order, estimate=terrain is None)
    free = carve(cloud.points, rays, cloud.voxel_m)
    context.progress("reconstruct", 1, 4)
    draft = build(cloud, rays, free, terrain, config, context.seed)
    draft = replace(draft, parts=named(draft.parts))
    draft, dropped, before = edited(draft, config.edits, cloud, rays, free, context.seed)
    parts = draft.parts
    if config.labels:
        parts, told = labelled(parts, cloud)
        draft.warnings.extend(told)
    context.progress("reconstruct", 3, 4)
    found, hulls = bodies(parts, cloud)
    geoms, geom_hulls, owner = all_geoms(parts)
    result = audit(
        geoms, geom_hulls, owner, [b.name for b in found], cloud.points, rays, free, cloud.voxel_m,
        generator(context.seed, "reconstruct", "audit"),
        movable=np.array([b.mobility == "movable" for b in found], bool), left_out=dropped,
    )  # fmt: skip
    context.progress("surface", 3, 4)
    whole, fit = surface(scan, cloud)
    labels = point_labels(parts, cloud)
    skin, own, texture = painted(
        whole, own_surfaces(parts, cloud), scan, cloud, config.texture_side
    )
    context.facts["reconstruct_seconds"] = time.perf_counter() - clock
    return Reconstruction(
        info=ReconstructionInfo(
            bodies=tuple(found),
            audit=result,
            viewpoint_evidence=rays.evidence,
            openings=described(
                draft.holes, [b.name for b in found], draft.floor_m, geoms, geom_hulls
            ),
            edits=config.edits,
            found=before,
            warnings=tuple(draft.warnings),
            surface=fit,
        ),
        hulls=tuple(hulls),
        labels=labels,
        visuals=tuple(own),
        surface=skin,
        surface_bodies=owners(whole, labels, scan.points),
        texture=texture,
    )


def point_labels(parts: list[Part], cloud: Cloud) -> np.ndarray:
    """Return (n,) int32 body index per scan point, in the scan's own order, -1 for none."""
    working = np.full(len(cloud.points), -1, np.int32)
    for index, part in enumerate(parts):
        working[part.points] = index
    labels = np.empty_like(working)
    labels[cloud.order] = working
    return labels


def facets(config: Config) -> dict[str, str]:
    """Return what may change the bytes beside inputs and settings: the installed labelers."""
    found = versions() if config.labels else ""
    return {"labelers": found} if found else {}


def accept(made: Reconstruction, config: Config) -> None:
    """Raise if the twin blocks air the sensor saw through, or leaves out what it saw.

    Raises:
        R2SError: R2S-RECON-002 blocked air, R2S-RECON-003 missed surface; each names the worst place.
    """
    result = made.info.audit
    again = "r2s reconstruct" + ("" if config.floor == "auto" else f" --floor {config.floor}")
    if result.blocked_5cm is not None and result.blocked_5cm > config.max_blocked_5cm:
        worst = result.worst_body
        raise R2SError(
            "R2S-RECON-002",
            f"colliders block {100 * result.blocked_5cm:.2f} % of the air the sensor saw through "
            f"(limit {100 * config.max_blocked_5cm:.2f} %)",
            where=f"worst body: {worst} ({100 * result.worst_blocked_5cm:.2f} %)",
            why="a robot would train against walls that are not there",
            remedy=f"{again} --max-blocked-5cm {_above(result.blocked_5cm)}, "
            f"or re-scan around {worst}",
        )
    if result.missed_2cm > config.max_missed_2cm:
        place = ""
        if result.worst_missed_m is not None:
            x, y, z = result.worst_missed_m
            near = f", nearest body: {result.worst_missed_near}" if result.worst_missed_near else ""
            place = f"; most at ({x:.2f}, {y:.2f}, {z:.2f}) m{near}"
        raise R2SError(
            "R2S-RECON-003",
            f"{100 * result.missed_2cm:.3g} % of the scanned surface is farther than 2 cm from any collider "
            f"(limit {100 * config.max_missed_2cm:.3g} %)",
            where=f"points that no body explains{place}",
            why="a robot would train to move through things that are there",
            remedy=f"{again} --max-missed-2cm {_above(result.missed_2cm)}, or more boxes: "
            f"--max-static-geoms {2 * config.max_static_geoms}",
        )


def _above(share: float) -> str:
    """Return a limit that a measured share stays within, with some room."""
    return f"{1.2 * share:.2g}"
