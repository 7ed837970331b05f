"""From points to parts: shell, supports, objects, clutter, in that order, each point once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from r2s.artifacts.base import Frozen
from r2s.artifacts.geometry import Geom
from r2s.core.errors import R2SError
from r2s.core.rectangle import min_rectangle
from r2s.core.seeds import derive_seed, generator
from r2s.reconstruct import clutter, shell
from r2s.reconstruct.cloud import Cloud
from r2s.reconstruct.freespace import FreeSpace
from r2s.reconstruct.levels import Level, find_levels
from r2s.reconstruct.objects import Limits, find_objects, things_on
from r2s.reconstruct.openings import Hole, blocks_a_passage, find_holes, passages
from r2s.reconstruct.panels import find_panels
from r2s.reconstruct.parts import Part, all_geoms
from r2s.reconstruct.planes import Plane
from r2s.reconstruct.rays import Rays
from r2s.reconstruct.selection import EXPLAINED_M, Prices, Sorted, choose, offered
from r2s.reconstruct.solids import nearest_distance, sample_inside
from r2s.reconstruct.supports import support
from r2s.reconstruct.terrain import Terrain

FloorMode = Literal["auto", "floor", "table", "terrain"]
_WALL_AREA_M2 = 0.6
_WALL_HEIGHT_M = 0.5
_FLOOR_SIDE_M = 3.0  # a level surface whose short side is longer is no table
_STANDING_M = 0.35  # a wall whose foot is lower than this over a surface stands on it
_CEILING_M = 1.8
_CEILING_BOXES = 16
_CEILING_EDGE_M = 2.0
_SHELL_SHARE = 0.5  # of the geom budget
_FREE_PROBES = 30_000
_AIR_PROBES = 400_000
_TIGHT_M = 0.02  # boxes are grown shy of seen air that far from any point, chosen shy of _CLEAR_M
# How long boxes of clutter may be, in edges of wall boxes: longer ones where the short do not do.
_CLUTTER_EDGES = (1, 4, 4)
_PANEL_AREA_M2 = 0.04
_CLEAR_M = 0.05
_PROBE_M = 0.01  # spacing of the probes inside a movable object
_EXPLAINED_BY_SHELL_M = 0.02
_WORTH = 1e-4  # a clutter box holds at least this share of the scan's points
# Of the points that may be missed: what clutter may leave out; the shell misses some too.
_LEFT_OUT = 0.85
_STRETCH = 4  # the geom budget may grow this many times before points are left out


@dataclass
class Draft:
    """What has been explained so far.

    Attributes:
        available: (n,) bool: points that no part explains.
        parts, warnings: the result so far.
        holes: openings, each with the index of the part it is in.
        floor_m: height of the floor, where one was found.
    """

    available: np.ndarray
    parts: list[Part]
    warnings: list[str]
    holes: list[tuple[int, Hole]] = field(default_factory=list)
    floor_m: float = 0.0

    def add(self, part: Part) -> int:
        self.parts.append(part)
        self.available[part.points] = False
        return len(self.parts) - 1

    @property
    def static_geoms(self) -> int:
        return sum(len(p.geoms) for p in self.parts if p.mobility == "static")


class LayoutConfig(Frozen):
    """The fields of the stage's config that decide the layout; see `stage.Config`."""

    floor: FloorMode
    min_support_area_m2: float
    support_thickness_m: float
    wall_thickness_m: float
    max_box_edge_m: float
    max_object_height_m: float
    max_object_edge_m: float
    max_object_mass_kg: float
    max_static_geoms: int
    max_blocked_5cm: float
    max_missed_2cm: float
    max_terrain_cells: int


