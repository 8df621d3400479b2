"""What can generate: the protocol, loading a diffusers pipeline, calling it, and the bundled model."""
