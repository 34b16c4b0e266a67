"""How the outputs of a streaming encoder continue the hypotheses of many streams at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from auricle.errors import RepositoryError
from auricle.serve.decode import ctc, transducer
from auricle.serve.decode.hypothesis import Hypothesis
from auricle.serve.runner import Runner, Tensors
from auricle.serve.searches import create_networks
from auricle.spec import Choices, Decoding, Head, PipelineSpec, check_fit

Memory = tuple[int, ...]  # what a search must know of a stream's frames so far


@dataclass(frozen=True)
class StreamSearch:
    """start: the memory before a stream's first frame.

    advance: the outputs of a window and the memories of N streams -> what the window adds to each,
        dated from its first frame, and the memories behind it.
    """

    start: Memory
    advance: Callable[[Tensors, Sequence[Memory]], tuple[list[Hypothesis], list[Memory]]]


def create_stream_search(spec: PipelineSpec, choices: Choices, runner: Runner) -> StreamSearch:
    """RepositoryError if choices ask for a decoding that the model has not."""
    check_fit(spec, choices)
    known = [decoding for head, decoding in STREAM_SEARCHES if head == spec.head]
    if choices.decoding not in known:
        raise RepositoryError(
            f"parameter decoding is {choices.decoding!r}, but this {spec.family} model decodes "
            f"streams by {', '.join(known) or 'nothing'}"
        )
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


def _ctc_search(spec: PipelineSpec, _choices: Choices, _runner: Runner) -> StreamSearch:
    def advance(
        outputs: Tensors, memories: Sequence[Memory]
    ) -> tuple[list[Hypothesis], list[Memory]]:
        ids, log_probs = outputs["TOPK_IDS"][..., 0], outputs["TOPK_LOG_PROBS"][..., 0]
        before = np.array([label for (label,) in memories], np.int32)
        found, last = ctc.continue_search(ids, log_probs, before, spec.blank_id)  # type: ignore[arg-type]
        return found, [(label,) for label in last.tolist()]

    return StreamSearch((ctc.NO_LABEL,), advance)


Create = Callable[[PipelineSpec, Choices, Runner], StreamSearch]
STREAM_SEARCHES: dict[tuple[Head, Decoding], Create] = {
    ("transducer", "greedy_search"): _transducer_search,
    ("ctc", "greedy_search"): _ctc_search,
    ("ctc_attention", "greedy_search"): _ctc_search,
}
