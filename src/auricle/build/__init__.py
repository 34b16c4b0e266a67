"""The building wing: a published checkpoint in, a folder that Triton loads out."""
