"""What TensorRT's parser is said to think of every graph that is built; a change is seen here."""

import copy

import pytest

from auricle.build.export.tensorrt.check import check_model
from auricle.build.export.tensorrt.profiles import Range
from auricle.build.families import Built, Family

VERSION = (10, 16)
# Operators of graphs that would not parse. Lists and loops are FunASR's: its LSTM over chunks and
# its counting of tokens; the Range and others are as long as there are tokens, which only the
# device knows.
REFUSED: dict[str, set[str]] = {
    "paraformer-bicif": {
        "SequenceEmpty", "SequenceInsert", "ConcatFromSequence", "Loop", "Slice", "Range",
    },
    "paraformer-contextual": {"ConstantOfShape", "Range"},
    "paraformer-seaco": {
        "SequenceEmpty", "SequenceInsert", "ConcatFromSequence", "Loop", "Slice", "Range",
    },
    "paraformer-streaming": {"Range"},
}  # fmt: skip
# Whose profile leaves axes open: those that no seconds and no batch decide.
OPEN: dict[str, set[str]] = {
    "nemo": {"encoder_out"},
    "paraformer-contextual": {"BIAS_EMBED"},
    "paraformer-seaco": {"BIAS_EMBED"},
    "wenet_u2": {"encoder_out", "hyps_pad_sos_eos", "r_hyps_pad_sos_eos"},
    "whisper": {"ENCODER_OUT", "PAST_0", "PAST_1", "PAST_2", "PAST_3"},
}


@pytest.mark.onnx
def test_the_verdict_is_known(form: str, built: Built, family: Family) -> None:
    given = Range(family.profile.seconds, family.profile.batch)
    refused: set[str] = set()
    for model in built.graphs.values():
        findings = check_model(copy.deepcopy(model), [VERSION], given).findings[VERSION]
        refused |= {each.operator for each in findings if each.level == "ERROR"}
        open_axes = {each.node for each in findings if "profile does not say" in each.why}
        known = {name for key, names in OPEN.items() if form.startswith(key) for name in names}
        assert open_axes <= known
    assert refused == REFUSED.get(form, set())
