"""The outputs of an encoder, by what its model is."""

from auricle.spec import Head, PipelineSpec

CTC = ("TOPK_LOG_PROBS", "TOPK_IDS", "BLANK_LOG_PROBS", "OUT_LENS")
OUTPUTS: dict[Head, tuple[str, ...]] = {
    "transducer": ("ENCODER_OUT", "OUT_LENS"),
    "recurrent_transducer": ("ENCODER_OUT", "OUT_LENS"),
    "ctc": CTC,
    "ctc_attention": ("ENCODER_OUT", *CTC),
    "cif": ("TOKEN_IDS", "TOKEN_LOG_PROBS", "NUM_TOKENS", "OUT_LENS"),
    "autoregressive": ("ENCODER_OUT", "OUT_LENS"),
}
OF_STREAMS = ("TOKEN_FRAMES", "HAS_TAIL")  # beside a head cif's tokens
LENGTHS = frozenset(("OUT_LENS", "NUM_TOKENS", "HAS_TAIL"))  # [N]; the others have more axes


def encoder_outputs(spec: PipelineSpec) -> tuple[str, ...]:
    """What the searches of a model read of its encoder; a window's length is always the same."""
    outputs = OUTPUTS[spec.head]
    if spec.streaming:
        beside = OF_STREAMS if spec.head == "cif" else ()
        return (*(name for name in outputs if name != "OUT_LENS"), *beside, "NEW_STATE")
    peaks = ("CIF_PEAKS",) if spec.has_timestamps else ()
    return outputs + peaks
