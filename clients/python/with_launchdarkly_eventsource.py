from ld_eventsource import SSEClient
from ld_eventsource.config import ErrorStrategy

from report import follow


def run(url, tell):
    # The default raises at the first cut.
    for event in SSEClient(url, error_strategy=ErrorStrategy.always_continue()).events:
        tell(event.event, event.data)


follow(run)
