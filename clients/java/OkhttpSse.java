import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.Response;
import okhttp3.sse.EventSource;
import okhttp3.sse.EventSourceListener;
import okhttp3.sse.EventSources;

/** okhttp-sse reads one response; that it is opened anew, a second after whatever end, is the application's. */
final class OkhttpSse extends EventSourceListener {
  private static final ScheduledExecutorService LATER = Executors.newSingleThreadScheduledExecutor();

  // A client for each stream: one sends five requests at once to a host, and the sixth waits for ever.
  private final EventSource.Factory factory = EventSources.createFactory(new OkHttpClient());
  private final String url;
  private final Report.Tell tell;
  private volatile String place;

  private OkhttpSse(String url, Report.Tell tell) {
    this.url = url;
    this.tell = tell;
  }

  public static void main(String[] urls) throws InterruptedException {
    Report.follow(urls, (url, tell) -> new OkhttpSse(url, tell).open());
  }

  private void open() {
    Request.Builder request = new Request.Builder().url(url);
    if (place != null) {
      request.header("Last-Event-ID", place);
    }
    factory.newEventSource(request.build(), this);
  }

  @Override
  public void onEvent(EventSource source, String id, String type, String data) {
    place = id == null ? place : id;
    tell.event(type, data);
  }

  @Override
  public void onClosed(EventSource source) {
    LATER.schedule(this::open, 1, TimeUnit.SECONDS);
  }

  @Override
  public void onFailure(EventSource source, Throwable cause, Response response) {
    LATER.schedule(this::open, 1, TimeUnit.SECONDS);
  }
}
