"""Scores and timings as text: Kaldi's lines, icefall's recogs and errs files, a run's speed."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from auricle.client.corpus import Outcome
from auricle.client.hotword_scoring import Hits, HotwordScore
from auricle.client.scoring import NOTHING, Alignment, Score
from auricle.client.times import StreamSpeed, ranks

ABSENT = "*"  # icefall's sign for the missing side of an insertion or deletion


def kaldi_lines(score: Score) -> str:
    """What Kaldi's compute-wer prints; characters are counted under the name CER."""
    name = "WER" if score.unit == "word" else "CER"
    counts = score.counts
    partial = " [PARTIAL]" if score.absent else ""
    return (
        f"%{name} {score.error_rate:.2f} [ {counts.errors} / {counts.reference_units}, "
        f"{counts.insertions} ins, {counts.deletions} del, {counts.substitutions} sub ]{partial}\n"
        f"%SER {score.sentence_error_rate:.2f} "
        f"[ {score.wrong_sentences} / {len(score.utterances)} ]\n"
        f"Scored {len(score.utterances)} sentences, {score.absent} not present in hyp."
    )


def hotword_lines(score: HotwordScore) -> str:
    """All hotwords on a line, and one for each that was said or heard, the worst first."""
    total = score.total
    lines = [
        f"hotwords: precision {_rate(total.precision)} [ {total.correct} / {total.heard} ], "
        f"recall {_rate(total.recall)} [ {total.correct} / {total.said} ], F1 {_rate(total.f1)}"
    ]
    if score.words:
        lines.append("   said  heard  correct  precision  recall      F1  hotword")
    for word, hits in sorted(score.words.items(), key=lambda item: _missed(item[1]), reverse=True):
        rates = (_rate(hits.precision), _rate(hits.recall), _rate(hits.f1))
        lines.append(
            f"{hits.said:7}{hits.heard:7}{hits.correct:9}"
            f"{rates[0]:>11}{rates[1]:>8}{rates[2]:>8}  {word}"
        )
    return "\n".join(lines)


def _missed(hits: Hits) -> int:
    return hits.said + hits.heard - 2 * hits.correct


def _rate(percent: float | None) -> str:
    return "-" if percent is None else f"{percent:.2f}"


@dataclass(frozen=True)
class Speed:
    """What a run took: wall time, audio sent, and the latency of each utterance, in seconds."""

    wall_s: float
    audio_s: float
    latencies_s: Sequence[float]

    @property
    def rtf(self) -> float:
        return self.wall_s / self.audio_s

    @property
    def rtfx(self) -> float:
        return self.audio_s / self.wall_s

    def latency_ms(self, percent: float) -> float:
        return float(np.percentile(self.latencies_s, percent)) * 1000

    def __str__(self) -> str:
        return (
            f"{len(self.latencies_s)} utterances, {self.audio_s:.1f} s of audio "
            f"in {self.wall_s:.2f} s: RTF {self.rtf:.4f}, RTFx {self.rtfx:.1f}\n"
            f"latency ms: {ranks(self.latencies_s)}"
        )


def measure(outcomes: Iterable[Outcome], wall_s: float) -> Speed | None:
    """The speed over what succeeded; None where nothing did."""
    done = [one.transcription for one in outcomes if one.transcription]
    if not done:
        return None
    return Speed(wall_s, sum(one.audio_seconds for one in done), [one.latency_s for one in done])


def measure_streams(outcomes: Iterable[Outcome], wall_s: float) -> StreamSpeed | None:
    """The speed over the streams that succeeded; None where there are none."""
    done = [one.transcription for one in outcomes if one.transcription]
    times = [one.times for one in done if one.times]
    return StreamSpeed(wall_s, sum(one.audio_seconds for one in done), times) if times else None


