"""USD scenes made on the spot: a square with a picture on it, a tent beside it in one colour."""

from __future__ import annotations

import io
import zipfile

import numpy as np
from PIL import Image

# Upper row red, green; lower row blue, white.
QUARTERS = np.array([[(255, 0, 0), (0, 255, 0)], [(0, 0, 255), (255, 255, 255)]], np.uint8)


def picture_bytes(pixels: np.ndarray = QUARTERS, times: int = 32) -> bytes:
    """Return a PNG of pixels (h, w, 3), each `times` as wide and high."""
    out = io.BytesIO()
    Image.fromarray(np.kron(pixels, np.ones((times, times, 1), np.uint8))).save(out, "png")
    return out.getvalue()


def usdz_bytes(files: dict[str, bytes | str]) -> bytes:
    """Return a package of files, stored as they are."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as package:
        for name, data in files.items():
            package.writestr(zipfile.ZipInfo(name), data)
    return out.getvalue()


def textured_usda(*, file: str = "tex/a.png", st: str = "faceVarying", moved: str = "") -> str:
    """Return a quad (0, 0)..(2, 2) with a picture and a triangle of one linear colour, in z = 0.

    st: where the picture's places are stated: `faceVarying`, or `vertex`.
    moved: inputs of a UsdTransform2d between the places and the picture.
    """
    places = "(0, 0), (1, 0), (1, 1), (0, 1), (0, 0), (0, 0), (0, 0)"
    source = "</r/m/moved.outputs:result>" if moved else "</r/m/places.outputs:result>"
    return f"""#usda 1.0
(
    defaultPrim = "r"
    metersPerUnit = 1
    upAxis = "Z"
)
def Xform "r"
{{
    def Mesh "shape" ( prepend apiSchemas = ["MaterialBindingAPI"] )
    {{
        int[] faceVertexCounts = [4, 3]
        int[] faceVertexIndices = [0, 1, 2, 3, 4, 5, 6]
        point3f[] points = [(0, 0, 0), (2, 0, 0), (2, 2, 0), (0, 2, 0), (3, 0, 0), (5, 0, 0), (4, 2, 0)]
        texCoord2f[] primvars:st = [{places}] ( interpolation = "{st}" )
        rel material:binding = </r/m>
        def GeomSubset "tent" ( prepend apiSchemas = ["MaterialBindingAPI"] )
        {{
            uniform token elementType = "face"
            uniform token familyName = "materialBind"
            int[] indices = [1]
            rel material:binding = </r/plain>
        }}
    }}
    def Material "m"
    {{
        token outputs:surface.connect = </r/m/surface.outputs:surface>
        def Shader "surface"
        {{
            uniform token info:id = "UsdPreviewSurface"
            color3f inputs:diffuseColor.connect = </r/m/picture.outputs:rgb>
            token outputs:surface
        }}
        def Shader "picture"
        {{
            uniform token info:id = "UsdUVTexture"
            asset inputs:file = @{file}@
            float2 inputs:st.connect = {source}
            float3 outputs:rgb
        }}
        def Shader "moved"
        {{
            uniform token info:id = "UsdTransform2d"
            float2 inputs:in.connect = </r/m/places.outputs:result>
            {moved}
            float2 outputs:result
        }}
        def Shader "places"
        {{
            uniform token info:id = "UsdPrimvarReader_float2"
            string inputs:varname = "st"
            float2 outputs:result
        }}
    }}
    def Material "plain"
    {{
        token outputs:surface.connect = </r/plain/surface.outputs:surface>
        def Shader "surface"
        {{
            uniform token info:id = "UsdPreviewSurface"
            color3f inputs:diffuseColor = (1, 0.5, 0)
            token outputs:surface
        }}
    }}
}}
"""
