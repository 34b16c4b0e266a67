"""Small Paraformer and SenseVoice models of FunASR's own classes, in English and Mandarin."""
