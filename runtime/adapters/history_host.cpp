#include "runtime/adapters/history_host.hpp"

#include "messages/replies.hpp"
#include "runtime/history_answers.hpp"

#include <memory>
#include <utility>

namespace gemel {

namespace {

constexpr std::chrono::milliseconds look_interval{20};
// Records between two looks at what else is to be done.
constexpr std::size_t records_per_look = 1'024;

} // namespace

history_host::history_host(options wanted, rocks_store& from, const model_table& models,
                           twin_api& on, const clock_port& clock)
    : options_{std::move(wanted)}, store_{from}, node_{on}, clock_{clock}, disk_{from.database()},
      writer_{models,
              disk_,
              [this](std::string_view id) { return live_type(id); },
              {.keep_us = options_.section.keep_us, .bytes_max = options_.section.bytes_max}} {
}

// Of a twin that was there before its type had a history.
std::optional<std::string> history_host::live_type(std::string_view id) {
  auto found = node_.get(id);
  while (!found && found.error().code == errc::overloaded && !stopping_.load()) {
    std::this_thread::sleep_for(look_interval);
    found = node_.get(id);
  }
  return found ? std::optional{found->type} : std::nullopt;
}

history_host::~history_host() {
  stop();
}

result<void> history_host::start() {
  auto from = writer_.open(store_.trimmed());
  if (!from)
    return tl::unexpected<error>(std::move(from.error()));
  retained_ = *from;
  if (auto held = store_.retain(holder, retained_); !held)
    return held;
  thread_ = std::thread{[this] { run(); }};
  return {};
}

void history_host::stop() {
  {
    std::lock_guard guard{stop_mutex_};
    if (stopping_.exchange(true))
      return;
  }
  tasks_.post([] {});
  if (thread_.joinable())
    thread_.join();
  while (auto task = tasks_.take(std::chrono::milliseconds{0})) // They want their answers.
    (*task)();
  readers_.stop(); // Their snapshots end before the database does.
}

void history_host::run() {
  bool is_behind = true;
  while (!stopping_.load()) {
    if (auto task = tasks_.take(is_behind ? std::chrono::milliseconds{0} : look_interval))
      (*task)();
    is_behind = catch_up();
    tick();
  }
  if (store_.admit())
    if (auto done = writer_.flush(); !done)
      complain(done.error());
}

// Reads some of what the log has more. @returns whether there is yet more.
bool history_host::catch_up() {
  if (store_.reached(durability::process) <= writer_.taken())
    return false;
  std::size_t records = 0;
  auto is_full = false;
  auto read = store_.read_log(writer_.taken(),
                              [&](log_position at, log_stream stream, std::string_view record) {
                                if (++records > records_per_look) {
                                  is_full = true;
                                  return result<void>{fail(errc::limit_reached, "enough for now")};
                                }
                                if (stream != log_stream::twins) {
                                  writer_.pass(at);
                                  return result<void>{};
                                }
                                if (auto taken = writer_.take(at, record, now_us()); !taken) {
                                  complain(taken.error());
                                  ++refused_;
                                  writer_.pass(at);
                                }
                                return result<void>{};
                              });
  if (!read && !is_full)
    complain(read.error());
  return is_full;
}

void history_host::tick() {
  if (!store_.admit()) // A full disk: what is open stays in the log.
    return;
  if (auto done = writer_.tick(now_us()); !done)
    complain(done.error());
  if (writer_.durable() > retained_) {
    if (auto held = store_.retain(holder, writer_.durable()); held)
      retained_ = writer_.durable();
  }
  publish();
}

void history_host::publish() {
  const auto& count = writer_.count();
  points_ = count.points;
  open_points_ = writer_.open_points();
  block_bytes_ = count.block_bytes;
  late_ = count.late;
  dropped_ = count.partitions_dropped;
  series_dropped_ = count.series_dropped;
  untyped_ = writer_.untyped();
  position_ = static_cast<std::uint64_t>(writer_.taken());
}

// Once, until it is something else.
void history_host::complain(const error& why) {
  auto text = to_string(why);
  if (text == complaint_)
    return;
  complaint_ = text;
  options_.log("history: " + text);
}

// ---- the service --------------------------------------------------------------------------------

/// One call, answered once: at the latest when nobody has it any more.
class history_host::pending_answer {
public:
  pending_answer(reply_function reply, std::atomic<std::size_t>& calls)
      : reply_{std::move(reply)}, calls_{calls} {
    ++calls_;
  }
  ~pending_answer() {
    if (reply_)
      give(fail(errc::stopping, "the node is stopping"));
    --calls_;
  }
  pending_answer(const pending_answer&) = delete;
  pending_answer& operator=(const pending_answer&) = delete;

  void give(const result<value>& what) {
    std::exchange(reply_,
                  nullptr)(what ? make_result_reply(*what) : make_error_reply(what.error()));
  }

private:
  reply_function reply_;
  std::atomic<std::size_t>& calls_;
};

void history_host::call(const service_call& asked, reply_function reply) {
  auto pending = std::make_shared<pending_answer>(std::move(reply), calls_);
  auto question = read_question(asked);
  if (!question)
    return pending->give(tl::unexpected<error>(std::move(question.error())));
  if (calls_ > calls_max)
    return pending->give(fail(errc::overloaded, "too many questions wait for history"));
  std::unique_lock guard{stop_mutex_};
  if (stopping_.load())
    return;
  tasks_.post([this, what = *std::move(question), pending] {
    auto up_to = store_.reached(durability::process);
    while (!stopping_.load() && writer_.taken() < up_to && catch_up())
      tick();
    auto from = std::make_shared<history_reader>(writer_.look(what.ids));
    auto work = [what, pending, from] { pending->give(answer(what, *from)); };
    if (!readers_.submit(std::move(work)))
      pending->give(fail(errc::overloaded, "too many questions wait for history"));
  });
}

void history_host::add_stats(stats_record& stats) const {
  auto add = [&](const char* name, std::uint64_t number, const char* help) {
    stats.counters.push_back({name, static_cast<double>(number), help});
  };
  add("gemel_history_points_total", points_.load(), "Values taken into history");
  add("gemel_history_points_open", open_points_.load(), "Of these, not yet in blocks");
  add("gemel_history_block_bytes_total", block_bytes_.load(), "Bytes of blocks written");
  add("gemel_history_late_total", late_.load(), "Values older than what history keeps");
  add("gemel_history_dropped_total", dropped_.load(), "Times old days were dropped");
  add("gemel_history_series_dropped_total", series_dropped_.load(),
      "Days of properties dropped before others");
  add("gemel_history_untyped_total", untyped_.load(),
      "Values left out since nobody knew the types of their twins");
  add("gemel_history_calls", calls_.load(), "Questions without an answer yet");
  add("gemel_history_refused_total", refused_.load(), "Records that could not be read");
  add("gemel_history_position", position_.load(), "Log record up to which history has read");
}

} // namespace gemel
