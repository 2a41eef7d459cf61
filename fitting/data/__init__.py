"""Floor 1: data structures and files. Needs numpy only, so it is safe inside Blender."""
