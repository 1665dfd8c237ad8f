from requests_sse import EventSource

from report import follow


def run(url, tell):
    # The default gives up after five attempts.
    with EventSource(url, max_connect_retry=1_000_000) as source:
        for event in source:
            tell(event.type, event.data)


follow(run)
