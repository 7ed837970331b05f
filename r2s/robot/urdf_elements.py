"""What single URDF elements say: poses, vectors, colours, primitives."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np

from r2s.core import rigid
from r2s.core.rigid import Array

MAX_NUMBER = 1e9  # metres, kilograms, newtons: more is a slip of the pen
UNLIMITED = 1e6  # rad, m, N*m: no joint has a limit that large
Rgba = tuple[float, float, float, float]


def finite(text: str) -> float:
    """Return a number that a robot can have.

    Raises:
        ValueError: it is no number, is NaN or infinite, or larger than MAX_NUMBER.
    """
    value = float(text)
    if not abs(value) <= MAX_NUMBER:
        raise ValueError(f"{text!r} is not a finite number below {MAX_NUMBER:g}")
    return value


def is_xacro(element: ET.Element) -> bool:
    macros = ("${", "$(")
    return "xacro" in str(element.tag) or any(
        macro in value for value in element.attrib.values() for macro in macros
    )


def primitive(element: ET.Element) -> tuple[str | None, tuple[float, float, float]]:
    """Return MuJoCo's kind and size of a URDF primitive."""
    if element.tag == "box":
        x, y, z = read_vector(element.attrib["size"]) / 2
        return "box", (x, y, z)
    if element.tag == "sphere":
        return "sphere", (finite(element.attrib["radius"]), 0.0, 0.0)
    if element.tag in ("cylinder", "capsule"):
        half = finite(element.attrib["length"]) / 2
        return element.tag, (finite(element.attrib["radius"]), half, 0.0)
    return None, (1.0, 1.0, 1.0)


def read_origin(element: ET.Element) -> Array:
    """Return the (4, 4) pose in an element's <origin>."""
    origin = element.find("origin")
    if origin is None:
        return np.eye(4)
    xyz, rpy = read_vector(origin.get("xyz", "0 0 0")), read_vector(origin.get("rpy", "0 0 0"))
    return rigid.transform(rigid.rpy_to_matrix(rpy), xyz)


def read_vector(text: str, count: int | None = 3) -> Array:
    """Return the numbers of an attribute.

    Raises:
        ValueError: they are not `count` finite numbers (any count if None).
    """
    words = text.replace(",", " ").split()
    if count is not None and len(words) != count:
        raise ValueError(f"{text!r} is not {count} numbers")
    return np.array([finite(word) for word in words], dtype=np.float64)


def read_number(element: ET.Element | None, key: str) -> float | None:
    text = element.get(key) if element is not None else None
    return finite(text) if text not in (None, "") else None


def read_limit(element: ET.Element | None, key: str) -> float | None:
    """Return a limit; one beyond MAX_NUMBER, infinity too, is UNLIMITED."""
    text = element.get(key) if element is not None else None
    if text in (None, ""):
        return None
    value = float(text)
    if np.isnan(value):
        raise ValueError(f"{key}={text!r}")
    return float(np.clip(value, -UNLIMITED, UNLIMITED))


def read_colour(material: ET.Element) -> tuple[float, float, float, float] | None:
    colour = material.find("color")
    if colour is None:
        return None
    values = read_vector(colour.get("rgba", ""), None)
    if len(values) != 4:
        return None
    r, g, b, a = (float(min(max(value, 0), 1)) for value in values)
    return (r, g, b, a)


def link_of(joint: ET.Element, end: str) -> str:
    element = joint.find(end)
    return element.get("link", "") if element is not None else ""


def count_below(name: str, below: dict[str, list[ET.Element]]) -> int:
    total, queue = 0, [name]
    while queue:
        total += 1
        queue += [link_of(joint, "child") for joint in below.get(queue.pop(), [])]
    return total
