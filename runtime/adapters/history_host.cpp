#include "runtime/adapters/history_host.hpp"

#include "messages/replies.hpp"

#include <limits>

namespace gemel {

namespace {

constexpr std::chrono::milliseconds look_interval{20};
// Records between two looks at what else is to be done.
constexpr std::size_t records_per_look = 1'024;

result<std::string> text_in(const service_call& asked, std::string_view key) {
  const auto* found = asked.arguments.find(key);
  if (found == nullptr || !found->is_text())
    return fail(errc::bad_value, "'" + std::string{key} + "' is missing, or no text");
  return std::string{found->as_text()};
}

result<std::int64_t> integer_in(const service_call& asked, std::string_view key,
                                std::int64_t otherwise) {
  const auto* found = asked.arguments.find(key);
  if (found == nullptr)
    return otherwise;
  if (!found->is_integer())
    return fail(errc::bad_value, "'" + std::string{key} + "' is no integer");
  return found->as_integer();
}

// What most calls have.
struct series_range {
  std::string id{};
  std::string property{};
  std::int64_t from_us = 0;
  std::int64_t to_us = 0;
};

result<series_range> range_in(const service_call& asked) {
  auto id = text_in(asked, "id");
  if (!id)
    return tl::unexpected<error>(std::move(id.error()));
  auto property = text_in(asked, "property");
  if (!property)
    return tl::unexpected<error>(std::move(property.error()));
  auto from = integer_in(asked, "from", std::numeric_limits<std::int64_t>::min());
  auto to = integer_in(asked, "to", std::numeric_limits<std::int64_t>::max());
  if (!from || !to)
    return tl::unexpected<error>(std::move(from ? to.error() : from.error()));
  return series_range{std::move(*id), std::move(*property), *from, *to};
}

value point_value(const series_point& one) {
  return value{value_list{value{one.time_us}, one.content}};
}

} // namespace

history_host::history_host(options wanted, rocks_store& from, const model_table& models,
                           twin_api& on, const clock_port& clock)
    : options_{std::move(wanted)}, store_{from}, node_{on}, clock_{clock}, disk_{from.database()},
      writer_{models,
              disk_,
              [this](std::string_view id) -> std::optional<std::string> {
                auto found = node_.get(id);
                while (!found && found.error().code == errc::overloaded) {
                  std::this_thread::sleep_for(look_interval);
                  found = node_.get(id);
                }
                return found ? std::optional{found->type} : std::nullopt;
              },
              {.keep_us = options_.section.keep_us, .bytes_max = options_.section.bytes_max}} {
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

void history_host::call(const service_call& asked, reply_function reply) {
  std::unique_lock guard{stop_mutex_};
  if (stopping_.load()) {
    guard.unlock();
    return reply(make_error_reply({errc::stopping, "the node is stopping"}));
  }
  tasks_.post([this, asked, reply = std::move(reply)] {
    auto up_to = store_.reached(durability::process);
    while (!stopping_.load() && writer_.taken() < up_to && catch_up())
      tick();
    auto made = answer_call(asked);
    reply(made ? make_result_reply(*made) : make_error_reply(made.error()));
  });
}

history_host::answer history_host::answer_call(const service_call& asked) {
  if (asked.name == "range")
    return range(asked);
  if (asked.name == "aggregate")
    return aggregate(asked);
  if (asked.name == "state")
    return state(asked);
  if (asked.name == "changes")
    return changes(asked);
  return fail(errc::unsupported,
              "history knows range, aggregate, state and changes, not '" + asked.name + "'");
}

history_host::answer history_host::range(const service_call& asked) const {
  auto what = range_in(asked);
  auto last = integer_in(asked, "last", 0);
  if (!what || !last)
    return tl::unexpected<error>(what ? last.error() : what.error());
  if (*last < 0)
    return fail(errc::bad_value, "'last' is negative");
  auto found = writer_.range(what->id, what->property, what->from_us, what->to_us,
                             static_cast<std::size_t>(*last));
  if (!found)
    return tl::unexpected<error>(std::move(found.error()));
  if (found->size() > limits::value_elements_max / 4)
    return fail(errc::limit_reached, "more than " + std::to_string(limits::value_elements_max / 4)
                                         + " points: ask for a shorter time, for the last ones, "
                                           "or for an aggregate");
  value_list points;
  for (const auto& one : *found)
    points.push_back(point_value(one));
  return value{value_map{{"points", value{std::move(points)}}}};
}

history_host::answer history_host::aggregate(const service_call& asked) const {
  auto what = range_in(asked);
  if (!what)
    return tl::unexpected<error>(std::move(what.error()));
  auto every = integer_in(asked, "every", 0);
  auto name = text_in(asked, "function");
  if (!every || !name)
    return tl::unexpected<error>(every ? name.error() : every.error());
  auto function = sample_function_from_string(*name);
  if (!function)
    return tl::unexpected<error>(std::move(function.error()));
  downsample_request wanted{
      .from_us = what->from_us, .to_us = what->to_us, .interval_us = *every, .function = *function};
  if (const auto* percent = asked.arguments.find("percent"))
    wanted.percent = percent->number().value_or(-1);
  auto found = writer_.aggregate(what->id, what->property, wanted);
  if (!found)
    return tl::unexpected<error>(std::move(found.error()));
  if (found->size() > limits::value_elements_max / 4)
    return fail(errc::limit_reached, "too many intervals for one answer");
  value_list rows;
  for (const auto& one : *found)
    rows.push_back(value{value_list{value{one.from_us}, value{one.count},
                                    one.number ? value{*one.number} : value{}}});
  return value{value_map{{"rows", value{std::move(rows)}}}};
}

history_host::answer history_host::state(const service_call& asked) const {
  auto id = text_in(asked, "id");
  auto at = integer_in(asked, "at", std::numeric_limits<std::int64_t>::max());
  if (!id || !at)
    return tl::unexpected<error>(id ? at.error() : id.error());
  auto found = writer_.state_at(*id, *at);
  if (!found)
    return tl::unexpected<error>(std::move(found.error()));
  value_map made;
  for (const auto& [name, one] : *found)
    if (!one.content.is_null())
      made.push_back({name, point_value(one)});
  return value{std::move(made)};
}

history_host::answer history_host::changes(const service_call& asked) const {
  auto id = text_in(asked, "id");
  auto from = integer_in(asked, "from", std::numeric_limits<std::int64_t>::min());
  auto to = integer_in(asked, "to", std::numeric_limits<std::int64_t>::max());
  if (!id)
    return tl::unexpected<error>(std::move(id.error()));
  if (!from || !to)
    return tl::unexpected<error>(from ? to.error() : from.error());
  auto before = writer_.state_at(*id, *from);
  if (!before)
    return tl::unexpected<error>(std::move(before.error()));
  auto then = writer_.state_at(*id, *to);
  if (!then)
    return tl::unexpected<error>(std::move(then.error()));
  value_map made;
  for (const auto& [name, one] : *then) {
    auto old = before->find(name);
    auto was = old == before->end() ? value{} : old->second.content;
    if (was != one.content)
      made.push_back({name, value{value_list{was, one.content}}});
  }
  return value{std::move(made)};
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
  add("gemel_history_refused_total", refused_.load(), "Records that could not be read");
  add("gemel_history_position", position_.load(), "Log record up to which history has read");
}

} // namespace gemel
