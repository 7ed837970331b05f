"""Pictures without a GPU, one-file HTML, and pages in the browser.

Reading order: `render` (scan, twin and robot as pictures; the entry point), `camera` (who looks),
`shapes` (colliders as triangles), `geoms` (a scene's model as triangles), `light` (rays to colours),
`splats` (points to pixels), `curves` (charts as SVG), `style` and `html` (the report); `viewing`
(what the browser shows of what), `browser` (the page), `puppet` (a robot moved by hand), `glb`
(triangles for browsers). Nothing here writes into the workspace.
"""
