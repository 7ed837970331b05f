"""Folders of depth pictures with poses, as one capture of world points.

Reading order: `frames` (what every layout boils down to), `pixels` (a picture into points; runs in a child
process), `stream` (frames into a `Capture`, a few at a time), `text` (manifests, bounded), then one module
per family of layouts: `tum`, `open3d_folder`, `scannet`, `transforms`, `phone`, `record3d` (whose depth is
decoded in `packed`); `single` reads one depth picture. Which layout a folder has is told by `readers.folder`.
"""
