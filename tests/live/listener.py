"""A stateful model that speaks the contract of streams and hears levels instead of words.

Each window of 1600 samples is a word, its mean in hundredths: any chunking gives the same text, and
each caller can be known by its words. What is left at END is a word, too; the newest word is not
stable before END. Silence (0) says nothing; with asr_endpoint it ends the segment, as asr_finalize
does. A sample above 1 is refused. A sequence that sent no START, or audio after its END, is none.
"""

SOURCE = '''
import json

import numpy as np
import triton_python_backend_utils as pb_utils

START, END = 1, 2
WINDOW, RATE = 1600, 16000


class Listener:
    def __init__(self):
        self.rest = np.zeros(0, np.float32)
        self.closed, self.words = [], []
        self.heard, self.start, self.delta_from = 0, 0.0, ""

    def hear(self, samples, is_last, parameters):
        """The segments that this chunk closed."""
        self.rest = np.concatenate([self.rest, samples])
        finished = []
        while len(self.rest) >= WINDOW or (is_last and len(self.rest)):
            window, self.rest = self.rest[:WINDOW], self.rest[WINDOW:]
            self.heard += len(window)
            level = round(float(window.mean()) * 100)
            if level:
                self.words.append(str(level))
            elif parameters.get("asr_endpoint") and self.words:
                finished.append(self.close(True))
        if is_last or (parameters.get("asr_finalize") and self.words):
            finished.append(self.close(False))
        return finished

    def close(self, endpoint):
        text, self.words = " ".join(self.words), []
        self.closed.append(text)
        start, self.start = self.start, self.heard / RATE
        return {"id": len(self.closed) - 1, "start": start, "end": self.start, "text": text,
                "final": True, "endpoint": endpoint, "tokens": [], "words": [], "nbest": []}

    def result(self, is_last, finished):
        text = " ".join(filter(None, [*self.closed, *self.words]))
        stable = text if is_last else " ".join(filter(None, [*self.closed, *self.words[:-1]]))
        delta, self.delta_from = stable[len(self.delta_from):], stable
        return text, json.dumps({
            "model": "listener", "text": text, "language": None, "tags": {},
            "audio_seconds": self.heard / RATE, "is_final": is_last, "stable": stable,
            "delta": delta, "segments": finished,
        })


class TritonPythonModel:
    def initialize(self, args):
        self.streams = {}

    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        wav, lens = (
            pb_utils.get_input_tensor_by_name(request, name).as_numpy()
            for name in ("WAV", "WAV_LENS")
        )
        parameters = json.loads(request.parameters() or "{}")
        samples = wav[0, : lens[0, 0]]
        name, is_last = request.correlation_id(), bool(request.flags() & END)
        if request.flags() & START:
            self.streams[name] = Listener()
            if parameters.get("asr_sample_rate") != RATE:
                return refuse(f"asr_sample_rate is not {RATE} Hz")
        if name not in self.streams:
            return refuse(f"no stream {name}")
        if len(samples) and samples.max() > 1:
            return refuse("WAV holds samples beyond 1")
        stream = self.streams[name]
        finished = stream.hear(samples.copy(), is_last, parameters)
        if is_last:
            del self.streams[name]
        text, result = stream.result(is_last, finished)
        answers = {"TRANSCRIPTS": text, "RESULT": result, "COUNT": str(len(self.streams))}
        return pb_utils.InferenceResponse([
            pb_utils.Tensor(each, np.array([[answers[each].encode()]], np.object_))
            for each in request.requested_output_names()
        ])


def refuse(words):
    error = pb_utils.TritonError(words, pb_utils.TritonError.INVALID_ARG)
    return pb_utils.InferenceResponse(error=error)
'''
CONFIG = """
backend: "python"
max_batch_size: 16
input { name: "WAV" data_type: TYPE_FP32 dims: -1 allow_ragged_batch: true }
input { name: "WAV_LENS" data_type: TYPE_INT32 dims: 1 optional: true }
output { name: "TRANSCRIPTS" data_type: TYPE_STRING dims: 1 }
output { name: "RESULT" data_type: TYPE_STRING dims: 1 }
output { name: "COUNT" data_type: TYPE_STRING dims: 1 }
instance_group { kind: KIND_CPU count: 1 }
sequence_batching {
  max_sequence_idle_microseconds: 30000000
  oldest { max_candidate_sequences: 64 max_queue_delay_microseconds: 500 }
}
"""
