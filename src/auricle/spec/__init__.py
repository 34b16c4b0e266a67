"""The two records of a served model, where the building and the serving wing meet, on disk.

PipelineSpec <-> pipeline.json: facts of the checkpoint; the builder writes it, nobody edits it.
Choices <-> the parameters of config.pbtxt: how to serve it; operators edit them.
"""

from auricle.spec.choices import (
    FILES,
    LOG_REQUESTS,
    RESERVED,
    Choices,
    Itn,
    RunnerName,
    Switch,
    Units,
    check_fit,
    encoder_of,
    parse_choices,
)
from auricle.spec.facts import (
    BEAM_SEARCHES,
    DECODINGS,
    FILE_NAME,
    VERSION,
    Autoregressive,
    Decoding,
    Head,
    Hotwords,
    PipelineSpec,
    Prompt,
    Rescorer,
    Source,
    Streaming,
    TokenKind,
    Vad,
    load,
)

__all__ = [
    "BEAM_SEARCHES",
    "DECODINGS",
    "FILES",
    "FILE_NAME",
    "LOG_REQUESTS",
    "RESERVED",
    "VERSION",
    "Autoregressive",
    "Choices",
    "Decoding",
    "Head",
    "Hotwords",
    "Itn",
    "PipelineSpec",
    "Prompt",
    "Rescorer",
    "RunnerName",
    "Source",
    "Streaming",
    "Switch",
    "TokenKind",
    "Units",
    "Vad",
    "check_fit",
    "encoder_of",
    "load",
    "parse_choices",
]
