"""A model that speaks the wire contract and hears lengths instead of words.

The transcript of n samples is "n samples"; what is not finite is refused in the contract's words.
Its queue is so short that concurrent clients are often turned away.
"""

SOURCE = """
import json
import time

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        time.sleep(0.01)
        return [self.echo(request) for request in requests]

    def echo(self, request):
        wav, lens = (
            pb_utils.get_input_tensor_by_name(request, name).as_numpy()
            for name in ("WAV", "WAV_LENS")
        )
        rate = json.loads(request.parameters())["asr_sample_rate"]
        if rate != 16000:
            return self.refuse(f"asr_sample_rate is {rate} Hz, but this model needs 16000 Hz")
        if not np.isfinite(wav).all():
            return self.refuse("WAV holds samples that are not finite")
        texts = [f"{length} samples" for length in lens[:, 0]]
        results = [json.dumps({"model": "echo", "text": text, "segments": []}) for text in texts]
        answers = {"TRANSCRIPTS": texts, "RESULT": results}
        return pb_utils.InferenceResponse([
            pb_utils.Tensor(name, np.array([[text.encode()] for text in answers[name]], np.object_))
            for name in request.requested_output_names()
        ])

    def refuse(self, words):
        error = pb_utils.TritonError(words, pb_utils.TritonError.INVALID_ARG)
        return pb_utils.InferenceResponse(error=error)
"""
CONFIG = """
backend: "python"
max_batch_size: 8
input { name: "WAV" data_type: TYPE_FP32 dims: -1 allow_ragged_batch: true }
input { name: "WAV_LENS" data_type: TYPE_INT32 dims: 1 optional: true }
output { name: "TRANSCRIPTS" data_type: TYPE_STRING dims: 1 }
output { name: "RESULT" data_type: TYPE_STRING dims: 1 }
instance_group { kind: KIND_CPU count: 1 }
dynamic_batching {
  preferred_batch_size: 1
  default_queue_policy { timeout_action: REJECT max_queue_size: 2 }
}
"""