def build(
    cloud: Cloud,
    rays: Rays,
    free: FreeSpace,
    terrain: Terrain | None,
    config: LayoutConfig,
    seed: int,
) -> Draft:
    """Explain a cloud by parts.

    Args:
        terrain: the ground, where it is no plane.

    Raises:
        R2SError: R2S-RECON-001, nothing level to stand on.
    """
    draft = Draft(np.ones(len(cloud.points), bool), [], [])
    if terrain is not None:
        draft.add(terrain.part)
        draft.warnings.extend(terrain.notes)
    levels = find_levels(
        cloud, draft.available, config.min_support_area_m2, generator(seed, "reconstruct", "levels")
    )
    free_for_walls = draft.available.copy()
    for level in levels:
        free_for_walls[level.points] = False
    walls = shell.find_walls(
        cloud,
        free_for_walls,
        _WALL_AREA_M2,
        _WALL_HEIGHT_M,
        generator(seed, "reconstruct", "walls"),
    )
    if terrain is None:
        floor, ceiling, tables = sort_levels(levels, walls, config.floor)
    else:
        floor, ceiling, tables = None, None, _tables_on(terrain, levels)
    if floor is None and terrain is None and not tables:
        raise R2SError(
            "R2S-RECON-001",
            "no level surface was found in the scan",
            where=f"{len(cloud.points)} points, smallest accepted area {config.min_support_area_m2} m2",
            why="a robot and the things it handles need something to stand on",
            remedy="check gravity with `r2s show scan` and give it with `r2s scan FILE --up +y`, "
            "or lower --min-support-area-m2",
        )
    probes = free.samples(_FREE_PROBES, generator(seed, "reconstruct", "probes"))
    standing = _add_levels(draft, floor, ceiling, tables, cloud, free, probes, config)
    draft.floor_m = floor.height_m if floor is not None else 0.0
    holes = find_holes(walls, floor.height_m, cloud, rays) if floor is not None else []
    _add_walls(draft, walls, holes, cloud, free, probes, config)
    limits = Limits(config.max_object_height_m, config.max_object_edge_m, config.max_object_mass_kg)
    # What a surface runs on to, bowed as it may be, is no thing on it: where its boxes leave it, clutter is.
    surfaces = np.zeros(len(cloud.points), dtype=bool)
    for _, level in standing:
        surfaces[level.points] = True
    coacd_seed = derive_seed(seed, "coacd") % 2**31
    for parent, level in standing:
        left = draft.available & ~surfaces
        for part in find_objects(level, cloud, left, rays, free, limits, coacd_seed):
            if floor is not None and _holds_something(part, level, tables, cloud):
                part = replace(part, role="clutter", mobility="static")
            draft.warnings.extend(part.notes)
            draft.add(replace(part, parent=parent))
    if terrain is not None:
        for part in things_on(
            terrain, cloud, draft.available & ~surfaces, rays, free, limits, coacd_seed
        ):
            draft.add(replace(part, parent=0))
    _absorb(draft, cloud, max(0.75 * cloud.voxel_m, cloud.tolerance_m))
    _add_clutter(draft, walls, holes, cloud, free, config, seed, terrain)
    _absorb(draft, cloud, 2 * cloud.merge_m)
    return draft


def sort_levels(
    levels: list[Level], walls: list[shell.Face], mode: FloorMode
) -> tuple[Level | None, Level | None, list[Level]]:
    """Return (floor, ceiling, tables). A lone table top that fills the scan is a table, not a floor."""
    if not levels:
        return None, None, []
    big = max(level.area.area_m2 for level in levels if level.faces_up or len(levels) == 1)
    sizeable = [lv for lv in levels if lv.faces_up and lv.area.area_m2 >= min(1.0, 0.25 * big)]
    lowest = min(sizeable, key=lambda lv: lv.height_m) if sizeable else None
    floor = lowest if lowest is not None and mode != "table" else None
    if floor is not None and mode == "auto" and not _looks_like_floor(floor, levels, walls):
        floor = None
    base = floor.height_m if floor else (lowest.height_m if lowest else -np.inf)
    high = [lv for lv in levels if lv is not floor and lv.height_m > base + _CEILING_M]
    ceiling = max(high, key=lambda lv: lv.area.area_m2) if high and floor is not None else None
    if ceiling is not None and ceiling.faces_up and ceiling.area.area_m2 < 0.2 * big:
        ceiling = None
    tables = [
        lv
        for lv in levels
        if lv is not floor
        and lv is not ceiling
        and lv.faces_up
        and (floor is None or 0.08 < lv.height_m - base < _CEILING_M)
    ]
    return floor, ceiling, tables


def _tables_on(terrain: Terrain, levels: list[Level]) -> list[Level]:
    """Return the levels that face up from where a robot can reach: a roof is none."""
    heights = [terrain.above(level.T_world_level[None, :3, 3])[0] for level in levels]
    return [
        level
        for level, height in zip(levels, heights, strict=True)
        if level.faces_up and 0.08 < height < _CEILING_M
    ]


