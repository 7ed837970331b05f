"""Point clouds in ROS recordings: ROS 1 bags, rosbag2 (SQLite or MCAP) and bare MCAP or SQLite files.

Reading order: `cloud` (the bytes of a PointCloud2 into points), `tf` (a tree of frames over time), `bag`
(what touches the recording, through the library rosbags; runs in a child process), `choice` (which topic
and which fixed frame), `recording` (all of it as a `Capture`).
"""
