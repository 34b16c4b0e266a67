"""A CTC model with NeMo's features and the interface of NeMo's exports, from the demo's encoder."""
