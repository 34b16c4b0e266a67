"""Offline recognition: waveforms in, transcripts out. The story of the product on one screen."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from auricle.serve.decode import ctc, transducer
from auricle.serve.decode.hypothesis import Hypothesis
from auricle.serve.runner import Array, Runner, Tensors
from auricle.serve.tokens import TokenTable, Transcript
from auricle.spec import Choices, PipelineSpec

Waveform = NDArray[np.float32]  # [num_samples], in [-1, 1]
Search = Callable[[Tensors], list[Hypothesis]]  # the encoder's outputs to hypotheses


class Pipeline:
    """Recognises a list of waveforms of any lengths with as few padded samples as it may."""

    def __init__(
        self, spec: PipelineSpec, choices: Choices, runner: Runner, tokens: TokenTable
    ) -> None:
        self.spec = spec
        self.choices = choices
        self.runner = runner
        self.tokens = tokens
        self.search = SEARCHES[spec.head](spec, choices, runner)

    def transcribe(self, waveforms: Sequence[Waveform]) -> list[Transcript]:
        lens = [len(waveform) for waveform in waveforms]
        plan = plan_sub_batches(lens, self.choices, self.spec.sample_rate)
        batches = [pad([waveforms[row] for row in rows]) for rows in plan]
        outputs = stack(self.runner.run("encoder", batches))
        hypotheses = self.search(outputs)
        order = [row for rows in plan for row in rows]
        transcripts = dict(zip(order, map(self.tokens.transcribe, hypotheses), strict=True))
        return [transcripts[row] for row in range(len(waveforms))]


def plan_sub_batches(lens: Sequence[int], choices: Choices, sample_rate: int) -> list[list[int]]:
    """Rows of each sub-batch, longest first, so that padding stays under the bounds of choices."""
    max_samples = choices.max_batch_seconds * sample_rate
    plan: list[list[int]] = []
    for row in sorted(range(len(lens)), key=lambda row: -lens[row]):
        rows = plan[-1] if plan else []
        longest = lens[rows[0]] if rows else 0
        padded = longest * (len(rows) + 1)
        valid = sum(lens[other] for other in rows) + lens[row]
        fits = len(rows) < choices.max_sub_batch and padded <= max_samples
        if rows and fits and padded - valid <= choices.max_padding * padded:
            rows.append(row)
        else:
            plan.append([row])
    return plan


def pad(waveforms: Sequence[Waveform]) -> dict[str, Array]:
    """WAV float32 [N, L] and WAV_LENS int32 [N]; what lies behind a length is never read."""
    lens = np.array([len(waveform) for waveform in waveforms], dtype=np.int32)
    wav = np.zeros((len(waveforms), lens.max()), dtype=np.float32)
    for row, waveform in zip(wav, waveforms, strict=True):
        row[: len(waveform)] = waveform
    return {"WAV": wav, "WAV_LENS": lens}


def stack(outputs: Sequence[Tensors]) -> Tensors:
    """The rows of all sub-batches in one batch; time axes padded with zeros to the longest."""
    if len(outputs) == 1:
        return outputs[0]
    return {name: _stack([tensors[name] for tensors in outputs]) for name in outputs[0]}


def _stack(arrays: Sequence[Array]) -> Array:
    if arrays[0].ndim == 1:
        return np.concatenate(arrays)
    num_rows = sum(len(array) for array in arrays)
    num_frames = max(array.shape[1] for array in arrays)
    stacked = np.zeros((num_rows, num_frames, *arrays[0].shape[2:]), dtype=arrays[0].dtype)
    row = 0
    for array in arrays:
        stacked[row : row + len(array), : array.shape[1]] = array
        row += len(array)
    return stacked


def _transducer_search(spec: PipelineSpec, choices: Choices, runner: Runner) -> Search:
    options = transducer.Options(spec.context_size, spec.blank_id, spec.unk_id, choices.lookahead)

    def decoder(y: transducer.Ints) -> transducer.Floats:
        return runner.run("decoder", [{"y": y}])[0]["decoder_out"]  # type: ignore[return-value]

    def joiner(encoder_out: transducer.Floats, decoder_out: transducer.Floats) -> transducer.Floats:
        inputs = {"encoder_out": encoder_out, "decoder_out": decoder_out}
        return runner.run("joiner", [inputs])[0]["logit"]  # type: ignore[return-value]

    cached = transducer.ContextCache(decoder)

    def search(outputs: Tensors) -> list[Hypothesis]:
        encoder_out, lens = outputs["ENCODER_OUT"], outputs["OUT_LENS"]
        return transducer.greedy_search(encoder_out, lens, cached, joiner, options)  # type: ignore[arg-type]

    return search


def _ctc_search(spec: PipelineSpec, _choices: Choices, _runner: Runner) -> Search:
    def search(outputs: Tensors) -> list[Hypothesis]:
        ids, log_probs = outputs["TOPK_IDS"][..., 0], outputs["TOPK_LOG_PROBS"][..., 0]
        return ctc.greedy_search(ids, log_probs, outputs["OUT_LENS"], spec.blank_id)  # type: ignore[arg-type]

    return search


SEARCHES: dict[str, Callable[[PipelineSpec, Choices, Runner], Search]] = {
    "transducer": _transducer_search,
    "ctc": _ctc_search,
}
