"""auricle stream, as a person or a script calls it."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from auricle import cli
from tests.client.conftest import Serve, write_wav
from tests.client.test_transcribe_command import COMMAND, Ended, ids, read_all, wait_for

Stream = Callable[..., Ended]
STREAM = [*COMMAND[:-1], "stream"]


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Stream:
    """stream("--url", ...) runs the command line in this process."""

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["auricle", "stream", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return Ended(int(ended.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with a.wav, b.wav, c.wav of 0.2 s, wav.scp and text."""
    for name in "abc":
        write_wav(tmp_path / f"{name}.wav", 3200)
    (tmp_path / "wav.scp").write_text("a a.wav\nb b.wav\nc c.wav\n")
    (tmp_path / "text").write_text("a one two\nb three\nc four\n")
    return tmp_path


def test_final_texts_go_to_stdout_and_all_else_to_stderr(
    stream: Stream, serve: Serve, data: Path
) -> None:
    ended = stream("-u", serve("say=one two"), data / "b.wav", data, "--chunk-ms", 50)
    assert (ended.code, ended.out) == (0, "b one two\na one two\nc one two\n")
    assert ended.err.startswith("3 streams, 0.6 s of audio in ")
    for name in ("chunk", "first partial", "final"):
        assert f"\n{name} ms: mean " in ended.err


def test_audio_is_cut_into_chunks(stream: Stream, serve: Serve, data: Path) -> None:
    ended = stream("-u", serve(), data / "a.wav", "--chunk-ms", 80, "--parameter", "asr_x=y")
    last = json.loads(ended.out.partition(" ")[2])
    assert last["lens"] == [640]  # what is left of 3200 after two chunks of 1280
    assert last["parameters"]["asr_x"] == "y"
    assert (last["parameters"]["sequence_start"], last["parameters"]["sequence_end"]) == (0, 1)


def test_simulated_speech_takes_its_time(stream: Stream, serve: Serve, data: Path) -> None:
    start = time.perf_counter()
    ended = stream("-u", serve(), data / "a.wav", data / "b.wav", "--simulate-streaming",
                   "--num-tasks", 1, "--chunk-ms", 20)  # fmt: skip
    assert ended.code == 0
    assert time.perf_counter() - start > 0.4


def test_a_single_stream_shows_its_text_as_it_grows(
    stream: Stream, serve: Serve, data: Path
) -> None:
    url = serve("say=one")
    ended = stream("-u", url, data / "a.wav", "--chunk-ms", 80)
    assert ended.err.startswith("a 0.08 s:  | one\na 0.20 s: one\n")
    assert "a 0.20" not in stream("-u", url, data / "a.wav", "--no-partials").err
    assert "a 0.20" not in stream("-u", url, data).err
    assert "b 0.20 s: one\n" in stream("-u", url, data, "--partials").err


def test_on_a_terminal_the_text_is_live(serve: Serve, data: Path) -> None:
    for name in "abc":
        write_wav(data / f"{name}.wav", 16000)
    ours, theirs = pty.openpty()
    command = [*STREAM, "-u", serve("say=one two"), str(data), "--chunk-ms", "50"]
    subprocess.run(
        [*command, "--simulate-streaming", "-o", str(data / "o")],
        stdin=theirs, stdout=theirs, stderr=theirs, check=True,
    )  # fmt: skip
    os.close(theirs)
    shown = read_all(ours)
    assert "3 streams, 0 finished" in shown
    assert "one two" in shown


def test_json_lines_hold_the_times_of_each_stream(stream: Stream, serve: Serve, data: Path) -> None:
    ended = stream("-u", serve("say=one"), data, "--json", "--chunk-ms", 50)
    for line in map(json.loads, ended.out.splitlines()):
        assert (line["text"], line["error"]) == ("one", None)
        assert len(line["times"]["chunks_s"]) == 3
        assert line["times"]["first_partial_s"] > 0
        assert 0 < line["times"]["final_s"] == pytest.approx(line["latency_s"], abs=1e-6)


def test_final_texts_are_scored(stream: Stream, serve: Serve, data: Path) -> None:
    arguments = ("-u", serve("say=one two"), "--manifest-dir", data)
    ended = stream(*arguments)
    assert ended.code == 0
    assert "text as it is, in words:\n%WER 100.00 [ 4 / 4, 2 ins, 0 del, 2 sub ]\n" in ended.err
    assert stream(*arguments, "--max-wer", "99.9").code == 1


