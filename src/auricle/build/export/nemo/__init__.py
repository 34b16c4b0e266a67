"""NeMo's exports: read, and brought into the form of the others."""
