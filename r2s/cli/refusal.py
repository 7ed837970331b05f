"""A result that must not be used is shown: a picture of what is wrong with it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from r2s.core.errors import R2SError

if TYPE_CHECKING:
    from r2s.engine.execute import Refused
    from r2s.store import Store


MISSED = "R2S-RECON-003"  # the code of an audit that failed by missed surface


def draw_refused(store: Store, refused: Refused) -> R2SError:
    """Return the refusal with the place of a picture of the twin's worst body, where one can be drawn."""
    from r2s.engine.lineage import family
    from r2s.engine.names import short

    if store.get(refused.made).kind != "reconstruction":
        return refused
    from r2s.report.overlay import render_audit
    from r2s.report.render import write_png

    artifacts = family(store, refused.made)
    missed = refused.code == MISSED
    image = render_audit(artifacts["scan"], artifacts["reconstruction"], missed=missed)
    name = f"audit-{short(refused.made)}.png"
    for folder in (Path.cwd(), Path(tempfile.gettempdir())):
        try:
            write_png(image, folder / name)
        except OSError:
            continue
        where = (
            f"{refused.where}; drawn in {folder / name}; numbers: r2s show {short(refused.made)}"
        )
        return R2SError(
            refused.code, refused.what, where=where, why=refused.why, remedy=refused.remedy
        )
    return refused
