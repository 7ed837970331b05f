"""What runs on the robot: numpy and onnxruntime only, Python 3.10 or newer, relative imports only."""
