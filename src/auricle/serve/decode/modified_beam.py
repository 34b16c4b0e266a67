"""Modified beam search of transducers with stateless decoders: at most one token a frame.

As icefall's and sherpa-onnx's modified_beam_search, but of a whole batch at once. Each frame takes
an utterance's best pairs of hypothesis and label; a label that is a token extends the hypothesis,
blank and <unk> leave it as it is; then equal sequences of tokens become one, their probabilities
added. What a scorer says of a token counts from the next frame on.

Best is the hypothesis of the highest score / (context_size + number of tokens): sherpa-onnx counts
the context that a search starts from among the tokens. Transducers that remember all tokens
(recurrent.py) are not searched here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from auricle.serve.decode.fusion import Scorer, end_scores, start_states
from auricle.serve.decode.hypothesis import Hypothesis
from auricle.serve.decode.modified_step import (
    EMPTY,
    Live,
    Networks,
    Rules,
    Step,
    concatenate,
    hash_contexts,
)
from auricle.serve.decode.token_history import History
from auricle.serve.decode.transducer import Decoder, Floats, Ints, Joiner, Options, initial_contexts


@dataclass(frozen=True, eq=False)
class Beam:
    """Where the search of one stream stands: its B hypotheses since the segment's start.

    scores: float64 [B], natural logarithm.  keys: uint64 [B], equal for equal tokens.
    contexts: int64 [B, context_size].  states: int64 [B, S], of the scorer.
    said: the tokens of each, dated from the segment's start.  num_frames: of the segment so far.
    """

    scores: NDArray[np.float64]
    keys: NDArray[np.uint64]
    contexts: Ints
    states: Ints
    said: tuple[Hypothesis, ...]
    num_frames: int = 0


def search(  # noqa: PLR0913, PLR0917
    encoder_out: Floats,
    lens: NDArray[np.int32],
    decoder: Decoder,
    joiner: Joiner,
    options: Options,
    beam: int,
    scorer: Scorer | None = None,
    blank_penalty: float = 0.0,
) -> list[list[Hypothesis]]:
    """At most `beam` hypotheses an utterance, best first.

    encoder_out: float32 [N, T, J].  lens: int32 [N], valid frames.  blank_penalty: what blank's
    logit is lowered by.  A hypothesis's score is not divided by its length; the log_probs of its
    tokens are the network's alone.
    """
    rules = Rules(options, beam, blank_penalty)
    beams = start(len(lens), options, scorer)
    found = _advance(beams, (encoder_out, lens), Networks(decoder, joiner, scorer), rules)
    return finish(found, options, scorer)


def start(num_rows: int, options: Options, scorer: Scorer | None = None) -> list[Beam]:
    """Before the first frame of N streams; the scorer's rows are their places among them."""
    contexts = initial_contexts(num_rows, options)
    return [_begin(*row) for row in zip(contexts, start_states(scorer, num_rows), strict=True)]


def continue_search(  # noqa: PLR0913, PLR0917
    encoder_out: Floats,
    beams: Sequence[Beam],
    decoder: Decoder,
    joiner: Joiner,
    options: Options,
    beam: int,
    scorer: Scorer | None = None,
    blank_penalty: float = 0.0,
) -> list[Beam]:
    """Behind the next frames of N streams, all of them valid: encoder_out float32 [N, T, J].

    Streams may come in other company and order with every window, but with the same beam and with
    a scorer whose rows are theirs.
    """
    assert all(len(each.scores) <= beam for each in beams), "a beam does not narrow"
    lens = np.full(len(beams), encoder_out.shape[1], np.int32)
    rules = Rules(options, beam, blank_penalty)
    return _advance(beams, (encoder_out, lens), Networks(decoder, joiner, scorer), rules)


def hypotheses(beams: Sequence[Beam], options: Options) -> list[list[Hypothesis]]:
    """What each stream has so far, best first, as if more were to come."""
    return [_ranked(each, options) for each in beams]


def finish(
    beams: Sequence[Beam], options: Options, scorer: Scorer | None = None
) -> list[list[Hypothesis]]:
    """What segments that end here have, best first; the scorer has the last word."""
    return hypotheses(_end(beams, scorer), options)


