import pytest

from app.workflow.errors import SecondProcessError
from app.workflow.guards import read_url
from app.workflow.lock import ExecutorLock


def test_a_second_process_of_one_name_is_kept_out_as_long_as_the_first_lives(
    postgresql_url: str,
) -> None:
    url = read_url(postgresql_url)
    first, second, other = (ExecutorLock(url, name) for name in ("one", "one", "another"))
    first.take()
    with pytest.raises(SecondProcessError, match="another process is called one"):
        second.take()
    other.take()
    first.release()
    second.take()
    for lock in (second, other):
        lock.release()
