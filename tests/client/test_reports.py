from pathlib import Path

from auricle.client.corpus import Outcome
from auricle.client.reports import Speed, kaldi_lines, measure, write_icefall
from auricle.client.results import Transcription
from auricle.client.scoring import score
from auricle.errors import AudioError

REFERENCES = {
    "a": "one two three",
    "b": "four five",
    "c": "six",
    "d": "one two",
}
HYPOTHESES = {
    "a": "one too three",
    "b": "four extra five",
    "d": "one too many",
}

# What icefall's write_error_stats prints for these pairs, worked out by hand from its rules.
ERRS = """\
%WER = 62.50
Errors: 2 insertions, 1 deletions, 2 substitutions, over 8 reference words (5 correct)
Search below for sections starting with PER-UTT DETAILS:, SUBSTITUTIONS:, DELETIONS:, INSERTIONS:, \
PER-WORD STATS:

PER-UTT DETAILS: corr or (ref->hyp)  
a:\tone (two->too) three
b:\tfour (*->extra) five
c:\t(six->*)
d:\tone (two->too many)

SUBSTITUTIONS: count ref -> hyp
2   two -> too

DELETIONS: count ref
1   six

INSERTIONS: count hyp
1   many
1   extra

PER-WORD STATS: word  corr tot_errs count_in_ref count_in_hyp
two   0 2 2 0
too   0 2 0 2
six   0 1 1 0
many   0 1 0 1
extra   0 1 0 1
three   1 0 1 1
one   2 0 2 2
four   1 0 1 1
five   1 0 1 1
"""  # noqa: W291  # icefall's two spaces


def test_kaldi_lines_are_those_of_compute_wer() -> None:
    assert kaldi_lines(score(REFERENCES, HYPOTHESES, "word")) == (
        "%WER 62.50 [ 5 / 8, 2 ins, 1 del, 2 sub ] [PARTIAL]\n"
        "%SER 100.00 [ 4 / 4 ]\n"
        "Scored 4 sentences, 1 not present in hyp."
    )


def test_a_complete_score_is_not_partial() -> None:
    assert kaldi_lines(score({"a": "one", "b": "two"}, {"a": "one", "b": "to"}, "word")) == (
        "%WER 50.00 [ 1 / 2, 0 ins, 0 del, 1 sub ]\n"
        "%SER 50.00 [ 1 / 2 ]\n"
        "Scored 2 sentences, 0 not present in hyp."
    )


def test_characters_are_reported_as_cer() -> None:
    lines = kaldi_lines(score({"a": "你好 world"}, {"a": "你号 world"}, "mixed"))
    assert lines.startswith("%CER 33.33 [ 1 / 3, 0 ins, 0 del, 1 sub ]\n")


def test_icefalls_files_hold_alignments_and_confusions(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    write_icefall(folder, "demo", score(REFERENCES, HYPOTHESES, "word"))
    assert (folder / "errs-demo.txt").read_text() == ERRS
    assert (folder / "recogs-demo.txt").read_text().splitlines()[:2] == [
        "a:\tref=['one', 'two', 'three']",
        "a:\thyp=['one', 'too', 'three']",
    ]
    assert "c:\thyp=[]" in (folder / "recogs-demo.txt").read_text()


def test_a_word_that_looks_like_icefalls_gap_is_a_word(tmp_path: Path) -> None:
    write_icefall(tmp_path, "x", score({"a": "* one"}, {"a": "* two"}, "word"))
    assert "a:\t* (one->two)\n" in (tmp_path / "errs-x.txt").read_text()


def test_speed_counts_what_succeeded() -> None:
    done = [Outcome(str(n), Transcription("", None, 2.0, latency_s=n / 1000)) for n in range(101)]
    speed = measure([*done, Outcome("bad", None, AudioError("empty"))], wall_s=4.0)
    assert speed is not None
    assert (speed.audio_s, speed.rtfx, speed.rtf) == (202.0, 50.5, 4 / 202)
    assert [round(speed.latency_ms(rank)) for rank in (50, 90, 95, 99)] == [50, 90, 95, 99]
    assert str(speed) == (
        "101 utterances, 202.0 s of audio in 4.00 s: RTF 0.0198, RTFx 50.5\n"
        "latency ms: mean 50.0  p50 50.0  p90 90.0  p95 95.0  p99 99.0"
    )


def test_nothing_done_has_no_speed() -> None:
    assert measure([Outcome("bad", None, AudioError("empty"))], wall_s=1.0) is None
    assert isinstance(measure([Outcome("a", Transcription("", None, 1, 1))], 1.0), Speed)