def _looks_like_floor(level: Level, levels: list[Level], walls: list[shell.Face]) -> bool:
    _, _, half = min_rectangle(level.area.centres()[level.area.mask])
    if 2 * min(half) > _FLOOR_SIDE_M:
        return True
    for wall in walls:
        x = wall.area.centres()[wall.area.mask]
        world = np.column_stack([x, np.zeros(len(x))]) @ wall.T_world_face[:3, :3].T
        local = level.local(world + wall.T_world_face[:3, 3])
        foot = local[local[:, 2] < np.quantile(local[:, 2], 0.1) + 0.05]
        if abs(float(foot[:, 2].min())) < _STANDING_M and _near_area(level, foot[:, :2], 0.4):
            return True
    others = [lv for lv in levels if lv is not level and lv.faces_up and lv.area.area_m2 > 0.1]
    return any(0.3 < lv.height_m - level.height_m < 1.3 for lv in others)


def _near_area(level: Level, xy: np.ndarray, reach_m: float) -> bool:
    from scipy.spatial import KDTree

    centres = level.area.centres()[level.area.mask]
    return bool((KDTree(centres).query(xy)[0] < reach_m).any())


def _add_levels(
    draft, floor, ceiling, tables, cloud, free, probes, config
) -> list[tuple[int, Level]]:
    """Add floor, ceiling and supports; return (part index, level) of everything things stand on."""
    standing, ground = [], 0 if draft.parts or floor is not None else -1
    if floor is not None:
        frame, plane = floor.T_world_level, floor.plane
        if shell.is_half_space(plane, cloud, free, probes, shell.BELOW_FLOOR):
            part = Part("floor", "plane", (shell.plane_geom(frame),), floor.points)
        else:
            geoms = shell.slabs(
                frame, floor.area, free, thickness_m=0.2, skin_m=cloud.skin_m,
                max_edge_m=config.max_box_edge_m * 4, limit=config.max_static_geoms // 8,
                local=floor.local(cloud.points[floor.points]), noise_m=cloud.sigma_m,
            )  # fmt: skip
            part = Part("floor", "boxes", geoms, floor.points)
            draft.warnings.append("something was seen below the floor: it is boxes, not a plane")
        standing.append((draft.add(part), floor))
    elif ground < 0:
        draft.warnings.append(
            "no floor was seen: the level surface that fills the scan is taken as a table and no "
            "floor is invented (--floor floor if it is one)"
        )
    for level in tables:
        part = _covered(support(level, cloud, free, config.support_thickness_m), cloud)
        standing.append((draft.add(replace(part, parent=ground)), level))
    if ceiling is not None:
        part = _ceiling(ceiling, cloud, free, probes, config)
        if part.geoms:
            draft.add(_covered(part, cloud))
    return standing


def _ceiling(level: Level, cloud, free, probes, config) -> Part:
    down = np.diag([1.0, -1.0, -1.0])
    frame = level.T_world_level.copy()
    frame[:3, :3] = frame[:3, :3] @ down
    plane = Plane(-level.plane.normal, -level.plane.offset)
    local = (cloud.points[level.points] - frame[:3, 3]) @ frame[:3, :3]
    if shell.is_half_space(plane, cloud, free, probes) and not shell.is_bent(local[:, 2]):
        return Part("ceiling", "plane", (shell.plane_geom(frame),), level.points)
    area = replace(
        level.area,
        mask=level.area.mask[:, ::-1],
        origin=np.array(
            [
                level.area.origin[0],
                -level.area.origin[1] - level.area.mask.shape[1] * level.area.cell_m,
            ]
        ),
    )
    geoms = shell.slabs(
        frame, area, free, thickness_m=config.wall_thickness_m, skin_m=cloud.skin_m,
        max_edge_m=_CEILING_EDGE_M, limit=_CEILING_BOXES, local=local, noise_m=cloud.sigma_m,
    )  # fmt: skip
    return Part("ceiling", "boxes", geoms, level.points)


