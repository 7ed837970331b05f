"""Networks, normalizer, the ONNX graph by hand, parity."""
