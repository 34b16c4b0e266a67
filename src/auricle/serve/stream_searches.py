"""How the outputs of a streaming encoder continue the hypotheses of many streams at once."""

import dataclasses
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auricle.serve.decode import cif, ctc, recurrent, transducer
from auricle.serve.decode.hypothesis import Hypothesis
from auricle.serve.planning import stack
from auricle.serve.runner import Runner, Tensors
from auricle.serve.searches import END_ID, create_networks, create_predictor, create_searches
from auricle.spec import Choices, Decoding, Head, PipelineSpec, check_fit

Memory = Sequence[float]  # what a search must know of a stream's frames so far

CIF_OUTPUTS = ("TOKEN_IDS", "TOKEN_LOG_PROBS", "TOKEN_FRAMES", "NUM_TOKENS", "HAS_TAIL")

MAX_SECONDS = 60.0  # of a segment: what a stream keeps, and describes in each answer, is bounded
MAX_SECONDS_TWICE = 30.0  # of one that is searched again when it ends, at once and whole


def _never(_memory: Memory) -> bool:
    return False


@dataclass(frozen=True)
class StreamSearch:
    """start: the memory before a stream's first frame.

    advance: the outputs of a window and the memories of N streams -> what the window adds to each,
        dated from its first frame, and the memories behind it.
    max_seconds: of a segment.
    is_amid_token: whether a segment that ended behind this memory would cut a token in two.
    complete: the memory behind a stream's last window -> what was held back, dated from its end.
    finish: the outputs of some segments that end, each [1, T, ...] with OUT_LENS -> their
        hypotheses, dated from the first frame; None where what advance found is the last word.
    reads: the outputs that it reads.
    """

    start: Memory
    advance: Callable[[Tensors, Sequence[Memory]], tuple[list[Hypothesis], list[Memory]]]
    max_seconds: float = MAX_SECONDS
    is_amid_token: Callable[[Memory], bool] = _never
    complete: Callable[[Memory], Hypothesis] | None = None
    finish: Callable[[Sequence[Tensors]], list[Hypothesis]] | None = None
    reads: tuple[str, ...] = ()


def create_stream_search(spec: PipelineSpec, choices: Choices, runner: Runner) -> StreamSearch:
    """RepositoryError if choices ask for a decoding that the model has not."""
    check_fit(spec, choices)
    return STREAM_SEARCHES[spec.head, choices.decoding](spec, choices, runner)


def _transducer_search(spec: PipelineSpec, choices: Choices, runner: Runner) -> StreamSearch:
    options = transducer.Options(spec.context_size, spec.blank_id, spec.unk_id, choices.lookahead)
    networks = create_networks(runner)

    def advance(
        outputs: Tensors, memories: Sequence[Memory]
    ) -> tuple[list[Hypothesis], list[Memory]]:
        contexts = np.array(memories, np.int64)
        encoder_out = outputs["ENCODER_OUT"]
        found, contexts = transducer.continue_search(encoder_out, contexts, *networks, options)  # type: ignore[arg-type]
        return found, [tuple(context) for context in contexts.tolist()]

    start = transducer.initial_contexts(1, options)[0].tolist()
    return StreamSearch(tuple(start), advance)


def _recurrent_search(spec: PipelineSpec, choices: Choices, runner: Runner) -> StreamSearch:
    network, options = create_predictor(spec, choices, runner)

    def advance(
        outputs: Tensors, memories: Sequence[Memory]
    ) -> tuple[list[Hypothesis], list[Memory]]:
        position = _position_of(np.stack([np.frombuffer(each, np.float32) for each in memories]))  # type: ignore[call-overload]  # arrays all
        encoder_out = outputs["ENCODER_OUT"]
        found, position = recurrent.continue_search(encoder_out, position, network, options)  # type: ignore[arg-type]
        return found, _memories_of(position)

    return StreamSearch(_memories_of(recurrent.start(1, options))[0], advance)


def _position_of(memories: NDArray[np.float32]) -> recurrent.Position:
    """Of [N, 3 + S]: what stands in float32 without loss, since ids are below 2^24."""
    y, frames, num_symbols = memories[:, :3].astype(np.int64).T
    return recurrent.Position(y.copy(), memories[:, 3:], frames.copy(), num_symbols.copy())


def _memories_of(position: recurrent.Position) -> list[Memory]:
    counts = np.stack([position.y, position.frames, position.num_symbols], axis=1)
    rows = np.concatenate([counts.astype(np.float32), position.states], axis=1)
    return [array("f", row.tobytes()) for row in rows]


def _ctc_search(spec: PipelineSpec, _choices: Choices, _runner: Runner) -> StreamSearch:
    def advance(
        outputs: Tensors, memories: Sequence[Memory]
    ) -> tuple[list[Hypothesis], list[Memory]]:
        ids, log_probs = outputs["TOPK_IDS"][..., 0], outputs["TOPK_LOG_PROBS"][..., 0]
        before = np.array([label for (label,) in memories], np.int32)
        found, last = ctc.continue_search(ids, log_probs, before, spec.blank_id)  # type: ignore[arg-type]
        return found, [(label,) for label in last.tolist()]

    return StreamSearch((ctc.NO_LABEL,), advance)


def _searched_twice(spec: PipelineSpec, choices: Choices, runner: Runner) -> StreamSearch:
    """The best path at once, and the search that was chosen when a segment ends."""
    search = create_searches(spec, choices, runner)[choices.decoding]

    def finish(segments: Sequence[Tensors]) -> list[Hypothesis]:
        return search(stack(segments))

    def is_amid_token(memory: Memory) -> bool:
        return memory[0] not in (spec.blank_id, ctc.NO_LABEL)

    reads: tuple[str, ...] = ("TOPK_IDS", "TOPK_LOG_PROBS", "BLANK_LOG_PROBS")
    if choices.decoding == "attention_rescoring":
        reads += ("ENCODER_OUT",)
    return dataclasses.replace(
        _ctc_search(spec, choices, runner),
        max_seconds=MAX_SECONDS_TWICE,
        is_amid_token=is_amid_token,
        finish=finish,
        reads=reads,
    )


def _cif_search(spec: PipelineSpec, _choices: Choices, _runner: Runner) -> StreamSearch:
    special_ids = (spec.blank_id, END_ID)

    def advance(
        outputs: Tensors, _memories: Sequence[Memory]
    ) -> tuple[list[Hypothesis], list[Memory]]:
        fields = (outputs[name] for name in CIF_OUTPUTS)
        found, opens = cif.continue_search(cif.Window(*fields), special_ids)  # type: ignore[arg-type]
        return found, list(opens)

    return StreamSearch(
        cif.NOTHING_OPEN,
        advance,
        is_amid_token=lambda memory: memory != cif.NOTHING_OPEN,
        complete=cif.complete,
    )


Create = Callable[[PipelineSpec, Choices, Runner], StreamSearch]
STREAM_SEARCHES: dict[tuple[Head, Decoding], Create] = {
    ("transducer", "greedy_search"): _transducer_search,
    ("recurrent_transducer", "greedy_search"): _recurrent_search,
    ("cif", "greedy_search"): _cif_search,
    ("ctc", "greedy_search"): _ctc_search,
    ("ctc", "prefix_beam_search"): _searched_twice,
    ("ctc_attention", "greedy_search"): _ctc_search,
    ("ctc_attention", "prefix_beam_search"): _searched_twice,
    ("ctc_attention", "attention_rescoring"): _searched_twice,
}
