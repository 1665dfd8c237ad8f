"""aiohttp-sse-client2 comes back by itself after a clean end; a broken stream is an exception, and the application opens anew."""

import asyncio

from aiohttp import ClientError, ClientTimeout
from aiohttp_sse_client2.client import EventSource

from report import follow


async def listen(url, tell):
    place = ""
    while True:
        try:
            # A stream has no total time; the default ends each after five minutes.
            headers = {"Last-Event-ID": place} if place else {}
            async with EventSource(url, headers=headers, timeout=ClientTimeout(total=None)) as source:
                async for event in source:
                    place = event.last_event_id or place
                    tell(event.type, event.data)
        except (ClientError, ConnectionError, asyncio.TimeoutError):
            await asyncio.sleep(1)


follow(lambda url, tell: asyncio.run(listen(url, tell)))
