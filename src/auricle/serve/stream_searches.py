"""How the outputs of a streaming encoder continue the hypotheses of many streams at once."""

import dataclasses
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from auricle.serve.decode import cif, ctc, modified_beam, recurrent, recurrent_beam, transducer
from auricle.serve.decode.fusion import Scorer
from auricle.serve.decode.hypothesis import Hypothesis
from auricle.serve.options import BeamOptions
from auricle.serve.planning import stack
from auricle.serve.runner import Array, Tensors
from auricle.serve.scorers import Scorers
from auricle.serve.searches import (
    END_ID,
    Parts,
    create_networks,
    create_predictor,
    create_searches,
    transducer_options,
)
from auricle.spec import Decoding, Head, check_fit

B = TypeVar("B", modified_beam.Beam, recurrent_beam.Beam)
# What a search must know of a stream's frames so far.
Memory = Sequence[float] | modified_beam.Beam | recurrent_beam.Beam

CIF_OUTPUTS = ("TOKEN_IDS", "TOKEN_LOG_PROBS", "TOKEN_FRAMES", "NUM_TOKENS", "HAS_TAIL")

MAX_SECONDS = 60.0  # of a segment: what a stream keeps, and describes in each answer, is bounded
MAX_SECONDS_TWICE = 30.0  # of one that is searched again when it ends, at once and whole


Advance = Callable[
    [Tensors, Sequence[Memory], Sequence[BeamOptions]], tuple[list[Hypothesis], list[Memory]]
]


def _never(_memory: Memory) -> bool:
    return False


@dataclass(frozen=True)
class Ended:
    """A segment that ends: its outputs that the search reads, [1, T, ...] with OUT_LENS."""

    outputs: Tensors
    memory: Memory
    asked: BeamOptions


def _stay(memory: Memory, _asked: BeamOptions) -> Memory:
    return memory


@dataclass(frozen=True)
class StreamSearch:
    """start: what is asked of a stream -> the memory before its first frame.

    advance: the outputs of a window, the memories of N streams and what is asked of them -> what
        the window adds to each, dated from its first frame, and the memories behind it.
    retells: whether advance gives instead all of the open segment, dated from its first frame.
    max_seconds: of a segment.
    is_amid_token: whether a segment that ended behind this memory would cut a token in two.
    complete: the memory behind a stream's last window -> what was held back, dated from its end.
    finish: some segments that end -> their hypotheses, best first, the first of them dated from the
        first frame; None where what advance found is the last word.
    resume: the memory behind a segment that ended -> that before the next one of the stream.
    reads: the outputs that it reads.
    """

    start: Callable[[BeamOptions], Memory]
    advance: Advance
    retells: bool = False
    max_seconds: float = MAX_SECONDS
    is_amid_token: Callable[[Memory], bool] = _never
    complete: Callable[[Memory], Hypothesis] | None = None
    finish: Callable[[Sequence[Ended]], list[list[Hypothesis]]] | None = None
    resume: Callable[[Memory, BeamOptions], Memory] = _stay
    reads: tuple[str, ...] = ()


def create_stream_search(parts: Parts) -> StreamSearch:
    """RepositoryError if choices ask for a decoding that the model has not."""
    check_fit(parts.spec, parts.choices)
    return STREAM_SEARCHES[parts.spec.head, parts.choices.decoding](parts)


def _always(memory: Memory) -> Callable[[BeamOptions], Memory]:
    return lambda _asked: memory


def _transducer_search(parts: Parts) -> StreamSearch:
    options = transducer_options(parts.spec, parts.choices)
    networks = create_networks(parts.runner)

    def advance(
        outputs: Tensors, memories: Sequence[Memory], _asked: Sequence[BeamOptions]
    ) -> tuple[list[Hypothesis], list[Memory]]:
        contexts = np.array(memories, np.int64)
        encoder_out = outputs["ENCODER_OUT"]
        found, contexts = transducer.continue_search(encoder_out, contexts, *networks, options)  # type: ignore[arg-type]
        return found, [tuple(context) for context in contexts.tolist()]

    start = transducer.initial_contexts(1, options)[0].tolist()
    return StreamSearch(_always(tuple(start)), advance)


