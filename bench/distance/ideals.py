"""The shortest safe way of a job on paper, in milliseconds, R and S being the two round trips.

A job's `active` event is written half a trip to Redis before its worker knows of it, and its
`completed` half a trip after the worker has sent it: 1 R.
"""

from bench.distance.places import Place

_AT_ONCE = 3


def storyboards_ms(place: Place, shots: int, picture_s: float) -> float:
    """To the job's end: 3 R and 3 S more than the pictures take.

    S: project and rows, the last picture's row, the project after it. R: the two halves of its
    events, and what is noted before the first purchase and after the last.
    """
    return _pictures_ms(shots, picture_s) + 3 * place.redis_ms + 3 * place.supabase_ms


def stored_ms(place: Place, shots: int, picture_s: float) -> float:
    """To the end of the last picture's download: 6.5 R and 4 S more than the pictures take.

    S: project and rows, the last picture's row, the upload, the row again. R: as above, and until
    the download is added, taken and ended.
    """
    return _pictures_ms(shots, picture_s) + 6.5 * place.redis_ms + 4 * place.supabase_ms


def _pictures_ms(shots: int, picture_s: float) -> float:
    return -(-shots // _AT_ONCE) * picture_s * 1000
