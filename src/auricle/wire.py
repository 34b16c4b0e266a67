"""What crosses the network: tensor and parameter names, dtypes and shapes. One definition."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Tensor:
    """One tensor of the request or response; shape leaves out the batch axis, -1 is variable."""

    name: str
    dtype: str
    shape: tuple[int, ...]


WAV = Tensor("WAV", "FP32", (-1,))  # mono samples in [-1, 1] at the model's rate
WAV_LENS = Tensor("WAV_LENS", "INT32", (1,))  # valid samples; absent = all of WAV
LANGUAGE = Tensor("LANGUAGE", "INT32", (1,))  # old clients of SenseVoice
TEXT_NORM = Tensor("TEXT_NORM", "INT32", (1,))  # old clients of SenseVoice
TEXT_PREFIX = Tensor("TEXT_PREFIX", "BYTES", (1,))  # old clients of Whisper
TRANSCRIPTS = Tensor("TRANSCRIPTS", "BYTES", (1,))  # UTF-8 text
RESULT = Tensor("RESULT", "BYTES", (1,))  # JSON; built only when the request names it

# Request parameters.
SAMPLE_RATE = "asr_sample_rate"  # the rate of WAV, Hz
ASR_DECODING = "asr_decoding"  # "greedy_search", ...
ASR_LANGUAGE = "asr_language"  # a name, or LANGUAGE's number
ASR_TEXT_NORM = "asr_text_norm"  # a name, or TEXT_NORM's number
ASR_TASK = "asr_task"  # "transcribe" or "translate"
ASR_PROMPT = "asr_prompt"  # text: what was said before, and how it is spelled
ASR_PREFIX = "asr_prefix"  # TEXT_PREFIX: all that a decoder hears before it writes
ASR_TIMESTAMPS = "asr_timestamps"  # whether to say when passages were said
ASR_ENDPOINT = "asr_endpoint"  # streams: end segments where speech ends
ASR_FINALIZE = "asr_finalize"  # streams: end the segment after this chunk
ASR_BEAM = "asr_beam"  # hypotheses that a search with a beam follows
ASR_NBEST = "asr_nbest"  # hypotheses to tell, best first, in RESULT
ASR_BLANK_PENALTY = "asr_blank_penalty"  # taken from the blank's logit, of transducers
ASR_LM_WEIGHT = "asr_lm_weight"  # of the language model; 0 leaves it out
ASR_LM_WORD_BONUS = "asr_lm_word_bonus"  # added for each of its units
ASR_HOTWORDS = "asr_hotwords"  # words with spaces between, a JSON list, or phrases with scores
ASR_HOTWORDS_SCORE = "asr_hotwords_score"  # of each token of a phrase that has none of its own
ASR_ITN = "asr_itn"  # whether to write numbers and dates in digits
ASR_VAD = "asr_vad"  # cut audio that is too long where nobody speaks
# What speech is, by the names of silero-vad, each behind "asr_vad_".
ASR_VAD_THRESHOLD = "asr_vad_threshold"
ASR_VAD_MIN_SPEECH_DURATION_MS = "asr_vad_min_speech_duration_ms"
ASR_VAD_MIN_SILENCE_DURATION_MS = "asr_vad_min_silence_duration_ms"
ASR_VAD_SPEECH_PAD_MS = "asr_vad_speech_pad_ms"
ASR_VAD_MAX_SPEECH_DURATION_S = "asr_vad_max_speech_duration_s"

MAX_ABS_SAMPLE = 2.0  # beyond it the samples are int16-scaled, not floats in [-1, 1]
