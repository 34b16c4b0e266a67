"""Beam search of transducers that remember all tokens: one utterance, a hypothesis at a time."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from auricle.serve.decode.fusion import Scorer
from auricle.serve.decode.hypothesis import Hypothesis
from auricle.serve.decode.recurrent import Floats, Network, Options


@dataclass(frozen=True)
class Rules:
    """keeps_best: of equal hypotheses only the likeliest counts, as in sherpa-onnx."""

    options: Options
    beam: int
    scorer: Scorer | None = None
    blank_penalty: float = 0.0
    keeps_best: bool = False


@dataclass(frozen=True)
class Path:
    state: Floats  # float32 [1, S]
    scorer_state: NDArray[np.int64]  # [1, K]
    ids: tuple[int, ...] = ()
    frame: int = 0
    num_symbols: int = 0
    score: float = 0.0
    frames: list[float] = field(default_factory=list)
    log_probs: list[float] = field(default_factory=list)


def search(encoder_out: Floats, network: Network, rules: Rules) -> list[Hypothesis]:
    """encoder_out: float32 [T, D].  All that is left, best first."""
    state = np.zeros((1, rules.options.state_size), np.float32)
    nowhere = rules.scorer.start(1) if rules.scorer else np.empty((1, 0), np.int64)
    paths = [Path(state, nowhere)]
    while (now := min(path.frame for path in paths)) < len(encoder_out):
        grown: dict[tuple[tuple[int, ...], int], Path] = {}
        for path in paths:
            goes_on = path.frame == now
            steps = walk(path, encoder_out[now], network, rules) if goes_on else [path]
            for each in steps:
                place = each.ids, each.frame
                grown[place] = join(grown[place], each, rules) if place in grown else each
        paths = sorted(grown.values(), key=lambda path: -path.score)[: rules.beam]
    return list(rank(paths, rules))


def walk(path: Path, frame: Floats, network: Network, rules: Rules) -> Iterator[Path]:
    """By the best labels of a frame."""
    options = rules.options
    y = np.array([path.ids[-1] if path.ids else options.blank_id])
    said = network(frame[None, None], y, path.state)
    scores = lower_blank(said.log_probs[0, 0], rules)
    jump = 0 if said.jumps is None else int(said.jumps[0, 0])
    for label in np.argsort(-scores, kind="stable")[: rules.beam].tolist():
        score = path.score + scores[label]
        if said.jump_log_probs is not None:
            score += float(said.jump_log_probs[0, 0])
        if label == options.blank_id:
            yield replace(path, score=score, frame=path.frame + max(jump, 1), num_symbols=0)
            continue
        added, scorer_state = 0.0, path.scorer_state
        if rules.scorer:
            row = np.zeros(1, np.int64)
            gained, scorer_state = rules.scorer.advance(row, scorer_state, np.array([label]))
            added = gained.item()
        is_full = path.num_symbols + 1 == options.max_symbols
        moved = max(jump, 1) if is_full else jump
        yield Path(
            said.states,
            scorer_state,
            (*path.ids, label),
            path.frame + moved,
            0 if moved else path.num_symbols + 1,
            score + added,
            [*path.frames, path.frame],
            [*path.log_probs, scores[label]],
        )


def lower_blank(log_probs: Floats, rules: Rules) -> NDArray[np.float64]:
    """[V]; to the last digit, since alike scores would be told apart by it."""
    if not rules.blank_penalty:
        return log_probs.astype(np.float64)
    blank = log_probs[rules.options.blank_id]
    total = np.log1p(np.exp(blank) * np.expm1(np.float32(-rules.blank_penalty)))
    lowered = log_probs.copy()
    lowered[rules.options.blank_id] -= np.float32(rules.blank_penalty)
    scores: NDArray[np.float64] = (lowered - total).astype(np.float64)
    return scores


def join(one: Path, other: Path, rules: Rules) -> Path:
    best = max(one, other, key=lambda path: path.score)
    if rules.keeps_best:
        return best
    return replace(best, score=float(np.logaddexp(one.score, other.score)))


def rank(paths: list[Path], rules: Rules) -> Iterator[Hypothesis]:
    """Those of equal tokens that end behind different frames are one."""
    if rules.scorer:
        row = np.zeros(1, np.int64)
        paths = [
            replace(path, score=path.score + rules.scorer.finish(row, path.scorer_state).item())
            for path in paths
        ]
    joined: dict[tuple[int, ...], Path] = {}
    for path in paths:
        joined[path.ids] = join(joined[path.ids], path, rules) if path.ids in joined else path
    for path in sorted(joined.values(), key=lambda path: -path.score):
        yield Hypothesis(list(path.ids), path.frames, path.log_probs, score=path.score)


def enumerate_all(
    encoder_out: Floats, network: Network, options: Options, blank_penalty: float
) -> dict[tuple[int, ...], float]:
    """The probability of every sequence of tokens, over all the ways to say it."""
    everything = Rules(options, beam=1 << 30, blank_penalty=blank_penalty)
    state = np.zeros((1, options.state_size), np.float32)
    waiting, found = [Path(state, np.empty((1, 0), np.int64))], dict[tuple[int, ...], float]()
    while waiting:
        path = waiting.pop()
        if path.frame >= len(encoder_out):
            found[path.ids] = found.get(path.ids, 0.0) + float(np.exp(path.score))
        else:
            waiting.extend(walk(path, encoder_out[path.frame], network, everything))
    return found
