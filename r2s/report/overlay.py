"""The twin's colliders over what the sensor saw: what fits, what is missing, what was made up."""

from __future__ import annotations

import itertools

import numpy as np

from r2s.artifacts.geometry import Geom
from r2s.artifacts.reconstruction import Opening, Reconstruction
from r2s.artifacts.scan import Scan
from r2s.core.rigid import quat_to_matrix
from r2s.report import shapes
from r2s.report.camera import Camera
from r2s.report.light import Item, Layer, cast, to_linear
from r2s.report.render import SIZE, points_layer, scan_camera

ROLE_COLORS = {
    "floor": (0.55, 0.62, 0.60), "ceiling": (0.75, 0.75, 0.75), "wall": (0.62, 0.66, 0.74),
    "support": (0.80, 0.62, 0.35), "object": (0.90, 0.35, 0.25), "clutter": (0.45, 0.55, 0.80),
}  # fmt: skip
WORST_COLOR = (1.0, 0.0, 0.8)
LEVEL = 0.3  # height over width of what is a slab
OPENING_COLORS = {"door": (1.0, 0.55, 0.0), "window": (0.0, 0.75, 0.95)}


def render_overlay(
    scan: Scan,
    reconstruction: Reconstruction,
    *,
    size: tuple[int, int] = SIZE,
    camera: Camera | None = None,
    opacity: float = 0.45,
    worst: str = "",
) -> np.ndarray:
    """Return (h, w, 3) uint8: colliders, coloured by role and outlined, over the scan's points.

    Args:
        worst: name of a body that is drawn in magenta.
    """
    camera = camera or scan_camera(scan, size)
    image, depth = points_layer(scan, camera, size)
    sensors_m = scan.viewpoints[:, 2].max() if len(scan.viewpoints) else np.inf
    layer = Layer(reconstruction_items(reconstruction, camera, float(sensors_m), worst))
    rays = camera.rays(*size).reshape(-1, 6)
    hits = cast([layer], rays)
    forward = camera.axes()[2]
    along = (hits.distance * (rays[:, 3:] @ forward)).reshape(depth.shape) + camera.near_m
    # Points within a few centimetres in front of a collider are its own surface.
    shown = np.isfinite(along) & (along < depth + 0.04)
    shown &= _within(scan, rays, hits.distance).reshape(depth.shape)
    light = 0.55 + 0.45 * np.abs(np.einsum("ij,ij->i", hits.normal, rays[:, 3:]))
    tint = 255 * np.clip((hits.color ** (1 / 2.2)) * light[:, None], 0, 1).reshape(image.shape)
    mixed = np.where(shown[..., None], (1 - opacity) * image + opacity * tint, image)
    edges = outlines(hits, size) & shown
    mixed[edges] = 0.35 * mixed[edges]
    for opening in reconstruction.info.openings:
        color = 255 * np.array(OPENING_COLORS[opening.kind])
        draw_lines(mixed, camera, opening_corners(opening), color)
    return np.round(mixed).astype(np.uint8)


def render_audit(
    scan: Scan, reconstruction: Reconstruction, *, missed: bool, size: tuple[int, int] = SIZE
) -> np.ndarray:
    """Return (h, w, 3) uint8: what is worst in a failed audit, from the side that was seen.

    Args:
        missed: a ring where most surface was missed; else the body that blocks most air, in magenta.
    """
    audit = reconstruction.info.audit
    camera = scan_camera(scan, size)
    image = render_overlay(
        scan, reconstruction, size=size, camera=camera, worst="" if missed else audit.worst_body
    )
    if missed and audit.worst_missed_m is not None:
        angle = np.linspace(0, 2 * np.pi, 60)
        right, down, _ = camera.axes()
        reach = 0.05 * np.linalg.norm(np.subtract(camera.position, audit.worst_missed_m))
        ring = np.outer(np.cos(angle), right) + np.outer(np.sin(angle), down)
        points = np.asarray(audit.worst_missed_m) + reach * ring
        draw_lines(image, camera, points, 255 * np.array(WORST_COLOR))
    return image


