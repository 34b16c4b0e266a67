"""A reduced model against its fp32 self on transcribed speech, before it is written.

Takes version folders as `auricle build` writes them and a folder with wav.scp and text; decodes
with the serving pipeline in this process and scores as the client does. Knows no builder.
"""
