"""Write figures as PNG and SVG, each laid out once, and drawn over where little changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from unifer_tasks.support.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

FORMATS = ("png", "svg")

# Of flat areas and type, 6, which is zlib's own, saves a tenth of the bytes for twice the time.
_COMPRESSION = 3


@dataclass(slots=True)
class Sheet:
    """A figure with an Agg canvas, which may be written several times.

    Attributes:
        figure: The figure.
        changing: The artists that may change from one file to the next, in the order in which
            they are drawn. They lie over nothing but the figure's background.
    """

    figure: Figure
    changing: Sequence[Artist] = ()
    _rest: Any = field(default=None, init=False)

    def write(self, stem: Path) -> list[Path]:
        """Write the figure in each of `FORMATS`; `Figure.savefig` would lay it out twice.

        Args:
            stem: The path of the files without their suffix.

        Returns:
            The files.
        """
        from matplotlib.backends.backend_svg import FigureCanvasSVG

        if layout := self.figure.get_layout_engine():
            layout.execute(self.figure)
            self.figure.set_layout_engine("none")
        # The renderer that measured the texts draws them.
        raster: Any = self.figure.canvas
        dpi = self.figure.dpi
        png, svg = (stem.with_name(f"{stem.name}.{kind}") for kind in FORMATS)
        self._draw(raster)
        pixels = raster.buffer_rgba()
        image = Image.frombuffer("RGBA", pixels.shape[1::-1], pixels).convert("RGB")
        with atomic_write(png) as partial:
            image.save(partial, "PNG", dpi=(dpi, dpi), compress_level=_COMPRESSION)
        vector: Any = FigureCanvasSVG(self.figure)
        with atomic_write(svg) as partial:
            # Without what would differ from one day to another.
            vector.print_svg(partial, metadata={"Date": None})
        self.figure.set_canvas(raster)
        self.figure.set_dpi(dpi)
        return [png, svg]

    def _draw(self, raster: Any) -> None:
        """Draw the figure; what does not change, once."""
        if not self.changing:
            raster.draw()
            return
        if self._rest is None:
            # An animated artist is left out of its figure.
            for artist in self.changing:
                artist.set_animated(True)
            raster.draw()
            self._rest = raster.copy_from_bbox(self.figure.bbox)
            for artist in self.changing:
                artist.set_animated(False)
        else:
            raster.restore_region(self._rest)
        renderer = raster.get_renderer()
        for artist in self.changing:
            artist.draw(renderer)