def opening_corners(opening: Opening) -> np.ndarray:
    """Return the (5, 3) corners of an opening's rectangle, the first again at the end."""
    width, height = opening.size_m
    square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]]) / 2
    local = np.column_stack([square * (width, height), np.zeros(5)])
    return local @ quat_to_matrix(opening.quaternion).T + np.asarray(opening.center_m)


def draw_lines(image: np.ndarray, camera: Camera, points: np.ndarray, color: np.ndarray) -> None:
    """Draw a line through (n, 3) world points into (h, w, 3), two pixels wide, over everything."""
    height, width = image.shape[:2]
    steps = np.linspace(0, 1, max(width, height))[:, None]
    dense = np.concatenate([a + steps * (b - a) for a, b in itertools.pairwise(points)])
    pixels, depth = camera.project(dense, width, height)
    pixels = np.floor(pixels[depth > camera.near_m]).astype(int)
    for shift in ((0, 0), (1, 0), (0, 1), (1, 1)):
        x, y = (pixels + shift).T
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        image[y[inside], x[inside]] = color


def reconstruction_items(
    reconstruction: Reconstruction, camera: Camera, sensors_m: float, worst: str = ""
) -> list[Item]:
    """Return the colliders that show the camera the side that was seen.

    Left out: planes from behind, and what is level and above all sensors (`sensors_m`), from above.
    """
    items = []
    for number, body in enumerate(reconstruction.info.bodies):
        if body.role == "ceiling":
            continue
        color = to_linear(WORST_COLOR if body.name == worst else ROLE_COLORS[body.role])
        for geom in body.geoms:
            rotation, position = quat_to_matrix(geom.quaternion), np.asarray(geom.position)
            surface = geom_surface(geom, reconstruction)
            if geom.shape == "plane":
                hidden = rotation[:, 2] @ (camera.position - position) < 0
            else:
                corners = surface.vertices @ rotation.T + position
                size, bottom = np.ptp(corners, axis=0), corners[:, 2].min()
                level = size[2] < LEVEL * size[:2].min()
                hidden = level and sensors_m < bottom < camera.position[2]
            if not hidden:
                items.append(Item(surface, rotation, position, color, label=number))
    return items


def geom_surface(geom: Geom, reconstruction: Reconstruction) -> shapes.Surface:
    """Return a collider's triangles in its own frame."""
    if geom.shape == "hull":
        return shapes.hull(reconstruction.hulls[geom.hull][0])
    if geom.shape == "hfield":
        return shapes.mesh(*reconstruction.hulls[geom.hull])
    return shapes.primitive(geom.shape, geom.size)


def outlines(hits, size: tuple[int, int]) -> np.ndarray:
    """Return (h, w) bool: pixels where the body or the direction of its surface changes."""
    label = hits.label.reshape(size[1], size[0])
    normal = hits.normal.reshape(size[1], size[0], 3)
    edge = np.zeros(label.shape, bool)
    edge[:, 1:] |= label[:, 1:] != label[:, :-1]
    edge[1:] |= label[1:] != label[:-1]
    edge[:, 1:] |= np.einsum("ijk,ijk->ij", normal[:, 1:], normal[:, :-1]) < 0.8
    edge[1:] |= np.einsum("ijk,ijk->ij", normal[1:], normal[:-1]) < 0.8
    return edge & (label >= 0)


def _within(scan: Scan, rays: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Return (n,) bool: the hit lies within the scanned box (planes go on for ever)."""
    reach = np.where(np.isfinite(distance), distance, 0.0)[:, None]
    hit = rays[:, :3] + reach * rays[:, 3:]
    low, high = np.asarray(scan.info.bounds_m)
    return np.all((hit > low - 0.1) & (hit < high + 0.1), axis=1)
