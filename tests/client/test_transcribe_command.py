"""auricle transcribe, as a person or a script calls it."""

import io
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from auricle import cli
from tests.client.conftest import Serve, free_port, write_wav

COMMAND = [str(Path(sys.executable).with_name("auricle")), "transcribe"]


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


Transcribe = Callable[..., Ended]


@pytest.fixture
def transcribe(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Transcribe:
    """transcribe("--url", ...) runs the command line in this process."""

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["auricle", "transcribe", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return Ended(int(ended.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with a.wav, b.wav, c.wav, wav.scp and text."""
    for name in "abc":
        write_wav(tmp_path / f"{name}.wav", 160)
    (tmp_path / "wav.scp").write_text("a a.wav\nb b.wav\nc c.wav\n")
    (tmp_path / "text").write_text("a one two\nb three\nc four\n")
    return tmp_path


def ids(text: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines()]


def test_transcripts_go_to_stdout_and_all_else_to_stderr(
    transcribe: Transcribe, serve: Serve, data: Path
) -> None:
    ended = transcribe("-u", serve("say=one two"), data / "b.wav", data)
    assert (ended.code, ended.out) == (0, "b one two\na one two\nc one two\n")
    assert ended.err.startswith("3 utterances, 0.0 s of audio in ")
    assert " p50 " in ended.err


def test_scores_are_reported_when_there_are_transcripts(
    transcribe: Transcribe, serve: Serve, data: Path
) -> None:
    ended = transcribe("-u", serve("say=one two"), "--manifest-dir", data, "--log-dir", data / "l")
    assert ended.code == 0
    assert "text as it is, in words:\n%WER 100.00 [ 4 / 4, 2 ins, 0 del, 2 sub ]\n" in ended.err
    assert "%SER 66.67 [ 2 / 3 ]\nScored 3 sentences, 0 not present in hyp.\n" in ended.err
    assert (data / "l" / "errs-demo.txt").read_text().startswith("%WER = 100.00\n")
    assert (data / "l" / "recogs-demo.txt").exists()


def test_normalized_scores_are_printed_beside_the_raw_ones(
    transcribe: Transcribe, serve: Serve, data: Path
) -> None:
    arguments = ("--url", serve("say=One, TWO!"), "--trans", data / "text", data / "a.wav")
    ended = transcribe(*arguments, "--normalize", "--max-wer", "0")
    assert ended.code == 0
    assert "text as it is, in words:\n%WER 100.00" in ended.err
    assert "text in lower case without punctuation:\n%WER 0.00" in ended.err
    assert transcribe(*arguments, "--max-wer", "0").code == 1


def test_a_missed_limit_is_exit_1(transcribe: Transcribe, serve: Serve, data: Path) -> None:
    arguments = ("--wavscp", data / "wav.scp", "--trans", data / "text", "-u", serve("say=one two"))
    assert transcribe(*arguments, "--max-wer", "100").code == 0
    ended = transcribe(*arguments, "--max-wer", "99.9")
    assert ended.code == 1
    assert "100.00 % is above the limit of 99.9 %" in ended.err


def test_chinese_is_scored_by_characters(transcribe: Transcribe, serve: Serve, data: Path) -> None:
    (data / "text").write_text("a 你好世界\n", encoding="utf-8")
    arguments = ("-u", serve("say=你好 世纪"), "--trans", data / "text", data / "a.wav")
    assert "%CER 25.00 [ 1 / 4, 0 ins, 0 del, 1 sub ]" in transcribe(*arguments).err
    assert "%WER 200.00 [ 2 / 1," in transcribe(*arguments, "--compute-wer").err


def test_a_missing_file_fails_its_utterance_and_the_run_goes_on(
    transcribe: Transcribe, serve: Serve, data: Path
) -> None:
    (data / "b.wav").unlink()
    ended = transcribe("-u", serve(), "--wavscp", data / "wav.scp", "--trans", data / "text")
    assert (ended.code, ids(ended.out)) == (1, ["a", "c"])
    assert f"auricle: b: cannot read {data}/b.wav: No such file or directory\n" in ended.err
    assert "[PARTIAL]" in ended.err
    assert "1 of 3 utterances failed\n" in ended.err


def test_odd_transcripts_and_odd_audio_are_counted(
    transcribe: Transcribe, serve: Serve, data: Path
) -> None:
    (data / "text").write_text("a one\ny two\nz three\n")
    ended = transcribe("-u", serve(), "--wavscp", data / "wav.scp", "--trans", data / "text")
    assert ended.code == 0
    assert "2 transcripts without audio, left out of the score, such as 'y'" in ended.err
    assert "2 utterances without a transcript, left out of the score, such as 'b'" in ended.err
    assert "Scored 1 sentences" in ended.err


def test_json_lines_hold_words_and_errors(transcribe: Transcribe, serve: Serve, data: Path) -> None:
    ended = transcribe("-u", serve("ok", "invalid"), data, "--json", "--num-tasks", 1)
    good, bad, _ = map(json.loads, ended.out.splitlines())
    assert (ended.code, good["id"], good["model"], good["error"]) == (1, "a", "demo", None)
    assert (good["language"], good["tags"]) == ("en", {"emotion": "HAPPY"})
    assert good["words"] == [{"text": "one", "start": 0.1, "end": 0.2, "confidence": 0.9}]
    assert (bad["id"], bad["text"], bad["error"]) == ("b", None, "WAV holds NaN at sample 3")


def test_parameters_go_with_every_request(transcribe: Transcribe, serve: Serve, data: Path) -> None:
    asked = ("--parameter", "asr_language=en", "--parameter", "asr_hotwords=a=b c")
    for line in transcribe("-u", serve(), data, *asked).out.splitlines():
        seen = json.loads(line.partition(" ")[2])
        assert seen["parameters"] == {"asr_language": "en", "asr_hotwords": "a=b c"}


def test_standard_input_is_an_audio_file(
    transcribe: Transcribe, serve: Serve, wav: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(wav.read_bytes())))
    assert ids(transcribe("-u", serve(), "-").out) == ["stdin"]


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_resuming_does_the_rest(
    transcribe: Transcribe, serve: Serve, data: Path, form: list[str]
) -> None:
    arguments = ("--wavscp", data / "wav.scp", "--trans", data / "text", "-o", data / "o", *form)
    first = transcribe("-u", serve("say=one two", "ok", "invalid"), *arguments, "--num-tasks", 1)
    assert (first.code, first.out) == (1, "")
    second = transcribe("-u", serve("say=three"), *arguments, "--resume")
    assert second.code == 0
    assert "1 utterances, " in second.err
    assert "Scored 3 sentences, 0 not present in hyp." in second.err
    lines = (data / "o").read_text().splitlines()
    assert len(lines) == 3
    assert "three" in lines[2]


def test_without_resume_the_output_is_replaced(
    transcribe: Transcribe, serve: Serve, data: Path
) -> None:
    output = data / "new" / "o"
    transcribe("-u", serve(), data, "-o", output)
    transcribe("-u", serve(), data / "a.wav", "-o", output)
    assert ids(output.read_text()) == ["a"]


def test_an_absent_server_is_exit_3_and_harms_no_output(transcribe: Transcribe, data: Path) -> None:
    (data / "o").write_text("old\n")
    ended = transcribe("--server-addr", "localhost", "--server-port", free_port(), data,
                       "-o", data / "o")  # fmt: skip
    assert ended.code == 3
    assert "no server answers at localhost" in ended.err
    assert (data / "o").read_text() == "old\n"


def test_a_server_that_goes_is_exit_3_with_what_came(
    transcribe: Transcribe, serve: Serve, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auricle.client.client.Patience.wait_s", lambda *_: 0.0)
    ended = transcribe("-u", serve("ok", "lost"), data, "--num-tasks", 1)
    assert (ended.code, ids(ended.out)) == (3, ["a"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give files, folders, globs or -"),
        (["x.wav", "--wavscp", "wav.scp"], "give files, folders, globs or -"),
        (["absent.wav"], "no such file or folder: absent.wav"),
        (["--wavscp", "absent.scp"], "cannot read absent.scp"),
        (["x.wav", "--resume"], "--resume continues a file"),
        (["x.wav", "--max-wer", "5"], "--max-wer needs transcripts"),
        (["x.wav", "--url", "http://localhost:8000"], "give host:port, not 'http://"),
        (["x.wav", "--protocol", "smoke"], "smoke"),
        (["x.wav", "--sample-rate", "0"], "greater than or equal to 1"),
        (["x.wav", "--parameter", "asr_language"], "such as asr_language=en, not 'asr_language'"),
        (["x.wav", "--parameter", "=en"], "give NAME=VALUE"),
        (["x.wav", "--streaming"], "auricle stream sends streams"),
        (["x.wav", "--simulate-streaming"], "auricle stream sends streams"),
        (["x.wav", "--chunk_size", "16"], "auricle stream sends streams"),
        (["x.wav", "--context", "7"], "auricle stream sends streams"),
        (
            ["x.wav", "--encoder_right_context", "2"],
            "auricle stream sends streams",
        ),
        (["x.wav", "--subsampling", "4"], "auricle stream sends streams"),
        (["x.wav", "--huggingface_dataset", "d"], "data sets and cuts are not read"),
        (["x.wav", "--text-prompt", "hello"], "no served model takes a prompt"),
        (["x.wav", "--stats_file", "s.txt"], "auricle bench"),
    ],
)
def test_wrong_use_is_exit_2(transcribe: Transcribe, arguments: list[str], words: str) -> None:
    ended = transcribe(*arguments)
    assert ended.code == 2
    assert words in " ".join(ended.err.split())


def test_manifest_errors_are_exit_2_before_anything_is_sent(
    transcribe: Transcribe, data: Path
) -> None:
    scp = data / "wav.scp"
    scp.write_text("a a.wav\na b.wav\n")
    assert "'a' on lines 1, 2" in transcribe("--wavscp", scp).err
    scp.write_text("a cat a.wav |\n")
    ended = transcribe("--wavscp", scp)
    assert ended.code == 2
    assert "would run a shell command; allow it with --allow-pipes" in ended.err
    scp.write_text("q a.wav\n")
    ended = transcribe("--wavscp", scp, "--trans", data / "text")
    assert ended.code == 2
    assert "has no transcript of any of the 1 utterances" in ended.err


def test_an_unknown_model_is_exit_2(transcribe: Transcribe, serve: Serve, wav: Path) -> None:
    ended = transcribe("-u", serve(), wav, "--model-name", "dmeo")
    assert ended.code == 2
    assert "unknown model 'dmeo'" in ended.err


def test_the_flags_of_other_clients_work(transcribe: Transcribe, serve: Serve, data: Path) -> None:
    address, port = serve().split(":")
    triton = transcribe(
        "--server-addr", address, "--server-port", port, "--manifest-dir", data,
        "--model-name", "demo", "--num-tasks", 2, "--log-interval", 2, "--batch-size", 2,
        "--log-dir", data / "log", "--compute-cer",
    )  # fmt: skip
    assert triton.code == 0
    assert "2 of 3 done" in triton.err
    assert "in characters" in triton.err
    wenet = transcribe(
        "-u", f"{address}:{port}", "-v", "--model_name", "demo", "--wavscp", data / "wav.scp",
        "--trans", data / "text", "--data_dir", data, "--sample_rate", 16000,
    )  # fmt: skip
    assert wenet.code == 0
    single = transcribe("-u", f"{address}:{port}", "--audio_file", data / "a.wav")
    assert ids(single.out) == ids(transcribe("-u", f"{address}:{port}", "--audio-path",
                                             data / "a.wav").out) == ["a"]  # fmt: skip


def test_a_transcript_is_scored_where_it_lies_beside_the_audio(
    transcribe: Transcribe, serve: Serve, data: Path
) -> None:
    (data / "trans.txt").write_text("a one\nb one\nc one\n")
    url = serve("say=one")
    assert "%WER 0.00" in transcribe("-u", url, "--manifest-dir", data).err


def test_ctrl_c_is_exit_130_and_keeps_what_came(serve: Serve, data: Path) -> None:
    url = serve("ok", "slow", "slow")
    heeds_ctrl_c = ["env", "--default-signal=INT"]  # the jobs of a script's background do not
    command = [*heeds_ctrl_c, *COMMAND, "-u", url, str(data), "-o", str(data / "o")]
    command += ["--num-tasks", "1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        wait_for(lambda: (data / "o").exists() and bool((data / "o").read_text()))
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "interrupted; what was transcribed is kept" in err
    assert "1 utterances, " in err
    assert ids((data / "o").read_text()) == ["a"]


@pytest.mark.parametrize("output", [True, False])
def test_the_bar_shows_on_a_terminal_that_does_not_show_the_transcripts(
    output: bool, serve: Serve, data: Path
) -> None:
    ours, theirs = pty.openpty()
    arguments = ["-o", str(data / "o")] if output else []
    command = [*COMMAND, "-u", serve(), str(data), *arguments]
    subprocess.run(command, stdin=theirs, stdout=theirs, stderr=theirs, check=True)
    os.close(theirs)
    shown = read_all(ours)
    assert ("transcribing" in shown) == output
    assert ("3/3" in shown) == output


def read_all(terminal: int) -> str:
    chunks = []
    while True:
        try:
            chunks.append(os.read(terminal, 65536))
        except OSError:  # the other side is closed
            os.close(terminal)
            return b"".join(chunks).decode()


def wait_for(happened: Callable[[], bool], timeout_s: float = 20) -> None:
    deadline = time.monotonic() + timeout_s
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)