def restart(beams: Sequence[Beam], options: Options, scorer: Scorer | None = None) -> list[Beam]:
    """Before the next segment of streams whose segment ended: the best one's last tokens stay."""
    contexts = [each.contexts[_ranking(each, options)[0]] for each in _end(beams, scorer)]
    return [_begin(*row) for row in zip(contexts, start_states(scorer, len(beams)), strict=True)]


def _end(beams: Sequence[Beam], scorer: Scorer | None) -> list[Beam]:
    """With what the scorer says of their end."""
    ended = end_scores(scorer, [each.scores for each in beams], [each.states for each in beams])
    return [replace(each, scores=scores) for each, scores in zip(beams, ended, strict=True)]


def _begin(context: Ints, state: Ints) -> Beam:
    """One hypothesis of no tokens."""
    return Beam(np.zeros(1), np.full(1, EMPTY), context[None], state[None], (Hypothesis(),))


def _ranking(beam: Beam, options: Options) -> Ints:
    num_tokens = np.array([len(each.ids) for each in beam.said])
    order: Ints = np.argsort(-beam.scores / (options.context_size + num_tokens), kind="stable")
    return order


def _ranked(beam: Beam, options: Options) -> list[Hypothesis]:
    scores = beam.scores.tolist()
    return [replace(beam.said[n], score=scores[n]) for n in _ranking(beam, options).tolist()]


def _advance(
    beams: Sequence[Beam],
    encoded: tuple[Floats, NDArray[np.int32]],
    networks: Networks,
    rules: Rules,
) -> list[Beam]:
    """Behind the frames [N, T, J] of N streams, of which each has lens [N]."""
    encoder_out, lens = encoded
    if not len(lens):
        return []
    order = np.argsort(-lens, kind="stable")  # those that end first are last
    begun = [beams[row] for row in order]
    first = np.array([each.num_frames for each in begun])
    live = _gather(begun, networks)
    roots = [hypothesis for each in begun for hypothesis in each.said]
    history = History(roots, int(lens.sum()) * rules.beam)
    step = Step(networks, rules, order, history)
    ended: list[Live] = []
    for t, num_active in enumerate(_count_active(lens)):
        stays = int(np.searchsorted(live.rows, num_active))
        if stays < len(live.rows):
            ended.append(live.take(slice(stays, None)))
            live = live.take(slice(stays))
        live = step(live, encoder_out[:, t], first + t)
    moved = _scatter(concatenate([live, *reversed(ended)]), history, first + lens[order])
    return [moved[row] for row in np.argsort(order)]


def _count_active(lens: NDArray[np.int32]) -> list[int]:
    """Streams that have each of the frames."""
    frames = np.arange(lens.max(initial=0))
    counts: list[int] = (frames[:, None] < lens).sum(axis=1).tolist()
    return counts


def _gather(beams: Sequence[Beam], networks: Networks) -> Live:
    rows = np.repeat(np.arange(len(beams)), [len(each.scores) for each in beams])
    contexts = np.concatenate([each.contexts for each in beams])
    return Live(
        rows=rows,
        scores=np.concatenate([each.scores for each in beams]),
        keys=np.concatenate([each.keys for each in beams]),
        nodes=np.arange(len(rows)),
        contexts=contexts,
        context_keys=hash_contexts(rows, contexts),
        decoder_out=networks.decoder(contexts),
        states=np.concatenate([each.states for each in beams]),
    )


def _scatter(live: Live, history: History, num_frames: Ints) -> list[Beam]:
    """num_frames: [N], of each row's segment so far."""
    said = history.spell(live.nodes)
    ends = np.searchsorted(live.rows, np.arange(len(num_frames) + 1)).tolist()
    beams = []
    for row, num in enumerate(num_frames.tolist()):
        rows = slice(ends[row], ends[row + 1])
        beams.append(
            Beam(  # copies, lest one stream keep the arrays of all others in memory
                live.scores[rows].copy(),
                live.keys[rows].copy(),
                live.contexts[rows].copy(),
                live.states[rows].copy(),
                tuple(said[rows]),
                num,
            )
        )
    return beams
