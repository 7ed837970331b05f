"""Content-addressed storage of artifacts: an OCI image layout with verified reads and crash-only commits."""