@dataclass(frozen=True)
class _Beams(Generic[B]):
    """A search with a beam, of encoder outputs [N, T, ...] and N beams; each with a scorer of N."""

    kind: type[B]
    start: Callable[[Scorer], list[B]]
    advance: Callable[[Array, list[B], Scorer], list[B]]
    tell: Callable[[list[B]], list[list[Hypothesis]]]
    finish: Callable[[list[B], Scorer], list[list[Hypothesis]]]
    restart: Callable[[list[B], Scorer], list[B]]

    def of(self, memories: Sequence[Memory]) -> list[B]:
        return [each for each in memories if isinstance(each, self.kind)]


def _search_by(beams: _Beams[B], scorers: Scorers) -> StreamSearch:
    """The hypotheses of a stream go on from window to window, and its best so far is told."""

    def start(asked: BeamOptions) -> Memory:
        return beams.start(scorers.of_streams([asked]))[0]

    def advance(
        outputs: Tensors, memories: Sequence[Memory], asked: Sequence[BeamOptions]
    ) -> tuple[list[Hypothesis], list[Memory]]:
        scorer, encoder_out = scorers.of_streams(asked), outputs["ENCODER_OUT"]
        behind = beams.advance(encoder_out, beams.of(memories), scorer)
        return [nbest[0] for nbest in beams.tell(behind)], list(behind)

    def finish(segments: Sequence[Ended]) -> list[list[Hypothesis]]:
        scorer = scorers.of_streams([each.asked for each in segments])
        return beams.finish(beams.of([each.memory for each in segments]), scorer)

    def resume(memory: Memory, asked: BeamOptions) -> Memory:
        return beams.restart(beams.of([memory]), scorers.of_streams([asked]))[0]

    return StreamSearch(start, advance, retells=True, finish=finish, resume=resume)


def _modified_beam_search(parts: Parts) -> StreamSearch:
    options = transducer_options(parts.spec, parts.choices)
    networks = create_networks(parts.runner)
    width, penalty = parts.choices.beam, parts.choices.blank_penalty
    beams = _Beams(
        modified_beam.Beam,
        lambda scorer: modified_beam.start(1, options, scorer),
        lambda encoder_out, begun, scorer: modified_beam.continue_search(
            encoder_out, begun, *networks, options, width, scorer, penalty  # type: ignore[arg-type]
        ),
        lambda begun: modified_beam.hypotheses(begun, options),
        lambda begun, scorer: modified_beam.finish(begun, options, scorer),
        lambda begun, scorer: modified_beam.restart(begun, options, scorer),
    )  # fmt: skip
    return _search_by(beams, parts.scorers)


def _numbers(memory: Memory) -> Sequence[float]:
    assert isinstance(memory, Sequence), "only a beam is kept as one"
    return memory


def _recurrent_search(parts: Parts) -> StreamSearch:
    network, options = create_predictor(parts.spec, parts.choices, parts.runner)

    def advance(
        outputs: Tensors, memories: Sequence[Memory], _asked: Sequence[BeamOptions]
    ) -> tuple[list[Hypothesis], list[Memory]]:
        position = _position_of(np.stack([np.frombuffer(each, np.float32) for each in memories]))  # type: ignore[call-overload]  # arrays all
        encoder_out = outputs["ENCODER_OUT"]
        found, position = recurrent.continue_search(encoder_out, position, network, options)  # type: ignore[arg-type]
        return found, _memories_of(position)

    return StreamSearch(_always(_memories_of(recurrent.start(1, options))[0]), advance)


def _recurrent_beam_search(parts: Parts) -> StreamSearch:
    network, options = create_predictor(parts.spec, parts.choices, parts.runner)
    width, penalty = parts.choices.beam, parts.choices.blank_penalty
    beams = _Beams(
        recurrent_beam.Beam,
        lambda scorer: recurrent_beam.start(1, options, scorer),
        lambda encoder_out, begun, scorer: recurrent_beam.continue_search(
            encoder_out, begun, network, options, width, scorer, penalty  # type: ignore[arg-type]
        ),
        recurrent_beam.hypotheses,
        recurrent_beam.finish,
        recurrent_beam.restart,
    )  # fmt: skip
    return _search_by(beams, parts.scorers)


