"""Open3D, loaded late and with its libusb found.

Open3D links libusb-1.0 at import although only its RealSense recorder needs it. Fresh Debian and
Ubuntu have none, so the copy inside `libusb-package` is loaded first, under the soname Open3D asks for.
"""

from __future__ import annotations

import ctypes
from functools import cache
from types import ModuleType


@cache
def open3d() -> ModuleType:
    """Import and return `open3d` (2 s the first time: call inside functions only)."""
    _preload_libusb()
    import open3d as o3d

    o3d.utility.set_verbosity_level(o3d.utility.VerbosityLevel.Error)
    return o3d


def _preload_libusb() -> None:
    try:
        ctypes.CDLL("libusb-1.0.so.0", mode=ctypes.RTLD_GLOBAL)
    except OSError:
        import libusb_package

        ctypes.CDLL(str(libusb_package.get_library_path()), mode=ctypes.RTLD_GLOBAL)
