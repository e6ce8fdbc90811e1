#include "runtime/bulk.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>
#include <vector>

namespace gemel {

namespace {

using std::chrono::milliseconds;

constexpr std::int64_t ns_of_ms = 1'000'000;
constexpr milliseconds progress_step{200};
constexpr milliseconds stop_step{100};
constexpr milliseconds idle_step{20};
constexpr milliseconds reconnect_wait_min{100};
constexpr milliseconds reconnect_wait_max{5'000};
constexpr std::uint32_t query_page_rows = 2'000;

struct answer {
  std::uint64_t number;
  frame content;
};

// Where threads of the runtime leave answers.
class answer_box {
public:
  void put(answer came) {
    {
      std::lock_guard guard{mutex_};
      came_.push_back(std::move(came));
    }
    ready_.notify_one();
  }
  // Those that came, waiting at most so long for the first one.
  std::vector<answer> take(milliseconds wait) {
    std::unique_lock guard{mutex_};
    if (wait.count() > 0)
      ready_.wait_for(guard, wait, [&] { return !came_.empty(); });
    return std::exchange(came_, {});
  }

private:
  std::mutex mutex_;
  std::condition_variable ready_;
  std::vector<answer> came_;
};

class bulk_run {
public:
  bulk_run(bulk_input& input, const bulk_rules& rules, const bulk_world& world,
           const bulk_watch& watch)
      : input_{input}, world_{world}, watch_{watch}, core_{rules, [this](const auto& what) {
                                                             note(what);
                                                           }} {}

  bulk_report run() {
    if (connect())
      while (!core_.done() && !report_.broken)
        step();
    // A link that is given back late must find nothing of this run.
    link_.reset();
    tell(true);
    report_.is_complete =
        ended_ && entries_.empty() && core_.done() && !report_.state.first_open && !report_.broken;
    return std::move(report_);
  }

private:
  std::int64_t now() const { return world_.clock.now().steady_ns; }

  void note(const bulk_outcome& what) const {
    if (watch_.outcome)
      watch_.outcome(what);
  }

  void step() {
    look_around();
    auto is_idle = !fill();
    send();
    auto wait = waiting_time(is_idle);
    for (auto& came : box_->take(wait))
      core_.answered(came.number, came.content, now());
    if (core_.is_lost() && !core_.stopped())
      reconnect();
  }

  void look_around() {
    if (now() >= next_look_ns_) {
      next_look_ns_ = now() + stop_step.count() * ns_of_ms;
      if (world_.should_stop && world_.should_stop())
        core_.stop();
    }
    tell(false);
  }

  void tell(bool is_last) {
    if (!is_last && now() < next_tell_ns_)
      return;
    next_tell_ns_ = now() + progress_step.count() * ns_of_ms;
    report_.state.totals = core_.totals();
    report_.state.first_open = core_.first_open();
    if (!report_.state.first_open && !entries_.empty())
      report_.state.first_open = entries_.front().item.where;
    if (watch_.progress)
      watch_.progress(report_.state);
  }

  // False when the input has nothing at the moment.
  bool fill() {
    for (;;) {
      while (!entries_.empty() && core_.wants_items())
        take_entry();
      if (!core_.wants_items())
        return true;
      if (ended_) {
        core_.end();
        return true;
      }
      auto wait = core_.under_way() > 0 ? milliseconds{0} : idle_step;
      auto read = input_.read(entries_, wait);
      if (!read) {
        report_.broken = std::move(read.error());
        ended_ = true;
        core_.stop();
        return true;
      }
      ended_ = *read == bulk_input::state::ended;
      if (*read == bulk_input::state::idle && entries_.empty()) {
        core_.flush();
        return false;
      }
    }
  }

  void take_entry() {
    auto entry = std::move(entries_.front());
    entries_.pop_front();
    report_.state.last_read = entry.item.where;
    if (entry.faults.empty())
      return core_.add(std::move(entry.item));
    if (watch_.bad)
      watch_.bad(entry);
    const auto& first = entry.faults.front();
    core_.refuse({entry.item.where, {}, bulk_status::failed, {first.code, first.message}, true});
  }

  void send() {
    while (auto next = core_.next(now()))
      link_->request(std::move(next->content), [box = box_, number = next->number](frame reply) {
        box->put({number, std::move(reply)});
      });
  }

  milliseconds waiting_time(bool is_idle) const {
    if (core_.done() || (core_.wants_items() && !is_idle))
      return milliseconds{0};
    auto wait = is_idle ? idle_step : stop_step;
    if (auto at = core_.wake_at())
      wait = std::min(wait, milliseconds{std::max<std::int64_t>((*at - now()) / ns_of_ms + 1, 0)});
    return wait;
  }

  bool connect() {
    auto link = world_.open();
    if (!link) {
      report_.broken = std::move(link.error());
      return false;
    }
    link_ = std::move(*link);
    return true;
  }

  void reconnect() {
    link_.reset();
    box_ = std::make_shared<answer_box>(); // late answers go to the old one
    auto last_ns = now() + world_.reconnect_max.count() * ns_of_ms;
    auto wait = reconnect_wait_min;
    for (bool is_first = true; !core_.stopped(); is_first = false) {
      auto link = world_.open();
      if (link) {
        link_ = std::move(*link);
        return core_.restore();
      }
      if (is_first && watch_.lost)
        watch_.lost(link.error());
      if (now() >= last_ns) {
        report_.broken = std::move(link.error());
        return;
      }
      pause(wait);
      wait = std::min(2 * wait, reconnect_wait_max);
    }
  }

  void pause(milliseconds time) {
    auto until_ns = now() + time.count() * ns_of_ms;
    while (now() < until_ns && !core_.stopped()) {
      box_->take(std::min(time, stop_step));
      look_around();
    }
  }

  bulk_input& input_;
  const bulk_world& world_;
  const bulk_watch& watch_;
  bulk_core core_;
  std::shared_ptr<answer_box> box_ = std::make_shared<answer_box>();
  std::shared_ptr<twin_api> link_;
  std::deque<bulk_entry> entries_; // read, not yet taken: what one piece of the input holds
  bool ended_ = false;
  std::int64_t next_look_ns_ = 0;
  std::int64_t next_tell_ns_ = 0;
  bulk_report report_;
};

} // namespace

bulk_text_input::bulk_text_input(bulk_reader::options wanted, byte_source read)
    : bytes_{std::move(read)}, reader_{std::move(wanted), [this](bulk_entry made) {
                                         into_->push_back(std::move(made));
                                       }} {
}

result<bulk_input::state> bulk_text_input::read(std::deque<bulk_entry>& into,
                                                std::chrono::milliseconds wait) {
  into_ = &into;
  auto bytes = bytes_(wait);
  if (!bytes)
    return tl::unexpected<error>(std::move(bytes.error()));
  if (!*bytes) {
    reader_.finish();
    return state::ended;
  }
  if ((*bytes)->empty())
    return state::idle;
  reader_.push(**bytes);
  return state::ready;
}

bulk_query_input::bulk_query_input(query_request asked, link_opener open, make_item make)
    : asked_{std::move(asked)}, open_{std::move(open)}, make_{std::move(make)} {
  asked_.limit = query_page_rows;
}

result<bulk_input::state> bulk_query_input::read(std::deque<bulk_entry>& into,
                                                 std::chrono::milliseconds) {
  if (ended_)
    return state::ended;
  if (!link_) {
    auto link = open_();
    if (!link)
      return tl::unexpected<error>(std::move(link.error()));
    link_ = std::move(*link);
  }
  auto page = link_->query(asked_);
  if (!page)
    return tl::unexpected<error>(std::move(page.error()));
  for (const auto& twin : page->twins) {
    auto what = make_(twin);
    if (!what)
      continue;
    bulk_entry made;
    made.item.what = std::move(*what);
    made.item.where.item = ++items_;
    into.push_back(std::move(made));
  }
  asked_.page_token = std::move(page->next);
  ended_ = asked_.page_token.empty();
  return ended_ ? state::ended : state::ready;
}

bulk_report run_bulk(bulk_input& input, const bulk_rules& rules, const bulk_world& world,
                     const bulk_watch& watch) {
  return bulk_run{input, rules, world, watch}.run();
}

} // namespace gemel
