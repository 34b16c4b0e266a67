"""Whisper's published graphs -> encoder, cross-attention and decoder as they are served.

    encoder          WAV float32 [N, L], WAV_LENS int32 [N] -> ENCODER_OUT [N, T, D], OUT_LENS [N]
    cross_attention  ENCODER_OUT -> CROSS_0, CROSS_1, ... and PAST_0, PAST_1, ..., batch first
    decoder          TOKENS int32 [N], CROSS_*, PAST_* -> LOGITS float32 [N, V], NEW_PAST_*

Whatever depends on nothing but the audio is computed once an utterance, in cross_attention: the
keys and values of the decoder's cross-attention, transposed and scaled as each step wants them. The
caches of self-attention begin empty and grow by a token a step. Every prompt is fed token by token,
so that rows with prompts of any lengths share a batch: no published decoder masks a row's tokens.
"""
