#include "runtime/adapters/http_client.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

namespace gemel {

namespace {

// libcurl wants it once per process; a local static makes it safe on any thread.
void start_curl() {
  static const auto started = curl_global_init(CURL_GLOBAL_DEFAULT);
  GEMEL_CHECK(started == CURLE_OK);
}

struct url_freer {
  void operator()(CURLU* url) const noexcept { curl_url_cleanup(url); }
};
using url_handle = std::unique_ptr<CURLU, url_freer>;

std::string part_of(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, 0) != CURLUE_OK)
    return {};
  std::string kept{text};
  curl_free(text);
  return kept;
}

url_handle parsed(const std::string& text) {
  start_curl();
  url_handle url{curl_url()};
  GEMEL_CHECK(url != nullptr);
  if (curl_url_set(url.get(), CURLUPART_URL, text.c_str(), CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK)
    return nullptr;
  return url;
}

bool this_machine(const std::string& url) {
  auto parts = parsed(url);
  auto host = parts ? part_of(parts.get(), CURLUPART_HOST) : std::string{};
  return host == "localhost" || host.starts_with("127.") || host == "[::1]";
}

error error_of(CURLcode code, const char* words) {
  auto text = std::string{*words != '\0' ? words : curl_easy_strerror(code)};
  switch (code) {
  case CURLE_OPERATION_TIMEDOUT:
    return {errc::timed_out, text};
  case CURLE_COULDNT_CONNECT:
  case CURLE_COULDNT_RESOLVE_HOST:
  case CURLE_COULDNT_RESOLVE_PROXY:
  case CURLE_SEND_ERROR:
  case CURLE_RECV_ERROR:
  case CURLE_GOT_NOTHING:
    return {errc::unreachable, text};
  default:
    return {errc::io_failed, text};
  }
}

bool fits_one_line(const std::string& text) {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return c == '\r' || c == '\n' || !c; });
}

bool is_word(const std::string& text) {
  auto part = [](char c) { return c > ' ' && c < 127 && c != ':'; };
  return !text.empty() && std::all_of(text.begin(), text.end(), part);
}

// A line feed in a header would begin another one.
result<void> check(const http_request& what) {
  if (!is_word(what.method))
    return fail(errc::bad_value, "'" + what.method + "' is no method of HTTP");
  for (const auto& [name, text] : what.headers)
    if (!is_word(name) || !fits_one_line(text))
      return fail(errc::bad_value, "header '" + name + "' is no line of HTTP");
  return check_http_url(what.url);
}

} // namespace

