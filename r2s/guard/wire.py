"""How parent and child talk: JSON with raw array bytes behind it. No pickle, so a child that a hostile
file took over cannot run code in the parent.

A message is: 8 bytes length of the JSON, the JSON, then the buffers it refers to, in order.
Values are trees of None, bool, int, float, str, bytes, Path, list, tuple, dict with string keys, and
numeric numpy arrays.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

_LENGTH = struct.Struct("<Q")
MAX_JSON_BYTES = 1 << 30
MAX_BUFFER_BYTES = 1 << 36


class WireError(Exception):
    """The other end is gone or does not speak this language."""


def send(stream: BinaryIO, value: Any) -> None:
    """Write one message."""
    buffers: list[memoryview] = []
    text = json.dumps(_pack(value, buffers)).encode()
    stream.write(_LENGTH.pack(len(text)))
    stream.write(text)
    for buffer in buffers:
        stream.write(buffer)
    stream.flush()


def receive(stream: BinaryIO) -> Any:
    """Read one message.

    Raises:
        WireError: the stream ended, or holds something else.
    """
    (length,) = _LENGTH.unpack(_exactly(stream, _LENGTH.size))
    if length > MAX_JSON_BYTES:
        raise WireError(f"a message of {length} bytes")
    try:
        tree = json.loads(_exactly(stream, length))
    except ValueError as exc:
        raise WireError(str(exc)) from exc
    return _unpack(tree, stream)


def _exactly(stream: BinaryIO, count: int) -> bytearray:
    data = bytearray(count)
    view, at = memoryview(data), 0
    while at < count:
        got = stream.readinto(view[at:])  # type: ignore[attr-defined]
        if not got:
            raise WireError("the stream ended")
        at += got
    return data


def _pack(value: Any, buffers: list[memoryview]) -> Any:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case np.generic():
            return value.item()
        case Path():
            return {"$": "path", "v": str(value)}
        case bytes():
            buffers.append(memoryview(value))
            return {"$": "bytes", "n": len(value)}
        case np.ndarray():
            if value.dtype.kind not in "biufc":
                raise TypeError(f"an array of {value.dtype} cannot cross to another process")
            array = np.ascontiguousarray(value)
            if array.nbytes:
                buffers.append(array.reshape(-1).view(np.uint8).data)
            return {"$": "array", "dtype": array.dtype.str, "shape": list(value.shape)}
        case list():
            return [_pack(item, buffers) for item in value]
        case tuple():
            return {"$": "tuple", "v": [_pack(item, buffers) for item in value]}
        case dict():
            return {"$": "dict", "v": [[k, _pack(v, buffers)] for k, v in value.items()]}
    raise TypeError(f"a {type(value).__name__} cannot cross to another process")


def _unpack(tree: Any, stream: BinaryIO) -> Any:
    if isinstance(tree, list):
        return [_unpack(item, stream) for item in tree]
    if not isinstance(tree, dict):
        return tree
    match tree.get("$"):
        case "path":
            return Path(tree["v"])
        case "tuple":
            return tuple(_unpack(item, stream) for item in tree["v"])
        case "dict":
            return {key: _unpack(item, stream) for key, item in tree["v"]}
        case "bytes":
            return bytes(_exactly(stream, tree["n"]))
        case "array":
            dtype = np.dtype(tree["dtype"])
            count = int(np.prod(tree["shape"], dtype=np.int64))
            if dtype.kind not in "biufc" or not 0 <= count * dtype.itemsize <= MAX_BUFFER_BYTES:
                raise WireError("an array that cannot be")
            data = _exactly(stream, count * dtype.itemsize)
            return np.frombuffer(data, dtype).reshape(tree["shape"])
    raise WireError("an unknown kind of value")
