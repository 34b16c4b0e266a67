import io
from pathlib import Path

import pytest

from auricle.client.manifests import Pipe, Utterance, fetch, find_audio, read_text, read_wav_scp
from auricle.errors import AudioError, ManifestError


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_the_rest_of_the_line_is_the_path(tmp_path: Path) -> None:
    scp = write(tmp_path / "wav.scp", "a /data/one file.wav\nb\t/data/b.wav  \r\n\n")
    assert read_wav_scp(scp) == [
        Utterance("a", Path("/data/one file.wav")),
        Utterance("b", Path("/data/b.wav")),
    ]


def test_a_relative_path_is_looked_for_here_then_beside_the_scp(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "both.wav").touch()
    (tmp_path / "both.wav").touch()
    monkeypatch.chdir(tmp_path / "here")
    scp = write(tmp_path / "wav.scp", "a both.wav\nb beside.wav\n")
    assert [one.source for one in read_wav_scp(scp)] == [
        Path("both.wav"),
        tmp_path / "beside.wav",
    ]
    assert read_wav_scp(scp, folder=Path("/data"))[0].source == Path("/data/both.wav")


def test_a_pipe_is_refused_unless_allowed(tmp_path: Path) -> None:
    scp = write(tmp_path / "wav.scp", "a a.wav\nb sox b.sph -t wav - |\n")
    with pytest.raises(ManifestError, match=r"line 2: 'sox .*' would run a shell command"):
        read_wav_scp(scp)
    assert read_wav_scp(scp, allow_pipes=True)[1] == Utterance("b", Pipe("sox b.sph -t wav -"))


def test_a_pipe_gives_what_its_command_writes() -> None:
    assert fetch(Pipe("printf abc")) == b"abc"
    with pytest.raises(AudioError, match="'echo no >&2; exit 4' ended with 4: no"):
        fetch(Pipe("echo no >&2; exit 4"))


def test_duplicate_ids_are_named_with_their_lines(tmp_path: Path) -> None:
    text = write(tmp_path / "text", "a one\nb two\n\na three\nb four\n")
    with pytest.raises(ManifestError, match="'a' on lines 1, 4; 'b' on lines 2, 5"):
        read_text(text)


def test_an_empty_transcript_is_legal(tmp_path: Path) -> None:
    assert read_text(write(tmp_path / "text", "\ufeffa one  two\nb\n")) == {
        "a": "one  two",
        "b": "",
    }


def test_only_a_newline_ends_a_line(tmp_path: Path) -> None:
    assert read_text(write(tmp_path / "text", "a 一\u2028二\u3000三\n")) == {
        "a": "一\u2028二\u3000三"
    }


def test_unreadable_manifests_say_why(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"cannot read .*: No such file"):
        read_text(tmp_path / "absent")
    (tmp_path / "latin").write_bytes(b"a caf\xe9\n")
    with pytest.raises(ManifestError, match="not UTF-8"):
        read_text(tmp_path / "latin")
    with pytest.raises(ManifestError, match="line 1: 'a' has no path"):
        read_wav_scp(write(tmp_path / "wav.scp", "a\n"))
    with pytest.raises(ManifestError, match="has no utterances"):
        read_wav_scp(write(tmp_path / "empty", "\n"))


def test_a_folder_holds_the_audio_files_below_it(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("b.FLAC", "deep/a.wav", "notes.txt"):
        (tmp_path / name).touch()
    assert [one.id for one in find_audio([str(tmp_path)])] == ["b", "a"]
    (tmp_path / "none").mkdir()
    with pytest.raises(ManifestError, match="no audio in"):
        find_audio([str(tmp_path / "none")])


def test_a_glob_names_what_matches(tmp_path: Path) -> None:
    for name in ("b.wav", "a.wav", "c.mp3"):
        (tmp_path / name).touch()
    assert [one.id for one in find_audio([f"{tmp_path}/*.wav"])] == ["a", "b"]
    with pytest.raises(ManifestError, match=r"nothing matches .*\.ogg"):
        find_audio([f"{tmp_path}/*.ogg"])
    with pytest.raises(ManifestError, match=r"no such file or folder: absent\.wav"):
        find_audio(["absent.wav"])


def test_ids_are_stems_unless_two_files_share_one(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name in ("x y.wav", "a.wav", "b/a.wav"):
        (tmp_path / name).touch()
    found = find_audio([str(tmp_path), str(tmp_path / "a.wav")])
    assert [one.id for one in found] == [f"{tmp_path}/a.wav", f"{tmp_path}/b/a.wav", "x_y"]


def test_ids_that_only_spaces_tell_apart_are_refused(tmp_path: Path) -> None:
    for name in ("x y.wav", "x_y.wav"):
        (tmp_path / name).touch()
    with pytest.raises(ManifestError, match="two files would be called 'x_y'"):
        find_audio([str(tmp_path)])


def test_a_dash_is_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"RIFF")))
    assert find_audio(["-", "-"]) == [Utterance("stdin", b"RIFF")]