def _position_of(memories: NDArray[np.float32]) -> recurrent.Position:
    """Of [N, 3 + S]: what stands in float32 without loss, since ids are below 2^24."""
    y, frames, num_symbols = memories[:, :3].astype(np.int64).T
    return recurrent.Position(y.copy(), memories[:, 3:], frames.copy(), num_symbols.copy())


def _memories_of(position: recurrent.Position) -> list[Memory]:
    counts = np.stack([position.y, position.frames, position.num_symbols], axis=1)
    rows = np.concatenate([counts.astype(np.float32), position.states], axis=1)
    return [array("f", row.tobytes()) for row in rows]


def _ctc_search(parts: Parts) -> StreamSearch:
    blank_id = parts.spec.blank_id

    def advance(
        outputs: Tensors, memories: Sequence[Memory], _asked: Sequence[BeamOptions]
    ) -> tuple[list[Hypothesis], list[Memory]]:
        ids, log_probs = outputs["TOPK_IDS"][..., 0], outputs["TOPK_LOG_PROBS"][..., 0]
        before = np.array([label for (label,) in map(_numbers, memories)], np.int32)
        found, last = ctc.continue_search(ids, log_probs, before, blank_id)  # type: ignore[arg-type]
        return found, [(label,) for label in last.tolist()]

    return StreamSearch(_always((ctc.NO_LABEL,)), advance)


def _searched_twice(parts: Parts) -> StreamSearch:
    """The best path at once, and the search that was chosen when a segment ends."""
    spec, decoding = parts.spec, parts.choices.decoding
    search = create_searches(parts)[decoding]

    def finish(segments: Sequence[Ended]) -> list[list[Hypothesis]]:
        outputs = stack([each.outputs for each in segments])
        return search(outputs, [each.asked for each in segments])

    def is_amid_token(memory: Memory) -> bool:
        return _numbers(memory)[0] not in (spec.blank_id, ctc.NO_LABEL)

    reads: tuple[str, ...] = ("TOPK_IDS", "TOPK_LOG_PROBS", "BLANK_LOG_PROBS")
    if decoding == "attention_rescoring":
        reads += ("ENCODER_OUT",)
    return dataclasses.replace(
        _ctc_search(parts),
        max_seconds=MAX_SECONDS_TWICE,
        is_amid_token=is_amid_token,
        finish=finish,
        reads=reads,
    )


def _cif_search(parts: Parts) -> StreamSearch:
    special_ids = (parts.spec.blank_id, END_ID)

    def advance(
        outputs: Tensors, _memories: Sequence[Memory], _asked: Sequence[BeamOptions]
    ) -> tuple[list[Hypothesis], list[Memory]]:
        fields = (outputs[name] for name in CIF_OUTPUTS)
        found, opens = cif.continue_search(cif.Window(*fields), special_ids)  # type: ignore[arg-type]
        return found, list(opens)

    return StreamSearch(
        _always(cif.NOTHING_OPEN),
        advance,
        is_amid_token=lambda memory: memory != cif.NOTHING_OPEN,
        complete=lambda memory: cif.complete(_numbers(memory)),
    )


Create = Callable[[Parts], StreamSearch]
STREAM_SEARCHES: dict[tuple[Head, Decoding], Create] = {
    ("transducer", "greedy_search"): _transducer_search,
    ("transducer", "modified_beam_search"): _modified_beam_search,
    ("recurrent_transducer", "greedy_search"): _recurrent_search,
    ("recurrent_transducer", "modified_beam_search"): _recurrent_beam_search,
    ("cif", "greedy_search"): _cif_search,
    ("ctc", "greedy_search"): _ctc_search,
    ("ctc", "prefix_beam_search"): _searched_twice,
    ("ctc_attention", "greedy_search"): _ctc_search,
    ("ctc_attention", "prefix_beam_search"): _searched_twice,
    ("ctc_attention", "attention_rescoring"): _searched_twice,
}
