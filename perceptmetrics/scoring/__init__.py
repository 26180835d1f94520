"""Many images at once: find them, score them in a stream, write rows."""
