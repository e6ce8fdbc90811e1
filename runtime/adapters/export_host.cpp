#include "runtime/adapters/export_host.hpp"

#include "runtime/store/store_keys.hpp"

#include <chrono>

namespace gemel {

namespace {

constexpr const char* cursor_key = "export/cursor";
constexpr std::chrono::milliseconds look_interval{20};
constexpr std::int64_t us_per_ms = 1'000;

export_answer answer_of(const result<http_reply>& reply) {
  if (!reply)
    return {0, {}, to_string(reply.error())};
  export_answer made{reply->status, {}, "status " + std::to_string(reply->status)};
  if (reply->retry_after)
    made.retry_after_ms = std::chrono::milliseconds{*reply->retry_after}.count();
  constexpr std::size_t words_max = 200;
  if (!reply->body.empty())
    made.why += ": " + reply->body.substr(0, std::min(words_max, reply->body.find('\n')));
  return made;
}

} // namespace

export_host::export_host(options wanted, rocks_store& from, const model_table& models, twin_api& on,
                         const clock_port& clock)
    : options_{std::move(wanted)}, store_{from}, node_{on}, clock_{clock}, types_{from.database()},
      random_{options_.seed}, core_{models,
                                    [this](std::string_view id) { return type_of(id); },
                                    {options_.section.interval_us / us_per_ms,
                                     static_cast<std::size_t>(options_.section.batch_bytes),
                                     options_.section.queue_bytes_max},
                                    ports_of()} {
}

export_host::~export_host() {
  stop();
}

exporter::ports export_host::ports_of() {
  exporter::ports made;
  made.read_log = [this](log_position after, const store_port::record_sink& each) {
    return store_.read_log(after, each);
  };
  made.reached = [this] { return store_.reached(durability::process); };
  made.post = [this](std::string lines) { post(std::move(lines)); };
  made.keep = [this](log_position cursor) { return keep(cursor); };
  made.random = [this] { return random_(); };
  made.log = options_.log;
  return made;
}

// History keeps the types of its twins. One that is made just now may not be there yet.
std::optional<std::string> export_host::type_of(std::string_view id) {
  if (auto known = types_.type_of(id); known && *known)
    return *known;
  auto found = node_.get(id);
  while (!found && found.error().code == errc::overloaded && !stopping_.load()) {
    std::this_thread::sleep_for(look_interval);
    found = node_.get(id);
  }
  return found ? std::optional{found->type} : std::nullopt;
}

std::int64_t export_host::now_ms() const {
  constexpr std::int64_t ns_per_ms = 1'000'000;
  return clock_.now().steady_ns / ns_per_ms;
}

result<void> export_host::start() {
  auto stored = store_.read_meta(cursor_key);
  if (!stored)
    return tl::unexpected<error>(std::move(stored.error()));
  auto from = store_.trimmed();
  if (*stored) {
    auto cursor = store::unpack_position(**stored);
    if (!cursor)
      return tl::unexpected<error>(std::move(cursor.error()));
    from = std::max(from, *cursor);
  }
  if (auto held = store_.retain(holder, from); !held)
    return held;
  core_.open(from);
  thread_ = std::thread{[this] { run(); }};
  return {};
}

void export_host::stop() {
  if (stopping_.exchange(true))
    return;
  client_.stop();
  tasks_.post([] {});
  if (thread_.joinable())
    thread_.join();
}

void export_host::run() {
  auto is_behind = true;
  while (!stopping_.load()) {
    if (auto task = tasks_.take(is_behind ? std::chrono::milliseconds{0} : look_interval))
      (*task)();
    is_behind = core_.pump(now_ms());
    publish();
  }
  core_.close();
}

void export_host::post(std::string lines) {
  http_request what;
  what.url = options_.section.url;
  what.body = std::move(lines);
  what.headers = {{"Content-Type", "text/plain; charset=utf-8"}};
  constexpr std::chrono::seconds deadline{30};
  what.deadline = deadline;
  const auto& header = options_.section.header;
  if (auto colon = header.find(':'); colon != std::string::npos)
    what.headers.emplace_back(header.substr(0, colon),
                              header.substr(std::min(header.size(), colon + 2)));
  client_.send(std::move(what), [this](const result<http_reply>& reply) {
    tasks_.post([this, answer = answer_of(reply)] { core_.answered(answer, now_ms()); });
  });
}

result<void> export_host::keep(log_position cursor) {
  log_entry made;
  made.stream = log_stream::none;
  made.meta.push_back({cursor_key, store::pack_position(cursor)});
  if (auto written = store_.append(std::move(made)); !written)
    return tl::unexpected<error>(std::move(written.error()));
  return store_.retain(holder, cursor);
}

void export_host::publish() {
  std::lock_guard guard{mutex_};
  counted_ = core_.count();
  untyped_ = core_.untyped();
  backlog_bytes_ = core_.backlog_bytes();
  cursor_ = static_cast<std::uint64_t>(core_.cursor());
  is_failing_ = core_.is_failing();
}

void export_host::add_stats(stats_record& stats) const {
  std::lock_guard guard{mutex_};
  auto add = [&](const char* name, std::uint64_t number, const char* help) {
    stats.counters.push_back({name, static_cast<double>(number), help});
  };
  add("gemel_export_values_total", counted_.values, "Values that the server took");
  add("gemel_export_bytes_total", counted_.bytes, "Bytes of their lines");
  add("gemel_export_lost_total", counted_.lost,
      "Values given up since more than export.queue_bytes_max waited");
  add("gemel_export_refused_total", counted_.refused, "Values whose batch the server refused");
  add("gemel_export_skipped_total", counted_.skipped,
      "Values that are neither finite numbers nor bools");
  add("gemel_export_untyped_total", untyped_,
      "Values left out since nobody knew the types of their twins");
  add("gemel_export_failures_total", counted_.failures, "Batches that had to be sent again");
  add("gemel_export_unreadable_total", counted_.unreadable, "Records that could not be read");
  add("gemel_export_failing", is_failing_ ? 1 : 0, "Whether the last try failed");
  add("gemel_export_backlog_bytes", backlog_bytes_, "Bytes of log that wait");
  add("gemel_export_position", cursor_, "Log record up to which all is with the server");
}

} // namespace gemel
