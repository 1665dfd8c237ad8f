/** What every client here has in common: the streams come as arguments, and what is told goes out as a line of JSON each. */
final class Report {
  private Report() {}

  interface Tell {
    void event(String name, String data);
  }

  interface Client {
    void follow(String url, Tell tell);
  }

  /** Starts a client for every stream, and never returns. */
  static void follow(String[] urls, Client client) throws InterruptedException {
    for (int i = 0; i < urls.length; i++) {
      int stream = i;
      client.follow(urls[i], (name, data) -> say(stream, name == null ? "message" : name, data));
    }
    Thread.currentThread().join();
  }

  private static synchronized void say(int stream, String name, String data) {
    System.out.println("[" + stream + "," + quoted(name) + "," + quoted(data) + "]");
  }

  private static String quoted(String text) {
    StringBuilder quoted = new StringBuilder("\"");
    for (char c : text.toCharArray()) {
      if (c == '"' || c == '\\' || c < ' ' || c > '~') {
        quoted.append(String.format("\\u%04x", (int) c));
      } else {
        quoted.append(c);
      }
    }
    return quoted.append('"').toString();
  }
}
