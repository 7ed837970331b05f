"""Every limit r2s puts on a stranger's file, in one frozen table."""

from __future__ import annotations

from dataclasses import dataclass, field

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


@dataclass(frozen=True)
class ChildLimits:
    """What one call in a child process may use.

    Attributes:
        memory_bytes: address space beyond what the child had when the call began.
        cpu_s: processor seconds over all threads.
        wall_s: seconds on the clock; the child is killed after that.
    """

    memory_bytes: int = 8 * GIB
    cpu_s: int = 1200
    wall_s: float = 600.0


@dataclass(frozen=True)
class Limits:
    """Limits by name.

    Attributes:
        file_bytes: size of one foreign file.
        header_bytes, header_lines: a text header (PLY, PCD) must end within these.
        text_bytes: size of a PLY or PCD written as text, which is parsed in memory.
        fields, field_bytes: columns of a point record, and bytes of one record.
        points: points of one capture.
        vertices, faces: size of one foreign mesh.
        texture_pixels: pixels of one embedded picture (a decompression bomb is far above).
        extent_m: no capture is wider than this once it is in metres.
        parse: limits of a native parser that runs in a child process.
        packed: limits of unpacking one picture by a library that would fill all it may with a hostile one.
        geometry: limits of one geometry computation (CoACD, Poisson) in a child process.
    """

    file_bytes: int = 20 * GIB
    header_bytes: int = 64 * KIB
    header_lines: int = 1000
    text_bytes: int = 300 * MIB
    fields: int = 256
    field_bytes: int = 4096
    points: int = 500_000_000
    vertices: int = 20_000_000
    faces: int = 40_000_000
    texture_pixels: int = 16384 * 16384
    extent_m: float = 10_000.0
    parse: ChildLimits = field(default_factory=lambda: ChildLimits(8 * GIB, 600, 300.0))
    packed: ChildLimits = field(default_factory=lambda: ChildLimits(GIB, 60, 60.0))
    geometry: ChildLimits = field(default_factory=lambda: ChildLimits(12 * GIB, 1200, 600.0))


LIMITS = Limits()
