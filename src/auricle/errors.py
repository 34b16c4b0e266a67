"""Every error that Auricle raises on purpose.

AuricleError
|-- InvalidRequestError   a request that no retry will make right      (also ValueError)
|-- UnknownModelError     not one of the models that the server has    (also LookupError)
|-- BusyError             the server is full or the request expired: try again later
|-- AudioError            a file or stream that cannot be decoded      (also ValueError)
|-- ManifestError         wav.scp, text: duplicate ids, missing files  (also ValueError)
|-- CheckpointError       a checkpoint folder or graph that no family knows (also ValueError)
|-- ExportError           an upstream project's exporter that failed, or is not there
|-- ParityError           the adapted graph does not reproduce the original
|-- AccuracyError         a reduced model that hears worse than its fp32 self
|-- PlanError             trtexec, or what it needs, that failed
|-- RepositoryError       a model repository that Triton could not load
|-- BucketError           storage that refuses, or holds what no folder can
|-- UnknownFamilyError    not one of build/families                    (also LookupError)
|-- AccessError           a call that wants a server's key, or a key that cannot be one
|-- ServerError           no tritonserver, no stub, a port in use, a failed start
`-- UnreachableError      no server answers at the address             (also ConnectionError)

A message says what was wrong, what was got, what is known, and what to do.
"""


class AuricleError(Exception):
    """The root of the tree; its text is meant for the person at the terminal."""


class InvalidRequestError(AuricleError, ValueError):
    pass


class UnknownModelError(AuricleError, LookupError):
    pass


class BusyError(AuricleError):
    pass


class AudioError(AuricleError, ValueError):
    pass


class ManifestError(AuricleError, ValueError):
    pass


class CheckpointError(AuricleError, ValueError):
    pass


class ExportError(AuricleError):
    pass


class ParityError(AuricleError):
    pass


class AccuracyError(AuricleError):
    pass


class PlanError(AuricleError):
    pass


class RepositoryError(AuricleError):
    pass


class BucketError(AuricleError):
    pass


class UnknownFamilyError(AuricleError, LookupError):
    pass


class AccessError(AuricleError):
    pass


class ServerError(AuricleError):
    pass


class UnreachableError(AuricleError, ConnectionError):
    pass