result<void> check_http_url(const std::string& url) {
  auto parts = parsed(url);
  if (!parts || url.find("://") == std::string::npos)
    return fail(errc::bad_value, "'" + url + "' is not a URL such as http://host:8428/path");
  auto scheme = part_of(parts.get(), CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https")
    return fail(errc::bad_value, "scheme '" + scheme + "': only http and https are known");
  return {};
}

std::string without_secret(const std::string& url) {
  auto parts = parsed(url);
  if (!parts || part_of(parts.get(), CURLUPART_PASSWORD).empty())
    return url;
  curl_url_set(parts.get(), CURLUPART_PASSWORD, nullptr, 0);
  auto shown = part_of(parts.get(), CURLUPART_URL);
  return shown.empty() ? url : shown;
}

/// The thread, and what it shares with others.
class http_client::engine {
public:
  explicit engine(options bounds) : bounds_{bounds} {
    start_curl();
    multi_ = curl_multi_init();
    GEMEL_CHECK(multi_ != nullptr);
    curl_multi_setopt(multi_, CURLMOPT_MAX_TOTAL_CONNECTIONS, bounds_.connections_max);
    curl_multi_setopt(multi_, CURLMOPT_MAX_HOST_CONNECTIONS, bounds_.connections_per_host_max);
    thread_ = std::thread{[this] { run(); }};
  }

  ~engine() {
    stop();
    curl_multi_cleanup(multi_);
  }

  void send(http_request what, done_function done) {
    if (auto lawful = check(what); !lawful)
      return done(tl::unexpected{lawful.error()});
    if (auto refused = take(what, done))
      return done(tl::unexpected{*std::move(refused)});
    curl_multi_wakeup(multi_);
  }

  std::size_t waiting() const {
    std::lock_guard guard{mutex_};
    return requests_;
  }

  void stop() {
    {
      std::lock_guard guard{mutex_};
      stopping_ = true;
    }
    curl_multi_wakeup(multi_);
    if (thread_.joinable())
      thread_.join();
  }

private:
  struct call {
    http_request what{};
    done_function done{};
    std::chrono::steady_clock::time_point until{};
    http_reply reply{};
    std::size_t reply_bytes_max = 0;
    curl_slist* headers = nullptr;
    CURL* handle = nullptr;
    char words[CURL_ERROR_SIZE] = {};

    ~call() {
      curl_slist_free_all(headers);
      curl_easy_cleanup(handle);
    }
    call() = default;
    call(const call&) = delete;
    call& operator=(const call&) = delete;
  };

  // Leaves both arguments alone when it refuses.
  std::optional<error> take(http_request& what, done_function& done) {
    std::lock_guard guard{mutex_};
    if (stopping_)
      return error{errc::stopping, "the HTTP client"};
    if (requests_ >= bounds_.requests_max || bytes_ + what.body.size() > bounds_.bytes_max)
      return error{errc::overloaded, std::to_string(requests_) + " calls wait for an answer"};
    ++requests_;
    bytes_ += what.body.size();
    auto made = std::make_unique<call>();
    made->until = std::chrono::steady_clock::now() + what.deadline;
    made->what = std::move(what);
    made->done = std::move(done);
    made->reply_bytes_max = bounds_.reply_bytes_max;
    arrived_.push_back(std::move(made));
    return std::nullopt;
  }

  void run() {
    constexpr int sleep_ms_max = 1'000;
    while (begin_arrived()) {
      int running = 0;
      curl_multi_perform(multi_, &running);
      end_finished();
      curl_multi_poll(multi_, nullptr, 0, sleep_ms_max, nullptr);
    }
    give_up();
  }

  // False once it is to stop.
  bool begin_arrived() {
    std::deque<std::unique_ptr<call>> taken;
    {
      std::lock_guard guard{mutex_};
      if (stopping_)
        return false;
      taken.swap(arrived_);
    }
    for (auto& each : taken)
      begin(std::move(each));
    return true;
  }

  void begin(std::unique_ptr<call> made) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        made->until - std::chrono::steady_clock::now());
    if (left.count() <= 0)
      return end(*made, fail(errc::timed_out, "waited too long to be sent"));
    made->handle = curl_easy_init();
    if (made->handle == nullptr)
      return end(*made, fail(errc::io_failed, "libcurl has no memory"));
    describe(*made, left);
    if (auto code = curl_multi_add_handle(multi_, made->handle); code != CURLM_OK)
      return end(*made, fail(errc::io_failed, curl_multi_strerror(code)));
    auto* key = made->handle;
    calls_.emplace(key, std::move(made));
  }

  static void describe(call& made, std::chrono::milliseconds left) {
    auto* handle = made.handle;
    const auto& what = made.what;
    curl_easy_setopt(handle, CURLOPT_URL, what.url.c_str());
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_USERAGENT, "gemel");
    curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(left.count()));
    curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, made.words);
    if (this_machine(what.url))
      curl_easy_setopt(handle, CURLOPT_PROXY, "");
    set_body(handle, what);
    for (const auto& [name, text] : what.headers)
      add_header(made, name + ": " + text);
    // Otherwise libcurl waits a second for a server that does not know of "100 Continue".
    add_header(made, "Expect:");
    add_header(made, "Content-Type:", "content-type");
    curl_easy_setopt(handle, CURLOPT_HTTPHEADER, made.headers);
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, &engine::on_body);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, &made);
  }

  static void set_body(CURL* handle, const http_request& what) {
    if (what.method == "GET" || what.method == "HEAD") {
      curl_easy_setopt(handle, what.method == "GET" ? CURLOPT_HTTPGET : CURLOPT_NOBODY, 1L);
      return;
    }
    curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(what.body.size()));
    curl_easy_setopt(handle, CURLOPT_POSTFIELDS, what.body.data()); // not copied: lives in the call
    curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, what.method.c_str());
  }

  static void add_header(call& made, const std::string& line) {
    if (auto* longer = curl_slist_append(made.headers, line.c_str()))
      made.headers = longer;
  }

  // Adds `line` unless the caller has a header of this name, given in lower case.
  static void add_header(call& made, const std::string& line, std::string_view unless) {
    auto same = [unless](const auto& header) {
      return std::equal(header.first.begin(), header.first.end(), unless.begin(), unless.end(),
                        [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; });
    };
    if (std::none_of(made.what.headers.begin(), made.what.headers.end(), same))
      add_header(made, line);
  }

  static std::size_t on_body(char* bytes, std::size_t, std::size_t size, void* of) {
    auto& made = *static_cast<call*>(of);
    made.reply.body.append(bytes, std::min(size, made.reply_bytes_max - made.reply.body.size()));
    return size;
  }

  void end_finished() {
    int left = 0;
    while (auto* message = curl_multi_info_read(multi_, &left)) {
      if (message->msg != CURLMSG_DONE)
        continue;
      auto code = message->data.result;
      auto found = calls_.find(message->easy_handle);
      GEMEL_CHECK(found != calls_.end());
      auto made = std::move(found->second);
      calls_.erase(found);
      curl_multi_remove_handle(multi_, made->handle);
      if (code == CURLE_OK)
        end(*made, reply_of(*made));
      else
        end(*made, tl::unexpected{error_of(code, made->words)});
    }
  }

  static http_reply reply_of(call& made) {
    long status = 0;
    curl_off_t wait = 0;
    curl_easy_getinfo(made.handle, CURLINFO_RESPONSE_CODE, &status);
    made.reply.status = static_cast<int>(status);
    if (curl_easy_getinfo(made.handle, CURLINFO_RETRY_AFTER, &wait) == CURLE_OK && wait > 0)
      made.reply.retry_after = std::chrono::seconds{wait};
    return std::move(made.reply);
  }

  void end(call& made, result<http_reply> how) {
    {
      std::lock_guard guard{mutex_};
      --requests_;
      bytes_ -= made.what.body.size();
    }
    made.done(std::move(how));
  }

  void give_up() {
    for (auto& [handle, made] : calls_) {
      curl_multi_remove_handle(multi_, handle);
      end(*made, fail(errc::stopping, "the HTTP client"));
    }
    calls_.clear();
    std::deque<std::unique_ptr<call>> taken;
    {
      std::lock_guard guard{mutex_};
      taken.swap(arrived_);
    }
    for (auto& each : taken)
      end(*each, fail(errc::stopping, "the HTTP client"));
  }

  options bounds_;
  CURLM* multi_ = nullptr;
  // On the thread alone.
  std::map<CURL*, std::unique_ptr<call>> calls_;
  mutable std::mutex mutex_;
  std::deque<std::unique_ptr<call>> arrived_;
  std::size_t requests_ = 0;
  std::size_t bytes_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

http_client::http_client(options bounds) : engine_{std::make_unique<engine>(bounds)} {
}

http_client::~http_client() = default;

void http_client::send(http_request what, done_function done) {
  engine_->send(std::move(what), std::move(done));
}

std::size_t http_client::waiting() const {
  return engine_->waiting();
}

void http_client::stop() {
  engine_->stop();
}

} // namespace gemel