def _add_walls(draft: Draft, walls: list[shell.Face], holes, cloud, free, probes, config) -> None:
    """Add walls: planes first, then boxes of the largest within their share of the budget.

    Openings stay open: their wall is boxes around them, and no plane reaches into a passage.
    """
    boxed, planes = [], []
    for wall in sorted(walls, key=lambda w: -w.area.area_m2):
        twin = any(_same_plane(wall.plane, other) for other in planes)
        bent = shell.is_bent(wall.local(cloud.points[wall.points])[:, 2])
        shut = blocks_a_passage(wall.plane, holes, free, cloud.voxel_m + cloud.tolerance_m)
        if not (twin or bent or shut) and shell.is_half_space(wall.plane, cloud, free, probes):
            planes.append(wall.plane)
            geom = shell.plane_geom(wall.T_world_face)
            draft.add(_covered(Part("wall", "plane", (geom,), wall.points), cloud))
        else:
            boxed.append(wall)
    budget = int(config.max_static_geoms * _SHELL_SHARE) - draft.static_geoms
    total = sum(w.area.area_m2 for w in boxed)
    edge = config.max_box_edge_m
    while total / edge**2 > 0.6 * max(budget, 1):
        edge *= 1.5
    if edge > config.max_box_edge_m and boxed:
        draft.warnings.append(
            f"{total:.0f} m2 of walls within {budget} boxes: their edges are up to {edge:.1f} m"
        )
    for wall in boxed:
        share = max(2, round(budget * wall.area.area_m2 / total))
        geoms = shell.slabs(
            wall.T_world_face, wall.area, free, thickness_m=config.wall_thickness_m, skin_m=cloud.skin_m,
            max_edge_m=edge, limit=share, local=wall.local(cloud.points[wall.points]),
            noise_m=cloud.sigma_m,
            openings=[there for hole in holes if (there := hole.within(wall.T_world_face))],
        )  # fmt: skip
        if geoms:
            index = draft.add(_covered(Part("wall", "boxes", geoms, wall.points), cloud))
            # A wall in several pieces shares its frame: its largest, which comes first, has the opening.
            own = [h for h in holes if np.array_equal(h.T_world_wall, wall.T_world_face)]
            taken = [hole for _, hole in draft.holes]
            draft.holes += [(index, h) for h in own if all(h is not each for each in taken)]


def _same_plane(a: Plane, b: Plane) -> bool:
    return bool(a.normal @ b.normal > 0.98 and abs(a.offset - b.offset) < 0.3)


def _holds_something(part: Part, level: Level, tables: list[Level], cloud: Cloud) -> bool:
    """Return whether the part reaches up to the underside of a table above (a leg, a drawer unit)."""
    top = level.local(cloud.points[part.points])[:, 2].max() + level.height_m
    for table in tables:
        if table is level or table.height_m < level.height_m:
            continue
        xy = table.local(cloud.points[part.points])[:, :2]
        if table.area.contains(xy).mean() > 0.2 and top > table.height_m - 0.15:
            return True
    return False


def _absorb(draft: Draft, cloud: Cloud, reach: float) -> None:
    """Give points that lie on an existing collider to its part."""
    geoms, hulls, owner = all_geoms(draft.parts)
    rest = np.flatnonzero(draft.available)
    distance, which = nearest_distance(geoms, hulls, cloud.points[rest], reach)
    taken = which >= 0
    movable = np.array([part.mobility == "movable" for part in draft.parts], bool)
    # Deep behind a wall a point is explained by nothing; inside a cup it is the cup.
    deep = (distance < -3 * reach) & ~movable[owner[which]]
    for index in np.unique(owner[which[taken & ~deep]]):
        own = rest[taken & ~deep & (owner[which] == index)]
        part = draft.parts[index]
        draft.parts[index] = replace(part, points=np.union1d(part.points, own))
        draft.available[own] = False


