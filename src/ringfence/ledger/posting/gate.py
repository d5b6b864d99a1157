"""Questions to the database that many requests share, and none gets an answer older than itself.

What is asked while one look is under way waits for the next; then all of them are answered by that one. So under a
heavy load the look is paid for once by dozens of requests, and under a light one a request looks for itself.
"""

import asyncio
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Found = TypeVar("Found")


class Gate(Generic[Key, Found]):
    """For one asyncio loop. `ask` is called in a thread with everything that is asked; it answers each key."""

    def __init__(self) -> None:
        self._waiting: dict[Key, asyncio.Future[Found]] = {}
        self._looking: asyncio.Task[None] | None = None

    async def look(self, key: Key, ask: Callable[[Sequence[Key]], Mapping[Key, Found]]) -> Found:
        """The answer for `key`, of a look that begins after this call. Raises what the look raised."""
        if key not in self._waiting:
            self._waiting[key] = asyncio.get_running_loop().create_future()
        future = self._waiting[key]
        if self._looking is None:
            self._looking = asyncio.create_task(self._look(ask))
        return await asyncio.shield(future)

    async def _look(self, ask: Callable[[Sequence[Key]], Mapping[Key, Found]]) -> None:
        try:
            while self._waiting:
                asked, self._waiting = self._waiting, {}
                try:
                    found = await asyncio.to_thread(ask, list(asked))
                except Exception as error:  # noqa: BLE001 - it is raised again, to everybody who asked
                    for future in asked.values():
                        future.set_exception(error)
                        future.exception()  # it has been seen, even if everybody has gone away
                else:
                    for key, future in asked.items():
                        future.set_result(found[key])
        finally:
            self._looking = None
