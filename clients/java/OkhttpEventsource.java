import com.launchdarkly.eventsource.EventSource;
import com.launchdarkly.eventsource.MessageEvent;
import com.launchdarkly.eventsource.background.BackgroundEventHandler;
import com.launchdarkly.eventsource.background.BackgroundEventSource;
import java.net.URI;

/** LaunchDarkly's okhttp-eventsource comes back by itself. */
final class OkhttpEventsource {
  private OkhttpEventsource() {}

  public static void main(String[] urls) throws InterruptedException {
    Report.follow(urls, (url, tell) ->
        new BackgroundEventSource.Builder(new Handler(tell), new EventSource.Builder(URI.create(url))).build().start());
  }

  private record Handler(Report.Tell tell) implements BackgroundEventHandler {
    @Override
    public void onMessage(String name, MessageEvent event) {
      tell.event(name, event.getData());
    }

    @Override
    public void onOpen() {}

    @Override
    public void onClosed() {}

    @Override
    public void onComment(String comment) {}

    @Override
    public void onError(Throwable cause) {}
  }
}
