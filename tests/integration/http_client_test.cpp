#include "runtime/adapters/http_client.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/http_server.hpp"

#include <algorithm>
#include <condition_variable>
#include <future>
#include <mutex>
#include <vector>

namespace {

using namespace gemel;
using test::http_answer;
using test::http_call;
using test::http_server;

result<http_reply> call(http_client& client, http_request what) {
  std::promise<result<http_reply>> promise;
  client.send(std::move(what), [&](result<http_reply> how) { promise.set_value(std::move(how)); });
  return promise.get_future().get();
}

http_request post(std::string url, std::string body = {}) {
  http_request made;
  made.url = std::move(url);
  made.body = std::move(body);
  return made;
}

// Holds calls of a server back until the test lets them go.
class gate {
public:
  void pass() {
    std::unique_lock hold{mutex_};
    opened_.wait(hold, [this] { return open_; });
  }
  void open() {
    {
      std::lock_guard hold{mutex_};
      open_ = true;
    }
    opened_.notify_all();
  }

private:
  std::mutex mutex_;
  std::condition_variable opened_;
  bool open_ = false;
};

} // namespace

TEST_CASE("an HTTP client posts what it is given and keeps its connection",
          "[integration][runtime]") {
  std::mutex mutex;
  std::vector<http_call> calls;
  http_server server{[&](const http_call& came) {
    std::lock_guard hold{mutex};
    calls.push_back(came);
    return http_answer{200, "Retry-After: 7\r\n", "seen"};
  }};
  http_client client;
  for (int i = 0; i < 3; ++i) {
    auto what = post(server.url() + "/a?b=1", std::string(200'000, 'x') + std::to_string(i));
    what.headers = {{"Content-Type", "application/json"}, {"X-Key", "k"}};
    auto reply = call(client, std::move(what));
    REQUIRE(reply);
    CHECK(reply->status == 200);
    CHECK(reply->good());
    CHECK(reply->body == "seen");
    CHECK(reply->retry_after == std::chrono::seconds{7});
  }
  std::lock_guard hold{mutex};
  REQUIRE(calls.size() == 3);
  CHECK(calls[2].method == "POST");
  CHECK(calls[2].path == "/a?b=1");
  CHECK(calls[2].body == std::string(200'000, 'x') + "2");
  CHECK(calls[2].headers.find("X-Key: k\r\n") != std::string::npos);
  CHECK(calls[2].headers.find("Content-Type: application/json\r\n") != std::string::npos);
  CHECK(calls[2].headers.find("User-Agent: gemel\r\n") != std::string::npos);
  CHECK(calls[2].headers.find("Expect") == std::string::npos);
  CHECK(calls[2].headers.find("x-www-form") == std::string::npos);
  CHECK(server.connections() == 1);
  CHECK(client.waiting() == 0);
}

TEST_CASE("an HTTP client tells a server's refusal from no server", "[integration][runtime]") {
  http_server server{[](const http_call& came) {
    return came.path == "/gone" ? http_answer{0} : http_answer{503, {}, std::string(100'000, 'e')};
  }};
  http_client client;
  auto refused = call(client, post(server.url() + "/x"));
  REQUIRE(refused);
  CHECK(refused->status == 503);
  CHECK_FALSE(refused->good());
  CHECK(refused->body.size() == 65'536);
  CHECK(call(client, post(server.url() + "/gone")).error().code == errc::unreachable);
  auto nobody = "http://127.0.0.1:" + std::to_string(test::free_port());
  CHECK(call(client, post(nobody)).error().code == errc::unreachable);
  CHECK(call(client, post("http://no-such-host.invalid/")).error().code == errc::unreachable);
}

TEST_CASE("an HTTP client refuses what is no call", "[integration][runtime]") {
  http_client client;
  for (const char* url :
       {"", "host", "ftp://host/", "file:///etc/passwd", "http://", "http://a b/"}) {
    INFO(url);
    CHECK(call(client, post(url)).error().code == errc::bad_value);
  }
  auto two = post("http://127.0.0.1:1/");
  two.headers = {{"A", "b\r\nC: d"}};
  CHECK(call(client, two).error().code == errc::bad_value);
  two.headers = {};
  two.method = "GET /";
  CHECK(call(client, two).error().code == errc::bad_value);
  CHECK(without_secret("http://me:secret@host/x") == "http://me@host/x");
  CHECK(without_secret("http://host/x") == "http://host/x");
}

TEST_CASE("an HTTP client is bounded, keeps deadlines, and answers all when it stops",
          "[integration][runtime]") {
  gate held;
  http_server server{[&](const http_call&) {
    held.pass();
    return http_answer{};
  }};
  http_client::options few;
  few.requests_max = 3;
  few.bytes_max = 1'000;
  few.connections_per_host_max = 1;
  http_client client{few};
  auto late = post(server.url());
  late.deadline = std::chrono::milliseconds{50};
  CHECK(call(client, late).error().code == errc::timed_out);
  CHECK(call(client, post(server.url(), std::string(1'001, 'x'))).error().code == errc::overloaded);
  std::mutex mutex;
  std::vector<errc> ends;
  for (int i = 0; i < 4; ++i)
    client.send(post(server.url()), [&](result<http_reply> how) {
      std::lock_guard guard{mutex};
      ends.push_back(how ? errc::none : how.error().code);
    });
  client.stop();
  held.open();
  std::sort(ends.begin(), ends.end());
  CHECK(ends
        == std::vector<errc>{errc::overloaded, errc::stopping, errc::stopping, errc::stopping});
  CHECK(call(client, post(server.url())).error().code == errc::stopping);
}