def test_a_failure_stands_alone(stream: Stream, serve: Serve, data: Path) -> None:
    (data / "b.wav").write_bytes(b"RIFF")
    ended = stream("-u", serve("invalid"), "--wavscp", data / "wav.scp", "--num-tasks", 1)
    assert (ended.code, ids(ended.out)) == (1, ["c"])
    assert "auricle: a: WAV holds NaN\n" in ended.err
    assert "auricle: b: cannot decode" in ended.err
    assert "2 of 3 utterances failed\n" in ended.err


def test_ctrl_c_is_exit_130_and_keeps_what_came(serve: Serve, data: Path) -> None:
    url = serve("ok", "slow", "slow")
    command = ["env", "--default-signal=INT", *STREAM, "-u", url, str(data)]
    command += ["-o", str(data / "o"), "--num-tasks", "1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        wait_for(lambda: (data / "o").exists() and bool((data / "o").read_text()))
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "interrupted; what was transcribed is kept" in err
    assert ids((data / "o").read_text()) == ["a"]


def test_a_server_that_is_gone_is_exit_3(stream: Stream, serve: Serve, data: Path) -> None:
    ended = stream("-u", serve("lost"), data / "a.wav")
    assert ended.code == 3
    assert "auricle: no server answers at localhost" in ended.err


def test_other_clients_flags_are_taken(stream: Stream, serve: Serve, data: Path) -> None:
    flags = ("--streaming", "--chunk_size", 2, "--subsampling", 4, "--frame_shift_ms", 10,
             "--context", 7, "--encoder_right_context", 2, "--frame_length_ms", 25)  # fmt: skip
    ended = stream("-u", serve(), "--audio-path", data / "a.wav", *flags)
    assert ended.code == 0
    assert json.loads(ended.out.partition(" ")[2])["lens"] == [640]  # two chunks of 2 x 40 ms, rest


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "give files, folders, globs or -, or else a --wavscp"),
        (["x.wav", "--microphone"], "--microphone listens now"),
        (["--microphone", "--simulate-streaming"], "--microphone listens now"),
        (["x.wav", "--max-wer", "1"], "--max-wer needs transcripts"),
        (["x.wav", "--chunk-ms", "0"], "should be greater than or equal to 1"),
        (["x.wav", "--huggingface_dataset", "d"], "data sets and cuts are not read"),
        (["nowhere.wav"], "no such file or folder: nowhere.wav"),
    ],
)
def test_wrong_use_is_exit_2(stream: Stream, arguments: list[str], sentence: str) -> None:
    ended = stream(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert sentence in " ".join(ended.err.replace("│", "").split())


def listen(story: str, *arguments: str) -> subprocess.Popen[str]:
    """auricle stream --microphone on a machine whose sounddevice does as told."""
    environment = {**os.environ, "SOUNDDEVICE": story}
    environment["PYTHONPATH"] = str(Path(__file__).with_name("microphone"))
    command = ["env", "--default-signal=INT", *STREAM, "--microphone", *arguments]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def test_ctrl_c_ends_what_a_microphone_hears(serve: Serve) -> None:
    arguments = ("-u", serve("say=one"), "--chunk-ms", "100", "--json")
    with listen("48000", *arguments) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "microphone 0.10 s:  | one\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 0
    told = json.loads(out)
    assert (told["id"], told["text"]) == ("microphone", "one")
    assert told["audio_seconds"] >= 0.1
    assert "\nfinal ms: " in err


@pytest.mark.parametrize(
    ("story", "sentence"),
    [
        ("no library", "needs the PortAudio library (PortAudio library not found)"),
        ("no device", "the microphone cannot be opened: Error querying device -1; `python -m"),
    ],
)
def test_a_microphone_that_cannot_be_heard_is_a_sentence(
    serve: Serve, story: str, sentence: str
) -> None:
    with listen(story, "-u", serve()) as process:
        _, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert sentence in err


@pytest.mark.skipif(find_spec("sounddevice") is not None, reason="sounddevice is installed")
def test_without_the_package_a_microphone_says_what_to_install(
    stream: Stream, serve: Serve
) -> None:
    ended = stream("-u", serve(), "--microphone")
    assert ended.code == 1
    assert "pip install 'auricle[microphone]'" in ended.err
