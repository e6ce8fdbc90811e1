#include "actors/compute_fabric.hpp"

#include <algorithm>
#include <utility>

namespace gemel {

namespace {

constexpr std::int64_t ns_per_ms = 1'000'000;
constexpr std::int64_t us_per_ms = 1'000;
constexpr std::size_t labels_max = 64;

template <class Count>
value number_value(Count count) {
  return value{static_cast<std::int64_t>(count)};
}

std::uint64_t number_at(const value& from, std::string_view key) {
  const auto* found = from.find(key);
  return found != nullptr && found->is_integer() && found->as_integer() > 0
             ? static_cast<std::uint64_t>(found->as_integer())
             : 0;
}

std::string text_at(const value& from, std::string_view key) {
  const auto* found = from.find(key);
  return found != nullptr && found->is_text() ? std::string{found->as_text()} : std::string{};
}

value value_at(const value& from, std::string_view key) {
  const auto* found = from.find(key);
  return found != nullptr ? *found : value{};
}

bool flag_at(const value& from, std::string_view key) {
  const auto* found = from.find(key);
  return found != nullptr && found->is_bool() && found->as_bool();
}

bool has(const std::vector<std::string>& labels, const std::string& wanted) {
  return std::find(labels.begin(), labels.end(), wanted) != labels.end();
}

bool has_all(const std::vector<std::string>& labels, const std::vector<std::string>& wanted) {
  return std::all_of(wanted.begin(), wanted.end(),
                     [&](const auto& one) { return has(labels, one); });
}

std::size_t count_of(const std::vector<std::string>& labels,
                     const std::vector<std::string>& wanted) {
  return static_cast<std::size_t>(std::count_if(wanted.begin(), wanted.end(),
                                                [&](const auto& one) { return has(labels, one); }));
}

std::size_t bytes_of(const compute_job& job) {
  return job.input.twin.heap_bytes() + job.input.parameters.heap_bytes()
         + job.input.inputs.heap_bytes();
}

std::string joined(const std::vector<std::string>& labels) {
  std::string text;
  for (const auto& one : labels)
    text += (text.empty() ? "'" : ", '") + one + "'";
  return text;
}

} // namespace

compute_fabric::compute_fabric(options bounds, ports world, std::size_t peers)
    : bounds_{std::move(bounds)}, world_{std::move(world)},
      peers_(peers), alive_{std::make_shared<bool>(true)} {
}

compute_fabric::~compute_fabric() = default;

std::int64_t compute_fabric::now_ms() const {
  return world_.now().steady_ns / ns_per_ms;
}

bool compute_fabric::is_there(const peer_state& of) const {
  return of.heard_ms && of.hears_us && now_ms() - *of.heard_ms < bounds_.gone_ms;
}

compute_fabric::peer_view compute_fabric::peer(std::uint32_t number) const {
  const auto& of = peers_.at(number);
  auto serving = std::count_if(of.serving.begin(), of.serving.end(),
                               [](const auto& one) { return !one.second.answer; });
  return {is_there(of), of.labels, of.last, of.asked, static_cast<std::size_t>(serving)};
}

// ---- where a call runs

void compute_fabric::submit(compute_job job) {
  if (peers_.empty() && job.place.require.empty())
    return world_.run_here(std::move(job));
  call one;
  one.job = std::move(job);
  one.since_ms = now_ms();
  place(std::move(one));
}

// Nodes that may run it, of those the ones with the most labels that it prefers.
std::vector<std::uint32_t> compute_fabric::candidates(const call& one) const {
  const auto& place = one.job.place;
  std::vector<std::pair<std::size_t, std::uint32_t>> all;
  if (has_all(bounds_.labels, place.require) && !one.refused_by.contains(here))
    all.emplace_back(count_of(bounds_.labels, place.prefer), here);
  bool may_travel = bytes_of(one.job) <= bounds_.input_bytes_max;
  for (std::uint32_t i = 0; i < peers_.size() && may_travel; ++i)
    if (is_there(peers_[i]) && peers_[i].asked < bounds_.asks_max
        && has_all(peers_[i].labels, place.require) && !one.refused_by.contains(i))
      all.emplace_back(count_of(peers_[i].labels, place.prefer), i);
  std::size_t best = 0;
  for (const auto& [count, node] : all)
    best = std::max(best, count);
  std::vector<std::uint32_t> made;
  for (const auto& [count, node] : all)
    if (count == best)
      made.push_back(node);
  return made;
}

// Calls for each worker.
double compute_fabric::load_of(std::uint32_t node) const {
  auto of = node == here ? world_.load_here() : peers_[node].last;
  if (node != here)
    of.calls = std::max(of.calls + peers_[node].asked_since, peers_[node].asked);
  return static_cast<double>(of.calls) / static_cast<double>(std::max<std::size_t>(1, of.workers));
}

// `here` may also mean that there is no node: the caller has looked.
std::uint32_t compute_fabric::choose(const call& one) const {
  auto all = candidates(one);
  bool may_stay = std::find(all.begin(), all.end(), here) != all.end();
  if (may_stay && (all.size() == 1 || load_of(here) < 1))
    return here;
  std::erase(all, here);
  if (all.empty())
    return here;
  auto first = all[world_.random() % all.size()];
  auto second = all[world_.random() % all.size()];
  auto chosen = load_of(second) < load_of(first) ? second : first;
  // To travel costs something.
  constexpr double advantage = 0.5;
  return may_stay && load_of(chosen) + advantage > load_of(here) ? here : chosen;
}

void compute_fabric::place(call one) {
  if (is_stopping_)
    return one.job.refuse({errc::stopping, "the node is stopping"});
  if (candidates(one).empty())
    return park(std::move(one));
  auto node = choose(one);
  if (node == here)
    return world_.run_here(std::move(one.job));
  ask(std::move(one), node);
}

void compute_fabric::park(call one) {
  const auto& wanted = one.job.place.require;
  if (bytes_of(one.job) > bounds_.input_bytes_max && !has_all(bounds_.labels, wanted))
    return one.job.refuse({errc::limit_reached, "its input is too large for another node"});
  if (peers_.empty() || now_ms() - one.since_ms >= bounds_.park_ms)
    return one.job.refuse({errc::unreachable, "no node that can be reached has the labels "
                                                  + joined(wanted) + " and the function "
                                                  + one.job.function});
  if (parked_.size() >= bounds_.parked_max)
    return one.job.refuse({errc::overloaded, "too many calls wait for a node",
                           static_cast<std::uint32_t>(bounds_.resend_ms)});
  parked_.push_back(std::move(one));
}

// ---- what peers run for us

value_map compute_fabric::head(std::uint32_t peer) const {
  auto floor = numbers_ + 1;
  for (const auto& [number, one] : calls_)
    if (one.peer == peer && !one.was_got) {
      floor = number;
      break;
    }
  return {{"from", number_value(bounds_.incarnation)},
          {"to", number_value(peers_[peer].incarnation)},
          {"floor", number_value(floor)}};
}

void compute_fabric::tell(std::uint32_t peer, const char* what, std::uint64_t number) {
  auto content = head(peer);
  content.push_back({"id", number_value(number)});
  world_.send(peer, {std::string{service}, what, value{std::move(content)}});
}

void compute_fabric::ask(call one, std::uint32_t peer) {
  auto number = ++numbers_;
  one.peer = peer;
  one.was_got = false;
  ++counts_.sent;
  ++peers_[peer].asked;
  ++peers_[peer].asked_since;
  auto at = calls_.emplace(number, std::move(one)).first;
  send_ask(number, at->second);
}

void compute_fabric::send_ask(std::uint64_t number, call& one) {
  one.sent_ms = now_ms();
  const auto& job = one.job;
  auto content = head(one.peer);
  content.push_back({"id", number_value(number)});
  content.push_back({"function", value{job.function}});
  content.push_back({"key", value{job.input.key}});
  content.push_back({"tenant", value{job.tenant}});
  content.push_back({"priority", number_value(job.priority)});
  if (job.deadline_ms > 0)
    content.push_back({"left_ms", number_value(std::max<std::int64_t>(
                                      1, job.deadline_ms - world_.now().unix_us / us_per_ms))});
  content.push_back({"twin", job.input.twin});
  content.push_back({"parameters", job.input.parameters});
  content.push_back({"inputs", job.input.inputs});
  world_.send(one.peer, {std::string{service}, "ask", value{std::move(content)}});
}

// The node that had it is lost, or has lost it.
void compute_fabric::move(call one) {
  ++counts_.moved;
  if (++one.lost >= bounds_.nodes_lost_max)
    return one.job.refuse({errc::command_failed,
                           std::to_string(one.lost) + " nodes were lost while they had the call of "
                               + one.job.function});
  one.since_ms = now_ms();
  place(std::move(one));
}

void compute_fabric::move_from(std::uint32_t peer) {
  std::vector<call> all;
  for (auto at = calls_.begin(); at != calls_.end();) {
    if (at->second.peer != peer) {
      ++at;
      continue;
    }
    all.push_back(std::move(at->second));
    at = calls_.erase(at);
  }
  peers_[peer].asked = 0;
  peers_[peer].asked_since = 0;
  for (auto& one : all)
    move(std::move(one));
}

// @returns whether nobody wants it any more; it is answered then.
bool compute_fabric::give_up_unwanted(const call& one, bool may_tell, std::uint64_t number) {
  bool is_stopped = one.job.input.is_stopped();
  bool is_late = one.job.deadline_ms > 0 && one.job.deadline_ms <= world_.now().unix_us / us_per_ms;
  if (!is_stopped && !is_late)
    return false;
  if (may_tell)
    tell(one.peer, "cancel", number);
  one.job.refuse(is_stopped ? error{errc::stopping, "cancelled"}
                            : error{errc::timed_out, "its time was over"});
  return true;
}

void compute_fabric::look_at_calls() {
  for (std::uint32_t i = 0; i < peers_.size(); ++i)
    if (peers_[i].asked > 0 && !is_there(peers_[i]))
      move_from(i);
  for (auto at = calls_.begin(); at != calls_.end();) {
    auto& [number, one] = *at;
    if (give_up_unwanted(one, true, number)) {
      --peers_[one.peer].asked;
      at = calls_.erase(at);
      continue;
    }
    if (!one.was_got && now_ms() - one.sent_ms >= bounds_.resend_ms)
      send_ask(number, one);
    ++at;
  }
}

void compute_fabric::look_at_parked() {
  auto waiting = std::exchange(parked_, {});
  for (auto& one : waiting)
    if (!give_up_unwanted(one, false, 0))
      place(std::move(one));
}

void compute_fabric::hear_answer(std::uint32_t peer, std::uint64_t number, const value& from) {
  tell(peer, "taken", number);
  auto found = calls_.find(number);
  if (found == calls_.end() || found->second.peer != peer)
    return; // It was placed again, or is not wanted any more.
  auto one = std::move(found->second);
  calls_.erase(found);
  --peers_[peer].asked;
  if (flag_at(from, "dropped"))
    return move(std::move(one));
  auto code = static_cast<errc>(number_at(from, "code"));
  if (code == errc::none) {
    ++counts_.taken;
    return one.job.done(value_at(from, "result"));
  }
  if (code == errc::overloaded || code == errc::not_found) {
    one.refused_by.insert(peer);
    one.since_ms = now_ms();
    return place(std::move(one));
  }
  ++counts_.taken;
  one.job.done(fail(code, text_at(from, "message")));
}

// ---- what we run for peers

void compute_fabric::raise_floor(peer_state& of, const value& from) {
  of.floor = std::max(of.floor, number_at(from, "floor"));
  of.done.erase(of.done.begin(), of.done.lower_bound(of.floor));
}

void compute_fabric::hear_ask(std::uint32_t peer, std::uint64_t number, const value& from) {
  auto& of = peers_[peer];
  if (auto found = of.serving.find(number); found != of.serving.end()) {
    if (found->second.answer)
      send_answer(peer, number, found->second);
    else
      tell(peer, "got", number);
    return;
  }
  // Repeated on the way: it was done long ago.
  if (number < of.floor || of.done.contains(number))
    return;
  constexpr std::size_t times = 2;
  if (is_stopping_ || of.serving.size() >= times * bounds_.asks_max)
    return;
  run_for(peer, number, from);
}

void compute_fabric::run_for(std::uint32_t peer, std::uint64_t number, const value& from) {
  auto& of = peers_[peer];
  auto& made = of.serving[number];
  made.stop = std::make_shared<std::atomic<bool>>(false);
  compute_job job;
  job.function = text_at(from, "function");
  job.about = world_.function(job.function);
  auto done = [this, alive = std::weak_ptr<bool>{alive_}, post = world_.post, peer, number,
               incarnation = of.incarnation](const result<value>& answer) {
    post([this, alive, peer, number, incarnation, answer] {
      if (!alive.expired())
        ended(peer, incarnation, number, answer);
    });
  };
  tell(peer, "got", number);
  if (job.about == nullptr)
    return ended(peer, of.incarnation, number,
                 fail(errc::not_found, "there is no function '" + job.function + "'"));
  ++counts_.served;
  job.concurrency = job.about->concurrency;
  job.input.twin = value_at(from, "twin");
  job.input.parameters = value_at(from, "parameters");
  job.input.inputs = value_at(from, "inputs");
  job.input.key = text_at(from, "key");
  job.input.stop = made.stop;
  job.tenant = text_at(from, "tenant");
  job.priority = static_cast<std::int32_t>(
      std::min<std::uint64_t>(number_at(from, "priority"), compute_priority_max));
  if (auto left = number_at(from, "left_ms"); left > 0)
    job.deadline_ms = world_.now().unix_us / us_per_ms + static_cast<std::int64_t>(left);
  job.done = done;
  world_.run_here(std::move(job));
}

void compute_fabric::ended(std::uint32_t peer, std::uint64_t incarnation, std::uint64_t number,
                           result<value> answer) {
  auto& of = peers_[peer];
  auto found = of.serving.find(number);
  if (of.incarnation != incarnation || found == of.serving.end())
    return;
  if (answer && answer->heap_bytes() > bounds_.input_bytes_max)
    answer = fail(errc::limit_reached, "the result is too large to go to another node");
  found->second.answer = std::move(answer);
  send_answer(peer, number, found->second);
}

void compute_fabric::send_answer(std::uint32_t peer, std::uint64_t number, served& of) {
  of.sent_ms = now_ms();
  auto content = head(peer);
  content.push_back({"id", number_value(number)});
  if (of.is_dropped) {
    content.push_back({"dropped", value{true}});
  } else if (*of.answer) {
    content.push_back({"result", **of.answer});
  } else {
    content.push_back({"code", number_value(static_cast<std::uint16_t>(of.answer->error().code))});
    content.push_back({"message", value{of.answer->error().context}});
  }
  world_.send(peer, {std::string{service}, "answer", value{std::move(content)}});
}

// A peer that does not hear us has its calls made elsewhere: what it asked of us stops.
void compute_fabric::look_at_served() {
  for (std::uint32_t i = 0; i < peers_.size(); ++i) {
    auto& of = peers_[i];
    bool is_gone = !is_there(of);
    for (auto& [number, one] : of.serving) {
      if (is_gone && !one.is_dropped) {
        one.is_dropped = true;
        one.stop->store(true, std::memory_order_relaxed);
      }
      if (!is_gone && one.answer && now_ms() - one.sent_ms >= bounds_.resend_ms)
        send_answer(i, number, one);
    }
  }
}

// ---- who is there

void compute_fabric::announce() {
  auto now = world_.load_here();
  value_list labels;
  for (const auto& one : bounds_.labels)
    labels.emplace_back(value{one});
  for (std::uint32_t i = 0; i < peers_.size(); ++i) {
    const auto& of = peers_[i];
    auto content = head(i);
    content.push_back({"labels", value{labels}});
    content.push_back({"workers", number_value(now.workers)});
    content.push_back({"calls", number_value(now.calls)});
    content.push_back({"hears", value{of.heard_ms && now_ms() - *of.heard_ms < bounds_.gone_ms}});
    content.push_back({"stopping", value{is_stopping_}});
    world_.send(i, {std::string{service}, "announce", value{std::move(content)}});
  }
}

void compute_fabric::hear_announce(std::uint32_t peer, const value& from) {
  auto& of = peers_[peer];
  of.heard_ms = now_ms();
  of.hears_us = flag_at(from, "hears") && number_at(from, "to") == bounds_.incarnation
                && !flag_at(from, "stopping");
  of.last = {std::max<std::size_t>(1, number_at(from, "workers")), number_at(from, "calls")};
  of.asked_since = 0;
  of.labels.clear();
  if (const auto* labels = from.find("labels"); labels != nullptr && labels->is_list())
    for (const auto& one : labels->as_list())
      if (one.is_text() && of.labels.size() < labels_max)
        of.labels.emplace_back(one.as_text());
}

// The node was started anew: what it had for us is lost, what it wanted is not wanted any more.
void compute_fabric::begin_anew(std::uint32_t peer, std::uint64_t incarnation) {
  auto& of = peers_[peer];
  for (auto& [number, one] : of.serving)
    one.stop->store(true, std::memory_order_relaxed);
  auto asked = of.asked;
  of = {};
  of.incarnation = incarnation;
  of.asked = asked;
  move_from(peer);
}

bool compute_fabric::is_of_now(std::uint32_t peer, const value& from, bool is_announce) {
  auto& of = peers_[peer];
  auto incarnation = number_at(from, "from");
  if (incarnation == 0)
    return false;
  if (incarnation != of.incarnation) {
    // One that is older comes late, unless its clock was set back.
    bool is_silent = !of.heard_ms || now_ms() - *of.heard_ms >= bounds_.gone_ms;
    if (!is_announce || (incarnation < of.incarnation && !is_silent))
      return false;
    begin_anew(peer, incarnation);
  }
  return is_announce || number_at(from, "to") == bounds_.incarnation;
}

void compute_fabric::receive(std::uint32_t peer, const service_call& message) {
  if (peer >= peers_.size() || message.service != service || !message.arguments.is_map())
    return;
  const auto& from = message.arguments;
  bool is_announce = message.name == "announce";
  if (!is_of_now(peer, from, is_announce))
    return;
  raise_floor(peers_[peer], from);
  if (is_announce)
    return hear_announce(peer, from);
  auto number = number_at(from, "id");
  auto& of = peers_[peer];
  if (message.name == "ask")
    return hear_ask(peer, number, from);
  if (message.name == "answer")
    return hear_answer(peer, number, from);
  if (message.name == "got") {
    auto found = calls_.find(number);
    if (found != calls_.end() && found->second.peer == peer)
      found->second.was_got = true;
    return;
  }
  auto found = of.serving.find(number);
  if (message.name == "cancel" && found != of.serving.end()) {
    found->second.stop->store(true, std::memory_order_relaxed);
  } else if (message.name == "taken" && found != of.serving.end() && found->second.answer) {
    of.serving.erase(found);
    if (number >= of.floor)
      of.done.insert(number);
  }
}

void compute_fabric::tick() {
  look_at_calls();
  look_at_parked();
  look_at_served();
  if (now_ms() - announced_ms_ < bounds_.announce_ms)
    return;
  announced_ms_ = now_ms();
  announce();
}

void compute_fabric::stop() {
  is_stopping_ = true;
  announce();
  auto calls = std::exchange(calls_, {});
  auto waiting = std::exchange(parked_, {});
  for (auto& [number, one] : calls)
    one.job.refuse({errc::stopping, "the node is stopping"});
  for (auto& one : waiting)
    one.job.refuse({errc::stopping, "the node is stopping"});
}

} // namespace gemel