def _add_clutter(
    draft: Draft, walls, holes: list[Hole], cloud: Cloud, free: FreeSpace, config, seed: int,
    terrain: Terrain | None,
) -> None:  # fmt: skip
    """Add what is left: turned slabs and voxel boxes, the best few within the geom budget."""
    rng = generator(seed, "reconstruct", "clutter")
    rest = np.flatnonzero(draft.available)
    points = cloud.points[rest]
    budget = config.max_static_geoms - draft.static_geoms
    air, clear = _open_air(cloud, free, rng)
    some_air = air[clear][:: max(1, int(clear.sum()) // _FREE_PROBES)]
    blocked = 0.7 * config.max_blocked_5cm - _blocked(draft, some_air)
    prices = Prices(
        len(cloud.points),
        len(some_air),
        config.max_missed_2cm,
        max(blocked, 0.1 * config.max_blocked_5cm),
    )
    boxes = find_panels(cloud, draft.available, free, min_area_m2=_PANEL_AREA_M2, rng=rng)
    keep_clear = [_movable_probes(draft), Sorted(passages(holes, cloud, free))]
    offers = offered(_clear_of(boxes, keep_clear), points, some_air)
    taken: list[int] = []
    wanted = np.ones(len(points), bool)
    may_miss = int(_LEFT_OUT * config.max_missed_2cm * len(cloud.points))
    for edges in _CLUTTER_EDGES:
        boxes = []
        for scale in [1.0] if terrain is None else clutter.scales(cloud, terrain.cell_m):
            boxes += clutter.candidates(
                points, wanted, _main_yaw(walls), air,
                air_price=prices.missed * prices.points / max(prices.blocked * clear.sum(), 1.0),
                max_edge_m=edges * config.max_box_edge_m * scale,
                least=int(_WORTH * len(cloud.points)), scale=scale, rng=rng,
            )  # fmt: skip
        offers += offered(_clear_of(boxes, keep_clear), points, some_air)
        taken = choose(
            offers, len(points), prices, budget=max(budget, 0),
            hard_budget=max(budget, 0) + (_STRETCH - 1) * config.max_static_geoms,
            may_miss=may_miss,
        )  # fmt: skip
        for index in taken:
            wanted[offers[index].covers] = False
        if len(taken) <= budget and wanted.sum() <= may_miss:
            break
    if not taken:
        return
    geoms = tuple(offers[i].box for i in taken)
    _, which = nearest_distance(geoms, (), cloud.points[rest], 2 * EXPLAINED_M)
    draft.add(Part("clutter", "boxes", geoms, rest[which >= 0]))
    if len(taken) > budget:
        draft.warnings.append(
            f"{draft.static_geoms} static colliders instead of {config.max_static_geoms}: fewer would "
            f"leave out more than {100 * config.max_missed_2cm:.0f} % of the scan (crop the scan to the "
            "robot's surroundings, or loosen --max-missed-2cm)"
        )


def _clear_of(boxes: list[Geom], probes: Sequence[Sorted]) -> list[Geom]:
    """Return the boxes that reach to none of the probes."""
    return [
        box for box in boxes if not any(len(each.within(box, _PROBE_M / 2)[0]) for each in probes)
    ]


def _movable_probes(draft: Draft) -> Sorted:
    """Return points of the movable objects: one that a box reaches into would be stuck, or fly off."""
    inside = [
        sample_inside(geom, part.hulls, _PROBE_M)
        for part in draft.parts
        if part.mobility == "movable"
        for geom in part.geoms
    ]
    return Sorted(np.concatenate([np.zeros((0, 3)), *inside]))


def _open_air(cloud: Cloud, free: FreeSpace, rng) -> tuple[np.ndarray, np.ndarray]:
    """Return samples (m, 3) of observed free space at least 2 cm from any scan point, (m,) bool: 5 cm."""
    from scipy.spatial import KDTree

    samples = free.samples(_AIR_PROBES, rng)
    distance, _ = KDTree(cloud.points).query(samples, distance_upper_bound=_CLEAR_M)
    return samples[distance >= _TIGHT_M], np.isinf(distance[distance >= _TIGHT_M])


def _blocked(draft: Draft, air: np.ndarray) -> float:
    """Return the share of open air (m, 3) inside the parts so far."""
    geoms, hulls, _ = all_geoms(draft.parts)
    depth, which = nearest_distance(geoms, hulls, air, 1e-9)
    return float(((which >= 0) & (depth < 0)).mean()) if len(air) else 0.0


def _covered(part: Part, cloud: Cloud) -> Part:
    """Return the part without points off its colliders: they are for clutter to explain."""
    d, which = nearest_distance(
        part.geoms,
        part.hulls,
        cloud.points[part.points],
        max(_EXPLAINED_BY_SHELL_M, cloud.tolerance_m),
    )
    return replace(part, points=part.points[(which >= 0) & (d > -cloud.merge_m - cloud.voxel_m)])


def _main_yaw(walls: list[shell.Face]) -> float:
    """Return the room's direction [rad] in [0, pi/2): area-weighted mean of wall normals, modulo 90 deg."""
    if not walls:
        return 0.0
    angle = [np.arctan2(w.plane.normal[1], w.plane.normal[0]) for w in walls]
    weight = [w.area.area_m2 for w in walls]
    z = np.sum(np.array(weight) * np.exp(4j * np.array(angle)))
    return float(np.mod(np.angle(z) / 4, np.pi / 2))
