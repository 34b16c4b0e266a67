from auricle.server.control import why
from auricle.server.http import Answer

FAILED = "the server did not load 'demo'"
STATE = "load failed for model 'demo': version 1 is at UNAVAILABLE state: Internal: "
FRAMES = "\n\nAt:\n  /x/auricle/spec.py(227): parse_choices\n  /x/offline.py(46): initialize\n;\n"


def said(error: str) -> str:
    return why(Answer(400, {"error": STATE + error + FRAMES}), FAILED)


def test_an_error_of_ours_is_its_sentence_alone() -> None:
    sentence = "parameter beam is 11, but the model's rescorer takes 10; choose 1 to 10"
    assert said(f"RepositoryError: {sentence}") == f"{FAILED}: {sentence}"


def test_an_error_of_anothers_keeps_its_frames() -> None:
    assert "offline.py(46)" in said("ValueError: no")
    assert said("ModuleNotFoundError: No module named 'x'").splitlines()[-1].startswith("probably")