def write_icefall(folder: Path, name: str, score: Score) -> None:
    """`recogs-<name>.txt` and `errs-<name>.txt`, as icefall's decode.py writes them."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, lines in (("recogs", _recogs(score)), ("errs", _errs(score))):
        text = "".join(f"{line}\n" for line in lines)
        (folder / f"{kind}-{name}.txt").write_text(text, encoding="utf-8")


def _recogs(score: Score) -> Iterator[str]:
    for utterance in score.utterances:
        yield f"{utterance.id}:\tref={utterance.reference}"
        yield f"{utterance.id}:\thyp={utterance.hypothesis or []}"


def _errs(score: Score) -> Iterator[str]:
    counts = score.counts
    yield f"%WER = {score.error_rate:.2f}"
    yield (
        f"Errors: {counts.insertions} insertions, {counts.deletions} deletions, "
        f"{counts.substitutions} substitutions, over {counts.reference_units} reference words "
        f"({counts.correct} correct)"
    )
    yield (
        "Search below for sections starting with PER-UTT DETAILS:, SUBSTITUTIONS:, "
        "DELETIONS:, INSERTIONS:, PER-WORD STATS:"
    )
    yield from ("", "PER-UTT DETAILS: corr or (ref->hyp)  ")
    for utterance in score.utterances:
        yield f"{utterance.id}:\t{_show(utterance.alignment)}"
    pairs = Counter(pair for utterance in score.utterances for pair in utterance.alignment)
    yield from _confusions(pairs)
    yield from _word_stats(pairs)


def _show(alignment: Alignment) -> str:
    """Correct words as they are; each stretch of errors as one (ref->hyp)."""
    shown = []
    wrong: Alignment = []
    for reference, hypothesis in [*alignment, (NOTHING, NOTHING)]:
        if reference != hypothesis:
            wrong.append((reference, hypothesis))
            continue
        if wrong:
            sides = (" ".join(filter(None, side)) or ABSENT for side in zip(*wrong, strict=True))
            shown.append(f"({'->'.join(sides)})")
            wrong = []
        shown.append(reference)
    return " ".join(shown[:-1])


def _confusions(pairs: Counter[tuple[str, str]]) -> Iterator[str]:
    """Most frequent first; icefall breaks ties by the words, from the end of the alphabet."""
    wrong = {pair: count for pair, count in pairs.items() if pair[0] != pair[1]}
    ranked = sorted(((count, *pair) for pair, count in wrong.items()), reverse=True)
    yield from ("", "SUBSTITUTIONS: count ref -> hyp")
    for count, reference, hypothesis in ranked:
        if NOTHING not in (reference, hypothesis):
            yield f"{count}   {reference} -> {hypothesis}"
    yield from ("", "DELETIONS: count ref")
    for count, reference, hypothesis in ranked:
        if hypothesis == NOTHING:
            yield f"{count}   {reference}"
    yield from ("", "INSERTIONS: count hyp")
    for count, reference, hypothesis in ranked:
        if reference == NOTHING:
            yield f"{count}   {hypothesis}"


@dataclass
class _WordStats:
    correct: int = 0
    errors: int = 0
    in_reference: int = 0
    in_hypothesis: int = 0


def _word_stats(pairs: Counter[tuple[str, str]]) -> Iterator[str]:
    stats: defaultdict[str, _WordStats] = defaultdict(_WordStats)
    for (reference, hypothesis), count in pairs.items():
        stats[reference].in_reference += count
        stats[hypothesis].in_hypothesis += count
        if reference == hypothesis:
            stats[reference].correct += count
        else:
            stats[reference].errors += count
            stats[hypothesis].errors += count
    stats.pop(NOTHING, None)
    yield from ("", "PER-WORD STATS: word  corr tot_errs count_in_ref count_in_hyp")
    for word, one in sorted(
        stats.items(), key=lambda item: (item[1].errors, item[0]), reverse=True
    ):
        yield f"{word}   {one.correct} {one.errors} {one.in_reference} {one.in_hypothesis}"
