"""Expected sentences are what wetext 0.1.8 makes of them, on a machine without a network."""

import importlib.util
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from auricle.errors import InvalidRequestError
from auricle.serve import itn

needs_wetext = pytest.mark.skipif(
    importlib.util.find_spec("wetext") is None,
    reason="wetext is not installed: pip install 'auricle[itn]'",
)
WRITTEN = {
    "zh": {
        "二零二六年": "2026年",
        "今天是二零二六年三月五日": "今天是2026/03/05",
        "一共三百二十五块五毛": "一共325块5毛",
        "百分之六十": "60%",
        "下午三点半": "3:30p.m.",
        "我的电话是一三八零零一三八零零零": "我的电话是13800138000",
        "GPU 有三十二个": "GPU 有32个",
        "他说“一百。”": "他说“100。”",
    },
    "en": {
        "twenty five dollars": "$25",
        "twenty three dollars and fifty cents": "$23.50",
        "march fifth twenty twenty six": "march 5 2026",
        "half past three pm": "03:30 pm",
        "one hundred and five percent": "105 %",
        "call five five five one two three four": "call 5551234",
        "I SAID TWENTY FIVE DOLLARS": "I SAID $25",
        "Twenty five, please. Fifty of them.": "25, please. 50 of them.",
        "I paid twenty five dollars, he said.": "I paid $25, he said.",
        "two hundred, three hundred ... four hundred": "200, 300 ... 400",
        "Come at three p.m. or later.": "Come at 03:00 p.m. or later.",
        'he said "twenty five"': 'he said "25"',
    },
    "ja": {
        "二〇二六年": "2026年",
        "五千円": "5000円",
        "今日は三月五日です": "今日は3月5日です",
        "九十パーセント": "90%",
    },
}
SAME = {
    "zh": [
        "你好世界",
        "他九岁",
        "一起去",
        "五",
        "三心二意",
        "说\\说",
        '"你好"',
        "",
        " ",
        " 你\n好 ",
    ],
    "en": [
        "i have two dogs",
        "don't",
        "Hello, World!",
        "NASA",
        "one",
        'a "b" \\c',
        "a , b",
        "a  b",
        "é\t\u00e0",
    ],
    "ja": ["こんにちは", "一つ", "一緒に", '"こんにちは"', "\\"],
}
WORDS = [
    "yes",
    "Yes,",
    "\u00e9",
    "\u0130",
    "don't",
    "NASA.",
    '"so"',
    "no?!",
    "wait...",
    "{a}",
    "\\",
    "\n",
    "",
]


@pytest.mark.parametrize("language", ["ko", "auto", ""])
def test_a_language_without_a_grammar_is_refused(language: str) -> None:
    with pytest.raises(InvalidRequestError, match="known: en, ja, zh"):
        itn.create_itn(language)


def test_without_wetext_an_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wetext", None)
    with pytest.raises(InvalidRequestError, match=r"wetext: pip install 'auricle\[itn\]'"):
        itn.create_itn("zh")


def test_importing_the_module_imports_no_grammar() -> None:
    code = "import sys, auricle.serve.itn; print('wetext' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize(
    ("told", "asked", "chosen"),
    [
        ("en", None, "en"),
        ("en", "zh", "en"),
        (None, "zh", "zh"),
        (None, None, None),
        ("ko", "zh", None),
    ],
)
def test_the_language_that_a_model_tells_comes_first(
    told: str | None, asked: str | None, chosen: str | None
) -> None:
    assert itn.choose_language(told, asked) == chosen


@needs_wetext
@pytest.mark.parametrize(
    ("language", "spoken", "written"),
    [(language, *pair) for language, pairs in WRITTEN.items() for pair in pairs.items()],
)
def test_what_is_said_is_written_as_people_write_it(
    language: str, spoken: str, written: str
) -> None:
    assert itn.create_itn(language)(spoken) == written


@needs_wetext
@pytest.mark.parametrize(
    ("language", "text"), [(language, text) for language, texts in SAME.items() for text in texts]
)
def test_all_else_stays(language: str, text: str) -> None:
    assert itn.create_itn(language)(text) == text


@needs_wetext
@pytest.mark.parametrize("language", itn.LANGUAGES)
@settings(max_examples=200, deadline=None)
@example(text="\x00")
@example(text="two\x00three")
@given(text=st.text(alphabet=st.characters(codec="utf-8"), max_size=12))
def test_any_text_is_taken(language: str, text: str) -> None:
    assert bool(itn.create_itn(language)(text)) == bool(text)


@needs_wetext
@settings(max_examples=200, deadline=None)
@given(words=st.lists(st.sampled_from(WORDS), max_size=8))
def test_english_without_numbers_stays(words: list[str]) -> None:
    text = " ".join(words)
    assert itn.create_itn("en")(text) == text


@needs_wetext
def test_threads_share_a_normaliser() -> None:
    write = itn.create_itn("zh")
    spoken = ["二零二六年", "百分之六十", "一共三百二十五块五毛"] * 40
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(write, spoken)) == [WRITTEN["zh"][text] for text in spoken]
